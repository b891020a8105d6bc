//! rumqttd on a port of this machine: `rumqttd-driver PORT 3|5`.
//!
//! It speaks one version of MQTT on a port. The bounds are those of the file that comes with it.

use std::collections::HashMap;
use std::net::SocketAddr;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

fn main() {
    let mut words = std::env::args().skip(1);
    let port = words.next().and_then(|word| word.parse::<u16>().ok());
    let version = words.next();
    let (Some(port), Some(version @ ("3" | "5"))) = (port, version.as_deref()) else {
        eprintln!("usage: rumqttd-driver PORT 3|5");
        std::process::exit(2);
    };
    let server = ServerSettings {
        name: version.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: 20_480,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    let servers = Some(HashMap::from([("1".to_owned(), server)]));
    let (v4, v5) = if version == "3" {
        (servers, None)
    } else {
        (None, servers)
    };
    let config = Config {
        router: RouterConfig {
            max_connections: 10_010,
            max_outgoing_packet_count: 200,
            max_segment_size: 104_857_600,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v4,
        v5,
        ..Config::default()
    };
    if let Err(error) = Broker::new(config).start() {
        eprintln!("rumqttd: {error}");
        std::process::exit(1);
    }
}
