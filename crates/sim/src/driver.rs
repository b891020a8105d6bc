//! What the broker's driver does for a shard: feeds it, and carries out what it wants.

use columba_broker::event::{AuthVerdict, CloseCause, Effect, Handover, Input, ShardId};
use columba_broker::mail::Mail;
use columba_broker::outcome::Outcome;
use columba_codec::{Decoded, decode};

use crate::event::{Event, LinkId};
use crate::guard::USER;
use crate::net::{Arrived, Phase};
use crate::oracle::{About, Observation};
use crate::world::{Mode, World};

/// How long a connection that the broker closes may take to read its output.
const CLOSING_MS: u64 = 3_000;

/// What a socket takes when there are no faults.
const CALM_SOCKET_BYTES: usize = 65_536;

/// How often a shard may want to go on at once before it is taken to have work without end.
const TURNS_MAX: usize = 100_000;

impl World {
    /// Hands one input to a shard, shows the oracle what came of it, and carries it out.
    pub(crate) fn input(&mut self, shard: usize, input: Input<'_>, about: About) {
        if self.is_dead {
            return;
        }
        self.inputs += 1;
        let now = self.now();
        self.trace
            .line(self.now_ms, format_args!("shard {shard} <- {about}"));
        let node = &mut self.shards[shard];
        let waits_before = node.core.stats().outcome(Outcome::PublishStoreWait);
        node.core.handle(now, input);
        let waits = node.core.stats().outcome(Outcome::PublishStoreWait);
        let effects: Vec<Effect> = std::iter::from_fn(|| node.core.poll()).collect();
        let outputs = self.tap(shard);
        let mut observation = Observation {
            now_ms: self.now_ms,
            shard,
            about,
            outputs,
            transmits: Vec::new(),
            closes: Vec::new(),
            reports: Vec::new(),
            answers: Vec::new(),
            held: Vec::new(),
            store_waits: waits - waits_before,
            unix_ms: now.unix_ms,
        };
        for effect in &effects {
            self.trace_effect(shard, effect);
            let slots = &self.shards[shard].slots;
            match effect {
                Effect::Transmit { conn } => observation.transmits.push(slots.find(*conn)),
                Effect::Close { conn } => observation.closes.push(slots.find(*conn)),
                Effect::Authenticate { conn, .. } | Effect::Handover { conn, .. } => {
                    if slots.find(*conn).is_none() {
                        let detail = format!("{conn:?} is unknown: {effect:?}");
                        self.oracle.fail("effects", detail);
                    }
                }
                Effect::Answer { id, answer } => {
                    observation.answers.push((*id, (**answer).clone()))
                }
                Effect::Report(report) => observation.reports.push(report.clone()),
                Effect::Fetch { .. } => {}
            }
        }
        if self.store.is_some() {
            let node = &self.shards[shard];
            let links = node.slots.links();
            let is_held = |link: &LinkId| node.core.holds_input(self.links[*link].conn);
            observation.held = links.filter(is_held).collect();
        }
        self.oracle.observe(&observation);
        if self.dies_of_answer(&observation) {
            return;
        }
        for effect in effects {
            if self.dies_here() {
                return;
            }
            self.carry_out(shard, effect);
        }
        // Records may be on their way before the mail of the same tick is, or after it.
        let is_early = self.store.is_some() && self.chance.percent(50);
        if is_early {
            self.end_tick(shard);
        }
        while let Some((to, mail)) = self.shards[shard].core.poll_mail() {
            if self.dies_here() {
                return;
            }
            self.post(shard, to, mail);
        }
        if self.dies_here() {
            return;
        }
        if !is_early {
            self.end_tick(shard);
        }
        self.watch_deadline(shard);
        if self.inputs.is_multiple_of(16) {
            self.check_books();
        }
    }

    /// A shard that was restored has something to say before its first input.
    pub(crate) fn after_restore(&mut self, shard: usize) {
        while let Some(effect) = self.shards[shard].core.poll() {
            self.trace_effect(shard, &effect);
            if let Effect::Report(report) = &effect {
                self.oracle.on_report(report);
                self.oracle.on_revoked(report);
            }
            self.carry_out(shard, effect);
        }
        while let Some((to, mail)) = self.shards[shard].core.poll_mail() {
            self.post(shard, to, mail);
        }
        self.end_tick(shard);
        self.watch_deadline(shard);
    }

