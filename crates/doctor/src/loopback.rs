//! Messages at each QoS from one connection to another: loss, order, duplicates, time.

use std::time::Duration;

use columba_client::{Answer, Message};
use columba_codec::{QoS, ReasonCode, Version};
use columba_speech::{Param, Text};
use tokio::time::Instant;

use crate::line::{Line, Next, Trouble};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;
use crate::text::{broker, reason};

/// Messages at each QoS.
const MESSAGES: u32 = 20;

/// What became of the messages at one QoS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    qos: u8,
    sent: u32,
    arrivals: Vec<Arrival>,
    /// Of the first message that the broker refused, and how many there were.
    refused: Option<(ReasonCode, Option<String>)>,
    refusals: u32,
    /// Answers that said that nobody subscribes, although somebody does.
    unmatched: u32,
    trouble: Option<Trouble>,
    /// The QoS that SUBACK granted.
    granted: u8,
}

/// What the judge must know of the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// The version that the messages went in.
    pub(crate) version: Version,
    /// What the broker says it is.
    pub(crate) broker: Option<&'a str>,
    /// What the topics begin with.
    pub(crate) test_topic: &'a str,
}

/// A message that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrival {
    number: u32,
    qos: u8,
    time: Duration,
}

/// Sends messages at every QoS that the broker takes.
pub(crate) async fn look(pair: &mut Pair) -> Vec<Round> {
    let mut rounds = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        if qos > pair.publisher.accepted().maximum_qos {
            break;
        }
        let mut round = Round {
            qos: qos as u8,
            ..Round::default()
        };
        if pair.revive().await.is_err() {
            round.trouble = Some(Trouble::NoAnswer(pair.patience));
        } else if let Err(trouble) = run(pair, qos, &mut round).await {
            round.trouble = Some(trouble);
        }
        rounds.push(round);
    }
    rounds
}

async fn run(pair: &mut Pair, qos: QoS, round: &mut Round) -> Result<(), Trouble> {
    let topic = pair.topic(&format!("qos{}", qos as u8));
    let (code, _) = pair.subscriber.subscribe(&topic, qos).await?;
    if code.is_error() {
        round.refused = Some((code, None));
        return Ok(());
    }
    round.granted = code as u8;
    let mut sent_at = Vec::new();
    let mut answers = Vec::new();
    for number in 0..MESSAGES {
        let message = Message::new(topic.as_str(), number.to_string()).with_qos(qos);
        sent_at.push(Instant::now());
        answers.push(pair.publisher.start_publish(message).await?);
        round.sent += 1;
    }
    let until = Instant::now() + pair.patience;
    let mut publisher_trouble = None;
    {
        let subscriber = &mut pair.subscriber;
        let answering = async {
            let mut seen = Vec::new();
            for answer in answers {
                match tokio::time::timeout_at(until, answer).await {
                    Ok(Ok(answer)) => seen.push(answer),
                    Ok(Err(_)) | Err(_) => return (seen, false),
                }
            }
            (seen, true)
        };
        tokio::pin!(answering);
        let mut answered: Option<(Vec<Answer>, bool)> = None;
        loop {
            let expected = match &answered {
                Some((seen, _)) => accepted(seen),
                None => MESSAGES as usize,
            };
            if answered.is_some() && distinct(&round.arrivals) >= expected {
                break;
            }
            tokio::select! {
                seen = &mut answering, if answered.is_none() => {
                    if !seen.1 {
                        publisher_trouble = Some(());
                    }
                    answered = Some(seen);
                }
                next = subscriber.next(until) => {
                    if !note_arrival(next, &sent_at, round) {
                        break;
                    }
                }
            }
        }
        if let Some((seen, _)) = answered {
            judge_answers(&seen, round);
        }
    }
    settle(&mut pair.subscriber, pair.settle, &sent_at, round).await;
    pair.subscriber.unsubscribe(&topic).await?;
    if publisher_trouble.is_some() {
        return Err(Trouble::Ended(pair.publisher.cause().await));
    }
    Ok(())
}

fn accepted(answers: &[Answer]) -> usize {
    answers
        .iter()
        .filter(|answer| !answer.reason.is_error())
        .count()
}

fn judge_answers(answers: &[Answer], round: &mut Round) {
    for answer in answers {
        if answer.reason.is_error() {
            round.refusals += 1;
            let said = answer.reason_string.clone();
            round.refused.get_or_insert((answer.reason, said));
        } else if answer.reason == ReasonCode::NoMatchingSubscribers {
            round.unmatched += 1;
        }
    }
}

