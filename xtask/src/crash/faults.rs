//! A disk that fails, and one that is full for a while.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::PATIENCE_SECS;
use super::shim::Disposition;
use super::trial::{Place, Trial};

/// What the log says when the disk has failed, has no room, and has room again.
const FAILED: &str = "nothing that would have to be stored is acknowledged any more";
const FULL: &str = "the disk is full";
const ROOM: &str = "the disk has room again";
/// Large payloads, so that segments fill.
const LOAD: &str = "load 8000";
const LIMIT: Duration = Duration::from_secs(40);
const STILL: Duration = Duration::from_secs(1);

/// A third of the trials each with a disk that fails, with one that is full, and with one that is full
/// when the broker starts. Whether nothing was lost.
pub(super) fn run(place: Place<'_>, trials: usize) -> anyhow::Result<bool> {
    let mut trial = Trial::start(place, Some(Disposition::FullAtTimes), PATIENCE_SECS)?;
    let mut is_fine = true;
    for number in 0..trials {
        let loses_power = number / 3 % 2 == 0;
        is_fine &= match number % 3 {
            0 => full(&mut trial, loses_power)?,
            1 => failing(&mut trial, loses_power)?,
            _ => full_at_start(&mut trial, loses_power)?,
        };
        is_fine &= trial.check(number + 1)?;
        if !is_fine {
            break;
        }
    }
    Ok(is_fine)
}

/// A sync fails under load; then the broker is killed, with its power or without.
fn failing(trial: &mut Trial, loses_power: bool) -> anyhow::Result<bool> {
    let syncs = 20 + trial.chance.below(400);
    println!("crash: EIO after {syncs} syncs, then {}", end(loses_power));
    trial.dispose(Disposition::FailsAfter(syncs));
    trial.lose_power()?;
    trial.launch()?;
    trial.wait()?;
    trial.clients.ask("load")?;
    told(trial, FAILED)?;
    let mut is_fine = stands_still(trial, "after a failed sync")?;
    is_fine &= goes_on_live(trial, "after a failed sync")?;
    trial.dispose(Disposition::FullAtTimes);
    if loses_power {
        trial.lose_power()?;
    } else {
        trial.kill()?;
    }
    trial.launch()?;
    trial.wait()?;
    std::thread::sleep(STILL);
    // Also what was found in the system's memory has to be on the disk now.
    trial.lose_power()?;
    trial.launch()?;
    trial.wait()?;
    Ok(is_fine)
}

/// The disk is full under load; then it has room again, or the power goes first.
fn full(trial: &mut Trial, loses_power: bool) -> anyhow::Result<bool> {
    println!(
        "crash: ENOSPC, then {}",
        if loses_power { end(true) } else { "room" }
    );
    trial.clients.ask(LOAD)?;
    trial.fill(true)?;
    told(trial, FULL)?;
    let mut is_fine = stands_still(trial, "on a full disk")?;
    is_fine &= goes_on_live(trial, "on a full disk")?;
    if loses_power {
        trial.lose_power()?;
        trial.fill(false)?;
        trial.launch()?;
        trial.wait()?;
    } else {
        trial.fill(false)?;
        told(trial, ROOM)?;
    }
    goes_on(trial)?;
    Ok(is_fine)
}

/// The broker dies while its disk is full to the last byte, and starts on that. What was acknowledged
/// arrives where nothing has to be stored for it; then there is room again.
fn full_at_start(trial: &mut Trial, loses_power: bool) -> anyhow::Result<bool> {
    println!("crash: ENOSPC, {}, ENOSPC, then room", end(loses_power));
    trial.clients.ask(LOAD)?;
    trial.fill(true)?;
    told(trial, FULL)?;
    let mut is_fine = stands_still(trial, "on a full disk")?;
    if loses_power {
        trial.lose_power()?;
    } else {
        trial.kill()?;
    }
    trial.launch()?;
    trial.wait()?;
    told(trial, FULL)?;
    let drained = trial.clients.ask("drain")?;
    let missing = drained["missing"].as_u64().context("no count")?;
    if missing > 0 {
        println!("crash: FAULT {missing} acknowledged do not arrive from a full disk");
        is_fine = false;
    }
    is_fine &= stands_still(trial, "after a start on a full disk")?;
    trial.fill(false)?;
    told(trial, ROOM)?;
    goes_on(trial)?;
    Ok(is_fine)
}

/// Whether clients whose sessions end with their connection, of which nothing is stored, subscribe and publish
/// all the same, at QoS 1 and 2.
fn goes_on_live(trial: &mut Trial, when: &str) -> anyhow::Result<bool> {
    let missing = trial.clients.ask("live")?;
    let missing = missing.as_object().context("no counts")?;
    let mut is_fine = true;
    for (what, count) in missing {
        if *count != 0 {
            println!("crash: FAULT {count} {what} are missing of what nobody stores {when}");
            is_fine = false;
        }
    }
    Ok(is_fine)
}

/// Waits until something is acknowledged.
fn goes_on(trial: &mut Trial) -> anyhow::Result<()> {
    let before = acknowledged(trial)?;
    let start = Instant::now();
    while acknowledged(trial)? == before {
        if start.elapsed() > LIMIT {
            bail!("nothing goes on after a full disk:\n{}", trial.log());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

const fn end(loses_power: bool) -> &'static str {
    if loses_power {
        "loss of power"
    } else {
        "SIGKILL"
    }
}

/// Waits until the broker says something in its log.
fn told(trial: &mut Trial, what: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    while !trial.log().contains(what) {
        if start.elapsed() > LIMIT || !trial.server.is_running() {
            bail!("the broker did not say `{what}`:\n{}", trial.log());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the broker runs and comes to acknowledge nothing. What is on its way to the clients may
/// arrive, and on a full disk small commits may still fit into what is left of a file.
fn stands_still(trial: &mut Trial, when: &str) -> anyhow::Result<bool> {
    let start = Instant::now();
    loop {
        let before = acknowledged(trial)?;
        std::thread::sleep(STILL);
        let later = acknowledged(trial)? - before;
        if !trial.server.is_running() {
            bail!("the broker ended {when}:\n{}", trial.log());
        }
        if later == 0 {
            return Ok(true);
        }
        if start.elapsed() > LIMIT {
            println!("crash: FAULT {later} acknowledged {when}");
            return Ok(false);
        }
    }
}

fn acknowledged(trial: &mut Trial) -> anyhow::Result<u64> {
    let report = trial.clients.ask("count")?;
    report["acknowledged"].as_u64().context("no count")
}
