//! Every key of `columba.toml`: one table that drives the checks, the defaults, the suggestions
//! and the reference in the manual.

use super::key::{Applies, Key, Kind, Section};

const SECOND_MS: u64 = 1000;
const DAY_MS: u64 = 24 * 3600 * SECOND_MS;
/// Session expiry intervals are seconds in 32 bits, and the highest one means for ever.
const EXPIRY_MS_MAX: u64 = (u32::MAX as u64 - 1) * SECOND_MS;
const COUNT_MAX: u64 = 1 << 40;
/// The largest packet of the protocol: a remaining length of 268,435,455 and five bytes before it.
const PACKET_BYTES_MAX: u64 = 268_435_460;

const fn live(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Some(default),
        applies: Applies::AtOnce,
        doc,
    }
}

const fn fixed(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Some(default),
        applies: Applies::AfterRestart,
        doc,
    }
}

const fn optional(name: &'static str, kind: Kind, applies: Applies, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default: None,
        applies,
        doc,
    }
}

const fn count(min: u64) -> Kind {
    Kind::Integer {
        min,
        max: COUNT_MAX,
    }
}

const fn expiry(word: &'static str) -> Kind {
    Kind::Duration {
        min_ms: 0,
        max_ms: EXPIRY_MS_MAX,
        step_ms: SECOND_MS,
        word: Some(word),
    }
}

/// All sections.
pub const SECTIONS: &[Section] = &[BROKER, STORE, LISTENER, LIMITS, ACCESS, ADMIN, LOG];

const BROKER: Section = Section {
    name: "broker",
    is_list: false,
    doc: "The process as a whole.",
    keys: &[
        fixed(
            "shards",
            Kind::IntegerOr {
                min: 1,
                max: 64,
                word: "auto",
            },
            "auto",
            "Threads that serve clients, each with its share of them. \"auto\" takes one for each \
             processor core, but leaves one core to the store, if there is one and another core.",
        ),
        fixed(
            "data_dir",
            Kind::Path,
            "data",
            "Directory of what the broker keeps. It holds a lock, so that one instance never runs \
             twice.",
        ),
        live(
            "recorder",
            Kind::Choice(&["standard", "small"]),
            "standard",
            "How much the flight recorder remembers, which knows afterwards why a message did not \
             arrive: \"standard\" has 64 MiB of memory, shared out between the shards, and 64 MiB of \
             files; \"small\", for a small board, 8 MiB of each, but 1 MiB of memory per shard at \
             least. A change empties the memory; that of the files applies after a restart.",
        ),
    ],
};

const STORE: Section = Section {
    name: "store",
    is_list: false,
    doc: "What outlives the process: sessions that do not end with their connection, messages with \
          QoS 1 and 2 that wait for them or are on their way, and retained messages.",
    keys: &[
        fixed(
            "durability",
            Kind::Choice(&["sync", "os", "memory"]),
            "sync",
            "What it outlives. \"sync\": a loss of power; what a client is told was taken is on the \
             disk by then. \"os\": the end of the process, however it ends, but not that of the \
             machine; nobody waits for the disk. \"memory\": nothing; no file is written.",
        ),
        optional(
            "directory",
            Kind::Path,
            Applies::AfterRestart,
            "Where it is. It is made if need be, readable for its owner alone, and belongs to one \
             process at a time. Without it: the data_dir of [broker].",
        ),
        optional(
            "recorder_bytes_max",
            Kind::Size {
                min: 0,
                max: COUNT_MAX,
            },
            Applies::AfterRestart,
            "Files of the flight recorder in the data_dir, all together; the oldest goes first. 0 \
             writes none, and so does durability \"memory\": then the record begins anew with each \
             start. Without it: what recorder of [broker] says.",
        ),
    ],
};

