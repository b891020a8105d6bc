//! The standard's reason codes, in words.

use columba_codec::ReasonCode;
use columba_speech::Text;

columba_speech::catalogue! {
    /// Every reason.
    pub ALL;

    success() { en: "Success", zh: "成功" }
    granted_qos_1() { en: "Granted QoS 1", zh: "授予 QoS 1" }
    granted_qos_2() { en: "Granted QoS 2", zh: "授予 QoS 2" }
    disconnect_with_will() { en: "Disconnect with Will Message", zh: "断开并发送遗嘱" }
    no_matching_subscribers() { en: "No matching subscribers", zh: "没有匹配的订阅者" }
    no_subscription_existed() { en: "No subscription existed", zh: "订阅不存在" }
    continue_authentication() { en: "Continue authentication", zh: "继续认证" }
    re_authenticate() { en: "Re-authenticate", zh: "重新认证" }
    unspecified_error() { en: "Unspecified error", zh: "未指明的错误" }
    malformed_packet() { en: "Malformed Packet", zh: "报文格式错误" }
    protocol_error() { en: "Protocol Error", zh: "协议错误" }
    implementation_specific_error() { en: "Implementation specific error", zh: "实现特定错误" }
    unsupported_protocol_version() { en: "Unsupported Protocol Version", zh: "不支持的协议版本" }
    client_identifier_not_valid() { en: "Client Identifier not valid", zh: "客户端 ID 无效" }
    bad_user_name_or_password() { en: "Bad User Name or Password", zh: "用户名或密码错误" }
    not_authorized() { en: "Not authorized", zh: "未授权" }
    server_unavailable() { en: "Server unavailable", zh: "服务器不可用" }
    server_busy() { en: "Server busy", zh: "服务器繁忙" }
    banned() { en: "Banned", zh: "已被封禁" }
    server_shutting_down() { en: "Server shutting down", zh: "服务器正在关闭" }
    bad_authentication_method() { en: "Bad authentication method", zh: "认证方法错误" }
    keep_alive_timeout() { en: "Keep Alive timeout", zh: "心跳超时" }
    session_taken_over() { en: "Session taken over", zh: "会话被同名客户端顶替" }
    topic_filter_invalid() { en: "Topic Filter invalid", zh: "主题过滤器无效" }
    topic_name_invalid() { en: "Topic Name invalid", zh: "主题名无效" }
    packet_identifier_in_use() { en: "Packet Identifier in use", zh: "报文标识符已被占用" }
    packet_identifier_not_found() { en: "Packet Identifier not found", zh: "报文标识符不存在" }
    receive_maximum_exceeded() { en: "Receive Maximum exceeded", zh: "超出接收窗口" }
    topic_alias_invalid() { en: "Topic Alias invalid", zh: "主题别名无效" }
    packet_too_large() { en: "Packet too large", zh: "报文过大" }
    message_rate_too_high() { en: "Message rate too high", zh: "消息速率过高" }
    quota_exceeded() { en: "Quota exceeded", zh: "超出配额" }
    administrative_action() { en: "Administrative action", zh: "管理操作" }
    payload_format_invalid() { en: "Payload format invalid", zh: "载荷格式无效" }
    retain_not_supported() { en: "Retain not supported", zh: "不支持保留消息" }
    qos_not_supported() { en: "QoS not supported", zh: "不支持该 QoS" }
    use_another_server() { en: "Use another server", zh: "请改用其他服务器" }
    server_moved() { en: "Server moved", zh: "服务器已迁移" }
    shared_subscriptions_not_supported() {
        en: "Shared Subscriptions not supported", zh: "不支持共享订阅"
    }
    connection_rate_exceeded() { en: "Connection rate exceeded", zh: "连接速率过高" }
    maximum_connect_time() { en: "Maximum connect time", zh: "超出最长连接时间" }
    subscription_identifiers_not_supported() {
        en: "Subscription Identifiers not supported", zh: "不支持订阅标识符"
    }
    wildcard_subscriptions_not_supported() {
        en: "Wildcard Subscriptions not supported", zh: "不支持通配符订阅"
    }
    reason_with_code(code, reason) { en: "{code} {reason}", zh: "{code} {reason}" }
}

