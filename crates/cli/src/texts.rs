//! What commands say in the language of whoever reads.

use columba_speech::{Language, Param, Text};
use serde_json::Value;

use crate::events::printable;

columba_speech::catalogue! {
    /// All of them.
    pub(crate) ALL;

    watching() { en: "Watching: publish again, and what becomes of it is shown here. Ctrl-C ends it.", zh: "正在观察：请再次发布，结果会显示在这里。按 Ctrl-C 结束。" }
    changed(time) { en: "At {time}:", zh: "{time}：" }
    begins(time) { en: "note: shown is what the broker has recorded since its start at {time}; without --follow, earlier starts are shown too", zh: "注意：只显示 Broker 自 {time} 启动以来的记录；不带 --follow 时也显示更早的记录" }
    overwritten(entries) { en: "note: {entries} {entries|entry|entries} of the record {entries|was|were} overwritten before they were read", zh: "注意：有 {entries} 条记录在读取之前已被覆盖" }
    begun_anew() { en: "note: the record was begun anew; without --follow, earlier starts are shown too", zh: "注意：记录已重新开始；不带 --follow 时也显示更早的记录" }
    left_out(messages) { en: "note: {messages} {messages|message|messages} {messages|was|were} not followed, there were too many", zh: "注意：消息过多，有 {messages} 条未被跟踪" }
    bundle(file, events) { en: "{file} has the verdict with its evidence ({events} {events|event|events}), the version and the configuration; client ids, topics and addresses are in it. Left out: payloads, passwords, tokens and keys, and who and what [admin] and the allowed origins name.", zh: "{file} 包含结论及其证据（{events} 条事件）、版本和配置，其中有客户端标识、主题和地址。不含：消息内容、密码、令牌和密钥，以及 [admin] 和允许的来源中列出的名称。" }

    tracing(filter, time) { en: "Tracing {filter} for {time}: messages are shown as they are published. Ctrl-C ends it.", zh: "正在跟踪 {filter}，持续 {time}：消息发布后会显示在这里。按 Ctrl-C 结束。" }
    traced(messages) { en: "{messages} {messages|message|messages}.", zh: "共 {messages} 条消息。" }
    trace_overwritten(entries) { en: "note: the first {entries} {entries|line is|lines are} not kept any more", zh: "注意：最早的 {entries} 条记录已不再保留" }
    trace_left_out(messages) { en: "note: {messages} {messages|message or copy was|messages or copies were} left out, there were too many in a second", zh: "注意：每秒消息过多，有 {messages} 条消息或副本未被跟踪" }
    from_client(client) { en: "from {client}", zh: "来自 {client}" }
    from_operator() { en: "from an operator", zh: "来自管理接口" }
    bytes(size) { en: "{size} {size|byte|bytes}", zh: "{size} 字节" }
    size_and_kind(size, kind) { en: "{size}, {kind}", zh: "{size}，{kind}" }
    /// What a payload looks like, in English by the words of the API.
    empty() { en: "empty", zh: "空" }
    plain_text() { en: "text", zh: "文本" }
    json_cut() { en: "json_cut", zh: "不完整的 JSON" }
    byte_order_mark() { en: "byte_order_mark", zh: "带 BOM 的文本" }
    binary() { en: "binary", zh: "二进制" }
    time(time) { en: "{time}", zh: "{time}" }
    goes_on() { en: "goes on:", zh: "后续：" }
    no_publication() { en: "was published before the trace began, or retained:", zh: "在跟踪开始之前发布，或为保留消息：" }
    more_copies(copies) { en: "and {copies} more", zh: "还有 {copies} 份" }
    fix() { en: "Fix: ", zh: "建议：" }
    fate_unseen(api, time) { en: "The management API at {api} has not seen this message in {time}: is it that of the broker that it was published to?", zh: "{api} 的管理接口在 {time}内没有看到这条消息：它是否属于所发布的 Broker？" }
    fate_unsettled(time, client, topic) { en: "After {time} it was not settled; columba why --from {client} {topic} says later how it ended", zh: "{time}后仍未有结果；稍后可用 columba why --from {client} {topic} 查看" }
    silence(time) { en: "Nothing came for {time}. The broker says:", zh: "{time}内没有收到消息。Broker 的记录：" }
    silence_unasked(why) { en: "it cannot be asked why: {why}", zh: "无法查询原因：{why}" }
    silence_nobody(filter) { en: "Nobody has published to a topic that {filter} matches in the last 15 minutes, as far as recorded.", zh: "最近 15 分钟的记录中，没有客户端向与 {filter} 匹配的主题发布消息。" }
    silence_nobody_else(filter) { en: "Nothing else was published to a topic that {filter} matches in the last 15 minutes, as far as recorded.", zh: "最近 15 分钟的记录中，没有其他发往与 {filter} 匹配的主题的消息。" }
    silence_private(private, filter) { en: "The names of topics that {private} covers are kept out of the record, as recorder_private_topics asks. Something was published to one of them in the last 15 minutes; whether {filter} matches it cannot be told.", zh: "按 recorder_private_topics 的要求，记录中不保留 {private} 所涵盖主题的名称。最近 15 分钟内有客户端向其中某个主题发布过消息，但无法判断 {filter} 是否与其匹配。" }
    silence_near(client, topic, why) { en: "{client} publishes to {topic}, which is nearly it: {why}", zh: "{client} 向相近的主题 {topic} 发布：{why}" }
    silence_refused(client, topic, why) { en: "{client} published to {topic} and was refused: {why}", zh: "{client} 向 {topic} 发布，但被拒绝：{why}" }
    silence_since(filter, client, topic, time, word) { en: "The last message that {filter} matches is that of {client} to {topic} at {time}; columba why {word} says more of it.", zh: "与 {filter} 匹配的最后一条消息由 {client} 于 {time} 发往 {topic}；用 columba why {word} 查看详情。" }
    more_reasons(clients, word) { en: "{clients} more {clients|client has|clients have} not got it: columba why {word} --to CLIENT says why", zh: "另有 {clients} 个客户端未收到：用 columba why {word} --to 客户端 查看原因" }
    top_head(version, up, shards, time) { en: "columba {version}   up {up}   {shards} {shards|shard|shards}   {time}", zh: "columba {version}   已运行 {up}   {shards} 个分片   {time}" }
    top_counts(clients, sessions, subscriptions, retained) { en: "clients {clients}   sessions {sessions}   subscriptions {subscriptions}   retained {retained}", zh: "客户端 {clients}   会话 {sessions}   订阅 {subscriptions}   保留消息 {retained}" }
    top_waiting(queued, size, inflight) { en: "queued {queued} ({size})   in flight {inflight}", zh: "排队 {queued}（{size}）   未确认 {inflight}" }
    top_unaccounted(messages) { en: "{messages} {messages|message is|messages are} unaccounted for: please report it", zh: "有 {messages} 条消息去向不明：请报告" }
    top_disk_full(waiting) { en: "the disk is full: what has to be stored waits, and with it {waiting} {waiting|client|clients}; make room", zh: "磁盘已满：需要保存的内容在等待，有 {waiting} 个客户端受影响；请腾出空间" }
    top_disk_failed() { en: "the disk has failed: nothing that has to be stored is acknowledged; see the broker's log", zh: "磁盘故障：需要保存的内容不再得到确认；请查看服务器日志" }
    top_received() { en: "RECEIVED/s", zh: "接收/秒" }
    top_sent() { en: "SENT/s", zh: "发送/秒" }
    top_messages() { en: "messages", zh: "消息" }
    top_packets() { en: "packets", zh: "报文" }
    top_bytes() { en: "bytes", zh: "字节" }
    top_reasons() { en: "LOST OR REFUSED", zh: "丢失或拒绝" }
    top_per_sec() { en: "/s", zh: "/秒" }
    top_total() { en: "SINCE THE START", zh: "启动以来" }
    top_no_reasons() { en: "Nothing was lost or refused since the start.", zh: "启动以来没有丢失或拒绝。" }
    top_queues() { en: "LONGEST QUEUES", zh: "最长队列" }
    top_queued() { en: "QUEUED", zh: "排队" }
    top_queued_size() { en: "SIZE", zh: "大小" }
    top_inflight() { en: "IN FLIGHT", zh: "未确认" }
    top_waiting_on() { en: "WAITING ON", zh: "等待" }
    top_no_queues() { en: "No message waits.", zh: "没有消息在等待。" }
    accepted_publish() { en: "accepted", zh: "已接受" }
    no_match() { en: "nobody subscribes to it", zh: "没有订阅者" }
    denied_publish() { en: "refused: the access rules do not allow it", zh: "已拒绝：访问规则不允许发布" }
    bad_topic() { en: "refused: nobody can publish to this topic", zh: "已拒绝：不能向该主题发布" }
    payload_invalid() { en: "refused: the payload is not what it says it is", zh: "已拒绝：消息内容与其声明的格式不符" }
    retain_quota() { en: "not retained: there is no room for another retained message", zh: "未保留：保留消息已达上限" }
    sent() { en: "sent; QoS 0 is not acknowledged", zh: "已发送（QoS 0 没有确认）" }
    acked() { en: "acknowledged", zh: "已确认" }
    refused_by_client() { en: "refused by the client", zh: "被客户端拒绝" }
    in_flight() { en: "sent, not acknowledged yet", zh: "已发送，尚未确认" }
    inflight_full() { en: "waits: the client has too many unacknowledged messages", zh: "等待：客户端未确认的消息过多" }
    socket_full() { en: "waits: the client's connection takes no more", zh: "等待：客户端连接暂时无法接收" }
    offline() { en: "waits: the client is not connected", zh: "等待：客户端未连接" }
    offline_qos0() { en: "dropped: QoS 0, and the client is not connected", zh: "已丢弃：QoS 0，且客户端未连接" }
    fetching() { en: "waits: it is read from the disk", zh: "等待：正在从磁盘读取" }
    denied_read() { en: "not delivered: the access rules do not let the client receive it", zh: "未送达：访问规则不允许该客户端接收" }
    no_local() { en: "not delivered: No Local, it is the publisher's own", zh: "未送达：No Local，是发布者自己的消息" }
    queue_full() { en: "dropped: the client's queue is full", zh: "已丢弃：客户端队列已满" }
    expired() { en: "dropped: the message has expired", zh: "已丢弃：消息已过期" }
    store_lost() { en: "dropped: the store has lost it", zh: "已丢弃：存储中已不存在" }
    session_ended() { en: "dropped: the session has ended", zh: "已丢弃：会话已结束" }
    too_large() { en: "dropped: larger than the client takes", zh: "已丢弃：超过客户端允许的大小" }
    congested() { en: "dropped: QoS 0, and the client's connection takes no more", zh: "已丢弃：QoS 0，且客户端连接无法接收" }
    other_member() { en: "handed on to another member of the shared group", zh: "已转交共享组的其他成员" }
    no_member() { en: "dropped: no member of the shared group can take it", zh: "已丢弃：共享组中没有可接收的成员" }
}

