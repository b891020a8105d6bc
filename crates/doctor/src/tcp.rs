//! TCP to every address: open, refused, silent, reset or without a route.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use columba_speech::{Param, Text};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::listeners::{self, Listener};
use crate::report::{Check, Finding};
use crate::target::{Usual, usual};
use crate::text::network as text;

/// What became of a connection attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Connected, in this time.
    Open(Duration),
    /// The other side has no such port.
    Refused,
    /// No answer in time.
    Silent(Duration),
    /// Answered and closed at once.
    Reset,
    /// No way there.
    Unreachable,
    /// Something else; what the system said.
    Failed(String),
}

/// One address and what became of it.
pub type Attempt = (SocketAddr, Outcome);

/// Tries all addresses at the same time; the result is in their order.
pub async fn look(addresses: &[SocketAddr], patience: Duration) -> Vec<Attempt> {
    let mut attempts = JoinSet::new();
    for (index, &address) in addresses.iter().enumerate() {
        attempts.spawn(async move { (index, address, attempt(address, patience).await) });
    }
    let mut done = attempts.join_all().await;
    done.sort_by_key(|(index, ..)| *index);
    done.into_iter()
        .map(|(_, address, outcome)| (address, outcome))
        .collect()
}

async fn attempt(address: SocketAddr, patience: Duration) -> Outcome {
    let start = Instant::now();
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Outcome::Open(start.elapsed()),
        Ok(Err(error)) => of_error(&error, start.elapsed()),
        Err(_) => Outcome::Silent(patience),
    }
}

fn of_error(error: &io::Error, elapsed: Duration) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused,
        ErrorKind::TimedOut => Outcome::Silent(elapsed),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Outcome::Reset,
        ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::AddrNotAvailable => Outcome::Unreachable,
        _ => Outcome::Failed(error.to_string()),
    }
}

/// What the attempts mean. `own` are the listeners of this machine, if the host is this machine.
pub fn judge(attempts: &[Attempt], own: Option<&[Listener]>) -> Finding {
    let is_open = |attempt: &&Attempt| matches!(attempt.1, Outcome::Open(_));
    let lines = attempts.iter().map(|attempt| (attempt, sentence(attempt)));
    let Some(open) = attempts.iter().find(is_open) else {
        return all_failed(attempts, own);
    };
    let mut finding = if attempts.iter().all(|attempt| is_open(&attempt)) {
        Finding::pass(Check::Tcp, sentence(open))
    } else {
        Finding::warn(Check::Tcp, sentence(open)).fix(text::tcp_first_fails_fix())
    };
    finding.notes = lines
        .filter(|(attempt, _)| *attempt != open)
        .map(|(_, line)| line)
        .collect();
    if attempts.first().is_some_and(|first| !is_open(&first)) {
        finding.notes.push(text::tcp_first_fails());
    }
    finding
}

