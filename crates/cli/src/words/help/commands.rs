//! What the options of the commands around a broker mean, and what is said of these commands, in Chinese.

/// In the order of the commands.
pub(super) const PARAGRAPHS: &[(&str, &str)] = &[
    // The program.
    (
        "MQTT 3.1, 3.1.1 and 5 over TCP, TLS, WebSocket and Unix sockets.",
        "支持 MQTT 3.1、3.1.1 和 5，传输方式有 TCP、TLS、WebSocket 和 Unix 套接字。",
    ),
    ("Language: en or zh", "语言：en 或 zh"),
    // Instances.
    (
        "Without DIR it runs the instance in ./columba-data, and makes it first if there is none.",
        "不带 DIR 时运行 ./columba-data 中的实例；没有则先创建。",
    ),
    (
        "SIGHUP makes it read its files again, certificates among them; SIGTERM and Ctrl-C stop it.",
        "收到 SIGHUP 时重新读取各文件（包括证书）；收到 SIGTERM 或按 Ctrl-C 时停止。",
    ),
    ("Directory of the instance", "实例的目录"),
    (
        "Configuration file, in place of DIR/etc/columba.toml",
        "配置文件，代替 DIR/etc/columba.toml",
    ),
    (
        "Listen for MQTT at this address only, in place of the listeners of the configuration",
        "只在该地址监听 MQTT，代替配置中的监听器",
    ),
    (
        "Least important lines of the log: error, warn, info, debug or trace",
        "日志的最低级别：error、warn、info、debug 或 trace",
    ),
    (
        "Makes DIR with etc/columba.toml, etc/users, etc/acl.toml, data/ and log/, and a user `admin` whose password is shown once. Programs on the same machine may connect without a password, everybody else logs in.",
        "创建 DIR，其中有 etc/columba.toml、etc/users、etc/acl.toml、data/ 和 log/，以及用户 `admin`，其密码只显示一次。本机上的程序无需密码即可连接，其他程序都要登录。",
    ),
    (
        "Directory of the instance; it is made, or is empty",
        "实例的目录；不存在则创建，已存在则必须为空",
    ),
    (
        "Exits with 0 if the broker would start with these files (warnings do not count), with 2 if not.",
        "Broker 能用这些文件启动时退出码为 0（警告不计），否则为 2。",
    ),
    (
        "Asks for the password on the terminal. A running broker takes the change over within two seconds.",
        "在终端上询问密码。运行中的 Broker 在两秒内采用改动。",
    ),
    ("Name of the user", "用户名"),
    ("Make a random password and show it", "生成随机密码并显示"),
    (
        "Groups of the user, which access rules can name; alone, it leaves the password as it is",
        "用户所属的组，访问规则可以引用；单独使用时不改变密码",
    ),
    ("Remove the user", "删除该用户"),
    (
        "Directory for the links, one that PATH names before Mosquitto's",
        "存放链接的目录，在 PATH 中应排在 Mosquitto 的目录之前",
    ),
    ("Replace files that have these names", "替换同名的文件"),
    // `bench`.
    (
        "Publishers stamp each message with its number and the time it was due; what arrives tells loss, duplicates, order and latency. Without --rate each publisher sends as fast as the broker takes and delivers (closed loop: measures throughput). With --rate messages are due at fixed times, late or not (open loop: measures latency).",
        "发布者在每条消息中写入编号和应发送的时刻，由收到的消息得出丢失、重复、顺序和延迟。不带 --rate 时，Broker 接收和投递多快就发多快（闭环：测吞吐量）；带 --rate 时，消息按固定时刻发送，不因迟到而推后（开环：测延迟）。",
    ),
    (
        "The broker [default: that of the context, or 127.0.0.1]",
        "Broker [默认：上下文中的，否则为 127.0.0.1]",
    ),
    (
        "Its port [default: that of the context, or 1883]",
        "Broker 的端口 [默认：上下文中的，否则为 1883]",
    ),
    (
        "Take broker and user from this context; see `columba context`",
        "从该上下文取得 Broker 和用户；见 `columba context`",
    ),
    (
        "Version of MQTT: 3.1, 3.1.1 or 5",
        "MQTT 版本：3.1、3.1.1 或 5",
    ),
    (
        "User name; %i is the number of the client",
        "用户名；%i 为客户端编号",
    ),
    (
        "Client ids; %i is the number of the client, %r that of the run",
        "客户端 ID；%i 为客户端编号，%r 为本次运行的编号",
    ),
    (
        "How long sessions outlive their connection, so that the broker has to keep them (MQTT 3: clean session 0); removed at the end. For pub, pair, fanin, fanout, mixed, filters and offline [default: 0, they end with it; offline: 3600]",
        "连接断开后会话保留多久，Broker 必须为其保存（MQTT 3：clean session 为 0）；结束时删除。用于 pub、pair、fanin、fanout、mixed、filters 和 offline [默认：0，随连接结束；offline 为 3600]",
    ),
    (
        "Connections, publishers, subscribers, pairs, sessions or devices, by kind",
        "连接、发布者、订阅者、配对、会话或设备的数量，视种类而定",
    ),
    (
        "Messages in all [default: as many as go into --duration]",
        "消息总数 [默认：--duration 内能发送的数量]",
    ),
    ("How long to measure [default: 10s]", "测量时长 [默认：10s]"),
    (
        "What goes before, unmeasured: a time or a number of messages",
        "预热，不计入测量：时间或消息数",
    ),
    (
        "Open loop: messages a second, all publishers together",
        "开环：每秒消息数，所有发布者合计",
    ),
    (
        "Open loop: milliseconds between two messages of a publisher",
        "开环：同一发布者两条消息之间的毫秒数",
    ),
    ("QoS to publish with", "发布的 QoS"),
    (
        "QoS to subscribe with [default: that of publishing]",
        "订阅的 QoS [默认：与发布相同]",
    ),
    (
        "Length of a payload; the first 24 bytes say which message it is",
        "载荷长度；前 24 字节标明是哪条消息",
    ),
    (
        "Topics of each publisher, used in turn",
        "每个发布者的主题数，轮流使用",
    ),
    (
        "Topic: %i is the publisher, %t its topic, %c its client id, %u its user, %r the run [default: bench/%r/%i/%t]; for sub the filter [default: bench/#], for filters what stands before the levels that differ [default: bench/%r]",
        "主题：%i 为发布者，%t 为其主题编号，%c 为客户端 ID，%u 为用户，%r 为本次运行 [默认：bench/%r/%i/%t]；对 sub 是过滤器 [默认：bench/#]，对 filters 是不同层级之前的部分 [默认：bench/%r]",
    ),
    (
        "Messages of a publisher on their way: without acknowledgement, and in a closed loop without delivery [default: 256; with many publishers to one subscriber 800 together]",
        "每个发布者在途的消息数：未确认的，闭环时还有未送达的 [默认：256；多个发布者对一个订阅者时合计 800]",
    ),
    ("Publish as retained", "作为保留消息发布"),
    (
        "Connections opened a second [default: as fast as they are answered]",
        "每秒建立的连接数 [默认：对方应答多快就多快]",
    ),
    (
        "Milliseconds between two connections",
        "两次连接之间的毫秒数",
    ),
    (
        "filters: subscriptions of all clients together",
        "filters：所有客户端的订阅总数",
    ),
    (
        "filters: how many of them match a message, each of another client; 0 for none",
        "filters：其中与每条消息匹配的数量，各属不同的客户端；0 为没有",
    ),
    (
        "filters: no wildcards, so that the subscriptions that match have one filter",
        "filters：不用通配符，匹配的订阅都是同一个过滤器",
    ),
    (
        "conn: how long to hold the connections",
        "conn：保持连接的时间",
    ),
    (
        "retained: leave the messages with the broker",
        "retained：把消息留在 Broker 上",
    ),
    ("Threads that make the load", "产生负载的线程数"),
    (
        "Neither stamp nor check payloads",
        "不在载荷中做标记，也不核对",
    ),
    (
        "Stamp and check payloads; so by default",
        "在载荷中做标记并核对；默认如此",
    ),
    (
        "Exit with 10 if this holds; as often as you like: 'p99>20ms', 'loss>0', 'rate<10k'",
        "条件成立时退出码为 10；可多次使用：'p99>20ms'、'loss>0'、'rate<10k'",
    ),
    (
        "Give up when the broker is silent for so long while something is missing",
        "尚有未到的内容而 Broker 沉默这么久时放弃",
    ),
    (
        "Process of the broker, to report its processor time and memory",
        "Broker 的进程号，用于报告其 CPU 时间和内存",
    ),
    ("Report as JSON", "以 JSON 输出报告"),
    (
        "Report as one line of CSV, with a line of names before it",
        "以一行 CSV 输出报告，前面有一行列名",
    ),
    (
        "Write the distribution of times to this file, as HdrHistogram's tools read it",
        "把时间分布写入该文件，格式为 HdrHistogram 工具所用",
    ),
    ("Say nothing but the report", "除报告外不输出任何内容"),
    ("Print this help", "显示本帮助"),
    // `simulate`.
    (
        "What the devices do stands in a scenario, a TOML file; --show prints one of the built-in ones to start from. A summary says what was sent, acknowledged and refused, and why connections ended. Exit codes: 0 it ran, 2 the scenario has faults, others as of `columba pub` if no connection comes about.",
        "设备的行为写在场景文件（TOML）中；--show 输出一个内置场景，可作起点。结束时的摘要说明发送、确认和拒绝了多少，以及连接为什么结束。退出码：0 已运行，2 场景有错误，连不上时与 `columba pub` 相同。",
    ),
    ("Built-in scenario, or file", "内置场景，或文件"),
    ("The same as --scenario", "与 --scenario 相同"),
    ("List the built-in scenarios", "列出内置场景"),
    ("Print a built-in scenario", "输出一个内置场景"),
    (
        "Clients in all, kinds in the proportion of the scenario [default: as many as it says]",
        "客户端总数，各类按场景中的比例 [默认：场景规定的数量]",
    ),
    (
        "How long: 30s, 5m [default: until Ctrl-C]",
        "时长：30s、5m [默认：直到按 Ctrl-C]",
    ),
    ("End after so many messages", "发送这么多消息后结束"),
    (
        "So many times as often as the scenario says",
        "频率为场景规定的多少倍",
    ),
    ("Connections begun a second", "每秒开始的连接数"),
    (
        "What chance is made from: the same seed, the same values",
        "随机数种子：种子相同，数值就相同",
    ),
    ("The summary as JSON", "以 JSON 输出摘要"),
    // `doctor`.
    (
        "Goes from DNS and TCP to messages at every QoS, retained messages, offline sessions and the Will, and says of everything that fails why and what to do. It publishes to topics of its own below --test-topic and cleans up. Exit codes: 0 all passed, 10 something failed, 11 warnings only, 2 usage, 3 interrupted.",
        "从 DNS 和 TCP 开始，直到各级 QoS 的消息、保留消息、离线会话和遗嘱，逐项检查；凡失败的都说明原因和办法。只在 --test-topic 下自己的主题中发布，并在结束时清理。退出码：0 全部通过，10 有失败，11 只有警告，2 命令行有误，3 被中断。",
    ),
    (
        "The broker: mqtt[s]|ws[s]://[USER[:PASSWORD]@]HOST[:PORT], or HOST[:PORT]",
        "Broker：mqtt[s]|ws[s]://[用户[:密码]@]主机[:端口]，或 主机[:端口]",
    ),
    (
        "Topic filter of yours to look at and subscribe to; may be given more than once",
        "要检查和订阅的主题过滤器；可多次使用",
    ),
    (
        "What the test's own topics begin with",
        "测试所用主题的前缀",
    ),
    (
        "See whether somebody else uses this client id; asks first, as it throws that client out",
        "检查是否有别人在用该客户端 ID；会先询问，因为这会使那个客户端断开",
    ),
    ("Do not ask before --check-id", "执行 --check-id 前不询问"),
    (
        "Keep a connection silent for this long and see whether it still works",
        "让一条连接沉默这么久，再看是否还能用",
    ),
    (
        "Seconds to wait for an answer or a message",
        "等待应答或消息的秒数",
    ),
    (
        "Output: text, or json for programs",
        "输出格式：text，或供程序使用的 json",
    ),
    (
        "Words instead of the marks ✓ ! ✗ ·",
        "用文字代替标记 ✓ ! ✗ ·",
    ),
    ("Exit with 10 for warnings too", "有警告时退出码也为 10"),
    // `store`.
    (
        "`check`, `stats`, `export` and `backup` work while the broker runs; they show the store as it was at one moment. `compact`, `discard` and `import` need it stopped: a store belongs to one process at a time.",
        "`check`、`stats`、`export` 和 `backup` 可在 Broker 运行时使用，显示存储在某一时刻的状态。`compact`、`discard` 和 `import` 要求 Broker 已停止：一个存储同时只属于一个进程。",
    ),
    (
        "Directory of the store itself, such as that of a backup, in place of an instance",
        "存储本身的目录（例如备份的目录），代替实例",
    ),
    (
        "Exits with 0 if nothing is damaged, with 1 if something is or the store cannot be read.",
        "没有损坏时退出码为 0；有损坏或无法读取存储时为 1。",
    ),
    (
        "A running broker frees space by itself and takes at most about twice what is live, and five segments of 32 MiB. This needs room for one segment and can be stopped at any time. Where nine parts in ten are live, there is nothing worth freeing. Damage is left behind: what can be read is moved out of the files that have it, and no start reports it again.",
        "运行中的 Broker 会自行释放空间，占用最多约为有效数据的两倍，外加五个 32 MiB 的段文件。本命令需要一个段文件的空间，可随时停止。有效数据已占九成时，没有值得释放的空间。损坏的部分不再保留：能读出的内容从有损坏的文件中移出，以后启动时不再报告。",
    ),
    (
        "Which client such a session belonged to is not known any more, so its subscriptions and messages are nobody's. A broker that starts says how many there are and keeps them; `columba store export` shows them.",
        "这样的会话已无法得知属于哪个客户端，其订阅和消息也就没有归属。Broker 启动时说明有多少，并保留它们；`columba store export` 可以显示。",
    ),
    (
        "One object a line: {\"position\":N,\"record\":\"BASE64\"}, and what the record means, where this program knows; the last line has their number and a checksum. `columba store import` reads it. Exits with 1 if something is damaged; what can be read is written all the same.",
        "每行一个对象：{\"position\":N,\"record\":\"BASE64\"}，以及本程序所知的记录含义；最后一行是记录数和校验和。可由 `columba store import` 读入。有损坏时退出码为 1，能读出的内容仍会写出。",
    ),
    (
        "A broker that runs meanwhile may free the space of records before they are written here. The export then ends with an error; export a backup.",
        "同时运行的 Broker 可能在记录写出之前就释放其空间，此时导出以错误结束；请改为导出备份。",
    ),
    (
        "File to write, in place of the standard output",
        "写入的文件，代替标准输出",
    ),
    (
        "Only where there is none yet. Records refer to each other by position, so they keep theirs.",
        "只能导入到还没有存储的地方。记录按位置互相引用，因此位置保持不变。",
    ),
    (
        "File to read, in place of the standard input",
        "读取的文件，代替标准输入",
    ),
    (
        "Take lines without a last one that says how many there are: what is missing is not noticed",
        "接受没有最后一行（记录数）的输入：有缺失也不会发现",
    ),
    (
        "The copy is the store as it was at one moment near the end of the copying, and the bans. It is checked when it is done. To restore it, stop the broker and put the files of the copy in the place of those of the store; bans.json goes into the data directory.",
        "副本是复制将近结束时某一时刻的存储，以及封禁名单；完成后会检查一遍。恢复时先停止 Broker，再用副本的文件替换存储的文件；bans.json 放入数据目录。",
    ),
    (
        "Directory to copy to; it is made, or empty",
        "复制到的目录；不存在则创建，已存在则必须为空",
    ),
    // `token`.
    (
        "A token stands in the header `Authorization: Bearer TOKEN`. A running broker knows of a change at once.",
        "令牌写在请求头 `Authorization: Bearer TOKEN` 中。运行中的 Broker 立即采用改动。",
    ),
    (
        "What it is good for: read, publish, operate, admin, with commas between them",
        "权限：read、publish、operate、admin，用逗号分隔",
    ),
    (
        "When it ends, such as 12h or 90d; never without this",
        "有效期，例如 12h 或 90d；不写则永不过期",
    ),
    // `why` and its neighbours.
    (
        "Looks back at what the broker has recorded anyway. Names what stopped the message, with the evidence and what to do.",
        "查看 Broker 一直在做的记录，指出消息停在了哪里，给出证据和办法。",
    ),
    (
        "Exit codes: 0 delivered, 10 not delivered, 11 cannot tell, 12 waiting, 2 faulty command line, 3 the broker cannot be asked.",
        "退出码：0 已送达，10 未送达，11 无法判断，12 等待中，2 命令行有误，3 无法询问 Broker。",
    ),
    ("The topic that it was published to", "消息发布到的主题"),
    ("Client id of who published it", "发布者的客户端 ID"),
    ("Client id of who misses it", "没有收到消息的客户端 ID"),
    (
        "How far back to look: 90s, 15m, 2h, 1d; without it 15m, or since the broker started",
        "回看多久：90s、15m、2h、1d；不写则为 15m，或自 Broker 启动以来",
    ),
    (
        "A moment to look at, with 15 minutes before and 1 after: 19:14, 2026-11-28T19:14 or 2026-11-28T10:41:00Z",
        "查看某一时刻，含其前 15 分钟和后 1 分钟：19:14、2026-11-28T19:14 或 2026-11-28T10:41:00Z",
    ),
    ("How the answer is printed", "结果的输出格式"),
    ("Language of the answer: en or zh", "结果的语言：en 或 zh"),
    ("No marks that are not ASCII", "只用 ASCII 字符作标记"),
    (
        "Go on asking, and show what becomes of messages that are published from now on",
        "持续查询，显示此后发布的消息的去向",
    ),
    (
        "Write the answer with its evidence, the version and the configuration into a new file, for a bug report: no payloads, no passwords",
        "把结果及证据、版本和配置写入新文件，供报告问题使用：不含载荷和密码",
    ),
    (
        "Ask as this user of the broker, who may ask about clients of its own; without it, a token or the context says who asks",
        "以 Broker 的该用户身份查询，只能查询自己的客户端；不写则由令牌或上下文决定身份",
    ),
    (
        "Its password; better in a context, where other users cannot see it",
        "该用户的密码；最好放在上下文中，以免被其他用户看到",
    ),
    (
        "Directory of an instance that runs on this machine; without it ./columba-data, or the only broker that runs here",
        "本机上运行的实例的目录；不写则为 ./columba-data，或本机上唯一运行的 Broker",
    ),
    (
        "Management API of a broker, such as `https://broker.example:61680`",
        "Broker 的管理接口，例如 `https://broker.example:61680`",
    ),
    (
        "The environment can name it in COLUMBA_URL.",
        "也可由环境变量 COLUMBA_URL 指定。",
    ),
    (
        "Token for it; better in the environment as COLUMBA_TOKEN, or in a context, where other users cannot see it",
        "管理接口的令牌；最好放在环境变量 COLUMBA_TOKEN 或上下文中，以免被其他用户看到",
    ),
    (
        "File with the certificates to trust, in PEM format; without it those of the system",
        "受信任的证书的文件，PEM 格式；不写则用系统的证书",
    ),
    (
        "Take broker and token from this context; see `columba context`",
        "从该上下文取得 Broker 和令牌；见 `columba context`",
    ),
    (
        "Its code; all of them in one line each without it",
        "结论的代码；不写则列出全部，每行一个",
    ),
    (
        "The broker records this all the time; nothing has to be switched on before.",
        "Broker 一直在做这些记录，无需事先打开什么。",
    ),
    ("Only events of this client", "只显示该客户端的事件"),
    (
        "Only events of topics that this filter matches",
        "只显示与该过滤器匹配的主题的事件",
    ),
    (
        "Only this outcome, publish.denied_acl, or all of a stage, publish",
        "只显示某种结果（publish.denied_acl），或某一阶段的全部（publish）",
    ),
    (
        "How far back: 90s, 15m, 2h, 1d",
        "回看多久：90s、15m、2h、1d",
    ),
    (
        "Every message and every copy of it as well, as far as they were followed",
        "还显示每条消息及其每一份，限于跟踪过的",
    ),
    (
        "Go on with what happens from now on",
        "持续显示此后发生的事件",
    ),
    ("Times in UTC", "时间用 UTC"),
    ("How events are printed", "事件的输出格式"),
    (
        "Every message whose topic the filter matches is followed from now on, also where the flight recorder would leave messages out. No payload is shown: it is not kept. Ctrl-C ends it.",
        "从现在起跟踪主题与过滤器匹配的每条消息，飞行记录器会略过的也不例外。不显示载荷：载荷不作记录。按 Ctrl-C 结束。",
    ),
    (
        "Exit codes: 0 messages were seen, 10 none was published, 3 the broker does not answer.",
        "退出码：0 看到了消息，10 没有消息发布，3 Broker 没有应答。",
    ),
    ("Topic filter", "主题过滤器"),
    ("How long: 90s, 15m, up to 1h", "时长：90s、15m，最长 1h"),
    ("How messages are printed", "消息的输出格式"),
    (
        "Ctrl-C ends it. Where the output is no terminal, one picture follows the other.",
        "按 Ctrl-C 结束。输出不是终端时，画面依次输出。",
    ),
    ("Print one picture and end", "输出一幅画面后结束"),
    ("How often it is looked: 1s, 10s", "刷新间隔：1s、10s"),
    (
        "Exit codes: 0 it may, 10 it may not, 3 the broker cannot be asked.",
        "退出码：0 允许，10 不允许，3 无法询问 Broker。",
    ),
    ("Client id", "客户端 ID"),
    ("What it wants to do", "要做的操作"),
    (
        "A topic; for subscribe a filter",
        "主题；对 subscribe 则为过滤器",
    ),
    (
        "Who it is, if it is not connected",
        "客户端未连接时，其用户名",
    ),
    (
        "Exit codes: 0 it does, 10 it does not.",
        "退出码：0 匹配，10 不匹配。",
    ),
    (
        "Topic filter, with $share/NAME/ or without",
        "主题过滤器，可以带 $share/NAME/",
    ),
    ("Topic", "主题"),
    (
        "What counts are messages that clients published, their subscriptions, and copies of messages where a rule denies any. A rule that never decides is not needed, or stands behind one that is wider.",
        "计数包括客户端发布的消息、订阅，以及被规则拒绝的消息副本。从未起作用的规则要么不需要，要么排在范围更大的规则之后。",
    ),
    (
        "Only rules that have decided nothing",
        "只显示从未起作用的规则",
    ),
    ("How rows are printed", "输出格式"),
    // What the broker has.
    (
        "With a client id: all about it, connected or not: its session, its subscriptions, its messages in flight, and what it waits for. `-o json` has all fields.",
        "带客户端 ID 时显示它的一切，无论是否在线：会话、订阅、在途的消息，以及在等待什么。`-o json` 给出全部字段。",
    ),
    (
        "Only client ids that contain this",
        "只列出包含该文字的客户端 ID",
    ),
    (
        "What they are sorted by, the highest first; by `id`, and with `+` before the key, the lowest first",
        "排序依据，从大到小；按 `id` 或键前加 `+` 时从小到大",
    ),
    (
        "Keys are id, queued, queued_bytes, inflight, since, subscriptions, output_bytes and silent.",
        "键：id、queued、queued_bytes、inflight、since、subscriptions、output_bytes 和 silent。",
    ),
    (
        "Only those whose messages wait for this",
        "只列出消息在等待该项的客户端",
    ),
    (
        "Sessions that are not connected as well",
        "也列出离线的会话",
    ),
    (
        "The broker remembers the sums of each topic, so nobody has to subscribe to anything. With --tree the levels below a topic, with the sums of everything below each.",
        "Broker 记得每个主题的合计，因此无需订阅。带 --tree 时显示主题之下的各级，以及每级之下的合计。",
    ),
    (
        "Topic filter, all topics but those that start with $ without it; with --tree the topic to begin below",
        "主题过滤器，不写则为除 $ 开头外的全部主题；带 --tree 时为起点主题",
    ),
    ("Level by level", "逐级显示"),
    ("Levels that are shown at a time", "一次显示的层级数"),
    (
        "What they are sorted by, the largest or latest first; by `topic`, and with `+` before the key, the lowest first",
        "排序依据，最大或最近的在前；按 `topic` 或键前加 `+` 时从小到大",
    ),
    (
        "Keys are topic, messages, payload_bytes, unmatched, first_unix_ms, last_unix_ms, rate (messages by the time since the first) and subscriptions.",
        "键：topic、messages、payload_bytes、unmatched、first_unix_ms、last_unix_ms、rate（消息数除以自第一条以来的时间）和 subscriptions。",
    ),
    (
        "Topic filter; all topics but those that start with $ without it",
        "主题过滤器；不写则为除 $ 开头外的全部主题",
    ),
    // Completion and manual pages.
    (
        "In bash, zsh and fish it asks the program itself: for commands and options, names of contexts and verdicts, and of the broker that runs on this machine for client ids and topics. In powershell and elvish it covers the commands and options of this version: write it anew after an update.",
        "在 bash、zsh 和 fish 中由程序自身回答：命令和选项、上下文和结论的名称，以及本机 Broker 上的客户端 ID 和主题。在 powershell 和 elvish 中只包括本版本的命令和选项：升级后请重新生成。",
    ),
    ("The shell", "Shell"),
    ("Bytes of the line before the cursor", "光标之前的字节数"),
    (
        "The words up to the cursor, or for bash the line as it stands",
        "光标之前的各词；对 bash 则为整行原文",
    ),
    (
        "Without DIR the page of `columba` goes to the standard output: `columba man | man -l -` shows it.",
        "不带 DIR 时把 `columba` 的手册页写到标准输出：用 `columba man | man -l -` 查看。",
    ),
    (
        "Directory for all pages, columba.1, columba-pub.1 and so on; it is made if it is not there",
        "存放全部手册页（columba.1、columba-pub.1 等）的目录；不存在则创建",
    ),
];

