//! What a payload looks like, for people whose program does not understand it.

/// Bytes of a payload that are looked at.
const LOOKED_AT_BYTES_MAX: usize = 4096;

/// What a payload looks like from outside. A guess, but for [`PayloadKind::Empty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PayloadKind {
    /// No byte.
    Empty = 1,
    /// UTF-8 that is no JSON.
    Text = 2,
    /// UTF-8 that begins and ends like a JSON object or array.
    Json = 3,
    /// UTF-8 that begins like a JSON object or array and does not end like one.
    JsonCut = 4,
    /// Text behind a byte order mark, on which many JSON parsers fail.
    ByteOrderMark = 5,
    /// Text with a NUL in it, at which programs in C stop.
    Nul = 6,
    /// No UTF-8, but plausible as GBK, the encoding of older Chinese systems.
    Gbk = 7,
    /// Compressed by gzip.
    Gzip = 8,
    /// Some other bytes.
    Binary = 9,
}

impl PayloadKind {
    const ALL: [Self; 9] = [
        Self::Empty,
        Self::Text,
        Self::Json,
        Self::JsonCut,
        Self::ByteOrderMark,
        Self::Nul,
        Self::Gbk,
        Self::Gzip,
        Self::Binary,
    ];

    /// A word for it, as in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Text => "text",
            Self::Json => "json",
            Self::JsonCut => "json_cut",
            Self::ByteOrderMark => "byte_order_mark",
            Self::Nul => "nul",
            Self::Gbk => "gbk",
            Self::Gzip => "gzip",
            Self::Binary => "binary",
        }
    }

    pub(super) fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Looks at a payload; of a long one at its beginning, and its last byte.
    pub fn of(payload: &[u8]) -> Self {
        if payload.is_empty() {
            return Self::Empty;
        }
        if payload.starts_with(&[0x1f, 0x8b]) {
            return Self::Gzip;
        }
        let is_whole = payload.len() <= LOOKED_AT_BYTES_MAX;
        let looked_at = payload.get(..LOOKED_AT_BYTES_MAX).unwrap_or(payload);
        if is_plain(looked_at) {
            return Self::of_text(payload, looked_at);
        }
        let is_text = match std::str::from_utf8(looked_at) {
            Ok(_) => true,
            // A character may be cut by where the look ends, not by the payload.
            Err(error) => !is_whole && error.error_len().is_none(),
        };
        if !is_text {
            return if is_gbk(looked_at, is_whole) {
                Self::Gbk
            } else {
                Self::Binary
            };
        }
        if payload.starts_with(b"\xef\xbb\xbf") {
            return Self::ByteOrderMark;
        }
        if looked_at.contains(&0) {
            return Self::Nul;
        }
        Self::of_text(payload, looked_at)
    }

    fn of_text(payload: &[u8], looked_at: &[u8]) -> Self {
        let ends_with = |closing: u8| match payload.trim_ascii_end().last() {
            Some(byte) => *byte == closing,
            None => false,
        };
        match looked_at.trim_ascii_start().first() {
            Some(b'{') if ends_with(b'}') => Self::Json,
            Some(b'[') if ends_with(b']') => Self::Json,
            Some(b'{' | b'[') => Self::JsonCut,
            _ => Self::Text,
        }
    }
}

/// Whether bytes are ASCII without a NUL, as most are. Looks at all of them, which the compiler does for many
/// at a time.
fn is_plain(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |is_plain, byte| is_plain & (1..0x80).contains(byte))
}

/// Whether bytes are pairs of GBK between ASCII, most of them of common Chinese characters: the second
/// byte is then above 0xA0 as well.
fn is_gbk(bytes: &[u8], is_whole: bool) -> bool {
    let (mut pairs, mut common) = (0usize, 0usize);
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first < 0x80 {
            if *first < 0x20 && !first.is_ascii_whitespace() {
                return false;
            }
            continue;
        }
        let Some((second, after)) = rest.split_first() else {
            // Cut in the middle of a pair.
            return !is_whole && pairs > 0;
        };
        rest = after;
        if !(0x81..=0xfe).contains(first) || !(0x40..=0xfe).contains(second) || *second == 0x7f {
            return false;
        }
        pairs += 1;
        common += usize::from((0xb0..=0xf7).contains(first) && *second >= 0xa1);
    }
    pairs > 0 && common * 2 > pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_told_apart() {
        let long = format!("{{\"text\": \"{}\"}}", "é".repeat(5000));
        let cases: [(&[u8], PayloadKind); 13] = [
            (b"", PayloadKind::Empty),
            (b"21.5", PayloadKind::Text),
            ("温度".as_bytes(), PayloadKind::Text),
            (b" {\"t\":21} \n", PayloadKind::Json),
            (b"[1,2]", PayloadKind::Json),
            (b"{\"t\":21", PayloadKind::JsonCut),
            (b"\xef\xbb\xbf{}", PayloadKind::ByteOrderMark),
            (b"on\0", PayloadKind::Nul),
            (b"\xce\xc2\xb6\xc8: 21", PayloadKind::Gbk),
            (b"\x1f\x8b\x08", PayloadKind::Gzip),
            (b"\xff\xfe\x00\x01", PayloadKind::Binary),
            (b"\x89PNG\r\n\x1a\n", PayloadKind::Binary),
            (long.as_bytes(), PayloadKind::Json),
        ];
        for (payload, kind) in cases {
            assert_eq!(PayloadKind::of(payload), kind, "{payload:?}");
            assert_eq!(PayloadKind::from_u8(kind as u8), Some(kind));
        }
    }
}
