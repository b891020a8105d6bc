//! What is wrong with a command line, in words. The English is clap's own, but for what is wrong with
//! the words of Mosquitto's clients, which clap does not read.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use columba_speech::{Language, Param, Text};

use super::value;

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    error(what) { en: "error: {what}", zh: "错误：{what}" }
    tip(what) { en: "  tip: {what}", zh: "  提示：{what}" }
    usage(usage) { en: "Usage: {usage}", zh: "用法：{usage}" }
    more(option) { en: "For more information, try '{option}'.", zh: "更多信息请用“{option}”。" }

    unknown_argument(argument) { en: "unexpected argument '{argument}' found", zh: "无法识别的参数“{argument}”" }
    unknown_command(name) { en: "unrecognized subcommand '{name}'", zh: "没有命令“{name}”" }
    given_twice(argument) {
        en: "the argument '{argument}' cannot be used multiple times", zh: "参数“{argument}”不能重复使用",
    }
    conflict(argument, other) {
        en: "the argument '{argument}' cannot be used with '{other}'",
        zh: "参数“{argument}”不能与“{other}”一起使用",
    }
    conflict_with_all(argument) {
        en: "the argument '{argument}' cannot be used with:", zh: "参数“{argument}”不能与以下参数一起使用：",
    }
    conflict_with_others(argument) {
        en: "the argument '{argument}' cannot be used with one or more of the other specified arguments",
        zh: "参数“{argument}”不能与其他已给出的参数一起使用",
    }
    no_value(argument) {
        en: "a value is required for '{argument}' but none was supplied", zh: "“{argument}”缺少值",
    }
    invalid_value(value, argument) {
        en: "invalid value '{value}' for '{argument}'", zh: "“{argument}”的值“{value}”无效",
    }
    invalid_value_why(value, argument, why) {
        en: "invalid value '{value}' for '{argument}': {why}", zh: "“{argument}”的值“{value}”无效：{why}",
    }
    possible_values(values) { en: "  [possible values: {values}]", zh: "  [可选值：{values}]" }
    missing() {
        en: "the following required arguments were not provided:", zh: "缺少必需的参数：",
    }
    no_command(name) {
        en: "'{name}' requires a subcommand but one was not provided", zh: "“{name}”后面缺少命令",
    }
    commands(names) { en: "  [subcommands: {names}]", zh: "  [命令：{names}]" }
    surplus_value(value, argument) {
        en: "unexpected value '{value}' for '{argument}' found; no more were expected",
        zh: "“{argument}”多出了值“{value}”",
    }
    other() { en: "the command line is not understood", zh: "无法理解该命令行" }

    similar(names) { en: "a similar argument exists: {names}", zh: "有相近的参数：{names}" }
    similar_ones(names) { en: "some similar arguments exist: {names}", zh: "有相近的参数：{names}" }
    similar_command(names) { en: "a similar subcommand exists: {names}", zh: "有相近的命令：{names}" }
    similar_commands(names) { en: "some similar subcommands exist: {names}", zh: "有相近的命令：{names}" }
    similar_value(names) { en: "a similar value exists: {names}", zh: "有相近的值：{names}" }
    similar_values(names) { en: "some similar values exist: {names}", zh: "有相近的值：{names}" }
    as_value(word, line) {
        en: "to pass '{word}' as a value, use '{line}'", zh: "要把“{word}”作为值，请写“{line}”",
    }
    exists(line) { en: "'{line}' exists", zh: "有“{line}”" }
    command_exists(name, mark) {
        en: "subcommand '{name}' exists; to use it, remove the '{mark}' before it",
        zh: "有命令“{name}”；要使用它，请去掉前面的“{mark}”",
    }
    quoted(name) { en: "'{name}'", zh: "“{name}”" }

    /// Of an option that takes the next word, whatever it looks like.
    at_end(option) {
        en: "{option} stands at the end, without its value", zh: "{option} 在末尾，缺少它的值",
    }
    /// What Mosquitto's clients refuse.
    one_message() {
        en: "only one type of message can be sent at once: one of -m, -f, -n, -s, -l, and once",
        zh: "一次只能有一种消息：-m、-f、-n、-s、-l 之一，且只能出现一次",
    }
    keep_alive_range() {
        en: "invalid keepalive: it is 5 to 65535 seconds (-k, --keepalive)", zh: "keep alive 必须是 5 到 65535 秒（-k、--keepalive）",
    }
    port_range() { en: "invalid port: --port is 1 to 65535", zh: "端口无效：--port 必须是 1 到 65535" }
    empty_id() { en: "invalid id: -i needs a client id", zh: "客户端 ID 无效：-i 不能为空" }
    no_topic_to_subscribe() {
        en: "-U alone does nothing: specify a topic to subscribe to with -t", zh: "只有 -U 没有意义：请用 -t 指定要订阅的主题",
    }
    wrong_filter(option, filter) {
        en: "invalid topic filter '{filter}' of {option}: are all + and # where they may stand?",
        zh: "{option} 的主题过滤器“{filter}”无效：请检查 + 和 # 的位置",
    }
    control_character(option, character) {
        en: "malformed UTF-8 for MQTT: {option} holds the control character {character}",
        zh: "不是 MQTT 允许的 UTF-8：{option} 中有控制字符 {character}",
    }
    no_utf_8(option, byte, position) {
        en: "malformed UTF-8 for MQTT: byte {position} of {option} is {byte}",
        zh: "不是 MQTT 要求的 UTF-8：{option} 的第 {position} 个字节为 {byte}",
    }
    url_without_topic() {
        en: "the URL of -L has its topic missing: mqtt://HOST[:PORT]/TOPIC", zh: "-L 的 URL 缺少主题：mqtt://主机[:端口]/主题",
    }
    mqttx_short(short, long) {
        en: "{short} of MQTTX is {long} here", zh: "MQTTX 的 {short} 在这里是 {long}",
    }
    mqttx_protocol(name) {
        en: "'{name}' is no protocol: write mqtt, mqtts, ws or wss", zh: "“{name}”不是协议：请写 mqtt、mqtts、ws 或 wss",
    }
    mqttx_format(format) {
        en: "--format {format} of MQTTX prints nothing but '{format}' here: `sub --decode` shows payloads as json, cbor, msgpack, hex or base64, for example --decode {format}; `pub` sends bytes as they are, with -f FILE",
        zh: "MQTTX 的 --format {format} 在这里只会打印“{format}”：`sub --decode` 以 json、cbor、msgpack、hex 或 base64 显示载荷，例如 --decode {format}；`pub` 用 -f 文件 原样发送字节",
    }
    mqttx_reconnect(option) {
        en: "there is no {option}: `sub` connects again by itself, a second after each loss, until it is stopped or -W runs out",
        zh: "没有 {option}：`sub` 在每次断开一秒后自动重新连接，直到被停止或 -W 到时",
    }
    mqttx_ws_headers() {
        en: "there is no --ws-headers: a WebSocket is opened with the headers that MQTT needs; a user name and password, or a token, go with -u and -P",
        zh: "没有 --ws-headers：WebSocket 只用 MQTT 需要的标头打开；用户名和密码或令牌用 -u 和 -P 给出",
    }
    mqttx_dup() {
        en: "there is no --dup: the DUP flag is set when a message is sent again, and never at first",
        zh: "没有 --dup：DUP 标志只在消息重发时设置，第一次发送时从不设置",
    }
    mqttx_output_mode() {
        en: "there is no --output-mode: `sub --json` prints whole messages, `sub -F FORMAT` what you choose of them",
        zh: "没有 --output-mode：`sub --json` 打印完整消息，`sub -F 格式` 打印其中您选择的部分",
    }
    mqttx_file(option) {
        en: "there is no {option}: `sub --record FILE` appends whole messages to a file, `sub -N -t TOPIC > FILE` writes payloads with nothing between them",
        zh: "没有 {option}：`sub --record 文件` 把完整消息追加到文件，`sub -N -t 主题 > 文件` 写入载荷，中间不加任何内容",
    }
    mqttx_options(option) {
        en: "there is no {option}: `columba context add NAME --url mqtt://HOST` keeps a server and its user, -o FILE names a file of options",
        zh: "没有 {option}：`columba context add 名称 --url mqtt://主机` 保存服务器和用户，-o 文件 指定选项文件",
    }
    mqttx_schema(option) {
        en: "there is no {option}: of payloads with a schema only those of Sparkplug B are decoded, with --decode sparkplug",
        zh: "没有 {option}：带模式的载荷只解码 Sparkplug B，用 --decode sparkplug",
    }
    mqttx_payload_size() {
        en: "there is no --payload-size: `columba bench pub --payload-size BYTES` sends payloads of a size, and -f FILE sends a file",
        zh: "没有 --payload-size：`columba bench pub --payload-size 字节数` 发送指定大小的载荷，-f 文件 发送文件",
    }
    mqttx_conn() {
        en: "there is no command conn: `columba doctor HOST` says whether connecting works, `columba bench conn` opens many connections, and `columba sub` holds one",
        zh: "没有命令 conn：`columba doctor 主机` 检查能否连接，`columba bench conn` 打开大量连接，`columba sub` 保持一个连接",
    }
    mqttx_ls() {
        en: "there is no command ls: `columba simulate --list` lists the scenarios", zh: "没有命令 ls：`columba simulate --list` 列出场景",
    }
    mqttx_init() {
        en: "there is no command init: `columba context add NAME --url mqtt://HOST` keeps a server and its user",
        zh: "没有命令 init：`columba context add 名称 --url mqtt://主机` 保存服务器和用户",
    }
    /// Of a property whose name and value stand in one word.
    no_pair(word) { en: "'{word}' is no property: write 'NAME: VALUE'", zh: "“{word}”不是属性：请写成“名称: 值”" }
    see_usage(command) {
        en: "Use '{command} --help' to see usage.", zh: "用法请看“{command} --help”。",
    }
    options_file(file, what) {
        en: "cannot use the options file {file}: {what}", zh: "无法使用选项文件 {file}：{what}",
    }
    options_file_too_large() { en: "it is too large", zh: "文件过大" }
}

