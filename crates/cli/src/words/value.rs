//! Why the value of an option is not taken.

use std::error::Error;
use std::fmt;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use columba_bench::ThresholdFault;
use columba_speech::{Language, Param, Text};

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    language() { en: "the languages are en and zh", zh: "可选的语言是 en 和 zh" }
    qos() { en: "the QoS is 0, 1 or 2", zh: "QoS 只能是 0、1 或 2" }
    version() { en: "the versions are 31, 311 and 5", zh: "版本只能是 31、311 或 5" }
    bench_version() {
        en: "the versions are 3.1, 3.1.1 and 5", zh: "版本只能是 3.1、3.1.1 或 5",
    }
    tls_version() {
        en: "the versions are tlsv1.2 and tlsv1.3", zh: "版本只能是 tlsv1.2 或 tlsv1.3",
    }
    application_protocol() {
        en: "a name of 1 to 255 bytes", zh: "名称的长度应为 1 到 255 字节",
    }
    expiry() {
        en: "a number of seconds, or -1 for ever", zh: "应为秒数，-1 表示永久",
    }
    proxy_scheme() {
        en: "it starts with socks5h://, other proxies are not spoken to",
        zh: "应以 socks5h:// 开头，不支持其他代理",
    }
    retain_handling() {
        en: "one of always, new and never", zh: "只能是 always、new 或 never",
    }
    time(text) {
        en: "{text} is no time: write 90s, 15m, 2h or 1d", zh: "{text} 不是时间：请写成 90s、15m、2h 或 1d",
    }
    time_of_units() {
        en: "write a number and a unit: 500ms, 10s, 5m, 2h, 7d, 1h30m",
        zh: "请写数字和单位：500ms、10s、5m、2h、7d、1h30m",
    }
    a_second() { en: "at least one second", zh: "至少一秒" }
    patience() { en: "that is more than 30m", zh: "超过了 30m" }
    moment() {
        en: "that is no time: write 19:14, 2026-11-28T19:14 or 2026-11-28T10:41:00Z",
        zh: "不是时间：请写成 19:14、2026-11-28T19:14 或 2026-11-28T10:41:00Z",
    }
    no_topic() {
        en: "a topic has at least one character; name it, or ask about a client with --from or --to",
        zh: "主题至少有一个字符；请指定主题，或用 --from 或 --to 查询客户端",
    }
    before_1970() { en: "that is before 1970", zh: "早于 1970 年" }
    no_verdict(code, known) {
        en: "there is no verdict {code}: write one of {known}", zh: "没有结论 {code}：可选的有 {known}",
    }
    speed() {
        en: "a factor from 0.001 to 1000000, such as 2x, or max",
        zh: "应为 0.001 到 1000000 的倍数，例如 2x，或者 max",
    }
    percent() { en: "a number from 0.1 to 100", zh: "应为 0.1 到 100 的数字" }
    rate() { en: "a number from 0.001 to 1000000", zh: "应为 0.001 到 1000000 的数字" }
    address(port) {
        en: "write an IP address and a port, such as \"0.0.0.0:{port}\"",
        zh: "请写 IP 地址和端口，例如 \"0.0.0.0:{port}\"",
    }
    number() { en: "a number, such as 5000 or 5k", zh: "应为数字，例如 5000 或 5k" }
    whole_number() {
        en: "a whole number, such as 5000 or 5k", zh: "应为整数，例如 5000 或 5k",
    }
    too_many() { en: "too many", zh: "太多了" }
    bytes() {
        en: "a number of bytes, such as 64, 4KiB or 1MB", zh: "应为字节数，例如 64、4KiB 或 1MB",
    }
    bench_time() {
        en: "a time, such as 10s, 500ms or 2m", zh: "应为时间，例如 10s、500ms 或 2m",
    }
    bench_year() { en: "a time of at most a year", zh: "最多一年" }
    time_or_messages() {
        en: "a time such as 2s, or a number of messages such as 10k",
        zh: "应为时间（例如 2s）或消息数（例如 10k）",
    }

    format_time() {
        en: "after @ comes a letter of strftime, or another @",
        zh: "@ 后面应是 strftime 的字母，或者另一个 @",
    }
    format_width() { en: "a width is at most 10000", zh: "宽度最大为 10000" }
    format_letter(letter, letters) {
        en: "%{letter} is not one of % followed by {letters}", zh: "没有 %{letter}；% 后面可以是 {letters}",
    }
    format_unfinished() {
        en: "the format ends with an unfinished %", zh: "格式以不完整的 % 结尾",
    }
    format_escape() {
        en: "after \\ comes one of \\ 0 a e n r t v", zh: "\\ 后面应是 \\ 0 a e n r t v 之一",
    }
    format_bytes(letter, wanted, bytes) {
        en: "%{letter} needs a message of {wanted} bytes, and this one has {bytes}",
        zh: "%{letter} 需要 {wanted} 字节的消息，而这条有 {bytes} 字节",
    }
    format_no_json(topic) {
        en: "the message on '{topic}' is not valid JSON", zh: "“{topic}”上的消息不是有效的 JSON",
    }

    condition() {
        en: "a condition is METRIC, one of > >= < <= == !=, and a value: p99>20ms",
        zh: "条件由指标、> >= < <= == != 之一和值组成：p99>20ms",
    }
    no_metric(name, known) {
        en: "{name} is not measured; there are {known}", zh: "没有指标 {name}；可选的有 {known}",
    }
    condition_number(text) { en: "{text} is no number", zh: "{text} 不是数字" }
    condition_unit(metric, units, unit) {
        en: "{metric} takes {units}, not {unit}", zh: "{metric} 的单位是 {units}，而不是 {unit}",
    }
    one_of(some, last) { en: "{some} or {last}", zh: "{some} 或 {last}" }

    no_digit() {
        en: "write a whole number such as 5, without sign and fraction",
        zh: "应为整数，例如 5，不带正负号和小数",
    }
    no_number() { en: "write a number such as 0.5", zh: "应为数字，例如 0.5" }
    empty() { en: "the number is missing", zh: "缺少数字" }
    too_large() { en: "the number is too large", zh: "数字过大" }
    too_small() { en: "the number is too small", zh: "数字过小" }
    less_than(value, least) { en: "{value} is less than {least}", zh: "{value} 小于 {least}" }
    out_of_range(value, range) {
        en: "{value} is not in {range}", zh: "{value} 超出范围（{range}）",
    }
}

