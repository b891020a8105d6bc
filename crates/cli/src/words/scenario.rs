//! What is wrong with a scenario of `columba simulate`.

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    devices(devices, most) {
        en: "there are {devices} devices; 1 to {most} can be simulated",
        zh: "有 {devices} 个设备；可以模拟 1 到 {most} 个",
    }
    topic(topic, why) { en: "topic {topic}: {why}", zh: "主题 {topic}：{why}" }
    filter(filter, why) { en: "filter {filter}: {why}", zh: "过滤器 {filter}：{why}" }
    no_sparkplug_name(name) { en: "{name} is no name of Sparkplug B", zh: "{name} 不能用作 Sparkplug B 的名称" }
    one_level() {
        en: "one level of a topic: no /, + and #", zh: "应为主题的一级：不含 /、+ 和 #",
    }
    no_such_value(text, kind) { en: "{text} is no {kind}", zh: "{text} 不是 {kind}" }
    no_type(name) { en: "{name} is no type of a metric", zh: "指标没有类型 {name}" }
    types(names) { en: "the types are {names}", zh: "可用的类型：{names}" }
    how_often() { en: "nothing says how often this is sent", zh: "没有说明多久发送一次" }
    every() { en: "every = \"10s\", for example", zh: "例如 every = \"10s\"" }
    no_time_between() { en: "more than 0 s lie between two messages", zh: "两条消息的间隔须大于 0 秒" }
    jitter() { en: "the jitter is a share from 0 to 1", zh: "jitter 是 0 到 1 的比例" }
    days() { en: "366 days at most", zh: "最多 366 天" }
    secs(most) { en: "{most} s at most", zh: "最多 {most} 秒" }

    no_end(bracket) { en: "no {bracket} ends this hole", zh: "缺少结尾的 {bracket}" }
    no_end_of_list(bracket) { en: "no {bracket} ends the list", zh: "列表缺少结尾的 {bracket}" }
    no_hole(bracket) {
        en: "a {bracket} that is not to open one has no letter behind it",
        zh: "如果 {bracket} 只是普通字符，后面不要跟字母",
    }
    unknown(name) { en: "nothing is called {name}", zh: "没有 {name}" }
    near(name) { en: "did you mean {name}?", zh: "是不是 {name}？" }
    known(names) { en: "there are: {names}", zh: "可用的有：{names}" }
    other_arguments(name) { en: "{name} does not take this", zh: "{name} 的参数有误" }
    write(usage) { en: "write {usage}", zh: "请写 {usage}" }
    with_note(usage, note) { en: "{usage}, {note}", zh: "{usage}（{note}）" }
    by_chance() { en: "a word by chance", zh: "随机取一个词" }
    in_turn() { en: "one after the other", zh: "依次取词" }
    of_device() { en: "the same for a device", zh: "同一设备总是相同" }

    /// A number of errors, behind them.
    count(errors) { en: "{errors} {errors|error|errors}, 0 warnings.", zh: "{errors} 个错误。" }
}
