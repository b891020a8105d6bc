//! The brokers that are measured side by side, in memory and open to anonymous clients.
//!
//! Their limits are raised so that at QoS 1 and 2 none of them drops messages or waits for its
//! window; everything else is as they come.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::{Server, find};

/// A broker to measure.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) kind: Kind,
    program: PathBuf,
}

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Columba {
        shards: u16,
    },
    /// One shard, without the flight recorder.
    Unrecorded,
    /// With a store, if it is not in memory alone.
    Stored {
        durability: Durability,
        shards: u16,
    },
    Mosquitto,
    /// With its database, which it writes about once a second.
    MosquittoStored,
    Rumqttd,
    Rmqttd,
    Nats,
}

/// When our broker acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    Memory,
    Os,
    Sync,
}

/// A broker under measurement; ends with this value.
pub(super) struct Running {
    pub(super) server: Server,
    /// Where it speaks MQTT 3.1.1.
    pub(super) v3: u16,
    /// Where it speaks MQTT 5, if it does.
    pub(super) v5: Option<u16>,
}

/// All that are known; those that are not installed are left out of a run.
pub(super) const KINDS: [Kind; 6] = [
    Kind::Columba { shards: 1 },
    Kind::Columba { shards: 2 },
    Kind::Mosquitto,
    Kind::Rumqttd,
    Kind::Rmqttd,
    Kind::Nats,
];

/// What `bench durable` compares.
pub(super) const DURABLE_KINDS: [Kind; 7] = [
    stored(Durability::Memory, 1),
    stored(Durability::Os, 1),
    stored(Durability::Sync, 1),
    stored(Durability::Memory, 2),
    stored(Durability::Os, 2),
    stored(Durability::Sync, 2),
    Kind::MosquittoStored,
];

const fn stored(durability: Durability, shards: u16) -> Kind {
    Kind::Stored { durability, shards }
}

/// What `--recorder` compares.
pub(super) const RECORDER_KINDS: [Kind; 2] = [Kind::Unrecorded, Kind::Columba { shards: 1 }];

impl Kind {
    /// Its name in tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Columba { shards: 1 } => "columba",
            Self::Columba { .. } => "columba, 2 shards",
            Self::Unrecorded => "columba, recorder off",
            Self::Stored { durability, shards } => match (durability, shards) {
                (Durability::Memory, 1) => "memory",
                (Durability::Os, 1) => "os",
                (Durability::Sync, 1) => "sync",
                (Durability::Memory, _) => "memory, 2 shards",
                (Durability::Os, _) => "os, 2 shards",
                (Durability::Sync, _) => "sync, 2 shards",
            },
            Self::Mosquitto | Self::MosquittoStored => "mosquitto",
            Self::Rumqttd => "rumqttd",
            Self::Rmqttd => "rmqttd",
            Self::Nats => "nats-server",
        }
    }

    /// How to get it.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Columba { .. } | Self::Unrecorded | Self::Stored { .. } => {
                "cargo build --release"
            }
            Self::Mosquitto | Self::MosquittoStored => "apt-get install mosquitto",
            Self::Rumqttd => "cargo install rumqttd",
            Self::Rmqttd => "cargo install rmqttd --locked (needs protobuf-compiler)",
            Self::Nats => "nats-server, as in the Python package embedded-nats",
        }
    }

    /// The broker, if it is installed: ours is `columba`, others are looked for in `PATH` and, if
    /// it is set, in the directory that `COLUMBA_BENCH_PEERS` names.
    pub(super) fn find(self, columba: &Path) -> Option<Peer> {
        let name = match self {
            Self::Columba { .. } | Self::Unrecorded | Self::Stored { .. } => {
                let program = columba.to_owned();
                return Some(Peer {
                    kind: self,
                    program,
                });
            }
            other => other.name(),
        };
        let elsewhere = std::env::var_os("COLUMBA_BENCH_PEERS")
            .map(|dir| PathBuf::from(dir).join(name))
            .filter(|file| file.is_file());
        let program = elsewhere.or_else(|| find(name))?;
        Some(Peer {
            kind: self,
            program,
        })
    }
}

impl Peer {
    /// What it says when asked for its version.
    pub(super) fn version(&self) -> String {
        let argument = match self.kind {
            Kind::Mosquitto | Kind::MosquittoStored => "-h",
            _ => "--version",
        };
        let output = Command::new(&self.program).arg(argument).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let line = text.lines().find(|line| line.contains(char::is_numeric));
        line.unwrap_or("version unknown").trim().to_owned()
    }

    /// Its configuration, without what differs from start to start: for readers of the tables.
    pub(super) fn settings(&self) -> String {
        self.configuration(Path::new("DIR"), [1, 2])
    }

