//! What `columba bench` says: its report, and what went wrong. The generator says it in English, which is
//! recognised here.

use std::net::SocketAddr;

use columba_bench::{PlanFault, Trouble};
use columba_speech::{Param, Text, recognise};

use super::{refusal, system};

columba_speech::catalogue! {
    /// All sentences of the commands' own.
    pub(crate) ALL;

    load(kind, broker, version, connections) {
        en: "{kind} on {broker}, MQTT {version}, {connections} connections",
        zh: "{kind}：{broker}，MQTT {version}，{connections} 个连接",
    }
    and(before, more) { en: "{before}, {more}", zh: "{before}，{more}" }
    mixed_qos() { en: "mixed QoS", zh: "混合 QoS" }
    qos_to(publishing, subscribing) {
        en: "QoS {publishing} to {subscribing}", zh: "QoS {publishing} 到 {subscribing}",
    }
    bytes(count) { en: "{count} bytes", zh: "{count} 字节" }
    open_loop(rate) { en: "open loop at {rate}/s", zh: "开环 {rate}/s" }
    closed_loop() { en: "closed loop", zh: "闭环" }
    of_the_broker(us) { en: "{us} µs of the broker each", zh: "{us} µs（Broker，每个）" }
    connected(connected, failed) {
        en: "connected {connected}    failed {failed}", zh: "已连接 {connected}    失败 {failed}",
    }
    sent() { en: "sent", zh: "已发送" }
    received() { en: "received", zh: "已收到" }
    lost() { en: "lost", zh: "丢失" }
    duplicated() { en: "duplicated", zh: "重复" }
    reordered() { en: "reordered", zh: "乱序" }
    refused() { en: "refused", zh: "被拒绝" }
    unacknowledged() { en: "unacknowledged", zh: "未确认" }
    share_lost(share, expected) {
        en: "{share} % of {expected} deliveries were lost", zh: "{expected} 次投递中丢失了 {share} %",
    }
    times(of, count) { en: "{of}, {count} times", zh: "{of}，{count} 次" }
    most() { en: "max", zh: "最大" }
    broker() { en: "broker", zh: "服务端" }
    generator() { en: "generator", zh: "生成器" }
    broker_time(us, item, share) {
        en: "{us} µs of processor time a {item}, {share} % of a processor",
        zh: "每{item} {us} µs 处理器时间，占一个处理器的 {share} %",
    }
    memory(now, peak) { en: "{now} of memory, {peak} at its peak", zh: "内存 {now}，峰值 {peak}" }
    a_connection(bytes) { en: "{bytes} a connection", zh: "每个连接 {bytes}" }
    kept(bytes, item) { en: "{bytes} kept for each {item}", zh: "每{item}保留 {bytes}" }
    generator_time(us, item, share) {
        en: "{us} µs a {item}, busiest thread {share} %", zh: "每{item} {us} µs，最忙的线程 {share} %",
    }
    late(time) { en: "late by {time} at p99", zh: "p99 迟到 {time}" }
    note(what) { en: "note: {what}.", zh: "注意：{what}。" }
    more_clients(count) {
        en: "so it went with {count} more clients", zh: "另有 {count} 个客户端也是如此",
    }
    condition_holds(condition, found) {
        en: "failed: {condition}, found {found}", zh: "不合格：{condition}，实际为 {found}",
    }
    condition_unmeasured(condition) {
        en: "failed: {condition}, which this run does not measure", zh: "不合格：{condition}，本次运行没有测量它",
    }
    no_json(why) { en: "cannot write JSON: {why}", zh: "无法写出 JSON：{why}" }
    context_unfit(name) {
        en: "the context `{name}` names no server that bench can load",
        zh: "上下文 `{name}` 没有指定 bench 可以加压的服务器",
    }
    plain_tcp_alone() {
        en: "bench speaks MQTT over plain TCP: name a broker with -h",
        zh: "bench 只使用普通 TCP 上的 MQTT：请用 -h 指定 Broker",
    }

    lookup(host, why) {
        en: "cannot find the address of {host}: {why}", zh: "无法找到 {host} 的地址：{why}",
    }
    no_connection(address, why) {
        en: "cannot connect to {address}: {why}", zh: "无法连接 {address}：{why}",
    }
    connection_refused() { en: "connection refused", zh: "连接被拒绝" }
    timed_out() { en: "it timed out", zh: "超时" }
    refused_client(address, client, why) {
        en: "{address} refused the client {client}: {why}", zh: "{address} 拒绝了客户端 {client}：{why}",
    }
    closed(address, client) {
        en: "{address} closed the connection of the client {client}",
        zh: "{address} 关闭了客户端 {client} 的连接",
    }
    closed_because(address, client, why) {
        en: "{address} closed the connection of the client {client}: {why}",
        zh: "{address} 关闭了客户端 {client} 的连接：{why}",
    }
    disconnected(address, client, why) {
        en: "{address} disconnected the client {client}: {why}", zh: "{address} 断开了客户端 {client}：{why}",
    }
    subscription(address, client, code) {
        en: "{address} refused the client {client} a subscription (code {code})",
        zh: "{address} 拒绝了客户端 {client} 的订阅（代码 {code}）",
    }
    incapable(address, what) { en: "{address} {what}", zh: "{address} {what}" }
    malformed(address, client, why) {
        en: "{address} sent the client {client} something that is no MQTT: {why}",
        zh: "{address} 发给客户端 {client} 的不是 MQTT：{why}",
    }
    out_of_place(address, client, what) {
        en: "{address} sent the client {client} {what}", zh: "{address} 发给了客户端 {client} {what}",
    }
    silent(address, secs, what) {
        en: "{address} was silent for {secs} s while {what}", zh: "{address} 沉默了 {secs} 秒（{what}）",
    }
    on_this_machine(doing, why) { en: "{doing}: {why}", zh: "{doing}：{why}" }
    stopped() {
        en: "stopped before there was anything to report", zh: "在有可报告的结果之前就被停止",
    }

    zero(what) { en: "{what} has to be more than 0", zh: "{what}必须大于 0" }
    too_much(what) {
        en: "{what} is more than this generator counts", zh: "{what}超出本生成器的计数范围",
    }
    payload_too_large(bytes) {
        en: "a payload of {bytes} bytes is more than the 64 MiB that this generator sends",
        zh: "{bytes} 字节的载荷超过本生成器可发送的 64 MiB",
    }
    no_topic(topic) { en: "{topic} is no topic to publish to", zh: "{topic} 不是可以发布的主题" }
    no_filter(filter) { en: "{filter} is no topic filter", zh: "{filter} 不是主题过滤器" }
    no_rate(kind) { en: "{kind} has no rate of messages", zh: "{kind} 没有消息速率" }
    matching(count) {
        en: "{count} subscriptions cannot match a message: each is of another client",
        zh: "不能有 {count} 个订阅匹配一条消息：它们各属一个客户端",
    }
    needs_messages(kind) {
        en: "{kind} takes a number of messages, not a time", zh: "{kind} 需要消息数，而不是时间",
    }
    open_files(clients, limit) {
        en: "{clients} connections need more open files than the limit of {limit}: raise it with `ulimit -n`",
        zh: "{clients} 个连接需要的打开文件数超过上限 {limit}：请用 `ulimit -n` 提高",
    }
}

