//! What commands say in the language of whoever reads.

columba_speech::catalogue! {
    /// All of them.
    pub(crate) ALL;

    watching() { en: "Watching: publish again, and what becomes of it is shown here. Ctrl-C ends it.", zh: "正在观察：请再次发布，结果会显示在这里。按 Ctrl-C 结束。" }
    changed(time) { en: "At {time}:", zh: "{time}：" }
    bundle(file, events) { en: "{file} has the verdict with its evidence ({events} {events|event|events}), the version and the configuration; client ids, topics and addresses are in it. Left out: payloads, passwords, tokens and keys, and who and what [admin] and the allowed origins name.", zh: "{file} 包含结论及其证据（{events} 条事件）、版本和配置，其中有客户端标识、主题和地址。不含：消息内容、密码、令牌和密钥，以及 [admin] 和允许的来源中列出的名称。" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_there_in_both_languages() {
        assert_eq!(columba_speech::faults(super::ALL), [""; 0]);
    }
}
