//! Payloads and topics that must arrive as they were sent, and payloads of growing size.

use columba_speech::{Param, Text};
use tokio::time::Instant;

use crate::line::{Next, Trouble};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;
use crate::text::{broker, reason};

/// Payload sizes in bytes.
const SIZES: [usize; 6] = [100, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10];
/// What PUBLISH adds to the payload at most, beside the topic: header, packet id, properties.
const HEADER_BYTES_MAX: usize = 16;

/// What became of one message.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// As it was sent.
    Same,
    /// With another payload.
    Changed,
    /// Taken, but it did not come.
    Lost,
    /// Refused by the broker.
    Refused(Text),
    /// No answer, or no connection any more.
    Trouble(Trouble),
    /// Not sent.
    Broken(Text),
}

impl Fate {
    fn text(&self) -> Text {
        match self {
            Self::Same => text::arrived(),
            Self::Changed => text::arrived_changed(),
            Self::Lost => text::did_not_arrive(),
            Self::Refused(reason) => broker::refused(reason.clone()),
            Self::Trouble(trouble) => trouble.text(),
            Self::Broken(why) => why.clone(),
        }
    }
}

/// Sends one message and waits for it.
async fn send(pair: &mut Pair, topic: &str, payload: &[u8]) -> Fate {
    let message = pair.message(topic, payload);
    match pair.publisher.publish(message).await {
        Ok(answer) if answer.reason.is_error() => {
            return Fate::Refused(reason::words(answer.reason));
        }
        Ok(_) => {}
        Err(trouble) => return Fate::Trouble(trouble),
    }
    let until = Instant::now() + pair.patience;
    match pair.subscriber.next(until).await {
        Next::Message(incoming) if incoming.message.payload == payload => Fate::Same,
        Next::Message(_) => Fate::Changed,
        Next::Silent => Fate::Lost,
        Next::Ended => Fate::Trouble(Trouble::Ended(pair.subscriber.cause().await)),
    }
}

/// Connects if need be and subscribes.
async fn listen(pair: &mut Pair, topic: &str) -> Result<(), Fate> {
    if let Err(error) = pair.revive().await {
        return Err(Fate::Broken(crate::line::connect_text(&error)));
    }
    let qos = pair.sure_qos();
    match pair.subscriber.subscribe(topic, qos).await {
        Ok((code, _)) if code.is_error() => Err(Fate::Refused(reason::words(code))),
        Ok(_) => Ok(()),
        Err(trouble) => Err(Fate::Trouble(trouble)),
    }
}

/// Contents that something between publisher and subscriber may damage.
fn contents() -> Vec<(Text, Vec<u8>)> {
    vec![
        (text::content_chinese(), "温度：21.5℃，状态正常".into()),
        (text::content_emoji(), "🕊️👨‍👩‍👧🇨🇳".into()),
        (text::content_gbk(), b"\xce\xc2\xb6\xc8".to_vec()),
        (text::content_json(), br#"{"t":21.5,"s":"\u6e29"}"#.to_vec()),
        (text::content_nul(), b"a\0b\0".to_vec()),
        (text::content_all_bytes(), (0..=255).collect()),
        (text::content_line_breaks(), b"a\r\nb\rc\n".to_vec()),
        (text::content_empty(), Vec::new()),
    ]
}

/// Sends every kind of content, and one message on a topic in Chinese.
pub(crate) async fn look(pair: &mut Pair) -> Vec<(Text, Fate)> {
    let topic = pair.topic("payload");
    let mut fates = Vec::new();
    if let Err(fate) = listen(pair, &topic).await {
        return vec![(text::content_any(), fate)];
    }
    for (name, payload) in contents() {
        let fate = send(pair, &topic, &payload).await;
        let is_over = matches!(fate, Fate::Trouble(_) | Fate::Refused(_));
        fates.push((name, fate));
        if is_over {
            return fates;
        }
    }
    let topic = pair.topic("客厅/温度");
    let fate = match listen(pair, &topic).await {
        Ok(()) => send(pair, &topic, b"21").await,
        Err(fate) => fate,
    };
    fates.push((text::content_topic(), fate));
    fates
}

/// What the fates mean.
pub(crate) fn judge(fates: &[(Text, Fate)]) -> Finding {
    let is_good = |fate: &Fate| matches!(fate, Fate::Same);
    let good = fates.iter().filter(|(_, fate)| is_good(fate));
    if fates.iter().all(|(_, fate)| is_good(fate)) {
        let names = Param::list(fates.iter().map(|(name, _)| name.clone()));
        return Finding::pass(Check::Payload, text::payload_good(names));
    }
    let count = fates.len() - good.count();
    let mut finding = Finding::fail(Check::Payload, text::payload_bad(count, fates.len()));
    for (name, fate) in fates.iter().filter(|(_, fate)| !is_good(fate)) {
        finding = finding.note(text::payload_fate(name.clone(), fate.text()));
    }
    let is_changed = fates.iter().any(|(_, fate)| matches!(fate, Fate::Changed));
    finding.fix(is_changed.then(text::payload_changed_fix))
}

/// What became of growing messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder {
    /// The largest payload that came through, in bytes.
    pub(crate) largest: Option<usize>,
    /// The first that did not, and why.
    pub(crate) failed: Option<(usize, Fate)>,
    /// The first that the broker has announced not to take, and what it takes.
    pub(crate) announced: Option<(usize, u32)>,
}

