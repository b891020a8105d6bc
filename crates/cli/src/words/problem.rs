//! What the management API says that it does not do. It speaks English; what it says to the commands is
//! recognised here.

use columba_speech::{Param, recognise};

columba_speech::said_elsewhere! {
    /// All sentences; the more general ones last, for the first that fits is taken.
    pub(crate) ALL;

    stopping() { en: "the broker is stopping", zh: "Broker 正在停止" }
    no_answer() { en: "no answer within 30 s", zh: "30 秒内没有应答" }
    no_session(client) { en: "there is no session of a client {client}", zh: "客户端 {client} 没有会话" }
    no_sort(key, keys) { en: "sort is {key}: write one of {keys}", zh: "不能按 {key} 排序：可用的有 {keys}" }
    no_outcome(name) { en: "outcome is {name}, which nothing is called", zh: "没有名为 {name} 的结果" }
    no_waiting(word) { en: "waiting_on is {word}, which means nothing", zh: "waiting_on 不能是 {word}" }
    no_time() { en: "since_unix_ms is no time", zh: "since_unix_ms 不是时间" }
    too_many_lists() {
        en: "too many lists are being made, or the disk does not keep up, is full or has failed: try again, and see store.disk of /broker",
        zh: "正在生成的列表过多，或者磁盘跟不上、已满或有故障：请重试，并查看 /broker 的 store.disk",
    }
    shared_filter() { en: "topic: a shared filter says nothing here", zh: "topic：这里不能用共享过滤器" }
    record_unread() { en: "the record could not be read", zh: "无法读取记录" }
    streams_full(count) {
        en: "{count} streams are open already: close one, or ask for pages", zh: "已有 {count} 个事件流：请关闭一个，或改用分页",
    }
    no_trace(id) { en: "there is no trace {id}, or it has been deleted", zh: "没有跟踪 {id}，或已被删除" }
    trace_over() { en: "the time of the trace is over", zh: "跟踪时间已到" }
    traces_full(count) {
        en: "{count} traces go on already: delete one, or wait until one has ended",
        zh: "已有 {count} 个跟踪正在进行：请删除一个，或等待其中之一结束",
    }
    trace_shared() {
        en: "filter is of a shared subscription: leave $share and its name out", zh: "过滤器属于共享订阅：请去掉 $share 及其名称",
    }
    trace_secs(most) { en: "for_secs is 1 to {most}", zh: "时间应为 1 到 {most} 秒" }
    trace_unbegun() { en: "the trace could not be begun", zh: "无法开始跟踪" }
    trace_busy() { en: "another trace is being deleted: try again", zh: "另一个跟踪正在删除：请重试" }
    why_unjudged() { en: "the evidence could not be judged", zh: "无法根据记录作出判断" }
    why_subject() {
        en: "say what you ask about: a topic, or a client in from or to", zh: "请说明要查询什么：一个主题，或 from、to 中的客户端",
    }
    why_own() {
        en: "without the scope `read`, name a client of yours in from or to", zh: "没有 `read` 权限时，请在 from 或 to 中指定自己的客户端",
    }
    why_user(client, user, caller) {
        en: "{client} has no session of the user {user}, and {caller} lacks the scope `read`",
        zh: "{client} 没有用户 {user} 的会话，而 {caller} 没有 `read` 权限",
    }
    may_not_receive(client, topic, rule) {
        en: "{client} may not receive {topic}: {rule}", zh: "{client} 不可以接收 {topic}：{rule}",
    }
    no_rule() { en: "no rule allows it", zh: "没有允许它的规则" }
    lacks(caller, scope) { en: "{caller} lacks the scope `{scope}`", zh: "{caller} 没有 `{scope}` 权限" }
    send_token() {
        en: "send `Authorization: Bearer TOKEN` (make one: columba token add DIR NAME), or a user and password with Basic",
        zh: "请求没有带令牌，也没有用户名和密码",
    }
    bad_header() {
        en: "the header Authorization is neither `Bearer TOKEN` nor `Basic ...`",
        zh: "请求头 Authorization 既不是 `Bearer 令牌` 也不是 `Basic ...`",
    }
    no_token() { en: "the token is not known", zh: "令牌无效" }
    token_expired(name) { en: "the token {name} has expired: make another one", zh: "令牌 {name} 已过期：请另建一个" }
    wrong_passwords(secs) { en: "too many wrong passwords: try again in {secs} s", zh: "密码错误次数过多：请在 {secs} 秒后重试" }
    wrong_password() { en: "the user or its password is wrong", zh: "用户名或密码有误" }
    unknown_door(name) {
        en: "this door is not known as {name}: use its address, or add the name to `hosts` under [admin]",
        zh: "管理接口不认识名称 {name}：请用其地址，或把该名称加入 [admin] 的 `hosts`",
    }
    no_path() { en: "there is no such path: see /api/v1/openapi.json", zh: "没有这个路径：见 /api/v1/openapi.json" }
    disk_failed() { en: "the disk has failed", zh: "磁盘发生故障" }
    topic_empty() { en: "a topic has at least one character", zh: "主题至少有一个字符" }
    topic_nul() { en: "a topic never holds U+0000", zh: "主题中不能有 U+0000" }
    topic_long() { en: "a topic has at most 65,535 bytes", zh: "主题最多 65,535 字节" }
    topic_wildcard() {
        en: "a topic to publish to has no wildcard (+ or #)", zh: "发布的主题中不能有通配符（+ 或 #）",
    }
    hash_last() {
        en: "# stands alone in the last level of a topic filter", zh: "# 只能单独作为主题过滤器的最后一级",
    }
    wildcard_level() {
        en: "a wildcard fills a whole level of a topic filter", zh: "通配符必须占据主题过滤器的一整级",
    }
    share_form() {
        en: "a shared subscription is $share/NAME/FILTER, and NAME has no + or #",
        zh: "共享订阅的格式是 $share/名称/过滤器，名称中不能有 + 或 #",
    }
    topic(text, fault) { en: "topic is {text}: {fault}", zh: "主题 {text} 不可用：{fault}" }
    filter(text, fault) { en: "filter is {text}: {fault}", zh: "过滤器 {text} 不可用：{fault}" }
    of_topic(fault) { en: "topic: {fault}", zh: "主题不可用：{fault}" }
    of_prefix(fault) { en: "prefix: {fault}", zh: "前缀不可用：{fault}" }
}

/// What a broker answers, in words.
pub(crate) fn said(detail: &str) -> Param {
    recognise(ALL, detail).map_or_else(|| Param::from(detail), Param::from)
}
