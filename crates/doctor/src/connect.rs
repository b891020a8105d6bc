//! CONNECT in MQTT 5 and 3.1.1, and what the broker says to it.

use std::time::Duration;

use columba_client::driver::{ConnectError, ConnectOptions};
use columba_client::{Accepted, Answer, CloseCause};
use columba_codec::{QoS, ReasonCode, Version};
use columba_speech::{Param, Text};

use crate::line::{Line, connect_text, refusal_words};
use crate::report::{Check, Finding};
use crate::text::broker as text;

/// A version and what became of a CONNECT in it.
#[derive(Debug)]
pub(crate) enum Attempt {
    Accepted(Box<Accepted>),
    Refused(Box<Answer>),
    Failed(Text),
}

impl Attempt {
    fn of(result: Result<&Line, &ConnectError>) -> Self {
        match result {
            Ok(line) => Self::Accepted(Box::new(line.accepted().clone())),
            Err(ConnectError::Mqtt(CloseCause::Refused { answer, .. })) => {
                Self::Refused(Box::new(answer.clone()))
            }
            Err(error) => Self::Failed(connect_text(error)),
        }
    }
}

/// Connects with the newest version that the broker takes, and tries the other one as well.
/// `fixed` means that the user chose the version.
pub(crate) async fn look(
    options: &ConnectOptions,
    fixed: bool,
    patience: Duration,
) -> (Option<Line>, Vec<(Version, Attempt)>) {
    let first = options.session.version;
    let versions = if fixed {
        vec![first]
    } else {
        vec![Version::V5, Version::V311]
    };
    let mut attempts = Vec::new();
    let mut kept: Option<Line> = None;
    for version in versions {
        let mut options = options.clone();
        options.session.version = version;
        if kept.is_some() {
            // The same id would end the connection that is kept.
            options.session.client_id = crate::derived_id(&options.session.client_id, 'v');
        }
        let result = Line::open(options, patience).await;
        let attempt = Attempt::of(result.as_ref());
        let is_final =
            matches!(&attempt, Attempt::Refused(answer) if is_about_login(answer.reason));
        attempts.push((version, attempt));
        match (result, &kept) {
            (Ok(line), None) => kept = Some(line),
            (Ok(line), Some(_)) => line.leave().await,
            (Err(_), _) => {}
        }
        if is_final {
            break;
        }
    }
    (kept, attempts)
}

/// Whether a refusal has to do with who connects, not with how.
pub(crate) const fn is_about_login(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::BadUserNameOrPassword
            | ReasonCode::NotAuthorized
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
    )
}

/// What the attempts mean; refusals of the login are for [`crate::login`].
pub(crate) fn judge(attempts: &[(Version, Attempt)]) -> Finding {
    let accepted: Vec<_> = attempts
        .iter()
        .filter_map(|(version, attempt)| match attempt {
            Attempt::Accepted(accepted) => Some((*version, accepted.as_ref())),
            Attempt::Refused(_) | Attempt::Failed(_) => None,
        })
        .collect();
    let Some((version, first)) = accepted.first() else {
        return failed(attempts);
    };
    let versions = Param::list(accepted.iter().map(|(version, _)| version.to_string()));
    let mut finding = Finding::pass(Check::Connect, text::connected(versions));
    let limits = limits(first, *version);
    if !limits.is_empty() {
        finding = finding.note(text::limits(Param::list(limits)));
    }
    for (version, attempt) in attempts {
        let why = match attempt {
            Attempt::Accepted(_) => continue,
            Attempt::Refused(answer) => refusal_words(answer, *version),
            Attempt::Failed(why) => why.clone(),
        };
        finding = finding.note(text::version_refused(version.to_string(), why));
        if *version == Version::V5 {
            finding = finding.note(text::only_version_3());
        }
    }
    finding
}

