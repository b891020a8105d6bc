//! The publishing side of a thread.

use std::sync::atomic::Ordering;

use columba_codec::QoS;

use super::{PINGREQ, Standing, Worker};
use crate::clock::{now_ns, thread_cpu_ns};
use crate::schedule::{Schedule, Walk, share};
use crate::stage::{Publishing, Reply, Stage};
use crate::tally::Tally;
use crate::trouble::Trouble;

/// A connection with this much to write is given no more.
const OUT_BYTES_MAX: usize = 256 << 10;
/// What one publisher writes before it is the next one's turn.
const TURN_BYTES_MAX: usize = 64 << 10;

impl Worker {
    /// Starts to count, and gets ready to publish if the stage is about that.
    pub(super) fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.is_staged = true;
        self.is_publishing = false;
        self.tally = Tally::default();
        self.walk = None;
        self.cpu_before_ns = thread_cpu_ns();
        if let Some(publishing) = stage.publishing {
            self.begin_publishing(&publishing);
        }
        self.count_remaining();
        self.show_gauges();
        self.reply(Reply::Done);
    }

    fn begin_publishing(&mut self, publishing: &Publishing) {
        let publishers = self.board.thread_of.len() as u64;
        for place in self.publishers.clone() {
            let Some(client) = self.clients.get_mut(place) else {
                continue;
            };
            let Some(publisher) = &mut client.publisher else {
                continue;
            };
            if publishing.is_clearing
                && let Some(spec) = &client.spec.publisher
                && let Err(error) = publisher.clear_retained(spec, self.setting.version)
            {
                let error = std::io::Error::other(error);
                self.fail(Trouble::system("cannot encode", error));
                continue;
            }
            let number = u64::from(publisher.number);
            let messages = match publishing.messages {
                u64::MAX => u64::MAX / 2,
                messages => share(messages, number, publishers),
            };
            let delivered = self.board.delivered(publisher.number);
            publisher.begin(messages, publishing.per_sec.is_some(), delivered);
            publisher.is_windowed_by_delivery = publishing.is_windowed_by_delivery;
        }
    }

    /// Publishes, in an open loop from this time on.
    pub(super) fn start_publishing(&mut self, start_ns: u64) {
        self.stage.start_ns = start_ns;
        self.is_publishing = true;
        if let (Some(schedule), Some(publishing)) = (self.schedule(), self.stage.publishing) {
            let publishers = self.clients.iter().filter_map(|c| c.publisher.as_ref());
            let own = publishers.map(|publisher| u64::from(publisher.number));
            self.walk = Some(Walk::new(schedule, own.collect(), publishing.messages));
        } else {
            self.list_publishers();
        }
    }

    fn schedule(&self) -> Option<Schedule> {
        let per_sec = self.stage.publishing?.per_sec?;
        Some(Schedule {
            start_ns: self.stage.start_ns,
            per_sec,
            publishers: self.board.thread_of.len() as u64,
        })
    }

    /// Sends no more; what is on its way goes on.
    pub(super) fn stop_publishing(&mut self) {
        self.walk = None;
        for place in self.publishers.clone() {
            if let Some(publisher) = self
                .clients
                .get_mut(place)
                .and_then(|c| c.publisher.as_mut())
                && publisher.remaining() > 0
            {
                publisher.stop();
                self.ask_for_pong(place);
            }
        }
        self.count_remaining();
    }

    /// Counts what was not delivered as lost, so that publishers go on.
    pub(super) fn write_off(&mut self) {
        for place in self.publishers.clone() {
            if let Some(publisher) = self
                .clients
                .get_mut(place)
                .and_then(|c| c.publisher.as_mut())
            {
                publisher.write_off(self.board.delivered(publisher.number));
            }
        }
        self.list_publishers();
    }

    fn count_remaining(&mut self) {
        let publishers = self.clients.iter().filter_map(|c| c.publisher.as_ref());
        let remaining = publishers.map(super::Publisher::remaining);
        self.remaining = remaining.fold(0, u64::saturating_add);
    }

    /// Notes that a publisher may have something to send.
    pub(super) fn list(&mut self, place: usize) {
        // The signal that brings one command may outlast it; it starts nothing before its time.
        if !self.is_publishing {
            return;
        }
        if let Some(client) = self.clients.get_mut(place)
            && let Some(publisher) = &mut client.publisher
            && publisher.remaining() > 0
            && !publisher.is_listed
        {
            publisher.is_listed = true;
            self.listed.push(place);
        }
    }

    pub(super) fn list_publishers(&mut self) {
        for at in 0..self.publishers.len() {
            if let Some(place) = self.publishers.get(at) {
                self.list(*place);
            }
        }
    }

    /// Open loop: hands out messages that have become due.
    pub(super) fn release_due(&mut self, now_ns: u64) {
        let Some(mut walk) = self.walk.take() else {
            return;
        };
        while let Some(place) = walk.take_due(now_ns) {
            let place = self.publishers.get(place).copied().unwrap_or_default();
            let client = self.clients.get_mut(place);
            if let Some(publisher) = client.and_then(|c| c.publisher.as_mut()) {
                publisher.due = publisher.due.saturating_add(1);
            }
            self.list(place);
        }
        self.walk = Some(walk);
    }

    pub(super) fn publish_listed(&mut self) {
        if self.listed.is_empty() {
            return;
        }
        self.gauges().is_waiting.store(false, Ordering::SeqCst);
        let mut listed = std::mem::take(&mut self.listed);
        for place in listed.drain(..) {
            if let Some(publisher) = self
                .clients
                .get_mut(place)
                .and_then(|c| c.publisher.as_mut())
            {
                publisher.is_listed = false;
            }
            self.publish(place);
        }
        // Those that have more to send have listed themselves anew; the longer memory stays.
        if self.listed.is_empty() {
            self.listed = listed;
        }
    }

    fn publish(&mut self, place: usize) {
        let schedule = self.schedule();
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let (Some(publisher), Some(connection)) = (&mut client.publisher, &mut client.connection)
        else {
            return;
        };
        if client.standing != Standing::Connected
            // Readiness to write lists it again.
            || connection.waiting_bytes() >= OUT_BYTES_MAX
        {
            return;
        }
        let room = publisher.room(self.board.delivered(publisher.number));
        if room == 0 {
            self.wait_for_deliveries(place);
            return;
        }
        let message_bytes = publisher.message_bytes(&self.setting.payload).max(1);
        let count = room.min((TURN_BYTES_MAX / message_bytes).max(1) as u64);
        let now = now_ns();
        for _ in 0..count {
            let due = publisher.append(
                &self.setting.payload,
                schedule.as_ref(),
                now,
                &mut connection.out,
            );
            if schedule.is_some() {
                self.tally.lag.record(now.saturating_sub(due));
            }
        }
        connection.last_written_ns = now;
        for (owed, copies) in self.tally.owed.iter_mut().zip(publisher.copies) {
            *owed += count * u64::from(copies);
        }
        self.tally.sent += count;
        self.tally.last_sent_ns = now;
        self.remaining -= count;
        if publisher.qos != QoS::AtMostOnce {
            self.unanswered += count;
        }
        let is_done = publisher.remaining() == 0;
        if count < room {
            self.list(place);
        } else {
            self.wait_for_deliveries(place);
        }
        if is_done {
            self.ask_for_pong(place);
        }
        self.flush(place);
    }

    /// Asks threads with subscribers to wake this one when messages have arrived there.
    fn wait_for_deliveries(&mut self, place: usize) {
        if self.wakers.len() == 1 {
            return;
        }
        let client = self.clients.get(place);
        let Some(publisher) = client.and_then(|client| client.publisher.as_ref()) else {
            return;
        };
        if !publisher.is_windowed_by_delivery {
            return;
        }
        // Said first and looked at again after, lest a delivery in between wakes nobody.
        self.gauges().is_waiting.store(true, Ordering::SeqCst);
        if publisher.room(self.board.delivered(publisher.number)) > 0 {
            self.list(place);
        }
    }

    /// Behind the last message at QoS 0 goes a PINGREQ: its answer says that the broker has read
    /// everything before.
    fn ask_for_pong(&mut self, place: usize) {
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        if client.standing != Standing::Connected {
            return;
        }
        if let (Some(publisher), Some(connection)) = (&mut client.publisher, &mut client.connection)
            && publisher.qos == QoS::AtMostOnce
            && !publisher.awaits_pong
        {
            publisher.awaits_pong = true;
            connection.out.extend_from_slice(&PINGREQ);
            self.unanswered += 1;
            self.flush(place);
        }
    }
}
