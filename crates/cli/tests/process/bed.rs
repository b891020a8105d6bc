//! A broker in a process of its own, and clients made of bytes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) use crate::binary::columba;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// A running broker; killed when a test fails before it is stopped.
pub(crate) struct Broker {
    child: Child,
    address: String,
    /// Kept open: a broker may still write to it.
    stdout: BufReader<ChildStdout>,
}

impl Broker {
    /// Starts a broker with this configuration file, once the command is as `change` wants it.
    pub(crate) fn start(dir: &Path, config: &str, change: impl FnOnce(&mut Command)) -> Self {
        let change = |command: &mut Command| {
            command.args(["--listen", "127.0.0.1:0"]);
            change(command);
        };
        Self::start_at("mqtt://", dir, config, change)
    }

    /// The same with the listeners of the file, of which the first of this scheme counts.
    pub(crate) fn start_at(
        scheme: &str,
        dir: &Path,
        config: &str,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        std::fs::create_dir_all(dir.join("etc")).expect("a directory");
        std::fs::write(dir.join("etc/columba.toml"), config).expect("a file");
        let mut command = columba();
        command
            .arg("run")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("the binary");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = loop {
            let mut line = String::new();
            let len = stdout.read_line(&mut line).expect("text");
            assert!(len > 0, "the broker ended: {:?}", child.wait());
            if let Some((_, rest)) = line.split_once(scheme) {
                break rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
        };
        Self {
            child,
            address,
            stdout,
        }
    }

    /// The rest of what it says first.
    pub(crate) fn take_shown(&mut self) -> String {
        let mut shown = String::new();
        while !shown.contains('╰') {
            let len = self.stdout.read_line(&mut shown).expect("text");
            assert!(len > 0, "the broker ended: {:?}", self.child.wait());
        }
        shown
    }

    /// What reads its standard error stream.
    pub(crate) fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("taken once")
    }

    /// Connects a client of MQTT 3.1.1 with clean session. Panics if no answer comes.
    pub(crate) fn connect(&self, client_id: &str) -> TcpStream {
        let mut socket = self.open();
        socket
            .write_all(&connect_packet(client_id))
            .expect("CONNECT");
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).expect("CONNACK");
        assert_eq!(answer, [0x20, 2, 0, 0]);
        socket
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap_or_default()
    }

    /// Opens a connection that says nothing.
    pub(crate) fn open(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).expect("a connection");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("a timeout");
        socket
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Sets a limit while it runs; what it was before.
    pub(crate) fn limit(&self, of: Resource, current: Option<u64>) -> Option<u64> {
        let limit = Rlimit {
            current,
            maximum: None,
        };
        let pid = Some(Pid::from_child(&self.child));
        prlimit(pid, of, limit).expect("a limit").current
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CONNECT of MQTT 3.1.1 with clean session.
pub(crate) fn connect_packet(client_id: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\x02\0\x3c".to_vec();
    body.extend((client_id.len() as u16).to_be_bytes());
    body.extend(client_id.as_bytes());
    let mut packet = vec![0x10];
    let mut len = body.len();
    loop {
        let more = if len > 0x7f { 0x80 } else { 0 };
        packet.push((len & 0x7f) as u8 | more);
        len >>= 7;
        if len == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// DISCONNECT of MQTT 3.1.1.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// SUBSCRIBE of MQTT 3.1.1 to a short filter with QoS 0.
pub(crate) fn subscribe_packet(filter: &str) -> Vec<u8> {
    let mut packet = vec![0x82, (filter.len() + 5) as u8, 0, 1, 0, filter.len() as u8];
    packet.extend(filter.as_bytes());
    packet.push(0);
    packet
}