columba_speech::said_elsewhere! {
    /// What the generator says; the more general ones last, for the first that fits is taken.
    pub(super) SAID;

    starting() { en: "starting", zh: "启动" }
    connecting() { en: "connecting", zh: "连接" }
    subscribing() { en: "subscribing", zh: "订阅" }
    disconnecting() { en: "disconnecting", zh: "断开" }
    listening() { en: "listening", zh: "监听" }
    warming_up() { en: "warming up", zh: "预热" }
    publishing() { en: "publishing", zh: "发布" }
    storing() { en: "storing", zh: "存入" }
    replaying() { en: "replaying", zh: "重放" }
    clearing() { en: "clearing", zh: "清除" }
    draining() { en: "draining", zh: "取出" }
    connections() { en: "connections", zh: "个连接" }
    deliveries() { en: "deliveries", zh: "次投递" }
    messages() { en: "messages", zh: "条消息" }
    filters() { en: "filters", zh: "个过滤器" }
    connection() { en: "connection", zh: "个连接" }
    delivery() { en: "delivery", zh: "次投递" }
    message() { en: "message", zh: "条消息" }
    filter() { en: "filter", zh: "个过滤器" }
    acknowledgement() { en: "publish to acknowledgement", zh: "从发布到确认" }
    connack() { en: "connect to CONNACK", zh: "从连接到 CONNACK" }
    arrival_retained() { en: "SUBSCRIBE to arrival", zh: "从 SUBSCRIBE 到到达" }
    arrival_offline() { en: "CONNECT to arrival", zh: "从 CONNECT 到到达" }
    arrival() { en: "publish to arrival", zh: "从发布到到达" }

    running_there() {
        en: "is a broker running there? Name it with -h HOST -p PORT",
        zh: "那里有 Broker 在运行吗？请用 -h 主机 -p 端口 指定",
    }
    log_in() { en: "log in with -u USER -P PASSWORD", zh: "请用 -u 用户 -P 密码 登录" }
    other_version() {
        en: "choose another version with --mqtt-version", zh: "请用 --mqtt-version 换用其他版本",
    }
    grants(granted, option) {
        en: "grants subscriptions QoS {granted} and no more: add --sub-qos {option}",
        zh: "最多授予订阅 QoS {granted}：请加上 --sub-qos {option}",
    }
    takes_qos(qos, option) {
        en: "takes QoS {qos} and no more: add -q {option}", zh: "最多接受 QoS {qos}：请加上 -q {option}",
    }
    takes_packets(most, bytes) {
        en: "takes packets of at most {most} bytes, and a message is {bytes} bytes long",
        zh: "最大接受 {most} 字节的报文，而一条消息长 {bytes} 字节",
    }
    not_in_flight(packet, packet_id) {
        en: "a {packet} for packet id {packet_id}, which is not in flight",
        zh: "报文标识符 {packet_id} 的 {packet}，而它不在途中",
    }
    not_waited_for(packet) { en: "a {packet} that nobody waited for", zh: "没有人等待的 {packet}" }
    clients_connected(doing, connected, clients) {
        en: "{doing}: {connected} of {clients} clients are connected",
        zh: "{doing}：{clients} 个客户端中有 {connected} 个已连接",
    }
    deliveries_missing(deliveries, acknowledgements) {
        en: "{deliveries} deliveries and {acknowledgements} acknowledgements were missing",
        zh: "还缺 {deliveries} 次投递和 {acknowledgements} 个确认",
    }
    messages_missing(missing, messages) {
        en: "{missing} of {messages} messages were missing", zh: "{messages} 条消息中还缺 {missing} 条",
    }
    cannot_watch(process) { en: "cannot watch process {process}", zh: "无法观察进程 {process}" }
    no_loop() { en: "cannot make a readiness loop", zh: "无法建立就绪循环" }
    loop_failed() { en: "the readiness loop failed", zh: "就绪循环失败" }
    no_timer() { en: "cannot make a timer", zh: "无法建立定时器" }
    not_encoded() { en: "cannot encode", zh: "无法编码" }
    not_woken() { en: "cannot wake a thread", zh: "无法唤醒线程" }
    no_thread() { en: "cannot start a thread", zh: "无法启动线程" }
    threads_gone() { en: "the threads are gone", zh: "线程已不在" }

    clients() { en: "the number of clients", zh: "客户端数" }
    topics() { en: "the number of topics", zh: "主题数" }
    window() { en: "the window", zh: "窗口" }
    threads() { en: "the number of threads", zh: "线程数" }
    connects() { en: "the number of connects", zh: "同时连接数" }
    subscriptions() { en: "the number of subscriptions", zh: "订阅数" }
    a_rate() { en: "a rate", zh: "速率" }
    the_rate() { en: "the rate", zh: "速率" }
    number_of_messages() { en: "the number of messages", zh: "消息数" }
    duration() { en: "the duration", zh: "时长" }
    payload_too_small(bytes) {
        en: "a payload needs {bytes} bytes for run, publisher, number and time; smaller ones go with --no-verify",
        zh: "载荷需要 {bytes} 字节来存放运行、发布者、序号和时间；更小的载荷请用 --no-verify",
    }
    client_ids_alike() {
        en: "every client needs a client id of its own: put %i into --client-id",
        zh: "每个客户端都需要自己的客户端 ID：请在 --client-id 中写入 %i",
    }
    topics_alike() {
        en: "every publisher needs topics of its own here: put %i or %c into --topic",
        zh: "这里每个发布者都需要自己的主题：请在 --topic 中写入 %i 或 %c",
    }
    topic_numbers_alike() {
        en: "with more than one topic a publisher, put %t into --topic",
        zh: "每个发布者有多个主题时，请在 --topic 中写入 %t",
    }
    needs_qos() {
        en: "a session keeps messages of QoS 1 and 2 only: add -q 1",
        zh: "会话只保留 QoS 1 和 2 的消息：请加上 -q 1",
    }

    stopped_early() { en: "the run was stopped early", zh: "运行被提前停止" }
    queue_full() {
        en: "the broker acknowledged every message and did not deliver some: its queue for a subscriber may have been full; look at its limits, or try a smaller --window",
        zh: "Broker 确认了每条消息，却有一些没有投递：某个订阅者的队列可能已满；请检查它的限额，或尝试更小的 --window",
    }
    write_offs(times) {
        en: "publishers waited {times} times for messages that never came, and went on without them",
        zh: "发布者有 {times} 次等待的消息始终没有到达，于是不再等待而继续",
    }
    foreign(messages) {
        en: "{messages} messages of others arrived and were left out", zh: "到达了 {messages} 条别人的消息，没有计入",
    }
    cut_off(failed, clients) {
        en: "{failed} of {clients} clients were refused or cut off",
        zh: "{clients} 个客户端中有 {failed} 个被拒绝或被断开",
    }
    refused_messages(messages, code) {
        en: "the broker refused {messages} messages, with reason code {code}",
        zh: "Broker 拒绝了 {messages} 条消息，原因码为 {code}",
    }
    generator_late(ms) {
        en: "the generator itself was late by up to {ms} ms (99 %): latencies include that; try a lower rate or more --threads",
        zh: "生成器本身迟到最多 {ms} ms（99 %），时延中包含了它；请尝试更低的速率或更多的 --threads",
    }
    generator_limit(busy, broker) {
        en: "the generator was the limit: its thread was busy {busy} % of the time, the broker {broker} %; try more --threads",
        zh: "瓶颈是生成器：它的线程有 {busy} % 的时间忙碌，Broker 为 {broker} %；请尝试更多的 --threads",
    }
    generator_may_be_limit(busy) {
        en: "the generator may have been the limit: its thread was busy {busy} % of the time; --broker-pid tells, more --threads help",
        zh: "瓶颈可能是生成器：它的线程有 {busy} % 的时间忙碌；用 --broker-pid 可以判断，增加 --threads 会有帮助",
    }
    arrived_again(messages, qos) {
        en: "{messages} messages of QoS {qos} arrived more than once", zh: "有 {messages} 条 QoS {qos} 消息到达了不止一次",
    }
    arrived_late(messages) {
        en: "{messages} messages arrived after a later one of the same publisher and topic",
        zh: "有 {messages} 条消息晚于同一发布者、同一主题的后一条消息到达",
    }
    sessions_gone(gone, sessions) {
        en: "{gone} of {sessions} sessions were gone when their clients came back",
        zh: "客户端回来时，{sessions} 个会话中有 {gone} 个已不存在",
    }
    without_retain(messages) {
        en: "{messages} retained messages arrived without the RETAIN flag",
        zh: "有 {messages} 条保留消息到达时不带 RETAIN 标志",
    }
    not_arrived(messages, qos) {
        en: "{messages} messages of QoS {qos} did not arrive", zh: "有 {messages} 条 QoS {qos} 消息没有到达",
    }
}

