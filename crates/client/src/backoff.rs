//! When to connect again, and whether the connections that ended tell a story together.

use std::collections::VecDeque;
use std::time::Duration;

use columba_codec::ReasonCode;

use crate::outcome::CloseCause;

/// How long to wait before connecting again: twice as long each time, with jitter, so that a
/// thousand clients of a server that restarts do not all come back in the same instant.
///
/// The wait is between half of the step and the whole of it. Randomness comes from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// A backoff whose first step is `first` and whose steps end growing at `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first: first.max(Duration::from_millis(1)),
            longest: longest.max(first),
            attempts: 0,
        }
    }

    /// Failed attempts since the last [`Self::reset`].
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The wait before the next attempt. `random` is any number, each time another.
    pub fn next_delay(&mut self, random: u64) -> Duration {
        let doublings = self.attempts.min(31);
        self.attempts = self.attempts.saturating_add(1);
        let step = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half_millis = u64::try_from(step.as_millis() / 2).unwrap_or(u64::MAX / 2);
        step / 2 + Duration::from_millis(random % (half_millis + 1))
    }

    /// A connection has proved to last; the next wait is the first again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Recent ends of connections. Tells the usual reason why connections end again and again shortly
/// after they were accepted: two clients with one client id, each of which throws the other out.
///
/// A server with MQTT 5 says so (Session taken over, 0x8E); with MQTT 3 it only closes the
/// connection.
#[derive(Clone, Debug, Default)]
pub struct EndedConnections {
    /// When each ended, in milliseconds, and whether the server named the reason.
    recent: VecDeque<(u64, bool)>,
}

/// What ends of connections tell together. Its `Display` says it, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Story {
    /// The server has said that another client took the session over.
    #[error(
        "another client connects with the same client id again and again, and each throws the other \
         out; give each client its own"
    )]
    TakenOver,
    /// The server has closed so many connections shortly after accepting them.
    #[error(
        "the server has closed {0} connections shortly after accepting them; most often another \
         client uses the same client id (give each its own), or the server closes over a message that \
         this client may not send"
    )]
    ShortLives(usize),
}

/// Connections that live no longer than this say something together.
const SHORT_LIFE_MS: u64 = 15_000;
/// Ends that are looked at together.
const SPAN_MS: u64 = 120_000;
/// So many short lives look like a takeover.
const SHORT_LIVES: usize = 3;

impl EndedConnections {
    /// Notes that a connection which was accepted at `accepted_ms` ended at `now_ms`, and tells if the
    /// client id seems to be in use twice.
    pub fn on_end(&mut self, accepted_ms: u64, now_ms: u64, cause: &CloseCause) -> Option<Story> {
        let (told, closed) = match cause {
            CloseCause::ByServer(answer) => (answer.reason == ReasonCode::SessionTakenOver, false),
            CloseCause::Lost => (false, now_ms.saturating_sub(accepted_ms) <= SHORT_LIFE_MS),
            _ => (false, false),
        };
        if !told && !closed {
            return None;
        }
        self.recent
            .retain(|(at_ms, _)| now_ms.saturating_sub(*at_ms) <= SPAN_MS);
        self.recent.push_back((now_ms, told));
        if self.recent.len() > SHORT_LIVES {
            self.recent.pop_front();
        }
        let many = self.recent.len() == SHORT_LIVES;
        let named = self.recent.iter().any(|(_, told)| *told);
        match (many, named) {
            (true, true) => Some(Story::TakenOver),
            (true, false) => Some(Story::ShortLives(SHORT_LIVES)),
            (false, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Answer;

    #[test]
    fn waits_double_up_to_the_longest_and_keep_to_half_a_step_of_jitter() {
        for random in [0, 1, 499, 12_345, u64::MAX] {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
            for step_secs in [1, 2, 4, 8, 16, 32, 60, 60] {
                let step = Duration::from_secs(step_secs);
                let delay = backoff.next_delay(random);
                assert!(delay >= step / 2 && delay <= step, "{delay:?} of {step:?}");
            }
            backoff.reset();
            assert!(backoff.next_delay(random) <= Duration::from_secs(1));
        }
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        for _ in 0..100 {
            backoff.next_delay(u64::MAX);
        }
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.next_delay(7) <= Duration::from_millis(1));
    }

    #[test]
    fn three_short_lives_look_like_a_takeover_and_long_ones_do_not() {
        let mut ended = EndedConnections::default();
        assert_eq!(ended.on_end(0, 1_000, &CloseCause::Lost), None);
        assert_eq!(ended.on_end(2_000, 60_000, &CloseCause::Lost), None);
        assert_eq!(ended.on_end(60_000, 61_000, &CloseCause::Lost), None);
        let told = ended.on_end(62_000, 63_000, &CloseCause::Lost);
        assert!(
            told.expect("a story")
                .to_string()
                .contains("same client id")
        );
        // Much later they are no story any more.
        assert_eq!(ended.on_end(900_000, 900_100, &CloseCause::Lost), None);
    }

    #[test]
    fn a_takeover_that_the_server_names_is_not_guessed_at() {
        let mut ended = EndedConnections::default();
        let cause = CloseCause::ByServer(Answer {
            reason: ReasonCode::SessionTakenOver,
            ..Answer::SUCCESS
        });
        assert_eq!(ended.on_end(0, 50_000, &cause), None);
        assert_eq!(ended.on_end(50_000, 100_000, &cause), None);
        let told = ended.on_end(100_000, 110_000, &cause).expect("a story");
        assert!(told.to_string().contains("each throws the other out"));
    }
}
