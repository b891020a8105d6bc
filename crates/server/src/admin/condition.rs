//! Conditions of changes: `If-Match`, `If-None-Match`, and `dry_run`.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;

/// What changes that can be tried take.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRun {
    /// Whether the change is only checked.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// What has to be there for a change of a file to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Anything.
    None,
    /// Nothing.
    Absent,
    /// Something.
    Present,
    /// Something with one of these tags.
    Tagged(Vec<String>),
}

impl Condition {
    /// What the headers say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name: HeaderName| {
            let values = headers.get_all(&name).iter();
            let texts: Result<Vec<_>, _> = values.map(|value| value.to_str()).collect();
            let texts = texts
                .map_err(|_| Problem::invalid(format!("{name} has characters that no tag has")))?;
            Ok::<_, Problem>((!texts.is_empty()).then(|| texts.join(",")))
        };
        match (text(IF_MATCH)?, text(IF_NONE_MATCH)?) {
            (None, None) => Ok(Self::None),
            (Some(tags), None) if tags.trim() == "*" => Ok(Self::Present),
            (Some(tags), None) => {
                let tags = tags.split(',').map(|tag| tag.trim().to_owned());
                Ok(Self::Tagged(tags.collect()))
            }
            (None, Some(tags)) if tags.trim() == "*" => Ok(Self::Absent),
            (_, Some(_)) => Err(Problem::invalid(
                "If-None-Match can be `*` here, and not together with If-Match",
            )),
        }
    }

    /// Refuses a change if it does not hold for what is there, which has this tag.
    pub(super) fn check(&self, current: Option<&str>) -> Result<(), Problem> {
        let holds = match self {
            Self::None => true,
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Tagged(tags) => current.is_some_and(|tag| tags.iter().any(|known| known == tag)),
        };
        if holds {
            return Ok(());
        }
        Err(Problem::changed(match self {
            Self::Absent => "it is there already",
            Self::None | Self::Present => "it is not there",
            Self::Tagged(_) => "it is not as it was read: read it again for its ETag",
        }))
    }

    /// Refuses a change of something that is known by its place alone, unless it says what it was read
    /// as.
    pub(super) fn is_needed(&self) -> Result<(), Problem> {
        match self {
            Self::Tagged(_) => Ok(()),
            Self::None | Self::Absent | Self::Present => Err(Problem::unconditional(
                "numbers of rules change: send the ETag of the rules as If-Match",
            )),
        }
    }
}

/// The tag of a text: the start of its SHA-256.
pub(super) fn tag_of(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn conditions_are_what_the_headers_say() {
        let of = |headers: &[(HeaderName, &str)]| {
            let pairs = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().unwrap()));
            Condition::of(&pairs.collect()).ok()
        };
        let tagged = |tags: &[&str]| {
            Some(Condition::Tagged(
                tags.iter().map(ToString::to_string).collect(),
            ))
        };
        assert_eq!(of(&[]), Some(Condition::None));
        assert_eq!(of(&[(IF_MATCH, "*")]), Some(Condition::Present));
        assert_eq!(of(&[(IF_NONE_MATCH, "*")]), Some(Condition::Absent));
        assert_eq!(
            of(&[(IF_MATCH, "\"a\", \"b\"")]),
            tagged(&["\"a\"", "\"b\""])
        );
        assert_eq!(of(&[(IF_NONE_MATCH, "\"a\"")]), None);
        assert_eq!(of(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")]), None);
        // A condition that cannot be read is none that holds.
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_bytes(b"\"\xE9\"").unwrap());
        assert!(Condition::of(&headers).is_err());
        let (one, other) = (tag_of("one"), tag_of("other"));
        let condition = Condition::Tagged(vec![one.clone()]);
        assert!(condition.check(Some(&one)).is_ok() && condition.check(Some(&other)).is_err());
        assert!(condition.check(None).is_err());
        assert!(
            Condition::Absent.check(None).is_ok() && Condition::Absent.check(Some(&one)).is_err()
        );
        assert!(Condition::Present.check(None).is_err());
    }
}