fn limits(accepted: &Accepted, version: Version) -> Vec<Text> {
    let mut limits = Vec::new();
    if version == Version::V5 {
        limits.push(match accepted.packet_bytes_max {
            u32::MAX => text::no_packet_limit(),
            limit => text::packet_limit(Param::Bytes(u64::from(limit))),
        });
        limits.push(text::receive_window(accepted.receive_maximum));
        limits.push(text::keep_alive(Duration::from_secs(
            accepted.keep_alive_secs.into(),
        )));
        if accepted.topic_alias_maximum > 0 {
            limits.push(text::topic_aliases(accepted.topic_alias_maximum));
        }
        if accepted.maximum_qos < QoS::ExactlyOnce {
            limits.push(text::highest_qos(accepted.maximum_qos.as_u8()));
        }
        for (is_available, missing) in [
            (accepted.retain_available, text::no_retained()),
            (accepted.wildcards_available, text::no_wildcards()),
            (accepted.shared_subscriptions_available, text::no_shared()),
            (
                accepted.subscription_identifiers_available,
                text::no_identifiers(),
            ),
        ] {
            limits.extend((!is_available).then_some(missing));
        }
    }
    limits
}

fn failed(attempts: &[(Version, Attempt)]) -> Finding {
    let mut finding: Option<Finding> = None;
    for (version, attempt) in attempts {
        let (what, note, fix) = match attempt {
            Attempt::Refused(answer) => (
                text::connect_refused(version.to_string(), refusal_words(answer, *version)),
                answer.reason_string.as_deref().map(text::it_says),
                refusal_fix(answer),
            ),
            Attempt::Accepted(_) => continue,
            Attempt::Failed(why) => (
                text::connect_failed(version.to_string(), why.clone()),
                None,
                Some(text::connect_failed_fix()),
            ),
        };
        finding = Some(match finding {
            None => Finding::fail(Check::Connect, what).note(note).fix(fix),
            Some(finding) => finding.note(what),
        });
    }
    finding.unwrap_or_else(|| Finding::skip(Check::Connect, text::not_tried()))
}

fn refusal_fix(answer: &Answer) -> Option<Text> {
    Some(match answer.reason {
        ReasonCode::ClientIdentifierNotValid => text::client_id_fix(),
        ReasonCode::UnsupportedProtocolVersion => text::version_fix(),
        ReasonCode::ServerUnavailable | ReasonCode::ServerBusy => text::try_later_fix(),
        ReasonCode::ConnectionRateExceeded | ReasonCode::QuotaExceeded => text::quota_fix(),
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => match &answer.server_reference {
            Some(other) => text::other_server_fix(other.as_str()),
            None => text::ask_for_server_fix(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: ReasonCode) -> Attempt {
        Attempt::Refused(Box::new(Answer {
            reason,
            reason_string: Some("because".to_owned()),
            server_reference: None,
            user_properties: Vec::new(),
        }))
    }

    #[test]
    fn refusals_are_told_with_the_number_that_was_sent() {
        let finding = judge(&[
            (Version::V5, refused(ReasonCode::ServerBusy)),
            (Version::V311, refused(ReasonCode::ServerUnavailable)),
        ]);
        let english = |text: &Text| text.to_string(columba_speech::Language::English);
        assert_eq!(
            english(&finding.what),
            "MQTT 5.0: refused, CONNACK 0x89 Server busy"
        );
        assert_eq!(english(&finding.notes[0]), "it says: because");
        assert_eq!(
            english(&finding.notes[1]),
            "MQTT 3.1.1: refused, CONNACK 3 Server unavailable"
        );
        assert_eq!(finding.fixes[0].code(), "try_later_fix");
    }

    #[test]
    fn a_broker_without_version_5_passes_with_a_note() {
        let accepted = Accepted {
            session_present: false,
            client_id: "x".to_owned(),
            keep_alive_secs: 60,
            session_expiry_secs: None,
            receive_maximum: 65_535,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            packet_bytes_max: u32::MAX,
            topic_alias_maximum: 0,
            wildcards_available: true,
            subscription_identifiers_available: true,
            shared_subscriptions_available: true,
            response_information: None,
            reason_string: None,
            user_properties: Vec::new(),
        };
        let finding = judge(&[
            (Version::V5, refused(ReasonCode::UnsupportedProtocolVersion)),
            (Version::V311, Attempt::Accepted(Box::new(accepted))),
        ]);
        assert_eq!(finding.mark, crate::report::Mark::Pass);
        let notes: Vec<_> = finding.notes.iter().map(Text::code).collect();
        assert_eq!(notes, ["version_refused", "only_version_3"]);
    }
}
