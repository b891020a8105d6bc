//! Numbers of JSON as cJSON writes them: `1.0` becomes `1`, `1e3` becomes `1000`.

use std::borrow::Cow;

/// Digits that a floating point number always keeps: with more, cJSON writes another number than was sent.
const DIGITS_MAX: usize = 15;
/// The decimal exponents in which that holds.
const EXPONENT_MAX: i64 = 300;

/// A valid number of JSON. One of which cJSON would lose digits, such as a count of nanoseconds, stays as it
/// came, and so does a whole number that it would write with an exponent.
pub(super) fn number(token: &str) -> Cow<'_, str> {
    let is_whole = token
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit());
    match Decimal::read(token) {
        Some(decimal) if !is_whole => Cow::Owned(decimal.text()),
        _ => Cow::Borrowed(token),
    }
}

/// A number by its digits.
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// Of the first digit.
    exponent: i64,
}

impl Decimal {
    fn read(token: &str) -> Option<Self> {
        let (is_negative, token) = match token.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, token),
        };
        let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let exponent: i64 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        let exponent = match digits.is_empty() {
            true => 0,
            false => exponent.checked_add(whole.len() as i64 - 1 - leading as i64)?,
        };
        (digits.len() <= DIGITS_MAX && exponent.abs() <= EXPONENT_MAX).then_some(Self {
            is_negative,
            digits,
            exponent,
        })
    }

    /// As `%.15g` of C.
    fn text(&self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let (first, others) = self.digits.split_at_checked(1).unwrap_or(("0", ""));
        let point = if others.is_empty() { "" } else { "." };
        let places = self.exponent.unsigned_abs() as usize;
        match self.exponent {
            -4..0 => format!("{sign}0.{}{}", "0".repeat(places - 1), self.digits),
            0..15 if others.len() <= places => {
                format!("{sign}{first}{others}{}", "0".repeat(places - others.len()))
            }
            0..15 => {
                let (whole, fraction) = others.split_at_checked(places).unwrap_or((others, ""));
                format!("{sign}{first}{whole}.{fraction}")
            }
            exponent => {
                let way = if exponent < 0 { '-' } else { '+' };
                format!("{sign}{first}{point}{others}e{way}{places:02}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_cjson_writes_it() {
        // Compared with mosquitto_sub 2.0.11.
        for (token, expected) in [
            ("1.0", "1"),
            ("21.50", "21.5"),
            ("1e3", "1000"),
            ("1.25E+2", "125"),
            ("0.1", "0.1"),
            ("10.01", "10.01"),
            ("0.0", "0"),
            ("-0.0", "-0"),
            ("-12.5e1", "-125"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
            ("0.00001234", "1.234e-05"),
            ("1e14", "100000000000000"),
            ("1e15", "1e+15"),
            ("1.5e120", "1.5e+120"),
            ("-7", "-7"),
            ("1795906054", "1795906054"),
        ] {
            assert_eq!(number(token), expected, "{token}");
        }
    }

    #[test]
    fn a_number_that_would_become_another_stays() {
        for token in [
            "12345678901234567890",
            "1790000000000000000",
            "1000000000000000",
            "3.14159265358979323846",
            "1E400",
            "1e-320",
            "1e99999999999999999999",
        ] {
            assert_eq!(number(token), token);
        }
    }
}
