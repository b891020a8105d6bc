//! What the client library says, in words. Its English is the library's own.

use std::io;

use columba_client::driver::{ConnectError, Warning};
use columba_client::{CloseCause, Failure, OtherProtocol, Story, Violation};
use columba_codec::TopicFault;
use columba_diagnosis::noted::noted;
use columba_speech::{Language, Param, Text};

use super::refusal::{disconnected, refused_connection, refused_filter, refused_publish};
use super::{system, tls, with_fix};

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    /// What the library alone has words for.
    other(what) { en: "{what}", zh: "{what}" }

    no_way(address, why) { en: "cannot connect to {address}: {why}", zh: "无法连接 {address}：{why}" }
    no_way_through(address, proxy, why) {
        en: "cannot connect to {address} through the proxy {proxy}: {why}",
        zh: "无法经代理 {proxy} 连接 {address}：{why}",
    }
    no_tls(address, why) { en: "no TLS connection to {address}: {why}", zh: "无法与 {address} 建立 TLS 连接：{why}" }
    no_websocket(address, why) {
        en: "no WebSocket connection to {address}: {why}", zh: "无法与 {address} 建立 WebSocket 连接：{why}",
    }
    no_answer() {
        en: "no answer in time; check host, port and firewall", zh: "超时无应答；请检查主机、端口和防火墙",
    }
    nobody_listens() {
        en: "no server listens there, check host and port", zh: "那里没有服务器在监听，请检查主机和端口",
    }
    check_name() {
        en: "check how the host is spelled, and the DNS of this machine", zh: "请检查主机名的拼写和本机的 DNS",
    }
    check_socket() { en: "check the path of the socket", zh: "请检查套接字的路径" }
    may_not_open() { en: "this user may not open it", zh: "当前用户无权打开它" }
    check_firewall() { en: "check host, port and firewall", zh: "请检查主机、端口和防火墙" }

    requested() { en: "disconnected", zh: "已断开" }
    bad_options(why) { en: "cannot connect: {why}", zh: "无法连接：{why}" }
    lost_before_accepted() {
        en: "the server closed the connection without an answer to CONNECT; check that host and port are those of an MQTT server, of the same kind (TLS or not), which has this version of MQTT",
        zh: "服务器没有应答 CONNECT 就关闭了连接；请检查主机和端口是否属于 MQTT 服务器、是否都用（或都不用）TLS，以及服务器是否支持此 MQTT 版本",
    }
    lost() {
        en: "the connection was lost without a DISCONNECT from the server",
        zh: "连接中断，服务器没有发送 DISCONNECT",
    }
    connect_timeout() {
        en: "the server did not answer CONNECT in time", zh: "服务器没有及时应答 CONNECT",
    }
    ping_timeout() {
        en: "the server no longer answers (no PINGRESP in time)",
        zh: "服务器不再应答（没有及时收到 PINGRESP）",
    }
    malformed(version, error) {
        en: "the server sent what is not MQTT {version}: {error}",
        zh: "服务器发来的不是 MQTT {version} 报文：{error}",
    }
    answered_in_http() {
        en: "the server answered in HTTP, not in MQTT: the port is that of a web server or of MQTT over WebSocket; connect over WebSocket (ws:// or wss://), or to its port for MQTT",
        zh: "服务器用 HTTP 而不是 MQTT 应答：该端口属于 Web 服务器或 MQTT over WebSocket；请用 WebSocket（ws:// 或 wss://）连接，或改用它的 MQTT 端口",
    }
    answered_in_tls() {
        en: "the server answered with an alert of TLS, not in MQTT: the port wants TLS; connect with TLS (mqtts://), or to its port without",
        zh: "服务器用 TLS 警报而不是 MQTT 应答：该端口要求 TLS；请用 TLS（mqtts://）连接，或改用不带 TLS 的端口",
    }
    authentication(why) {
        en: "authentication failed on this side: {why}", zh: "本端认证失败：{why}",
    }
    violated(how) { en: "the server broke the protocol: {how}", zh: "服务器违反了协议：{how}" }

    unexpected_packet() {
        en: "it sent a packet that has no place here", zh: "发来了此处不应出现的报文",
    }
    session_present() {
        en: "it continues a session although a clean start was asked for",
        zh: "要求全新会话，它却继续了旧会话",
    }
    wrong_acknowledgement() {
        en: "it acknowledged a packet id with the wrong kind of packet",
        zh: "用错误类型的报文确认了报文标识符",
    }
    code_count() {
        en: "it answered with another number of codes than there were filters",
        zh: "返回码的个数与过滤器的个数不符",
    }
    receive_maximum() {
        en: "it sent more unacknowledged messages than the client takes",
        zh: "未确认的消息超出了客户端的接收窗口",
    }
    authentication_method() {
        en: "it authenticates by another method than it was asked for",
        zh: "使用了与要求不同的认证方法",
    }
    alias_above() {
        en: "it used a topic alias above the client's maximum", zh: "使用的主题别名超出了客户端的上限",
    }
    alias_unknown() {
        en: "it used a topic alias that stands for no topic", zh: "使用了没有对应主题的主题别名",
    }

    not_subscribed(why) {
        en: "subscribing or unsubscribing failed: {why}", zh: "订阅或取消订阅失败：{why}",
    }
    not_resubscribed(filters, why) {
        en: "the subscription to '{filters}' has ended with the server's session: {why}",
        zh: "对“{filters}”的订阅已随服务器上的会话结束：{why}",
    }
    no_qos_2() {
        en: "the connection ended after messages at QoS 2 had been sent, and the server has never acknowledged one; if that happens each time, it has no QoS 2 (as NATS before 2.10), which MQTT 3 has no word for: publish at QoS 1",
        zh: "发送 QoS 2 消息后连接中断，而服务器从未确认过这类消息；如果每次都这样，说明服务器不支持 QoS 2（例如 2.10 之前的 NATS），而 MQTT 3 无法说明这一点：请用 QoS 1 发布",
    }
    messages_missed(messages) {
        en: "{messages} messages at QoS 0 were dropped, as those before them were not taken in time",
        zh: "有 {messages} 条 QoS 0 消息被丢弃，因为之前的消息没有及时取走",
    }
    taken_over_again() {
        en: "another client connects with the same client id again and again, and each throws the other out; give each client its own",
        zh: "另一个客户端反复用相同的客户端 ID 连接，双方互相挤掉；请给每个客户端各自的 ID",
    }
    short_lives(connections) {
        en: "the server has closed {connections} connections shortly after accepting them; most often another client uses the same client id (give each its own), or the server closes over a message that this client may not send",
        zh: "服务器接受后不久就关闭了 {connections} 个连接；最常见的原因是另一个客户端使用相同的客户端 ID（请各用各的），或者服务器因该客户端无权发送的消息而关闭连接",
    }

    events_missed(events) {
        en: "{events} events were dropped since nobody took them; take the events of the connection, or drop the queue that they come from",
        zh: "有 {events} 个事件因无人取走而丢弃；请取走该连接的事件，或者丢弃它们所在的队列",
    }

    http_status(status) {
        en: "the server answered {status}; check the path", zh: "服务器应答 {status}；请检查路径",
    }
    http_status_says(status, said) {
        en: "the server answered {status}, it says: {said}", zh: "服务器应答 {status}，服务器说明：{said}",
    }
    http_path_says(status, said) {
        en: "the server answered {status}, it says: {said}; check the path",
        zh: "服务器应答 {status}，服务器说明：{said}；请检查路径",
    }
    no_websocket_there(why) {
        en: "the server does not seem to speak WebSocket there ({why})",
        zh: "对方似乎不是 WebSocket 服务器（{why}）",
    }
    proxy_says(why) { en: "it says: {why}", zh: "代理报错（{why}）" }

    not_connected() { en: "there is no connection", zh: "没有连接" }
    connection_lost() {
        en: "the connection ended before the server answered; whether it took effect is unknown",
        zh: "服务器应答之前连接已中断；不知道是否生效",
    }
    session_lost() {
        en: "the server has no session of this client any more; whether the message arrived is unknown",
        zh: "服务器上已没有该客户端的会话；不知道消息是否送达",
    }
    backlog_full(messages) {
        en: "{messages} messages already wait to be sent", zh: "已有 {messages} 条消息等待发送",
    }
    too_many_subscriptions(count) {
        en: "this client already has {count} subscriptions, its own limit; unsubscribe or raise it",
        zh: "该客户端已有 {count} 个订阅，达到自身上限；请取消一些订阅或提高上限",
    }
    no_packet_id() {
        en: "all 65,535 packet ids are in use", zh: "65,535 个报文标识符均已占用",
    }
    no_filters() { en: "there is no topic filter", zh: "缺少主题过滤器" }
    needs_version_5(what) { en: "{what} needs MQTT 5", zh: "{what} 需要 MQTT 5" }
    message_property() { en: "a message property", zh: "消息属性" }
    subscription_option() {
        en: "a subscription option other than the QoS", zh: "QoS 以外的订阅选项",
    }
    subscribe_property() { en: "a property of SUBSCRIBE", zh: "SUBSCRIBE 的属性" }
    unsubscribe_property() { en: "a property of UNSUBSCRIBE", zh: "UNSUBSCRIBE 的属性" }
    connect_property() {
        en: "a property of CONNECT or of the Will", zh: "CONNECT 或遗嘱的属性",
    }
    bare_password() {
        en: "a password without a user name", zh: "没有用户名的密码",
    }
    packet_too_large(size, limit) {
        en: "the packet has {size} bytes and the server takes {limit}",
        zh: "报文有 {size} 字节，服务器最多接收 {limit} 字节",
    }
    qos_above(qos) {
        en: "the server takes messages up to QoS {qos}", zh: "服务器最高接受 QoS {qos} 的消息",
    }
    retain_not_available() {
        en: "the server keeps no retained messages", zh: "服务器不支持保留消息",
    }
    not_available(what) {
        en: "the server said when connecting that {what} is not available",
        zh: "服务器在连接时声明不支持 {what}",
    }

    control_character(number) {
        en: "the topic holds the control character U+{number}, for which servers may end the connection; take it out of the topic",
        zh: "主题中有控制字符 U+{number}，服务器可能因此断开连接；请从主题中去掉它",
    }
    topic_empty() { en: "a topic has at least one character", zh: "主题至少有一个字符" }
    topic_nul() { en: "a topic never holds U+0000", zh: "主题中不能有 U+0000" }
    topic_too_long() { en: "a topic has at most 65,535 bytes", zh: "主题最多 65,535 字节" }
    wildcard_in_name() {
        en: "a topic to publish to has no wildcard (+ or #)", zh: "发布的主题中不能有通配符（+ 或 #）",
    }
    hash_not_last() {
        en: "# stands alone in the last level of a topic filter", zh: "# 只能单独作为主题过滤器的最后一级",
    }
    wildcard_in_level() {
        en: "a wildcard fills a whole level of a topic filter", zh: "通配符必须占据主题过滤器的一整级",
    }
    share() {
        en: "a shared subscription is $share/NAME/FILTER, and NAME has no + or #",
        zh: "共享订阅的格式是 $share/名称/过滤器，名称中不能有 + 或 #",
    }
}

