//! A stream read in pieces gives the packets, or the error, of the stream read at once.
//!
//! The first byte picks the version, the second says how many sizes of pieces follow; the rest is
//! the stream.
#![no_main]

use columba_codec::{DecodeError, Decoded, PacketType, Version, decode};
use libfuzzer_sys::fuzz_target;

const LIMIT: u32 = 4096;

fuzz_target!(|input: &[u8]| {
    let [version, count, rest @ ..] = input else {
        return;
    };
    let Some((sizes, stream)) = rest.split_at_checked(usize::from(count % 16)) else {
        return;
    };
    let version = Version::ALL[usize::from(version % 3)];
    let at_once = read(stream, &[], version);
    let in_pieces = read(stream, sizes, version);
    assert_eq!(at_once, in_pieces);
});

type Outcome = (Vec<(PacketType, Vec<u8>)>, Option<DecodeError>);

/// Reads pieces of these sizes, and the rest in one; looks only when enough is there.
fn read(stream: &[u8], sizes: &[u8], version: Version) -> Outcome {
    let mut packets = Vec::new();
    let (mut start, mut end, mut needed) = (0, 0, 0);
    let mut sizes = sizes.iter();
    while end < stream.len() {
        end = match sizes.next() {
            Some(size) => (end + usize::from(*size)).min(stream.len()),
            None => stream.len(),
        };
        while end - start >= needed {
            match decode(&stream[start..end], version, LIMIT) {
                Ok(Decoded::Packet(packet, len)) => {
                    assert!(needed <= len);
                    packets.push((packet.packet_type(), stream[start..start + len].to_vec()));
                    start += len;
                    needed = 0;
                }
                Ok(Decoded::Incomplete { needed: more }) => {
                    assert!(more > end - start && more >= needed && more <= LIMIT as usize);
                    needed = more;
                }
                Err(error) => return (packets, Some(error)),
            }
        }
    }
    (packets, None)
}
