//! A subscriber: which messages it waits for and which of them came.

use std::collections::HashMap;

use crate::fleet::{Expects, SubscriberSpec};
use crate::payload::Stamp;
use crate::verify::{Arrival, Seen, Stream};

/// Keeps the books of what arrives at one client.
#[derive(Debug)]
pub(crate) struct Subscriber {
    books: Books,
}

#[derive(Debug)]
enum Books {
    Streams {
        first: u32,
        streams: Vec<Stream>,
    },
    /// The streams with their numbers, sorted by these.
    Those {
        numbers: Vec<u32>,
        streams: Vec<Stream>,
    },
    OneOfEach {
        first: u32,
        count: u32,
        seen: Seen,
    },
    Anything {
        streams: HashMap<(u32, u32), Stream>,
    },
}

/// Streams of other runs that one subscriber keeps books of; messages of further ones are counted
/// and not checked.
const FOREIGN_STREAMS_MAX: usize = 1 << 20;

/// What a message is to its subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// One of those waited for.
    Expected(Arrival),
    /// Of another run or for somebody else.
    Foreign,
}

impl Subscriber {
    /// Books with nothing in them.
    pub(crate) fn new(spec: &SubscriberSpec) -> Self {
        let books = match &spec.expects {
            Expects::Streams(streams) => Books::Streams {
                first: streams.start,
                streams: vec![Stream::default(); streams.len()],
            },
            Expects::Those(numbers) => Books::Those {
                numbers: numbers.clone(),
                streams: vec![Stream::default(); numbers.len()],
            },
            Expects::OneOfEach(streams) => Books::OneOfEach {
                first: streams.start,
                count: streams.len() as u32,
                seen: Seen::default(),
            },
            Expects::Anything => Books::Anything {
                streams: HashMap::new(),
            },
        };
        Self { books }
    }

    /// Whether messages of other runs are welcome.
    pub(crate) fn takes_anything(&self) -> bool {
        matches!(self.books, Books::Anything { .. })
    }

    /// Enters a message.
    #[inline]
    pub(crate) fn on_message(&mut self, stamp: &Stamp) -> Verdict {
        match &mut self.books {
            Books::Streams { first, streams } => {
                let place = stamp.stream.wrapping_sub(*first) as usize;
                match streams.get_mut(place) {
                    Some(stream) => Verdict::Expected(stream.on_arrival(stamp.sequence)),
                    None => Verdict::Foreign,
                }
            }
            Books::Those { numbers, streams } => {
                let place = numbers.binary_search(&stamp.stream).ok();
                match place.and_then(|place| streams.get_mut(place)) {
                    Some(stream) => Verdict::Expected(stream.on_arrival(stamp.sequence)),
                    None => Verdict::Foreign,
                }
            }
            Books::OneOfEach { first, count, seen } => {
                let place = stamp.stream.wrapping_sub(*first);
                if place >= *count || stamp.sequence != 0 {
                    return Verdict::Foreign;
                }
                Verdict::Expected(seen.on_arrival(place))
            }
            Books::Anything { streams } => {
                let name = (stamp.run, stamp.stream);
                if streams.len() >= FOREIGN_STREAMS_MAX && !streams.contains_key(&name) {
                    return Verdict::Foreign;
                }
                let stream = streams.entry(name);
                let stream = stream.or_insert_with(|| Stream::starting_at(stamp.sequence));
                Verdict::Expected(stream.on_arrival(stamp.sequence))
            }
        }
    }

    /// Messages that must be lost because later ones of their stream are here; for a subscriber that
    /// does not know what is sent.
    pub(crate) fn missing(&self) -> u64 {
        match &self.books {
            Books::Streams { streams, .. } | Books::Those { streams, .. } => {
                streams.iter().map(Stream::missing).sum()
            }
            Books::Anything { streams } => streams.values().map(Stream::missing).sum(),
            Books::OneOfEach { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_codec::QoS;

    fn subscriber(expects: Expects) -> Subscriber {
        Subscriber::new(&SubscriberSpec {
            filters: Vec::new(),
            qos: QoS::AtMostOnce,
            expects,
        })
    }

    fn stamp(run: u32, stream: u32, sequence: u32) -> Stamp {
        Stamp {
            clock: 0,
            run,
            stream,
            sequence,
            due_ns: 0,
        }
    }

    #[test]
    fn messages_for_others_are_foreign() {
        let mut subscriber = subscriber(Expects::Streams(3..5));
        assert_eq!(subscriber.on_message(&stamp(1, 2, 0)), Verdict::Foreign);
        assert_eq!(subscriber.on_message(&stamp(1, 5, 0)), Verdict::Foreign);
        for stream in [3, 4] {
            let verdict = subscriber.on_message(&stamp(1, stream, 0));
            assert_eq!(verdict, Verdict::Expected(Arrival::InOrder));
        }
    }

    #[test]
    fn only_the_streams_that_are_named_are_expected() {
        let mut subscriber = subscriber(Expects::Those(vec![2, 7]));
        assert_eq!(subscriber.on_message(&stamp(1, 3, 0)), Verdict::Foreign);
        for (stream, sequence, arrival) in [
            (7, 0, Arrival::InOrder),
            (2, 1, Arrival::InOrder),
            (2, 0, Arrival::Late),
            (7, 0, Arrival::Duplicate),
        ] {
            let verdict = subscriber.on_message(&stamp(1, stream, sequence));
            assert_eq!(verdict, Verdict::Expected(arrival));
        }
    }

    #[test]
    fn retained_messages_may_come_in_any_order_and_once() {
        let mut subscriber = subscriber(Expects::OneOfEach(0..3));
        for (stream, arrival) in [
            (2, Arrival::InOrder),
            (0, Arrival::InOrder),
            (2, Arrival::Duplicate),
        ] {
            let verdict = subscriber.on_message(&stamp(1, stream, 0));
            assert_eq!(verdict, Verdict::Expected(arrival));
        }
        assert_eq!(subscriber.on_message(&stamp(1, 3, 0)), Verdict::Foreign);
    }

    #[test]
    fn a_listener_joins_streams_in_their_middle() {
        let mut subscriber = subscriber(Expects::Anything);
        for (run, sequence) in [(1, 500), (2, 7), (1, 501), (2, 9)] {
            let verdict = subscriber.on_message(&stamp(run, 0, sequence));
            assert_eq!(verdict, Verdict::Expected(Arrival::InOrder));
        }
        assert_eq!(subscriber.missing(), 1);
    }
}