/// Why there is no connection.
pub(crate) fn connect(error: &ConnectError) -> Text {
    match error {
        ConnectError::Transport { address, source } => no_way(
            address.as_str(),
            with_advice(source, transport_advice(source)),
        ),
        ConnectError::Proxy {
            address,
            proxy,
            message,
        } => no_way_through(address.as_str(), proxy.as_str(), proxy_fault(message)),
        ConnectError::TlsSetup(fault) => tls::setup(fault),
        ConnectError::Tls { address, source } => {
            no_tls(address.as_str(), tls::handshake(address, source))
        }
        ConnectError::WebSocket { address, message } => {
            no_websocket(address.as_str(), websocket(message))
        }
        ConnectError::Timeout { address } => no_way(address.as_str(), no_answer()),
        ConnectError::Mqtt(cause) => close(cause),
        _ => other(error.to_string()),
    }
}

/// Why there is no way through a proxy.
fn proxy_fault(message: &str) -> Param {
    let number = message.rsplit_once("(os error ").map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.strip_suffix(')')?.parse().ok());
    match number {
        Some(number) => system(&io::Error::from_raw_os_error(number)),
        None => proxy_says(message).into(),
    }
}

/// Why a WebSocket was not opened.
fn websocket(message: &str) -> Text {
    let Some(answer) = message.strip_prefix("HTTP error: ") else {
        return no_websocket_there(message);
    };
    let Some((status, said)) = answer.split_once(": ") else {
        return http_status(answer);
    };
    match noted(said) {
        // Columba says itself what to do.
        said @ Param::Text(_) => http_status_says(status, said),
        said => http_path_says(status, said),
    }
}