/// Duplicates come after the originals.
async fn settle(line: &mut Line, time: Duration, sent_at: &[Instant], round: &mut Round) {
    let until = Instant::now() + time;
    loop {
        let next = line.next(until).await;
        if !note_arrival(next, sent_at, round) {
            return;
        }
    }
}

/// Takes a message down; whether more can come.
fn note_arrival(next: Next, sent_at: &[Instant], round: &mut Round) -> bool {
    let incoming = match next {
        Next::Message(incoming) => incoming,
        Next::Ended | Next::Silent => return false,
    };
    let payload = std::str::from_utf8(&incoming.message.payload);
    let number = payload.map(str::parse::<u32>);
    if let Ok(Ok(number)) = number
        && let Some(sent_at) = sent_at.get(number as usize)
        // A broker that sends messages over and over fills nothing here.
        && round.arrivals.len() < 10 * MESSAGES as usize
    {
        round.arrivals.push(Arrival {
            number,
            qos: incoming.message.qos as u8,
            time: sent_at.elapsed(),
        });
    }
    true
}

fn distinct(arrivals: &[Arrival]) -> usize {
    let mut numbers: Vec<_> = arrivals.iter().map(|arrival| arrival.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

/// Whether nothing came at all, so that what needs messages cannot be examined.
pub(crate) fn is_deaf(rounds: &[Round]) -> bool {
    rounds.iter().all(|round| round.arrivals.is_empty())
}

/// What the rounds mean: one finding if all is well, else one each.
pub(crate) fn judge(rounds: &[Round], at: Surroundings<'_>) -> Vec<Finding> {
    let perfect: Vec<_> = rounds.iter().filter(|round| round.is_perfect()).collect();
    let mut findings = Vec::new();
    if !perfect.is_empty() {
        let qos = Param::list(perfect.iter().map(|round| round.qos));
        let arrivals = perfect.iter().flat_map(|round| &round.arrivals);
        let mut times: Vec<_> = arrivals.map(|arrival| arrival.time).collect();
        times.sort_unstable();
        let what = text::loopback_good(
            qos,
            MESSAGES,
            percentile(&times, 50),
            percentile(&times, 99),
        );
        findings.push(Finding::pass(Check::Loopback, what));
    }
    let others = rounds.iter().filter(|round| !round.is_perfect());
    // Once is enough for what holds for every QoS.
    let mut may_be_denied = at.may_be_denied_at_delivery();
    for round in others {
        let mut finding = judge_round(round, at.version);
        if may_be_denied && round.is_lost_without_reason() {
            finding = finding
                .note(text::loss_by_acl_file())
                .fix(text::acl_file_fix(at.test_topic));
            may_be_denied = false;
        }
        findings.push(finding);
    }
    findings
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

fn judge_round(round: &Round, version: Version) -> Finding {
    let qos = round.qos;
    let lost = (round.sent as usize).saturating_sub(distinct(&round.arrivals));
    if let Some(trouble) = &round.trouble {
        let what = text::loopback_broken(qos, trouble.text());
        return Finding::fail(Check::Loopback, what)
            .note((lost > 0).then(|| text::loopback_lost(qos, lost, round.sent)))
            .fix((qos == 2).then(text::qos_2_fix));
    }
    if let Some((code, said)) = &round.refused {
        let words = reason::words(*code);
        let what = if round.sent == 0 {
            text::loopback_not_subscribed(qos, words)
        } else {
            text::loopback_refused(qos, round.refusals, words)
        };
        return Finding::fail(Check::Loopback, what)
            .note(said.as_deref().map(broker::it_says))
            .fix(text::publish_permission_fix());
    }
    if lost > 0 {
        return judge_loss(round, lost, version);
    }
    let duplicates = round.arrivals.len() - distinct(&round.arrivals);
    if duplicates > 0 {
        let finding = Finding::warn(Check::Loopback, text::loopback_duplicates(qos, duplicates));
        return match qos {
            1 => finding.note(text::duplicates_at_qos_1()),
            _ => finding.note(text::duplicates_elsewhere()),
        };
    }
    if !round.is_in_order() {
        return Finding::warn(Check::Loopback, text::loopback_disorder(qos));
    }
    let came = round
        .arrivals
        .iter()
        .map(|a| a.qos)
        .min()
        .unwrap_or_default();
    Finding::warn(Check::Loopback, text::loopback_lowered(qos, came))
        .note((round.granted < qos).then(|| text::loopback_granted(round.granted)))
}

fn judge_loss(round: &Round, lost: usize, version: Version) -> Finding {
    let qos = round.qos;
    let what = text::loopback_lost(qos, lost, round.sent);
    let is_all = lost == round.sent as usize;
    let finding = match qos {
        0 if !is_all => Finding::warn(Check::Loopback, what).note(text::loss_at_qos_0()),
        _ => Finding::fail(Check::Loopback, what),
    };
    let cause: Option<Text> = match (is_all, round.unmatched > 0) {
        (_, true) => Some(text::loss_unmatched()),
        (true, false) if qos > 0 && version == Version::V5 => Some(text::loss_of_all_taken()),
        (true, false) if qos > 0 => Some(text::loss_of_all_acknowledged()),
        (true, false) => Some(text::loss_of_all()),
        (false, false) => None,
    };
    finding
        .note(cause)
        .fix(is_all.then(text::publish_permission_fix))
}

impl Surroundings<'_> {
    /// Whether it may be a broker that grants subscriptions and denies at delivery, as Mosquitto does by its
    /// `acl_file`. That often hides `$SYS` too, where the broker would say its name.
    fn may_be_denied_at_delivery(&self) -> bool {
        self.broker
            .is_none_or(|name| name.to_ascii_lowercase().starts_with("mosquitto"))
    }
}

impl Round {
    /// Whether nothing came, and the broker said nothing against it.
    fn is_lost_without_reason(&self) -> bool {
        self.trouble.is_none()
            && self.refused.is_none()
            && self.unmatched == 0
            && self.sent > 0
            && self.arrivals.is_empty()
    }

    fn is_in_order(&self) -> bool {
        self.arrivals.is_sorted_by_key(|arrival| arrival.number)
    }

    fn is_perfect(&self) -> bool {
        self.trouble.is_none()
            && self.refused.is_none()
            && self.arrivals.len() == self.sent as usize
            && distinct(&self.arrivals) == self.sent as usize
            && self.is_in_order()
            && self.arrivals.iter().all(|arrival| arrival.qos == self.qos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    fn round(qos: u8, numbers: &[u32], came: u8) -> Round {
        let arrival = |number: &u32| Arrival {
            number: *number,
            qos: came,
            time: Duration::from_millis(u64::from(*number)),
        };
        Round {
            qos,
            sent: 3,
            arrivals: numbers.iter().map(arrival).collect(),
            granted: came,
            ..Round::default()
        }
    }

    fn at(broker: Option<&str>) -> Surroundings<'_> {
        Surroundings {
            version: Version::V311,
            broker,
            test_topic: "test",
        }
    }

    fn check(rounds: &[Round]) -> Vec<(Mark, &'static str)> {
        let findings = judge(rounds, at(None));
        findings.iter().map(|f| (f.mark, f.what.code())).collect()
    }

    #[test]
    fn rounds_are_judged_by_what_came() {
        let good = round(1, &[0, 1, 2], 1);
        assert_eq!(
            check(&[good.clone(), good]),
            [(Mark::Pass, "loopback_good")]
        );
        for (bad, mark, code) in [
            (round(0, &[0, 1], 0), Mark::Warn, "loopback_lost"),
            (round(0, &[], 0), Mark::Fail, "loopback_lost"),
            (round(1, &[0, 1], 1), Mark::Fail, "loopback_lost"),
            (
                round(1, &[0, 1, 1, 2], 1),
                Mark::Warn,
                "loopback_duplicates",
            ),
            (round(1, &[0, 2, 1], 1), Mark::Warn, "loopback_disorder"),
            (round(2, &[0, 1, 2], 1), Mark::Warn, "loopback_lowered"),
        ] {
            assert_eq!(check(std::slice::from_ref(&bad)), [(mark, code)], "{bad:?}");
        }
        let refused = Round {
            refused: Some((ReasonCode::NotAuthorized, None)),
            refusals: 3,
            ..round(1, &[], 1)
        };
        assert_eq!(check(&[refused]), [(Mark::Fail, "loopback_refused")]);
    }

    #[test]
    fn who_may_be_mosquitto_may_deny_at_delivery() {
        let deaf = [round(0, &[], 0), round(1, &[], 1)];
        for (broker, fixes) in [
            (Some("mosquitto version 2.0.11"), 2),
            (None, 2),
            (Some("EMQX 5.8"), 1),
        ] {
            let findings = judge(&deaf, at(broker));
            let counted: Vec<_> = findings.iter().map(|f| f.fixes.len()).collect();
            assert_eq!(counted, [fixes, 1], "{broker:?}");
        }
        let unmatched = Round {
            unmatched: 3,
            ..round(1, &[], 1)
        };
        assert_eq!(judge(&[unmatched], at(None))[0].fixes.len(), 1);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=60).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(30));
        assert_eq!(percentile(&times, 99), Duration::from_millis(60));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
