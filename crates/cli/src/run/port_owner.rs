//! Which process listens on a port, as far as `/proc` tells.

use std::fs;
use std::path::Path;

/// The process that listens on a TCP port, for people: `mosquitto (process 812)`.
///
/// Only processes of the same user can be told, unless this is root.
pub(super) fn owner(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes
        .filter(|process| has_socket(&process.path(), &sockets))
        .find_map(|process| {
            let id = process.file_name().to_string_lossy().parse::<u32>().ok()?;
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            Some(format!("{} (process {id})", name.trim_end()))
        })
}

/// The sockets that listen on a port, as file descriptors link to them.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it =
            u16::from_str_radix(local_port, 16) == Ok(port) && fields.get(3) == Some(&LISTEN);
        is_it.then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

fn has_socket(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        fs::read_link(descriptor.path())
            .is_ok_and(|link| sockets.iter().any(|socket| link == Path::new(socket)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listening_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let owner = owner(port).expect("this process");
        assert!(
            owner.ends_with(&format!("(process {})", std::process::id())),
            "{owner}"
        );
        drop(listener);
    }
}
