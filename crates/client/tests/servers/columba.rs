//! Columba, in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::event::{AuthRequest, AuthVerdict};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_server::auth::Authenticate;
use columba_server::listener::{BoundAddress, ListenerConfig, ListenerKind};
use columba_server::store::StoreConfig;
use columba_server::{Broker, RuntimeConfig};

/// Everybody is anonymous here.
struct NoUsers;

impl Authenticate for NoUsers {
    fn check(&self, _: &AuthRequest) -> AuthVerdict {
        AuthVerdict::BadCredentials
    }
}

/// A broker that lets everybody in, and its port. It ends when it is dropped.
pub(crate) fn start() -> (Broker, u16) {
    start_with(None)
}

/// The same with a store.
pub(crate) fn start_with(store: Option<StoreConfig>) -> (Broker, u16) {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    start_at(ListenerKind::Tcp { bind }, store)
}

/// The same with a listener of another kind.
pub(crate) fn start_at(kind: ListenerKind, store: Option<StoreConfig>) -> (Broker, u16) {
    let broker = Broker::start(RuntimeConfig {
        shards: 2,
        seed: 7,
        id_secret: [7; 16],
        limits: Arc::new(Limits::default()),
        listeners: vec![ListenerConfig {
            settings: ListenerSettings {
                name: kind.name().to_owned(),
                anonymous: Anonymous::Always,
                connections_max: 0,
                packet_bytes_max: None,
                certificate_is_user: false,
                promise: Promise::Durable,
            },
            kind,
        }],
        access: Arc::new(AccessRules::allow_all()),
        bans: Arc::default(),
        authenticator: Arc::new(NoUsers),
        auth_threads: 1,
        auth_queue_max: 16,
        shutdown_timeout_ms: 10_000,
        store,
    });
    let broker = broker.expect("the broker starts");
    let port = match &broker.addresses()[0] {
        BoundAddress::Ip(address) => address.port(),
        BoundAddress::Unix(path) => panic!("{} is no address", path.display()),
    };
    (broker, port)
}