/// What the generator says in English.
pub(crate) fn told(text: &str) -> Param {
    recognise(SAID, text).map_or_else(|| Param::from(text), Param::from)
}

/// Why a run could not go on, or what became of a client.
pub(crate) fn trouble(trouble: &Trouble) -> Param {
    let at = SocketAddr::to_string;
    let text = match trouble {
        Trouble::Plan(fault) => return plan_fault(fault),
        Trouble::Lookup { host, source } => lookup(host.as_str(), system(source)),
        Trouble::Connect { address, source } => no_connection(at(address), no_way(source)),
        Trouble::Refused {
            address,
            client_id,
            reason,
        } => refused_client(at(address), client_id.as_str(), refusal::code(*reason)),
        Trouble::Closed {
            address,
            client_id,
            source: None,
        } => closed(at(address), client_id.as_str()),
        Trouble::Closed {
            address,
            client_id,
            source: Some(source),
        } => closed_because(at(address), client_id.as_str(), system(source)),
        Trouble::Disconnected {
            address,
            client_id,
            reason,
        } => disconnected(at(address), client_id.as_str(), refusal::code(*reason)),
        Trouble::Subscription {
            address,
            client_id,
            code,
        } => subscription(at(address), client_id.as_str(), format!("0x{code:02x}")),
        Trouble::Incapable { address, what } => incapable(at(address), told(what)),
        Trouble::Malformed {
            address,
            client_id,
            source,
        } => malformed(at(address), client_id.as_str(), source.to_string()),
        Trouble::OutOfPlace {
            address,
            client_id,
            what,
        } => out_of_place(at(address), client_id.as_str(), told(what)),
        Trouble::Silent {
            address,
            secs,
            waited_for,
        } => silent(at(address), format!("{secs:.1}"), told(waited_for)),
        Trouble::System { doing, source } => on_this_machine(told(doing), system(source)),
        Trouble::Stopped => stopped(),
        other => return other.to_string().into(),
    };
    text.into()
}

