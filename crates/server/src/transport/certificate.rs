//! The identity in a client certificate: the common name of its subject.
//!
//! Only certificates that the TLS library has verified come here, so this walk need not judge
//! them; it must only survive them.

/// The subject's common name, if the certificate (DER) has one that is text.
pub(super) fn common_name(certificate: &[u8]) -> Option<&str> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (to_be_signed, _) = element(certificate, SEQUENCE)?;
    // Version, which version 1 leaves out; then serial number, algorithm, issuer and validity.
    let rest = match element(to_be_signed, CONTEXT_0) {
        Some((_, rest)) => rest,
        None => to_be_signed,
    };
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
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
    fn survives_a_certificate_cut_anywhere() {
        let whole = certificate(&[(DnType::CommonName, "pump-17")]);
        for len in 0..whole.len() {
            // Cut certificates never verify; what is asked here is that nothing panics.
            assert_eq!(common_name(&whole[..len]), None);
        }
    }
}
