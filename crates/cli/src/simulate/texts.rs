//! What `columba simulate` says.

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    /// Before it starts.
    starting(scenario, devices, server, seed) {
        en: "{scenario}: {devices} {devices|client|clients} to {server}, seed {seed}; Ctrl-C ends it",
        zh: "{scenario}：{devices} 个客户端连接 {server}，随机种子 {seed}；按 Ctrl-C 结束",
    }
    /// While it runs.
    progress(connected, devices, sent, rate) {
        en: "{connected} of {devices} connected, {sent} sent, {rate}/s",
        zh: "已连接 {connected}/{devices}，已发送 {sent}，每秒 {rate} 条",
    }
    /// The first line of the summary.
    ended(scenario, devices, time) {
        en: "{scenario}: {devices} {devices|client|clients}, {time}",
        zh: "{scenario}：{devices} 个客户端，{time}",
    }
    sent() { en: "sent", zh: "已发送" }
    acknowledged() { en: "acknowledged", zh: "已确认" }
    acknowledged_of(count, wanted) {
        en: "{count} of {wanted} at QoS 1 and 2",
        zh: "{count}（QoS 1、2 共 {wanted} 条）",
    }
    nobody() { en: "nobody subscribes", zh: "无人订阅" }
    unanswered() { en: "unanswered", zh: "无应答" }
    refused() { en: "refused", zh: "被拒绝" }
    received() { en: "received", zh: "已接收" }
    late() { en: "left out", zh: "已跳过" }
    late_of(count) {
        en: "{count}, because the server or this machine was slower than the scenario",
        zh: "{count} 条，因为服务器或本机跟不上场景的速度",
    }
    connections() { en: "connections", zh: "连接" }
    connections_of(opened, again) {
        en: "{opened}, {again} of them reconnects",
        zh: "{opened} 次，其中重连 {again} 次",
    }
    cut() { en: "cut on purpose", zh: "按场景断开" }
    lost() { en: "ended by the other side", zh: "被对方断开" }
    not_connected() { en: "failed to connect", zh: "连接失败" }
    others() { en: "other reasons", zh: "其他原因" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_whole_in_both_languages() {
        assert_eq!(columba_speech::faults(super::ALL), Vec::<String>::new());
    }
}
