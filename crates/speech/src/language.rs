//! Which language to speak.

/// A language that every catalogue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

/// The environment variables that choose a language, the first one that is set wins.
pub const VARIABLES: [&str; 3] = ["COLUMBA_LANG", "LC_ALL", "LANG"];

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language of a tag or locale: `zh`, `zh-CN`, `zh_CN.UTF-8`, `en`, `en_GB`.
    ///
    /// `None` for languages that no catalogue has, `C` and `POSIX` among them.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let end = tag.find(['_', '-', '.', '@']).unwrap_or(tag.len());
        match tag.get(..end)?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// The language that the environment asks for, English if it asks for none that there is.
    /// `lookup` reads one of [`VARIABLES`]; an empty value counts as unset, as POSIX has it.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        VARIABLES
            .iter()
            .filter_map(|name| lookup(name))
            .find(|value| !value.is_empty())
            .and_then(|value| Self::from_tag(&value))
            .unwrap_or_default()
    }

    /// Its tag: `en`, `zh`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_locales_name_a_language() {
        for (tag, language) in [
            ("en", Some(Language::English)),
            ("en_GB.UTF-8", Some(Language::English)),
            ("ZH", Some(Language::Chinese)),
            ("zh-CN", Some(Language::Chinese)),
            ("zh_CN.UTF-8", Some(Language::Chinese)),
            ("zha", None),
            ("C.UTF-8", None),
            ("", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let choose = |set: &[(&str, &str)]| {
            Language::from_environment(|name| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(choose(&[]), Language::English);
        assert_eq!(choose(&[("LANG", "zh_CN.UTF-8")]), Language::Chinese);
        assert_eq!(
            choose(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]),
            Language::English
        );
        assert_eq!(
            choose(&[("LANG", "en_US"), ("LC_ALL", ""), ("COLUMBA_LANG", "zh")]),
            Language::Chinese
        );
    }
}
