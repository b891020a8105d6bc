//! What each code means and what to do about it: `columba explain`, and the manual.

use columba_speech::{Entry, Language, Text, width};

use crate::code::{Area, Code, Fate};
use crate::texts::sentences as say;

/// A code for people.
#[derive(Debug)]
pub struct Page {
    /// Which.
    pub code: Code,
    title: Entry,
    about: Entry,
    fixes: &'static [Entry],
}

impl Page {
    /// One line.
    pub fn title(&'static self) -> Text {
        Text::new(&self.title, Vec::new())
    }

    /// What it means.
    pub fn about(&'static self) -> Text {
        Text::new(&self.about, Vec::new())
    }

    /// What to do, in general.
    pub fn fixes(&'static self) -> impl Iterator<Item = Text> {
        self.fixes.iter().map(|fix| Text::new(fix, Vec::new()))
    }
}

const fn entry(code: &'static str, en: &'static str, zh: &'static str) -> Entry {
    Entry {
        code,
        parameters: &[],
        en,
        zh,
    }
}

macro_rules! pages {
    ($($code:ident { $title_en:literal, $title_zh:literal; $en:literal, $zh:literal; $($fix_en:literal, $fix_zh:literal;)* })*) => {
        /// The pages in the order of [`Code::ALL`].
        static PAGES: &[Page] = &[$(Page {
            code: Code::$code,
            title: entry(concat!(stringify!($code), ".title"), $title_en, $title_zh),
            about: entry(concat!(stringify!($code), ".about"), $en, $zh),
            fixes: &[$(entry(concat!(stringify!($code), ".fix"), $fix_en, $fix_zh),)*],
        },)*];

        /// The page of a code.
        pub fn page(code: Code) -> &'static Page {
            let at = match code { $(Code::$code => Code::$code as usize,)* };
            let Some(page) = PAGES.get(at) else { unreachable!("a page for each code") };
            page
        }
    };
}

