//! What certificates say: a client's of who it is, the common name of its subject, and the
//! broker's own of when it ends.
//!
//! Only certificates that the TLS library has verified or taken come here, so this walk need not
//! judge them; it must only survive them.

/// The subject's common name, if the certificate (DER) has one that is text.
pub(super) fn common_name(certificate: &[u8]) -> Option<&str> {
    let (_, rest) = element(from_validity(certificate)?, SEQUENCE)?;
    let (mut names, _) = element(rest, SEQUENCE)?;
    let mut found = None;
    while let Some((mut set, rest)) = element(names, SET) {
        names = rest;
        while let Some((attribute, rest)) = element(set, SEQUENCE) {
            set = rest;
            let (kind, value) = element(attribute, OBJECT_ID)?;
            if kind == COMMON_NAME {
                // With several, the last is the most specific one (RFC 4514 writes it first).
                found = text(value);
            }
        }
    }
    found.filter(|name| !name.is_empty())
}

/// When a certificate (DER) ends, in seconds since 1970.
pub(super) fn not_after_secs(certificate: &[u8]) -> Option<i64> {
    let (validity, _) = element(from_validity(certificate)?, SEQUENCE)?;
    let not_before = *validity.first()?;
    let (_, not_after) = element(validity, not_before)?;
    match *not_after.first()? {
        // RFC 5280, 4.1.2.5.1: two digits of a year from 1950 to 2049.
        UTC_TIME => {
            let (digits, _) = element(not_after, UTC_TIME)?;
            let century = if digits.first()? < &b'5' { "20" } else { "19" };
            seconds_of(&[century.as_bytes(), digits].concat())
        }
        GENERALIZED_TIME => seconds_of(element(not_after, GENERALIZED_TIME)?.0),
        _ => None,
    }
}

/// What follows the issuer: validity, subject and more.
fn from_validity(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (to_be_signed, _) = element(certificate, SEQUENCE)?;
    // Version, which version 1 leaves out; then serial number, algorithm and issuer.
    let rest = match element(to_be_signed, CONTEXT_0) {
        Some((_, rest)) => rest,
        None => to_be_signed,
    };
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    Some(rest)
}

/// A time such as `20491231235959Z`, in seconds since 1970.
fn seconds_of(text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    let is_time = digits.len() == 14 && digits.iter().all(u8::is_ascii_digit);
    let number = |range| -> Option<i64> {
        let digits = std::str::from_utf8(digits.get(range)?).ok()?;
        digits.parse().ok()
    };
    if !is_time {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(8..10)?, number(10..12)?, number(12..14)?);
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 1;
    Some((days - DAYS_TO_1970) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// From the first of March of the year 0 to the first of January 1970.
const DAYS_TO_1970: i64 = 719_468;

fn text(value: &[u8]) -> Option<&str> {
    let tag = *value.first()?;
    if ![UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) {
        return None;
    }
    let (bytes, _) = element(value, tag)?;
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
}

/// The content of the element at the front if it has the tag, and what comes after it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&short, mut rest) = rest.split_first()?;
    let mut len = usize::from(short);
    if short & 0x80 != 0 {
        let digits = usize::from(short & 0x7F);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (length, after) = rest.split_at_checked(digits)?;
        len = length
            .iter()
            .fold(0, |len, &digit| len << 8 | usize::from(digit));
        rest = after;
    }
    rest.split_at_checked(len)
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const CONTEXT_0: u8 = 0xA0;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .to_vec()
    }

    #[test]
    fn finds_the_common_name_among_others() {
        let names = [
            (DnType::OrganizationName, "Works"),
            (DnType::CommonName, "pump-17"),
            (DnType::CountryName, "DE"),
        ];
        assert_eq!(common_name(&certificate(&names)), Some("pump-17"));
        assert_eq!(common_name(&certificate(&names[..1])), None);
    }

    #[test]
    fn finds_when_a_certificate_ends_in_either_form_of_a_time() {
        // `date -u -d ... +%s`; years from 2050 on are written with four digits.
        let ends = [
            ((2049, 12, 31), 2_524_521_600),
            ((2050, 1, 1), 2_524_608_000),
            ((2028, 2, 29), 1_835_395_200),
            ((2100, 3, 1), 4_107_542_400),
            ((1999, 3, 1), 920_246_400),
        ];
        for ((year, month, day), secs) in ends {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let signed = params.self_signed(&KeyPair::generate().unwrap());
            assert_eq!(not_after_secs(signed.unwrap().der()), Some(secs), "{year}");
        }
        assert_eq!(seconds_of(b"20300101000000+0100"), None);
        assert_eq!(seconds_of(b"2030010100000Z"), None);
    }

    #[test]
    fn survives_a_certificate_cut_anywhere() {
        let whole = certificate(&[(DnType::CommonName, "pump-17")]);
        for len in 0..whole.len() {
            // Cut certificates never verify; what is asked here is that nothing panics.
            assert_eq!(common_name(&whole[..len]), None);
            not_after_secs(&whole[..len]);
        }
    }
}