    /// Output that the shard has written since the last look, for every connection.
    fn tap(&mut self, shard: usize) -> Vec<(LinkId, Vec<u8>)> {
        let mut outputs = Vec::new();
        let links: Vec<LinkId> = self.shards[shard].slots.links().collect();
        for id in links {
            let link = &mut self.links[id];
            let Some(output) = self.shards[shard].core.output(link.conn) else {
                continue;
            };
            let seen = (link.tapped - link.sent) as usize;
            let new = output.len().saturating_sub(seen);
            if new == 0 {
                continue;
            }
            let bytes: Vec<u8> = output.chunks().flatten().copied().skip(seen).collect();
            link.tapped += bytes.len() as u64;
            self.trace.line(
                self.now_ms,
                format_args!("  link {id} {} bytes", bytes.len()),
            );
            self.trace.bytes(&bytes);
            outputs.push((id, bytes));
        }
        outputs
    }

    fn trace_effect(&mut self, shard: usize, effect: &Effect) {
        let at_ms = self.now_ms;
        match effect {
            Effect::Transmit { .. }
            | Effect::Close { .. }
            | Effect::Authenticate { .. }
            | Effect::Handover { .. }
            | Effect::Answer { .. }
            | Effect::Report(_)
            | Effect::Fetch { .. } => {
                self.trace
                    .line(at_ms, format_args!("  shard {shard} -> {effect:?}"));
            }
        }
    }

    fn carry_out(&mut self, shard: usize, effect: Effect) {
        match effect {
            Effect::Transmit { conn } => {
                if let Some(link) = self.shards[shard].slots.find(conn) {
                    self.schedule_write(link, 0);
                }
            }
            Effect::Close { conn } => {
                if let Some(link) = self.shards[shard].slots.find(conn) {
                    self.links[link].phase = Phase::Closing;
                    self.put(CLOSING_MS, Event::CloseAnyway { link });
                    self.schedule_write(link, 0);
                }
            }
            Effect::Authenticate { conn, .. } => {
                let Some(link) = self.shards[shard].slots.find(conn) else {
                    return;
                };
                let verdict = self.verdict();
                let delay_ms = self.delay(self.swarm.verdict_ms_max);
                let event = Event::Verdict {
                    link,
                    shard,
                    conn,
                    verdict,
                };
                self.put(delay_ms, event);
            }
            Effect::Handover { conn, to, handover } => {
                let Some(link) = self.shards[shard].slots.find(conn) else {
                    return;
                };
                self.shards[shard].slots.free(conn);
                self.links[link].phase = Phase::Moving;
                self.links[link].shard = to.index();
                let delay_ms = self.delay(self.swarm.mail_ms_max);
                let to = to.index();
                self.put(delay_ms, Event::Adopt { link, to, handover });
            }
            Effect::Fetch { positions } => {
                let most_ms = self.swarm.store.as_ref().map_or(0, |of| of.fetch_ms_max);
                let delay_ms = self.delay(most_ms);
                self.put(delay_ms, Event::Fetch { shard, positions });
            }
            Effect::Answer { id, answer } => self.on_answer(shard, id, &answer),
            Effect::Report(_) => {}
        }
    }

    fn verdict(&mut self) -> AuthVerdict {
        if self.mode == Mode::Faulty && self.chance.percent(self.swarm.refuse_percent) {
            return self
                .chance
                .pick(&[&AuthVerdict::BadCredentials, &AuthVerdict::Unavailable])
                .clone();
        }
        AuthVerdict::Allow {
            user: Some(USER.into()),
            groups: [].into(),
        }
    }

    // Mail.

    fn post(&mut self, from: usize, to: ShardId, mail: Mail) {
        let (at_ms, count) = (self.now_ms, mail.len());
        self.trace
            .line(at_ms, format_args!("  mail to {}: {count} letters", to.0));
        self.trace.note(at_ms, format_args!("{mail:?}"));
        let to = to.index();
        if to == from || to >= self.shards.len() {
            return self.oracle.fail("effects", format!("mail to {to}"));
        }
        self.shards[from].lanes[to].waiting.append(mail);
        self.push_mail(from, to);
    }

    /// Puts what waits into the ring if there is room.
    fn push_mail(&mut self, from: usize, to: usize) {
        let delay_ms = self.delay(self.swarm.mail_ms_max);
        let lane = &mut self.shards[from].lanes[to];
        if lane.waiting.is_empty() || lane.ring.len() >= self.swarm.mailbox_batches_max {
            return;
        }
        lane.ring.push_back(std::mem::take(&mut lane.waiting));
        lane.last_at_ms = lane.last_at_ms.max(self.now_ms + delay_ms);
        let at_ms = lane.last_at_ms;
        self.agenda.put(at_ms, Event::Mail { from, to });
    }