/// What went wrong that nobody waits for.
pub(crate) fn warning(warning: &Warning) -> Text {
    match warning {
        Warning::RefusedPublish { topic, answer } => refused_publish(topic, answer),
        Warning::NotPublished {
            topic,
            failure: why,
        } => super::not_published(topic.as_str(), failure(why)),
        Warning::RefusedFilter {
            filter,
            reason,
            reason_string,
        } => refused_filter(filter, *reason, reason_string.as_deref()),
        Warning::NotSubscribed(why) => not_subscribed(failure(why)),
        Warning::NotResubscribed {
            filters,
            failure: why,
        } => not_resubscribed(filters.join("', '"), failure(why)),
        Warning::NoQos2 => no_qos_2(),
        Warning::Story(Story::TakenOver) => taken_over_again(),
        Warning::Story(Story::ShortLives(connections)) => short_lives(*connections),
        Warning::MessagesMissed { messages } => messages_missed(*messages),
        Warning::NotBack(error) => connect(error),
        Warning::EventsMissed { events } => events_missed(*events),
        _ => other(warning.to_string()),
    }
}

fn with_advice(error: &io::Error, advice: Option<Text>) -> Param {
    match advice {
        Some(advice) => with_fix(system(error), advice).into(),
        None => system(error),
    }
}