pages! {
    P01 { "Publisher never connected", "发布端从未连接";
        "No connection with this client id was ever seen here, accepted or refused.",
        "这里从未见过该客户端标识符的连接，无论是被接受还是被拒绝。";
        "Check host name and port that the publisher uses, and that no firewall is between: columba doctor HOST", "检查发布端使用的主机名和端口，以及中间有没有防火墙：columba doctor HOST";
        "Check that the publisher uses the client id that you asked about", "确认发布端使用的正是所查询的客户端标识符"; }
    P02 { "Publisher's connection was refused", "发布端的连接被拒绝";
        "The publisher tried to connect, and the broker said no. Whatever it published was never read.",
        "发布端尝试连接，但 Broker 拒绝了它，它发布的内容没有被读取。";
        "Correct what the refusal names: user name, password, client id, version or limit", "按拒绝原因修正：用户名、密码、客户端标识符、协议版本或限制";
        "Let the program log the reason code of CONNACK", "让程序记录 CONNACK 的原因码"; }
    P03 { "Two programs share the publisher's client id", "两个程序共用发布端的客户端标识符";
        "Each connection with a client id ends the one before. Two programs with the same id throw each other out again and again, and lose what they were about to send. After a few times the broker lets each newcomer wait some seconds.",
        "同一客户端标识符的新连接会终止旧连接。两个程序使用相同标识符会不断互相踢下线，并丢失正要发送的内容。多次发生后，Broker 会让新连接等待几秒。";
        "Give each program and each device a client id of its own, for example with its serial number", "给每个程序、每台设备分配唯一的客户端标识符，例如加上序列号";
        "Look for a second copy of the program: an old service, a test on another machine", "查找是否有第二个程序实例：旧服务，或另一台机器上的测试程序"; }
    P04 { "Publisher was not connected", "发布端当时不在线";
        "The publisher had no connection in the time asked about, so nothing could come from it.",
        "在所查询的时间内发布端没有连接，因此不可能有消息到达。";
        "Reconnect after a loss, and keep messages until PUBACK has come (QoS 1)", "断线后自动重连，并在收到 PUBACK 之前保留消息（QoS 1）";
        "Look at why the connection ended: columba events --client ID", "查看连接断开的原因：columba events --client ID"; }
    P05 { "No PUBLISH came to this topic", "Broker 从未收到该主题的 PUBLISH";
        "The publisher was able to publish, but no PUBLISH to exactly this topic reached the broker. A program that exits right after publish() often ends before the bytes are sent.",
        "发布端可以发布，但 Broker 没有收到恰好发往该主题的 PUBLISH。程序在调用 publish() 后立即退出时，数据往往还没发出去。";
        "Print the topic that the program publishes to, in brackets, and compare", "在程序中打印实际发布的主题（加上方括号）并比较";
        "Wait for the publish to finish (wait_for_publish, PUBACK) before the program exits", "程序退出前等待发布完成（wait_for_publish、PUBACK）"; }
    P06 { "Nobody can publish to such a topic", "该主题名无效，不能发布";
        "A topic to publish to has no + or #, is not empty, and may not begin with $SYS. The broker closes the connection or refuses the message.",
        "发布的主题名不能包含 + 或 #，不能为空，也不能以 $SYS 开头。Broker 会关闭连接或拒绝消息。";
        "Publish to one topic without wildcards", "发布到不含通配符的具体主题"; }
    P07 { "Access rules deny the publish", "访问规则禁止发布";
        "An access rule, or the default if no rule fits, does not let this client publish to this topic. With MQTT 3.1.1, and with QoS 0, a publisher cannot be told.",
        "访问规则（或没有匹配规则时的默认值）不允许该客户端发布到此主题。MQTT 3.1.1 或 QoS 0 无法把拒绝告知发布端。";
        "Allow the topic in the access rules, or publish to one that is allowed", "在访问规则中允许该主题，或发布到允许的主题";
        "Check: columba can CLIENT publish TOPIC", "检查：columba can CLIENT publish TOPIC"; }
    P08 { "PUBLISH is too large", "PUBLISH 报文过大";
        "The packet is larger than the broker accepts.", "报文超过 Broker 接受的最大长度。";
        "Send less at a time, or raise the packet size in the configuration of the listener", "减小单次发送的数据量，或在监听器配置中提高报文长度上限"; }
    P09 { "The publisher reached a limit", "发布端达到限制";
        "The publisher had more unacknowledged messages than it may have, the retained messages are full, or the disk does not keep up.",
        "发布端未确认的消息数超过上限、保留消息已满，或磁盘跟不上。";
        "Honour Receive Maximum in the publisher; raise the limit that is named if it is meant", "让发布端遵守 Receive Maximum；如确有需要，提高所指的限制"; }
    P10 { "QoS 2 exchanges are unfinished", "QoS 2 握手未完成";
        "The publisher sent QoS 2 messages and no PUBREL. The broker has passed them on, but their packet ids stay taken, and when all are taken nothing more can be published.",
        "发布端发送了 QoS 2 消息却没有发送 PUBREL。Broker 已转发消息，但报文标识符一直被占用，用尽后无法继续发布。";
        "Let the publisher answer PUBREC with PUBREL, also after a reconnect", "让发布端用 PUBREL 回应 PUBREC，重连后也要如此"; }
    P11 { "The PUBLISH was a repetition", "重复的 PUBLISH 已被抑制";
        "A QoS 2 PUBLISH with this packet id had come before and was not released. It counts as the same message and goes out once.",
        "具有该报文标识符的 QoS 2 PUBLISH 之前已收到且尚未释放，视为同一条消息，只转发一次。";
        "Use a new packet id for each message; finish each exchange with PUBREL", "每条消息使用新的报文标识符，并用 PUBREL 完成握手"; }
    P12 { "It expired at once", "消息一到即过期";
        "The Message Expiry Interval of the publisher was so short that the message was over before it could be sent.",
        "发布端设置的消息过期间隔太短，还没发送就已过期。";
        "Set a longer Message Expiry Interval, or none", "设置更长的消息过期间隔，或不设置"; }
    P13 { "The publisher may be at another broker", "发布端可能连接到了另一个 Broker";
        "Other clients are connected here and the publisher is not known. localhost within a container is the container.",
        "其他客户端连接到了这里，但不认识该发布端。容器中的 localhost 指的是容器自己。";
        "Print host and port that the publisher connects to, and look at the broker that listens there", "打印发布端连接的主机和端口，并查看监听该地址的 Broker"; }
    P14 { "Waiting: the broker's disk is full or has failed", "等待中：Broker 的磁盘已满或发生故障";
        "What has to be stored is not read any further until the disk takes it: nothing is acknowledged that could be lost. The publisher keeps a message of QoS 1 or 2 until then. What need not be stored goes on.",
        "磁盘能写入之前，不再读取需要存储的内容：不会确认可能丢失的消息。在此之前，QoS 1 或 2 的消息由发布端保留。无需存储的内容照常处理。";
        "Full: make room on the disk of the store; the broker goes on by itself", "磁盘已满：请在 store 所在的磁盘上腾出空间，Broker 会自动继续";
        "Failed: see the log, replace or remount the disk, and restart the broker", "磁盘故障：查看日志，更换或重新挂载磁盘，然后重启 Broker";
        "See how the disk is and who waits: columba top, or GET /api/v1/broker", "查看磁盘状态和等待者：columba top，或 GET /api/v1/broker"; }
    R01 { "Nobody subscribed", "没有订阅者";
        "No subscription matched the topic when the message came, and none was near it.",
        "消息到达时没有任何订阅与该主题匹配，也没有相近的订阅。";
        "Subscribe before the message is published, and wait for SUBACK", "在发布之前订阅，并等待 SUBACK";
        "Publish it with RETAIN if later subscribers should get it", "如果后来的订阅者也应收到，请带 RETAIN 发布"; }
    R02 { "No filter matched; one nearly did", "没有匹配的过滤器，但有一个非常接近";
        "Topics are compared character by character: case, blanks and slashes count.",
        "主题逐个字符比较：大小写、空格和斜杠都有区别。";
        "Write the topic in one place of your code and use it on both sides", "在代码中统一定义主题，发布与订阅共用"; }
    R03 { "Subscribed after the publish", "订阅晚于发布";
        "A message goes to whoever subscribes when it comes. It was not retained, so it was over when the subscription came.",
        "消息只发给到达时已订阅的客户端。该消息未保留，订阅到来时它已经过去。";
        "Wait for SUBACK before you publish", "发布前等待 SUBACK";
        "Publish with RETAIN if later subscribers should get the last value", "如果后来的订阅者应得到最新值，请带 RETAIN 发布"; }
    R04 { "Retained message not there or not asked for", "保留消息不存在或未请求";
        "The subscription came after the publish and would have got the retained message, but it was cleared, replaced or expired, or Retain Handling said not to send it.",
        "订阅晚于发布，本应收到保留消息，但它已被清除、替换或过期，或者 Retain Handling 要求不发送。";
        "Subscribe with Retain Handling 0", "订阅时使用 Retain Handling 0";
        "Find out who clears the topic with an empty retained message", "查明是谁用空的保留消息清除了该主题"; }
    R05 { "Another member of the shared group got it", "共享组的另一个成员收到了";
        "Each message goes to one member of a shared subscription.", "共享订阅的每条消息只发给一个成员。";
        "Subscribe without $share if each client needs each message", "如果每个客户端都需要每条消息，请不要使用 $share";
        "Stop the members that nobody needs any more", "停掉不再需要的成员"; }
    R06 { "No Local: the subscriber published it itself", "No Local：消息由订阅者自己发布";
        "The subscription has No Local set, so the client does not get back what it publishes.",
        "订阅设置了 No Local，客户端不会收到自己发布的消息。";
        "Subscribe without No Local", "订阅时不要设置 No Local";
        "Use different client ids for publisher and subscriber", "发布端和订阅端使用不同的客户端标识符"; }
    R07 { "A leading wildcard does not match $", "开头的通配符不匹配 $ 主题";
        "A filter that begins with + or # does not match topics that begin with $ (MQTT 4.7.2).",
        "以 + 或 # 开头的过滤器不匹配以 $ 开头的主题（MQTT 4.7.2）。";
        "Name the first level: $SYS/#", "写明第一层：$SYS/#"; }
    R08 { "It matched, and no copy was recorded", "已匹配，但没有副本记录";
        "The subscription was there and matched, nothing was left out of the record, and still there is no copy. This should not happen.",
        "订阅存在且匹配，记录没有遗漏，却没有副本。这不应该发生。";
        "Please report it, with the output of columba why -o json", "请附上 columba why -o json 的输出提交问题报告"; }
    S01 { "Offline, and its session had ended", "离线，且会话已结束";
        "The subscriber's session ended with its connection (clean session, or Session Expiry Interval 0), and its subscriptions with it. Nothing is kept for it.",
        "订阅者的会话随连接一起结束（clean session，或会话过期间隔为 0），订阅也随之消失，不会为它保留消息。";
        "Connect with clean start off, and with MQTT 5 a Session Expiry Interval", "连接时关闭 clean start，MQTT 5 还要设置会话过期间隔";
        "Publish and subscribe with QoS 1", "以 QoS 1 发布和订阅"; }
    S02 { "Offline, and QoS 0 is not kept", "离线，QoS 0 不会排队";
        "The session was there without a connection. The smaller QoS of publish and subscription counts, and copies of QoS 0 are not queued.",
        "会话存在但没有连接。实际 QoS 取发布与订阅中较小者，QoS 0 的副本不会排队。";
        "Publish and subscribe with QoS 1", "发布和订阅都使用 QoS 1";
        "Or have the broker keep QoS 0 too: queue_qos0 = true", "或让 Broker 也保留 QoS 0：queue_qos0 = true"; }
    S03 { "The session had ended, its subscriptions with it", "会话已结束，订阅随之丢失";
        "The session expired, an operator ended it, or a clean start wiped it; the client has not subscribed again.",
        "会话过期、被管理员结束，或被 clean start 清除，而客户端没有重新订阅。";
        "Subscribe after each CONNACK without session present", "每次 CONNACK 未表示会话存在时都重新订阅";
        "Raise the Session Expiry Interval; connect with clean start off", "提高会话过期间隔，连接时关闭 clean start"; }
    S04 { "Another program took over the client id", "客户端标识符被另一个程序接管";
        "Each connection with a client id ends the one before. While two programs throw each other out, messages go to whoever is on, or are lost between. After a few times the broker lets each newcomer wait some seconds.",
        "同一客户端标识符的新连接会终止旧连接。两个程序互相踢下线时，消息发给当时在线的一方，或在间隙中丢失。多次发生后，Broker 会让新连接等待几秒。";
        "Give each program a client id of its own", "给每个程序分配唯一的客户端标识符"; }
    S05 { "SUBSCRIBE was refused", "SUBSCRIBE 被拒绝";
        "SUBACK said no for the filter (0x80 or above). Many libraries report success all the same.",
        "SUBACK 对该过滤器返回失败（0x80 或以上），许多库仍然报告成功。";
        "Look at the codes of SUBACK in the program", "在程序中检查 SUBACK 的返回码";
        "Allow the filter in the access rules", "在访问规则中允许该过滤器"; }
    S06 { "Access rules withhold it from the subscriber", "访问规则不允许订阅者接收";
        "The subscription was granted, but the client may not receive from this topic.",
        "订阅已被接受，但该客户端无权接收此主题的消息。";
        "Allow receive for the topic in the access rules", "在访问规则中允许接收该主题";
        "Check: columba can CLIENT receive TOPIC", "检查：columba can CLIENT receive TOPIC"; }
    S07 { "The queue was full", "队列已满";
        "So many messages waited for the subscriber that its queue was full; this one was dropped.",
        "等待该订阅者的消息太多，队列已满，这条消息被丢弃。";
        "Bring the subscriber back, or make it acknowledge faster", "让订阅者重新上线，或加快确认";
        "Raise the limits of the queue; let old messages expire", "提高队列限制，或让旧消息过期"; }
    S08 { "QoS 0 dropped: the socket was full", "QoS 0 被丢弃：套接字已满";
        "The subscriber reads more slowly than messages come. QoS 0 is dropped then, QoS 1 waits.",
        "订阅者读取速度低于消息速度。此时 QoS 0 被丢弃，QoS 1 会等待。";
        "Read faster: do not work in the message callback", "加快读取：不要在消息回调中做耗时的工作";
        "Subscribe with QoS 1, or to less", "使用 QoS 1 订阅，或减少订阅范围"; }
    S09 { "Expired while it waited", "排队期间过期";
        "The publisher's Message Expiry Interval passed before the subscriber could get it.",
        "在订阅者收到之前，发布端设置的消息过期间隔已过。";
        "Set a longer Message Expiry Interval", "设置更长的消息过期间隔"; }
    S10 { "Larger than the subscriber takes", "超过订阅者的最大报文长度";
        "The client announced a Maximum Packet Size in CONNECT, and the packet is larger. MQTT 5 wants it dropped then.",
        "客户端在 CONNECT 中声明了最大报文长度，而报文超过该值。MQTT 5 要求丢弃。";
        "Raise Maximum Packet Size in the subscriber, or send less at a time", "提高订阅者的 Maximum Packet Size，或减小单次发送的数据量"; }
    S11 { "Waiting: the subscriber does not acknowledge", "等待中：订阅者没有确认";
        "As many messages are unacknowledged as may be, or the socket takes no more, so the next ones wait.",
        "未确认的消息数已达上限，或套接字无法再写入，后面的消息只能等待。";
        "See that the message callback returns: it may be blocked or may publish and wait inside", "确认消息回调能返回：它可能被阻塞，或在回调中同步发布并等待";
        "With manual acknowledgement: acknowledge each message, also when it could not be processed", "手动确认时：每条消息都要确认，即使处理失败"; }
    S12 { "It had unsubscribed", "已取消订阅";
        "The client, or an operator, had ended the subscription before the message came.",
        "在消息到达之前，客户端或管理员已取消了该订阅。";
        "Subscribe again", "重新订阅"; }
    S13 { "Queued until the subscriber is back", "已排队，订阅者上线后发送";
        "The subscriber is offline, and its session keeps the message.", "订阅者离线，消息保存在它的会话中。";
        "Bring the subscriber back with the same client id and clean start off", "让订阅者以相同的客户端标识符重新连接，并关闭 clean start"; }
    S14 { "Lost with the broker's disk", "因 Broker 的磁盘而丢失";
        "The message was stored, and could not be read back or handed on because the disk failed.",
        "消息已存储，但磁盘发生故障，无法读回或转交。";
        "See the log, replace or remount the disk, and restart the broker", "查看日志，更换或重新挂载磁盘，然后重启 Broker";
        "Have the publisher send it again", "让发布端重新发送"; }
    S15 { "Subscriber's connection was refused", "订阅者的连接被拒绝";
        "The subscriber tried to connect, and the broker said no: it could not subscribe, nor take what waits for it.",
        "订阅者尝试连接，但 Broker 拒绝了它：它无法订阅，也无法接收等待它的消息。";
        "Correct what the refusal names: user name, password, client id, version or limit", "按拒绝原因修正：用户名、密码、客户端标识符、协议版本或限制";
        "Let the program log the reason code of CONNACK", "让程序记录 CONNACK 的原因码"; }
    D01 { "Delivered and acknowledged: look at the callback", "已送达：Broker 已收到订阅端的确认，请检查消息回调";
        "The subscriber has acknowledged the message to the end. What its program does after that, the broker cannot see.",
        "订阅者已完整确认该消息。之后程序如何处理，Broker 看不到。";
        "Print topic and length in the first line of the callback, before anything is parsed", "在回调的第一行打印主题和长度，再做解析";
        "Look for an exception in the callback: some libraries swallow it", "查找回调中的异常：有些库会把它吞掉"; }
    D02 { "Sent with QoS 0", "已发送（QoS 0）";
        "The message was handed to the subscriber's connection. QoS 0 is not acknowledged, so what happened after that is not known for certain.",
        "消息已交给订阅者的连接。QoS 0 没有确认，之后的情况无法完全确定。";
        "Print topic and length in the first line of the callback", "在回调的第一行打印主题和长度";
        "On a small device: raise the library's buffer (PubSubClient drops what is above 256 bytes: setBufferSize)", "小型设备请增大库的缓冲区（PubSubClient 会丢弃超过 256 字节的报文：setBufferSize）";
        "Use QoS 1 to know", "使用 QoS 1 以便确认"; }
    D03 { "Sent, not acknowledged yet", "已发送，尚未确认";
        "The message was handed to the subscriber's connection and its acknowledgement has not come. After a reconnect it is sent again.",
        "消息已交给订阅者的连接，但还没有收到确认。重连后会再次发送。";
        "Look for an exception in the message callback: some libraries (paho for Python, MQTT.js) do not acknowledge then", "查找消息回调中的异常：有些库（Python 版 paho、MQTT.js）此时不会发送确认";
        "See that the message callback returns, and that the client is still reachable", "确认消息回调能返回，并且客户端仍然可达"; }
    D04 { "Delivered; the payload looks odd", "已送达，但载荷可疑";
        "The message arrived. Its payload looks like something that many programs cannot read.",
        "消息已送达，但载荷看起来是许多程序无法解析的内容。";
        "Encode text as UTF-8 without a byte order mark; send whole JSON", "文本请使用不带 BOM 的 UTF-8 编码，并发送完整的 JSON"; }
    D05 { "Delivered to another connection of this client id", "已送达同一客户端标识符的另一个连接";
        "The message was delivered, but the client id changed hands: the program that got it may not be the one that you look at.",
        "消息已送达，但该客户端标识符换过主人，收到消息的程序可能不是你在看的那个。";
        "Give each program a client id of its own", "给每个程序分配唯一的客户端标识符"; }
    D06 { "Sent, and not taken by the other end", "已发送，对端尚未接收";
        "The message was written to the subscriber's connection. How far it came is asked of the kernel at the time of the question: it still waits on this side, because the client's program does not read, or because the network does not answer.",
        "消息已写入订阅者的连接。查询时向内核询问其进度：它仍在本端等待，因为客户端程序没有读取数据，或者网络没有应答。";
        "See that the client's program reads: a message callback that blocks stops it", "确认客户端程序在读取数据：消息回调阻塞会使读取停止";
        "If the network is gone: a shorter keep alive ends such a connection sooner, and QoS 1 is sent again then", "如果网络已中断：缩短 keep alive 可以更快断开这样的连接，之后 QoS 1 的消息会重发"; }
    D07 { "Sent and never acknowledged: the client may have it", "已发送但始终未被确认：客户端可能已经收到";
        "The message was handed to the subscriber's connection. Before its acknowledgement came, the session or the subscription ended, or the message was lost or given to another member of a shared group, so it is not sent again. A program with manual acknowledgement may have read it all the same.",
        "消息已交给订阅者的连接。在收到确认之前，会话或订阅已结束，或者消息已丢失、已转给共享组的另一个成员，因此不会再发送。使用手动确认的程序可能已经读取了它。";
        "Print topic and length in the first line of the callback: it tells whether the program has it", "在回调的第一行打印主题和长度，即可知道程序是否收到";
        "With manual acknowledgement: acknowledge each message before the program leaves", "手动确认时：在程序断开之前确认每条消息";
        "Keep the session (clean start off, with MQTT 5 a Session Expiry Interval): what is not acknowledged is sent again then", "保留会话（关闭 clean start，MQTT 5 还要设置会话过期间隔）：未确认的消息之后会再次发送"; }
    U01 { "Not covered by the record", "超出记录范围";
        "What happened then is not recorded, or not completely. What is known is shown.",
        "当时发生的事情没有记录或记录不完整，这里只显示已知的内容。";
        "Publish again and ask then: what comes from now on is recorded", "重新发布后再查询：从现在起的内容都会被记录";
        "To look back further: a larger recorder, and a data_dir, in which the record outlives a restart", "若要追溯更久：增大 recorder，并设置 data_dir，使记录在重启后仍然保留"; }
    U02 { "The question lacks something", "问题不完整";
        "A topic, a publisher or a subscriber is needed to say more.", "需要主题、发布端或订阅端才能给出更多信息。";
        "Ask with a topic: columba why TOPIC --to CLIENT", "请带上主题查询：columba why TOPIC --to CLIENT"; }
    U03 { "No such client was ever seen", "从未见过该客户端";
        "No client with this id has connected here as far as the record goes back.", "在记录范围内，没有使用该标识符的客户端连接过。";
        "Check the client id; list those that are there: columba clients", "检查客户端标识符，列出现有客户端：columba clients"; }
    U04 { "Published before the time asked about", "在所查询的时间之前发布";
        "No PUBLISH to the topic came in the time that was asked about, but one came before it. As far as the record shows, nothing became of it in that time; a message that was not followed one by one leaves no trace there.",
        "在所查询的时间内没有发往该主题的 PUBLISH，但之前有过。就记录所示，这段时间内它没有任何变化；未被逐条跟踪的消息不会在记录中留下痕迹。";
        "If that one is missed, ask about the time when it came: --since or --at", "如果缺少的是之前那条，请用 --since 或 --at 查询它到达的时间";
        "If there should have been another one, look at the publisher", "如果之后本应再有消息，请检查发布端"; }
}

