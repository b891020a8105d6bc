//! Reports of the core as lines of the log.

use columba_broker::event::{Peer, Report, ReportEvent};
use columba_broker::outcome::Effectively;

use crate::log::peer_text::{Detail, name};
use crate::runtime::Shared;

/// Writes one line.
pub(super) fn log(report: &Report, shared: &Shared) {
    let client = name(report.client_id.as_deref().unwrap_or(""));
    let client = &*client;
    let peer = report
        .peer
        .as_ref()
        .map(Peer::to_string)
        .unwrap_or_default();
    let listener = report
        .peer
        .as_ref()
        .map_or("", |peer| shared.listener(peer.listener).name());
    match &report.event {
        ReportEvent::Connected {
            version,
            session_present,
            keep_alive_secs,
            user,
        } => {
            let user = name(user.as_deref().unwrap_or(""));
            let user = &*user;
            tracing::info!(
                client, %peer, listener, user, version = ?version, session_present, keep_alive_secs,
                "connected"
            );
        }
        ReportEvent::Refused { outcome, detail } => {
            tracing::warn!(client, %peer, listener, %outcome, "refused: {}", Detail(detail));
        }
        ReportEvent::Delayed { outcome, detail } => {
            tracing::warn!(client, %peer, listener, %outcome, "delayed: {}", Detail(detail));
        }
        ReportEvent::Disconnected { outcome, detail } => {
            tracing::info!(client, %peer, listener, %outcome, "disconnected: {}", Detail(detail));
        }
        ReportEvent::Withheld {
            outcome,
            topic,
            detail,
        } => {
            let (topic, detail) = (&*name(topic), Detail(detail));
            match outcome.effectively() {
                Effectively::Denied | Effectively::Dropped => {
                    tracing::warn!(client, %peer, listener, %outcome, topic, "{detail}");
                }
                Effectively::Accepted | Effectively::Delayed | Effectively::Ended => {
                    tracing::info!(client, %peer, listener, %outcome, topic, "{detail}");
                }
            }
        }
        ReportEvent::Suppressed {
            connections,
            faults,
            most,
        } => {
            let (client, of_client) = match most {
                Some((client, count)) => (&**client, *count),
                None => ("", 0),
            };
            let client = &*name(client);
            tracing::warn!(
                connections,
                faults,
                client,
                of_client,
                "lines left out of the log, there were too many in a second"
            );
        }
    }
}