fn no_way(error: &std::io::Error) -> Param {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => connection_refused().into(),
        std::io::ErrorKind::TimedOut => timed_out().into(),
        _ => system(error),
    }
}

fn plan_fault(fault: &PlanFault) -> Param {
    let text: Text = match fault {
        PlanFault::Zero(what) => zero(told(what)),
        PlanFault::TooMuch(what) => too_much(told(what)),
        PlanFault::PayloadTooLarge(bytes) => payload_too_large(bytes.to_string()),
        PlanFault::Topic(topic) => no_topic(topic.as_str()),
        PlanFault::Filter(filter) => no_filter(filter.as_str()),
        PlanFault::Rate(kind) => no_rate(*kind),
        PlanFault::Matching(count) => matching(count.to_string()),
        PlanFault::NeedsMessages(kind) => needs_messages(*kind),
        PlanFault::OpenFiles { clients, limit } => {
            open_files(clients.to_string(), limit.to_string())
        }
        other => return told(&other.to_string()),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_codec::{ReasonCode, decode};
    use columba_speech::Language;
    use std::io;

    fn check(trouble: &Trouble) {
        let said = super::trouble(trouble);
        assert_eq!(said.to_string(Language::English), trouble.to_string());
        let chinese = said.to_string(Language::Chinese);
        let english = chinese.split(|c: char| !c.is_ascii_alphabetic());
        let known = [
            "c", "lamp", "qos", "QoS", "PUBACK", "ulimit", "sub", "q", "n", "x", "MQTT", "MiB",
        ];
        let mut english = english.filter(|word| word.len() > 1 && !known.contains(word));
        assert_eq!(english.next(), None, "{chinese}");
    }

    #[test]
    fn troubles_are_told_in_both_languages() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1883));
        let client_id = || "lamp".to_owned();
        let refused = || io::Error::from_raw_os_error(111);
        let incapable = |what: &str| Trouble::Incapable {
            address,
            what: what.to_owned(),
        };
        let silent = |waited_for: &str| Trouble::Silent {
            address,
            secs: 1.25,
            waited_for: waited_for.to_owned(),
        };
        let (reason, code) = (ReasonCode::NotAuthorized, 0x87);
        let system = |doing: &str| Trouble::System {
            doing: doing.to_owned(),
            source: refused(),
        };
        for trouble in [
            Trouble::Connect {
                address,
                source: refused(),
            },
            Trouble::Connect {
                address,
                source: io::ErrorKind::TimedOut.into(),
            },
            Trouble::Refused {
                address,
                client_id: client_id(),
                reason,
            },
            Trouble::Closed {
                address,
                client_id: client_id(),
                source: None,
            },
            Trouble::Closed {
                address,
                client_id: client_id(),
                source: Some(refused()),
            },
            Trouble::Disconnected {
                address,
                client_id: client_id(),
                reason,
            },
            Trouble::Subscription {
                address,
                client_id: client_id(),
                code,
            },
            incapable("grants subscriptions QoS 1 and no more: add --sub-qos 1"),
            incapable("takes QoS 0 and no more: add -q 0"),
            incapable("takes packets of at most 9 bytes, and a message is 99 bytes long"),
            Trouble::OutOfPlace {
                address,
                client_id: client_id(),
                what: "a PUBACK for packet id 7, which is not in flight".to_owned(),
            },
            Trouble::OutOfPlace {
                address,
                client_id: client_id(),
                what: "a PUBACK that nobody waited for".to_owned(),
            },
            silent("4 deliveries and 0 acknowledgements were missing"),
            silent("5 of 9 messages were missing"),
            silent("connecting: 1 of 2 clients are connected"),
            system("cannot watch process 7"),
            system("the threads are gone"),
            Trouble::Stopped,
        ] {
            check(&trouble);
        }
        let malformed = decode(
            &[0xff, 0xff, 0xff, 0xff, 0xff],
            columba_codec::Version::V5,
            9,
        );
        let source = malformed.expect_err("no packet");
        let trouble = Trouble::Malformed {
            address,
            client_id: client_id(),
            source,
        };
        let said = super::trouble(&trouble).to_string(Language::English);
        assert_eq!(said, trouble.to_string());
    }

    #[test]
    fn faults_of_a_plan_are_told_in_both_languages() {
        for fault in [
            PlanFault::Zero("the number of clients"),
            PlanFault::Zero("a rate"),
            PlanFault::TooMuch("the number of messages"),
            PlanFault::PayloadTooLarge(99_999_999),
            PlanFault::Topic("x".to_owned()),
            PlanFault::Filter("x".to_owned()),
            PlanFault::Rate("sub"),
            PlanFault::Matching(2),
            PlanFault::NeedsMessages("c"),
            PlanFault::NeedsQos,
            PlanFault::OpenFiles {
                clients: 9,
                limit: 1,
            },
        ] {
            check(&Trouble::Plan(fault));
        }
        // What options are called, and MQTT's own words, stand in both.
        for fault in [
            PlanFault::PayloadTooSmall,
            PlanFault::ClientIdsAlike,
            PlanFault::TopicsAlike,
            PlanFault::TopicNumbersAlike,
        ] {
            let trouble = Trouble::Plan(fault);
            let said = super::trouble(&trouble);
            assert_eq!(said.to_string(Language::English), trouble.to_string());
            let chinese = said.to_string(Language::Chinese);
            assert!(chinese.contains('请'), "{chinese}");
        }
    }

    /// The sentences that `told` is given, as the generator has them in its source.
    #[test]
    fn whatever_the_generator_notes_is_recognised() {
        let source = include_str!("../../../bench/src/run/summary.rs");
        // Continued lines of a text are one.
        let mut text = String::new();
        for line in source.lines() {
            match line.trim_end().strip_suffix('\\') {
                Some(begun) => text.push_str(&format!("{} ", begun.trim())),
                None => text.push_str(&format!("{}\n", line.trim())),
            }
        }
        let texts = text.split('"').skip(1).step_by(2);
        let sentences = texts.filter(|text| text.contains(' ') && !text.contains('\n'));
        let mut seen = 0;
        for sentence in sentences {
            let sentence = sentence.replace("  ", " ").replace("{lost}", "{}");
            let sentence = sentence.replace("{busy:.0}", "{}").replace("{:.0}", "{}");
            let sentence = sentence.replace("0x{:02x}", "{}").replace("{:.1}", "{}");
            let said = sentence.replace("{qos}", "{}").replace("{}", "7");
            assert!(recognise(SAID, &said).is_some(), "{said}");
            seen += 1;
        }
        assert!(seen > 15, "{seen}");
    }
}
