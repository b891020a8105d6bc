//! What `--help` prints, in Chinese: the headings and fixed words of clap, what each command is for, and what
//! its options mean. The manual pages are English.

mod commands;
mod layout;
mod options;

use clap::Command;

/// Headings, by themselves on a line.
const HEADINGS: &[(&str, &str)] = &[
    ("Commands:", "命令："),
    ("Arguments:", "参数："),
    ("Options:", "选项："),
    ("Server:", "服务器："),
    ("Client and session:", "客户端和会话："),
    ("Message:", "消息："),
    ("Messages:", "消息："),
    ("What becomes of it:", "消息的去向："),
    ("What is shown:", "显示内容："),
    ("When nothing comes:", "没有收到消息时："),
    ("Request and response:", "请求和响应："),
    ("Will:", "遗嘱："),
    ("Other:", "其他："),
    ("Broker:", "Broker："),
    ("Load:", "负载："),
    ("Checks and output:", "检查和输出："),
    ("Examples:", "示例："),
    ("Example:", "示例："),
    ("TLS:", "TLS："),
    ("To install them:", "安装方法："),
    ("To install it:", "安装方法："),
    ("Possible values:", "可选值："),
];

/// Words that clap puts in, wherever they stand.
const FIXED: &[(&str, &str)] = &[
    ("[default: ", "[默认："),
    ("[possible values: ", "[可选值："),
    ("[aliases: ", "[别名："),
    ("[alias: ", "[别名："),
    ("[env: ", "[环境变量："),
    (
        "Print help (see more with '--help')",
        "显示帮助（--help 更详细）",
    ),
    (
        "Print help (see a summary with '-h')",
        "显示帮助（-h 更简短）",
    ),
    (
        "Print this message or the help of the given subcommand(s)",
        "显示本帮助，或某个命令的帮助",
    ),
    ("Print help", "显示帮助"),
    ("Print version", "显示版本"),
];

/// What each command is for.
const ABOUTS: &[(&str, &str)] = &[
    ("", "Columba：MQTT Broker"),
    ("run", "运行 Broker"),
    ("create", "创建新实例：配置、用户、访问规则"),
    ("check", "检查实例的所有文件，一次列出全部错误"),
    ("passwd", "添加用户，或修改密码和组"),
    ("pub", "发布消息"),
    ("sub", "订阅并显示消息"),
    ("rr", "发布请求，等待并显示响应"),
    (
        "link-mosquitto",
        "在目录中为本程序创建名为 mosquitto_pub、mosquitto_sub 和 mosquitto_rr 的链接",
    ),
    ("bench", "对任意 MQTT Broker 加压，并核对每条消息"),
    (
        "bench conn",
        "建立并保持连接；测量 CONNECT 到 CONNACK 的时间",
    ),
    ("bench pub", "只发布，不订阅；测量发布到确认的时间"),
    ("bench sub", "订阅，并统计和核对收到的消息"),
    ("bench pair", "每个发布者各有一个订阅者"),
    ("bench fanin", "多个发布者，一个订阅者"),
    ("bench fanout", "一个发布者，多个订阅者"),
    ("bench retained", "存入保留消息，由订阅者全部取走，再清除"),
    ("bench offline", "离线的会话重新连接，取走为其保留的消息"),
    (
        "bench mixed",
        "各种 QoS 的设备、采集端、看板和控制端同时运行",
    ),
    ("bench filters", "订阅很多，与每条消息匹配的很少"),
    (
        "simulate",
        "模拟成批的设备：智能家居、车队、Sparkplug B 工厂、不稳定的设备",
    ),
    ("doctor", "查明经由任意 Broker 的消息为什么没有到达"),
    ("store", "查看、压缩、迁移和复制 Broker 的磁盘数据"),
    (
        "store check",
        "读取全部数据，报告损坏之处（文件、偏移量和损失）；不做修改",
    ),
    ("store stats", "显示数据量和占用的空间；不做修改"),
    ("store compact", "把有效数据重新连续写入，释放其余空间"),
    ("store discard", "丢弃为自身记录已损坏的会话保留的内容"),
    ("store export", "把全部记录写成 JSON 行；不做修改"),
    ("store import", "由导出的 JSON 行建立存储"),
    (
        "store backup",
        "把存储复制到另一个目录，Broker 运行时也可以",
    ),
    ("token", "管理接口的令牌"),
    ("token add", "创建令牌，只显示一次"),
    ("token list", "列出令牌"),
    ("token revoke", "吊销令牌"),
    ("why", "说明消息为什么没有到达"),
    ("explain", "解释一个结论，例如 R02"),
    ("events", "显示发生过的事：连接、会话、订阅、拒绝、丢弃"),
    ("trace", "实时查看消息：谁发的，发给了谁，每一份的结果如何"),
    (
        "top",
        "查看 Broker：速率、客户端、队列，以及丢失或拒绝了什么、为什么",
    ),
    ("can", "查询客户端能否发布、订阅或接收，以及由哪条规则决定"),
    ("match", "说明过滤器是否与主题匹配；不匹配时指出差别"),
    ("clients", "列出在线客户端，或显示其中一个"),
    ("acl", "列出访问规则，以及每条规则生效的次数"),
    ("topics", "列出最近发布过的或有保留消息的主题"),
    ("retained", "列出保留消息"),
    (
        "context",
        "有名称的连接：服务器、用户、证书、管理接口和令牌",
    ),
    ("context add", "创建上下文"),
    ("context use", "从现在起，未指定服务器的命令都使用该上下文"),
    ("context list", "列出上下文；* 表示当前使用的"),
    (
        "context show",
        "显示上下文，不带 NAME 时显示当前使用的；不显示密码和令牌",
    ),
    ("context remove", "删除上下文"),
    (
        "context check",
        "用上下文连接（不带 NAME 时用当前使用的），说明是否可用",
    ),
    ("completion", "输出脚本，使 Shell 能补全 columba 的命令行"),
    ("complete", "说明光标处可以写什么，供补全脚本使用"),
    ("man", "生成手册页，每个命令一页"),
    ("config", "关于配置"),
    ("config reference", "以 Markdown 输出所有配置项的参考"),
];

