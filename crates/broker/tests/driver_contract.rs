//! What the core promises its driver about effects.

mod bed;

use bed::{ConnectOptions, V5, V311};
use columba_broker::access::AccessRules;
use columba_broker::event::{
    CloseCause, ConnectionId, Effect, Input, ListenerId, Now, Peer, ShardId,
};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::{Shard, ShardConfig};
use std::sync::Arc;

#[test]
fn a_connection_that_the_driver_reports_closed_is_not_told_to_close() {
    for version in [V311, V5] {
        let mut shard = one_shard();
        let conn = ConnectionId {
            index: 0,
            generation: 0,
        };
        let peer = Peer {
            addr: None,
            listener: ListenerId(0),
            certificate: None,
        };
        let now = Now::default();
        shard.handle(now, Input::Accepted { conn, peer });
        let bytes = ConnectOptions::new(version, "a").bytes();
        shard.handle(
            now,
            Input::Received {
                conn,
                bytes: &bytes,
            },
        );
        while shard.poll().is_some() {}
        let cause = CloseCause::Transport;
        shard.handle(now, Input::Closed { conn, cause });
        let effects: Vec<Effect> = std::iter::from_fn(|| shard.poll()).collect();
        let is_close = |effect: &Effect| matches!(effect, Effect::Close { .. });
        assert!(!effects.iter().any(is_close), "{effects:?}");
        assert_eq!(shard.stats().connections, 0);
        assert_eq!(shard.stats().clients_connected, 0);
    }
}

fn one_shard() -> Shard {
    let listener = ListenerSettings {
        name: "test".into(),
        anonymous: Anonymous::Always,
        connections_max: 0,
        packet_bytes_max: None,
        certificate_is_user: false,
        promise: Promise::Durable,
    };
    let config = ShardConfig {
        id: ShardId(0),
        shards: 1,
        seed: 1,
        id_secret: [1; 16],
        limits: Arc::new(Limits::default()),
        listeners: Arc::new([listener]),
        access: Arc::new(AccessRules::allow_all()),
        is_durable: false,
    };
    Shard::new(config, Now::default())
}
