//! The trace of a run: always a hash, and the text of it if somebody wants to read.

use std::fmt::{Arguments, Write};

/// Everything that happened, in order.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    is_printed: bool,
    text: String,
}

impl Trace {
    pub(crate) const fn new(is_printed: bool) -> Self {
        // The offset basis of FNV-1a.
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            is_printed,
            text: String::new(),
        }
    }

    /// Whether somebody reads it.
    pub(crate) const fn is_printed(&self) -> bool {
        self.is_printed
    }

    /// The hash of everything so far.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Adds bytes to the hash.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    /// Adds a line to the hash and, if printed, to standard error.
    pub(crate) fn line(&mut self, at_ms: u64, line: Arguments<'_>) {
        self.text.clear();
        // Writing to a string does not fail.
        let _ = write!(self.text, "{at_ms:>8} {line}");
        let text = std::mem::take(&mut self.text);
        self.bytes(text.as_bytes());
        if self.is_printed {
            eprintln!("{text}");
        }
        self.text = text;
    }

    /// Adds a line that is for reading only.
    pub(crate) fn note(&self, at_ms: u64, line: Arguments<'_>) {
        if self.is_printed {
            eprintln!("{at_ms:>8}   {line}");
        }
    }
}