const FIRST_STEPS: &str = "\
最初几步，各在一个终端中运行：
  columba run                             # 在 ./columba-data 创建实例并运行
  columba sub -v -t 'home/#'
  columba pub -t home/lamp -m on --why    # 还会说明谁收到了
之后：
  columba why home/lamp                   # 为什么没有收到？
  columba doctor broker.example           # 是网络、TLS 还是密码的问题？
退出码：0 完成，1 失败，2 文件或命令行有误；其他的见 `columba help 命令`。";

/// The same program with what its commands are for in Chinese.
pub(crate) fn chinese(program: Command) -> Command {
    // Lines are broken once they are Chinese.
    let program = with_abouts(program, "").term_width(0);
    program.after_help(FIRST_STEPS)
}

fn with_abouts(mut command: Command, path: &str) -> Command {
    let names = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned());
    for name in names.collect::<Vec<_>>() {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(name, |sub| with_abouts(sub, &path));
    }
    let Some((_, about)) = ABOUTS.iter().find(|(known, _)| *known == path.trim_start()) else {
        return command;
    };
    // What follows the first sentence stays.
    let long = command.get_long_about().map(ToString::to_string);
    let rest = long
        .as_deref()
        .and_then(|long| Some(long.split_once("\n\n")?.1));
    let rest = rest.map(|rest| options::paragraphs(rest).unwrap_or_else(|| rest.to_owned()));
    let command = with_options(command).about(*about);
    match rest {
        Some(rest) => command.long_about(format!("{about}\n\n{rest}")),
        None => command.long_about(*about),
    }
}

/// The command with what its options mean in Chinese.
fn with_options(command: Command) -> Command {
    command.mut_args(|arg| {
        let chinese = |text: String| options::paragraphs(&text);
        let help = arg.get_help().map(ToString::to_string).and_then(chinese);
        let long = arg.get_long_help().map(ToString::to_string);
        let arg = match help {
            Some(chinese) => arg.help(chinese),
            None => arg,
        };
        match long.and_then(chinese) {
            Some(chinese) => arg.long_help(chinese),
            None => arg,
        }
    })
}

/// A help text in Chinese with lines of so many cells. Colours may be in it.
pub(crate) fn in_chinese(help: &str, cells: usize) -> String {
    let mut lines = Vec::new();
    let mut is_usage = false;
    for line in help.lines() {
        let bare = without_colours(line);
        is_usage = bare.starts_with("Usage: ") || is_usage && !bare.is_empty();
        let heading = HEADINGS.iter().find(|(heading, _)| *heading == bare.trim());
        lines.push(match heading {
            Some((heading, chinese)) => line.replacen(heading, chinese, 1),
            None if is_usage => {
                let line = line
                    .replacen("Usage:", "用法：", 1)
                    .replacen("： ", "：", 1);
                let line = line.replacen("：\u{1b}[0m ", "：\u{1b}[0m", 1);
                match line.strip_prefix(CONTINUED) {
                    Some(rest) => format!("{CONTINUED_CHINESE}{}", words_of_usage(rest)),
                    None => words_of_usage(&line),
                }
            }
            None => line.to_owned(),
        });
    }
    let text = lines.join("\n") + "\n";
    let each = FIXED.iter().chain(options::PHRASES);
    let each = each.chain(commands::PHRASES);
    let text = each.fold(text, |text, (english, chinese)| {
        replaced(&text, english, chinese)
    });
    layout::fitted(&text, cells)
}

