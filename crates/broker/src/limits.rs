//! Every bound of the core in one place, with defaults that suit a Raspberry Pi and a server.

use std::sync::Arc;

/// Largest CONNECT in bytes, whatever other packets may be: nobody has been let in yet.
pub const CONNECT_BYTES_MAX: u32 = 1024 * 1024;

/// Bytes that a driver may hand in behind a CONNECT while its credentials are checked.
///
/// One read of 64 KiB and the rest of a TLS record, which come with the CONNECT at best; a driver
/// reads no more until the verdict.
pub const EARLY_BYTES_MAX: usize = 80 * 1024;

/// What happens to a message that finds its session's queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueuePolicy {
    /// The oldest queued message makes room.
    #[default]
    DropOldest,
    /// The new message is dropped.
    DropNewest,
}

/// How the member of a `$share` group that gets a message is chosen, among the members that are
/// online and have room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareStrategy {
    /// In turn.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
    /// The member with the fewest messages in flight and queued.
    LeastInflight,
    /// The same member for the same publishing client, as long as it can.
    Sticky,
}

/// The bounds of one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds that a new connection has to send its CONNECT.
    pub connect_timeout_ms: u64,
    /// Milliseconds that a connection stays at most before another one with the same client id takes it
    /// over, if that has happened again and again: the newcomer waits. 0 for no wait; above a minute is
    /// a minute.
    pub takeover_delay_ms_max: u64,
    /// Highest keep alive in seconds; a client that asks for more, or for none, is told this one
    /// (MQTT 5) or held to its own (MQTT 3). 0 for no limit.
    pub keep_alive_secs_max: u16,
    /// Seconds that a session of MQTT 3 with clean session 0 outlives its connection;
    /// `u32::MAX` for ever.
    pub session_expiry_v3_secs: u32,
    /// Longest session expiry in seconds that an MQTT 5 client gets; `u32::MAX` for no limit.
    pub session_expiry_secs_max: u32,
    /// Sessions in all, connected or not, per shard.
    pub sessions_max: usize,
    /// Largest packet in bytes that a client may send.
    pub packet_bytes_max: u32,
    /// QoS 1 and 2 messages that a client may have unacknowledged (the server's Receive Maximum).
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages that the server has unacknowledged at one client at most; the
    /// client's own Receive Maximum may be lower.
    pub inflight_max: u16,
    /// Bytes of such messages (topics, properties and payloads); one message may go out in any
    /// case.
    pub inflight_bytes_max: usize,
    /// Topic aliases per connection that a client may set.
    pub topic_alias_maximum: u16,
    /// Topic aliases per connection that the server sets, if the client allows.
    pub topic_alias_out_max: u16,
    /// Messages that wait in a session at most.
    pub queue_messages_max: usize,
    /// Bytes (topics, properties and payloads) that wait in a session at most.
    pub queue_bytes_max: usize,
    /// What happens above that.
    pub queue_policy: QueuePolicy,
    /// Bytes (properties and payloads) of queued messages that are in memory, per shard: what is above
    /// that stays in the store alone and is read back when its turn comes. What is not stored, QoS 0
    /// for one, does not count.
    pub queue_memory_bytes_max: usize,
    /// Whether QoS 0 messages wait for clients that are offline.
    pub queue_qos0: bool,
    /// Output bytes that wait for one connection's socket before QoS 0 messages to it are dropped
    /// and others stay in its queue.
    pub output_bytes_max: usize,
    /// Subscriptions per client.
    pub subscriptions_max: usize,
    /// Bytes of their filters and share names.
    pub subscription_bytes_max: usize,
    /// Levels of a topic or filter.
    pub topic_levels_max: usize,
    /// Bytes of one Will (topic, properties and payload).
    pub will_bytes_max: usize,
    /// Bytes of the Wills of all sessions, per shard.
    pub wills_bytes_max: usize,
    /// Retained messages per shard.
    pub retained_messages_max: usize,
    /// Bytes of retained messages per shard.
    pub retained_bytes_max: usize,
    /// Retained messages that are looked at for new subscriptions, or dropped because they
    /// expired, at a time; then other work comes in between.
    pub retained_steps_max: usize,
    /// Filters, levels of wildcard filters and shared groups that are looked at for the messages
    /// of one client at a time; then other work comes in between.
    pub match_steps_max: usize,
    /// Bytes per shard that may be on their way to the disk; above that, and while the disk is full
    /// or has failed, the input of clients waits whose packets have to be stored.
    pub store_waiting_bytes_max: usize,
    /// Bytes of the flight recorder per shard; 0 turns it off.
    pub recorder_bytes_max: usize,
    /// Filters of topics whose names the flight recorder does not keep.
    pub recorder_private_topics: Arc<[Box<str>]>,
    /// Entries of the match cache per shard.
    pub match_cache_max: usize,
    /// How shared subscriptions choose.
    pub share_strategy: ShareStrategy,
    /// Whether a client of MQTT 3 that publishes what the access rules deny is disconnected. Else its
    /// PUBLISH is acknowledged as if it were taken; MQTT-3.3.5-2 of 3.1.1 knows no third way.
    pub denied_v3_disconnects: bool,
    /// Milliseconds between two updates of `$SYS`; 0 turns it off.
    pub sys_interval_ms: u64,
    /// Reports per second and shard of clients that come and go; and as many of connections, messages
    /// and subscriptions that are refused or dropped.
    pub reports_per_sec_max: u32,
}

