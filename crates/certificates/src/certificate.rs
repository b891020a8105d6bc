//! A certificate, as far as it is looked at here, with the bytes that are signed and compared as they
//! came.

use rustls::CertificateError;
use rustls::pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_cert::Version;
use x509_cert::der::asn1::{AnyRef, BitStringRef, Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints, SubjectAltName};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) parsed: x509_cert::Certificate,
    /// What the signature is of.
    pub(crate) signed: &'a [u8],
    /// The names without their headers, as trust anchors have them.
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    /// The key with its header.
    key_info: &'a [u8],
    /// How it says that it is signed: inside what is signed, and outside.
    pub(crate) algorithms: [&'a [u8]; 2],
    pub(crate) signature: &'a [u8],
}

/// An element of DER: all of it, and what is in it.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    tag: Tag,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// # Errors
    /// It is no certificate.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        Self::read(der).ok_or(CertificateError::BadEncoding)
    }

    fn read(der: &'a [u8]) -> Option<Self> {
        let parsed = x509_cert::Certificate::from_der(der).ok()?;
        let [outer] = *elements(der)? else {
            return None;
        };
        let [body, algorithm, signature] = *elements(outer.content)? else {
            return None;
        };
        let fields = elements(body.content)?;
        // Version 1 is left out.
        let is_tagged = |field: &Element<'_>| matches!(field.tag, Tag::ContextSpecific { .. });
        let fields = match fields.split_first()? {
            (first, rest) if is_tagged(first) => rest,
            _ => &fields,
        };
        let [_serial, inner, issuer, _validity, subject, key_info, ..] = *fields else {
            return None;
        };
        Some(Self {
            parsed,
            signed: body.whole,
            issuer: issuer.content,
            subject: subject.content,
            key_info: key_info.whole,
            algorithms: [inner.content, algorithm.content],
            signature: BitStringRef::from_der(signature.whole).ok()?.as_bytes()?,
        })
    }

    /// The version that people count from 1.
    pub(crate) fn version(&self) -> u8 {
        match self.parsed.tbs_certificate().version() {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }

    /// Whether it may sign others.
    pub(crate) fn is_authority(&self) -> bool {
        let constraints = self
            .parsed
            .tbs_certificate()
            .get_extension::<BasicConstraints>();
        matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
    }

    /// Whether it is one that rustls refuses for its form.
    pub(crate) fn has_old_form(&self) -> bool {
        self.version() < 3 || self.is_authority()
    }

    pub(crate) fn has_name_constraints(&self) -> bool {
        let found = self
            .parsed
            .tbs_certificate()
            .get_extension::<NameConstraints>();
        !matches!(found, Ok(None))
    }

    /// Whether it names hosts where they belong.
    pub(crate) fn has_dns_names(&self) -> bool {
        match self
            .parsed
            .tbs_certificate()
            .get_extension::<SubjectAltName>()
        {
            Ok(None) => false,
            Ok(Some((_, SubjectAltName(names)))) => names
                .iter()
                .any(|name| matches!(name, GeneralName::DnsName(_))),
            // What cannot be read may be one.
            Err(_) => true,
        }
    }

    /// The common name, if there is just one.
    pub(crate) fn common_name(&self) -> Option<String> {
        let subject = self.parsed.tbs_certificate().subject();
        let mut names = subject.iter().filter(|name| name.oid == COMMON_NAME);
        let (name, None) = (names.next()?, names.next()) else {
            return None;
        };
        let value = name.value.to_ref();
        let text = match value.tag() {
            Tag::Utf8String => value
                .decode_as::<Utf8StringRef<'_>>()
                .ok()?
                .as_str()
                .to_owned(),
            Tag::PrintableString => {
                let text = value.decode_as::<PrintableStringRef<'_>>().ok()?;
                text.as_str().to_owned()
            }
            Tag::Ia5String => value
                .decode_as::<Ia5StringRef<'_>>()
                .ok()?
                .as_str()
                .to_owned(),
            _ => return None,
        };
        (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
    }

    pub(crate) fn key(&self) -> SubjectPublicKeyInfoDer<'a> {
        SubjectPublicKeyInfoDer::from(self.key_info)
    }

    /// The key without its header, as trust anchors have it.
    pub(crate) fn key_content(&self) -> &'a [u8] {
        AnyRef::from_der(self.key_info).map_or(&[], AnyRef::value)
    }

    /// # Errors
    /// Its time has not come, or has passed.
    pub(crate) fn check_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        let validity = self.parsed.tbs_certificate().validity();
        let at = |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
        let (not_before, not_after) = (at(validity.not_before), at(validity.not_after));
        if now < not_before {
            let time = now;
            return Err(CertificateError::NotValidYetContext { time, not_before });
        }
        if now > not_after {
            let time = now;
            return Err(CertificateError::ExpiredContext { time, not_after });
        }
        Ok(())
    }
}

/// The parts of a public key: how it is used, and the key.
pub(crate) fn key_parts(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let [algorithm, key] = *elements(content)? else {
        return None;
    };
    let key = BitStringRef::from_der(key.whole).ok()?.as_bytes()?;
    Some((algorithm.content, key))
}

fn elements(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        let start = usize::try_from(reader.position()).ok()?;
        let any = AnyRef::decode(&mut reader).ok()?;
        let end = usize::try_from(reader.position()).ok()?;
        elements.push(Element {
            tag: any.tag(),
            whole: bytes.get(start..end)?,
            content: any.value(),
        });
    }
    Some(elements)
}