/// What clap says of a command line that it does not take, to the last line.
pub(crate) fn refused(error: &Error, language: Language) -> String {
    let said = |text: Text| text.to_string(language);
    let mut lines = vec![said(self::error(what(error, language)))];
    lines.extend(below(error).into_iter().map(said));
    let tips = tips(error, language);
    if !tips.is_empty() {
        lines.push(String::new());
        lines.extend(tips.into_iter().map(|text| said(tip(text))));
    }
    if let Some(ContextValue::StyledStr(shown)) = error.get(ContextKind::Usage) {
        let shown = shown.to_string();
        let line = shown.strip_prefix("Usage: ").unwrap_or(&shown);
        let line = match language {
            Language::English => line.to_owned(),
            // Further lines stand below the first.
            Language::Chinese => super::help::chinese_usage(line),
        };
        lines.push(String::new());
        lines.push(said(usage(line)));
    }
    lines.push(String::new());
    lines.push(said(more("--help")));
    lines.join("\n") + "\n"
}

fn text_of(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// Names, one or several.
fn names_of(error: &Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(name)) => vec![name],
        Some(ContextValue::Strings(names)) => names.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The first line.
fn what(error: &Error, language: Language) -> Text {
    let text = |kind| text_of(error, kind).unwrap_or_default();
    let argument = text(ContextKind::InvalidArg);
    let given = text(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(argument),
        ErrorKind::InvalidSubcommand => unknown_command(text(ContextKind::InvalidSubcommand)),
        ErrorKind::ArgumentConflict => match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(other)) if other == argument => given_twice(argument),
            Some(ContextValue::String(other)) => conflict(argument, other.as_str()),
            Some(ContextValue::Strings(_)) => conflict_with_all(argument),
            _ => conflict_with_others(argument),
        },
        ErrorKind::InvalidValue if given.is_empty() => no_value(argument),
        ErrorKind::InvalidValue => invalid_value(given, argument),
        ErrorKind::ValueValidation => match error.source() {
            Some(why) => {
                let why = value::said(why).to_string(language);
                invalid_value_why(given, argument, why)
            }
            None => invalid_value(given, argument),
        },
        ErrorKind::MissingRequiredArgument => missing(),
        ErrorKind::MissingSubcommand => no_command(text(ContextKind::InvalidSubcommand)),
        ErrorKind::TooManyValues => surplus_value(given, argument),
        _ => other(),
    }
}

