//! The floors: which crate may use which, and what the lower ones may not touch.

use std::fs;
use std::path::Path;

/// A crate of ours, without its `columba-`, and what it may depend on.
struct Floor {
    name: &'static str,
    may_use: &'static [&'static str],
    /// More that its tests may use.
    tests_may_use: &'static [&'static str],
}

const FLOORS: [Floor; 12] = [
    Floor {
        name: "codec",
        may_use: &[],
        tests_may_use: &[],
    },
    Floor {
        name: "store",
        may_use: &[],
        tests_may_use: &[],
    },
    Floor {
        name: "speech",
        may_use: &[],
        tests_may_use: &[],
    },
    Floor {
        name: "certificates",
        may_use: &[],
        tests_may_use: &[],
    },
    Floor {
        name: "broker",
        may_use: &["codec"],
        tests_may_use: &[],
    },
    Floor {
        name: "client",
        may_use: &["codec", "certificates"],
        // A broker of ours to talk to.
        tests_may_use: &["broker", "server"],
    },
    Floor {
        name: "bench",
        may_use: &["codec"],
        tests_may_use: &[],
    },
    Floor {
        name: "server",
        may_use: &[
            "codec",
            "broker",
            "store",
            "speech",
            "diagnosis",
            "certificates",
        ],
        tests_may_use: &["client"],
    },
    Floor {
        name: "sim",
        may_use: &["codec", "store", "broker", "client", "speech", "diagnosis"],
        tests_may_use: &[],
    },
    Floor {
        name: "diagnosis",
        may_use: &["codec", "broker", "speech"],
        tests_may_use: &[],
    },
    Floor {
        name: "doctor",
        may_use: &["codec", "client", "speech", "certificates"],
        // A broker of ours to examine.
        tests_may_use: &["broker", "server"],
    },
    Floor {
        name: "cli",
        may_use: &[
            "codec",
            "certificates",
            "store",
            "broker",
            "client",
            "server",
            "bench",
            "speech",
            "doctor",
            "diagnosis",
        ],
        tests_may_use: &[],
    },
];

/// Crates whose logic runs without IO, clock, threads and locks.
const PURE: [&str; 4] = ["codec", "broker", "client", "diagnosis"];

/// What the `clippy.toml` of each of them bans at least.
const BANNED_IN_PURE: [&str; 14] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::fs::File",
    "std::fs::read",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::env::var",
];

/// Crates that forbid unsafe code.
const SAFE: [&str; 10] = [
    "codec",
    "certificates",
    "store",
    "broker",
    "client",
    "bench",
    "sim",
    "speech",
    "doctor",
    "diagnosis",
];

pub(super) fn edges(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(floor) = FLOORS.iter().find(|f| f.name == name) else {
            breaches.push(format!(
                "crates/{name} stands on no floor: add it to FLOORS"
            ));
            continue;
        };
        let manifest = fs::read_to_string(root.join("crates").join(&name).join("Cargo.toml"))?;
        for (section, used) in house_dependencies(&manifest) {
            let is_test = section.contains("dev-dependencies");
            let is_allowed = floor.may_use.contains(&&*used)
                || (is_test && floor.tests_may_use.contains(&&*used));
            if !is_allowed {
                breaches.push(format!(
                    "crates/{name} may not use columba-{used} ({section})"
                ));
            }
        }
    }
    Ok(breaches)
}

/// Our crates that a manifest names, each with its section.
fn house_dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            section = header.to_owned();
            if let Some((_, name)) = header.split_once("dependencies.columba-") {
                found.push((section.clone(), name.to_owned()));
            }
        } else if section.ends_with("dependencies")
            && let Some(rest) = line.strip_prefix("columba-")
        {
            let name = rest
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            found.push((section.clone(), name));
        }
    }
    found
}

pub(super) fn purity(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for name in PURE {
        let path = format!("crates/{name}/clippy.toml");
        let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
        for banned in BANNED_IN_PURE {
            if !text.contains(&format!("path = \"{banned}\", reason = \"")) {
                breaches.push(format!("{path} does not ban {banned} with a reason"));
            }
        }
    }
    Ok(breaches)
}

pub(super) fn unsafe_code(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for name in SAFE {
        let path = format!("crates/{name}/src/lib.rs");
        if !fs::read_to_string(root.join(&path))?.contains("#![forbid(unsafe_code)]") {
            breaches.push(format!("{path} does not forbid unsafe code"));
        }
    }
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_every_notation() {
        let manifest = "[dependencies]\ncolumba-codec.workspace = true\nbytes = \"1\"\n\
                        [target.'cfg(unix)'.dependencies]\ncolumba-broker = { path = \"x\" }\n\
                        [dev-dependencies.columba-client]\nworkspace = true\n[features]\ncolumba-x = []\n";
        let found: Vec<_> = house_dependencies(manifest)
            .into_iter()
            .map(|(_, n)| n)
            .collect();
        assert_eq!(found, ["codec", "broker", "client"]);
    }
}
