//! Time in `-F`: the fields of strftime in the C locale, which is the one that Mosquitto's clients have, and
//! this machine's time zone.

use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Letters that mean the same in every locale.
const PLAIN: &str = "ABCDFGHIMPRSTUVWYZabdeghjklmnpstuwyz";

/// When summer time begins and ends where `TZ` names one and does not say: the C library's rule.
const USUAL_RULE: &str = ",M3.2.0,M11.1.0";

/// The time in this machine's time zone.
pub(in crate::subscribe) fn now() -> ZonedDateTime {
    static OF_VARIABLE: OnceLock<TimeZone> = OnceLock::new();
    let zone = TimeZone::try_system().unwrap_or_else(|_| {
        let zone = OF_VARIABLE.get_or_init(|| of_variable(std::env::var("TZ").ok().as_deref()));
        zone.clone()
    });
    Timestamp::now().to_zoned_datetime(zone)
}

/// What a `TZ` means that no data base has.
fn of_variable(variable: Option<&str>) -> TimeZone {
    let zone = variable.and_then(|text| TimeZone::posix(&format!("{text}{USUAL_RULE}")).ok());
    zone.unwrap_or(TimeZone::UTC)
}

/// `@` and a letter. One that strftime does not know stays as it is, as with Mosquitto: behind a `%`.
pub(super) fn show(letter: char, time: &ZonedDateTime) -> String {
    let format = match letter {
        'c' => "%a %b %e %H:%M:%S %Y".to_owned(),
        'r' => "%I:%M:%S %p".to_owned(),
        'X' => "%H:%M:%S".to_owned(),
        'x' => "%m/%d/%y".to_owned(),
        'N' => "%9N".to_owned(),
        letter if PLAIN.contains(letter) => format!("%{letter}"),
        other => return format!("%{other}"),
    };
    time.strftime(&format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_strftime_in_the_c_locale() {
        // As strftime of glibc 2.36 shows these times.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let check = |second: i64, expected: &[(char, &str)]| {
            let timestamp = Timestamp::new(second, 7).expect("a time");
            let time = timestamp.to_zoned_datetime(zone.clone());
            for (letter, expected) in expected {
                assert_eq!(show(*letter, &time), *expected, "@{letter}");
            }
        };
        check(
            1_767_398_403,
            &[
                ('c', "Sat Jan  3 01:00:03 2026"),
                ('x', "01/03/26"),
                ('X', "01:00:03"),
                ('r', "01:00:03 AM"),
                ('p', "AM"),
                ('P', "am"),
                ('e', " 3"),
                ('k', " 1"),
                ('l', " 1"),
                ('I', "01"),
                ('C', "20"),
                ('G', "2026"),
                ('g', "26"),
                ('V', "01"),
                ('U', "00"),
                ('W', "00"),
                ('u', "6"),
                ('w', "6"),
                ('j', "003"),
                ('h', "Jan"),
                ('D', "01/03/26"),
                ('R', "01:00"),
                ('s', "1767398403"),
                ('N', "000000007"),
                ('n', "\n"),
                ('t', "\t"),
                ('z', "+0100"),
                ('Z', "CET"),
            ],
        );
        check(
            1_783_854_000,
            &[
                ('c', "Sun Jul 12 13:00:00 2026"),
                ('r', "01:00:00 PM"),
                ('w', "0"),
                ('z', "+0200"),
                ('Z', "CEST"),
            ],
        );
    }

    #[test]
    fn what_is_no_field_stays() {
        let time = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        for letter in "EJKLOQfioqv+-_:~.7é".chars() {
            assert_eq!(show(letter, &time), format!("%{letter}"));
        }
    }

    #[test]
    fn summer_time_without_a_rule_has_the_usual_one() {
        let zone = of_variable(Some("CET-1CEST"));
        let at = |second| Timestamp::from_second(second).expect("a time");
        let shown = |second| show('Z', &at(second).to_zoned_datetime(zone.clone()));
        assert_eq!(shown(1_767_398_403), "CET");
        assert_eq!(shown(1_783_854_000), "CEST");
        for nothing in [None, Some("Nowhere/Land"), Some("\u{0}")] {
            assert_eq!(of_variable(nothing), TimeZone::UTC);
        }
    }
}
