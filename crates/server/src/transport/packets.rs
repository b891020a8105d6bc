//! Where MQTT packets begin and end in a stream of bytes on its way out.
//!
//! The standard lets packets share a WebSocket frame (`MQTT-6.0.0-2`), but clients exist that read
//! one packet a frame and lose the rest, so each packet gets a frame of its own.

/// Cuts a stream at the ends of its packets.
#[derive(Debug, Default)]
pub(super) struct PacketCutter {
    /// Bytes of the present packet that are still to come.
    left: usize,
    /// The start of a fixed header that is not whole yet.
    header: Vec<u8>,
}

/// A fixed header: a byte and a length of at most four.
const HEADER_BYTES_MAX: usize = 5;

impl PacketCutter {
    /// Hands out the pieces of `bytes`, each of one packet: a whole one, or what there is of it.
    /// A fixed header that is not whole is kept for the next call.
    pub(super) fn cut(&mut self, bytes: &[u8], mut piece: impl FnMut(&[u8], &[u8])) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut kept = Vec::new();
            if self.left == 0 {
                let known = self.header.len();
                self.header
                    .extend(rest.iter().take(HEADER_BYTES_MAX - known));
                let Some(len) = packet_len(&self.header) else {
                    return;
                };
                self.header.truncate(known);
                kept = std::mem::take(&mut self.header);
                self.left = len - known;
            }
            let (now, later) = rest.split_at(self.left.min(rest.len()));
            self.left -= now.len();
            rest = later;
            piece(&kept, now);
        }
    }
}

/// Bytes of a whole packet, if its fixed header is there.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut value = 0;
    for (position, byte) in bytes.iter().skip(1).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            return Some(2 + position + value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut cutter = PacketCutter::default();
        let mut cut = Vec::new();
        for bytes in pieces {
            cutter.cut(bytes, |kept, now| cut.push([kept, now].concat()));
        }
        cut
    }

    #[test]
    fn each_packet_is_a_piece_of_its_own() {
        let large = [&[0x30, 0x80, 0x01][..], &[7; 128]].concat();
        let stream = [&[0xD0, 0x00, 0x90, 0x03, 1, 2, 3][..], &large, &[0xD0, 0]].concat();
        let whole: [&[u8]; 4] = [&[0xD0, 0], &[0x90, 3, 1, 2, 3], &large, &[0xD0, 0]];
        assert_eq!(cut(&[&stream]), whole);
        for at in 0..stream.len() {
            let (first, second) = stream.split_at(at);
            let pieces = cut(&[first, second]);
            assert_eq!(pieces.concat(), stream, "cut at {at}");
            assert!(pieces.len() <= 5, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(cut(&bytes).concat(), stream);
    }
}
