//! Clients and servers in processes of their own, to be killed.
//!
//! A client, or Columba, is this very program, told by an environment variable what to be. It says its
//! steps line by line, and ends when its standard input does, so that it never outlives the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use columba_server::store::StoreConfig;
use tokio::sync::mpsc;

use super::Workload;
use super::clients::{receive, send};
use crate::columba;

const ROLE: &str = "COLUMBA_TEST_PROGRAM";
/// What begins a line that is a step; the test's own output has others.
const STEP: &str = "step: ";

/// A process of this program.
pub(crate) struct Program {
    child: Child,
    steps: mpsc::UnboundedReceiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    pub(crate) fn columba(directory: &Path) -> Self {
        Self::start(&format!("columba {}", directory.display()))
    }

    pub(crate) fn client(name: &str, port: u16, workload: &Workload, directory: &Path) -> Self {
        let workload = workload.to_words();
        Self::start(&format!("{name} {port} {workload} {}", directory.display()))
    }

    fn start(role: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", "turmoil::programs::as_a_program", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, steps) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(at) = line.find(STEP) {
                    let step = line.split_at(at + STEP.len()).1.trim().to_owned();
                    if sender.send(step).is_err() {
                        return;
                    }
                }
            }
        });
        Self { child, steps }
    }

    /// Its next step; `None` once it has ended. Cancel safe.
    pub(crate) async fn step(&mut self) -> Option<String> {
        self.steps.recv().await
    }

    /// SIGKILL, wherever it is.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("ends");
    }

    /// Waits for its end, which it has announced.
    pub(crate) async fn finish(mut self) {
        assert_eq!(self.step().await, None, "it ends");
        assert!(self.child.wait().expect("ends").success());
    }
}

/// Says a step to [`Program::step`].
pub(crate) fn say(step: &str) {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{STEP}{step}").and_then(|()| out.flush());
    said.expect("the test reads");
}

/// Does nothing unless [`Program`] started it.
#[test]
fn as_a_program() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    std::thread::spawn(|| {
        // The end of input, or an error that is one.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    let role = role.into_string().expect("text");
    let (role, rest) = role.split_once(' ').expect("words");
    if role == "columba" {
        let store = StoreConfig::in_directory(Path::new(rest), false).expect("a store");
        let (_broker, port) = columba::start_with(Some(store));
        say(&port.to_string());
        loop {
            std::thread::park();
        }
    }
    let (port, rest) = rest.split_once(' ').expect("words");
    let port = port.parse().expect("a port");
    let (workload, directory) = Workload::of_words(rest);
    let directory = Path::new(directory);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match role {
            "sender" => send(port, &workload, directory).await,
            _ => receive(port, &workload, directory).await,
        }
    });
    say("done");
}
