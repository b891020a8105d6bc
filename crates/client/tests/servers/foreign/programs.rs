//! Brokers from npm, PyPI and crates.io: `cargo xtask brokers` brings them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::PATIENCE;

/// A broker of its own for one test.
pub(crate) struct Broker {
    process: Child,
    pub(crate) port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Aedes,
    Nats,
    /// It sends again after a second what was not acknowledged, in place of 30 s.
    NatsAfterASecond,
    /// As releases before 2.10, which have no QoS 2.
    NatsWithoutQos2,
    /// With MQTT 3.1.1.
    Rumqttd3,
    /// With MQTT 5.
    Rumqttd5,
}

impl Broker {
    pub(crate) async fn start(kind: Kind) -> Self {
        // Another process may take the port before the broker does; then the next one is tried.
        for _ in 0..10 {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = probe.local_addr().expect("its number").port();
            drop(probe);
            let directory = tempfile::tempdir().expect("a directory for the broker's files");
            let process = command(kind, port, directory.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let mut broker = Self {
                process: process.expect("the broker starts"),
                port,
                _directory: directory,
            };
            if broker.is_up().await {
                return broker;
            }
        }
        panic!("{kind:?} did not start on any of ten ports");
    }

    /// Waits until it listens, or has ended.
    async fn is_up(&mut self) -> bool {
        let up = async {
            loop {
                let connecting = tokio::net::TcpStream::connect(("127.0.0.1", self.port));
                if connecting.await.is_ok() {
                    return true;
                }
                if self.process.try_wait().expect("its state").is_some() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
        };
        let up = tokio::time::timeout(PATIENCE, up).await;
        up.expect("the broker starts in time")
    }
}

fn command(kind: Kind, port: u16, directory: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let nats = |more| {
        let program = root.join("target/clients/venv/bin/nats-server");
        let config = nats_config(port, directory, more).display().to_string();
        (needs(&program), vec!["-c".to_owned(), config])
    };
    let rumqttd = |version: &str| {
        let program = root.join("target/clients/rumqttd/debug/rumqttd-driver");
        (needs(&program), vec![port.to_string(), version.to_owned()])
    };
    let (program, arguments) = match kind {
        Kind::Aedes => {
            let folder = root.join("tests/brokers");
            needs(&folder.join("node_modules/aedes"));
            let script = folder.join("aedes.mjs").display().to_string();
            (PathBuf::from("node"), vec![script, port.to_string()])
        }
        Kind::Nats => nats(""),
        Kind::NatsAfterASecond => nats("ack_wait: '1s'"),
        Kind::NatsWithoutQos2 => nats("reject_qos2_publish: true, downgrade_qos2_subscribe: true"),
        Kind::Rumqttd3 => rumqttd("3"),
        Kind::Rumqttd5 => rumqttd("5"),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn nats_config(port: u16, directory: &Path, more: &str) -> PathBuf {
    let config = format!(
        "server_name: test\nlisten: '127.0.0.1:-1'\njetstream {{ store_dir: '{}' }}\n\
         mqtt {{ listen: '127.0.0.1:{port}', {more} }}\n",
        directory.display()
    );
    let path = directory.join("nats.conf");
    std::fs::write(&path, config).expect("a configuration file");
    path
}

fn needs(path: &Path) -> PathBuf {
    assert!(
        path.exists(),
        "these tests need {}: run `cargo xtask brokers`",
        path.display()
    );
    path.to_owned()
}
