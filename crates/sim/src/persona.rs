//! What a client is like: drawn once for a run.

use columba_codec::{QoS, Version};

use crate::chance::Chance;
use crate::swarm::Swarm;

/// When a client acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledges {
    Promptly,
    /// Up to so many milliseconds later, in any order.
    Late(u64),
    /// Not before the faults stop.
    Never,
}

/// How a client reads its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Promptly,
    /// Every so many milliseconds.
    Rarely(u64),
    /// Not before the faults stop.
    Never,
}

/// The habits of one client id.
#[derive(Clone, Debug)]
pub(crate) struct Persona {
    pub(crate) client_id: String,
    pub(crate) version: Version,
    /// Seconds that its session is to outlive its connection; in MQTT 3 anything but 0 stands for
    /// clean session 0.
    pub(crate) expiry_secs: u32,
    pub(crate) clean_start_percent: u32,
    pub(crate) keep_alive_secs: u16,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) packet_bytes_max: Option<u32>,
    pub(crate) alias_maximum: u16,
    pub(crate) acknowledges: Acknowledges,
    pub(crate) reads: Reads,
    pub(crate) has_login: bool,
    /// The listener that it prefers.
    pub(crate) listener: usize,
    /// Its only shared subscription; such a client subscribes to nothing else below `s/`.
    pub(crate) shared: Option<(&'static str, QoS)>,
    pub(crate) will_percent: u32,
    pub(crate) publishes_percent: u32,
}

/// Shared subscriptions; the QoS is the group's, so that every member has the same.
const SHARED: [(&str, QoS); 5] = [
    ("$share/g0/s/+", QoS::AtMostOnce),
    ("$share/g1/s/+", QoS::AtLeastOnce),
    ("$share/g1/s/#", QoS::AtLeastOnce),
    ("$share/g2/s/+", QoS::ExactlyOnce),
    ("$share/g2/s/a", QoS::ExactlyOnce),
];

impl Persona {
    /// The client that reads all retained messages at quiet points.
    pub(crate) fn probe() -> Self {
        Self {
            client_id: "probe".to_owned(),
            version: Version::V5,
            expiry_secs: 0,
            clean_start_percent: 100,
            keep_alive_secs: 0,
            receive_maximum: None,
            packet_bytes_max: None,
            alias_maximum: 0,
            acknowledges: Acknowledges::Promptly,
            reads: Reads::Promptly,
            has_login: false,
            listener: 0,
            shared: None,
            will_percent: 0,
            publishes_percent: 0,
        }
    }

    pub(crate) fn draw(number: usize, swarm: &Swarm, chance: &mut Chance) -> Self {
        let acknowledges = match chance.below(100) as u32 {
            roll if roll < swarm.late_ack_percent => Acknowledges::Late(chance.pick(&[5, 80, 900])),
            roll if roll < swarm.late_ack_percent + swarm.never_ack_percent => Acknowledges::Never,
            _ => Acknowledges::Promptly,
        };
        let reads = if chance.percent(swarm.slow_reader_percent) {
            chance.pick(&[Reads::Rarely(50), Reads::Rarely(1_500), Reads::Never])
        } else {
            Reads::Promptly
        };
        let is_shared = chance.percent(35);
        let persona = Self {
            client_id: format!("c{number}"),
            version: chance.pick(&[Version::V31, Version::V311, Version::V5, Version::V5]),
            expiry_secs: chance.pick(&[0, 1, 4, 3_600, u32::MAX]),
            clean_start_percent: chance.pick(&[0, 10, 50, 100]),
            keep_alive_secs: chance.pick(&[0, 1, 3, 60]),
            receive_maximum: chance.pick(&[None, Some(1), Some(2), Some(10)]),
            packet_bytes_max: chance.pick(&[None, None, Some(90), Some(1_000)]),
            alias_maximum: chance.pick(&[0, 1, 10]),
            acknowledges,
            reads,
            has_login: chance.percent(30),
            listener: number % swarm.listeners.len(),
            shared: is_shared.then(|| chance.pick(&SHARED)),
            will_percent: chance.pick(&[0, 40, 90]),
            publishes_percent: chance.pick(&[5, 60, 90]),
        };
        if swarm.is_deadly {
            persona.lasting()
        } else {
            persona
        }
    }

    /// The same client, with a session that never ends and takes whatever comes.
    fn lasting(self) -> Self {
        Self {
            expiry_secs: u32::MAX,
            clean_start_percent: 0,
            keep_alive_secs: 0,
            packet_bytes_max: None,
            will_percent: 0,
            ..self
        }
    }
}
