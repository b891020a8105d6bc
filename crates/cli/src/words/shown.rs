//! What stands above and in the rows that commands show, and short answers.

use columba_speech::{Param, Text};

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    client() { en: "CLIENT", zh: "客户端" }
    user() { en: "USER", zh: "用户" }
    address() { en: "ADDRESS", zh: "地址" }
    subscriptions() { en: "SUBSCRIPTIONS", zh: "订阅" }
    inflight() { en: "IN FLIGHT", zh: "未确认" }
    queued() { en: "QUEUED", zh: "排队" }
    waiting_on() { en: "WAITING ON", zh: "等待" }
    topic() { en: "TOPIC", zh: "主题" }
    qos() { en: "QOS", zh: "QOS" }
    bytes() { en: "BYTES", zh: "字节" }
    payload() { en: "PAYLOAD", zh: "内容" }
    messages() { en: "MESSAGES", zh: "消息" }
    unmatched() { en: "UNMATCHED", zh: "无人订阅" }
    last() { en: "LAST", zh: "最近" }
    last_by() { en: "LAST BY", zh: "最近发布者" }
    retained() { en: "RETAINED", zh: "保留" }
    retained_bytes() { en: "RETAINED BYTES", zh: "保留字节" }
    rule() { en: "RULE", zh: "规则" }
    says() { en: "SAYS", zh: "内容" }
    publish() { en: "PUBLISH", zh: "发布" }
    subscribe() { en: "SUBSCRIBE", zh: "订阅" }
    receive() { en: "RECEIVE", zh: "接收" }
    no_rule() { en: "(no rule)", zh: "（无规则）" }
    /// In place of rows.
    none() { en: "there are none", zh: "没有符合条件的内容" }
    no_room(columns) { en: "no room for {columns}: -o jsonl has all", zh: "放不下：{columns}；用 -o jsonl 查看全部" }

    waits_for_nothing() { en: "nothing", zh: "无" }
    waits_for_client() { en: "client", zh: "客户端" }
    waits_for_acknowledgement() { en: "acknowledgement", zh: "确认" }
    waits_for_socket() { en: "socket", zh: "连接" }
    waits_for_disk() { en: "disk", zh: "磁盘" }
    waits_for_broker() { en: "broker", zh: "BROKER" }

    seconds_ago(count) { en: "{count} s ago", zh: "{count} 秒前" }
    minutes_ago(count) { en: "{count} min ago", zh: "{count} 分钟前" }
    hours_ago(count) { en: "{count} h ago", zh: "{count} 小时前" }
    days_ago(count) { en: "{count} d ago", zh: "{count} 天前" }

    size(count) { en: "{count} {count|byte|bytes}", zh: "{count} 字节" }
    times_since(times, time) { en: "{times} times since {time}", zh: "自 {time} 起 {times} 次" }
    detail(what) { en: "({what})", zh: "（{what}）" }

    may(who, action, topic, rule) { en: "{who} may {action} {topic}: {rule}", zh: "{who} 可以{action} {topic}：{rule}" }
    may_not(who, action, topic, rule) {
        en: "{who} may not {action} {topic}: {rule}", zh: "{who} 不可以{action} {topic}：{rule}",
    }
    with_user(client, user) { en: "{client} (user {user})", zh: "{client}（用户 {user}）" }
    not_logged_in(client) { en: "{client} (not logged in)", zh: "{client}（未登录）" }
    to_publish() { en: "publish", zh: "发布" }
    to_subscribe() { en: "subscribe", zh: "订阅" }
    to_receive() { en: "receive", zh: "接收" }
    decided_by(rule) { en: "decided by {rule}", zh: "由 {rule} 决定" }
    undecided() { en: "no rule decides it", zh: "没有规则作出决定" }

    matches() { en: "it matches", zh: "匹配" }
    differs() { en: "it does not match", zh: "不匹配" }
    differs_at(level, filter, topic) {
        en: "Level {level} is {filter} in the filter and {topic} in the topic.",
        zh: "第 {level} 层在过滤器中是 {filter}，在主题中是 {topic}。",
    }
    other_count(filter, topic) {
        en: "The filter has {filter} {filter|level|levels} and the topic {topic}; only # stands for any number.",
        zh: "过滤器有 {filter} 层，主题有 {topic} 层；只有 # 代表任意多层。",
    }
    differs_in(how) { en: "it does not match: {how}", zh: "不匹配：{how}" }
    unusable(text, why) { en: "{text}: {why}", zh: "{text}：{why}" }

    other_topics(count) { en: "({count} other {count|topic|topics})", zh: "（另外 {count} 个主题）" }
    topics_beyond(count) { en: "(other topics, beyond the first {count})", zh: "（前 {count} 个之外的其他主题）" }
    all_topics(count) { en: "(all, of {count} {count|topic|topics})", zh: "（合计，共 {count} 个主题）" }
    all_of_more(count) { en: "(all, of more than {count} topics)", zh: "（合计，超过 {count} 个主题）" }
    message_rate(rate, bytes) { en: "{rate} messages/s {bytes}/s", zh: "{rate} 条/秒 {bytes}/秒" }
    whole_rate(rates, messages, size, secs) {
        en: "all       {rates}: {messages} {messages|message|messages}, {size} in {secs} s",
        zh: "合计      {rates}：{secs} 秒内 {messages} 条消息，{size}",
    }
    tree_head(messages, topics, rate) {
        en: "{messages} {messages|message|messages} on {topics} {topics|topic|topics}, {rate}/s",
        zh: "{topics} 个主题，{messages} 条消息，{rate} 条/秒",
    }
    tree_others(messages) {
        en: ", {messages} {messages|message|messages} on topics beyond what is kept",
        zh: "，另有 {messages} 条属于未保留的主题",
    }
    tree_keys() { en: "   (arrows, space: fold, q: quit)", zh: "   （方向键移动，空格折叠，q 退出）" }
    tree_beyond(messages) {
        en: "({messages} {messages|message|messages} on topics beyond what is kept)",
        zh: "（另有 {messages} 条消息属于未保留的主题）",
    }
    empty() { en: "(empty)", zh: "（空）" }
    message_count(messages) { en: "{messages} {messages|message|messages}", zh: "{messages} 条消息" }
    sent(messages, rate) { en: "{messages} messages, {rate}/s", zh: "{messages} 条消息，{rate} 条/秒" }
    sent_of(percent, messages, all, rate, left) {
        en: "{percent} %: {messages} of {all} messages, {rate}/s, {left} left",
        zh: "{percent} %：{messages}/{all} 条消息，{rate} 条/秒，剩余 {left}",
    }
}

/// What messages of a client wait for.
pub(crate) fn waiting(name: &str) -> Option<Text> {
    Some(match name {
        "nothing" => waits_for_nothing(),
        "client" => waits_for_client(),
        "acknowledgement" => waits_for_acknowledgement(),
        "socket" => waits_for_socket(),
        "disk" => waits_for_disk(),
        "broker" => waits_for_broker(),
        _ => return None,
    })
}

/// What a client wants to do.
pub(crate) fn action(name: &str) -> Param {
    match name {
        "publish" => to_publish().into(),
        "subscribe" => to_subscribe().into(),
        "receive" => to_receive().into(),
        other => other.into(),
    }
}
