//! Whether output has colours: `--color`, `NO_COLOR`, `CLICOLOR_FORCE`, and whether a person sees it.

use clap::ValueEnum;

use crate::screen::is_dumb;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is dumb; everywhere with `CLICOLOR_FORCE`
    #[default]
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Whether output that a terminal shows, or does not, has colours.
    pub(crate) fn is_wanted(self, is_terminal: bool) -> bool {
        self.decide(is_terminal, |name| std::env::var_os(name))
    }

    fn decide(
        self,
        is_terminal: bool,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> bool {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR").is_some() => false,
            Self::Auto => {
                is_terminal && !is_dumb(&variable)
                    || set("CLICOLOR_FORCE").is_some_and(|value| value != "0")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_goes_before_the_variables() {
        let check = |colour: Colour, is_terminal, variables: &[(&str, &str)], expected| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).into())
            };
            let decided = colour.decide(is_terminal, variable);
            assert_eq!(decided, expected, "{colour:?} {variables:?}");
        };
        check(Colour::Auto, true, &[], true);
        check(Colour::Auto, false, &[], false);
        check(Colour::Auto, true, &[("NO_COLOR", "1")], false);
        check(Colour::Auto, true, &[("NO_COLOR", "")], true);
        check(Colour::Auto, false, &[("CLICOLOR_FORCE", "1")], true);
        check(Colour::Auto, false, &[("CLICOLOR_FORCE", "0")], false);
        check(Colour::Auto, true, &[("TERM", "dumb")], false);
        check(Colour::Auto, true, &[("TERM", "xterm")], true);
        check(Colour::Always, true, &[("TERM", "dumb")], true);
        let both = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        check(Colour::Auto, true, &both, false);
        check(Colour::Always, false, &both, true);
        check(Colour::Never, true, &[("CLICOLOR_FORCE", "1")], false);
    }
}
