//! User name and password: what a broker's answers tell about them.

use std::time::Duration;

use columba_client::driver::{ConnectError, ConnectOptions};
use columba_client::{Answer, CloseCause, SessionOptions};
use columba_codec::{ReasonCode, Version};
use columba_speech::Text;

use crate::line::{Line, refusal_words};
use crate::report::{Check, Finding};
use crate::text::broker as text;

/// What a CONNECT without any credentials got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    Accepted,
    Refused(ReasonCode),
    /// No answer that says anything.
    Unclear,
}

/// Asks the broker what it thinks of a client without user name and password.
pub(crate) async fn look_anonymous(options: &ConnectOptions, patience: Duration) -> Anonymous {
    let mut options = options.clone();
    options.session.client_id = crate::derived_id(&options.session.client_id, 'a');
    options.session.user_name = None;
    options.session.password = None;
    match Line::open(options, patience).await {
        Ok(line) => {
            line.leave().await;
            Anonymous::Accepted
        }
        Err(ConnectError::Mqtt(CloseCause::Refused { answer, .. })) => {
            Anonymous::Refused(answer.reason)
        }
        Err(_) => Anonymous::Unclear,
    }
}

/// What it means that a connection was accepted. `is_open_wire` says that the password can be read
/// on its way.
pub(crate) fn judge_accepted(
    session: &SessionOptions,
    anonymous: &Anonymous,
    is_open_wire: bool,
) -> Finding {
    if session.user_name.is_none() && session.password.is_none() {
        return Finding::pass(Check::Login, text::anonymous_accepted());
    }
    let what = text::login_accepted(session.user_name.clone().unwrap_or_default());
    let finding = Finding::pass(Check::Login, what);
    finding
        .note((*anonymous == Anonymous::Accepted).then(text::so_is_anonymous))
        .note(is_open_wire.then(text::password_in_the_open))
}

/// What it means that a login was refused.
pub(crate) fn judge_refused(
    session: &SessionOptions,
    answer: &Answer,
    version: Version,
    anonymous: &Anonymous,
) -> Finding {
    let what = text::connect_refused(version.to_string(), refusal_words(answer, version));
    let finding = Finding::fail(Check::Login, what);
    let finding = finding.note(answer.reason_string.as_deref().map(text::it_says));
    if answer.reason == ReasonCode::Banned {
        return finding.fix(text::banned_fix());
    }
    if answer.reason == ReasonCode::BadAuthenticationMethod {
        return finding.fix(text::authentication_method_fix());
    }
    if session.user_name.is_none() && session.password.is_none() {
        return finding
            .note(text::anonymous_refused())
            .fix(text::give_login_fix())
            .fix(text::allow_anonymous_fix());
    }
    let mut finding = finding;
    finding.notes.extend(oddities(session));
    let finding = match (answer.reason, anonymous) {
        (ReasonCode::BadUserNameOrPassword, _) => finding.note(text::login_wrong()),
        (_, Anonymous::Accepted) => finding.note(text::login_wrong_anonymous_right()),
        (_, Anonymous::Refused(_) | Anonymous::Unclear) => finding.note(text::login_or_right()),
    };
    finding.fix(text::login_fix()).fix(text::login_case_fix())
}

/// What is odd about credentials, without showing them.
fn oddities(session: &SessionOptions) -> Vec<Text> {
    let mut found = Vec::new();
    let password = session.password.as_deref().unwrap_or_default();
    if password.ends_with(b"\n") || password.ends_with(b"\r") {
        found.push(text::password_ends_in_line_break());
    } else if password.first() == Some(&b' ') || password.last() == Some(&b' ') {
        found.push(text::password_has_space());
    }
    if password.is_empty() {
        found.push(text::password_missing());
    }
    if password.contains(&b'$') || password.contains(&b'!') || password.contains(&b'\\') {
        found.push(text::password_has_shell_characters());
    }
    let is_full_width = |c: char| matches!(c, '\u{3000}' | '\u{FF01}'..='\u{FF5E}');
    let text_password = String::from_utf8_lossy(password);
    let user = session.user_name.as_deref().unwrap_or_default();
    if text_password.contains(is_full_width) || user.contains(is_full_width) {
        found.push(text::login_full_width());
    }
    if user.trim() != user {
        found.push(text::user_has_space());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        login: Option<(&str, &str)>,
        reason: ReasonCode,
        anonymous: &Anonymous,
    ) -> Vec<&'static str> {
        let session = SessionOptions {
            user_name: login.map(|(user, _)| user.to_owned()),
            password: login.map(|(_, password)| password.as_bytes().to_vec()),
            ..SessionOptions::default()
        };
        let answer = Answer {
            reason,
            reason_string: None,
            server_reference: None,
            user_properties: Vec::new(),
        };
        let finding = judge_refused(&session, &answer, Version::V5, anonymous);
        assert_eq!(finding.mark, crate::report::Mark::Fail);
        finding.notes.iter().map(Text::code).collect()
    }

    #[test]
    fn refused_logins_are_told_apart() {
        let no = Anonymous::Refused(ReasonCode::NotAuthorized);
        let denied = ReasonCode::NotAuthorized;
        let ann = Some(("ann", "secret"));
        assert_eq!(check(None, denied, &no), ["anonymous_refused"]);
        assert_eq!(
            check(ann, ReasonCode::BadUserNameOrPassword, &no),
            ["login_wrong"]
        );
        assert_eq!(check(ann, denied, &no), ["login_or_right"]);
        assert_eq!(
            check(ann, denied, &Anonymous::Accepted),
            ["login_wrong_anonymous_right"]
        );
        assert_eq!(
            check(Some(("ann", "secret\n")), denied, &no),
            ["password_ends_in_line_break", "login_or_right"]
        );
        assert_eq!(
            check(Some(("ann ", "ｓecret")), denied, &no),
            ["login_full_width", "user_has_space", "login_or_right"]
        );
    }
}