    pub(crate) fn on_mail(&mut self, from: usize, to: usize) {
        let Some(mail) = self.shards[from].lanes[to].ring.pop_front() else {
            return;
        };
        let about = About::Mail {
            from,
            letters: mail.len(),
        };
        let sender = ShardId(from as u16);
        self.input(to, Input::Mail { from: sender, mail }, about);
        let was_full = self.is_stalled(from);
        self.push_mail(from, to);
        if was_full && !self.is_stalled(from) {
            let links: Vec<LinkId> = self.shards[from].slots.links().collect();
            for link in links {
                self.feed(link);
            }
        }
    }

    /// Whether mail of a shard finds no room, so that it reads nothing.
    fn is_stalled(&self, shard: usize) -> bool {
        let mut lanes = self.shards[shard].lanes.iter();
        lanes.any(|lane| !lane.waiting.is_empty())
    }

    // Reading.

    pub(crate) fn on_arrived(&mut self, link: LinkId, arrived: Arrived) {
        let is_reset = matches!(arrived, Arrived::End(CloseCause::Transport));
        if is_reset {
            self.links[link].held.clear();
        } else if self.links[link].is_half_open {
            return;
        }
        if self.links[link].phase == Phase::Gone {
            return;
        }
        self.links[link].held.push_back(arrived);
        self.feed(link);
    }

    /// Gives the core what has arrived, as long as its mail finds room.
    fn feed(&mut self, id: LinkId) {
        loop {
            let link = &mut self.links[id];
            let (shard, conn) = (link.shard, link.conn);
            if self.is_dead || matches!(link.phase, Phase::Moving | Phase::Gone) {
                return;
            }
            if self.shards[shard].core.holds_input(conn) {
                return;
            }
            let is_end = matches!(link.held.front(), Some(Arrived::End(_)));
            if !is_end && self.is_stalled(shard) {
                return;
            }
            let link = &mut self.links[id];
            match link.held.pop_front() {
                None => return,
                Some(Arrived::Bytes(_)) if link.phase != Phase::Open => {}
                Some(Arrived::Bytes(bytes)) => {
                    let bytes = self.one_packet(id, bytes);
                    let about = About::Received {
                        link: id,
                        bytes: bytes.clone(),
                    };
                    let input = Input::Received {
                        conn,
                        bytes: &bytes,
                    };
                    self.input(shard, input, about);
                }
                Some(Arrived::End(cause)) => self.close(id, cause),
            }
        }
    }

    /// As many of the bytes as end a packet, so that it is known which one has to wait; the rest is
    /// kept for later.
    fn one_packet(&mut self, id: LinkId, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.swarm.store.as_ref().is_some_and(|of| of.may_hold()) {
            return bytes;
        }
        let link = &mut self.links[id];
        let version = self.clients[link.client].persona.version;
        let before = link.tail.len();
        link.tail.extend_from_slice(&bytes);
        match decode(&link.tail, version, u32::MAX) {
            Ok(Decoded::Packet(_, len)) => {
                let rest = bytes.split_off(len - before);
                if !rest.is_empty() {
                    link.held.push_front(Arrived::Bytes(rest));
                }
                link.tail.clear();
            }
            Ok(Decoded::Incomplete { .. }) => {}
            Err(_) => link.tail.clear(),
        }
        bytes
    }

    /// Goes on with connections that had to wait.
    pub(crate) fn feed_held(&mut self, shard: usize) {
        if self.is_dead || self.swarm.store.is_none() {
            return;
        }
        let links: Vec<LinkId> = self.shards[shard].slots.links().collect();
        for link in links {
            self.feed(link);
        }
    }

    pub(crate) fn on_adopt(&mut self, link: LinkId, to: usize, handover: Box<Handover>) {
        let conn = self.shards[to].slots.put(link);
        self.links[link].conn = conn;
        self.links[link].phase = Phase::Open;
        self.links[link].tapped = 0;
        self.links[link].sent = 0;
        let about = About::Adopted { link };
        self.input(to, Input::Adopted { conn, handover }, about);
        self.feed(link);
    }

    // Writing and closing.

    pub(crate) fn schedule_write(&mut self, link: LinkId, delay_ms: u64) {
        if !self.links[link].is_write_due && self.links[link].is_known() {
            self.links[link].is_write_due = true;
            self.put(delay_ms, Event::Write { link });
        }
    }