/// Adds the verdict of an answer of `/why`, and what to do about it; nothing if the message was
/// delivered, or that cannot be told.
pub(crate) fn verdict(answer: &Value, language: Language, lines: &mut Vec<String>) {
    let outcome = answer.pointer("/report/verdict/outcome");
    if matches!(
        outcome.and_then(Value::as_str),
        Some("not_delivered" | "waiting")
    ) {
        whole_verdict(answer, language, lines);
    }
}

/// The same whatever the verdict is, for a message of which nothing else is known.
pub(crate) fn whole_verdict(answer: &Value, language: Language, lines: &mut Vec<String>) {
    let text = |path: &str| answer.pointer(path).and_then(Value::as_str);
    let (code, sentence) = (text("/report/verdict/code"), text("/report/verdict/text"));
    let (Some(code), Some(sentence)) = (code, sentence) else {
        return;
    };
    lines.push(format!("{code}  {}", printable(sentence)));
    let fixes = answer.pointer("/report/fixes").and_then(Value::as_array);
    let label = fix().to_string(language);
    for fix in fixes.into_iter().flatten() {
        if let Some(fix) = fix.get("text").and_then(Value::as_str) {
            lines.push(format!("     {label}{}", printable(fix)));
        }
    }
}

/// What a payload looks like; the names of formats are the same everywhere.
pub(crate) fn payload_kind(name: &str) -> Param {
    match name {
        "empty" => empty().into(),
        "text" => plain_text().into(),
        "json_cut" => json_cut().into(),
        "byte_order_mark" => byte_order_mark().into(),
        "binary" => binary().into(),
        other => other.into(),
    }
}

