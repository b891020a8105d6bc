//! What the server refused, in words, and what to do about it.

use columba_client::Answer;
use columba_client::advice::names_the_kind_of_port;
use columba_codec::{ReasonCode, Version};
use columba_diagnosis::noted::noted;
use columba_doctor::text::reason;
use columba_speech::Text;

use super::with_fix;
use crate::events::printable;

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    coded(name, code) { en: "{name} ({code})", zh: "{name}（{code}）" }
    return_code(name, code) { en: "{name} (return code {code})", zh: "{name}（返回码 {code}）" }
    says(what, said) { en: "{what}, it says: {said}", zh: "{what}，服务器说明：{said}" }
    names_server(what, server) {
        en: "{what}, it names another server: {server}", zh: "{what}，服务器指向另一台服务器：{server}",
    }
    connection(why) { en: "the server refused the connection: {why}", zh: "服务器拒绝连接：{why}" }
    end(why) { en: "the server disconnected: {why}", zh: "服务器断开了连接：{why}" }
    message(topic, why) {
        en: "the server refused the message to '{topic}': {why}", zh: "服务器拒绝了发往“{topic}”的消息：{why}",
    }
    filter(filter, why) {
        en: "the server refused the filter '{filter}': {why}", zh: "服务器拒绝了过滤器“{filter}”：{why}",
    }

    other_version() { en: "choose another protocol version", zh: "请换用其他协议版本" }
    other_id() {
        en: "choose another client id, or ask the administrator which ones are allowed",
        zh: "请换用其他客户端 ID，或向管理员询问允许哪些 ID",
    }
    check_login() { en: "check user name and password", zh: "请检查用户名和密码" }
    check_access() {
        en: "check user name and password, and whether this client may connect here",
        zh: "请检查用户名和密码，以及该客户端是否可以在此连接",
    }
    try_later() { en: "try again later", zh: "请稍后再试" }
    try_other_kind() {
        en: "try again later; if it is always so, the port may be for TLS or WebSocket: connect with mqtts://, ws:// or wss://, or to its port for plain MQTT",
        zh: "请稍后再试；如果总是这样，该端口可能用于 TLS 或 WebSocket：请用 mqtts://、ws:// 或 wss:// 连接，或改用它的普通 MQTT 端口",
    }
    less_often() { en: "connect less often", zh: "请降低连接频率" }
    limit_reached() {
        en: "a limit of the server is reached; ask its administrator",
        zh: "已达到服务器的限额；请联系其管理员",
    }
    ask_administrator() { en: "ask the administrator of the server", zh: "请联系服务器的管理员" }
    other_method() {
        en: "choose an authentication method that the server has", zh: "请换用服务器支持的认证方法",
    }
    check_will_topic() { en: "check the topic of the Will", zh: "请检查遗嘱的主题" }
    smaller_will() {
        en: "make the Will or the user properties smaller", zh: "请减小遗嘱或用户属性",
    }
    will_without_retain() { en: "send the Will without RETAIN", zh: "请发送不带 RETAIN 的遗嘱" }
    will_lower_qos() { en: "send the Will at a lower QoS", zh: "请降低遗嘱的 QoS" }
    other_server() { en: "connect to the other server", zh: "请连接另一台服务器" }
    taken_over() {
        en: "another client has connected with the same client id; give each client its own",
        zh: "另一个客户端用相同的客户端 ID 连接；请给每个客户端各自的 ID",
    }
    silent() {
        en: "the server heard nothing for 1.5 times the keep alive",
        zh: "服务器在 1.5 倍心跳时间内没有收到任何报文",
    }
    ask_rights() {
        en: "ask the administrator what this client may do", zh: "请向管理员询问该客户端的权限",
    }
    again_later() { en: "connect again later", zh: "请稍后重新连接" }
    smaller_messages() { en: "send smaller messages", zh: "请发送更小的消息" }
    slower() { en: "send more slowly", zh: "请降低发送速度" }
    fewer_unacknowledged() {
        en: "keep fewer messages unacknowledged", zh: "请减少未确认的消息数",
    }
    without_retain() { en: "publish without RETAIN", zh: "发布时请不带 RETAIN" }
    lower_qos() { en: "publish at a lower QoS", zh: "请用更低的 QoS 发布" }
    without_share() { en: "subscribe without $share", zh: "订阅时请不用 $share" }
    without_wildcards() { en: "subscribe without wildcards", zh: "订阅时请不用通配符" }
    without_identifier() {
        en: "subscribe without a subscription identifier", zh: "订阅时请不用订阅标识符",
    }
    check_filters() { en: "check the topic filters", zh: "请检查主题过滤器" }
    check_topics() { en: "check the topic names", zh: "请检查主题名" }
    publish_rights() {
        en: "ask the administrator which topics this client may publish to",
        zh: "请向管理员询问该客户端可以向哪些主题发布",
    }
    subscribe_rights() {
        en: "ask the administrator which topics this client may subscribe to",
        zh: "请向管理员询问该客户端可以订阅哪些主题",
    }
    publish_mostly_rights() {
        en: "servers mostly mean that this client may not publish to it; the server's log knows more",
        zh: "通常表示该客户端无权向它发布；详情见服务器日志",
    }
    subscribe_mostly_rights() {
        en: "servers mostly mean that this client may not subscribe to it; the server's log knows more",
        zh: "通常表示该客户端无权订阅它；详情见服务器日志",
    }
    no_utf_8() {
        en: "the payload is not the UTF-8 that its format indicator promises",
        zh: "消息内容不是其格式标识所声明的 UTF-8",
    }
}