/// A reason code in words: `0x87 Not authorized`.
pub fn words(reason: ReasonCode) -> Text {
    reason_with_code(format!("0x{:02X}", reason as u8), name(reason))
}

/// A reason in words, with the return code that an older version sends for it.
pub fn words_v3(code: u8, reason: ReasonCode) -> Text {
    reason_with_code(code.to_string(), name(reason))
}

/// A reason in words, without its number.
pub fn name(reason: ReasonCode) -> Text {
    match reason {
        ReasonCode::Success => success(),
        ReasonCode::GrantedQos1 => granted_qos_1(),
        ReasonCode::GrantedQos2 => granted_qos_2(),
        ReasonCode::DisconnectWithWill => disconnect_with_will(),
        ReasonCode::NoMatchingSubscribers => no_matching_subscribers(),
        ReasonCode::NoSubscriptionExisted => no_subscription_existed(),
        ReasonCode::ContinueAuthentication => continue_authentication(),
        ReasonCode::ReAuthenticate => re_authenticate(),
        ReasonCode::UnspecifiedError => unspecified_error(),
        ReasonCode::MalformedPacket => malformed_packet(),
        ReasonCode::ProtocolError => protocol_error(),
        ReasonCode::ImplementationSpecificError => implementation_specific_error(),
        ReasonCode::UnsupportedProtocolVersion => unsupported_protocol_version(),
        ReasonCode::ClientIdentifierNotValid => client_identifier_not_valid(),
        ReasonCode::BadUserNameOrPassword => bad_user_name_or_password(),
        ReasonCode::NotAuthorized => not_authorized(),
        ReasonCode::ServerUnavailable => server_unavailable(),
        ReasonCode::ServerBusy => server_busy(),
        ReasonCode::Banned => banned(),
        ReasonCode::ServerShuttingDown => server_shutting_down(),
        ReasonCode::BadAuthenticationMethod => bad_authentication_method(),
        ReasonCode::KeepAliveTimeout => keep_alive_timeout(),
        ReasonCode::SessionTakenOver => session_taken_over(),
        ReasonCode::TopicFilterInvalid => topic_filter_invalid(),
        ReasonCode::TopicNameInvalid => topic_name_invalid(),
        ReasonCode::PacketIdentifierInUse => packet_identifier_in_use(),
        ReasonCode::PacketIdentifierNotFound => packet_identifier_not_found(),
        ReasonCode::ReceiveMaximumExceeded => receive_maximum_exceeded(),
        ReasonCode::TopicAliasInvalid => topic_alias_invalid(),
        ReasonCode::PacketTooLarge => packet_too_large(),
        ReasonCode::MessageRateTooHigh => message_rate_too_high(),
        ReasonCode::QuotaExceeded => quota_exceeded(),
        ReasonCode::AdministrativeAction => administrative_action(),
        ReasonCode::PayloadFormatInvalid => payload_format_invalid(),
        ReasonCode::RetainNotSupported => retain_not_supported(),
        ReasonCode::QosNotSupported => qos_not_supported(),
        ReasonCode::UseAnotherServer => use_another_server(),
        ReasonCode::ServerMoved => server_moved(),
        ReasonCode::SharedSubscriptionsNotSupported => shared_subscriptions_not_supported(),
        ReasonCode::ConnectionRateExceeded => connection_rate_exceeded(),
        ReasonCode::MaximumConnectTime => maximum_connect_time(),
        ReasonCode::SubscriptionIdentifiersNotSupported => subscription_identifiers_not_supported(),
        ReasonCode::WildcardSubscriptionsNotSupported => wildcard_subscriptions_not_supported(),
    }
}
