//! Which operator did something, as the management API knows them.

use columba_broker::outcome::Outcome;
use columba_speech::{Language, Param, Text, recognise};

use crate::evidence::Event;

columba_speech::catalogue! {
    /// All sentences.
    pub ALL;

    user(name) { en: "user {name}", zh: "用户 {name}" }
    token(name) { en: "token {name}", zh: "令牌 {name}" }
    socket(uid) { en: "socket, uid {uid}", zh: "套接字，uid {uid}" }
    on_socket(uid) { en: "on the admin socket, uid {uid}", zh: "通过管理套接字，uid {uid}" }
    aside_of(who) { en: " ({who})", zh: "（{who}）" }
    what_by(what, who) { en: "{what} (operator: {who})", zh: "{what}（操作者：{who}）" }
    by(who) { en: "operator: {who}", zh: "操作者：{who}" }
}

/// Whether an operator does this, so that the name beside it is that of one.
pub const fn did(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::SessionEndedByAdmin
            | Outcome::UnsubscribeByAdmin
            | Outcome::RetainedCleared
            | Outcome::ConnectBanned
            | Outcome::DisconnectAdmin
    )
}

/// The operator whom the record names beside an outcome, in words.
pub fn named(outcome: Outcome, name: &str) -> Option<Text> {
    if name.is_empty() || !did(outcome) {
        return None;
    }
    Some(match recognise(ALL, name) {
        Some(text) if text.code() == "socket" => {
            let uid = text.params().next().map(|(_, uid)| uid.clone());
            on_socket(uid.unwrap_or_else(|| "".into()))
        }
        Some(text) if matches!(text.code(), "user" | "token") => text,
        // Of another version.
        _ => user(name),
    })
}

/// The same in brackets, for a sentence that has said "an operator"; nothing if nobody is named.
pub fn aside(event: &Event) -> Param {
    named(event.outcome, &event.by).map_or_else(|| "".into(), |who| aside_of(who).into())
}

/// What was noted of an event, with the operator.
pub fn with(event: &Event, what: Param) -> Param {
    match named(event.outcome, &event.by) {
        Some(who) => what_by(what, who).into(),
        None => what,
    }
}

/// What programs find in the place of a sentence of this catalogue.
pub fn for_programs(text: &Text) -> Option<String> {
    let said = text.to_string(Language::English);
    match text.code() {
        "aside_of" => Some(said.trim_matches([' ', '(', ')']).to_owned()),
        "what_by" => Some(said),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_whole_in_both_languages() {
        assert_eq!(columba_speech::faults(ALL), [""; 0]);
    }

    #[test]
    fn operators_are_named_as_the_management_api_knows_them() {
        let outcome = Outcome::SessionEndedByAdmin;
        for (name, english, chinese) in [
            ("user ann", "user ann", "用户 ann"),
            ("token ops", "token ops", "令牌 ops"),
            (
                "socket, uid 0",
                "on the admin socket, uid 0",
                "通过管理套接字，uid 0",
            ),
        ] {
            let text = named(outcome, name).unwrap();
            assert_eq!(text.to_string(Language::English), english);
            assert_eq!(text.to_string(Language::Chinese), chinese);
        }
        assert_eq!(named(outcome, ""), None);
        // Who takes a client id over is no operator.
        assert_eq!(named(Outcome::ConnectAccepted, "user ann"), None);
    }
}