const LISTENER: Section = Section {
    name: "listener",
    is_list: true,
    doc: "A door for clients. Without any, there is one for MQTT over TCP at port 1883.",
    keys: &[
        optional(
            "name",
            Kind::Text,
            Applies::AfterRestart,
            "Its name in the log and in variables of the environment. Each listener has its own; \
             without one it is called after its kind.",
        ),
        fixed(
            "kind",
            Kind::Choice(&["tcp", "tls", "ws", "wss", "unix"]),
            "tcp",
            "MQTT over TCP, over TLS, over WebSocket, over WebSocket with TLS, or over a Unix \
             socket.",
        ),
        optional(
            "bind",
            Kind::Text,
            Applies::AfterRestart,
            "Where it listens: ADDRESS:PORT (0.0.0.0 is every IPv4 address of the machine, [::] \
             every address, 127.0.0.1 only this machine; port 0 takes a free one), or the path of \
             a Unix socket. Without it: 0.0.0.0 and the usual port of the kind (tcp 1883, tls \
             8883, ws 8083, wss 8084).",
        ),
        optional(
            "tls_certificate",
            Kind::Path,
            Applies::AfterRestart,
            "File with the certificate chain in PEM format, the server's own first. The file is \
             read again when it changes.",
        ),
        optional(
            "tls_key",
            Kind::Path,
            Applies::AfterRestart,
            "File with the private key of the certificate in PEM format. The file is read again \
             when it changes.",
        ),
        optional(
            "tls_client_ca",
            Kind::Path,
            Applies::AfterRestart,
            "File with the certificates of the authorities, in PEM format, that may vouch for \
             clients.",
        ),
        fixed(
            "tls_client_certificate",
            Kind::Choice(&["none", "optional", "required"]),
            "none",
            "Whether clients show a certificate: never, if they have one, or always.",
        ),
        optional(
            "websocket_path",
            Kind::Text,
            Applies::AfterRestart,
            "Path of the URL that WebSocket clients use. Without it: /mqtt.",
        ),
        optional(
            "allowed_origins",
            Kind::Texts,
            Applies::AfterRestart,
            "Web pages that may connect to a WebSocket listener, by their origin, such as \
             [\"https://app.example\", \"http://localhost:5173\"]; \"*\" is all. Without it: pages of \
             the host that they connect to. Clients that are no browsers send no origin and may \
             always connect.",
        ),
        optional(
            "anonymous",
            Kind::Choice(&["never", "loopback", "always"]),
            Applies::AtOnce,
            "Who may connect without user name and password: nobody, programs on this machine, or \
             everybody. Without it: loopback; for ws and wss never, since a web page in a browser \
             on this machine connects from this machine, whoever wrote it. Behind a proxy on this \
             machine everybody comes from this machine: write \"never\" there.",
        ),
        live(
            "connections_max",
            Kind::Integer {
                min: 0,
                max: 1 << 30,
            },
            "0",
            "Connections through this listener at a time; 0 for no limit of its own.",
        ),
        optional(
            "packet_bytes_max",
            Kind::Size {
                min: 128,
                max: PACKET_BYTES_MAX,
            },
            Applies::AtOnce,
            "Largest packet through this listener, if lower than the one in [limits].",
        ),
        live(
            "certificate_is_user",
            Kind::Bool,
            "false",
            "Whether the name in a client's verified certificate is its user name, so that it \
             needs no password.",
        ),
        live(
            "durability",
            Kind::Choice(&["store", "os", "memory"]),
            "store",
            "How safe what a client is told was taken is by then, for clients that connect from then \
             on. \"store\": as safe as [store] promises. \"os\": it outlives the broker, but perhaps \
             not the machine. \"memory\": it is on its way to the store.",
        ),
    ],
};

