//! What frames the findings.

columba_speech::catalogue! {
    /// Every frame.
    pub ALL;

    fix(what) { en: "Fix: {what}", zh: "建议：{what}" }
    unreached(checks) {
        en: "not reached: {checks}",
        zh: "未检查：{checks}",
    }
    consent(id) {
        en: "Taking over '{id}' throws out the client that uses it, and messages that wait for it may come here. Go on?",
        zh: "接管“{id}”会把正在使用它的客户端顶下线，等待它的消息也可能发到这里。继续吗？",
    }
    interrupted() { en: "interrupted", zh: "已中断" }
    counts(failed, warned, passed, skipped, exit) {
        en: "{failed} failed, {warned} warning{warned||s}, {passed} passed, {skipped} skipped; exit code {exit}",
        zh: "失败 {failed} 项，警告 {warned} 项，通过 {passed} 项，跳过 {skipped} 项；退出码 {exit}",
    }
}
