//! One broker with its clients: killed, deprived of power, started again, checked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::chance::Chance;
use super::clients::Clients;
use super::power::Disk;
use super::shim::{Disposition, Shim};
use crate::process::Server;

/// Trials between two checks of everything.
const TRIALS_PER_CHECK: usize = 10;

/// What a trial needs.
pub(super) struct Place<'a> {
    pub(super) root: &'a Path,
    pub(super) binary: &'a Path,
    pub(super) python: &'a Path,
    /// Where the broker runs.
    pub(super) dir: PathBuf,
    pub(super) shards: usize,
    pub(super) seed: u64,
    pub(super) durability: &'static str,
}

pub(super) struct Trial {
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
    pub(super) server: Server,
    pub(super) clients: Clients,
    pub(super) chance: Chance,
    slowest_start: Duration,
    power: Option<Power>,
}

/// A disk that can lose power.
struct Power {
    shim: Shim,
    disk: Disk,
    disposition: Disposition,
}

impl Trial {
    /// Starts a broker and its clients, if `disposition` says so on a disk that can lose power.
    pub(super) fn start(
        place: Place<'_>,
        disposition: Option<Disposition>,
        patience_secs: u64,
    ) -> anyhow::Result<Self> {
        let Place {
            dir,
            shards,
            durability,
            ..
        } = place;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?
            .local_addr()?
            .port();
        let config = format!(
            "[broker]\nshards = {shards}\n\n[store]\ndurability = \"{durability}\"\n\n[limits]\n\
             queue_messages_max = 1000000\nqueue_bytes_max = \"1GiB\"\n\n[[listener]]\n\
             name = \"tcp\"\nkind = \"tcp\"\nbind = \"127.0.0.1:{port}\"\nanonymous = \"loopback\"\n"
        );
        std::fs::write(dir.join("broker.toml"), config)?;
        let power = match disposition {
            Some(disposition) => {
                let shim = Shim::build(place.root, &dir)?;
                let disk = Disk::new(shim.store.clone(), dir.join("image"))?;
                Some(Power {
                    shim,
                    disk,
                    disposition,
                })
            }
            None => None,
        };
        let mut server = launch(place.binary, &dir, power.as_ref())?;
        server.wait_for(port)?;
        let clients = Clients::start(place.root, place.python, port, patience_secs)?;
        Ok(Self {
            binary: place.binary.to_path_buf(),
            dir,
            port,
            server,
            clients,
            chance: Chance::new(place.seed),
            slowest_start: Duration::ZERO,
            power,
        })
    }

    /// Kills the broker `trials` times under load, with its power if it can lose that. Whether
    /// nothing was lost.
    pub(super) fn run(&mut self, trials: usize) -> anyhow::Result<bool> {
        let mut done = 0;
        while done < trials {
            self.clients.ask("load")?;
            for _ in 0..TRIALS_PER_CHECK.min(trials - done) {
                std::thread::sleep(self.pause());
                self.crash()?;
                done += 1;
            }
            if !self.check(done)? {
                return Ok(false);
            }
        }
        if let Some(power) = &self.power {
            println!("crash: {:?}", power.disk.tally);
        }
        Ok(true)
    }

    /// Has the clients wait for everything, and tells how it went. Whether nothing was lost.
    pub(super) fn check(&mut self, done: usize) -> anyhow::Result<bool> {
        let report = self.clients.ask("check")?;
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        println!(
            "crash: {done} kills; {} published, {} delivered, {} of them again (QoS 1); slowest start \
             {:.0?}",
            count("published"),
            count("delivered"),
            count("repeated"),
            self.slowest_start
        );
        let faults = report["faults"].as_array().context("no report")?;
        for fault in faults {
            println!("crash: FAULT {}", fault.as_str().unwrap_or_default());
        }
        if !faults.is_empty() {
            println!("crash: the broker's files are in {}", self.dir.display());
        }
        Ok(faults.is_empty())
    }

    /// How long the next broker lives: some are killed while they recover.
    fn pause(&mut self) -> Duration {
        Duration::from_millis(if self.chance.below(8) == 0 {
            self.chance.below(30)
        } else {
            50 + self.chance.below(400)
        })
    }

    /// Ends the broker at once and starts it again.
    fn crash(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        if self.power.is_some() {
            if self.chance.below(4) == 0 {
                // Before the power goes the process is killed alone; its successor goes on with what
                // the system still has in memory.
                self.kill()?;
                self.launch()?;
                std::thread::sleep(Duration::from_millis(self.chance.below(60)));
            }
            self.lose_power()?;
        } else {
            self.kill()?;
        }
        self.launch()?;
        self.wait()?;
        self.slowest_start = self.slowest_start.max(start.elapsed());
        Ok(())
    }

    /// Kills the broker, and nothing else.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.server.kill()?;
        match &mut self.power {
            Some(power) => power.disk.absorb(&power.shim.journal, &mut self.chance),
            None => Ok(()),
        }
    }

    /// Kills the broker, and takes from its files what need not be there.
    pub(super) fn lose_power(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        match &mut self.power {
            Some(power) => power.disk.lose_power(&mut self.chance),
            None => Ok(()),
        }
    }

    /// What the disk is to do from the next start on.
    pub(super) fn dispose(&mut self, disposition: Disposition) {
        if let Some(power) = &mut self.power {
            power.disposition = disposition;
        }
    }

    /// Fills the disk, or makes room on it.
    pub(super) fn fill(&self, is_full: bool) -> anyhow::Result<()> {
        if let Some(Power { shim, .. }) = &self.power {
            if is_full {
                std::fs::write(&shim.control, "")?;
            } else if shim.control.exists() {
                std::fs::remove_file(&shim.control)?;
            }
        }
        Ok(())
    }

    /// Starts the broker.
    pub(super) fn launch(&mut self) -> anyhow::Result<()> {
        self.server = launch(&self.binary, &self.dir, self.power.as_ref())?;
        Ok(())
    }

    /// Waits until the broker answers.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let up = self.server.wait_for(self.port);
        up.with_context(|| format!("the broker did not come back:\n{}", self.log()))
    }

    /// What the broker has said since it was started.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default()
    }
}

fn launch(binary: &Path, dir: &Path, power: Option<&Power>) -> anyhow::Result<Server> {
    let mut command = Command::new(binary);
    command
        .arg("run")
        .arg("--config")
        .arg(dir.join("broker.toml"))
        .current_dir(dir);
    if let Some(power) = power {
        power.shim.attach(&mut command, power.disposition);
    }
    Server::start(command, &dir.join("broker.log"))
}