const LIMITS: Section = Section {
    name: "limits",
    is_list: false,
    doc: "The bounds of everything that clients can fill. Those that are counted per shard hold \
          for each of the threads in [broker] shards.",
    keys: &[
        live(
            "connect_timeout",
            Kind::Duration {
                min_ms: 100,
                max_ms: DAY_MS,
                step_ms: 1,
                word: None,
            },
            "10s",
            "How long a new connection may take to send its CONNECT packet.",
        ),
        live(
            "takeover_delay_max",
            Kind::Duration {
                min_ms: 1,
                max_ms: 60_000,
                step_ms: 1,
                word: Some("off"),
            },
            "5s",
            "How long a connection stays at least before another one with the same client id takes it over, \
             if that has happened again and again. Five takeovers within two minutes are done at once; \
             each one more doubles the time, from half a second up to this. A newcomer waits for its \
             CONNACK until it is over, so that two programs with one client id do not throw each other \
             out all the time.",
        ),
        fixed(
            "auth_queue_max",
            Kind::IntegerOr {
                min: 1,
                max: 10_000,
                word: "auto",
            },
            "auto",
            "Passwords that wait for a check; who comes on top is told that the server is busy. A \
             check takes a processor core some tens of milliseconds. \"auto\" takes as many as are \
             done within half of connect_timeout at 50 ms each.",
        ),
        live(
            "keep_alive_max",
            Kind::Duration {
                min_ms: SECOND_MS,
                max_ms: u16::MAX as u64 * SECOND_MS,
                step_ms: SECOND_MS,
                word: Some("unlimited"),
            },
            "unlimited",
            "Longest keep alive. A client of MQTT 5 that asks for more, or for none, is told this \
             one; a client of MQTT 3 is held to its own.",
        ),
        live(
            "session_expiry_v3",
            expiry("never"),
            "7d",
            "How long the session of an MQTT 3 client with clean session 0 outlives its \
             connection.",
        ),
        live(
            "session_expiry_max",
            expiry("never"),
            "never",
            "Longest session expiry interval that an MQTT 5 client gets.",
        ),
        live(
            "sessions_max",
            count(1),
            "1000000",
            "Sessions, connected or not, per shard.",
        ),
        live(
            "packet_bytes_max",
            Kind::Size {
                min: 128,
                max: PACKET_BYTES_MAX,
            },
            "16MiB",
            "Largest packet that a client may send.",
        ),
        live(
            "receive_maximum",
            Kind::Integer {
                min: 1,
                max: u16::MAX as u64,
            },
            "65535",
            "QoS 1 and 2 messages that a client may have unacknowledged.",
        ),
        live(
            "inflight_max",
            Kind::Integer {
                min: 1,
                max: u16::MAX as u64,
            },
            "128",
            "QoS 1 and 2 messages that are on their way to a client at a time. The client's own \
             Receive Maximum may be lower.",
        ),
        live(
            "inflight_bytes_max",
            Kind::Size {
                min: 1024,
                max: COUNT_MAX,
            },
            "16MiB",
            "Bytes of such messages at a time; one message may go out in any case.",
        ),
        live(
            "topic_alias_maximum",
            Kind::Integer {
                min: 0,
                max: u16::MAX as u64,
            },
            "32",
            "Topic aliases that a client may set on a connection.",
        ),
        live(
            "topic_alias_out_max",
            Kind::Integer {
                min: 0,
                max: u16::MAX as u64,
            },
            "32",
            "Topic aliases that the broker sets on a connection, if the client allows some.",
        ),
        live(
            "queue_messages_max",
            count(1),
            "10000",
            "Messages that wait in a session.",
        ),
        live(
            "queue_bytes_max",
            Kind::Size {
                min: 1024,
                max: COUNT_MAX,
            },
            "16MiB",
            "Bytes of the messages that wait in a session.",
        ),
        live(
            "queue_memory_bytes_max",
            Kind::Size {
                min: 1024,
                max: COUNT_MAX,
            },
            "64MiB",
            "Bytes of stored messages that wait, of all sessions of a shard, which are in memory too; the rest is read from the disk when its turn comes.",
        ),
        live(
            "queue_policy",
            Kind::Choice(&["drop_oldest", "drop_newest"]),
            "drop_oldest",
            "Which message is lost when a session's queue is full.",
        ),
        live(
            "queue_qos0",
            Kind::Bool,
            "false",
            "Whether messages with QoS 0 wait for clients that are offline.",
        ),
        live(
            "output_bytes_max",
            Kind::Size {
                min: 4096,
                max: COUNT_MAX,
            },
            "1MiB",
            "Bytes that wait for the socket of one connection before messages with QoS 0 to it \
             are dropped and others stay in its queue.",
        ),
        live(
            "subscriptions_max",
            count(1),
            "10000",
            "Subscriptions per client.",
        ),
        live(
            "subscription_bytes_max",
            Kind::Size {
                min: 1024,
                max: COUNT_MAX,
            },
            "1MiB",
            "Bytes of the topic filters that one client is subscribed to.",
        ),
        live(
            "topic_levels_max",
            Kind::Integer {
                min: 1,
                max: 65_535,
            },
            "128",
            "Levels of a topic or topic filter.",
        ),
        live(
            "will_bytes_max",
            Kind::Size {
                min: 0,
                max: COUNT_MAX,
            },
            "256KiB",
            "Bytes (topic, properties and payload) of the Will of one client.",
        ),
        live(
            "wills_bytes_max",
            Kind::Size {
                min: 0,
                max: COUNT_MAX,
            },
            "256MiB",
            "Bytes of the Wills of all clients per shard.",
        ),
        live(
            "retained_messages_max",
            count(0),
            "1000000",
            "Retained messages per shard.",
        ),
        live(
            "retained_bytes_max",
            Kind::Size {
                min: 0,
                max: COUNT_MAX,
            },
            "1GiB",
            "Bytes of retained messages per shard.",
        ),
        live(
            "retained_steps_max",
            count(1),
            "1024",
            "Retained messages that are looked at for new subscriptions, or dropped because they \
             expired, at a time; then other clients' messages come in between.",
        ),
        live(
            "match_steps_max",
            count(1),
            "16384",
            "Filters, levels of wildcard filters and shared groups that are looked at for the \
             messages of one client at a time; then other clients' messages come in between. One \
             message is matched in one go.",
        ),
        live(
            "store_waiting_bytes_max",
            Kind::Size {
                min: 1,
                max: COUNT_MAX,
            },
            "16MiB",
            "Bytes per shard that may be on their way to the disk; above that the input of clients \
             waits whose packets have to be stored.",
        ),
        optional(
            "recorder_bytes_max",
            Kind::Size {
                min: 0,
                max: COUNT_MAX,
            },
            Applies::AtOnce,
            "Memory per shard of the flight recorder. 0 turns it off; below 1MiB it remembers little, \
             and its tables may take some 100 KiB more. A change empties it. Without it: the shard's \
             part of what recorder of [broker] says.",
        ),
        optional(
            "recorder_private_topics",
            Kind::TopicFilters,
            Applies::AtOnce,
            "Topics whose names the flight recorder does not keep, by topic filters such as \
             [\"patients/+/#\"]: it has the filter in their place, in memory and on disk, and \
             `columba why` says so when it is asked about such a topic. The list of topics has none of \
             them but those with a retained message. What was recorded before stays.",
        ),
        live(
            "match_cache_max",
            count(0),
            "65536",
            "Topics per shard whose subscribers are remembered.",
        ),
        live(
            "share_strategy",
            Kind::Choice(&["round_robin", "random", "least_inflight", "sticky"]),
            "round_robin",
            "Which member of a shared subscription gets a message, among those that are online \
             and have room: in turn, by chance, the one with the fewest messages in flight and \
             queued, or the same one for the same publisher.",
        ),
        live(
            "sys_interval",
            Kind::Duration {
                min_ms: SECOND_MS,
                max_ms: DAY_MS,
                step_ms: 1,
                word: Some("off"),
            },
            "10s",
            "How often the statistics under $SYS are published.",
        ),
        live(
            "reports_per_sec_max",
            Kind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "50",
            "Lines per second and shard in the log about clients that come and go, and as many about \
             drops and denials, a tenth of them about one client at most and half of them for clients of \
             whom nothing was said in the last minute. What is left out is told in a line of its own.",
        ),
    ],
};

