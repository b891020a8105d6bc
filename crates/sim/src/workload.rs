//! What clients do when it is their turn.

use columba_broker::event::{CloseCause, Command};
use columba_codec::packet::{RetainHandling, SubscribeOptions};
use columba_codec::{QoS, Version};

use crate::chance::Chance;
use crate::client::Outbound;
use crate::event::Event;
use crate::world::{Mode, World};

const TOPICS: [&str; 6] = ["t/a", "t/b", "t/a/x", "t/b/x", "u", "u/v"];
const SHARED_TOPICS: [&str; 2] = ["s/a", "s/b"];
/// Filters of clients that share nothing: some see what the groups see.
const FILTERS: [&str; 10] = [
    "t/a", "t/b", "t/+", "t/#", "#", "+/a", "t/+/x", "u/#", "w/#", "s/+",
];
/// Filters of clients that share, which see nothing below `s/`.
const FILTERS_BESIDE_SHARED: [&str; 6] = ["t/a", "t/b", "t/+", "t/#", "u", "w/+"];

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

impl World {
    /// Every topic that anybody publishes to.
    pub(crate) fn topics(&self) -> Vec<String> {
        let fixed = TOPICS.iter().chain(&SHARED_TOPICS);
        let wills = (0..self.swarm.clients).map(|number| format!("w/c{number}"));
        fixed
            .map(|topic| (*topic).to_owned())
            .chain(wills)
            .collect()
    }

    /// A client's turn.
    pub(crate) fn on_turn(&mut self, client: usize) {
        match self.mode {
            Mode::Faulty => {
                self.act(client);
                let pause_ms = self.chance.range(1, self.swarm.turn_ms_max);
                self.put(pause_ms, Event::Turn { client });
            }
            Mode::Healing => {
                if self.clients[client].link.is_none() {
                    self.connect(client, false);
                }
            }
            Mode::Leaving => {}
            Mode::Ending => {
                let has_link = self.clients[client].link.is_some();
                if !has_link {
                    self.connect(client, true);
                }
            }
        }
    }

    fn act(&mut self, client: usize) {
        self.disturb(client);
        let Some(link) = self.clients[client].link else {
            return self.connect(client, false);
        };
        if !self.clients[client].is_connected {
            // A client does not wait for ever for its CONNACK.
            if self.chance.percent(2) {
                self.abandon(link);
            }
            return;
        }
        if self.links[link].is_half_open {
            if self.chance.percent(5) {
                // It has noticed, and the broker has not.
                self.connect(client, false);
            }
            return;
        }
        if self
            .chance
            .percent(self.clients[client].persona.publishes_percent)
        {
            let count = if self.chance.percent(5) { 12 } else { 1 };
            for _ in 0..count {
                self.publish(client);
            }
            return;
        }
        match self.chance.below(100) {
            0..50 => self.subscribe(client),
            50..70 => self.unsubscribe(client),
            70..85 => {
                let ping = self.clients[client].ping();
                self.send(link, ping);
            }
            85..92 => {
                let with_will = self.chance.percent(30);
                let bytes = self.clients[client].disconnect(with_will);
                self.send(link, bytes);
                self.hang_up(link, CloseCause::Peer);
            }
            92..96 => self.hang_up(link, CloseCause::Peer),
            _ => {}
        }
    }

    /// Faults that come with a turn.
    fn disturb(&mut self, client: usize) {
        let swarm = self.swarm.clone();
        if let Some(link) = self.clients[client].link {
            if self.chance.per_mille(swarm.reset_per_mille) {
                self.reset(link);
            } else if self.chance.per_mille(swarm.half_open_per_mille) {
                self.links[link].is_half_open = true;
                self.note(format_args!("link {link} goes half-open"));
            } else if self.chance.per_mille(swarm.second_connection_per_mille) {
                self.connect(client, false);
            } else if self.chance.per_mille(swarm.garbage_per_mille) {
                let bytes = vec![0xF3, 0x01, 0x00];
                self.send(link, bytes);
            }
        }
        if self.chance.per_mille(swarm.storm_per_mille) {
            for client in 0..self.swarm.clients {
                if let Some(link) = self.clients[client].link {
                    self.reset(link);
                }
                self.connect(client, false);
            }
        }
        if self.chance.per_mille(swarm.pause_per_mille) {
            let shard = self.chance.below(self.shards.len() as u64) as usize;
            let pause_ms = self.chance.pick(&[10, 300, 3_000]);
            self.pause(shard, pause_ms);
        }
        if self.chance.per_mille(swarm.clock_jump_per_mille) {
            self.jump();
        }
        if self.chance.per_mille(swarm.admin_per_mille) {
            let whom = self.chance.below(self.swarm.clients as u64) as usize;
            let client_id = self.clients[whom].persona.client_id.as_str().into();
            let end_session = self.chance.percent(50);
            let command = Command::Disconnect {
                client_id,
                end_session,
            };
            for shard in 0..self.shards.len() {
                let command = command.clone();
                let delay_ms = self.chance.below(3);
                self.put(delay_ms, Event::Command { shard, command });
            }
        }
    }

