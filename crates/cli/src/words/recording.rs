//! Files of recorded messages: why they are not written, or not replayed.

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    unrecorded(file, error) { en: "cannot record to {file}: {error}", zh: "无法录制到 {file}：{error}" }
    unreplayed(file, error) { en: "cannot replay {file}: {error}", zh: "无法重放 {file}：{error}" }
    no_file() { en: "it is no file that can be read twice", zh: "它不是可以重复读取的文件" }
    of_line(file, line, what) { en: "{file}, line {line}: {what}", zh: "{file} 第 {line} 行：{what}" }
    nothing_in(file) {
        en: "{file} holds no messages: nothing is published", zh: "{file} 中没有消息：没有发布任何内容",
    }
    line_too_long() { en: "the line is too long", zh: "该行过长" }
    at_column(what, column) { en: "{what}, at column {column}", zh: "{what}（第 {column} 列）" }
    no_line(why) { en: "no recorded message ({why})", zh: "不是录制的消息（{why}）" }
    time(time, why) { en: "time '{time}': {why}", zh: "time“{time}”不是时间（{why}）" }
    topic(topic, why) { en: "topic '{topic}': {why}", zh: "topic“{topic}”不可用：{why}" }
    qos(qos) { en: "qos is {qos}, and must be 0, 1 or 2", zh: "qos 是 {qos}，只能是 0、1 或 2" }
    no_base64(key, why) { en: "{key} is no Base64: {why}", zh: "{key} 不是 Base64（{why}）" }
}