const ACCESS: Section = Section {
    name: "access",
    is_list: false,
    doc: "Who may log in and who may do what. The files are read again when they change.",
    keys: &[
        optional(
            "users",
            Kind::Path,
            Applies::AtOnce,
            "File with user names and hashed passwords; `columba passwd` writes it, and a \
             password file of Mosquitto works as it is. Without one nobody can log in.",
        ),
        optional(
            "acl",
            Kind::Path,
            Applies::AtOnce,
            "File with the access rules. Without one, whoever may connect may use every topic.",
        ),
        live(
            "acl_format",
            Kind::Choice(&["columba", "mosquitto"]),
            "columba",
            "What the rules are written in: Columba's own format, or that of Mosquitto's acl_file.",
        ),
        live(
            "on_deny",
            Kind::Choice(&["ack", "disconnect"]),
            "ack",
            "What a client of MQTT 3 hears that publishes what the rules deny. Its protocol has no \
             word for it: \"ack\" acknowledges the message as if it were taken, \"disconnect\" closes \
             the connection. MQTT 5 clients are told the rule.",
        ),
    ],
};

const ADMIN: Section = Section {
    name: "admin",
    is_list: false,
    doc: "The door for operators: the management API below /api/v1, /metrics, /healthz and \
          /readyz, over HTTP. On this machine the user that the broker runs as, and root, come in \
          through a Unix socket without a token.",
    keys: &[
        fixed(
            "enabled",
            Kind::Bool,
            "true",
            "Whether there is one. Without it neither the port nor the socket is opened.",
        ),
        optional(
            "bind",
            Kind::Text,
            Applies::AfterRestart,
            "Where it listens: ADDRESS:PORT. Other addresses than those of this machine alone need \
             TLS, or allow_plaintext. Without it: 127.0.0.1:61680, and if another program has that \
             port, only the socket is opened.",
        ),
        optional(
            "tls_certificate",
            Kind::Path,
            Applies::AfterRestart,
            "File with the certificate chain in PEM format, the server's own first. With it the \
             door is https. The file is read again when it changes.",
        ),
        optional(
            "tls_key",
            Kind::Path,
            Applies::AfterRestart,
            "File with the private key of the certificate in PEM format. The file is read again \
             when it changes.",
        ),
        fixed(
            "allow_plaintext",
            Kind::Bool,
            "false",
            "Whether other machines may come in without TLS. Whoever can listen on the network \
             learns their tokens and passwords: for networks that are trusted, or behind a proxy \
             that does TLS.",
        ),
        optional(
            "socket",
            Kind::Path,
            Applies::AfterRestart,
            "The Unix socket. Without it: admin.sock in the data_dir of [broker].",
        ),
        fixed(
            "tokens",
            Kind::Path,
            "etc/tokens",
            "File with the hashes of the tokens and what they are good for; `columba token` writes \
             it. A change is known at once.",
        ),
        optional(
            "users",
            Kind::Texts,
            Applies::AfterRestart,
            "Users that may do everything here with their passwords, besides those in the group \
             admin.",
        ),
        optional(
            "hosts",
            Kind::Texts,
            Applies::AfterRestart,
            "Names under which this door is reached, such as [\"broker.example\"]. Requests with \
             another name are refused, so that a web page cannot point its own name at this \
             machine; addresses and localhost are always right.",
        ),
        fixed(
            "connections_max",
            Kind::Integer {
                min: 1,
                max: 10_000,
            },
            "64",
            "Connections at a time; the socket has as many of its own.",
        ),
    ],
};