/// What a code means and what to do, in lines of so many cells.
pub fn explain(code: Code, language: Language, cells: usize) -> String {
    let page = page(code);
    let lines = |start: &str, text: Text| width::behind(start, &text.to_string(language), cells);
    let mut out = lines(&format!("{}  ", code.name()), page.title());
    out.push('\n');
    out.push_str(&lines("  ", page.about()));
    out.push('\n');
    for fix in page.fixes() {
        out.push_str(&lines("  - ", fix));
    }
    out
}

/// The manual of all codes: `docs/verdicts.md`, `docs/verdicts.zh.md`.
pub fn manual(language: Language) -> String {
    let mut out = say::manual_title().to_string(language);
    out.push_str(&format!(
        "\n\n{}\n",
        say::manual_start().to_string(language)
    ));
    for area in [
        Area::Publisher,
        Area::Routing,
        Area::Session,
        Area::Delivered,
        Area::Unknown,
    ] {
        out.push_str(&format!("\n## {}\n", area_title(area).to_string(language)));
        for code in Code::ALL.iter().filter(|code| code.area() == area) {
            let page = page(*code);
            let fate = fate_word(code.fate()).to_string(language);
            let title = page.title().to_string(language);
            let about = page.about().to_string(language);
            out.push_str(&format!("\n### {} {title}\n\n", code.name()));
            out.push_str(&format!("*{fate}.* {about}\n\n"));
            for fix in page.fixes() {
                out.push_str(&format!("- {}\n", fix.to_string(language)));
            }
        }
    }
    out
}