/// The lines that belong to the first.
fn below(error: &Error) -> Vec<Text> {
    let each = |kind| {
        let names = names_of(error, kind).into_iter();
        names.map(|name| line(&format!("  {name}"))).collect()
    };
    let list = |of: fn(Param) -> Text, kind| match names_of(error, kind) {
        names if names.is_empty() => Vec::new(),
        names => vec![of(Param::list(names))],
    };
    match error.kind() {
        ErrorKind::MissingRequiredArgument => each(ContextKind::InvalidArg),
        ErrorKind::ArgumentConflict => match error.get(ContextKind::PriorArg) {
            Some(ContextValue::Strings(_)) => each(ContextKind::PriorArg),
            _ => Vec::new(),
        },
        ErrorKind::InvalidValue => list(possible_values, ContextKind::ValidValue),
        ErrorKind::MissingSubcommand => list(commands, ContextKind::ValidSubcommand),
        _ => Vec::new(),
    }
}

/// A sentence about names.
type Sentence = fn(Param) -> Text;

/// What may have been meant.
fn tips(error: &Error, language: Language) -> Vec<Text> {
    let kinds: [(ContextKind, Sentence, Sentence); 3] = [
        (
            ContextKind::SuggestedSubcommand,
            similar_command,
            similar_commands,
        ),
        (ContextKind::SuggestedArg, similar, similar_ones),
        (ContextKind::SuggestedValue, similar_value, similar_values),
    ];
    let mut tips = Vec::new();
    for (kind, one, several) in kinds {
        let names: Vec<_> = names_of(error, kind).into_iter().map(quoted).collect();
        let count = names.len();
        let names: Vec<_> = names.iter().map(|name| name.to_string(language)).collect();
        match count {
            0 => {}
            1 => tips.push(one(names.concat().into())),
            _ => tips.push(several(names.join(", ").into())),
        }
    }
    if let Some(ContextValue::StyledStrs(others)) = error.get(ContextKind::Suggested) {
        tips.extend(others.iter().map(|tip| suggestion(&tip.to_string())));
    }
    tips
}