/// Sends growing messages until one does not arrive.
pub(crate) async fn look_sizes(pair: &mut Pair) -> Ladder {
    let mut ladder = Ladder::default();
    let topic = pair.topic("size");
    if let Err(fate) = listen(pair, &topic).await {
        ladder.failed = Some((0, fate));
        return ladder;
    }
    let limit = pair.publisher.accepted().packet_bytes_max;
    for size in SIZES {
        if size + topic.len() + HEADER_BYTES_MAX > limit as usize {
            ladder.announced = Some((size, limit));
            return ladder;
        }
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        match send(pair, &topic, &payload).await {
            Fate::Same => ladder.largest = Some(size),
            fate => {
                ladder.failed = Some((size, fate));
                return ladder;
            }
        }
    }
    ladder
}

/// What the ladder means.
pub(crate) fn judge_sizes(ladder: &Ladder) -> Finding {
    let bytes = |bytes: usize| Param::Bytes(bytes as u64);
    if let Some((size, fate)) = &ladder.failed {
        let what = text::size_failed(bytes(*size), fate.text());
        let finding = match ladder.largest {
            Some(largest) if largest >= SIZES[1] => Finding::warn(Check::Size, what),
            Some(_) | None => Finding::fail(Check::Size, what),
        };
        return finding
            .note(
                ladder
                    .largest
                    .map(|largest| text::size_largest(bytes(largest))),
            )
            .fix(text::size_fix());
    }
    let largest = ladder.largest.unwrap_or_default();
    let finding = Finding::pass(Check::Size, text::size_good(bytes(largest)));
    let announced = ladder
        .announced
        .map(|(_, limit)| text::size_announced(bytes(limit as usize)));
    finding.note(announced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    #[test]
    fn contents_are_judged_together_and_faults_named() {
        let fates = |fate: Fate| {
            vec![
                (text::content_nul(), Fate::Same),
                (text::content_gbk(), fate),
            ]
        };
        assert_eq!(judge(&fates(Fate::Same)).mark, Mark::Pass);
        let finding = judge(&fates(Fate::Changed));
        assert_eq!((finding.mark, finding.notes.len()), (Mark::Fail, 1));
        assert_eq!(finding.fixes[0].code(), "payload_changed_fix");
        assert!(judge(&fates(Fate::Lost)).fixes.is_empty());
    }

    #[test]
    fn a_limit_is_a_warning_unless_it_is_tiny() {
        let ladder = |largest, failed: Option<usize>, announced| Ladder {
            largest,
            failed: failed.map(|size| (size, Fate::Lost)),
            announced,
        };
        for (ladder, mark) in [
            (ladder(Some(131_072), None, None), Mark::Pass),
            (ladder(Some(4_096), None, Some((16_384, 9_000))), Mark::Pass),
            (ladder(Some(16_384), Some(65_536), None), Mark::Warn),
            (ladder(Some(100), Some(1_024), None), Mark::Fail),
            (ladder(None, Some(100), None), Mark::Fail),
        ] {
            assert_eq!(judge_sizes(&ladder).mark, mark, "{ladder:?}");
        }
    }
}