fn area_title(area: Area) -> Text {
    match area {
        Area::Publisher => say::area_publisher(),
        Area::Routing => say::area_routing(),
        Area::Session => say::area_session(),
        Area::Delivered => say::area_delivered(),
        Area::Unknown => say::area_unknown(),
    }
}

/// The word for what became of a message.
pub fn fate_word(fate: Fate) -> Text {
    match fate {
        Fate::NotDelivered => say::word_not_delivered(),
        Fate::Waiting => say::word_waiting(),
        Fate::Unknown => say::word_unknown(),
        Fate::Delivered => say::word_delivered(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::faults;

    #[test]
    fn each_code_has_a_page_in_both_languages() {
        let mut entries = Vec::new();
        for code in Code::ALL {
            let page = page(*code);
            assert_eq!(page.code, *code);
            assert!(!page.fixes.is_empty(), "{code:?}");
            entries.extend([page.title, page.about]);
            for fix in page.fixes {
                assert_eq!(faults(&[*fix]), [""; 0]);
            }
        }
        assert_eq!(faults(&entries), [""; 0]);
    }

    #[test]
    fn the_manuals_are_up_to_date() {
        for (name, language) in [
            ("verdicts.md", Language::English),
            ("verdicts.zh.md", Language::Chinese),
        ] {
            let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let there = crate::texts::tests::read(&path);
            assert!(
                there == manual(language),
                "run: cargo run -p columba-diagnosis --example verdicts -- {} > docs/{name}",
                language.tag()
            );
        }
    }
}
