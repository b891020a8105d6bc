//! Reason codes as sentences: what the server answered, and what to do about it.

use columba_codec::{ReasonCode, Version};

use crate::outcome::{Answer, FilterAnswer};

/// The sentence for a refused connection. With MQTT 3 the return code is named as it was sent.
pub fn refused_connection(answer: &Answer, version: Version) -> String {
    let code = match answer.reason.to_v3_connack() {
        Some(code) if !version.has_reason_codes() => {
            format!("{} (return code {code})", answer.reason.name())
        }
        _ => answer.reason.to_string(),
    };
    let what = format!("the server refused the connection: {code}{}", said(answer));
    match connect_advice(answer) {
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

/// The sentence for a DISCONNECT by the server.
pub fn disconnected(answer: &Answer) -> String {
    let what = format!("the server disconnected: {}{}", answer.reason, said(answer));
    match disconnect_advice(answer.reason) {
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

/// The sentence for a refused message.
pub fn refused_publish(topic: &str, answer: &Answer) -> String {
    let what = format!("the message to '{}'", printable(topic));
    refused(&what, answer.reason, &said(answer), "publish to")
}

/// The sentence for a refused message whose topic is known from elsewhere.
pub(crate) fn refused_message(answer: &Answer) -> String {
    refused("the message", answer.reason, &said(answer), "publish to")
}

/// The sentence for the first refusal among the codes for several topic filters.
pub(crate) fn refused_filters(answer: &FilterAnswer) -> String {
    let mut codes = answer.codes.iter().zip(1..);
    let first = codes.find(|(code, _)| code.is_error());
    let (code, number) = first.unwrap_or((&ReasonCode::UnspecifiedError, 0));
    let which = match answer.codes.len() {
        0 | 1 => "the topic filter".to_owned(),
        count => format!("topic filter {number} of {count}"),
    };
    let said = it_says(answer.reason_string.as_deref());
    refused(&which, *code, &said, "subscribe to")
}

/// The sentence for a connection that ended with [`crate::Session::doubts_qos_2`].
pub fn no_qos_2() -> &'static str {
    "the connection ended after messages at QoS 2 had been sent, and the server has never \
     acknowledged one; if that happens each time, it has no QoS 2 (as NATS before 2.10), which MQTT 3 \
     has no word for: publish at QoS 1"
}

/// The sentence for a refused subscription.
pub fn refused_filter(filter: &str, reason: ReasonCode, reason_string: Option<&str>) -> String {
    let what = format!("the filter '{}'", printable(filter));
    refused(&what, reason, &it_says(reason_string), "subscribe to")
}

/// What was refused, what the server said of it, and what to do about what the client may not do.
fn refused(what: &str, reason: ReasonCode, said: &str, verb: &str) -> String {
    let what = format!("the server refused {what}: {reason}{said}");
    match request_advice(reason, verb) {
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

fn it_says(reason_string: Option<&str>) -> String {
    let said = reason_string.map(|text| format!(", it says: {}", printable(text)));
    said.unwrap_or_default()
}

fn said(answer: &Answer) -> String {
    let mut text = it_says(answer.reason_string.as_deref());
    if let Some(server_reference) = &answer.server_reference {
        let server_reference = printable(server_reference);
        text = format!("{text}, it names another server: {server_reference}");
    }
    text
}

/// A text that a server chose, without what a terminal would obey or take for another line.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}

/// Whether the server says that its port is for MQTT of another kind, such as over TLS, and how to connect
/// then, as Columba does. Nothing can be advised beside it.
pub fn names_the_kind_of_port(answer: &Answer) -> bool {
    let said = answer.reason_string.as_deref();
    said.is_some_and(|text| text.starts_with("this port is for "))
}

fn connect_advice(answer: &Answer) -> Option<&'static str> {
    Some(match answer.reason {
        ReasonCode::UnsupportedProtocolVersion => "choose another protocol version",
        ReasonCode::ClientIdentifierNotValid => {
            "choose another client id, or ask the administrator which ones are allowed"
        }
        ReasonCode::BadUserNameOrPassword => "check user name and password",
        ReasonCode::NotAuthorized => {
            "check user name and password, and whether this client may connect here"
        }
        ReasonCode::ServerUnavailable if names_the_kind_of_port(answer) => return None,
        // MQTT 3 has no other word for a port of another kind.
        ReasonCode::ServerUnavailable if answer.reason_string.is_none() => {
            "try again later; if it is always so, the port may be for TLS or WebSocket: connect with \
             mqtts://, ws:// or wss://, or to its port for plain MQTT"
        }
        ReasonCode::ServerUnavailable | ReasonCode::ServerBusy => "try again later",
        ReasonCode::ConnectionRateExceeded => "connect less often",
        ReasonCode::QuotaExceeded => "a limit of the server is reached; ask its administrator",
        ReasonCode::Banned => "ask the administrator of the server",
        ReasonCode::BadAuthenticationMethod => {
            "choose an authentication method that the server has"
        }
        ReasonCode::TopicNameInvalid => "check the topic of the Will",
        ReasonCode::PacketTooLarge => "make the Will or the user properties smaller",
        ReasonCode::RetainNotSupported => "send the Will without RETAIN",
        ReasonCode::QosNotSupported => "send the Will at a lower QoS",
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => "connect to the other server",
        _ => return None,
    })
}

fn disconnect_advice(reason: ReasonCode) -> Option<&'static str> {
    Some(match reason {
        ReasonCode::SessionTakenOver => {
            "another client has connected with the same client id; give each client its own"
        }
        ReasonCode::KeepAliveTimeout => "the server heard nothing for 1.5 times the keep alive",
        ReasonCode::NotAuthorized => "ask the administrator what this client may do",
        ReasonCode::ServerBusy | ReasonCode::ServerShuttingDown => "connect again later",
        ReasonCode::PacketTooLarge => "send smaller messages",
        ReasonCode::MessageRateTooHigh => "send more slowly",
        ReasonCode::ReceiveMaximumExceeded => "keep fewer messages unacknowledged",
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => "connect to the other server",
        ReasonCode::RetainNotSupported => "publish without RETAIN",
        ReasonCode::QosNotSupported => "publish at a lower QoS",
        ReasonCode::SharedSubscriptionsNotSupported => "subscribe without $share",
        ReasonCode::WildcardSubscriptionsNotSupported => "subscribe without wildcards",
        ReasonCode::TopicFilterInvalid => "check the topic filters",
        ReasonCode::TopicNameInvalid => "check the topic names",
        ReasonCode::QuotaExceeded => "a limit of the server is reached; ask its administrator",
        _ => return None,
    })
}

fn request_advice(reason: ReasonCode, verb: &str) -> Option<String> {
    Some(match reason {
        ReasonCode::NotAuthorized => {
            format!("ask the administrator which topics this client may {verb}")
        }
        ReasonCode::UnspecifiedError => format!(
            "servers mostly mean that this client may not {verb} it; the server's log knows more"
        ),
        ReasonCode::QuotaExceeded => {
            "a limit of the server is reached; ask its administrator".to_owned()
        }
        ReasonCode::PayloadFormatInvalid => {
            "the payload is not the UTF-8 that its format indicator promises".to_owned()
        }
        ReasonCode::SharedSubscriptionsNotSupported => "subscribe without $share".to_owned(),
        ReasonCode::WildcardSubscriptionsNotSupported => "subscribe without wildcards".to_owned(),
        ReasonCode::SubscriptionIdentifiersNotSupported => {
            "subscribe without a subscription identifier".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Reason String and a Server Reference may hold whatever UTF-8 the server likes; sentences go to
    /// terminals and logs.
    #[test]
    fn what_a_server_says_moves_no_cursor_and_begins_no_line() {
        let text = || Some("\u{1b}[2J\u{1b}]0;title\u{7}no\nerror: \u{9b}2J".to_owned());
        let answer = Answer {
            reason: ReasonCode::NotAuthorized,
            reason_string: text(),
            server_reference: text(),
            user_properties: Vec::new(),
        };
        let sentences = [
            refused_connection(&answer, Version::V5),
            disconnected(&answer),
            refused_publish("a\u{1b}[2J", &answer),
            refused_filter("a\u{1b}[2J", answer.reason, text().as_deref()),
        ];
        for sentence in sentences {
            assert!(!sentence.contains(char::is_control), "{sentence:?}");
            assert!(sentence.contains("no\u{FFFD}error: "), "{sentence}");
        }
    }
}
