//! What happened, in a few words: for the lines of a timeline. English readers get the names that programs
//! know them by, which are words; Chinese readers get words of their own.

use columba_broker::outcome::Outcome;
use columba_speech::Language;

/// What happened.
pub const fn words(outcome: Outcome, language: Language) -> &'static str {
    match language {
        Language::English => outcome.name(),
        Language::Chinese => chinese(outcome),
    }
}

macro_rules! in_chinese {
    ($($outcome:ident $words:literal)*) => {
        /// In Chinese; the name if a later version of the core has more of them.
        const fn chinese(outcome: Outcome) -> &'static str {
            match outcome {
                $(Outcome::$outcome => $words,)*
                other => other.name(),
            }
        }
    };
}

in_chinese! {
    PublishAccepted "已接收发布"
    PublishNoMatch "已接收发布，无人订阅"
    PublishDuplicate "重复的发布"
    PublishDeniedAcl "发布被规则拒绝"
    PublishReceiveMaximum "发布超过接收上限"
    PublishTooLarge "发布过大"
    PublishBadTopic "不能发布的主题"
    PublishAliasInvalid "主题别名无效"
    PublishPayloadInvalid "消息内容不符声明"
    PublishStoreWait "发布等待磁盘"
    PublishAnswerWait "发布的确认等待磁盘"
    PublishRetainQuota "保留消息已满"
    DeliverSent "已发送"
    DeliverAcked "已确认"
    DeliverRefused "被客户端拒绝"
    DeliverInFlight "已发送，待确认"
    DeliverInflightFull "等待：未确认过多"
    DeliverSocketFull "等待：连接已满"
    DeliverOffline "等待：客户端离线"
    DeliverFetching "等待：从磁盘读取"
    DeliverDeniedRead "无权接收"
    DeliverNoLocal "No Local，不发回"
    DeliverQos0Offline "QoS 0 且离线，已丢弃"
    DeliverQueueFull "队列已满，已丢弃"
    DeliverExpired "已过期，已丢弃"
    DeliverStoreLost "存储丢失"
    DeliverSessionEnded "会话结束，已丢弃"
    DeliverTooLarge "超过客户端上限"
    DeliverSocketCongested "连接拥塞，已丢弃"
    DeliverOtherSharedMember "转给组内其他成员"
    DeliverNoSharedMember "共享组无可用成员"
    SubscribeGranted "已订阅"
    SubscribeDeniedAcl "订阅被规则拒绝"
    SubscribeBadFilter "过滤器无效"
    SubscribeQuota "订阅数已达上限"
    SubscribeBytesQuota "过滤器总长已达上限"
    SubscribeRevoked "订阅被撤销"
    UnsubscribeDone "已取消订阅"
    UnsubscribeUnknown "取消不存在的订阅"
    UnsubscribeByAdmin "管理员取消订阅"
    UnsubscribeQuota "取消订阅过多"
    RetainedSet "已保留"
    RetainedCleared "保留消息已清除"
    RetainedExpired "保留消息已过期"
    WillPublished "遗嘱已发布"
    WillDiscarded "遗嘱已放弃"
    WillCancelled "遗嘱已取消"
    ConnectAccepted "已连接"
    ConnectBadCredentials "用户名或密码有误"
    ConnectAnonymousRefused "拒绝匿名连接"
    ConnectAuthUnavailable "无法核对凭据"
    ConnectAuthBusy "等待核对的登录过多"
    ConnectAuthMethod "不支持的认证方法"
    ConnectClientId "客户端标识符不被接受"
    ConnectBanned "连接被封禁"
    ConnectVersion "不支持的协议版本"
    ConnectMalformed "不是 CONNECT"
    ConnectWrongProtocol "不是 MQTT 协议"
    ConnectHandshake "握手失败"
    ConnectProbe "未发 CONNECT 即关闭"
    ConnectOrigin "网页来源不被允许"
    ConnectTimeout "没有及时 CONNECT"
    ConnectStoreWait "连接等待磁盘"
    ConnectTakeoverWait "等待接管"
    ConnectStoreBusy "磁盘繁忙，拒绝连接"
    ConnectTakenOver "等待时从别处连接"
    ConnectQuota "连接数已达上限"
    ConnectWillQuota "遗嘱过大或过多"
    ConnectAnswerTooLarge "应答超过客户端上限"
    ConnectShuttingDown "正在关闭，拒绝连接"
    DisconnectByClient "客户端断开"
    DisconnectWithWill "客户端断开，发布遗嘱"
    DisconnectPeerClosed "对端关闭连接"
    DisconnectTransport "网络断开"
    DisconnectKeepAlive "保活超时断开"
    DisconnectTakenOver "被另一连接接管"
    DisconnectMalformed "报文无法解析，断开"
    DisconnectProtocol "违反协议，断开"
    DisconnectDenied "发布被拒绝，断开"
    DisconnectAdmin "被管理员断开"
    DisconnectShuttingDown "Broker 关闭，断开"
    DisconnectSlow "读取过慢，断开"
    BrokerStarted "Broker 已启动"
    BrokerStopping "Broker 正在停止"
    BrokerStoreDamaged "存储有损坏"
    BrokerDiskFull "磁盘已满"
    BrokerDiskRoom "磁盘恢复空间"
    BrokerDiskFailed "磁盘故障"
    BrokerSettings "设置已更改"
    SessionExpired "会话过期"
    SessionEndedWithConnection "会话随连接结束"
    SessionReplaced "会话被 clean start 清除"
    SessionEndedByAdmin "管理员结束会话"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everything_that_can_happen_has_chinese_words_of_its_own() {
        let mut known = BTreeSet::new();
        for outcome in Outcome::ALL {
            let words = words(*outcome, Language::Chinese);
            assert!(!words.is_ascii(), "{outcome}: {words}");
            assert!(known.insert(words), "{outcome}: {words} is said twice");
        }
    }
}
