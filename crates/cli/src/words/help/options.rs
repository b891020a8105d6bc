//! What the options of the commands that connect as a client mean, in Chinese, paragraph by paragraph of their
//! English.

use super::commands;

/// The Chinese of a paragraph.
pub(super) fn paragraph(english: &str) -> Option<&'static str> {
    let mut known = PARAGRAPHS.iter().chain(commands::PARAGRAPHS);
    let (_, chinese) = known.find(|(known, _)| *known == english)?;
    Some(chinese)
}

/// The Chinese of paragraphs with an empty line between two of them, if all are known.
pub(super) fn paragraphs(english: &str) -> Option<String> {
    let chinese: Option<Vec<_>> = english.split("\n\n").map(paragraph).collect();
    Some(chinese?.join("\n\n"))
}

/// In the order of the help: of a message, of messages, of what is shown, of all three; then of contexts.
pub(super) const PARAGRAPHS: &[(&str, &str)] = &[
    (
        "Exits with 0 if the server took all of them, else with the reason code of the first refusal.",
        "服务器接受了全部消息时退出码为 0，否则为第一个拒绝的原因码。",
    ),
    (
        "Exits with 0 when told to stop or after -C messages, with 27 when -W runs out, else with the code that the server gave.",
        "被要求停止或收到 -C 条消息后退出码为 0，-W 规定的时间已到为 27，否则为服务器给出的代码。",
    ),
    (
        "Exits with 0 after a response, with 27 when -W runs out, else with the code that the server gave.",
        "收到响应后退出码为 0，-W 规定的时间已到为 27，否则为服务器给出的代码。",
    ),
    ("Topic to publish to", "发布到的主题"),
    ("The payload", "载荷"),
    (
        "A payload of no bytes; retained, it removes the retained message",
        "空载荷；与 -r 一起使用时清除保留消息",
    ),
    ("A file as the payload", "以文件内容作为载荷"),
    (
        "All of standard input as the payload",
        "以全部标准输入作为载荷",
    ),
    (
        "Every line of standard input as a payload of its own",
        "标准输入的每一行各作为一条消息的载荷",
    ),
    ("QoS: 0, 1 or 2", "QoS：0、1 或 2"),
    (
        "Ask the server to keep the message for later subscribers",
        "请服务器为以后的订阅者保留该消息",
    ),
    (
        "How often to publish the message; not with -l",
        "发布该消息的次数；不能与 -l 一起使用",
    ),
    (
        "Seconds between two of --repeat, such as 0.5",
        "--repeat 两次发布之间的秒数，例如 0.5",
    ),
    (
        "Publish the messages of a file that `sub --record` or `sub --json` wrote, with their topics, QoS, RETAIN and properties, as far apart as they came",
        "发布 `sub --record` 或 `sub --json` 所写文件中的消息，主题、QoS、RETAIN、属性和间隔都与收到时相同",
    ),
    (
        "How fast to replay: a factor such as 2x or 0.5x, or max",
        "重放速度：倍数，例如 2x 或 0.5x；max 为最快",
    ),
    (
        "Afterwards say what became of the message: who got it, who did not, and why",
        "发布后说明消息的去向：谁收到了，谁没有收到，为什么",
    ),
    (
        "Asks the management API of the broker, which is Columba's, and needs the scope `operate` elsewhere than on the broker's machine. With less, or with --api and the user and password of the connection alone, it says what the broker makes of the message instead of listing who got it. Exits, if the message was published, with 0 if everybody got it who should, 10 if somebody did not or nobody subscribes, 11 if that cannot be told, 12 if it waits for somebody.",
        "查询 Broker 的管理接口，因此该 Broker 必须是 Columba；不在其所在机器上查询时，需要 `operate` 权限。权限不足，或只有 --api 以及连接所用的用户名和密码时，说明 Broker 对该消息的结论，不列出谁收到了。消息发布后的退出码：0 所有应收到的都已收到，10 有的没有收到或没有订阅者，11 无法得知，12 消息在等待某个客户端。",
    ),
    (
        "How long --why waits for copies to arrive: 5s, up to 30m",
        "--why 等待消息送达的时间：例如 5s，最长 30m",
    ),
    (
        "Management API to ask, such as `https://broker.example:61680`",
        "要查询的管理接口，例如 `https://broker.example:61680`",
    ),
    (
        "Without a token, as the user of -u and -P, who may ask about clients of its own.",
        "没有令牌时，以 -u 和 -P 的用户身份查询，只能查询该用户自己的客户端。",
    ),
    (
        "Without it, as `columba why` does: --dir, the context's, that of COLUMBA_URL, the instance in ./columba-data, or the only broker that runs here.",
        "未指定时与 `columba why` 相同：依次为 --dir、上下文、COLUMBA_URL 所指定的，./columba-data 中的实例，或本机上唯一运行的 Broker。",
    ),
    (
        "Without a token, as the user of -u and -P, who may ask about clients of its own.",
        "没有令牌时，以 -u 和 -P 的用户身份查询，只能查询自己的客户端。",
    ),
    (
        "Directory of the instance to ask, if it runs on this machine",
        "要查询的实例的目录（实例运行在本机时）",
    ),
    (
        "Token for the management API; better in the environment as COLUMBA_TOKEN, or in a context, where other users cannot see it",
        "管理接口的令牌；最好放在环境变量 COLUMBA_TOKEN 或上下文中，其他用户在那里看不到",
    ),
    (
        "Topic filter to subscribe to; may be given more than once",
        "要订阅的主题过滤器；可多次给出",
    ),
    (
        "Do not print messages whose topic matches this filter; may be given more than once",
        "不显示主题与该过滤器匹配的消息；可多次给出",
    ),
    (
        "Topic filter to unsubscribe from; may be given more than once",
        "要取消订阅的主题过滤器；可多次给出",
    ),
    (
        "Highest QoS to receive with, and that of a request: 0, 1 or 2",
        "接收时的最高 QoS，也是请求的 QoS：0、1 或 2",
    ),
    (
        "Leave after this many seconds; with `rr`, without a response",
        "过了这么多秒就退出；`rr` 是在没有响应时",
    ),
    (
        "Pass over messages that come with RETAIN",
        "略过带有 RETAIN 标志的消息",
    ),
    (
        "Keep RETAIN as it was published (MQTT 5)",
        "RETAIN 标志保持发布时的值（MQTT 5）",
    ),
    (
        "When retained messages are sent (MQTT 5): always, new or never",
        "何时发送保留消息（MQTT 5）：always 总是，new 新订阅时，never 从不",
    ),
    ("Leave after so many messages", "收到这么多条消息后退出"),
    (
        "Leave as soon as the server has answered the subscriptions",
        "服务器答复订阅后立即退出",
    ),
    (
        "Print only messages that come with RETAIN; leave at the first without. With --remove-retained removals do not count, and it leaves a second after the last of them",
        "只显示带有 RETAIN 标志的消息，收到第一条不带的就退出。与 --remove-retained 一起使用时，清除消息不算在内，最后一次清除的一秒后退出",
    ),
    (
        "Remove every retained message that comes",
        "清除收到的每条保留消息",
    ),
    (
        "Do not receive what this client publishes itself (MQTT 5)",
        "不接收本客户端自己发布的消息（MQTT 5）",
    ),
    (
        "Print only this share of the messages, in percent, by chance",
        "随机显示消息的百分之几",
    ),
    (
        "Append the messages that pass the filters to this file, for `pub --replay`",
        "把通过过滤的消息追加到该文件，供 `pub --replay` 使用",
    ),
    (
        "When nothing came for so many seconds, 10 without a number, say on stderr what the broker knows about why, and go on",
        "这么多秒（不写为 10）没有收到消息时，在标准错误上说明 Broker 所知的原因，然后继续",
    ),
    (
        "Asks the management API of the broker, which is Columba's, and needs the scope `read` elsewhere than on the broker's machine.",
        "查询 Broker 的管理接口，因此该 Broker 必须是 Columba；不在其所在机器上查询时，需要 `read` 权限。",
    ),
    (
        "Count the messages of each topic; the table is printed at the end, and kept up on a terminal",
        "统计每个主题的消息数；结束时显示表格，在终端上实时更新",
    ),
    (
        "Print every second how many messages and bytes came",
        "每秒显示收到的消息数和字节数",
    ),
    (
        "Print every second how many messages came, as one number",
        "每秒以一个数字显示收到的消息数",
    ),
    (
        "Show the topics as a tree with their last messages, live on a terminal, else once at the end",
        "以树的形式显示主题及其最后一条消息；在终端上实时更新，否则在结束时显示一次",
    ),
    (
        "Print the messages of a topic always on the same line of the terminal",
        "同一主题的消息总是显示在终端的同一行",
    ),
    ("Print the topic before the message", "在消息之前显示主题"),
    (
        "How to print a message, for example '%t: %p'; %t topic, %p payload, %q QoS, %I time, %j JSON",
        "消息的显示格式，例如 '%t: %p'；%t 主题，%p 载荷，%q QoS，%I 时间，%j JSON",
    ),
    (
        "Spread the JSON of %j and %J over lines",
        "把 %j 和 %J 的 JSON 分成多行",
    ),
    ("No line break after a message", "消息之后不换行"),
    (
        "What the messages are, or are shown as",
        "消息是什么格式，或显示成什么格式",
    ),
    (
        "Print every message as a line of JSON: time, topic, QoS, payload, properties",
        "把每条消息显示为一行 JSON：时间、主题、QoS、载荷、属性",
    ),
    (
        "Colours: auto, always or never",
        "颜色：auto 自动，always 总是，never 从不",
    ),
    ("Topic to publish the request to", "请求发布到的主题"),
    ("Topic on which the response comes", "接收响应的主题"),
    ("Print how long the response took", "显示响应所用的时间"),
    (
        "File with options, one a line, in the place of mosquitto_pub, mosquitto_sub or mosquitto_rr in ~/.config",
        "选项文件，每行一个选项，代替 ~/.config 中的 mosquitto_pub、mosquitto_sub 或 mosquitto_rr",
    ),
    (
        "Language of errors and warnings: en or zh [default: COLUMBA_LANG, LC_ALL or LANG]",
        "错误和警告的语言：en 或 zh [默认：COLUMBA_LANG、LC_ALL 或 LANG]",
    ),
    ("Say on stderr what happens", "在标准错误上说明过程"),
    (
        "Say nothing about errors, except those of the command line",
        "不显示错误，命令行的错误除外",
    ),
    (
        "Send small packets at once; always so, accepted for compatibility",
        "立即发送小报文；总是如此，接受该选项是为了兼容",
    ),
    (
        "Print this help; `columba help COMMAND` and the manual page say more",
        "显示本帮助；`columba help 命令` 和手册页更详细",
    ),
    (
        "Host to connect to [default: that of the context, or localhost]",
        "要连接的主机 [默认：上下文中的，或 localhost]",
    ),
    (
        "Port to connect to [default: 1883, or 8883 with TLS]",
        "要连接的端口 [默认：1883，使用 TLS 时为 8883]",
    ),
    (
        "Everything in one: mqtt[s]|ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]",
        "合为一体：mqtt[s]|ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]",
    ),
    (
        "With ws and wss the path is that of the WebSocket, not a topic.",
        "ws 和 wss 的路径是 WebSocket 的路径，不是主题。",
    ),
    ("Unix socket to connect to", "要连接的 Unix 套接字"),
    (
        "Take server, user and certificates from this context; see `columba context`",
        "从该上下文取得服务器、用户和证书；见 `columba context`",
    ),
    ("Connect over WebSocket", "通过 WebSocket 连接"),
    (
        "Name or IP address of this machine to connect from",
        "从本机的哪个名称或 IP 地址发起连接",
    ),
    (
        "SOCKS5 proxy to go through: socks5h://[USER[:PASSWORD]@]HOST[:PORT]",
        "经由的 SOCKS5 代理：socks5h://[USER[:PASSWORD]@]HOST[:PORT]",
    ),
    (
        "Path of the WebSocket [default: that of the URL, or /mqtt]",
        "WebSocket 的路径 [默认：URL 中的，或 /mqtt]",
    ),
    (
        "Multipath TCP; plain TCP is used, as where the system has none",
        "多路径 TCP；实际使用普通 TCP，如同系统不支持时一样",
    ),
    ("User name", "用户名"),
    ("Password", "密码"),
    (
        "Client id; each client needs its own [default: the server makes one up]",
        "客户端 ID；每个客户端各用一个 [默认：由服务器分配]",
    ),
    (
        "Client id made from this and the process id",
        "客户端 ID 由此前缀加进程号构成",
    ),
    (
        "Keep alive in seconds; 0 turns it off",
        "保活时间，单位为秒；0 表示关闭",
    ),
    (
        "Protocol version: 31, 311, 5 (or mqttv31, mqttv311, mqttv5)",
        "协议版本：31、311、5（或 mqttv31、mqttv311、mqttv5）",
    ),
    (
        "Without it: 5, and 3.1.1 if the server does not know 5, because only MQTT 5 says why a message was refused. Called as mosquitto_pub or mosquitto_sub: 3.1.1, or 5 if -D or -x asks for something that only 5 has.",
        "未指定时为 5，服务器不支持 5 时为 3.1.1，因为只有 MQTT 5 会说明消息被拒绝的原因。以 mosquitto_pub 或 mosquitto_sub 之名调用时为 3.1.1；-D 或 -x 要求只有 5 才有的功能时为 5。",
    ),
    (
        "Keep the session on the server when leaving, and go on with one that is there; needs -i",
        "离开时在服务器上保留会话，已有会话则继续使用；需要 -i",
    ),
    (
        "Seconds that the server keeps the session after the end (MQTT 5); -1 or ∞ for ever",
        "结束后服务器保留会话的秒数（MQTT 5）；-1 或 ∞ 表示永久",
    ),
    (
        "Most messages in flight at QoS 1 and 2",
        "QoS 1 和 2 同时在途的消息数上限",
    ),
    (
        "Property of a packet (MQTT 5), such as -D publish content-type text/plain; may be repeated",
        "报文的属性（MQTT 5），例如 -D publish content-type text/plain；可多次给出",
    ),
    (
        "PACKET is connect, publish, subscribe, unsubscribe, disconnect or will. A user property has two values, its name and its value: -D publish user-property colour red.",
        "PACKET 是 connect、publish、subscribe、unsubscribe、disconnect 或 will。用户属性有两个值，即名称和值：-D publish user-property colour red。",
    ),
    (
        "PEM file with the certificates to trust",
        "PEM 文件，内含要信任的证书",
    ),
    (
        "Directory of PEM files with certificates to trust",
        "目录，其中的 PEM 文件内含要信任的证书",
    ),
    (
        "Trust the certificates of the operating system",
        "信任操作系统的证书",
    ),
    (
        "PEM file with the client's certificate",
        "PEM 文件，内含客户端证书",
    ),
    (
        "PEM file with the key to --cert",
        "PEM 文件，内含 --cert 的私钥",
    ),
    (
        "Accept a certificate that names another host, if its authority is trusted",
        "签发机构可信时，接受主机名不符的证书",
    ),
    (
        "Accept a certificate of --cafile's authority that names the host in its common name alone",
        "接受由 --cafile 的机构签发、仅在通用名（CN）中写有主机名的证书",
    ),
    (
        "So are certificates made without a subjectAltName. Not safe with an authority that gives clients certificates under names that they choose. Called by the names of Mosquitto's clients it is always so.",
        "签发时没有 subjectAltName 的证书就是这样。如果该机构按客户端自选的名称签发证书，则不安全。以 Mosquitto 客户端之名调用时总是如此。",
    ),
    (
        "Lowest version, tlsv1.2 or tlsv1.3; 1.3 is used where the server has it",
        "最低版本，tlsv1.2 或 tlsv1.3；服务器支持 1.3 时使用 1.3",
    ),
    (
        "Cipher suites of TLS 1.2 to offer, by OpenSSL's names with : between them [default: all]",
        "提供的 TLS 1.2 密码套件，用 OpenSSL 的名称，以 : 分隔 [默认：全部]",
    ),
    ("Application protocol to ask for", "要求的应用协议（ALPN）"),
    (
        "File that the secrets are appended to, for Wireshark; who has it reads everything",
        "把会话密钥追加到该文件，供 Wireshark 使用；得到它的人能读到一切",
    ),
    (
        "No TLS, whatever else asks for it",
        "不使用 TLS，无论其他选项如何",
    ),
    ("Form of --key: pem", "--key 的格式：pem"),
    ("Topic of the Will", "遗嘱的主题"),
    ("Payload of the Will", "遗嘱的载荷"),
    ("QoS of the Will", "遗嘱的 QoS"),
    ("Retain the Will", "保留遗嘱消息"),
    (
        "A context is a file in ~/.config/columba/contexts (or $XDG_CONFIG_HOME), readable by its owner alone. What counts, from the most to the least: an option of the command, --context NAME, COLUMBA_CONTEXT, the context in use. A command that names its server (-h, -L, --unix; --url, --dir) takes nothing from a context unless --context is given too.",
        "上下文是 ~/.config/columba/contexts（或 $XDG_CONFIG_HOME）中的文件，只有其所有者可读。优先顺序：命令的选项、--context NAME、COLUMBA_CONTEXT、当前使用的上下文。自己指定了服务器的命令（-h、-L、--unix；--url、--dir）不从上下文取任何内容，除非同时给出 --context。",
    ),
    (
        "Exit codes: 0 it works, 1 it does not.",
        "退出码：0 可用，1 不可用。",
    ),
    ("Its name", "名称"),
    ("What it is for", "用途说明"),
    (
        "Host of the server; a URL is made of it, mqtts:// with options of TLS or port 8883",
        "服务器的主机；由它构成 URL，有 TLS 选项或端口为 8883 时是 mqtts://",
    ),
    (
        "Port of the server [default: 1883, or 8883 with TLS]",
        "服务器的端口 [默认：1883，使用 TLS 时为 8883]",
    ),
    (
        "The server: mqtt[s]|ws[s]://HOST[:PORT][/PATH], a path with ws and wss only",
        "服务器：mqtt[s]|ws[s]://HOST[:PORT][/PATH]，只有 ws 和 wss 有路径",
    ),
    ("Unix socket of the server", "服务器的 Unix 套接字"),
    ("Ask for the password on the terminal", "在终端上询问密码"),
    (
        "Take the first line of the standard input as the password",
        "以标准输入的第一行作为密码",
    ),
    (
        "Read the password from the first line of this file, whenever it is needed",
        "每次需要时从该文件的第一行读取密码",
    ),
    (
        "Client ids are made from this and the process id",
        "客户端 ID 由此前缀加进程号构成",
    ),
    (
        "TLS: PEM file with the certificates to trust; without it those of the system",
        "TLS：PEM 文件，内含要信任的证书；不给出则用系统的证书",
    ),
    (
        "TLS: PEM file with the client's certificate",
        "TLS：PEM 文件，内含客户端证书",
    ),
    (
        "TLS: PEM file with the key to --cert",
        "TLS：PEM 文件，内含 --cert 的私钥",
    ),
    (
        "TLS: accept a certificate that names another host, if its authority is trusted",
        "TLS：签发机构可信时，接受主机名不符的证书",
    ),
    (
        "TLS: accept a certificate of --cafile's authority that names the host in its common name alone",
        "TLS：接受由 --cafile 的机构签发、仅在通用名（CN）中写有主机名的证书",
    ),
    (
        "Management API, such as `https://broker.example:61680`",
        "管理接口，例如 `https://broker.example:61680`",
    ),
    (
        "Directory of the instance, if it runs on this machine",
        "实例的目录（实例运行在本机时）",
    ),
    (
        "Ask for the token of the API on the terminal",
        "在终端上询问管理接口的令牌",
    ),
    (
        "Take the first line of the standard input as the token",
        "以标准输入的第一行作为令牌",
    ),
    (
        "Read the token from the first line of this file, whenever it is needed",
        "每次需要时从该文件的第一行读取令牌",
    ),
    ("Replace a context of this name", "替换同名的上下文"),
    ("Use it from now on", "从现在起使用它"),
    ("Use none", "不使用任何上下文"),
    ("As JSON", "以 JSON 显示"),
    (
        "Language: en or zh [default: COLUMBA_LANG, LC_ALL or LANG]",
        "语言：en 或 zh [默认：COLUMBA_LANG、LC_ALL 或 LANG]",
    ),
    ("Print help", "显示帮助"),
];

