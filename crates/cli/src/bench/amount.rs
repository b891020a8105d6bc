//! Numbers, sizes and times as people write them: `10k`, `64KiB`, `1.5s`.

use std::time::Duration;

use columba_bench::Amount;

use crate::words::{Said, value};

/// A whole number, with `k` or `M`, and `_` between digits.
pub(super) fn parse_number(text: &str) -> Result<u64, Said> {
    let number = parse_fraction(text)?;
    if number.fract() != 0.0 || number > 1e15 {
        return Err(value::whole_number().into());
    }
    Ok(number as u64)
}

/// A number, with `k` or `M`, and `_` between digits.
pub(super) fn parse_fraction(text: &str) -> Result<f64, Said> {
    let (digits, unit) = split(text);
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        _ => return Err(value::number().into()),
    };
    let number: Result<f64, _> = digits.replace('_', "").parse();
    let number = number.map_err(|_| value::number())?;
    Ok(number * factor)
}

/// A number of bytes.
pub(super) fn parse_size(text: &str) -> Result<usize, Said> {
    let (digits, unit) = split(text);
    let factor = match unit {
        "" | "B" => 1,
        "k" | "kB" => 1000,
        "K" | "KiB" => 1024,
        "M" | "MB" => 1_000_000,
        "MiB" => 1024 * 1024,
        _ => return Err(value::bytes().into()),
    };
    let number: Result<usize, _> = digits.replace('_', "").parse();
    let number = number.ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| value::bytes().into())
}

/// A time; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, Said> {
    let fault = || Said::from(value::bench_time());
    let (digits, unit) = split(text);
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(fault()),
    };
    let number: f64 = digits.parse().map_err(|_| fault())?;
    let time = Duration::try_from_secs_f64(number * factor).map_err(|_| fault())?;
    if time > Duration::from_secs(366 * 86_400) {
        return Err(value::bench_year().into());
    }
    Ok(time)
}

/// A time with its unit, or a bare number of messages.
pub(super) fn parse_time_or_number(text: &str) -> Result<Amount, Said> {
    if let Ok(messages) = parse_number(text)
        && !text.ends_with('m')
    {
        return Ok(Amount::Messages(messages));
    }
    let time = parse_duration(text);
    time.map(Amount::Time)
        .map_err(|_| value::time_or_messages().into())
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_'))
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_units_and_grouping() {
        assert_eq!(parse_number("5000"), Ok(5000));
        assert_eq!(parse_number("1.5k"), Ok(1500));
        assert_eq!(parse_number("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_number("2M"), Ok(2_000_000));
        for wrong in ["", "k", "1.5", "-1", "1x", "1e3"] {
            assert!(parse_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_tell_decimal_from_binary() {
        assert_eq!(parse_size("64"), Ok(64));
        assert_eq!(parse_size("1kB"), Ok(1000));
        assert_eq!(parse_size("1KiB"), Ok(1024));
        assert!(parse_size("1.5").is_err());
        assert!(parse_size("99999999999999999999MB").is_err());
    }

    #[test]
    fn a_bare_number_is_seconds_or_messages_by_option() {
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("999999999h").is_err());
        let number = parse_time_or_number("10k");
        assert_eq!(number, Ok(Amount::Messages(10_000)));
        let time = parse_time_or_number("2m");
        assert_eq!(time, Ok(Amount::Time(Duration::from_secs(120))));
        assert!(parse_time_or_number("x").is_err());
    }
}
