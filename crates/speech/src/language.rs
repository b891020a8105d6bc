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
pub const VARIABLES: [&str; 3] = [OWN_VARIABLE, "LC_ALL", "LANG"];

/// The environment variables that name the character set of the terminal, the first one that is set wins.
pub const CHARSET_VARIABLES: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];

/// Asks Columba alone.
const OWN_VARIABLE: &str = "COLUMBA_LANG";

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
    /// `lookup` reads one of [`VARIABLES`] or [`CHARSET_VARIABLES`]; an empty value counts as unset, as
    /// POSIX has it.
    ///
    /// What is written is UTF-8. So a locale asks for Chinese only where the terminal reads that, and
    /// `COLUMBA_LANG` anywhere.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = lookup(name).filter(|value| !value.is_empty())?;
                Some((*name, value))
            })
        };
        let Some((name, value)) = first(&VARIABLES) else {
            return Self::default();
        };
        let language = Self::from_tag(&value).unwrap_or_default();
        let charset = || first(&CHARSET_VARIABLES).map(|(_, locale)| locale);
        match language {
            Self::Chinese if name == OWN_VARIABLE => language,
            Self::Chinese if !charset().is_some_and(|locale| is_utf_8(&locale)) => Self::English,
            Self::Chinese | Self::English => language,
        }
    }

    /// Its tag: `en`, `zh`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

/// Whether a locale such as `zh_CN.utf8@pinyin` has UTF-8. One that names no character set has another,
/// for Chinese that of the time before Unicode.
fn is_utf_8(locale: &str) -> bool {
    let charset = locale.split_once('.').map(|(_, charset)| charset);
    let charset = charset.and_then(|charset| charset.split('@').next());
    charset.is_some_and(|charset| {
        charset.eq_ignore_ascii_case("UTF-8") || charset.eq_ignore_ascii_case("UTF8")
    })
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

    #[test]
    fn a_locale_with_another_character_set_asks_for_no_chinese() {
        let choose = |set: &[(&str, &str)]| {
            Language::from_environment(|name| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        for (set, language) in [
            (&[("LC_ALL", "zh_CN.GBK")][..], Language::English),
            (&[("LC_ALL", "zh_CN.GB18030")], Language::English),
            (&[("LANG", "zh_CN")], Language::English),
            (&[("LANG", "zh_CN.utf8")], Language::Chinese),
            (&[("LANG", "zh_TW.UTF-8@x")], Language::Chinese),
            (
                &[("LANG", "zh_CN.UTF-8"), ("LC_CTYPE", "zh_CN.GBK")],
                Language::English,
            ),
            (
                &[("LANG", "zh_CN"), ("LC_CTYPE", "C.UTF-8")],
                Language::Chinese,
            ),
            (
                &[("COLUMBA_LANG", "zh"), ("LC_ALL", "zh_CN.GBK")],
                Language::Chinese,
            ),
            (&[("COLUMBA_LANG", "zh_CN.GBK")], Language::Chinese),
        ] {
            assert_eq!(choose(set), language, "{set:?}");
        }
    }
}