fn transport_advice(error: &io::Error) -> Option<Text> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => nobody_listens(),
        io::ErrorKind::NotFound => check_socket(),
        io::ErrorKind::PermissionDenied => may_not_open(),
        io::ErrorKind::TimedOut => check_firewall(),
        _ if is_lookup(error) => check_name(),
        _ => return None,
    })
}

/// Whether a name has no address: the standard library has no kind for it.
fn is_lookup(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address")
}

/// Why a connection ended.
pub(crate) fn close(cause: &CloseCause) -> Text {
    match cause {
        CloseCause::Requested => requested(),
        CloseCause::Options(why) => bad_options(failure(why)),
        CloseCause::Refused { answer, version } => refused_connection(answer, *version),
        CloseCause::ByServer(answer) => disconnected(answer),
        CloseCause::LostBeforeAccepted => lost_before_accepted(),
        CloseCause::Lost => lost(),
        CloseCause::ConnectTimeout => connect_timeout(),
        CloseCause::PingTimeout => ping_timeout(),
        CloseCause::Malformed { error, version } => {
            malformed(version.to_string(), error.to_string())
        }
        CloseCause::OtherProtocol(OtherProtocol::Http) => answered_in_http(),
        CloseCause::OtherProtocol(OtherProtocol::Tls) => answered_in_tls(),
        CloseCause::Authentication(why) => authentication(why.as_str()),
        CloseCause::Violation(how) => violated(violation(*how)),
        _ => other(cause.to_string()),
    }
}

fn violation(how: Violation) -> Text {
    match how {
        Violation::UnexpectedPacket => unexpected_packet(),
        Violation::SessionPresent => session_present(),
        Violation::WrongAcknowledgement => wrong_acknowledgement(),
        Violation::CodeCount => code_count(),
        Violation::ReceiveMaximum => receive_maximum(),
        Violation::AuthenticationMethod => authentication_method(),
        Violation::TopicAliasAboveMaximum => alias_above(),
        Violation::TopicAliasUnknown => alias_unknown(),
        _ => other(how.to_string()),
    }
}

/// Why a request was not carried out.
pub(crate) fn failure(why: &Failure) -> Text {
    match why {
        Failure::NotConnected => not_connected(),
        Failure::ConnectionLost => connection_lost(),
        Failure::SessionLost => session_lost(),
        Failure::BacklogFull(messages) => backlog_full(*messages),
        Failure::TooManySubscriptions(count) => too_many_subscriptions(*count),
        Failure::NoPacketId => no_packet_id(),
        Failure::Topic(fault) => topic(*fault),
        Failure::ControlCharacter(control) => {
            control_character(format!("{:04X}", u32::from(*control)))
        }
        Failure::NoFilters => no_filters(),
        Failure::NeedsVersion5(what) => needs_version_5(newer(what)),
        Failure::PacketTooLarge { size, limit } => packet_too_large(*size, *limit),
        Failure::QosAbove(qos) => qos_above(qos.as_u8()),
        Failure::RetainNotAvailable => retain_not_available(),
        Failure::NotAvailable(what) => not_available(what.to_string()),
        _ => other(why.to_string()),
    }
}

/// What MQTT 3 does not have, by the library's name for it.
fn newer(what: &str) -> Param {
    let known = [
        message_property(),
        subscription_option(),
        subscribe_property(),
        unsubscribe_property(),
        connect_property(),
        bare_password(),
    ];
    let found = known
        .into_iter()
        .find(|text| text.to_string(Language::English) == what);
    found.map_or_else(|| Param::from(what), Param::from)
}