/// A sentence as an error. As others show it, it is English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said(pub(crate) Param);

impl From<Text> for Said {
    fn from(text: Text) -> Self {
        Self(text.into())
    }
}

impl From<Said> for Param {
    fn from(said: Said) -> Self {
        said.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string(Language::English))
    }
}

impl Error for Said {}

/// The parts of `a, b or c`, which stand in English as they were.
fn alternatives(text: &str) -> Param {
    match text.rsplit_once(" or ") {
        Some((some, last)) => one_of(Param::list(some.split(", ")), last).into(),
        None => text.into(),
    }
}

/// What is wrong with a value, as far as it has words here.
pub(super) fn said(error: &(dyn Error + 'static)) -> Param {
    if let Some(said) = error.downcast_ref::<Said>() {
        return said.0.clone();
    }
    if error.is::<ParseFloatError>() {
        return no_number().into();
    }
    if let Some(error) = error.downcast_ref::<ParseIntError>() {
        return match error.kind() {
            IntErrorKind::Empty => empty(),
            IntErrorKind::PosOverflow => too_large(),
            IntErrorKind::NegOverflow => too_small(),
            _ => no_digit(),
        }
        .into();
    }
    let text = error.to_string();
    if let Some(fault) = error.downcast_ref::<ThresholdFault>() {
        return match fault {
            ThresholdFault::NoComparison => condition().into(),
            ThresholdFault::UnknownMetric(name) => {
                let known = text.split_once("there are ").map_or("", |(_, known)| known);
                no_metric(name.as_str(), Param::list(known.split(", "))).into()
            }
            ThresholdFault::NotANumber(number) => condition_number(number.as_str()).into(),
            ThresholdFault::Unit {
                metric,
                unit,
                units,
            } => condition_unit(metric.as_str(), alternatives(units), unit.as_str()).into(),
            _ => text.into(),
        };
    }
    match text.split_once(" is not in ") {
        Some((value, range)) => match range.strip_suffix(NO_END) {
            Some(least) => less_than(value, least).into(),
            None => out_of_range(value, range).into(),
        },
        None => text.into(),
    }
}

/// What a range says that has no other end than that of its type.
const NO_END: &str = "..18446744073709551615";

/// What the standard library or clap says of a number, and what to say in its place.
pub(crate) fn clearer(error: &(dyn Error + 'static)) -> Option<(String, Param)> {
    let text = error.to_string();
    let is_of_others = error.is::<ParseFloatError>()
        || error.is::<ParseIntError>()
        || text.contains(" is not in ") && text.ends_with(NO_END);
    is_of_others.then(|| (text, said(error)))
}
