//! SUBSCRIBE to the user's filters and to the doctor's own topic.

use std::time::Duration;

use columba_client::driver::{ConnectError, ConnectOptions};
use columba_client::{CloseCause, FilterAnswer};
use columba_codec::{QoS, ReasonCode};

use crate::line::{Line, Trouble, connect_text};
use crate::report::{Check, Finding};
use crate::text::broker as text;
use crate::text::reason;

/// What became of one SUBSCRIBE.
pub(crate) type Outcome = Result<(ReasonCode, FilterAnswer), Trouble>;

/// Subscribes on a connection of its own, which is broken off at once: a filter may let in more
/// messages than anybody wants, and some brokers close the connection instead of refusing.
pub(crate) async fn look(
    options: &ConnectOptions,
    filter: &str,
    patience: Duration,
) -> Result<Outcome, ConnectError> {
    let mut options = options.clone();
    options.session.client_id = crate::derived_id(&options.session.client_id, 's');
    let mut line = Line::open(options, patience).await?;
    let outcome = line.subscribe(filter, QoS::ExactlyOnce).await;
    line.leave().await;
    Ok(outcome)
}

/// What it means. `option` is how the command line names another test topic; given for the
/// doctor's own topic.
pub(crate) fn judge(
    filter: &str,
    outcome: &Result<Outcome, ConnectError>,
    option: Option<&str>,
) -> Finding {
    let test_topic = option.map(text::test_topic_fix);
    let (code, answer) = match outcome {
        Ok(Ok(answered)) => answered,
        Ok(Err(trouble)) => {
            let what = text::subscription_failed(filter, trouble.text());
            let finding = Finding::fail(Check::Subscribe, what);
            let is_closed = matches!(
                trouble,
                Trouble::Ended(CloseCause::Lost | CloseCause::ByServer(_))
            );
            return finding
                .note(is_closed.then(text::subscription_closed))
                .fix(is_closed.then(text::subscription_not_authorized_fix))
                .fix(test_topic);
        }
        Err(error) => {
            let what = text::subscription_failed(filter, connect_text(error));
            return Finding::fail(Check::Subscribe, what);
        }
    };
    if !code.is_error() {
        let granted = *code as u8;
        let wanted = QoS::ExactlyOnce as u8;
        if granted >= wanted {
            return Finding::pass(Check::Subscribe, text::subscribed(filter, granted));
        }
        let what = text::subscription_lowered(filter, granted, wanted);
        return Finding::warn(Check::Subscribe, what).note(text::subscription_lowered_note());
    }
    let what = text::subscription_refused(filter, reason::words(*code));
    let finding = Finding::fail(Check::Subscribe, what);
    let finding = finding.note(answer.reason_string.as_deref().map(text::it_says));
    let fix = match code {
        ReasonCode::UnspecifiedError => {
            return finding
                .note(text::subscription_unspecified())
                .fix(text::subscription_not_authorized_fix())
                .fix(test_topic);
        }
        ReasonCode::NotAuthorized => text::subscription_not_authorized_fix(),
        ReasonCode::TopicFilterInvalid => text::subscription_invalid_fix(),
        ReasonCode::QuotaExceeded => text::quota_fix(),
        ReasonCode::WildcardSubscriptionsNotSupported => text::wildcards_refused_fix(),
        ReasonCode::SharedSubscriptionsNotSupported => text::shared_refused_fix(),
        _ => return finding,
    };
    finding.fix(fix).fix(test_topic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    #[test]
    fn every_answer_has_its_meaning() {
        for (code, mark, what) in [
            (ReasonCode::GrantedQos2, Mark::Pass, "subscribed"),
            (ReasonCode::Success, Mark::Warn, "subscription_lowered"),
            (
                ReasonCode::UnspecifiedError,
                Mark::Fail,
                "subscription_refused",
            ),
            (
                ReasonCode::NotAuthorized,
                Mark::Fail,
                "subscription_refused",
            ),
        ] {
            let answer = FilterAnswer {
                codes: vec![code],
                reason_string: None,
                user_properties: Vec::new(),
            };
            let finding = judge("a", &Ok(Ok((code, answer))), None);
            assert_eq!((finding.mark, finding.what.code()), (mark, what));
        }
        let finding = judge("a", &Ok(Err(Trouble::Ended(CloseCause::Lost))), Some("--x"));
        assert_eq!(finding.notes[0].code(), "subscription_closed");
        assert_eq!(finding.fixes[1].code(), "test_topic_fix");
    }
}