    /// Starts it with its files in `dir`.
    pub(super) fn start(&self, dir: &Path) -> anyhow::Result<Running> {
        let ports = free_ports()?;
        // rumqttd reads no file that is not called so.
        let config = dir.join("broker.toml");
        std::fs::write(&config, self.configuration(dir, ports))?;
        let mut command = Command::new(&self.program);
        command.current_dir(dir);
        match self.kind {
            Kind::Columba { .. } | Kind::Unrecorded | Kind::Stored { .. } => {
                command.arg("run").arg("--config").arg(&config)
            }
            Kind::Mosquitto | Kind::MosquittoStored => command.arg("-c").arg(&config),
            Kind::Rumqttd => command.arg("-q").arg("-c").arg(&config),
            Kind::Rmqttd => {
                std::fs::create_dir_all(dir.join("plugins"))?;
                let retainer = dir.join("plugins/rmqtt-retainer.toml");
                std::fs::write(retainer, "storage.type = \"ram\"\n")?;
                command.arg("-f").arg(&config)
            }
            Kind::Nats => command.arg("-c").arg(&config),
        };
        let mut server = Server::start(command, &dir.join("broker.log"))
            .with_context(|| self.kind.name().to_owned())?;
        let [v3, other] = ports;
        server.wait_for(v3)?;
        let v5 = match self.kind {
            Kind::Nats => None,
            Kind::Rumqttd => {
                server.wait_for(other)?;
                Some(other)
            }
            _ => Some(v3),
        };
        Ok(Running { server, v3, v5 })
    }

    fn configuration(&self, dir: &Path, [port, other]: [u16; 2]) -> String {
        let dir = dir.display();
        match self.kind {
            Kind::Columba { shards } => columba(shards, port, Durability::Memory),
            Kind::Stored { durability, shards } => columba(shards, port, durability),
            Kind::Unrecorded => {
                columba(1, port, Durability::Memory) + "recorder_bytes_max = \"0B\"\n"
            }
            Kind::Mosquitto => mosquitto(port) + "persistence false\n",
            Kind::MosquittoStored => {
                let database = format!("persistence_location {dir}/\nautosave_interval 1\n");
                mosquitto(port) + "persistence true\n" + &database
            }
            Kind::Rumqttd => {
                let server = |section: &str, port: u16| {
                    format!(
                        "[{section}.1]\nname = \"{section}\"\nlisten = \"127.0.0.1:{port}\"\n\
                         next_connection_delay_ms = 0\n[{section}.1.connections]\n\
                         connection_timeout_ms = 60000\nmax_payload_size = 1048576\n\
                         max_inflight_count = 1000\ndynamic_filters = true\n"
                    )
                };
                format!(
                    "id = 0\n[router]\nid = 0\nmax_connections = 20000\n\
                     max_outgoing_packet_count = 1000\nmax_segment_size = 104857600\n\
                     max_segment_count = 10\n{}{}",
                    server("v4", port),
                    server("v5", other)
                )
            }
            Kind::Rmqttd => format!(
                "[rpc]\nserver_addr = \"127.0.0.1:{other}\"\n[node.busy]\ncheck_enable = false\n\
                 [log]\nto = \"console\"\nlevel = \"error\"\n[plugins]\ndir = \"plugins/\"\n\
                 default_startups = [\"rmqtt-retainer\"]\n\
                 disabled_default_startups = [\"rmqtt-http-api\", \"rmqtt-acl\", \"rmqtt-counter\"]\n\
                 [listener.tcp.external]\naddr = \"127.0.0.1:{port}\"\nmax_connections = 1000000\n\
                 max_handshaking_limit = 5000\nbacklog = 4096\nnodelay = true\n\
                 allow_anonymous = true\nmax_packet_size = \"8m\"\nmax_inflight = 1000\n\
                 max_mqueue_len = 1000000\nsession_expiry_interval = \"2h\"\n"
            ),
            Kind::Nats => format!(
                "server_name: bench\nhost: 127.0.0.1\nport: {other}\nmax_payload: 8MB\n\
                 max_pending: 256MB\njetstream {{ store_dir: \"{dir}/store\" }}\n\
                 mqtt {{ host: 127.0.0.1, port: {port}, max_ack_pending: 10000, \
                 consumer_memory_storage: true }}\n"
            ),
        }
    }
}

fn mosquitto(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\n\
         connection_messages false\nset_tcp_nodelay true\nmax_inflight_messages 0\n\
         max_queued_messages 0\nuser root\n"
    )
}

/// Our own configuration; `[limits]` comes last.
fn columba(shards: u16, port: u16, durability: Durability) -> String {
    let durability = match durability {
        Durability::Memory => "memory",
        Durability::Os => "os",
        Durability::Sync => "sync",
    };
    format!(
        "[broker]\nshards = {shards}\ndata_dir = \"data\"\n\n\
         [store]\ndurability = \"{durability}\"\n\n\
         [[listener]]\nname = \"tcp\"\nkind = \"tcp\"\nbind = \"127.0.0.1:{port}\"\n\n\
         [limits]\ninflight_max = 65535\nqueue_messages_max = 1000000\n\
         queue_bytes_max = \"1GiB\"\ninflight_bytes_max = \"1GiB\"\n\
         output_bytes_max = \"64MiB\"\n"
    )
}

/// Two ports that are free now.
fn free_ports() -> anyhow::Result<[u16; 2]> {
    let held = [
        TcpListener::bind(("127.0.0.1", 0))?,
        TcpListener::bind(("127.0.0.1", 0))?,
    ];
    let [first, second] = held.map(|listener| listener.local_addr().map(|at| at.port()));
    Ok([first?, second?])
}