/// Replaces a phrase, also where it was broken into two lines: the break moves in front of it then.
fn replaced(text: &str, phrase: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(phrase.split(' ').next().unwrap_or_default()) {
        let (before, from) = rest.split_at(start);
        match after_phrase(from, phrase) {
            Some((line_break, after)) => {
                let before = match line_break {
                    "" => before,
                    _ => before.trim_end_matches(' '),
                };
                out += &format!("{before}{line_break}{by}");
                rest = after;
            }
            None => {
                let (head, tail) = from.split_at(1);
                out += &format!("{before}{head}");
                rest = tail;
            }
        }
    }
    out + rest
}

/// What stands behind a phrase with which a text begins, and the line break in it, if there is one.
fn after_phrase<'a>(text: &'a str, phrase: &str) -> Option<(&'a str, &'a str)> {
    let mut words = phrase.split(' ');
    let mut rest = text.strip_prefix(words.next()?)?;
    let mut line_break = "";
    for word in words {
        let behind = rest.trim_start_matches([' ', '\n']);
        let space = rest.strip_suffix(behind)?;
        if space.contains('\n') {
            line_break = space;
        }
        rest = behind.strip_prefix(word).filter(|_| !space.is_empty())?;
    }
    Some((line_break, rest))
}

/// What stands before further lines of a usage, below the first.
const CONTINUED: &str = "       ";
const CONTINUED_CHINESE: &str = "      ";

/// The usage behind its heading, which may have several lines.
pub(super) fn chinese_usage(usage: &str) -> String {
    let lines = usage.replace(&format!("\n{CONTINUED}"), &format!("\n{CONTINUED_CHINESE}"));
    words_of_usage(&lines)
}

fn words_of_usage(line: &str) -> String {
    line.replace("[OPTIONS]", "[选项]")
        .replace("<COMMAND>", "<命令>")
}

fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |bare, piece| {
        bare + piece.split_once('m').map_or("", |(_, text)| text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, CommandFactory as _};

    #[test]
    fn headings_and_fixed_words_are_replaced_and_nothing_else() {
        let help = "About\n\nUsage: p [OPTIONS] <COMMAND>\n       p --x\n\n\u{1b}[1mOptions:\u{1b}[0m\n  \
                    -q  Options: are good [default: 1]\n  -h  Print help\n";
        let expected = "About\n\n用法：p [选项] <命令>\n      p --x\n\n\u{1b}[1m选项：\u{1b}[0m\n  \
                        -q  Options: are good [默认：1]\n  -h  显示帮助\n";
        assert_eq!(in_chinese(help, 100), expected);
        for (text, expected) in [
            ("x [possible\n   values: a]\n", "x\n   [可选值：a]\n"),
            ("x [default:\n   a]\n", "x\n   [默认：a]\n"),
            ("Printed; Print\n", "Printed; Print\n"),
        ] {
            assert_eq!(in_chinese(text, 100), expected);
        }
    }

    /// What an option means, if there is no Chinese of it.
    fn english_of(arg: &Arg) -> Option<String> {
        let texts = [arg.get_help(), arg.get_long_help()];
        let mut texts = texts.into_iter().flatten().map(ToString::to_string);
        texts.find(|text| options::paragraphs(text).is_none())
    }

    /// All commands.
    fn translated() -> Vec<Command> {
        let program = crate::program::Columba::command();
        let mut waiting = vec![program];
        let mut commands = Vec::new();
        while let Some(command) = waiting.pop() {
            waiting.extend(command.get_subcommands().cloned());
            commands.push(command);
        }
        commands
    }

    #[test]
    fn no_option_lacks_its_chinese() {
        for command in translated() {
            let name = command.get_name().to_owned();
            for arg in command.get_arguments() {
                let id = arg.get_id();
                assert_eq!(english_of(arg), None, "{name} {id}");
                for value in arg.get_possible_values() {
                    let help = value.get_help().map(ToString::to_string);
                    let known = options::PHRASES.iter().chain(commands::PHRASES);
                    let known = known.map(|(english, _)| *english);
                    let is_known = help.is_none_or(|help| known.into_iter().any(|of| of == help));
                    assert!(is_known, "{name} {id}: {value:?}");
                }
            }
            let long = command.get_long_about().map(ToString::to_string);
            let long = long.unwrap_or_default();
            let (_, rest) = long.split_once("\n\n").unwrap_or_default();
            let is_known = rest.is_empty() || options::paragraphs(rest).is_some();
            assert!(is_known, "{name}: {rest}");
        }
    }

    #[test]
    fn every_chinese_text_of_an_option_is_used() {
        let mut english: Vec<String> = vec!["Print help".to_owned()];
        for command in translated() {
            let args = command.get_arguments();
            let texts = args.flat_map(|arg| [arg.get_help(), arg.get_long_help()]);
            let texts = texts.chain([command.get_long_about()]).flatten();
            let texts: Vec<_> = texts.map(ToString::to_string).collect();
            let paragraphs = texts.iter().flat_map(|text| text.split("\n\n"));
            english.extend(paragraphs.map(str::to_owned));
        }
        for (known, _) in options::PARAGRAPHS.iter().chain(commands::PARAGRAPHS) {
            assert!(english.iter().any(|text| text == known), "{known}");
        }
    }
}