fn all_failed(attempts: &[Attempt], own: Option<&[Listener]>) -> Finding {
    let mut lines = attempts.iter().map(sentence);
    let first = lines.next().unwrap_or_else(text::no_address);
    let mut finding = Finding::fail(Check::Tcp, first);
    finding.notes.extend(lines);
    let port = attempts.first().map_or(0, |(address, _)| address.port());
    if let Some(own) = own {
        let (note, fix) = on_this_machine(port, own);
        finding.notes.extend(note);
        if let Some(fix) = fix {
            return finding.fix(fix);
        }
    }
    let mut fixes: Vec<Text> = Vec::new();
    for (_, outcome) in attempts {
        let fix = match outcome {
            Outcome::Refused => text::tcp_refused_fix(),
            Outcome::Silent(_) => text::tcp_timeout_fix(port),
            Outcome::Reset => text::tcp_reset_fix(),
            Outcome::Unreachable => text::tcp_unreachable_fix(),
            Outcome::Open(_) | Outcome::Failed(_) => continue,
        };
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    finding.fixes = fixes;
    finding
}

/// Why a port of this machine cannot be reached.
fn on_this_machine(port: u16, own: &[Listener]) -> (Vec<Text>, Option<Text>) {
    let bound: Vec<_> = own.iter().filter(|l| l.address.port() == port).collect();
    let owner = listeners::owner(port).map_or_else(|| text::owner_unknown().into(), Param::from);
    if bound.is_empty() {
        let mut notes = vec![text::tcp_local_nothing(port)];
        let mut others: Vec<u16> = own
            .iter()
            .map(|listener| listener.address.port())
            .filter(|&port| {
                !matches!(
                    usual(port),
                    None | Some(Usual::Console(..) | Usual::Other(_))
                )
            })
            .collect();
        others.sort_unstable();
        others.dedup();
        if !others.is_empty() {
            notes.push(text::tcp_local_others(Param::list(others)));
        }
        return (notes, None);
    }
    if bound.iter().all(|l| l.address.ip().is_loopback()) {
        let note = text::tcp_local_loopback_only(port, owner);
        return (vec![note], Some(text::tcp_local_loopback_only_fix(port)));
    }
    let addresses = Param::list(bound.iter().map(|l| l.address.to_string()));
    (vec![text::tcp_local_elsewhere(port, addresses)], None)
}

fn sentence((address, outcome): &Attempt) -> Text {
    let address = address.to_string();
    match outcome {
        Outcome::Open(time) => text::tcp_open(address, *time),
        Outcome::Refused => text::tcp_refused(address),
        Outcome::Silent(time) => text::tcp_timeout(address, *time),
        Outcome::Reset => text::tcp_reset(address),
        Outcome::Unreachable => text::tcp_unreachable(address),
        Outcome::Failed(why) => text::tcp_failed(address, why.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    const OPEN: Outcome = Outcome::Open(Duration::from_millis(1));

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn check(attempts: &[Attempt]) -> (Mark, Vec<&'static str>, Vec<&'static str>) {
        let finding = judge(attempts, None);
        let codes = |texts: &[Text]| texts.iter().map(Text::code).collect();
        let mut seen: Vec<_> = codes(&finding.notes);
        seen.insert(0, finding.what.code());
        (finding.mark, seen, codes(&finding.fixes))
    }

    #[test]
    fn every_outcome_has_its_sentence_and_fix() {
        let one = |outcome| check(&[(address("192.0.2.1:1883"), outcome)]);
        assert_eq!(one(OPEN), (Mark::Pass, vec!["tcp_open"], vec![]));
        for (outcome, what, fix) in [
            (Outcome::Refused, "tcp_refused", "tcp_refused_fix"),
            (
                Outcome::Silent(Duration::ZERO),
                "tcp_timeout",
                "tcp_timeout_fix",
            ),
            (Outcome::Reset, "tcp_reset", "tcp_reset_fix"),
            (
                Outcome::Unreachable,
                "tcp_unreachable",
                "tcp_unreachable_fix",
            ),
        ] {
            assert_eq!(one(outcome), (Mark::Fail, vec![what], vec![fix]));
        }
    }

    #[test]
    fn a_first_address_without_a_route_is_a_warning() {
        let first = (address("[2001:db8::1]:1883"), Outcome::Unreachable);
        let second = (address("192.0.2.1:1883"), OPEN);
        assert_eq!(
            check(&[first, second]),
            (
                Mark::Warn,
                vec!["tcp_open", "tcp_unreachable", "tcp_first_fails"],
                vec!["tcp_first_fails_fix"]
            )
        );
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_port_that_is_bound_to_loopback_only_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        // Another address of this machine, where nothing listens.
        let other = SocketAddr::from(([127, 0, 0, 2], port));
        let attempts = look(&[other], Duration::from_secs(20)).await;
        assert_eq!(attempts, [(other, Outcome::Refused)]);
        let finding = judge(&attempts, Some(&listeners::all()));
        assert_eq!(finding.notes[0].code(), "tcp_local_loopback_only");
        assert_eq!(finding.fixes[0].code(), "tcp_local_loopback_only_fix");
        drop(listener);
        let finding = judge(&attempts, Some(&[]));
        assert_eq!(finding.notes[0].code(), "tcp_local_nothing");
    }
}
