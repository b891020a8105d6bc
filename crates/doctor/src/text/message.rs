//! Messages: loopback, payloads, retained, offline, Will, idle connections and client ids.

columba_speech::catalogue! {
    /// Every sentence about messages.
    pub ALL;

    loopback_good(qos, count, median, slow) {
        en: "QoS {qos}: {count} messages each, none lost, p50 {median}, p99 {slow}",
        zh: "QoS {qos} 各 {count} 条，无丢失，p50 {median}，p99 {slow}",
    }
    second_connection(why) {
        en: "the second connection, which the test needs: {why}",
        zh: "测试需要的第二个连接失败：{why}",
    }
    loopback_broken(qos, why) { en: "QoS {qos}: {why}", zh: "QoS {qos}：测试中断，{why}" }
    loopback_lost(qos, lost, sent) {
        en: "QoS {qos}: {lost} of {sent} messages lost",
        zh: "QoS {qos}：{sent} 条中丢失 {lost} 条",
    }
    loopback_not_subscribed(qos, reason) {
        en: "QoS {qos}: the subscription to the test topic was refused: {reason}",
        zh: "QoS {qos}：测试主题的订阅被拒绝：{reason}",
    }
    loopback_refused(qos, count, reason) {
        en: "QoS {qos}: the broker refused {count} message{count||s}: {reason}",
        zh: "QoS {qos}：服务器拒绝了 {count} 条消息：{reason}",
    }
    loopback_duplicates(qos, count) {
        en: "QoS {qos}: none lost, but {count} came twice",
        zh: "QoS {qos}：无丢失，但有 {count} 条重复",
    }
    loopback_disorder(qos) {
        en: "QoS {qos}: none lost, but they came in another order",
        zh: "QoS {qos}：无丢失，但顺序被打乱",
    }
    loopback_lowered(qos, came) {
        en: "messages sent at QoS {qos} arrive at QoS {came}",
        zh: "以 QoS {qos} 发送的消息按 QoS {came} 送达",
    }
    loopback_granted(granted) {
        en: "the broker grants subscriptions at most QoS {granted}",
        zh: "服务器对订阅最高只授予 QoS {granted}",
    }
    loss_at_qos_0() {
        en: "QoS 0 promises nothing; use QoS 1 where a message matters",
        zh: "QoS 0 不保证送达；重要的消息请用 QoS 1",
    }
    loss_unmatched() {
        en: "the broker answered 'no matching subscribers' although one is subscribed: several nodes that do not know of each other look like this",
        zh: "明明有订阅者，服务器却回答“没有匹配的订阅者”：集群节点互不相通时会这样",
    }
    loss_of_all_acknowledged() {
        en: "the broker acknowledged them all and delivered none: in MQTT 3.1.1 that is how a broker drops what may not be published or received",
        zh: "服务器全部确认却一条也没投递：在 MQTT 3.1.1 中，无发布或接收权限的消息就是这样被丢弃的",
    }
    loss_of_all_taken() {
        en: "the broker acknowledged them all without an error and delivered none: most likely this user may publish on the test topic, but not receive",
        zh: "服务器全部正常确认却一条也没投递：很可能该用户可以向测试主题发布，但没有接收权限",
    }
    loss_by_acl_file() {
        en: "granted, but not delivered: Mosquitto grants every subscription, checks its acl_file when it delivers, and drops what is denied silently, be it publishing or receiving",
        zh: "订阅已授予，但没有投递：Mosquitto 会授予所有订阅，到投递时才检查 acl_file，无论发布还是接收被拒绝都静默丢弃",
    }
    acl_file_fix(topic) {
        en: "with Mosquitto, look for 'topic readwrite {topic}/#' under this user in its acl_file",
        zh: "若是 Mosquitto，请检查 acl_file 中该用户下是否有“topic readwrite {topic}/#”",
    }
    loss_of_all() {
        en: "none came: most likely this user may not publish or receive on the test topic",
        zh: "一条也没收到：很可能该用户对测试主题没有发布或接收权限",
    }
    publish_permission_fix() {
        en: "let the administrator allow this user the test topic, or name an allowed one with --test-topic",
        zh: "请管理员为该用户开放测试主题，或用 --test-topic 指定一个有权限的主题",
    }
    qos_2_fix() {
        en: "this broker may have no QoS 2 (RabbitMQ and some cloud services): use QoS 1",
        zh: "该服务器可能不支持 QoS 2（如 RabbitMQ 和部分云服务）：请用 QoS 1",
    }
    duplicates_at_qos_1() {
        en: "QoS 1 allows it: the receiver must bear duplicates, or use QoS 2",
        zh: "QoS 1 允许重复：接收端要能处理，或改用 QoS 2",
    }
    duplicates_elsewhere() {
        en: "a bridge that sends messages back, or overlapping subscriptions, do this",
        zh: "桥接回环或重叠订阅会造成重复",
    }

    arrived() { en: "arrived", zh: "已送达" }
    arrived_changed() { en: "arrived with other bytes", zh: "送达的字节与发送的不同" }
    did_not_arrive() { en: "acknowledged, but did not arrive", zh: "已确认，但没有送达" }
    content_any() { en: "all", zh: "全部" }
    content_chinese() { en: "Chinese", zh: "中文" }
    content_emoji() { en: "emoji", zh: "表情符号" }
    content_gbk() { en: "GBK", zh: "GBK 编码" }
    content_json() { en: "JSON", zh: "JSON" }
    content_nul() { en: "NUL", zh: "NUL 字节" }
    content_all_bytes() { en: "all 256 bytes", zh: "全部 256 种字节" }
    content_line_breaks() { en: "line breaks", zh: "换行" }
    content_empty() { en: "empty", zh: "空载荷" }
    content_topic() { en: "a topic in Chinese", zh: "中文主题" }
    payload_good(names) { en: "unchanged: {names}", zh: "原样送达：{names}" }
    payload_bad(count, all) {
        en: "{count} of {all} contents did not arrive as they were sent",
        zh: "{all} 种内容中有 {count} 种没有原样送达",
    }
    payload_fate(name, fate) { en: "{name}: {fate}", zh: "{name}：{fate}" }
    payload_changed_fix() {
        en: "something between changes payloads, such as a bridge, gateway or rule of the broker: turn its conversion off",
        zh: "中间有网桥、网关或规则改写了载荷：请关闭转换",
    }
    size_good(bytes) { en: "payloads up to {bytes} arrive", zh: "{bytes} 以内的载荷均可送达" }
    size_announced(bytes) {
        en: "the broker announced packets up to {bytes}; larger ones were not tried",
        zh: "服务器声明的最大报文为 {bytes}，更大的没有尝试",
    }
    size_failed(bytes, why) { en: "a payload of {bytes}: {why}", zh: "{bytes} 的载荷：失败，{why}" }
    size_largest(bytes) { en: "the largest that arrived had {bytes}", zh: "能送达的最大载荷为 {bytes}" }
    size_fix() {
        en: "raise the limit: Mosquitto max_packet_size or message_size_limit, EMQX mqtt.max_packet_size, Columba packet_bytes_max; an Arduino client has a buffer of 256 bytes of its own",
        zh: "提高上限：Mosquitto 的 max_packet_size 或 message_size_limit，EMQX 的 mqtt.max_packet_size，Columba 的 packet_bytes_max；Arduino 客户端自身缓冲区也只有 256 字节",
    }

    retained_good() {
        en: "set, read by a new subscriber, cleared",
        zh: "写入、新订阅者读取、清除均正常",
    }
    retained_lost() {
        en: "the broker took the message, and a new subscriber did not get it",
        zh: "服务器接受了消息，但新订阅者没有收到",
    }
    retained_missing_note() {
        en: "a subscriber that comes later sees nothing until the next message",
        zh: "后来的订阅者要等到下一条消息才有数据",
    }
    retained_fix() {
        en: "turn retained messages on: Mosquitto retain_available, EMQX retainer, RabbitMQ keeps them only on their node",
        zh: "启用保留消息：Mosquitto 的 retain_available，EMQX 的 retainer；RabbitMQ 只在本节点保留",
    }
    retained_refused(reason) { en: "refused: {reason}", zh: "被拒绝：{reason}" }
    retained_broken(why) { en: "could not be tried: {why}", zh: "无法测试：{why}" }
    retained_not_cleared() {
        en: "an empty message did not clear it",
        zh: "空消息没有清除保留消息",
    }
    retained_without_flag() {
        en: "a new subscriber got it, but without the RETAIN flag",
        zh: "新订阅者收到了，但没有 RETAIN 标志",
    }
    retained_without_flag_note() {
        en: "a client cannot tell old values from new ones",
        zh: "客户端无法区分旧值和新值",
    }

    offline_good(count) {
        en: "{count} messages at QoS 1 waited for an absent client and came",
        zh: "离线期间的 {count} 条 QoS 1 消息在重连后全部送达",
    }
    offline_qos_0_dropped() {
        en: "QoS 0 was dropped meanwhile, as usual",
        zh: "离线期间的 QoS 0 消息被丢弃，属正常行为",
    }
    offline_qos_0_kept() {
        en: "QoS 0 was kept as well, which the standard allows",
        zh: "QoS 0 消息也被保留，标准允许这样做",
    }
    offline_lost(came, sent) {
        en: "the session was kept, but only {came} of {sent} messages at QoS 1 came",
        zh: "会话保留了，但 {sent} 条 QoS 1 消息只收到 {came} 条",
    }
    offline_no_session() {
        en: "the broker forgot the session and with it the subscription and its messages",
        zh: "服务器没有保留会话，订阅和离线消息随之丢失",
    }
    offline_fix() {
        en: "let the broker keep sessions: Mosquitto persistent_client_expiration and max_queued_messages, EMQX session_expiry_interval, Columba session_expiry_max",
        zh: "让服务器保留会话：Mosquitto 的 persistent_client_expiration 和 max_queued_messages，EMQX 的 session_expiry_interval，Columba 的 session_expiry_max",
    }
    offline_broken(why) { en: "could not be tried: {why}", zh: "无法测试：{why}" }

    will_came(time) {
        en: "came {time} after the connection broke",
        zh: "断线后 {time}发出",
    }
    will_slow() {
        en: "a proxy in between may tell the broker late that the connection is gone",
        zh: "中间的代理可能较晚才通知服务器连接已断",
    }
    will_missing(time) {
        en: "did not come within {time} after the connection broke",
        zh: "断线后 {time}内没有发出",
    }
    will_fix() {
        en: "a proxy may hold the connection open, or this user may not publish the Will's topic: check both in the broker's log",
        zh: "可能是代理仍保持着连接，或该用户无权发布遗嘱主题：请查看服务器日志",
    }
    will_broken(why) { en: "could not be tried: {why}", zh: "无法测试：{why}" }

    idle_good(time) {
        en: "still good after {time} of silence",
        zh: "静默 {time}后连接仍正常",
    }
    idle_keep_alive(time) {
        en: "the broker insists on a keep alive of {time}, which this client kept",
        zh: "服务器要求心跳 {time}，本次测试已遵守",
    }
    idle_ended(time, why) {
        en: "ended after {time} of silence: {why}",
        zh: "静默 {time}后连接断开：{why}",
    }
    idle_deaf(time) {
        en: "after {time} of silence nothing comes through any more, and nobody said so",
        zh: "静默 {time}后数据不通，且没有任何提示",
    }
    idle_fix(time) {
        en: "something between (NAT, load balancer, proxy) forgets silent connections: use a keep alive well below {time}",
        zh: "中间设备（NAT、负载均衡、代理）会清除空闲连接：心跳间隔要明显小于 {time}",
    }
    idle_broken(why) { en: "could not be tried: {why}", zh: "无法测试：{why}" }

    twin_alone(id, time) {
        en: "nobody else claimed '{id}' within {time}",
        zh: "{time}内没有其他客户端使用“{id}”",
    }
    twin_session() {
        en: "the broker holds a session of this id; nothing that came was acknowledged, so what waits at QoS 1 and 2 still waits",
        zh: "服务器上有该 ID 的会话；收到的消息均未确认，QoS 1 和 2 的消息仍在等待",
    }
    twin_expiry(time) {
        en: "its expiry was set anew, as CONNECT must: {time}, until its client connects again",
        zh: "CONNECT 必须重设会话过期时间：现为 {time}，直到其客户端重新连接",
    }
    twin_expiry_never() {
        en: "its expiry was set anew, as CONNECT must: never, until its client connects again",
        zh: "CONNECT 必须重设会话过期时间：现为永不过期，直到其客户端重新连接",
    }
    twin_lost(count) {
        en: "messages at QoS 0 that came here and are lost to its client: {count}",
        zh: "已发到这里、其客户端收不到的 QoS 0 消息：{count} 条",
    }
    twin_certain(id, time) {
        en: "'{id}' was taken back after {time}: another client uses it",
        zh: "{time}后“{id}”被顶替：有其他客户端在使用同一个 ID",
    }
    twin_likely(id, time, why) {
        en: "'{id}' lost its connection after {time}, most likely to another client: {why}",
        zh: "{time}后“{id}”的连接断开，很可能被其他客户端顶替：{why}",
    }
    twin_fix() {
        en: "give every client an id of its own; two with the same one throw each other out again and again",
        zh: "每个客户端使用不同的 ID；两个相同的 ID 会不断互相顶下线",
    }
    twin_broken(id, why) { en: "'{id}' could not be tried: {why}", zh: "“{id}”无法测试：{why}" }
}