/// How much memory the flight recorders of all shards have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecorderSize {
    /// 64 MiB.
    #[default]
    Standard,
    /// 8 MiB, for a small board.
    Small,
}

/// The least that a shard's recorder has, unless it is told otherwise.
const RECORDER_BYTES_MIN: usize = 1024 * 1024;

impl RecorderSize {
    /// Bytes of all shards, in memory; the files of the record have as many.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Standard => 64 * 1024 * 1024,
            Self::Small => 8 * 1024 * 1024,
        }
    }

    /// The part of one of so many shards: no less than 1 MiB, so that more than eight of them have more
    /// than 8 MiB together.
    pub fn bytes_of_shard(self, shards: u16) -> usize {
        (self.bytes() / usize::from(shards.max(1))).max(RECORDER_BYTES_MIN)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            takeover_delay_ms_max: 5_000,
            keep_alive_secs_max: 0,
            session_expiry_v3_secs: 7 * 24 * 3600,
            session_expiry_secs_max: u32::MAX,
            sessions_max: 1_000_000,
            packet_bytes_max: 16 * 1024 * 1024,
            receive_maximum: u16::MAX,
            inflight_max: 128,
            inflight_bytes_max: 16 * 1024 * 1024,
            topic_alias_maximum: 32,
            topic_alias_out_max: 32,
            queue_messages_max: 10_000,
            queue_bytes_max: 16 * 1024 * 1024,
            queue_policy: QueuePolicy::DropOldest,
            queue_memory_bytes_max: 64 * 1024 * 1024,
            queue_qos0: false,
            output_bytes_max: 1024 * 1024,
            subscriptions_max: 10_000,
            subscription_bytes_max: 1024 * 1024,
            topic_levels_max: 128,
            will_bytes_max: 256 * 1024,
            wills_bytes_max: 256 * 1024 * 1024,
            retained_messages_max: 1_000_000,
            retained_bytes_max: 1024 * 1024 * 1024,
            retained_steps_max: 1024,
            match_steps_max: 16_384,
            store_waiting_bytes_max: 16 * 1024 * 1024,
            recorder_bytes_max: 16 * 1024 * 1024,
            recorder_private_topics: Arc::default(),
            match_cache_max: 65_536,
            share_strategy: ShareStrategy::RoundRobin,
            denied_v3_disconnects: false,
            sys_interval_ms: 10_000,
            reports_per_sec_max: 50,
        }
    }
}

/// Who may connect without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Nobody.
    Never,
    /// Peers on this machine.
    #[default]
    Loopback,
    /// Everybody.
    Always,
}

/// What an acknowledgement says of what it acknowledges, where there is a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promise {
    /// That it is on its way to the store.
    Nothing,
    /// That it outlives the process.
    Written,
    /// That it outlives whatever the store makes it outlive.
    #[default]
    Durable,
}

/// What a shard needs to know of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Its name in the configuration and the log.
    pub name: String,
    /// Who may come in without credentials.
    pub anonymous: Anonymous,
    /// Connections at most, over all shards; 0 for no limit. Enforced by the driver.
    pub connections_max: usize,
    /// Largest packet in bytes, if lower than the broker's limit.
    pub packet_bytes_max: Option<u32>,
    /// Whether the identity in a verified client certificate is the user name.
    pub certificate_is_user: bool,
    /// What its clients' acknowledgements promise, if there is a store.
    pub promise: Promise,
}
