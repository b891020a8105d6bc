//! Who listens on this machine, as far as `/proc` tells.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// A TCP socket that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// What file descriptors that hold it link to.
    socket: String,
}

/// Everything on this machine that takes TCP connections; empty where there is no `/proc`.
pub fn all() -> Vec<Listener> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table))
        .collect()
}

/// The process that listens on a TCP port, for people: `mosquitto (process 812)`.
///
/// Only processes of the same user can be told, unless this is root.
pub fn owner(port: u16) -> Option<String> {
    let sockets: Vec<_> = all()
        .into_iter()
        .filter(|listener| listener.address.port() == port)
        .map(|listener| listener.socket)
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

/// Whether an address is one of this machine's own.
pub fn is_own(ip: IpAddr) -> bool {
    // The system lets only its own addresses be bound.
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn listeners(table: &str) -> Vec<Listener> {
    const LISTEN: &str = "0A";
    let listener = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (ip, port) = fields.get(1)?.rsplit_once(':')?;
        if fields.get(3) != Some(&LISTEN) {
            return None;
        }
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Listener {
            address: SocketAddr::new(ip_address(ip)?, port),
            socket: format!("socket:[{}]", fields.get(9)?),
        })
    };
    table.lines().skip(1).filter_map(listener).collect()
}

/// An address of the table: words of 32 bits, each in the byte order of the machine.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => Some(IpAddr::V4(Ipv4Addr::from(bytes))),
        Err(_) => {
            let bytes = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_listening_process_is_found_with_its_address() {
        for ip in ["127.0.0.1", "0.0.0.0"] {
            let listener = std::net::TcpListener::bind((ip, 0)).expect("a socket");
            let address = listener.local_addr().expect("an address");
            let found = all();
            assert!(found.iter().any(|l| l.address == address), "{found:?}");
            let owner = owner(address.port()).expect("this process");
            assert!(
                owner.ends_with(&format!("(process {})", std::process::id())),
                "{owner}"
            );
        }
    }

    #[test]
    fn addresses_of_version_6_are_read() {
        let table = "header\n 0: 00000000000000000000000001000000:075B \
                     00000000000000000000000000000000:0000 0A 0 0 0 0 0 77 1\n\
                     1: 0100007F:1F90 0100007F:0001 01 0 0 0 0 0 78 1\n";
        let found = listeners(table);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, "[::1]:1883".parse().expect("an address"));
        assert_eq!(found[0].socket, "socket:[77]");
    }

    #[test]
    fn own_addresses_are_known() {
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        // TEST-NET-1 belongs to nobody.
        assert!(!is_own(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    }
}
