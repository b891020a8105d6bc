//! A disk whose sync takes long: what need not be stored goes on, however much waits for it.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use columba_codec::{Packet, QoS};
use columba_store::{Files, LockError, Name, SimDisk};

use crate::bed::{Bed, Client};

/// Long enough on a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than the queue of the store's thread takes, in messages of [`PAYLOAD_BYTES`].
const MESSAGES: u64 = 80;
const PAYLOAD_BYTES: usize = 1 << 20;
const LIMITS: &str = "[limits]\nstore_waiting_bytes_max = \"1GiB\"\nqueue_bytes_max = \"1GiB\"";

/// A disk whose syncs wait while it is stuck.
#[derive(Clone)]
struct Sticky {
    disk: SimDisk,
    is_stuck: Arc<(Mutex<bool>, Condvar)>,
}

impl Sticky {
    fn stick(&self, is_stuck: bool) {
        *self.is_stuck.0.lock().unwrap() = is_stuck;
        self.is_stuck.1.notify_all();
    }
}

/// A broker whose disk is stuck does not end, in a test that fails either.
struct Stuck(Sticky);

impl Stuck {
    fn new(disk: &Sticky) -> Self {
        disk.stick(true);
        Self(disk.clone())
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.stick(false);
    }
}

impl Files for Sticky {
    fn lock(&mut self) -> Result<(), LockError> {
        self.disk.lock()
    }

    fn list(&mut self) -> io::Result<Vec<Name>> {
        self.disk.list()
    }

    fn create(&mut self, name: Name) -> io::Result<()> {
        self.disk.create(name)
    }

    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        self.disk.allocate(name, bytes)
    }

    fn length(&mut self, name: Name) -> io::Result<u64> {
        self.disk.length(name)
    }

    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(name, offset, buffer)
    }

    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(name, offset, bytes)
    }

    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        self.disk.truncate(name, length)
    }

    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        let is_stuck = self.is_stuck.0.lock().unwrap();
        drop(self.is_stuck.1.wait_while(is_stuck, |is_stuck| *is_stuck));
        self.disk.sync_data(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.disk.remove(name)
    }
}

/// Until the broker has read so many PUBLISH packets.
fn until_received(bed: &Bed, count: u64) {
    let begun = Instant::now();
    loop {
        let received = bed.get("/api/v1/metrics")["publish_received"].as_u64();
        if received.unwrap() >= count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{received:?} of {count}");
    }
}

#[test]
fn what_need_not_be_stored_goes_on_while_a_sync_takes_long() {
    let disk = Sticky {
        disk: SimDisk::new(1),
        is_stuck: Arc::default(),
    };
    let bed = Bed::on_disk(disk.clone(), LIMITS);
    let mut absent = bed.connect_keeping("absent", None);
    absent.subscribe("t", QoS::AtLeastOnce);
    drop(absent);
    // Both shards have some.
    let names = (0..12).map(|n| format!("live {n}"));
    let mut live: Vec<Client> = names.map(|name| bed.connect(&name)).collect();
    let mut publisher = bed.connect("publisher");
    let stuck = Stuck::new(&disk);
    let payload = vec![b'x'; PAYLOAD_BYTES];
    for _ in 0..MESSAGES {
        publisher.publish_qos_1("t", &payload);
    }
    until_received(&bed, MESSAGES);
    for client in &mut live {
        client.publish_qos_1("nobody", b"x");
        client.receive(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"));
    }
    drop(stuck);
    for _ in 0..MESSAGES {
        publisher.receive(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"));
    }
}
