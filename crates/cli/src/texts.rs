//! What commands say in the language of whoever reads.

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
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_there_in_both_languages() {
        assert_eq!(columba_speech::faults(super::ALL), [""; 0]);
    }
}
