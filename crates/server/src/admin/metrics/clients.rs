//! Clients that come, take over, ask for permission and read too slowly.

use columba_broker::access::Action;
use columba_broker::outcome::Outcome;
use columba_broker::stats::{Stats, VERSIONS};
use columba_codec::Version;

use super::text::Text;

/// How clients prove who they are, as far as that comes to something.
const LOGINS_REFUSED: [(Outcome, &str); 5] = [
    (Outcome::ConnectBadCredentials, "bad_credentials"),
    (Outcome::ConnectAnonymousRefused, "anonymous_refused"),
    (Outcome::ConnectAuthMethod, "auth_method"),
    (Outcome::ConnectAuthUnavailable, "auth_unavailable"),
    (Outcome::ConnectAuthBusy, "auth_busy"),
];

const ACTIONS: [(Action, &str); 3] = [
    (Action::Publish, "publish"),
    (Action::Subscribe, "subscribe"),
    (Action::Receive, "receive"),
];

pub(super) fn of_clients(text: &mut Text, stats: &Stats) {
    let gauges = [
        (
            "stalled_clients",
            "Clients that read too slowly: messages wait for their sockets, or were dropped.",
            stats.connections_stalled,
        ),
        (
            "takeover_loops",
            "Client ids that several programs seem to use, which throw each other out.",
            stats.takeover_loops,
        ),
    ];
    for (name, help, value) in gauges {
        text.one(&format!("columba_{name}"), "gauge", help, value);
    }
    let name = "columba_session_takeovers_total";
    let help = "Connections that ended because the client id came on another one.";
    let takeovers = stats.outcome(Outcome::DisconnectTakenOver);
    text.one(name, "counter", help, takeovers);
    of_logins(text, stats);
    of_access_checks(text, stats);
}

fn of_logins(text: &mut Text, stats: &Stats) {
    let name = "columba_auth_total";
    text.metric(name, "counter", "What came of credentials, or of none.");
    let accepted = [
        ("accepted", stats.logins_accepted),
        ("anonymous_accepted", stats.anonymous_accepted),
    ];
    let refused = LOGINS_REFUSED.map(|(outcome, result)| (result, stats.outcome(outcome)));
    for (result, count) in accepted.into_iter().chain(refused) {
        text.value(name, &[("result", result)], count);
    }
}

fn of_access_checks(text: &mut Text, stats: &Stats) {
    let name = "columba_acl_checks_total";
    text.metric(name, "counter", "What the access rules were asked.");
    for (action, word) in ACTIONS {
        let counts = ["denied", "allowed"].into_iter();
        for (result, count) in counts.zip(stats.access_checks_of(action)) {
            text.value(name, &[("action", word), ("result", result)], count);
        }
    }
}

/// What came of CONNECT, by the version that it asked for; who said nothing of a version is
/// `unknown`.
pub(super) fn of_connect(
    text: &mut Text,
    name: &str,
    (outcome, result): (Outcome, &str),
    stats: &Stats,
) {
    let mut left = stats.outcome(outcome);
    for (version, counts) in VERSIONS.iter().zip(&stats.connects) {
        let count = counts.get(outcome as usize).copied().unwrap_or_default();
        left = left.saturating_sub(count);
        let labels = [("version", label_of(*version)), ("result", result)];
        text.value(name, &labels, count);
    }
    text.value(name, &[("version", "unknown"), ("result", result)], left);
}

const fn label_of(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5.0",
    }
}
