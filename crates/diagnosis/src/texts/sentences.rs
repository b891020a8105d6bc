//! Sentences about one case: explanations, fixes, words of the report.

columba_speech::catalogue! {
    /// All of them.
    pub ALL;

    p01(client) { en: "{client} has never connected here, as far as the record goes back.", zh: "在记录范围内，{client} 从未连接过这里。" }
    p01_hole(client, from, to) { en: "That {client} connected here is not in the record. Between {from} and {to} something is missing in it: {client} may have been here then.", zh: "记录中没有 {client} 连接过这里。{from} 到 {to} 之间的记录有缺失，{client} 在此期间可能上过线。" }
    p02(client, times, reason, peer) { en: "{client} was refused {times} {times|time|times}: {reason}. {times|It|Last it} came from {peer}.", zh: "{client} 被拒绝 {times} 次：{reason}。最近一次来自 {peer}。" }
    p02_nameless(times, reason, peer) { en: "{times} {times|connection|connections} that had not told a client id {times|was|were} refused ({reason}). The last one came from {peer}; it may have been the publisher's.", zh: "有 {times} 个未提供客户端标识符的连接被拒绝（{reason}）。最后一个来自 {peer}，可能就是该发布端。" }
    s15_nameless(times, reason, peer) { en: "{times} {times|connection|connections} that had not told a client id {times|was|were} refused ({reason}). The last one came from {peer}; it may have been the subscriber's.", zh: "有 {times} 个未提供客户端标识符的连接被拒绝（{reason}）。最后一个来自 {peer}，可能就是该订阅端。" }
    p02_probes(times, reason, peer) { en: "{times} {times|connection|connections} closed before {times|it|they} had told a client id ({reason}). The last one came from {peer}; it may have been the publisher's.", zh: "有 {times} 个连接在提供客户端标识符之前自行关闭（{reason}）。最后一个来自 {peer}，可能就是该发布端。" }
    s15_probes(times, reason, peer) { en: "{times} {times|connection|connections} closed before {times|it|they} had told a client id ({reason}). The last one came from {peer}; it may have been the subscriber's.", zh: "有 {times} 个连接在提供客户端标识符之前自行关闭（{reason}）。最后一个来自 {peer}，可能就是该订阅端。" }
    probes_besides(said, times, reason, peer) { en: "{said} Besides, {times} closed before {times|it|they} had told one ({reason}). {times|It|The last one} came from {peer}.", zh: "{said}另有 {times} 个在提供客户端标识符之前自行关闭（{reason}），最后一个来自 {peer}。" }
    nameless_besides(said, times, reason, peer) { en: "{said} Besides, {times} {times|was|were} refused ({reason}). {times|It|The last one} came from {peer}.", zh: "{said}另有 {times} 个被拒绝（{reason}），最后一个来自 {peer}。" }
    p03(client, times, peers) { en: "{client} changed hands {times} times within two minutes, between {peers}.", zh: "{client} 在两分钟内换手 {times} 次，来自 {peers}。" }
    slowed(said, why) { en: "{said} The broker slows them down: {why}.", zh: "{said}Broker 已放慢它们的接管：{why}。" }
    p04(client) { en: "{client} was not connected at any time of the window.", zh: "在所查询的时间内，{client} 始终没有连接。" }
    p04_since(client, ago, reason) { en: "{client} was not connected: its connection had ended {ago} before ({reason}).", zh: "{client} 没有连接：它的连接在 {ago}之前已断开（{reason}）。" }
    p04_broke(client, why) { en: "{client} broke the protocol and was disconnected; what it sent after that was not read: {why}.", zh: "{client} 违反协议而被断开，之后发送的内容没有被读取：{why}。" }
    p05(topic) { en: "No PUBLISH to {topic} came in the window, from anybody.", zh: "在所查询的时间内，没有任何客户端向 {topic} 发布消息。" }
    p05_nothing(client) { en: "{client} published nothing in the time that was asked about, as far as is recorded.", zh: "就记录所示，{client} 在所查询的时间内没有发布任何消息。" }
    uncompared(said, count) { en: "{said} {count} {count|message was|messages were} published to topics that were too many to be compared with them.", zh: "{said}另有 {count} 条消息的主题过多，未能与之比较。" }
    p05_for(client, filters) { en: "Nothing was published that {client} is subscribed to, as far as is recorded: {filters}.", zh: "就记录所示，没有发布过 {client} 所订阅的内容：{filters}。" }
    p05_by(topic, client) { en: "{client} was connected, and sent no PUBLISH to {topic}.", zh: "{client} 已连接，但没有向 {topic} 发送 PUBLISH。" }
    p05_from(topic, client) { en: "No PUBLISH of {client} to {topic} is in the record of that time.", zh: "该时段的记录中没有 {client} 发往 {topic} 的 PUBLISH。" }
    p05_since_start(topic, at) { en: "No PUBLISH to {topic} has come since the broker started at {at}. What came before that is not on record.", zh: "自 Broker 于 {at} 启动以来，没有发往 {topic} 的 PUBLISH。此前的情况没有记录。" }
    p05_by_since_start(topic, client, at) { en: "No PUBLISH of {client} to {topic} has come since the broker started at {at}. What came before that is not on record.", zh: "自 Broker 于 {at} 启动以来，没有 {client} 发往 {topic} 的 PUBLISH。此前的情况没有记录。" }
    p05_recorded(topic) { en: "No PUBLISH to {topic} is in the record of that time.", zh: "该时段的记录中没有发往 {topic} 的 PUBLISH。" }
    p05_near(topic, other, why) { en: "No PUBLISH came to {topic}, but there were some to {other}: {why}", zh: "没有发往 {topic} 的 PUBLISH，但有发往 {other} 的：{why}" }
    p05_will(client, topic) { en: "{client} had a Will for {topic}, and ended its connection with DISCONNECT: then a Will is dropped, not published.", zh: "{client} 在 {topic} 上设置了遗嘱，但它用 DISCONNECT 正常断开：此时遗嘱会被丢弃，不会发布。" }
    p05_will_back(client, topic) { en: "{client} had a Will for {topic}, and came back before the Will was due: then it is not published.", zh: "{client} 在 {topic} 上设置了遗嘱，但在遗嘱到期发布之前它已重新连接：此时遗嘱不会发布。" }
    p05_will_waits(client, topic) { en: "{client} is gone and has a Will for {topic}, which is not due yet: its Will Delay Interval has not passed, and its session has not ended.", zh: "{client} 已断开，它在 {topic} 上的遗嘱尚未到期：Will Delay Interval 未过，会话也未结束。" }
    p06(topic, why) { en: "{topic} is no topic to publish to: {why}.", zh: "{topic} 不能作为发布主题：{why}。" }
    p06_refused(client, topic, why) { en: "{client} published to {topic}, and was refused: {why}.", zh: "{client} 发布到 {topic}，但被拒绝：{why}。" }
    p06_unread(client, why) { en: "{client} sent a PUBLISH with a topic that nobody can publish to, and was disconnected: {why}.", zh: "{client} 发送的 PUBLISH 主题无效，因此被断开：{why}。" }
    p06_alias(client, why) { en: "{client} sent a PUBLISH with a topic alias that stands for no topic, and was disconnected: {why}.", zh: "{client} 发送的 PUBLISH 使用了无效的主题别名，因此被断开：{why}。" }
    p07(client, topic, rule) { en: "{client} may not publish to {topic}: {rule}.", zh: "{client} 无权发布到 {topic}：{rule}。" }
    p08(client, why) { en: "{client} sent a PUBLISH that is larger than the broker takes: {why}.", zh: "{client} 发送的 PUBLISH 超过 Broker 接受的长度：{why}。" }
    p09(client, why) { en: "{client} reached a limit: {why}.", zh: "{client} 达到限制：{why}。" }
    p10(client, count) { en: "{client} has {count} QoS 2 {count|message|messages} without PUBREL.", zh: "{client} 有 {count} 条 QoS 2 消息没有 PUBREL。" }
    p11(client, topic, times) { en: "{client} sent the same QoS 2 message to {topic} again, {times} {times|time|times}; it went out once.", zh: "{client} 向 {topic} 重复发送同一条 QoS 2 消息 {times} 次，只转发了一次。" }
    p12(client) { en: "The message for {client} had expired when it came.", zh: "发给 {client} 的消息到达时已经过期。" }
    p13(count) { en: "{count} other {count|client is|clients are} known here, and the publisher is not.", zh: "这里认识 {count} 个其他客户端，但不认识该发布端。" }

    p14(client, topic) { en: "The disk of the broker is full. What {client} published to {topic} waits for room, and goes on by itself when there is some.", zh: "Broker 的磁盘已满。{client} 发往 {topic} 的消息在等待空间，有空间后会自动继续。" }
    p14_failed(client, topic) { en: "The disk of the broker has failed. What {client} published to {topic} is taken in after a restart of the broker, when {client} sends it again.", zh: "Broker 的磁盘发生故障。{client} 发往 {topic} 的消息要等 Broker 重启、{client} 重新发送后才能被接收。" }
    p14_again(client, topic) { en: "The disk of the broker holds up what {client} published to {topic}, and {client} has left since: unacknowledged, the message is with {client}, which sends it again when it is back.", zh: "{client} 发往 {topic} 的消息因 Broker 的磁盘而无法被接收，{client} 随后断开：消息未被确认，仍在 {client} 处，重新连接后会再次发送。" }
    p14_lost(client, topic) { en: "The disk of the broker holds up what {client} published to {topic}, and {client} has left since. The message had QoS 0: unless {client} publishes it again, it is gone.", zh: "{client} 发往 {topic} 的消息因 Broker 的磁盘而无法被接收，{client} 随后断开。消息为 QoS 0：除非 {client} 再次发布，否则已丢失。" }
    p14_answer(client, topic) { en: "What {client} published to {topic} was taken, and its acknowledgement waits for room: the disk of the broker is full.", zh: "{client} 发往 {topic} 的消息已被接收，但确认在等待空间：Broker 的磁盘已满。" }
    p14_answer_failed(client, topic) { en: "What {client} published to {topic} was taken, and the disk of the broker failed before it was stored: it is not acknowledged. After a restart of the broker, {client} sends it again.", zh: "{client} 发往 {topic} 的消息已被接收，但在存储之前 Broker 的磁盘发生故障：消息不会被确认。Broker 重启后，{client} 会再次发送。" }
    p14_answer_again(client, topic) { en: "What {client} published to {topic} was taken, its acknowledgement waited for the disk of the broker, and {client} has left since: unacknowledged, the message is with {client}, which sends it again when it is back.", zh: "{client} 发往 {topic} 的消息已被接收，其确认在等待 Broker 的磁盘，{client} 随后断开：消息未被确认，仍在 {client} 处，重新连接后会再次发送。" }
    p14_subscribe(client) { en: "The disk of the broker is full. What {client} asked for with SUBSCRIBE or UNSUBSCRIBE waits for room, and is answered when there is some.", zh: "Broker 的磁盘已满。{client} 的 SUBSCRIBE 或 UNSUBSCRIBE 在等待空间，有空间后才会得到回应。" }
    p14_subscribe_failed(client) { en: "The disk of the broker has failed. What {client} asked for with SUBSCRIBE or UNSUBSCRIBE is answered after a restart of the broker.", zh: "Broker 的磁盘发生故障。{client} 的 SUBSCRIBE 或 UNSUBSCRIBE 要等 Broker 重启后才会得到回应。" }
    r01(topic) { en: "Nobody subscribed to {topic} when it was published.", zh: "发布时没有客户端订阅 {topic}。" }
    r01_of(client, topic) { en: "{client} had no subscription that matches {topic}.", zh: "{client} 没有与 {topic} 匹配的订阅。" }
    r01_empty(client) { en: "{client} is connected and subscribed to nothing.", zh: "{client} 已连接，但没有任何订阅。" }
    r02(topic, filter, why) { en: "No filter matches {topic}. Closest: {filter}. {why}", zh: "没有过滤器与 {topic} 匹配。最接近的是 {filter}。{why}" }
    r02_of(client, topic, filter, why) { en: "No filter of {client} matches {topic}. Closest: {filter}. {why}", zh: "{client} 的过滤器都不匹配 {topic}。最接近的是 {filter}。{why}" }
    r02_beside(client, filter, topic, why) { en: "{client} is subscribed to {filter}, which nearly matches {topic} and does not. {why}", zh: "{client} 订阅了 {filter}，它与 {topic} 很接近，但不匹配。{why}" }
    r02_beside_any(filter, topic, why) { en: "There is a subscription to {filter}, which nearly matches {topic} and does not. {why}", zh: "存在对 {filter} 的订阅，它与 {topic} 很接近，但不匹配。{why}" }
    r03(client, filter, late) { en: "{client} subscribed to {filter} {late} after the publish, which was not retained.", zh: "{client} 在发布 {late}之后才订阅 {filter}，而该消息未保留。" }
    r03_before(client, filter, count) { en: "{count} {count|message|messages} came before {client} subscribed to {filter}, and {count|was|were} not retained.", zh: "在 {client} 订阅 {filter} 之前有 {count} 条未保留的消息。" }
    r04_handling(client, filter, handling) { en: "{client} subscribed to {filter} with Retain Handling {handling}, so retained messages were not sent.", zh: "{client} 订阅 {filter} 时使用了 Retain Handling {handling}，因此没有发送保留消息。" }
    r04_shared(client, filter) { en: "{client} subscribed to {filter} after the publish: retained messages are not sent to shared subscriptions.", zh: "{client} 在发布之后才订阅 {filter}：保留消息不会发送给共享订阅。" }
    r04_gone(client, topic, how) { en: "When {client} subscribed, nothing was retained on {topic} any more: {how}.", zh: "{client} 订阅时，{topic} 上已没有保留消息：{how}。" }
    r04_cleared(by) { en: "{by} had cleared it", zh: "{by} 已将其清除" }
    r04_cleared_by_operator(who) { en: "an operator{who} had cleared it", zh: "管理员{who}已将其清除" }
    r04_no_room() { en: "there had been no room to retain it", zh: "当时没有空间保留它" }
    r04_expired() { en: "it had expired", zh: "它已过期" }
    r04_replaced(client, topic) { en: "When {client} subscribed, a later value had taken the place of the one before it on {topic}: of what is retained, a topic keeps the last one alone.", zh: "{client} 订阅时，{topic} 上之前的值已被后来的值取代：每个主题只保留最后一条保留消息。" }
    r05(group, member) { en: "{group} gave the message to {member}.", zh: "{group} 把消息分给了 {member}。" }
    r05_nobody(why) { en: "No member of the shared group got the message: {why}.", zh: "共享订阅组中没有成员得到该消息：{why}。" }
    r06(client) { en: "{client} published the message itself, and subscribed with No Local.", zh: "消息由 {client} 自己发布，而它的订阅设置了 No Local。" }
    r07(filter, topic) { en: "{filter} begins with a wildcard, and {topic} with $.", zh: "{filter} 以通配符开头，而 {topic} 以 $ 开头。" }
    r08(client, filter) { en: "{filter} of {client} matches, and there is no copy for it in a record without holes.", zh: "{client} 的 {filter} 匹配，但完整的记录中没有它的副本。" }

    s01(client, ago) { en: "{client} was offline, and its session had ended with its connection {ago} before.", zh: "{client} 离线，它的会话在 {ago}之前已随连接结束。" }
    s01_after(client, ago, reason) { en: "{client} was offline: its session had ended with its connection {ago} before ({reason}).", zh: "{client} 离线：它的会话在 {ago}之前已随连接结束（{reason}）。" }
    s01_now(client, ago, reason) { en: "{client} has been offline for {ago} ({reason}), and its session is over: nothing is kept for it.", zh: "{client} 已离线 {ago}（{reason}），它的会话也已结束：不会为它保留任何消息。" }
    s01_stopped(client, stopped, at) { en: "The connection of {client} ended when the broker was stopped at {stopped}. Since it was started again at {at}, {client} has not come back, and it has no session: nothing is kept for it.", zh: "{stopped} Broker 停止时，{client} 的连接随之结束。Broker 于 {at} 重新启动后，{client} 没有再上线，也没有会话：不会为它保留任何消息。" }
    s01_ended(client, at) { en: "The connection of {client} ended with the broker, which was started again at {at}. Since then {client} has not come back, and it has no session: nothing is kept for it.", zh: "{client} 的连接已随 Broker 结束，Broker 于 {at} 重新启动。此后 {client} 没有再上线，也没有会话：不会为它保留任何消息。" }
    s01_hole(client, at, reason, from, to) { en: "{client} is offline now, and it has no session: nothing is kept for it. Since when is not known: the last that is recorded is that it left at {at} ({reason}), and between {from} and {to} something is missing in the record. It may have been here then, and have got its messages.", zh: "{client} 现在离线，也没有会话：不会为它保留任何消息。从何时开始无法得知：记录中它最后一次离开是在 {at}（{reason}），而 {from} 到 {to} 之间的记录有缺失，它在此期间可能上过线并收到了消息。" }
    s02(client, published, granted) { en: "{client} was offline. The message has QoS {published}, the subscription {granted}: copies of QoS 0 are not kept.", zh: "{client} 离线。消息为 QoS {published}，订阅为 QoS {granted}：QoS 0 的副本不会保留。" }
    s02_plain(client) { en: "{client} was offline, and its copy had QoS 0, which is not kept.", zh: "{client} 离线，而它的副本为 QoS 0，不会保留。" }
    s03_expired(client, ago) { en: "The session of {client} had expired {ago} before the publish.", zh: "{client} 的会话在发布前 {ago}已过期。" }
    s03_clean(client, ago) { en: "{client} had begun a clean session {ago} before the publish and not subscribed again.", zh: "{client} 在发布前 {ago}以 clean start 开始了新会话，之后没有重新订阅。" }
    s03_admin(who, client, ago) { en: "An operator{who} had ended the session of {client} {ago} before the publish.", zh: "管理员{who}在发布前 {ago}结束了 {client} 的会话。" }
    s03_connection(client, ago) { en: "The session of {client} had ended with its connection {ago} before the publish; it has not subscribed again.", zh: "{client} 的会话在发布前 {ago}随连接结束，之后没有重新订阅。" }
    s03_taken_over(client, ago, why) { en: "The session of {client} had ended {ago} before the publish, when another connection took over its client id ({why}); it has not subscribed again.", zh: "{client} 的会话在发布前 {ago}结束：另一个连接接管了它的客户端标识符（{why}），之后没有重新订阅。" }
    s03_empty(client, ago) { en: "{client} is connected and subscribed to nothing: the session with its subscriptions ended {ago} ago, and it has not subscribed again.", zh: "{client} 已连接，但没有任何订阅：带有订阅的会话在 {ago}之前已结束，之后没有重新订阅。" }
    s03_empty_admin(client, who, ago) { en: "{client} is connected and subscribed to nothing: an operator{who} ended the session with its subscriptions {ago} ago, and it has not subscribed again.", zh: "{client} 已连接，但没有任何订阅：管理员{who}在 {ago}之前结束了带有订阅的会话，之后没有重新订阅。" }
    s03_waiting(client) { en: "The message waited in the session of {client}, and the session ended.", zh: "消息在 {client} 的会话中等待，但会话已结束。" }
    s03_waiting_expired(client) { en: "The message waited in the session of {client}, and the session ended: it expired before {client} came back.", zh: "消息在 {client} 的会话中等待，但会话已结束：在 {client} 重新上线之前会话已过期。" }
    s03_waiting_clean(client) { en: "The message waited in the session of {client}, and the session ended: {client} connected with a clean start, which drops what waits.", zh: "消息在 {client} 的会话中等待，但会话已结束：{client} 以 clean start 连接，等待的消息随之丢弃。" }
    s03_waiting_admin(client, who) { en: "The message waited in the session of {client}, and the session ended: an operator{who} ended it.", zh: "消息在 {client} 的会话中等待，但会话已结束：管理员{who}结束了它。" }
    s03_waiting_connection(client) { en: "The message waited in the session of {client}, and the session ended with its connection: {client} had not asked to keep it.", zh: "消息在 {client} 的会话中等待，但会话已随连接结束：{client} 没有要求保留它。" }
    s04(client, times, peers) { en: "{client} changed hands {times} times within two minutes, between {peers}.", zh: "{client} 在两分钟内换手 {times} 次，来自 {peers}。" }
    s04_own(client, ago, why) { en: "The message came from {client} itself. Its client id was taken over {ago} before ({why}): with that the subscriber's session and its subscriptions ended. Publisher and subscriber seem to be two programs with one client id.", zh: "消息来自 {client} 自己：发布前 {ago}，另一个连接接管了这个客户端标识符（{why}），订阅者的会话及其订阅随之结束。发布端和订阅端似乎是使用同一客户端标识符的两个程序。" }
    connections_from(address, count) { en: "{address} ({count} {count|connection|connections})", zh: "{address}（{count} 个连接）" }
    s05(client, filter, why) { en: "{client} asked for {filter}, and SUBACK refused it: {why}.", zh: "{client} 请求订阅 {filter}，但 SUBACK 拒绝了：{why}。" }
    s05_revoked(client, filter, why) { en: "The subscription of {client} to {filter} was taken away: {why}.", zh: "{client} 对 {filter} 的订阅已被撤销：{why}。" }
    s06(client, topic, rule) { en: "{client} may not receive from {topic}: {rule}.", zh: "{client} 无权接收 {topic} 的消息：{rule}。" }
    s06_plain(client, topic) { en: "The access rules do not let {client} receive from {topic}.", zh: "访问规则不允许 {client} 接收 {topic} 的消息。" }
    s07(client, why) { en: "The queue of {client} was full: {why}.", zh: "{client} 的队列已满：{why}。" }
    s08(client) { en: "The socket of {client} took no more, and the copy had QoS 0.", zh: "{client} 的套接字无法再写入，而副本为 QoS 0。" }
    s09(client) { en: "The message expired while it waited for {client}.", zh: "消息在等待 {client} 期间过期。" }
    s10(client, why) { en: "{client} does not take packets of this size: {why}.", zh: "{client} 不接受这么大的报文：{why}。" }
    s11(client, inflight) { en: "{client} has {inflight} unacknowledged {inflight|message|messages}, as many as it may, and this one waits behind them.", zh: "{client} 有 {inflight} 条未确认的消息，已达上限，本消息在其后等待。" }
    s11_plain(client) { en: "{client} has as many unacknowledged messages as it may, and this one waits behind them.", zh: "{client} 未确认的消息已达上限，本消息在其后等待。" }
    s11_socket(client) { en: "The socket of {client} takes no more, and the message waits.", zh: "{client} 的套接字无法再写入，消息在等待。" }
    s11_turn(client) { en: "The message waits in the session of {client} for its turn.", zh: "消息在 {client} 的会话中排队等待发送。" }
    s12(client, filter, ago) { en: "{client} had unsubscribed from {filter} {ago} before the publish.", zh: "{client} 在发布前 {ago}取消了对 {filter} 的订阅。" }
    s12_admin(who, client, filter, ago) { en: "An operator{who} had ended the subscription of {client} to {filter} {ago} before the publish.", zh: "管理员{who}在发布前 {ago}取消了 {client} 对 {filter} 的订阅。" }
    s12_empty(client, filter, ago) { en: "{client} is connected and subscribed to nothing: its last subscription, {filter}, was ended {ago} ago.", zh: "{client} 已连接，但没有任何订阅：最后一个订阅 {filter} 在 {ago}之前已被取消。" }
    s12_empty_admin(client, filter, who, ago) { en: "{client} is connected and subscribed to nothing: an operator{who} ended its last subscription, {filter}, {ago} ago.", zh: "{client} 已连接，但没有任何订阅：管理员{who}在 {ago}之前终止了它的最后一个订阅 {filter}。" }
    s13_many(client, count) { en: "{client} is offline; {count} {count|message waits|messages wait} in its session.", zh: "{client} 离线，有 {count} 条消息在它的会话中等待。" }
    s13(client) { en: "{client} is offline; the message waits in its session.", zh: "{client} 离线，消息在它的会话中等待。" }
    s13_sent(client, at) { en: "{client} is offline. The message was sent to it at {at} and not acknowledged: it may have it. The session keeps it and sends it again.", zh: "{client} 离线。消息已在 {at} 发送给它，但未被确认：它可能已经收到。会话保留该消息，并会再次发送。" }
    s13_received(client) { en: "{client} is offline. It has received the message: PUBREC came. The rest of the exchange waits until it is back.", zh: "{client} 离线。它已收到消息：PUBREC 已到达，交换的其余部分等它重新上线后完成。" }
    s13_sent_before(client) { en: "{client} is offline. The message was sent to it before and not acknowledged: it may have it. The session keeps it and sends it again.", zh: "{client} 离线。消息此前已发送给它，但未被确认：它可能已经收到。会话保留该消息，并会再次发送。" }
    s13_found(client) { en: "{client} is offline; the message waits in its session, since before the broker was started again.", zh: "{client} 离线，消息在它的会话中等待，在 Broker 重新启动之前就已开始。" }

    s14(client, why) { en: "The copy for {client} was lost with the broker's disk: {why}.", zh: "发给 {client} 的副本因 Broker 的磁盘而丢失：{why}。" }
    s14_nobody(why) { en: "The copy of a shared group was lost with the broker's disk: {why}.", zh: "共享组的副本因 Broker 的磁盘而丢失：{why}。" }
    s15(client, times, reason, peer) { en: "{client} was refused {times} {times|time|times}: {reason}. {times|It|Last it} came from {peer}.", zh: "{client} 被拒绝 {times} 次：{reason}。最近一次来自 {peer}。" }
    d01(client, took) { en: "{client} acknowledged the message {took} after it was sent.", zh: "消息发出后 {took}，{client} 进行了确认。" }
    d01_found(client, took) { en: "The message had waited while the broker was started again; {client} acknowledged it {took} after it was sent.", zh: "消息在 Broker 重新启动期间一直等待；发出后 {took}，{client} 进行了确认。" }
    d01_found_retained(client, took) { en: "The retained message was published before the broker was started again; {client} acknowledged it {took} after it was sent.", zh: "该保留消息在 Broker 重新启动之前发布；发出后 {took}，{client} 进行了确认。" }
    d01_settled(client) { en: "{client} has nothing unacknowledged and nothing waiting, and lost nothing: this message was acknowledged too.", zh: "{client} 没有未确认或等待的消息，也没有丢失：该消息也已被确认。" }
    d01_refused(client) { en: "{client} answered with an error code: the message arrived, and its library or program refused it.", zh: "{client} 以错误码回应：消息已到达，但被它的库或程序拒绝。" }
    d02(client) { en: "The message was handed to the connection of {client}, with QoS 0.", zh: "消息以 QoS 0 交给了 {client} 的连接。" }
    d02_kernel(client) { en: "The message was handed to the connection of {client} with QoS 0, and the other end's kernel has acknowledged every byte of it.", zh: "消息以 QoS 0 交给了 {client} 的连接，对端内核已确认其全部字节。" }
    d02_stuck(client, bytes) { en: "The message was handed to the connection of {client} with QoS 0, and may be among {bytes} that the other end's kernel has not acknowledged.", zh: "消息以 QoS 0 交给了 {client} 的连接，可能在对端内核尚未确认的 {bytes} 之中。" }
    d02_under_way(client) { en: "The message was sent to {client} with QoS 0 a moment ago, and the acknowledgement of the other end's kernel is under way.", zh: "消息刚刚以 QoS 0 发送给 {client}，对端内核的确认还在途中。" }
    d02_lost(client, after, why) { en: "The message was handed to the connection of {client} with QoS 0, and the connection was lost {after} later ({why}): it may have been dead before.", zh: "消息以 QoS 0 交给了 {client} 的连接，但 {after}之后连接断开（{why}），可能当时已经失效。" }
    d03(client) { en: "The message was sent to {client}, and no acknowledgement has come.", zh: "消息已发送给 {client}，但没有收到确认。" }
    d03_received(client) { en: "{client} has received the message: PUBREC came. PUBCOMP, which ends the exchange, has not.", zh: "{client} 已收到消息：PUBREC 已到达，但结束交换的 PUBCOMP 尚未到达。" }
    d03_unfinished(client) { en: "The message was sent to {client} with QoS 2, and the exchange is not finished.", zh: "消息以 QoS 2 发送给 {client}，但交换尚未完成。" }
    d03_kernel(client) { en: "The message was sent to {client}, and the other end's kernel has acknowledged every byte of it; the client's own acknowledgement has not come.", zh: "消息已发送给 {client}，对端内核已确认其全部字节，但没有收到客户端的确认。" }
    d07(client, at, said) { en: "The message was sent to {client} at {at}, and {client} did not acknowledge it: it may have it. {said}", zh: "消息已在 {at} 发送给 {client}，但它没有确认：它可能已经收到。{said}" }
    d07_session(client) { en: "The message was sent to {client}, and its session ended before it acknowledged it: it may have it.", zh: "消息已发送给 {client}，但在它确认之前会话已结束：它可能已经收到。" }
    d06(client, bytes) { en: "The message was handed to the connection of {client}, and is among {bytes} that wait here for their turn: the network takes them slowly.", zh: "消息已交给 {client} 的连接，目前在本端排队等待发送的 {bytes} 之中：网络传输缓慢。" }
    d06_unread(client, bytes) { en: "The message was handed to the connection of {client}, and is among {bytes} that wait here: the other end's kernel takes no more, because the program does not read what it has.", zh: "消息已交给 {client} 的连接，目前在本端等待的 {bytes} 之中：对端程序没有读取数据，其内核无法再接收。" }
    d06_silent(client, bytes, times) { en: "The message was handed to the connection of {client}, and is among {bytes} that the other end's kernel has not acknowledged, though they were sent again ({times} {times|time|times} in a row): neither the network nor the client's machine answers.", zh: "消息已交给 {client} 的连接，目前在对端内核尚未确认的 {bytes} 之中，已连续重发 {times} 次：网络或客户端所在的机器没有应答。" }
    d04(what) { en: "The payload {what}.", zh: "载荷{what}。" }
    d05_once(client, ago, peers) { en: "Another connection took {client} over {ago} before the message went to it: {peers}. What got it may be another program.", zh: "消息发出前 {ago}，另一个连接接管了 {client}：{peers}。收到消息的可能是另一个程序。" }
    d05_soon(client, after, peers) { en: "Another connection took {client} over {after} after the message went to it: {peers}. What got it may be another program.", zh: "消息发出后 {after}，另一个连接接管了 {client}：{peers}。收到消息的可能是另一个程序。" }
    d05(client, peers) { en: "The message was delivered to {client}, which changed hands between {peers}.", zh: "消息已送达 {client}，但该标识符在 {peers} 之间换手。" }
    payload_empty() { en: "is empty; with RETAIN that clears the retained message", zh: "为空；带 RETAIN 时会清除保留消息" }
    payload_json_cut() { en: "begins like JSON and does not end like it", zh: "开头像 JSON，但结尾不完整" }
    payload_bom() { en: "begins with a byte order mark, on which many JSON parsers fail", zh: "以 BOM 开头，许多 JSON 解析器会因此失败" }
    payload_nul() { en: "has a NUL in it, at which programs in C stop reading", zh: "包含 NUL，C 程序会在此处停止读取" }
    payload_gbk() { en: "is not UTF-8 and looks like GBK", zh: "不是 UTF-8，看起来是 GBK" }
    payload_gzip() { en: "is compressed by gzip", zh: "经过 gzip 压缩" }

    u01(from) { en: "The record goes back to {from} and lacks what happened before.", zh: "记录只能追溯到 {from}，缺少之前的内容。" }
    u01_started(from) { en: "The record begins at {from}: the broker started then.", zh: "记录从 {from} 开始：Broker 在那时启动。" }
    u01_killed(from) { en: "The record begins anew at {from}: the broker started then, after it had been killed or had crashed. Of the last seconds before that, something may be missing.", zh: "记录从 {from} 重新开始：Broker 在被强行终止或崩溃后于那时启动，此前最后几秒的内容可能缺失。" }
    u01_off(from) { en: "The record begins at {from}: until then the recorder was off, or had no room for all.", zh: "记录从 {from} 开始：在那之前记录器处于关闭状态，或空间不足。" }
    u01_is_off() { en: "The recorder is off: what happens now is not recorded, and nobody can tell later what became of a message.", zh: "记录器已关闭：现在发生的事情不会被记录，之后也无法得知消息的去向。" }
    fix_recorder_on() { en: "Switch the recorder on: take recorder_bytes_max = 0 out of [limits] in columba.toml and start the broker again, then publish again and ask", zh: "打开记录器：从 columba.toml 的 [limits] 中删除 recorder_bytes_max = 0 并重新启动 Broker，然后重新发布并再次查询" }
    u01_left_out(count) { en: "{count} {count|message was|messages were} not followed one by one in the window, and this may be one of them.", zh: "在所查询的时间内有 {count} 条消息没有逐条跟踪，该消息可能是其中之一。" }
    u01_private(topic, filter) { en: "The name of {topic} is kept out of the record, as recorder_private_topics asks with {filter}. Something was recorded about topics that it covers; whether about this one cannot be told.", zh: "按 recorder_private_topics 中 {filter} 的要求，记录中不保留 {topic} 的名称。记录中有它所涵盖的主题的内容，但无法判断是否属于该主题。" }
    u01_copy(client) { en: "The message was accepted; what became of the copy for {client} is not in the record.", zh: "消息已被接受，但记录中没有发给 {client} 的副本的去向。" }
    u01_copy_start(client, at) { en: "The message waited for {client} when the broker was started again at {at}. Since then nothing is recorded of it, and the session has nothing left: it may be lost, as it is if the store was another one, or an older one.", zh: "Broker 于 {at} 重新启动时，消息正在等待发给 {client}。此后没有它的任何记录，会话中也已没有消息：它可能已丢失，例如存储被更换或被较旧的存储取代时。" }
    u01_copy_damaged(client, at) { en: "The message waited for {client} when the broker was started again. The start at {at} found the store damaged; since then nothing is recorded of the message, and the session has nothing left: it may be lost with what was damaged.", zh: "Broker 重新启动时，消息正在等待发给 {client}。{at} 启动时发现存储有损坏；此后没有该消息的任何记录，会话中也已没有消息：它可能已随损坏的内容丢失。" }
    u02_not_yet(at) { en: "The time that was asked about begins at {at}, which is not yet.", zh: "所查询的时间从 {at} 开始，还没有到来。" }
    u02() { en: "Name a topic, or a client that published or received something in the window.", zh: "请指定主题，或在所查询时间内发布或接收过消息的客户端。" }
    u02_subscribed(client, filters) { en: "Nothing is recorded of messages for {client} in the time that was asked about, neither that one came nor that one was lost. It is subscribed to {filters}.", zh: "在所查询的时间内，没有关于 {client} 的消息的记录，既没有送达，也没有丢失。它订阅了 {filters}。" }
    u01_sys(topic) { en: "{topic} is below $SYS, where the broker alone publishes, every sys_interval: what it publishes there is not recorded.", zh: "{topic} 位于 $SYS 之下，只有 Broker 会按 sys_interval 定期发布，这些消息不会被记录。" }
    u01_sys_for(client, topic, filter) { en: "{client} is subscribed to {filter}. {topic} is below $SYS, where the broker alone publishes, every sys_interval: what it publishes there is not recorded.", zh: "{client} 订阅了 {filter}。{topic} 位于 $SYS 之下，只有 Broker 会按 sys_interval 定期发布，这些消息不会被记录。" }
    u02_sys(client, filters) { en: "{client} is subscribed to {filters}. What the broker itself publishes below $SYS is not recorded, and of other messages for {client} there is nothing.", zh: "{client} 订阅了 {filters}。Broker 自己在 $SYS 下发布的消息不会被记录，也没有其他发给 {client} 的消息的记录。" }
    u03(client) { en: "{client} was never seen here, as far as the record goes back.", zh: "在记录范围内从未见过 {client}。" }
    u03_hole(client, from, to) { en: "{client} is not in the record. Between {from} and {to} something is missing in it: {client} may have been here then.", zh: "记录中没有 {client}。{from} 到 {to} 之间的记录有缺失，{client} 在此期间可能上过线。" }
    u03_near(client, other) { en: "{client} was never seen here, as far as the record goes back. Did you mean {other}?", zh: "在记录范围内从未见过 {client}。您是指 {other} 吗？" }
    u03_near_hole(client, other, from, to) { en: "{client} is not in the record. Between {from} and {to} something is missing in it: {client} may have been here then. Or did you mean {other}?", zh: "记录中没有 {client}。{from} 到 {to} 之间的记录有缺失，{client} 在此期间可能上过线。或者您是指 {other}？" }

    u04(topic, ago) { en: "No PUBLISH to {topic} came in the time that was asked about. The last one came {ago} ago.", zh: "在所查询的时间内没有发往 {topic} 的 PUBLISH，最后一条是在 {ago}之前收到的。" }
    u04_from(client, topic, ago) { en: "No PUBLISH to {topic} came from {client} in the time that was asked about. Its last one came {ago} ago.", zh: "在所查询的时间内没有来自 {client} 的发往 {topic} 的 PUBLISH，其最后一条是在 {ago}之前收到的。" }
    u01_came(topic, at) { en: "A PUBLISH to {topic} came at {at}, and was not followed one by one.", zh: "{at} 收到过发往 {topic} 的 PUBLISH，但没有逐条跟踪。" }

    near_case(level) { en: "Level {level} differs only in upper and lower case.", zh: "第 {level} 层仅大小写不同。" }
    near_outer_slash() { en: "A / at the beginning or the end makes another topic.", zh: "开头或结尾的 / 会使其成为另一个主题。" }
    near_whitespace(level) { en: "Level {level} has a blank, or a character that does not show.", zh: "第 {level} 层含有空格或不可见字符。" }
    near_full_width(level) { en: "From level {level} on there are full-width characters of an input method (／ ＃ ＋ ：).", zh: "从第 {level} 层起含有输入法产生的全角字符（／ ＃ ＋ ：）。" }
    near_look_alike(level) { en: "Level {level} looks the same and is written with other characters.", zh: "第 {level} 层看起来相同，但使用了不同的字符。" }
    near_placeholder(level) { en: "Level {level} is a placeholder that nobody replaced.", zh: "第 {level} 层是没有被替换的占位符。" }
    near_other_syntax() { en: "It is written as in another system: MQTT has / between levels, + for one level and # for all that follow.", zh: "使用了其他系统的语法：MQTT 用 / 分隔层级，+ 表示一层，# 表示其后所有层。" }
    near_share_syntax() { en: "A shared subscription is $share/NAME/FILTER, and NAME has no wildcard.", zh: "共享订阅的格式是 $share/组名/过滤器，组名不含通配符。" }
    near_wildcard_place() { en: "# has to be the last level, and a wildcard has to fill its level.", zh: "# 必须是最后一层，通配符必须独占一层。" }
    near_dollar_topic() { en: "A leading wildcard never matches a topic that begins with $.", zh: "开头的通配符不匹配以 $ 开头的主题。" }
    near_dash(level) { en: "Level {level} has - where the other has _.", zh: "第 {level} 层的 - 与 _ 不同。" }
    near_plus_spans_one() { en: "+ stands for one level only; # stands for all that follow.", zh: "+ 只代表一层，# 代表其后所有层。" }
    near_level_count() { en: "One has a level more than the other.", zh: "其中一个多了一层。" }
    near_typo(level) { en: "Level {level} differs by a letter or two.", zh: "第 {level} 层有一两个字母不同。" }

    fix_publish_to(topic) { en: "Publish to {topic}", zh: "发布到 {topic}" }
    fix_subscribe_to(filter) { en: "Subscribe to {filter}", zh: "订阅 {filter}" }
    fix_publish_exactly(topic) { en: "Publish to [{topic}], exactly what is between the brackets", zh: "发布到 [{topic}]，与方括号内完全一致" }
    fix_subscribe_exactly(filter) { en: "Subscribe to [{filter}], exactly what is between the brackets", zh: "订阅 [{filter}]，与方括号内完全一致" }
    fix_ask_for(client) { en: "Ask about {client}", zh: "查询 {client}" }

    fix_will_reason() { en: "To have the Will published all the same, end the connection with reason code 0x04 (MQTT 5), or publish the message before DISCONNECT", zh: "若仍需发布遗嘱，请用原因码 0x04 断开（MQTT 5），或在 DISCONNECT 之前自行发布该消息" }
    fix_since(minutes) { en: "Ask with --since {minutes}m", zh: "请用 --since {minutes}m 查询" }
    fix_private(filter) { en: "Take {filter} out of recorder_private_topics and publish again, or try with a topic that it does not cover", zh: "从 recorder_private_topics 中去掉 {filter} 后重新发布，或用它未涵盖的主题测试" }
    fix_sys() { en: "See that sys_interval is not off and that there is such a topic: columba sub -t '$SYS/#' -v", zh: "确认 sys_interval 没有关闭，并且存在这个主题：columba sub -t '$SYS/#' -v" }
    fix_expiry(client) { en: "Raise the Session Expiry Interval of {client}, or bring it back sooner", zh: "提高 {client} 的会话过期间隔，或让它更早重新上线" }
    fix_clean(client) { en: "Connect {client} with clean start off, always: one clean start drops all that waits", zh: "{client} 每次连接都应关闭 clean start：一次 clean start 就会丢弃所有等待的消息" }
    fix_keep(client) { en: "Have the session of {client} kept: connect with clean start off, and with MQTT 5 a Session Expiry Interval", zh: "保留 {client} 的会话：连接时关闭 clean start，MQTT 5 还要设置会话过期间隔" }
    fix_ended_by(client) { en: "See when it was ended and what came before: columba events --client {client}", zh: "查看会话何时被结束以及之前发生的事：columba events --client {client}" }
    fix_subscribe_anew(client) { en: "Have {client} subscribe anew, and the message published again", zh: "让 {client} 重新订阅，并重新发布该消息" }
    fix_each_value(client) { en: "If {client} needs each value, not the last one alone: subscribe first, with a session that is kept (clean start off, with MQTT 5 a Session Expiry Interval) and QoS 1", zh: "如果 {client} 需要每个值而不只是最后一个：请先订阅，使用保留的会话（关闭 clean start，MQTT 5 还要设置会话过期间隔）和 QoS 1" }
    fix_own_id(client) { en: "If two programs use {client}, give each a client id of its own", zh: "如果有两个程序使用 {client}，请给每个程序分配唯一的客户端标识符" }
    fix_unshared(client, filter) { en: "Have {client} subscribe to {filter} as well, without $share, to get what is retained", zh: "让 {client} 另外不带 $share 订阅 {filter}，以获取保留消息" }
    fix_past() { en: "Ask about a time that is over: --since 15m, or --at with a time before now", zh: "请查询已经过去的时间：--since 15m，或用 --at 指定当前之前的时间" }
    fix_handling() { en: "Subscribe with Retain Handling 0", zh: "订阅时使用 Retain Handling 0" }
    fix_retained_room() { en: "Raise retained_messages_max or retained_bytes_max, or clear retained messages that nobody needs", zh: "提高 retained_messages_max 或 retained_bytes_max，或清除不再需要的保留消息" }
    fix_retained_expiry() { en: "Publish it with a longer Message Expiry Interval or without one, or publish it again before it expires", zh: "发布时设置更长的消息过期间隔或不设置，或在过期之前重新发布" }
    fix_retain_again(topic) { en: "Publish the value again with RETAIN, if {topic} should have one", zh: "如果 {topic} 应有保留值，请带 RETAIN 重新发布" }
    fix_cleared(client, topic) { en: "See why {client} publishes an empty message with RETAIN to {topic}: that clears the topic", zh: "查明 {client} 为何带 RETAIN 向 {topic} 发布空消息：这会清除该主题" }
    fix_silent(client) { en: "See that the program of {client} goes on to run its client library (loop, yield) and its network holds: it sent nothing, not even PINGREQ, for 1.5 times its keep alive", zh: "确认 {client} 的程序持续运行客户端库（loop、yield）且网络正常：它在 1.5 倍 Keep Alive 内没有发送任何数据，连 PINGREQ 也没有" }
    fix_kicked(client) { en: "Ask whoever operates the broker why {client} was disconnected: columba events --client {client}", zh: "询问 Broker 的管理员为何断开 {client}：columba events --client {client}" }
    fix_not_sys() { en: "Publish to a topic that does not begin with $SYS: those are the broker's own", zh: "请发布到不以 $SYS 开头的主题：这些主题属于 Broker 自身" }
    fix_can_publish(client, topic) { en: "Check: columba can {client} publish {topic}", zh: "检查：columba can {client} publish {topic}" }
    fix_can_receive(client, topic) { en: "Check: columba can {client} receive {topic}", zh: "检查：columba can {client} receive {topic}" }
    fix_will_delay() { en: "Set a shorter Will Delay Interval if every loss of the connection should be heard of", zh: "如果每次断线都应通知，请设置更短的 Will Delay Interval" }

    fix_filter(filter) { en: "Correct {filter}: + and # fill a level of their own, and # is the last one", zh: "改正 {filter}：+ 和 # 必须独占一层，# 只能是最后一层" }
    fix_suback() { en: "Look at the codes of SUBACK in the program", zh: "在程序中检查 SUBACK 的返回码" }
    fix_subscribe_less() { en: "Subscribe to fewer filters, with wildcards in the place of many topics, or raise the limit that is named", zh: "减少订阅的过滤器，用通配符代替许多主题，或提高所指的限制" }
    fix_broke() { en: "Have the program send packets as the standard wants them, the topic in UTF-8 and a packet id above 0 with QoS 1 and 2", zh: "让程序按标准发送报文：主题使用 UTF-8，QoS 1 和 2 的报文标识符大于 0" }
    fix_alias() { en: "Send topic and alias together first on each connection: an alias does not outlive it", zh: "每次连接后先同时发送主题和别名：别名在连接断开后失效" }
    area_publisher() { en: "Publisher", zh: "发布端" }
    area_routing() { en: "Routing", zh: "路由" }
    area_session() { en: "Session", zh: "会话" }
    area_delivered() { en: "After it was sent", zh: "发送之后" }
    area_unknown() { en: "Not known", zh: "未知" }
    word_not_delivered() { en: "Not delivered", zh: "未送达" }
    word_waiting() { en: "Waiting", zh: "等待中" }
    word_unknown() { en: "Cannot tell", zh: "无法判断" }
    word_delivered() { en: "Delivered", zh: "已送达" }
    word_certain() { en: "certain", zh: "确定" }
    word_likely() { en: "likely", zh: "很可能" }
    word_possible() { en: "possible", zh: "可能" }
    word_fix() { en: "Fix", zh: "建议" }
    word_also() { en: "Also", zh: "另外" }
    word_lost() { en: "Lost", zh: "丢失" }
    word_subscribed() { en: "Subs", zh: "订阅" }
    lost_on(topic, times, why, at) { en: "{topic}: {times} {times|message|messages}, {why}; the last one at {at}", zh: "{topic}：{times} 条，{why}，最后一条在 {at}" }
    lost_somewhere(times, why, at) { en: "Topic not known: {times} {times|message|messages}, {why}; the last one at {at}", zh: "主题未知：{times} 条，{why}，最后一条在 {at}" }
    word_seen() { en: "Seen", zh: "范围" }
    word_ok() { en: "ok", zh: "通过" }
    word_failed() { en: "failed", zh: "失败" }
    word_waits() { en: "waiting", zh: "等待中" }
    word_untold() { en: "cannot tell", zh: "无法判断" }
    word_skipped() { en: "not reached", zh: "未到达" }
    stage_publisher() { en: "publisher", zh: "发布端" }
    stage_accepted() { en: "accepted", zh: "已接收" }
    stage_routed() { en: "routed", zh: "已匹配" }
    stage_session() { en: "session", zh: "会话" }
    stage_sent() { en: "sent", zh: "已发送" }
    stage_app() { en: "app", zh: "应用" }
    judged(messages, delivered, failed, waiting, unknown) {
        en: "{messages} {messages|copy|copies} judged: {delivered} delivered, {failed} not, {waiting} waiting, {unknown} not known.",
        zh: "共判断 {messages} 份：已送达 {delivered}，未送达 {failed}，等待 {waiting}，未知 {unknown}。",
    }
    covered(from) { en: "The record goes back to {from}, nothing is missing.", zh: "记录可追溯到 {from}，没有缺失。" }
    goes_back(from) { en: "The record goes back to {from}.", zh: "记录可追溯到 {from}。" }
    excess_covered(from) { en: "Of clients that came and went again and again it goes back to {from} only.", zh: "对于反复上下线的客户端，记录只能追溯到 {from}。" }
    covered_partly(from, lost) { en: "The record goes back to {from}; {lost} {lost|entry is|entries are} missing.", zh: "记录可追溯到 {from}，缺失 {lost} 条。" }
    covered_with_gap(since, last, from) { en: "The record reaches back to {since} at least, with a gap from {last} to {from}, in which something may be missing.", zh: "记录至少可追溯到 {since}，但 {last} 至 {from} 之间有中断，其间的内容可能缺失。" }
    restarted(stopped, started) { en: "The broker was stopped at {stopped} and started again at {started}.", zh: "Broker 于 {stopped} 停止，并于 {started} 重新启动。" }
    recovered_then(what) { en: "It {what}.", zh: "启动时，{what}。" }
    store_damaged(at, what) { en: "The start at {at} found damage: {what}.", zh: "{at} 启动时发现损坏：{what}。" }
    store_damaged_somewhere(at) { en: "The start at {at} found the store of the broker damaged.", zh: "{at} 启动时发现 Broker 的存储有损坏。" }
    store_damaged_more(count) { en: "{count} more: `columba events` lists them.", zh: "另有 {count} 处：`columba events` 会列出。" }
    restarted_after(last, started) { en: "The broker was stopped after {last} and started again at {started}.", zh: "Broker 在 {last} 之后停止，并于 {started} 重新启动。" }
    killed(last, started) { en: "The broker was killed or crashed after {last}, and started again at {started}.", zh: "Broker 在 {last} 之后被强行终止或崩溃，并于 {started} 重新启动。" }
    lost(count) { en: "{count} {count|entry is|entries are} missing.", zh: "缺失 {count} 条。" }
    manual_title() { en: "# Verdicts", zh: "# 诊断结论" }
    manual_start() {
        en: "What `columba why` may say about a message, by code. The codes never change; `columba explain CODE` shows one of them.",
        zh: "`columba why` 对一条消息可能给出的结论，按代码排列。代码不会改变，`columba explain CODE` 显示其中一条。",
    }
}