/// A tip that clap has made a sentence of.
fn suggestion(sentence: &str) -> Text {
    let named: Vec<_> = sentence.split('\'').skip(1).step_by(2).collect();
    match *named {
        [word, line] if sentence.starts_with("to pass") => as_value(word, line),
        [name, mark] if sentence.starts_with("subcommand") => command_exists(name, mark),
        [line] => exists(line),
        _ => line(sentence),
    }
}

/// What is the same in every language.
fn line(text: &str) -> Text {
    super::client::other(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, Command, value_parser};

    fn program() -> Command {
        let send = Command::new("send")
            .arg(Arg::new("to").long("to").required(true))
            .arg(
                Arg::new("port")
                    .long("port")
                    .value_parser(value_parser!(u16)),
            )
            .arg(
                Arg::new("odds")
                    .long("odds")
                    .value_parser(value_parser!(f64)),
            )
            .arg(Arg::new("qos").long("qos").value_parser(["0", "1"]))
            .arg(Arg::new("quiet").long("quiet").action(ArgAction::SetTrue))
            .arg(
                Arg::new("quick")
                    .long("quick")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("quiet"),
            )
            .arg(
                Arg::new("all")
                    .long("all")
                    .action(ArgAction::SetTrue)
                    .conflicts_with_all(["quiet", "quick"]),
            )
            .arg(Arg::new("rest"));
        Command::new("p").subcommand_required(true).subcommand(send)
    }

    fn refusal(line: &str) -> Error {
        let refused = program().try_get_matches_from(line.split(' '));
        refused.expect_err(line)
    }

    #[test]
    fn english_is_what_clap_says() {
        for line in [
            "p",
            "p sned",
            "p --to",
            "p send",
            "p send --to",
            "p send --to x --foo",
            "p send --to x --qui",
            "p send --to x --quic",
            "p send --to x --port",
            "p send --to x --port ten",
            "p send --to x --port 65536",
            "p send --to x --port -1",
            "p send --to x --port=",
            "p send --to x --odds much",
            "p send --to x --qos 3",
            "p send --to x --qos",
            "p send --to x --quiet --quiet",
            "p send --to x --quiet --quick",
            "p send --to x --quiet --all",
            "p send --to x --quiet=1",
            "p send --to x a b",
            "p -- send",
        ] {
            let error = refusal(line);
            // What is said of numbers is ours.
            let expected = match error.source().and_then(value::clearer) {
                Some((theirs, ours)) => {
                    let ours = ours.to_string(Language::English);
                    error.to_string().replace(&theirs, &ours)
                }
                None => error.to_string(),
            };
            assert_eq!(refused(&error, Language::English), expected, "{line}");
            let chinese = refused(&error, Language::Chinese);
            assert!(chinese.starts_with("错误："), "{line}: {chinese}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_told_in_chinese() {
        for (line, why) in [
            (
                "p send --to x --port ten",
                "“--port <port>”的值“ten”无效：应为整数",
            ),
            ("p send --to x --port 65536", "65536 超出范围（0..=65535）"),
            ("p send --to x --odds much", "应为数字"),
        ] {
            let said = refused(&refusal(line), Language::Chinese);
            assert!(said.contains(why), "{said}");
        }
    }
}
