//! Bytes in hexadecimal, sixteen a line, with their place and as text.

use std::fmt::Write as _;

const BYTES_A_LINE: usize = 16;

/// The first bytes of a payload, and how many more there are.
pub(super) fn dump(payload: &[u8], bytes_max: usize) -> String {
    let shown = payload.get(..bytes_max).unwrap_or(payload);
    let mut out = String::new();
    for (index, line) in shown.chunks(BYTES_A_LINE).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        // A String takes everything.
        let _ = write!(out, "{:08x} ", index * BYTES_A_LINE);
        for column in 0..BYTES_A_LINE {
            if column % 8 == 0 {
                out.push(' ');
            }
            let _ = match line.get(column) {
                Some(byte) => write!(out, "{byte:02x} "),
                None => write!(out, "   "),
            };
        }
        out.push_str(" |");
        out.extend(line.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        }));
        out.push('|');
    }
    let more = payload.len() - shown.len();
    if more > 0 {
        let _ = write!(out, "\n{more} more bytes");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_place_bytes_and_text() {
        let payload: Vec<_> = (0x3c..0x4d).collect();
        assert_eq!(
            dump(&payload, 100),
            "00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|\n\
             00000010  4c                                                |L|"
        );
        assert_eq!(
            dump(b"\x00\x7fabc", 3),
            "00000000  00 7f 61                                          |..a|\n2 more bytes"
        );
        assert_eq!(dump(b"", 3), "");
    }
}
