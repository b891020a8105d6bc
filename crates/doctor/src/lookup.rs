//! From host name to IP addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use columba_speech::Param;
use tokio::time::timeout;

use crate::report::{Check, Finding};
use crate::text::network as text;

/// Looking up takes this long and more where a name server does not answer.
const SLOW: Duration = Duration::from_secs(1);
/// More addresses than a broker has; the rest is not tried.
pub const ADDRESSES_MAX: usize = 16;

/// What became of a lookup.
#[derive(Debug)]
pub enum Lookup {
    /// The host is an IP address.
    Literal(SocketAddr),
    /// The name server's answer, in its order, and how long it took.
    Found(Vec<SocketAddr>, Duration),
    /// None; what the system said.
    Failed(io::Error),
}

/// Looks a host up with the system's resolver, as every client does.
pub async fn look(host: &str, port: u16, patience: Duration) -> Lookup {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Lookup::Literal(SocketAddr::new(ip, port));
    }
    let start = Instant::now();
    let found = timeout(patience, tokio::net::lookup_host((host, port))).await;
    match found {
        Ok(Ok(addresses)) => {
            let mut all: Vec<SocketAddr> = Vec::new();
            for address in addresses.take(ADDRESSES_MAX) {
                if !all.contains(&address) {
                    all.push(address);
                }
            }
            Lookup::Found(all, start.elapsed())
        }
        Ok(Err(error)) => Lookup::Failed(error),
        Err(_) => Lookup::Failed(io::ErrorKind::TimedOut.into()),
    }
}

/// What a lookup means, and the addresses to go on with.
pub fn judge(host: &str, lookup: Lookup) -> (Finding, Vec<SocketAddr>) {
    let (addresses, time) = match lookup {
        Lookup::Literal(address) => {
            let finding = Finding::pass(Check::Lookup, text::lookup_literal());
            return (finding, vec![address]);
        }
        Lookup::Failed(error) => return (failed(host, &error), Vec::new()),
        Lookup::Found(addresses, time) => (addresses, time),
    };
    if addresses.is_empty() {
        let nothing = io::Error::other("Name or service not known");
        return (failed(host, &nothing), Vec::new());
    }
    let shown = Param::list(addresses.iter().map(|address| address.ip().to_string()));
    let what = text::lookup_found(addresses.len(), time, shown);
    let finding = if time >= SLOW {
        Finding::warn(Check::Lookup, what)
            .note(text::lookup_slow())
            .fix(text::lookup_slow_fix())
    } else {
        Finding::pass(Check::Lookup, what)
    };
    (finding, addresses)
}

fn failed(host: &str, error: &io::Error) -> Finding {
    let said = error.to_string();
    // The resolver's errors have no kind of their own; these are the words of the C libraries.
    let is_unknown = [
        "Name or service not known",
        "No address associated",
        "Name does not resolve",
        "nodename nor servname",
        "No such host",
    ]
    .iter()
    .any(|words| said.contains(words));
    let is_no_answer = error.kind() == io::ErrorKind::TimedOut
        || ["Temporary failure", "Try again"]
            .iter()
            .any(|words| said.contains(words));
    let is_mdns = host.trim_end_matches('.').ends_with(".local");
    if is_unknown || (is_no_answer && is_mdns) {
        let finding = Finding::fail(Check::Lookup, text::lookup_unknown(host));
        if is_mdns {
            finding.fix(text::lookup_mdns_fix())
        } else if host.contains('.') {
            finding.fix(text::lookup_unknown_fix())
        } else {
            finding
                .note(text::lookup_single_label())
                .fix(text::lookup_unknown_fix())
        }
    } else if is_no_answer {
        Finding::fail(Check::Lookup, text::lookup_no_server(host)).fix(text::lookup_no_server_fix())
    } else {
        Finding::fail(Check::Lookup, text::lookup_failed(host, said))
            .fix(text::lookup_unknown_fix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    fn found(millis: u64) -> Lookup {
        let addresses = ["192.0.2.1:1", "[2001:db8::1]:1"];
        let addresses = addresses.map(|address| address.parse().expect("an address"));
        Lookup::Found(addresses.to_vec(), Duration::from_millis(millis))
    }

    #[test]
    fn lookups_are_judged_by_their_outcome() {
        let failed = |words: &str| Lookup::Failed(io::Error::other(words.to_owned()));
        for (host, lookup, mark, code, fix) in [
            ("h.cn", found(12), Mark::Pass, "lookup_found", None),
            (
                "h.cn",
                found(5_000),
                Mark::Warn,
                "lookup_found",
                Some("lookup_slow_fix"),
            ),
            (
                "h.cn",
                failed("failed to lookup address information: Name or service not known"),
                Mark::Fail,
                "lookup_unknown",
                Some("lookup_unknown_fix"),
            ),
            (
                "pi.local",
                failed(
                    "failed to lookup address information: Temporary failure in name resolution",
                ),
                Mark::Fail,
                "lookup_unknown",
                Some("lookup_mdns_fix"),
            ),
            (
                "h.cn",
                failed(
                    "failed to lookup address information: Temporary failure in name resolution",
                ),
                Mark::Fail,
                "lookup_no_server",
                Some("lookup_no_server_fix"),
            ),
        ] {
            let (finding, _) = judge(host, lookup);
            assert_eq!((finding.mark, finding.what.code()), (mark, code));
            assert_eq!(finding.fixes.first().map(|f| f.code()), fix);
        }
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let (finding, addresses) = judge("::1", look("::1", 1883, SLOW).await);
        assert_eq!(finding.what.code(), "lookup_literal");
        assert_eq!(addresses, ["[::1]:1883".parse().expect("an address")]);
    }
}
