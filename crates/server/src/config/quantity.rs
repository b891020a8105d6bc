//! Durations and sizes as people write them: `10s`, `1h30m`, `16MiB`.

const DURATION_UNITS: &[(&str, u64)] = &[
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a duration in milliseconds: numbers with the units w, d, h, m, s and ms.
///
/// # Errors
/// What to write instead.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let example = || "write a number and a unit: 500ms, 10s, 5m, 2h, 7d, 1h30m".to_owned();
    sum(text, DURATION_UNITS).ok_or_else(example)
}

/// Reads a size in bytes: a number and one of the units B, KiB, MiB, GiB, kB, MB and GB.
///
/// # Errors
/// What to write instead.
pub fn parse_size_bytes(text: &str) -> Result<u64, String> {
    let example = || "write a number and a unit: 64KiB, 16MiB, 1GiB (or kB, MB, GB, B)".to_owned();
    sum(text, SIZE_UNITS).ok_or_else(example)
}

/// The shortest text for a duration.
pub fn show_duration_ms(ms: u64) -> String {
    show(ms, DURATION_UNITS, "0s")
}

/// The shortest text for a size that is exact.
pub fn show_size_bytes(bytes: u64) -> String {
    show(bytes, SIZE_UNITS, "0B")
}

fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let unit_len = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_len)?;
        let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*scale)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

fn show(amount: u64, units: &[(&str, u64)], zero: &str) -> String {
    if amount == 0 {
        return zero.to_owned();
    }
    let exact = units
        .iter()
        .find(|(_, scale)| amount.is_multiple_of(*scale));
    exact.map_or_else(
        || amount.to_string(),
        |(name, scale)| format!("{}{name}", amount / scale),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let check = |text, ms| assert_eq!(parse_duration_ms(text).ok(), ms, "{text:?}");
        check("10s", Some(10_000));
        check("500ms", Some(500));
        check("1h30m", Some(5_400_000));
        check("7d", Some(604_800_000));
        check(" 2 h ", Some(7_200_000));
        for bad in [
            "",
            "10",
            "s",
            "10x",
            "-1s",
            "1.5h",
            "10s5",
            "99999999999999999999s",
        ] {
            check(bad, None);
        }
        check("18446744073709551615w", None);
    }

    #[test]
    fn sizes_are_read() {
        let check = |text, bytes| assert_eq!(parse_size_bytes(text).ok(), bytes, "{text:?}");
        check("16MiB", Some(16 << 20));
        check("1GB", Some(1_000_000_000));
        check("12 B", Some(12));
        for bad in ["16", "16mb", "16M", "MiB"] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for ms in [0, 1, 1_500, 10_000, 90_000, 604_800_000] {
            assert_eq!(parse_duration_ms(&show_duration_ms(ms)), Ok(ms));
        }
        for bytes in [0, 1, 1_000, 1 << 20, 123_456] {
            assert_eq!(parse_size_bytes(&show_size_bytes(bytes)), Ok(bytes));
        }
        assert_eq!(show_duration_ms(604_800_000), "1w");
        assert_eq!(show_size_bytes(16 << 20), "16MiB");
    }
}
