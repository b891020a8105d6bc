//! All spellings of the options of Mosquitto's clients, those of MQTTX's that do not clash, and ours.

/// How an option is spelled here, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) ours: &'static str,
    pub(super) takes: Takes,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: it is a switch.
    Nothing,
    /// One word.
    Value,
    /// One word: the options file.
    File,
    /// Packet, name and value of a property; a user property has two values.
    Group,
    /// One word: the value of this property of this packet.
    Properties(&'static str, &'static str),
    /// One word, `NAME: VALUE`: a user property of these packets, of which a command sends one.
    Pair(&'static [&'static str]),
    /// One word, `mqtt`, `mqtts`, `ws` or `wss`: our options for it.
    Protocol,
    /// Nothing: it gives this property of this packet this value.
    Switch(&'static str, &'static str, &'static str),
}

use Takes::{File, Group, Nothing, Pair, Properties, Protocol, Switch, Value};

/// Looks a word up.
pub(super) fn spelling(word: &str) -> Option<Spelling> {
    let (_, ours, takes) = SPELLINGS
        .iter()
        .chain(MQTTX)
        .chain(OURS)
        .find(|(spellings, ..)| spellings.split(' ').any(|spelled| spelled == word))?;
    Some(Spelling {
        ours,
        takes: *takes,
    })
}

/// Those of Mosquitto 2.1.
pub(super) const SPELLINGS: &[(&str, &str, Takes)] = &[
    ("-A", "--bind-address", Value),
    ("--cafile", "--cafile", Value),
    ("--capath", "--capath", Value),
    ("--cert", "--cert", Value),
    ("--ciphers", "--ciphers", Value),
    ("-C", "--count", Value),
    (
        "-c --disable-clean-session",
        "--disable-clean-session",
        Nothing,
    ),
    ("-d --debug", "--debug", Nothing),
    ("-D --property", "--property", Group),
    ("-e", "--response-topic", Value),
    ("-E", "-E", Nothing),
    ("-f --file", "--file", Value),
    ("-F", "--format", Value),
    ("--help", "--help", Nothing),
    ("-h --host", "--host", Value),
    ("-i --id", "--id", Value),
    ("-I --id-prefix", "--id-prefix", Value),
    ("--insecure", "--insecure", Nothing),
    ("-k --keepalive", "--keepalive", Value),
    ("--key", "--key", Value),
    ("--keyform", "--keyform", Value),
    ("-l --stdin-line", "--stdin-line", Nothing),
    ("-L --url", "--url", Value),
    ("--latency", "--latency", Nothing),
    ("-m --message", "--message", Value),
    ("-M", "--max-inflight", Value),
    ("--message-rate", "--message-rate", Nothing),
    ("--mptcp", "--mptcp", Nothing),
    ("-n --null-message", "--null-message", Nothing),
    ("-N", "-N", Nothing),
    ("--no-tls", "--no-tls", Nothing),
    ("--nodelay", "--nodelay", Nothing),
    ("-o", "", File),
    ("-p --port", "--port", Value),
    ("-P --pw", "--pw", Value),
    ("--pretty", "--pretty", Nothing),
    ("--proxy", "--proxy", Value),
    ("--psk", "--psk", Value),
    ("--psk-identity", "--psk-identity", Value),
    ("-q --qos", "--qos", Value),
    ("--quiet", "--quiet", Nothing),
    ("-r --retain", "--retain", Nothing),
    ("-R", "-R", Nothing),
    ("--random-filter", "--random-filter", Value),
    ("--remove-retained", "--remove-retained", Nothing),
    ("--repeat", "--repeat", Value),
    ("--repeat-delay", "--repeat-delay", Value),
    ("--retain-as-published", "--retain-as-published", Nothing),
    ("--retain-handling", "--retain-handling", Value),
    ("--retained-only", "--retained-only", Nothing),
    ("-s --stdin-file", "--stdin-file", Nothing),
    ("-S", "--srv", Nothing),
    ("-t --topic", "--topic", Value),
    ("-T --filter-out", "--filter-out", Value),
    ("--tls-alpn", "--tls-alpn", Value),
    ("--tls-engine", "--tls-engine", Value),
    ("--tls-engine-kpass-sha1", "--tls-engine-kpass-sha1", Value),
    ("--tls-keylog", "--tls-keylog", Value),
    ("--tls-use-os-certs", "--tls-use-os-certs", Nothing),
    ("--tls-version", "--tls-version", Value),
    ("-u --username", "--username", Value),
    ("-U --unsubscribe", "--unsubscribe", Value),
    ("--unix", "--unix", Value),
    ("-v --verbose", "--verbose", Nothing),
    ("-V --protocol-version", "--protocol-version", Value),
    ("-w --watch", "--watch", Nothing),
    ("-W", "--timeout", Value),
    ("--will-payload", "--will-payload", Value),
    ("--will-qos", "--will-qos", Value),
    ("--will-retain", "--will-retain", Nothing),
    ("--will-topic", "--will-topic", Value),
    ("--ws", "--ws", Nothing),
    ("-x", "--session-expiry-interval", Value),
];

