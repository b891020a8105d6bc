//! Why a payload is not what it was read as.

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    undecodable(topic, not, why, at, size) {
        en: "the message on '{topic}' {not}: {why}, at byte {at} of {size}",
        zh: "“{topic}”上的消息{not}：{why}（第 {at} 字节，共 {size} 字节）",
    }
    no_json() { en: "is no JSON", zh: "不是 JSON" }
    no_cbor() { en: "is no CBOR", zh: "不是 CBOR" }
    no_msgpack() { en: "is no MessagePack", zh: "不是 MessagePack" }
    no_sparkplug() { en: "is no Sparkplug B", zh: "不是 Sparkplug B" }
    no_sparkplug_after_all() {
        en: "is no Sparkplug B, though its topic says so", zh: "不是 Sparkplug B，虽然主题如此表明",
    }
    not_its_content_type() {
        en: "is not what its content type says", zh: "与其内容类型不符",
    }
    too_large(mib) { en: "more than {mib} MiB are not decoded", zh: "超过 {mib} MiB 的内容不解码" }
    shown_too_large(mib) {
        en: "shown as JSON it has more than {mib} MiB", zh: "以 JSON 显示时超过 {mib} MiB",
    }
    too_deep(depth) { en: "more than {depth} values inside of each other", zh: "嵌套超过 {depth} 层" }

    too_early(bytes) {
        en: "the payload ends {bytes} {bytes|byte|bytes} too early", zh: "内容提前结束，缺少 {bytes} 字节",
    }
    more_behind(bytes) {
        en: "{bytes} more {bytes|byte|bytes} behind the end", zh: "结尾之后还有 {bytes} 字节",
    }
    no_utf_8() { en: "text is not UTF-8", zh: "文本不是 UTF-8" }

    syntax(what) { en: "{what}", zh: "JSON 语法错误（{what}）" }
    ends_inside() { en: "EOF while parsing", zh: "JSON 不完整" }

    break_outside() { en: "a break where nothing is open", zh: "没有可结束的项却出现了 break" }
    no_cbor_item(byte) { en: "{byte} begins no CBOR item", zh: "CBOR 的项不能以 {byte} 开头" }
    no_msgpack_object() {
        en: "0xc1 begins no MessagePack object", zh: "MessagePack 的对象不能以 0xc1 开头",
    }
    map_key() {
        en: "a map key that is neither text nor a whole number", zh: "映射的键既不是文本也不是整数",
    }
    other_piece() {
        en: "a string in pieces has a piece of another kind", zh: "分段字符串中有另一种类型的段",
    }
    simple_value() { en: "a simple value in the wrong form", zh: "简单值的形式有误" }

    alias_before_birth(topic, alias, birth, command) {
        en: "a metric on '{topic}' has the alias {alias} and no name, and no {birth} that names it has come yet: it comes when the node connects, or when Node Control/Rebirth is set by a message to {command}",
        zh: "“{topic}”上有指标只有别名 {alias} 而没有名称，尚未收到说明其名称的 {birth}：节点连接时会发送，也可以向 {command} 发送 Node Control/Rebirth 要求重发",
    }
    alias_not_born(topic, alias, birth) {
        en: "a metric on '{topic}' has no name: its {birth} has none with alias {alias}",
        zh: "“{topic}”上有指标没有名称：其 {birth} 中没有别名 {alias}",
    }
    alias_forgotten(topic, alias, birth, most) {
        en: "a metric on '{topic}' has the alias {alias} and no name: no {birth} of it has come, or it was forgotten, as {most} births at most are kept, and not the largest",
        zh: "“{topic}”上有指标只有别名 {alias} 而没有名称：没有收到其 {birth}，或者已被遗忘（最多保留 {most} 个，且总大小有限）",
    }

    wire_type(number) { en: "a field of the unknown wire type {number}", zh: "字段的线路类型 {number} 未知" }
    field_0() { en: "a field with the number 0", zh: "字段的编号为 0" }
    over_64_bits() { en: "a number of more than 64 bits", zh: "数字超过 64 位" }
    other_kind(field) { en: "field {field} is of another kind", zh: "字段 {field} 的类型不符" }
    no_zero() { en: "a text without a zero behind it", zh: "文本后面缺少零字节" }
}
