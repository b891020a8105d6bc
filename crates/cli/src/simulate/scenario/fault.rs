//! What is wrong with a scenario, with its place, in the language of whoever reads.

use columba_server::config::fault::{Fault as Shown, Place};
use columba_speech::{Language, Param};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulate) struct Fault {
    pub(super) place: Place,
    pub(super) what: Param,
    pub(super) fix: Option<Param>,
}

impl Fault {
    /// Its lines, with the place in the file.
    pub(in crate::simulate) fn shown(&self, language: Language) -> String {
        let mut shown = Shown::error(self.place.clone(), self.what.to_string(language));
        if let Some(fix) = &self.fix {
            shown = shown.fix(fix.to_string(language));
        }
        let lines = shown.to_string();
        match (language, lines.strip_prefix("error: ")) {
            (Language::Chinese, Some(rest)) => format!("错误：{rest}"),
            _ => lines,
        }
    }
}