/// A refused connection. With MQTT 3 the return code is named as it was sent.
pub(super) fn refused_connection(answer: &Answer, version: Version) -> Text {
    let why = match answer.reason.to_v3_connack() {
        Some(code) if !version.has_reason_codes() => return_code(reason::name(answer.reason), code),
        _ => code(answer.reason),
    };
    with(connection(said(why, answer)), connect_advice(answer))
}

/// A DISCONNECT by the server.
pub(super) fn disconnected(answer: &Answer) -> Text {
    let what = end(said(code(answer.reason), answer));
    with(what, disconnect_advice(answer.reason))
}

/// A refused message.
pub(crate) fn refused_publish(topic: &str, answer: &Answer) -> Text {
    let what = message(printable(topic), said(code(answer.reason), answer));
    let advice = match answer.reason {
        ReasonCode::NotAuthorized => Some(publish_rights()),
        ReasonCode::UnspecifiedError => Some(publish_mostly_rights()),
        reason => request_advice(reason),
    };
    with(what, advice)
}

/// A refused subscription.
pub(crate) fn refused_filter(of: &str, reason: ReasonCode, reason_string: Option<&str>) -> Text {
    let mut why = code(reason);
    if let Some(text) = reason_string {
        why = says(why, noted(&printable(text)));
    }
    let advice = match reason {
        ReasonCode::NotAuthorized => Some(subscribe_rights()),
        ReasonCode::UnspecifiedError => Some(subscribe_mostly_rights()),
        reason => request_advice(reason),
    };
    with(filter(printable(of), why), advice)
}

/// A reason code with its number.
pub(crate) fn code(reason: ReasonCode) -> Text {
    coded(reason::name(reason), format!("{:#04x}", reason as u8))
}

fn with(what: Text, advice: Option<Text>) -> Text {
    match advice {
        Some(advice) => with_fix(what, advice),
        None => what,
    }
}

fn said(mut what: Text, answer: &Answer) -> Text {
    if let Some(text) = &answer.reason_string {
        what = says(what, noted(&printable(text)));
    }
    if let Some(server) = &answer.server_reference {
        what = names_server(what, printable(server));
    }
    what
}

