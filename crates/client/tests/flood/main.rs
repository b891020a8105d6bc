//! Servers that send nearly right packets and WebSocket frames: the client does not panic, ends in an error
//! that it reports, and holds no more memory than its options say.
#![expect(
    clippy::disallowed_types,
    reason = "tests of the driver have sockets, and run one after another"
)]
#![expect(unsafe_code, reason = "counts the memory that is held")]

mod frames;
mod packets;
mod server;
mod websocket;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering};

use columba_client::{Input, Message, Output, Session, SessionOptions};
use columba_codec::packet::Packet;
use columba_codec::{Decoded, QoS, ReasonCode, Version, decode};
use packets::{CONNACK, Choices, packet};

/// Maximum Packet Size of the clients here.
const PACKET_BYTES_MAX: u32 = 8 * 1024;

struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);
static PEAK_BYTES: AtomicIsize = AtomicIsize::new(0);
/// What one test holds is not to be counted in another.
static ALONE: Mutex<()> = Mutex::new(());

// SAFETY: it is the system's allocator, and what is counted beside it changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size() as isize;
        let live = LIVE_BYTES.fetch_add(size, Ordering::Relaxed) + size;
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `run` holds at a time.
fn peak_bytes(run: impl FnOnce()) -> isize {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    PEAK_BYTES.store(before, Ordering::Relaxed);
    run();
    PEAK_BYTES.load(Ordering::Relaxed) - before
}

/// Bytes that decide, the same in every run (SplitMix64).
fn decisions(mut seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes
}

fn options(seed: u64) -> SessionOptions {
    let mut options = SessionOptions {
        version: Version::V5,
        client_id: "client".to_owned(),
        acknowledges_by_hand: seed.is_multiple_of(2),
        ..SessionOptions::default()
    };
    options.properties.packet_bytes_max = Some(PACKET_BYTES_MAX);
    options.properties.receive_maximum = Some(16);
    options.properties.topic_alias_maximum = Some(4);
    options.properties.session_expiry_secs = Some(60);
    if seed.is_multiple_of(3) {
        options.properties.authentication_method = Some("m".to_owned());
    }
    options
}

/// How packets of the server were taken.
#[derive(Debug, Default)]
struct Taken {
    messages: usize,
    violations: usize,
    malformed: usize,
}

/// A session that connects again whenever it has left the server.
fn into_session(seed: u64, choices: &mut Choices<'_>, taken: &mut Taken) {
    let mut session = Session::new(options(seed));
    let mut now = 0;
    let mut sent = Vec::new();
    while !choices.is_over() {
        now += 1;
        if session.is_closed() {
            let clean_start = choices.once_in(4);
            session.handle(now, Input::TransportOpened { clean_start });
            session.handle(now, Input::Received(&CONNACK));
            let message = Message::new("a", "b").with_qos(QoS::ExactlyOnce);
            let token = now;
            session.handle(now, Input::Publish { token, message });
        }
        session.handle(now, Input::Received(&packet(choices)));
        while let Some(output) = session.poll() {
            match output {
                Output::Message(incoming) => {
                    taken.messages += 1;
                    if let Some(receipt) = incoming.receipt
                        && !choices.once_in(4)
                    {
                        let reason = ReasonCode::Success;
                        session.handle(now, Input::Acknowledge { receipt, reason });
                    }
                }
                Output::Closed(columba_client::CloseCause::Violation(_)) => taken.violations += 1,
                Output::Closed(columba_client::CloseCause::Malformed { .. }) => {
                    taken.malformed += 1;
                }
                _ => {}
            }
        }
        sent.clear();
        session.transmit(&mut sent);
        check_sent(&sent);
    }
}

/// Whatever comes, the client itself sends packets, and none that is larger than it has to be.
fn check_sent(mut sent: &[u8]) {
    while !sent.is_empty() {
        match decode(sent, Version::V5, 1024).expect("the client sends packets") {
            Decoded::Packet(Packet::Disconnect(_), len) => {
                assert_eq!(sent.len(), len, "nothing follows a DISCONNECT");
                return;
            }
            Decoded::Packet(_, len) => sent = &sent[len..],
            Decoded::Incomplete { .. } => panic!("the client sends whole packets"),
        }
    }
}

#[test]
fn nearly_right_packets_make_no_session_grow() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut taken = Taken::default();
    for seed in 0..400 {
        let decisions = decisions(seed, 8 * 1024);
        let peak = peak_bytes(|| into_session(seed, &mut Choices(&decisions), &mut taken));
        // A packet in pieces and as it is handed over, four topics under aliases, sixteen messages that wait.
        assert!(peak < 256 * 1024, "seed {seed}: {peak} bytes");
    }
    // They do get past the first checks, and into many of the later ones.
    assert!(
        taken.messages > 1000 && taken.violations > 500 && taken.malformed > 500,
        "{taken:?}"
    );
}
