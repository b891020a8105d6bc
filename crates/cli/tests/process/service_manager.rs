//! What systemd is told, at a socket that stands in for it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::Broker;

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message that is not a sign of life.
    fn next(&self) -> String {
        loop {
            let message = self.receive();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    fn receive(&self) -> String {
        let mut bytes = [0; 1024];
        let len = self.0.recv(&mut bytes).expect("a message");
        let text = std::str::from_utf8(&bytes[..len]).expect("text");
        text.trim_end().to_owned()
    }
}

#[test]
fn the_service_manager_follows_the_life_of_a_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).expect("a socket"));
    let patience = Some(Duration::from_secs(20));
    manager.0.set_read_timeout(patience).expect("a timeout");
    let mut broker = Broker::start(dir.path(), "", |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "400000");
    });
    let _stderr = broker.take_stderr();
    assert_eq!(manager.next(), "READY=1\nSTATUS=Serving clients");
    // It says more than once that it is alive, without anything to do.
    for _ in 0..3 {
        assert_eq!(manager.receive(), "WATCHDOG=1");
    }
    broker.signal(Signal::HUP);
    let reloading = manager.next();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let (since, status) = since
        .and_then(|rest| rest.split_once('\n'))
        .expect("a time");
    assert!(since.parse::<u64>().is_ok(), "{reloading}");
    assert_eq!(status, "STATUS=Reading the files again");
    assert_eq!(manager.next(), "READY=1\nSTATUS=Serving clients");
    broker.signal(Signal::TERM);
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=Stopping");
    assert!(broker.wait().success());
}