pub(crate) fn topic(fault: TopicFault) -> Text {
    match fault {
        TopicFault::Empty => topic_empty(),
        TopicFault::Nul => topic_nul(),
        TopicFault::TooLong => topic_too_long(),
        TopicFault::WildcardInName => wildcard_in_name(),
        TopicFault::HashNotLast => hash_not_last(),
        TopicFault::WildcardInLevel => wildcard_in_level(),
        TopicFault::Share => share(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_codec::QoS;
    use columba_speech::Language::English;

    #[test]
    fn what_a_server_answers_in_the_place_of_a_websocket_is_told() {
        let said = |message: &str, language| websocket(message).to_string(language);
        let columba = "HTTP error: 400 Bad Request: This port is for plain MQTT, not for HTTP. MQTT over \
                       WebSocket is served at ws, port 8083, path /mqtt";
        assert_eq!(
            said(columba, English),
            "the server answered 400 Bad Request, it says: This port is for plain MQTT, not for HTTP. \
             MQTT over WebSocket is served at ws, port 8083, path /mqtt"
        );
        assert_eq!(
            said(columba, Language::Chinese),
            "服务器应答 400 Bad Request，服务器说明：此端口用于不经 TLS 或 WebSocket 的 MQTT，不用于 HTTP。经 \
             WebSocket 的 MQTT 位于 ws（端口 8083，路径 /mqtt）"
        );
        let other = "HTTP error: 404 Not Found: 404 page not found";
        assert_eq!(
            said(other, English),
            "the server answered 404 Not Found, it says: 404 page not found; check the path"
        );
        let silent = "HTTP error: 404 Not Found";
        assert_eq!(
            said(silent, English),
            "the server answered 404 Not Found; check the path"
        );
    }

    #[test]
    fn english_is_what_the_library_says() {
        for why in [
            Failure::NotConnected,
            Failure::ConnectionLost,
            Failure::SessionLost,
            Failure::BacklogFull(1),
            Failure::TooManySubscriptions(2),
            Failure::NoPacketId,
            Failure::Topic(TopicFault::WildcardInName),
            Failure::Topic(TopicFault::HashNotLast),
            Failure::Topic(TopicFault::Share),
            Failure::ControlCharacter('\u{7}'),
            Failure::NoFilters,
            Failure::NeedsVersion5("it"),
            Failure::NoAuthenticationMethod,
            Failure::PacketTooLarge { size: 3, limit: 2 },
            Failure::QosAbove(QoS::AtLeastOnce),
            Failure::RetainNotAvailable,
        ] {
            assert_eq!(failure(&why).to_string(English), why.to_string());
            let cause = CloseCause::Options(why);
            assert_eq!(close(&cause).to_string(English), cause.to_string());
        }
        let missed = Warning::EventsMissed { events: 7 };
        let said = warning(&missed);
        assert_eq!(said.to_string(English), missed.to_string());
        for how in [
            Violation::UnexpectedPacket,
            Violation::SessionPresent,
            Violation::WrongAcknowledgement,
            Violation::CodeCount,
            Violation::ReceiveMaximum,
            Violation::AuthenticationMethod,
            Violation::TopicAliasAboveMaximum,
            Violation::TopicAliasUnknown,
        ] {
            let cause = CloseCause::Violation(how);
            assert_eq!(close(&cause).to_string(English), cause.to_string());
        }
        for cause in [
            CloseCause::Requested,
            CloseCause::LostBeforeAccepted,
            CloseCause::Lost,
            CloseCause::ConnectTimeout,
            CloseCause::PingTimeout,
            CloseCause::OtherProtocol(OtherProtocol::Http),
            CloseCause::OtherProtocol(OtherProtocol::Tls),
        ] {
            assert_eq!(close(&cause).to_string(English), cause.to_string());
        }
        let (address, source) = ("h:1".to_owned(), io::Error::from_raw_os_error(111));
        let transport = ConnectError::Transport { address, source };
        let address = "h:1".to_owned();
        let unknown = ConnectError::Transport {
            address: address.clone(),
            source: io::Error::other(
                "failed to lookup address information: Name or service not known",
            ),
        };
        for error in [transport, unknown, ConnectError::Timeout { address }] {
            assert_eq!(connect(&error).to_string(English), error.to_string());
        }
    }
}