/// What possible values mean, and what stands behind and above the commands of examples.
pub(super) const PHRASES: &[(&str, &str)] = &[
    ("For a terminal", "供终端显示"),
    ("For programs", "供程序使用"),
    (
        "Markdown, for a ticket or a chat",
        "Markdown，用于工单或聊天",
    ),
    ("One line an event, for people", "每个事件一行，供阅读"),
    ("One JSON object a line", "每行一个 JSON 对象"),
    ("A block a message, for people", "每条消息一段，供阅读"),
    (
        "What was recorded, one JSON object a line",
        "原始记录，每行一个 JSON 对象",
    ),
    ("A table for people", "表格，供阅读"),
    (
        "# in ./columba-data, which is made if there is none",
        "# 在 ./columba-data，没有则创建",
    ),
    ("# nobody got it: why?", "# 没有人收到：为什么？"),
    ("# all that this client misses", "# 该客户端没有收到的一切"),
    ("# which rule bites?", "# 哪条规则在起作用？"),
    ("# which never did?", "# 哪条从未起作用？"),
    ("# whose messages pile up?", "# 谁的消息在堆积？"),
    (
        "How many messages a second go through, one publisher to one subscriber:",
        "一个发布者对一个订阅者，每秒能通过多少消息：",
    ),
    (
        "Latency at 5,000 messages a second over 20 pairs, and a verdict for a pipeline:",
        "20 对客户端每秒 5000 条消息时的延迟，并给流水线一个结论：",
    ),
    (
        "A thousand devices to one collector, and what the broker pays for it:",
        "一千个设备对一个采集端，以及 Broker 的开销：",
    ),
    (
        "Ten thousand connections, 500 a second:",
        "一万个连接，每秒 500 个：",
    ),
    (
        "Exit codes: 0 done, 1 the run failed or the broker broke a promise of MQTT, 2 faulty command line, 10 a condition of --fail-if holds.",
        "退出码：0 完成，1 运行失败或 Broker 违背了 MQTT 的承诺，2 命令行有误，10 --fail-if 的条件成立。",
    ),
    ("DIR being one that $fpath names", "DIR 为 $fpath 中的目录"),
    ("in $PROFILE", "写入 $PROFILE"),
    (
        "and `use columba` in rc.elv",
        "并在 rc.elv 中写 `use columba`",
    ),
    ("for yourself", "仅自己使用   "),
    ("for all users", "供所有用户使用"),
    (
        "Then `man columba-pub` shows that of `columba pub`.",
        "之后 `man columba-pub` 显示 `columba pub` 的手册页。",
    ),
];