/// What an outcome means for a message or a copy of one, if it can happen to them.
pub(crate) fn of_outcome(name: &str) -> Option<Text> {
    Some(match name {
        "publish.accepted" => accepted_publish(),
        "publish.no_match" => no_match(),
        "publish.denied_acl" => denied_publish(),
        "publish.bad_topic" => bad_topic(),
        "publish.payload_invalid" => payload_invalid(),
        "publish.retain_quota" => retain_quota(),
        "deliver.sent" => sent(),
        "deliver.acked" => acked(),
        "deliver.refused" => refused_by_client(),
        "deliver.in_flight" => in_flight(),
        "deliver.inflight_full" => inflight_full(),
        "deliver.socket_full" => socket_full(),
        "deliver.offline" => offline(),
        "deliver.qos0_offline" => offline_qos0(),
        "deliver.fetching" => fetching(),
        "deliver.denied_read" => denied_read(),
        "deliver.no_local" => no_local(),
        "deliver.queue_full" => queue_full(),
        "deliver.expired_message" => expired(),
        "deliver.store_lost" => store_lost(),
        "deliver.session_ended" => session_ended(),
        "deliver.too_large_for_client" => too_large(),
        "deliver.socket_congested" => congested(),
        "deliver.other_shared_member" => other_member(),
        "deliver.no_shared_member" => no_member(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_there_in_both_languages() {
        assert_eq!(columba_speech::faults(super::ALL), [""; 0]);
    }

    #[test]
    fn everything_that_can_become_of_a_copy_has_words() {
        for outcome in columba_broker::outcome::Outcome::ALL {
            let name = outcome.name();
            assert!(
                !name.starts_with("deliver.") || super::of_outcome(name).is_some(),
                "{name}"
            );
        }
    }
}
