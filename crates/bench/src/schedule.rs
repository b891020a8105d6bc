//! Open loop: when each message is due, whatever became of those before it.

use crate::clock::SECOND_NS;

/// Due times of messages at a steady rate, dealt out to the publishers in turn.
///
/// Due times come from the plan alone. A generator that waits for a slow broker and counts from the
/// moment it got round to sending leaves out the wait, the very thing that was to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// When the first message is due.
    pub(crate) start_ns: u64,
    /// Messages a second, all publishers together.
    pub(crate) per_sec: f64,
    /// Publishers among whom they are dealt.
    pub(crate) publishers: u64,
}

impl Schedule {
    /// When the publisher's `nth` message, from 0, is due.
    #[inline]
    pub(crate) fn due_ns(&self, publisher: u64, nth: u64) -> u64 {
        let position = (nth * self.publishers + publisher) as f64;
        self.start_ns + (position * SECOND_NS as f64 / self.per_sec) as u64
    }
}

/// How many of `messages` fall to one of `publishers`.
pub(crate) fn share(messages: u64, publisher: u64, publishers: u64) -> u64 {
    messages / publishers + u64::from(publisher < messages % publishers)
}

/// Walks through a schedule for those publishers that live on one thread.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    schedule: Schedule,
    /// Numbers of the publishers here, ascending.
    own: Vec<u64>,
    messages: u64,
    round: u64,
    place: usize,
}

impl Walk {
    /// From the first message to the last of `messages`.
    pub(crate) fn new(schedule: Schedule, own: Vec<u64>, messages: u64) -> Self {
        Self {
            schedule,
            own,
            messages,
            round: 0,
            place: 0,
        }
    }

    /// When the next message is due, or `None` after the last.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let publisher = *self.own.get(self.place)?;
        let position = self.round * self.schedule.publishers + publisher;
        (position < self.messages).then(|| self.schedule.due_ns(publisher, self.round))
    }

    /// The place in `own` of a publisher whose message is due, or `None` if nothing is due yet.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<usize> {
        if self.next_ns()? > now_ns {
            return None;
        }
        let place = self.place;
        self.place += 1;
        if self.place == self.own.len() {
            self.place = 0;
            self.round += 1;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        start_ns: 1000,
        per_sec: 1e6,
        publishers: 3,
    };

    #[test]
    fn messages_are_due_at_a_steady_rate_and_go_round() {
        let due: Vec<u64> = (0..7).map(|n| SCHEDULE.due_ns(n % 3, n / 3)).collect();
        assert_eq!(due, [1000, 2000, 3000, 4000, 5000, 6000, 7000]);
    }

    #[test]
    fn shares_add_up_and_differ_by_one_at_most() {
        for messages in [0, 1, 2, 3, 10, 11] {
            let shares: Vec<u64> = (0..3).map(|p| share(messages, p, 3)).collect();
            assert_eq!(shares.iter().sum::<u64>(), messages);
            assert!(shares[0] - shares[2] <= 1);
        }
    }

    #[test]
    fn threads_together_send_what_one_would() {
        let all = |own: &[u64]| {
            let mut walk = Walk::new(SCHEDULE, own.to_vec(), 8);
            let mut found = Vec::new();
            while let Some(at) = walk.next_ns() {
                assert_eq!(walk.take_due(at - 1), None);
                let place = walk.take_due(at).unwrap();
                found.push((at, own[place]));
            }
            found
        };
        let mut parts = all(&[0, 2]);
        parts.extend(all(&[1]));
        parts.sort_unstable();
        assert_eq!(parts, all(&[0, 1, 2]));
        assert_eq!(parts.len(), 8);
        assert!(all(&[]).is_empty());
    }

    #[test]
    fn a_late_walk_releases_everything_that_became_due() {
        let mut walk = Walk::new(SCHEDULE, vec![0, 1, 2], 100);
        let released = std::iter::from_fn(|| walk.take_due(10_999)).count();
        assert_eq!(released, 10);
        assert_eq!(walk.next_ns(), Some(11_000));
    }
}
