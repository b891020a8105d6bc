//! What the page of one client says.

use columba_speech::Param;

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    /// Names of lines.
    online() { en: "online", zh: "在线" }
    offline() { en: "offline", zh: "离线" }
    keep_alive() { en: "keep alive", zh: "保活时间" }
    user() { en: "user", zh: "用户" }
    certificate() { en: "certificate", zh: "证书" }
    session() { en: "session", zh: "会话" }
    inflight() { en: "in flight", zh: "未确认" }
    queued() { en: "queued", zh: "排队" }
    waiting_on() { en: "waiting on", zh: "等待" }
    unreleased() { en: "unreleased", zh: "未释放" }
    will() { en: "Will", zh: "遗嘱" }
    subscriptions() { en: "subscriptions", zh: "订阅" }
    on_their_way() { en: "on their way", zh: "发送途中" }

    connected(since, way, listener, protocol) {
        en: "since {since}, {way}, listener {listener}, MQTT {protocol}",
        zh: "{since}连接，{way}，监听器 {listener}，MQTT {protocol}",
    }
    from_address(address) { en: "from {address}", zh: "来自 {address}" }
    by_unix_socket() { en: "by a Unix socket", zh: "经由 Unix 套接字" }
    away(since) { en: "since {since}", zh: "{since}断开" }
    away_from(since, address) {
        en: "since {since}, last from {address}", zh: "{since}断开，上次来自 {address}",
    }
    seconds(secs) { en: "{secs} s", zh: "{secs} 秒" }
    no_keep_alive() { en: "none", zh: "无" }
    silent_for(keep_alive, secs) { en: "{keep_alive}, silent for {secs} s", zh: "{keep_alive}，已静默 {secs} 秒" }

    anonymous() { en: "none, it is anonymous", zh: "无，匿名客户端" }
    in_groups(user, groups) { en: "{user}, in {groups}", zh: "{user}，所属组 {groups}" }

    kept(how_long, place) { en: "{how_long}, {place}", zh: "{how_long}，{place}" }
    never_ends() { en: "lasts until somebody ends it", zh: "保留到有人结束它为止" }
    ends_with_connection() { en: "ends with its connection", zh: "随连接结束" }
    lasts(secs) { en: "lasts {secs} s without a connection", zh: "断开连接后保留 {secs} 秒" }
    lasts_yet(secs) {
        en: "lasts {secs} s, unless its client comes back", zh: "保留 {secs} 秒，除非客户端重新连接",
    }
    on_disk() { en: "on the disk", zh: "保存在磁盘上" }
    in_memory() { en: "in memory alone", zh: "仅在内存中" }

    of_window(count, most) { en: "{count} of {most} at most", zh: "{count}，最多 {most}" }
    waiting(count, bytes) { en: "{count}, {bytes} B", zh: "{count} 条，{bytes} 字节" }
    waiting_since(count, bytes, topic) {
        en: "{count}, {bytes} B, the oldest to {topic}", zh: "{count} 条，{bytes} 字节，最早的一条发往 {topic}",
    }
    behind_socket(what, bytes) {
        en: "{what}, {bytes} B wait for its socket", zh: "{what}，有 {bytes} 字节等待写入连接",
    }
    without_pubrel(count) {
        en: "{count} QoS 2 {count|message|messages} of its own without PUBREL",
        zh: "它发布的 {count} 条 QoS 2 消息尚未收到 PUBREL",
    }

    message(topic, qos, bytes) { en: "{topic}, QoS {qos}, {bytes} B", zh: "{topic}，QoS {qos}，{bytes} 字节" }
    retained(message) { en: "{message}, retained", zh: "{message}，保留消息" }
    delayed(message, secs) {
        en: "{message}, {secs} s after the connection", zh: "{message}，断开 {secs} 秒后发布",
    }
    /// The words of the options are those of the standard.
    with_option(said, option) { en: "{said}, {option}", zh: "{said}，{option}" }
    sent_as(packet_id, step, message) {
        en: "packet id {packet_id}  {step}  {message}", zh: "报文标识符 {packet_id}  {step}  {message}",
    }
    held() { en: "held", zh: "待发送" }
    sent() { en: "sent", zh: "已发送" }
    released() { en: "released", zh: "已释放" }
    and_more(count) { en: "and {count} more: -o json", zh: "还有 {count} 条：用 -o json 查看" }
}

/// How far the exchange of a message is.
pub(crate) fn step(name: &str) -> Param {
    match name {
        "held" => held().into(),
        "sent" => sent().into(),
        "released" => released().into(),
        other => other.into(),
    }
}