fn connect_advice(answer: &Answer) -> Option<Text> {
    Some(match answer.reason {
        ReasonCode::UnsupportedProtocolVersion => other_version(),
        ReasonCode::ClientIdentifierNotValid => other_id(),
        ReasonCode::BadUserNameOrPassword => check_login(),
        ReasonCode::NotAuthorized => check_access(),
        ReasonCode::ServerUnavailable if names_the_kind_of_port(answer) => return None,
        ReasonCode::ServerUnavailable if answer.reason_string.is_none() => try_other_kind(),
        ReasonCode::ServerUnavailable | ReasonCode::ServerBusy => try_later(),
        ReasonCode::ConnectionRateExceeded => less_often(),
        ReasonCode::QuotaExceeded => limit_reached(),
        ReasonCode::Banned => ask_administrator(),
        ReasonCode::BadAuthenticationMethod => other_method(),
        ReasonCode::TopicNameInvalid => check_will_topic(),
        ReasonCode::PacketTooLarge => smaller_will(),
        ReasonCode::RetainNotSupported => will_without_retain(),
        ReasonCode::QosNotSupported => will_lower_qos(),
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => other_server(),
        _ => return None,
    })
}

fn disconnect_advice(reason: ReasonCode) -> Option<Text> {
    Some(match reason {
        ReasonCode::SessionTakenOver => taken_over(),
        ReasonCode::KeepAliveTimeout => silent(),
        ReasonCode::NotAuthorized => ask_rights(),
        ReasonCode::ServerBusy | ReasonCode::ServerShuttingDown => again_later(),
        ReasonCode::PacketTooLarge => smaller_messages(),
        ReasonCode::MessageRateTooHigh => slower(),
        ReasonCode::ReceiveMaximumExceeded => fewer_unacknowledged(),
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => other_server(),
        ReasonCode::RetainNotSupported => without_retain(),
        ReasonCode::QosNotSupported => lower_qos(),
        ReasonCode::SharedSubscriptionsNotSupported => without_share(),
        ReasonCode::WildcardSubscriptionsNotSupported => without_wildcards(),
        ReasonCode::TopicFilterInvalid => check_filters(),
        ReasonCode::TopicNameInvalid => check_topics(),
        ReasonCode::QuotaExceeded => limit_reached(),
        _ => return None,
    })
}

fn request_advice(reason: ReasonCode) -> Option<Text> {
    Some(match reason {
        ReasonCode::QuotaExceeded => limit_reached(),
        ReasonCode::PayloadFormatInvalid => no_utf_8(),
        ReasonCode::SharedSubscriptionsNotSupported => without_share(),
        ReasonCode::WildcardSubscriptionsNotSupported => without_wildcards(),
        ReasonCode::SubscriptionIdentifiersNotSupported => without_identifier(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_client::advice;
    use columba_speech::Language;

    #[test]
    fn english_is_what_the_library_says_of_every_code() {
        let english = |text: Text| text.to_string(Language::English);
        for reason in ReasonCode::ALL.iter().copied() {
            let texts =
                ["because", "\u{1b}[2J\u{9b}m\nerror: no"].map(|text| Some(text.to_owned()));
            for text in texts.into_iter().chain([None]) {
                let answer = Answer {
                    reason,
                    reason_string: text.clone(),
                    server_reference: text,
                    user_properties: Vec::new(),
                };
                for version in [Version::V5, Version::V311] {
                    assert_eq!(
                        english(refused_connection(&answer, version)),
                        advice::refused_connection(&answer, version)
                    );
                }
                assert_eq!(
                    english(disconnected(&answer)),
                    advice::disconnected(&answer)
                );
                assert_eq!(
                    english(refused_publish("a/\u{1b}", &answer)),
                    advice::refused_publish("a/\u{1b}", &answer)
                );
                let said = answer.reason_string.as_deref();
                assert_eq!(
                    english(refused_filter("a/\u{1b}/#", reason, said)),
                    advice::refused_filter("a/\u{1b}/#", reason, said)
                );
            }
        }
    }
}
