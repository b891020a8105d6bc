//! What frames the findings.

columba_speech::catalogue! {
    /// Every frame.
    pub ALL;

    fix(what) { en: "Fix: {what}", zh: "建议：{what}" }
    unreached(checks) {
        en: "not reached: {checks}",
        zh: "未检查：{checks}",
    }
    risk(id) {
        en: "Taking over '{id}' throws out the client that uses it, messages at QoS 0 may come here instead, and in MQTT 5 its session then never expires until its client connects again.",
        zh: "接管“{id}”会把正在使用它的客户端顶下线，QoS 0 的消息可能发到这里；在 MQTT 5 中，其会话在客户端重新连接之前不再过期。",
    }
    consent() { en: "Go on?", zh: "继续吗？" }
    interrupted() { en: "interrupted", zh: "已中断" }
    counts(failed, warned, passed, skipped, exit) {
        en: "{failed} failed, {warned} warning{warned||s}, {passed} passed, {skipped} skipped; exit code {exit}",
        zh: "失败 {failed} 项，警告 {warned} 项，通过 {passed} 项，跳过 {skipped} 项；退出码 {exit}",
    }
}
