//! Reading a payload from its start to its end, and saying where it went wrong.

use columba_speech::Text;

use crate::words::decoding;

/// Why bytes are not what they were read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undecodable {
    /// The first byte that does not fit, counted from 0.
    pub(super) at: usize,
    pub(super) why: Text,
}

impl Undecodable {
    pub(super) fn new(at: usize, why: Text) -> Self {
        Self { at, why }
    }
}

/// What is left of a payload.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where the rest begins in the payload.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self::inside(payload, 0)
    }

    /// A part of a payload that begins there.
    pub(super) fn inside(part: &'a [u8], at: usize) -> Self {
        Self { rest: part, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte, which stays where it is.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next bytes. A length that a payload claims is no reason to allocate: they are borrowed.
    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], Undecodable> {
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((taken, rest)) = split else {
            let missing = len - self.rest.len() as u64;
            let why = decoding::too_early(missing);
            return Err(Undecodable::new(self.at + self.rest.len(), why));
        };
        self.at += taken.len();
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let taken = self.take(N as u64)?;
        taken
            .try_into()
            .map_err(|_| Undecodable::new(self.at, decoding::too_early(N as u64)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Undecodable> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next bytes as text.
    pub(super) fn text(&mut self, len: u64) -> Result<&'a str, Undecodable> {
        let start = self.at;
        let taken = self.take(len)?;
        std::str::from_utf8(taken)
            .map_err(|error| Undecodable::new(start + error.valid_up_to(), decoding::no_utf_8()))
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Undecodable> {
        if self.is_at_end() {
            return Ok(());
        }
        let why = decoding::more_behind(self.rest.len());
        Err(Undecodable::new(self.at, why))
    }
}