const LOG: Section = Section {
    name: "log",
    is_list: false,
    doc: "What the broker writes about its work.",
    keys: &[
        fixed(
            "format",
            Kind::Choice(&["text", "json"]),
            "text",
            "Lines for people, or one JSON object per line.",
        ),
        fixed(
            "level",
            Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            "info",
            "The least important lines that are written.",
        ),
        optional(
            "file",
            Kind::Path,
            Applies::AfterRestart,
            "File that the log is appended to. Without one it goes to the standard error output.",
        ),
        fixed(
            "buffer_bytes_max",
            Kind::Size {
                min: 4096,
                max: COUNT_MAX,
            },
            "1MiB",
            "Bytes of lines that wait to be written. Whatever takes the log may be slow or stand \
             still: the broker does not wait for it, what comes on top is lost, and a line tells \
             how much that was.",
        ),
    ],
};

/// Words of other brokers and the key that does the same here.
pub const KNOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("acl_file", "acl in [access]"),
    ("allow_anonymous", "anonymous in [[listener]]"),
    ("autosave_interval", "durability in [store]"),
    ("cafile", "tls_client_ca in [[listener]]"),
    ("certfile", "tls_certificate in [[listener]]"),
    ("keyfile", "tls_key in [[listener]]"),
    ("max_connections", "connections_max in [[listener]]"),
    ("max_inflight_messages", "inflight_max in [limits]"),
    ("max_inflight_bytes", "inflight_bytes_max in [limits]"),
    ("max_keepalive", "keep_alive_max in [limits]"),
    ("max_packet_size", "packet_bytes_max in [limits]"),
    ("max_queued_bytes", "queue_bytes_max in [limits]"),
    ("max_queued_messages", "queue_messages_max in [limits]"),
    ("message_size_limit", "packet_bytes_max in [limits]"),
    ("password_file", "users in [access]"),
    (
        "persistent_client_expiration",
        "session_expiry_max in [limits]",
    ),
    ("persistence", "durability in [store]"),
    ("persistence_location", "directory in [store]"),
    ("port", "bind in [[listener]]"),
    ("queue_qos0_messages", "queue_qos0 in [limits]"),
    (
        "require_certificate",
        "tls_client_certificate in [[listener]]",
    ),
    (
        "use_identity_as_username",
        "certificate_is_user in [[listener]]",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_key_and_written_in_its_shortest_form() {
        for section in SECTIONS {
            for key in section.keys {
                let Some(default) = key.default else { continue };
                let value = key.kind.parse(default);
                let place = format!("{}.{}", section.name, key.name);
                assert!(value.is_ok(), "{place}: {value:?}");
                assert!(key.doc.ends_with('.'), "{place}: a sentence");
            }
        }
    }

    #[test]
    fn what_other_brokers_call_it_leads_to_a_key_that_exists() {
        for (_, place) in KNOWN_ELSEWHERE {
            let (key, section) = place.split_once(" in ").expect("KEY in [SECTION]");
            let is_there = |s: &&Section| s.header() == section && s.key(key).is_some();
            assert!(SECTIONS.iter().any(|s| is_there(&s)), "{place}");
        }
    }
}