/// Long names of MQTTX's command line.
pub(super) const MQTTX: &[(&str, &str, Takes)] = &[
    ("--hostname", "--host", Value),
    ("--client-id", "--id", Value),
    ("--password", "--pw", Value),
    ("--mqtt-version", "--protocol-version", Value),
    ("--no-clean", "--disable-clean-session", Nothing),
    ("--no_local", "--no-local", Nothing),
    ("--protocol", "", Protocol),
    // `pub` has it as a property, `rr` as `-e`.
    ("--response-topic", "--response-topic", Value),
    (
        "--session-expiry-interval",
        "--session-expiry-interval",
        Value,
    ),
    ("--ca", "--cafile", Value),
    ("--will-message", "--will-payload", Value),
    ("--stdin", "--stdin-file", Nothing),
    (
        "--content-type",
        "--property",
        Properties("publish", "content-type"),
    ),
    (
        "--correlation-data",
        "--property",
        Properties("publish", "correlation-data"),
    ),
    (
        "--message-expiry-interval",
        "--property",
        Properties("publish", "message-expiry-interval"),
    ),
    (
        "--subscription-identifier",
        "--property",
        Properties("subscribe", "subscription-identifier"),
    ),
    (
        "--receive-maximum",
        "--property",
        Properties("connect", "receive-maximum"),
    ),
    (
        "--maximum-packet-size",
        "--property",
        Properties("connect", "maximum-packet-size"),
    ),
    (
        "--topic-alias-maximum",
        "--property",
        Properties("connect", "topic-alias-maximum"),
    ),
    (
        "--will-delay-interval",
        "--property",
        Properties("will", "will-delay-interval"),
    ),
    (
        "--authentication-method",
        "--property",
        Properties("connect", "authentication-method"),
    ),
    ("--alpn", "--tls-alpn", Value),
    ("--file-read", "--file", Value),
    ("--multiline --line-mode", "--stdin-line", Nothing),
    (
        "--user-properties",
        "--property",
        Pair(&["publish", "subscribe"]),
    ),
    ("--conn-user-properties", "--property", Pair(&["connect"])),
    ("--will-user-properties", "--property", Pair(&["will"])),
    (
        "--payload-format-indicator",
        "--property",
        Switch("publish", "payload-format-indicator", "1"),
    ),
    (
        "--will-payload-format-indicator",
        "--property",
        Switch("will", "payload-format-indicator", "1"),
    ),
    (
        "--req-response-info",
        "--property",
        Switch("connect", "request-response-information", "1"),
    ),
    (
        "--no-req-problem-info",
        "--property",
        Switch("connect", "request-problem-information", "0"),
    ),
    (
        "--topic-alias",
        "--property",
        Properties("publish", "topic-alias"),
    ),
    (
        "--rcv-max",
        "--property",
        Properties("connect", "receive-maximum"),
    ),
    (
        "--will-message-expiry-interval",
        "--property",
        Properties("will", "message-expiry-interval"),
    ),
    (
        "--will-content-type",
        "--property",
        Properties("will", "content-type"),
    ),
    (
        "--will-response-topic",
        "--property",
        Properties("will", "response-topic"),
    ),
    (
        "--will-correlation-data",
        "--property",
        Properties("will", "correlation-data"),
    ),
];

/// Our own that mean something before the words are read.
const OURS: &[(&str, &str, Takes)] = &[
    ("--api", "--api", Value),
    ("--context", "--context", Value),
    ("--dir", "--dir", Value),
    ("--path", "--path", Value),
    ("--token", "--token", Value),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_spelled_twice() {
        let spellings = SPELLINGS.iter().chain(MQTTX).chain(OURS);
        let mut words: Vec<_> = spellings.flat_map(|(words, ..)| words.split(' ')).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        assert!(count > 97, "{count}");
    }
}
