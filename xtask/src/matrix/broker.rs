//! A broker on free loopback ports: Columba with any number of shards, or Debian's mosquitto.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::certificates::Certificates;
use crate::process::{Server, find};

/// Which broker to start.
#[derive(Clone)]
pub(crate) enum Kind {
    /// This binary of ours with this many shards.
    Columba { binary: PathBuf, shards: usize },
    /// Debian's mosquitto.
    Mosquitto,
}

/// A running broker.
pub(crate) struct Broker {
    /// Its process.
    pub(crate) server: Server,
    /// Plain TCP.
    pub(crate) tcp: u16,
    /// WebSocket.
    pub(crate) ws: u16,
    /// TLS and secure WebSocket, if it was given certificates.
    pub(crate) secure: Option<(u16, u16)>,
}

impl Kind {
    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Columba { shards, .. } => format!("columba, {shards} shard(s)"),
            Self::Mosquitto => "mosquitto".into(),
        }
    }

    /// Starts it with its files in `dir`, open to anonymous clients on loopback.
    pub(crate) fn start(
        &self,
        dir: &Path,
        certificates: Option<&Certificates>,
    ) -> anyhow::Result<Broker> {
        let [tcp, ws, tls, wss] = free_ports()?;
        let config = dir.join("broker.conf");
        let (text, command) = match self {
            Self::Columba { binary, shards } => {
                let mut command = Command::new(binary);
                command
                    .arg("run")
                    .arg("--config")
                    .arg(&config)
                    .current_dir(dir);
                (
                    columba_config(*shards, [tcp, ws, tls, wss], certificates),
                    command,
                )
            }
            Self::Mosquitto => {
                let mut command =
                    Command::new(find("mosquitto").context("mosquitto is not installed")?);
                command.arg("-c").arg(&config);
                (mosquitto_config([tcp, ws, tls, wss], certificates), command)
            }
        };
        std::fs::write(&config, text)?;
        let mut server = Server::start(command, &dir.join("broker.log"))?;
        let ports = if certificates.is_some() {
            &[tcp, ws, tls, wss][..]
        } else {
            &[tcp, ws]
        };
        for port in ports {
            server.wait_for(*port)?;
        }
        Ok(Broker {
            server,
            tcp,
            ws,
            secure: certificates.map(|_| (tls, wss)),
        })
    }
}

/// Four ports that are free now.
pub(crate) fn free_ports() -> anyhow::Result<[u16; 4]> {
    // Held together, so that they differ.
    let mut held = Vec::new();
    let mut ports = [0; 4];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn columba_config(shards: usize, ports: [u16; 4], certificates: Option<&Certificates>) -> String {
    let mut text = format!("[broker]\nshards = {shards}\ndata_dir = \"data\"\n");
    let kinds = ["tcp", "ws", "tls", "wss"];
    for (kind, port) in kinds.into_iter().zip(ports) {
        let secure = matches!(kind, "tls" | "wss");
        if secure && certificates.is_none() {
            continue;
        }
        let _ = write!(
            text,
            "\n[[listener]]\nname = \"{kind}\"\nkind = \"{kind}\"\nbind = \"127.0.0.1:{port}\"\n\
             anonymous = \"loopback\"\n"
        );
        if let (true, Some(files)) = (secure, certificates) {
            let _ = write!(
                text,
                "tls_certificate = {:?}\ntls_key = {:?}\n",
                files.cert.display().to_string(),
                files.key.display().to_string()
            );
        }
    }
    text
}

fn mosquitto_config(ports: [u16; 4], certificates: Option<&Certificates>) -> String {
    let [tcp, ws, tls, wss] = ports;
    let mut text = format!(
        "user root\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nmax_inflight_messages 0\n\
         listener {tcp} 127.0.0.1\nlistener {ws} 127.0.0.1\nprotocol websockets\n"
    );
    if let Some(files) = certificates {
        let files = format!(
            "certfile {}\nkeyfile {}\n",
            files.cert.display(),
            files.key.display()
        );
        let _ = write!(
            text,
            "listener {tls} 127.0.0.1\n{files}listener {wss} 127.0.0.1\nprotocol websockets\n{files}"
        );
    }
    text
}
