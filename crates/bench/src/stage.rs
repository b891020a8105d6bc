//! What the leader tells the threads, what they tell it, and what all of them can see.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use columba_codec::Version;

use crate::fleet::ClientSpec;
use crate::payload::Payload;
use crate::tally::{Tally, Times};
use crate::trouble::Trouble;

/// What is the same for all clients.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) version: Version,
    pub(crate) password: Option<String>,
    pub(crate) keep_alive_secs: u16,
    /// Of sessions that outlive their connection.
    pub(crate) session_expiry_secs: u32,
    pub(crate) window: u16,
    pub(crate) retain: bool,
    pub(crate) payload: Payload,
    pub(crate) clock: u32,
    pub(crate) run: u32,
    pub(crate) is_verified: bool,
    pub(crate) connecting_max: usize,
    /// The longest packet that is taken.
    pub(crate) packet_bytes_max: u32,
}

/// Some of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    Publishers,
    Subscribers,
}

impl Who {
    pub(crate) fn includes(self, client: &ClientSpec) -> bool {
        match self {
            Self::All => true,
            Self::Publishers => client.publisher.is_some(),
            Self::Subscribers => client.subscriber.is_some(),
        }
    }
}

/// How connections are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connecting {
    pub(crate) who: Who,
    pub(crate) start_ns: u64,
    /// Connections a second, all threads together.
    pub(crate) per_sec: Option<f64>,
    pub(crate) clean_start: bool,
    /// The session outlives the connection.
    pub(crate) is_persistent: bool,
}

/// What a time is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFrom {
    /// From the due time of a message to its arrival.
    Due,
    /// From the due time of a message to the end of its handshake.
    DueToAcknowledgement,
    /// From the start of the stage to the arrival of a message.
    StageStart,
}

/// A stretch of time in which threads count, and possibly publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) start_ns: u64,
    /// Messages that were due before are none of this stage.
    pub(crate) valid_from_ns: u64,
    pub(crate) time_from: TimeFrom,
    pub(crate) publishing: Option<Publishing>,
}

/// What is published in a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publishing {
    /// All publishers together; `u64::MAX` if they go on until they are stopped.
    pub(crate) messages: u64,
    pub(crate) per_sec: Option<f64>,
    pub(crate) is_windowed_by_delivery: bool,
    /// Retained messages are removed.
    pub(crate) is_clearing: bool,
}

/// To a thread.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(Connecting),
    Subscribe(Who),
    Disconnect(Who),
    /// Count. Publishing waits for [`Command::Publish`], when all threads count.
    Begin(Stage),
    /// Start to publish, with the first message due at this time.
    Publish(u64),
    /// Publish no more.
    Stop,
    /// Count undelivered messages as lost and go on.
    WriteOff,
    /// The times since this was asked last.
    Recent,
    End,
    Quit,
}

/// From a thread.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Everything that [`Command::Connect`], [`Command::Subscribe`] or [`Command::Disconnect`] was
    /// about has been done or has failed, or [`Command::Begin`] has been taken.
    Done,
    Recent(Box<Times>),
    /// The counts of the stage, and messages missed by listeners.
    Ended(Box<Tally>, u64),
    /// One client is out.
    Failed(Trouble),
}

/// Where a thread sends its replies.
pub(crate) type Replies = Sender<Reply>;

/// What one thread lets the others see.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) sent: AtomicU64,
    pub(crate) owed: AtomicU64,
    /// Of those the ones at QoS 1 and 2.
    pub(crate) owed_surely: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) unique: AtomicU64,
    /// Of those the ones at QoS 1 and 2.
    pub(crate) unique_surely: AtomicU64,
    /// Acknowledgements of all kinds.
    pub(crate) acknowledged: AtomicU64,
    /// Messages that are not sent yet; `u64::MAX / 2` and above: no end.
    pub(crate) remaining: AtomicU64,
    /// Messages that wait for their handshake, and pings that wait for their answer.
    pub(crate) unanswered: AtomicU64,
    /// Clients that are connected.
    pub(crate) connected: AtomicU64,
    /// Grows with every packet that is not a message or its acknowledgement.
    pub(crate) control: AtomicU64,
    /// Whether publishers here wait for deliveries to subscribers elsewhere.
    pub(crate) is_waiting: AtomicBool,
}

/// What all threads see.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) gauges: Vec<Gauges>,
    /// For each publisher, first arrivals of its messages since the start.
    pub(crate) delivered: Vec<AtomicU64>,
    /// The publisher of each stream.
    pub(crate) publisher_of: Vec<u32>,
    /// The thread of each publisher.
    pub(crate) thread_of: Vec<usize>,
}

impl Board {
    /// The sum of a gauge over all threads.
    pub(crate) fn sum(&self, gauge: impl Fn(&Gauges) -> &AtomicU64) -> u64 {
        let values = self.gauges.iter().map(|g| gauge(g).load(Ordering::Acquire));
        values.fold(0, u64::saturating_add)
    }

    /// First arrivals of the messages of a publisher.
    #[inline]
    pub(crate) fn delivered(&self, publisher: u32) -> u64 {
        let counter = self.delivered.get(publisher as usize);
        counter.map_or(0, |counter| counter.load(Ordering::Acquire))
    }
}