    pub(crate) fn on_write(&mut self, id: LinkId) {
        self.links[id].is_write_due = false;
        let link = &self.links[id];
        if !link.is_known() {
            return;
        }
        let (shard, conn) = (link.shard, link.conn);
        let room = if link.is_client_open {
            let most = match self.mode {
                Mode::Faulty => self.swarm.socket_bytes_max,
                // A backlog has to get through in time.
                Mode::Healing | Mode::Ending | Mode::Leaving => CALM_SOCKET_BYTES,
            };
            most.saturating_sub(link.unread)
        } else {
            // Nobody is there; the bytes go nowhere.
            usize::MAX
        };
        let room = if room > 1 && self.chance.percent(20) {
            self.chance.range(1, room.min(100) as u64) as usize
        } else {
            room
        };
        let Some(output) = self.shards[shard].core.output(conn) else {
            return self.after_write(id, true);
        };
        let bytes: Vec<u8> = output.chunks().flatten().copied().take(room).collect();
        let left = output.len() - bytes.len();
        let len = bytes.len();
        if len > 0 {
            let link = &mut self.links[id];
            link.sent += len as u64;
            if link.is_client_open {
                link.unread += len;
            }
            if link.is_client_open && !link.is_half_open {
                let at_ms = self.down_ms(id);
                self.agenda.put(at_ms, Event::Down { link: id, bytes });
            }
            if left == 0 {
                self.oracle.effects.emptied(id);
            }
            let about = About::Sent { link: id, len };
            self.input(shard, Input::Sent { conn, len }, about);
            if left > 0 {
                self.schedule_write(id, 0);
            }
        }
        let is_empty = self.shards[shard]
            .core
            .output(conn)
            .is_none_or(|output| output.is_empty());
        self.after_write(id, is_empty);
    }

    fn after_write(&mut self, link: LinkId, is_empty: bool) {
        if is_empty && self.links[link].phase == Phase::Closing {
            self.close(link, CloseCause::Broker);
        }
    }

    pub(crate) fn down_ms(&mut self, link: LinkId) -> u64 {
        let delay_ms = self.delay(self.swarm.down_ms_max);
        let at_ms = (self.now_ms + delay_ms).max(self.links[link].down_at_ms);
        self.links[link].down_at_ms = at_ms;
        at_ms
    }

    pub(crate) fn on_close_anyway(&mut self, link: LinkId) {
        if self.links[link].phase == Phase::Closing {
            self.close(link, CloseCause::Broker);
        }
    }

    /// Tells the core that a connection is gone, and the client in due time.
    fn close(&mut self, id: LinkId, cause: CloseCause) {
        if !self.links[id].is_known() {
            return;
        }
        let link = &mut self.links[id];
        link.phase = Phase::Gone;
        link.held.clear();
        let (shard, conn) = (link.shard, link.conn);
        if link.is_client_open && !link.is_half_open {
            let at_ms = self.down_ms(id);
            self.agenda.put(at_ms, Event::DownEnd { link: id });
        }
        // From here on the driver does not know it any more.
        self.shards[shard].slots.free(conn);
        self.input(
            shard,
            Input::Closed { conn, cause },
            About::Closed { link: id },
        );
    }

    // Time.

    pub(crate) fn watch_deadline(&mut self, shard: usize) {
        let node = &mut self.shards[shard];
        let Some(due_ms) = node.core.next_deadline() else {
            return;
        };
        // On the clock of the run.
        let due_ms = u64::try_from(due_ms as i64 + self.base_ms).unwrap_or(0);
        if node.deadline_ms.is_none_or(|known_ms| due_ms < known_ms) {
            node.deadline_ms = Some(due_ms);
            let at_ms = due_ms.max(self.now_ms);
            self.agenda.put(at_ms, Event::Deadline { shard });
        }
    }

    pub(crate) fn on_deadline(&mut self, shard: usize) {
        let node = &mut self.shards[shard];
        node.deadline_ms = None;
        let now_ms = (self.now_ms as i64 - self.base_ms) as u64;
        let due = node.core.next_deadline();
        if due.is_some_and(|due_ms| due_ms <= now_ms) {
            let (at_ms, count) = node.turns;
            let count = if at_ms == self.now_ms { count + 1 } else { 0 };
            node.turns = (self.now_ms, count);
            if count > TURNS_MAX {
                let detail = format!("shard {shard} was told {count} times at {} ms", self.now_ms);
                return self.oracle.fail("effects", detail);
            }
            self.input(shard, Input::DeadlineReached, About::Deadline);
            self.feed_held(shard);
        } else {
            self.watch_deadline(shard);
        }
    }
}
