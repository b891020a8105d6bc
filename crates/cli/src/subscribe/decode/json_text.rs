//! The JSON that a decoded payload is shown as.
//!
//! What JSON has no form for becomes an object with one member whose name begins with `$`:
//! `{"$bytes":"AAE="}` (Base64), `{"$tag":1,"$value":..}`. `NaN` and the infinities are text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bytes::Undecodable;
use crate::words::decoding;

/// More is not shown as JSON: a few bytes of payload may stand for many of text.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Values inside values inside values.
const DEPTH_MAX: usize = 64;

/// JSON text while it is written.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    text: String,
    depth: usize,
    /// Whether the next value is the first of its array or object, or has its name already.
    needs_no_comma: bool,
    /// Whether a text or a name has characters that people do not write.
    is_odd: bool,
}

impl JsonText {
    pub(super) fn new() -> Self {
        Self {
            needs_no_comma: true,
            ..Self::default()
        }
    }

    /// The JSON, and whether all texts in it are such as people write.
    pub(super) fn finish(self) -> (String, bool) {
        (self.text, !self.is_odd)
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.needs_no_comma, false) {
            self.text.push(',');
        }
    }

    /// Opens an array or an object that was read there.
    pub(super) fn open(&mut self, bracket: char, at: usize) -> Result<(), Undecodable> {
        self.comma();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let why = decoding::too_deep(DEPTH_MAX);
            return Err(Undecodable::new(at, why));
        }
        self.text.push(bracket);
        self.needs_no_comma = true;
        self.fits(at)
    }

    pub(super) fn close(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        self.text.push(bracket);
        self.needs_no_comma = false;
    }

    pub(super) fn name(&mut self, name: &str) {
        self.comma();
        self.quote(name);
        self.text.push(':');
        self.needs_no_comma = true;
    }

    /// A number, `true`, `false` or `null` that was read there.
    pub(super) fn plain(
        &mut self,
        value: impl std::fmt::Display,
        at: usize,
    ) -> Result<(), Undecodable> {
        self.comma();
        self.text.push_str(&value.to_string());
        self.fits(at)
    }

    pub(super) fn string(&mut self, value: &str, at: usize) -> Result<(), Undecodable> {
        self.comma();
        self.quote(value);
        self.fits(at)
    }

    /// In the fewest digits that give the same number.
    pub(super) fn float(&mut self, value: f64, at: usize) -> Result<(), Undecodable> {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.plain(number, at),
            None => self.string(&value.to_string(), at),
        }
    }

    /// The same for a number of 4 bytes, which needs fewer digits.
    pub(super) fn float32(&mut self, value: f32, at: usize) -> Result<(), Undecodable> {
        // Through its own decimal form: as an f64 0.1 would have become 0.10000000149011612.
        self.float(
            value
                .to_string()
                .parse()
                .unwrap_or_else(|_| f64::from(value)),
            at,
        )
    }

    pub(super) fn bytes(&mut self, bytes: &[u8], at: usize) -> Result<(), Undecodable> {
        self.open('{', at)?;
        self.name("$bytes");
        self.string(&STANDARD.encode(bytes), at)?;
        self.close('}');
        Ok(())
    }

    fn quote(&mut self, value: &str) {
        let is_odd = |character: char| character.is_control() && !"\t\r\n".contains(character);
        self.is_odd |= value.chars().any(is_odd);
        self.text
            .push_str(&serde_json::Value::from(value).to_string());
    }

    fn fits(&self, at: usize) -> Result<(), Undecodable> {
        if self.text.len() <= TEXT_BYTES_MAX {
            return Ok(());
        }
        let why = decoding::shown_too_large(TEXT_BYTES_MAX >> 20);
        Err(Undecodable::new(at, why))
    }
}