    /// Opens a link and sends CONNECT; an old link stays as it is.
    pub(crate) fn connect(&mut self, client: usize, is_last: bool) {
        if let Some(old) = self.clients[client].link
            && self.links[old].is_half_open
        {
            // The client gives it up without a word that could arrive.
            self.links[old].is_client_open = false;
        }
        let link = self.open_link(client);
        let persona = self.clients[client].persona.clone();
        let is_faulty = self.mode == Mode::Faulty;
        let is_v3_clean = persona.version != Version::V5 && persona.expiry_secs == 0;
        let is_clean = is_last
            || is_v3_clean
            || (is_faulty && self.chance.percent(persona.clean_start_percent));
        // It may take up a session that lasts and have it end with this connection. Where it always may, few
        // sessions last until a fault of the store would be seen in them.
        let is_brief = Chance::new(self.seed ^ 0x656e_6473).percent(25);
        let may_end = is_brief && !self.swarm.is_deadly && self.mode == Mode::Faulty;
        let is_over = is_last || (may_end && self.chance.percent(10));
        let expiry_secs = if is_over { 0 } else { persona.expiry_secs };
        let will = (is_faulty && self.chance.percent(persona.will_percent)).then(|| {
            let message = Outbound {
                topic: format!("w/{}", persona.client_id),
                payload: self.new_payload(20),
                qos: self.chance.pick(&QOS),
                retain: self.chance.percent(30),
                expiry_secs: None,
            };
            (message, self.chance.pick(&[0, 0, 1, 5]))
        });
        let will = will.as_ref().map(|(message, delay)| (message, *delay));
        let bytes = self.clients[client].connect(link, is_clean, expiry_secs, will);
        self.send(link, bytes);
    }

    /// A payload that is the only one of its kind: a number, and some bytes to fill it up.
    fn new_payload(&mut self, bytes_max: u64) -> Vec<u8> {
        let len = self.chance.below(bytes_max) as usize;
        self.numbered_payload(len)
    }

    pub(crate) fn numbered_payload(&mut self, len: usize) -> Vec<u8> {
        self.messages += 1;
        let mut payload = self.messages.to_be_bytes().to_vec();
        payload.resize(8 + len, b'.');
        payload
    }

    fn publish(&mut self, client: usize) {
        let Some(link) = self.clients[client].link else {
            return;
        };
        let is_at_most_once = self.chance.percent(self.swarm.qos0_percent);
        let mut qos = self.chance.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce]);
        if is_at_most_once || !self.clients[client].has_room() {
            qos = QoS::AtMostOnce;
        }
        let topic = if self.chance.percent(25) {
            self.chance.pick(&SHARED_TOPICS)
        } else {
            self.chance.pick(&TOPICS)
        };
        let (retained, cleared) = if self.swarm.is_deadly {
            (40, 40)
        } else {
            (20, 20)
        };
        let retain = self.chance.percent(retained);
        let payload = if retain && self.chance.percent(cleared) {
            Vec::new()
        } else {
            self.new_payload(self.swarm.payload_bytes_max)
        };
        let expiry_secs = self.chance.percent(15).then(|| self.chance.pick(&[1, 3]));
        let message = Outbound {
            topic: topic.to_owned(),
            payload,
            qos,
            retain,
            expiry_secs,
        };
        let wants_alias = self.chance.percent(50);
        let bytes = self.clients[client].publish(message, wants_alias);
        self.send(link, bytes);
    }

    fn subscribe(&mut self, client: usize) {
        let Some(link) = self.clients[client].link else {
            return;
        };
        if self.clients[client].has_many_requests() {
            return;
        }
        let persona = self.clients[client].persona.clone();
        let is_v5 = persona.version == Version::V5;
        let mut filters = Vec::new();
        for _ in 0..self.chance.range(1, 3) {
            let mut options = SubscribeOptions::from_qos(self.chance.pick(&QOS));
            if is_v5 {
                options.no_local = self.chance.percent(30);
                options.retain_as_published = self.chance.percent(30);
                options.retain_handling = self.chance.pick(&[
                    RetainHandling::Send,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ]);
            }
            let filter = match persona.shared {
                Some((filter, qos)) if self.chance.percent(40) => {
                    options = SubscribeOptions::from_qos(qos);
                    filter
                }
                Some(_) => self.chance.pick(&FILTERS_BESIDE_SHARED),
                None => self.chance.pick(&FILTERS),
            };
            if filters.iter().all(|(known, _)| known != filter) {
                filters.push((filter.to_owned(), options));
            }
        }
        let bytes = self.clients[client].subscribe(&filters);
        self.send(link, bytes);
    }

    fn unsubscribe(&mut self, client: usize) {
        let Some(link) = self.clients[client].link else {
            return;
        };
        let count = self.clients[client].subscribed.len() as u64;
        let position = self.chance.below(count) as usize;
        let Some(filter) = self.clients[client]
            .subscribed
            .iter()
            .nth(position)
            .cloned()
        else {
            return;
        };
        if !self.clients[client].has_many_requests() {
            let bytes = self.clients[client].unsubscribe(&filter);
            self.send(link, bytes);
        }
    }
}
