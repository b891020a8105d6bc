//! What the checks need on the machine: installed where we may, named where we may not.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::process::{cargo, find, quiet};

/// A program and the Debian package that brings it.
pub(crate) struct Need {
    program: &'static str,
    package: &'static str,
}

const fn need(program: &'static str, package: &'static str) -> Need {
    Need { program, package }
}

/// What the foreign clients need; Node comes with the machine.
const CLIENT_NEEDS: [Need; 4] = [
    need("mosquitto_rr", "mosquitto-clients"),
    need("paho_c_pub", "paho.mqtt.c-examples"),
    need("openssl", "openssl"),
    need("python3", "python3-venv"),
];

/// The shells, beside bash, whose completion is tested, and what shows the manual pages.
const SHELLS: [Need; 3] = [
    need("zsh", "zsh"),
    need("fish", "fish"),
    need("man", "man-db"),
];

/// The broker that figures are measured beside.
pub(crate) const MOSQUITTO: Need = need("mosquitto", "mosquitto");

/// What counts instructions.
pub(crate) const VALGRIND: Need = need("valgrind", "valgrind");

/// Where the drivers' programs are.
pub(crate) struct Drivers {
    /// Python with the client libraries.
    pub(crate) python: PathBuf,
    /// The rumqttc driver.
    pub(crate) rumqttc: PathBuf,
}

/// Installs missing Debian packages as root; otherwise says what to run.
pub(crate) fn programs(needs: &[Need]) -> anyhow::Result<()> {
    let missing: Vec<_> = needs
        .iter()
        .filter(|n| find(n.program).is_none())
        .map(|n| n.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", missing.join(" "));
    if !is_root() || find("apt-get").is_none() {
        bail!("missing: {}; on Debian: sudo {line}", missing.join(", "));
    }
    println!("installing {}", missing.join(", "));
    let mut update = Command::new("apt-get");
    update.args(["update", "-q"]);
    quiet(update)?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(&missing);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    quiet(install)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Brings the shells that completion is tested with.
pub(crate) fn shells() -> anyhow::Result<()> {
    programs(&SHELLS)
}

/// Brings what the fault lab drives, all but rumqttc of [`drivers`].
pub(crate) fn lab_clients(root: &Path) -> anyhow::Result<()> {
    programs(&CLIENT_NEEDS)?;
    if find("npm").is_none() || find("node").is_none() {
        bail!("missing: Node.js and npm; on Debian: sudo apt-get install -y nodejs npm");
    }
    node(&root.join("tests/clients/node"))?;
    python(root).map(drop)
}

/// Brings the brokers that the client library and the doctor are tested with.
pub(crate) fn brokers(root: &Path) -> anyhow::Result<()> {
    programs(&[MOSQUITTO])?;
    lab_clients(root)?;
    node(&root.join("tests/brokers"))?;
    driver(root, "tests/brokers", "rumqttd").map(drop)
}

/// Brings the client libraries and builds the drivers, below `target/` and `node_modules`.
pub(crate) fn drivers(root: &Path) -> anyhow::Result<Drivers> {
    lab_clients(root)?;
    Ok(Drivers {
        python: python(root)?,
        rumqttc: driver(root, "tests/clients", "rumqttc")?,
    })
}

/// Python with the client libraries, below `target/`.
pub(crate) fn python(root: &Path) -> anyhow::Result<PathBuf> {
    let home = root.join("target/clients/venv");
    let wanted = root.join("tests/clients/requirements.txt");
    let stamp = home.join("requirements.txt");
    let python = home.join("bin/python");
    if python.is_file() && std::fs::read(&stamp).ok() == Some(std::fs::read(&wanted)?) {
        return Ok(python);
    }
    println!("installing the Python clients");
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&home);
    quiet(make)?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    install.arg(&wanted);
    quiet(install)?;
    std::fs::copy(wanted, stamp)?;
    Ok(python)
}

/// Installs a folder's npm packages as its lock file says, unless they are there.
pub(crate) fn node(dir: &Path) -> anyhow::Result<()> {
    let stamp = dir.join("node_modules/.columba-lock");
    let wanted = std::fs::read(dir.join("package-lock.json"))?;
    if std::fs::read(&stamp).ok().as_ref() == Some(&wanted) {
        return Ok(());
    }
    println!("installing npm packages of {}", dir.display());
    let mut install = Command::new("npm");
    install
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(dir);
    quiet(install)?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Builds a driver of a library of Rust, which has a workspace and a lock file of its own, below `target/`.
fn driver(root: &Path, folder: &str, name: &str) -> anyhow::Result<PathBuf> {
    let target = root.join("target/clients").join(name);
    let mut build = cargo(["build", "--quiet", "--locked"]);
    build
        .current_dir(root.join(folder).join(name))
        .env("CARGO_TARGET_DIR", &target);
    quiet(build)?;
    Ok(target.join(format!("debug/{name}-driver")))
}
