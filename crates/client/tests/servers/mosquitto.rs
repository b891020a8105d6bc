//! Debian's Mosquitto: another implementation's reading of the standard.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use columba_client::driver::{Client, ConnectOptions, Events};
use columba_codec::Version;

use crate::{PATIENCE, options};

/// A Mosquitto of its own for one test, with a directory for its files.
pub(crate) struct Mosquitto {
    pub(crate) process: Child,
    pub(crate) port: u16,
    pub(crate) directory: tempfile::TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mosquitto {
    /// Starts a server that lets everybody in.
    pub(crate) async fn start() -> Self {
        Self::start_with(|port, _| format!("listener {port} 127.0.0.1\nallow_anonymous true\n"))
            .await
    }

    /// Starts a server with the configuration that `config` makes of a port and a directory.
    pub(crate) async fn start_with(config: impl Fn(u16, &std::path::Path) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the server's files");
        // Another process may take the port before Mosquitto does; then the next one is tried.
        for _ in 0..10 {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = probe.local_addr().expect("its number").port();
            drop(probe);
            let path = directory.path().join("mosquitto.conf");
            let mut file = std::fs::File::create(&path).expect("a configuration file");
            file.write_all(config(port, directory.path()).as_bytes())
                .expect("written");
            let process = Command::new(binary())
                .arg("-c")
                .arg(&path)
                .stderr(Stdio::null())
                .spawn();
            let process = process.expect("mosquitto starts");
            let mut server = Self {
                process,
                port,
                directory: tempfile::tempdir().expect("unused"),
            };
            if server.is_up().await {
                server.directory = directory;
                return server;
            }
        }
        panic!("mosquitto did not start on any of ten ports");
    }

    /// SIGTERM, upon which it writes what it keeps; waits for its end.
    pub(crate) fn terminate(&mut self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("the program kill").success());
        self.process.wait().expect("ends");
    }

    /// Waits until the server listens, or has ended.
    async fn is_up(&mut self) -> bool {
        let up = async {
            loop {
                if tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                    .await
                    .is_ok()
                {
                    return true;
                }
                if self.process.try_wait().expect("its state").is_some() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up)
            .await
            .expect("mosquitto starts in time")
    }

    pub(crate) fn options(&self, version: Version, client_id: &str) -> ConnectOptions {
        options(self.port, version, client_id)
    }

    pub(crate) async fn connect(&self, version: Version, client_id: &str) -> (Client, Events) {
        Client::connect(self.options(version, client_id))
            .await
            .expect("connects")
    }
}

fn binary() -> &'static str {
    for candidate in ["/usr/sbin/mosquitto", "mosquitto"] {
        let found = Command::new(candidate)
            .arg("-h")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_ok() {
            return candidate;
        }
    }
    panic!("these tests need the program mosquitto: apt-get install mosquitto");
}