/// What possible values mean, and what stands behind the commands of examples.
pub(super) const PHRASES: &[(&str, &str)] = &[
    (
        "Found out by topic, content type and payload",
        "根据主题、内容类型和载荷判断",
    ),
    (
        "JSON; on a terminal it is spread over lines",
        "JSON；在终端上分成多行",
    ),
    ("Bytes in hexadecimal", "十六进制字节"),
    ("CBOR, shown as JSON", "CBOR，显示为 JSON"),
    ("MessagePack, shown as JSON", "MessagePack，显示为 JSON"),
    ("Sparkplug B, shown as JSON", "Sparkplug B，显示为 JSON"),
    ("Bytes in Base64", "Base64 字节"),
    (
        "On a terminal, unless `NO_COLOR` is set or `TERM` is dumb; everywhere with `CLICOLOR_FORCE`",
        "在终端上使用，除非设置了 `NO_COLOR` 或 `TERM` 为 dumb；设置 `CLICOLOR_FORCE` 时总是使用",
    ),
    (
        "# and say who got it, who did not, and why",
        "# 并说明谁收到了、谁没有、为什么",
    ),
    ("# the topics as a tree, live", "# 主题树，实时更新"),
    ("# when nothing comes, say why", "# 没有收到消息时说明原因"),
];
