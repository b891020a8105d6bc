//! What the broker notes of an event, in words. It notes English; the facts in it stay as they are.

use columba_speech::{Language, Param, Text, recognise};

columba_speech::said_elsewhere! {
    /// All sentences.
    pub ALL;

    denied_by(rule) { en: "denied by {rule}", zh: "被 {rule} 拒绝" }
    denied() { en: "denied: no access rule allows it", zh: "被拒绝：没有允许它的访问规则" }
    queue_full(messages, bytes) {
        en: "the client's queue is at its limit of {messages} messages or {bytes} bytes",
        zh: "客户端的队列已达上限（{messages} 条消息或 {bytes} 字节）",
    }
    too_large(limit) {
        en: "larger than the client's Maximum Packet Size of {limit} bytes",
        zh: "超过客户端的最大报文长度（Maximum Packet Size）{limit} 字节",
    }
    congested(bytes) {
        en: "{bytes} bytes wait already for the client to read them", zh: "已有 {bytes} 字节等待客户端读取",
    }
    asks_for_more(bytes) {
        en: "{bytes} bytes wait for the client, and it asks for more", zh: "已有 {bytes} 字节等待客户端，而它还要求更多",
    }
    expired() {
        en: "its Message Expiry Interval passed while it waited", zh: "等待期间消息过期时间（Message Expiry Interval）已到",
    }
    refused_with(packet, reason) { en: "the client answered {packet} {reason}", zh: "客户端应答 {packet} {reason}" }
    does_not_fit(packet, id) {
        en: "{packet} for packet id {id} does not fit its PUBLISH", zh: "{packet}（报文标识符 {id}）与其 PUBLISH 不符",
    }
    no_member(group) { en: "{group} has no member", zh: "{group} 没有成员" }
    no_member_may(group, asked) {
        en: "{group} has no member that may receive it ({asked} asked)",
        zh: "{group} 没有可以接收它的成员（查询了 {asked} 个）",
    }
    listener_full() {
        en: "the listener has as many connections as its connections_max allows",
        zh: "监听器的连接数已达 connections_max 上限",
    }
    no_descriptor() {
        en: "the broker has no file descriptor left for it", zh: "Broker 已没有可用的文件描述符",
    }
    store_lost(position, why) {
        en: "record {position} of the store cannot be read back: {why}",
        zh: "存储中位置 {position} 的记录无法读回（{why}）",
    }
    disk_failed_others() {
        en: "the disk has failed, so nobody else may get it before a restart",
        zh: "磁盘发生故障，重启之前其他成员不能收到它",
    }
    disk_failed() { en: "the disk has failed", zh: "磁盘发生故障" }
    disk_full() { en: "the disk is full", zh: "磁盘已满" }
    disk_slow() { en: "the disk does not keep up", zh: "磁盘跟不上" }

    client_disconnected() { en: "the client disconnected", zh: "客户端主动断开" }
    client_disconnected_with(reason) { en: "the client disconnected: {reason}", zh: "客户端主动断开：{reason}" }
    client_closed() { en: "the client closed the socket", zh: "客户端关闭了套接字" }
    network_failed() { en: "the network failed", zh: "网络故障" }
    broker_closed() { en: "the broker closed the socket", zh: "Broker 关闭了套接字" }
    taken_over_by_other() { en: "taken over by another connection", zh: "被另一个连接顶替" }
    taken_over_by(peer) { en: "taken over by {peer}", zh: "被 {peer} 顶替" }
    came_elsewhere() { en: "the client came on another connection", zh: "客户端从另一个连接上线" }
    silent(secs) {
        en: "nothing came for {secs} s, 1.5 times the keep alive", zh: "{secs} 秒没有收到任何数据，即 1.5 倍的 Keep Alive",
    }
    shutting_down() { en: "the broker is shutting down", zh: "Broker 正在关闭" }
    closed_by_operator() { en: "closed by an operator", zh: "被管理接口断开" }
    ended_by_operator() { en: "an operator ended this subscription", zh: "该订阅被管理接口终止" }
    banned_by_operator() { en: "banned by an operator", zh: "被管理接口封禁" }
    client_banned() { en: "the client id is banned", zh: "该客户端 ID 已被封禁" }
    client_banned_for(why) { en: "the client id is banned: {why}", zh: "该客户端 ID 已被封禁：{why}" }
    user_banned_for(why) { en: "the user is banned: {why}", zh: "该用户已被封禁：{why}" }
    address_banned_for(why) { en: "the address is banned: {why}", zh: "该地址已被封禁：{why}" }
    user_banned() { en: "the user is banned", zh: "该用户已被封禁" }
    address_banned() { en: "the address is banned", zh: "该地址已被封禁" }
    user_removed() { en: "its user was removed", zh: "其用户已被删除" }
    user_changed() {
        en: "the user was removed or has another password", zh: "该用户已被删除，或密码已更改",
    }
    subscription_ended() {
        en: "the access rules no longer allow this subscription: it has ended",
        zh: "访问规则不再允许该订阅：已终止",
    }
    changes_hands_here(times, wait_ms, rival) {
        en: "the client id has changed hands {times} times lately, and both come from one address, so two programs there use it, or one comes back all the time: this one waits {wait_ms} ms, and {rival} stays until then",
        zh: "该客户端 ID 最近易手 {times} 次，且双方来自同一地址，说明那里有两个程序在用它，或者一个程序不断重连：此连接须等待 {wait_ms} 毫秒，在此之前 {rival} 保持在线",
    }
    changes_hands(times, wait_ms, rival) {
        en: "the client id has changed hands {times} times lately, and two programs seem to use it: this one waits {wait_ms} ms, and {rival} stays until then",
        zh: "该客户端 ID 最近易手 {times} 次，似乎有两个程序在用它：此连接须等待 {wait_ms} 毫秒，在此之前 {rival} 保持在线",
    }

    not_mqtt_but(name) {
        en: "these bytes are {name}, not MQTT: is this the right port?", zh: "收到的是 {name}，不是 MQTT：端口是否正确？",
    }
    not_mqtt(error) { en: "these bytes are not MQTT: {error}", zh: "收到的不是 MQTT（{error}）" }
    not_connect(packet) {
        en: "the first packet was {packet}, not CONNECT", zh: "第一个报文是 {packet}，而不是 CONNECT",
    }
    second_connect() {
        en: "a second CONNECT came on this connection", zh: "此连接上收到第二个 CONNECT",
    }
    no_greeting() {
        en: "no CONNECT, or no end of the TLS or WebSocket handshake, in time",
        zh: "没有及时收到 CONNECT，或者 TLS 或 WebSocket 握手没有及时完成",
    }
    no_connect(secs) { en: "no CONNECT was accepted within {secs} s", zh: "{secs} 秒内没有接受 CONNECT" }
    too_much_before() {
        en: "too many bytes came before the client was let in", zh: "客户端获准之前发来的数据过多",
    }
    needs_id() { en: "MQTT 3.1 needs a client id", zh: "MQTT 3.1 需要客户端 ID" }
    needs_clean() {
        en: "an empty client id needs clean session 1", zh: "客户端 ID 为空时，Clean Session 必须为 1",
    }
    no_method(method) {
        en: "authentication method {method} is not supported", zh: "不支持认证方法 {method}",
    }
    auth_without_method() {
        en: "AUTH came, but CONNECT had no Authentication Method", zh: "收到 AUTH，但 CONNECT 没有 Authentication Method",
    }
    wants_login(listener) {
        en: "listener {listener} wants a user name and a password from this address",
        zh: "监听器 {listener} 要求此地址提供用户名和密码",
    }
    certificate_name(name) {
        en: "the name {name} in the certificate is not that of a user", zh: "证书中的名称 {name} 不是用户名",
    }
    wrong_login(user) {
        en: "user name {user} or its password is wrong", zh: "用户名 {user} 或其密码有误",
    }
    not_checked() {
        en: "the credentials could not be checked now: try again", zh: "现在无法核对用户名和密码：请重试",
    }
    too_many_logins() {
        en: "too many other logins wait for a check: try again", zh: "等待核对的登录过多：请重试",
    }
    sessions_full(count) {
        en: "the broker has its limit of {count} sessions", zh: "Broker 的会话数已达上限 {count}",
    }
    disk_busy() {
        en: "too much waits for the disk to take another session or Will that is stored: try again",
        zh: "等待写入磁盘的内容过多，暂时不能接受需要保存的会话或遗嘱：请重试",
    }
    will_size(size, most) {
        en: "the Will has {size} bytes, and {most} are the limit", zh: "遗嘱有 {size} 字节，上限为 {most}",
    }
    will_room() {
        en: "the broker has no room for another Will", zh: "Broker 没有空间保存更多遗嘱",
    }
    will_unpublished(why) { en: "the Will was not published: {why}", zh: "遗嘱未发布（{why}）" }
    connack_size(most) {
        en: "the client takes packets of {most} bytes, and CONNACK is larger",
        zh: "客户端只接受 {most} 字节以内的报文，而 CONNACK 更大",
    }
    session_end_late(secs) {
        en: "the end of the session before was not on disk within {secs} s",
        zh: "{secs} 秒内前一个会话的结束没有写入磁盘",
    }

    message_size(size, most) {
        en: "the message has {size} bytes, and {most} are the limit", zh: "消息有 {size} 字节，上限为 {most}",
    }
    not_utf8() {
        en: "the payload is not the UTF-8 that its format indicator promises",
        zh: "消息内容不是其格式指示所声明的 UTF-8",
    }
    sys_topics() { en: "topics below $SYS are the broker's own", zh: "$SYS 下的主题只属于 Broker" }
    topic_empty() { en: "a topic has at least one character", zh: "主题至少有一个字符" }
    topic_nul() { en: "a topic never holds U+0000", zh: "主题中不能有 U+0000" }
    topic_too_long() { en: "a topic has at most 65,535 bytes", zh: "主题最多 65,535 字节" }
    wildcard_in_name() {
        en: "a topic to publish to has no wildcard (+ or #)", zh: "发布的主题中不能有通配符（+ 或 #）",
    }
    hash_not_last() {
        en: "# stands alone in the last level of a topic filter", zh: "# 只能单独作为主题过滤器的最后一级",
    }
    wildcard_in_level() {
        en: "a wildcard fills a whole level of a topic filter", zh: "通配符必须占据主题过滤器的整个一级",
    }
    share_form() {
        en: "a shared subscription is $share/NAME/FILTER, and NAME has no + or #",
        zh: "共享订阅的形式是 $share/名称/过滤器，名称中不能有 + 或 #",
    }
    topic_levels(most) { en: "the topic has more than {most} levels", zh: "主题超过 {most} 层" }
    filter_levels(most) { en: "the filter has more than {most} levels", zh: "过滤器超过 {most} 层" }
    retained_room() {
        en: "there is no room for another retained message", zh: "没有空间保存更多保留消息",
    }
    alias_range(alias, most) {
        en: "topic alias {alias} is not in 1..={most}", zh: "主题别名 {alias} 不在 1..={most} 之内",
    }
    alias_unset(alias) {
        en: "topic alias {alias} was not set on this connection", zh: "此连接上没有设置过主题别名 {alias}",
    }
    unreleased(most) {
        en: "more than {most} QoS 2 messages were not released", zh: "未释放的 QoS 2 消息超过 {most} 条",
    }
    identifier_of_client() {
        en: "a client's PUBLISH carries no Subscription Identifier", zh: "客户端的 PUBLISH 不能带 Subscription Identifier",
    }
    for_servers(packet) { en: "{packet} is for servers to send", zh: "{packet} 只能由服务器发送" }
    expiry_raised() {
        en: "a Session Expiry Interval of 0 in CONNECT cannot be raised by DISCONNECT",
        zh: "CONNECT 中的 Session Expiry Interval 为 0 时，不能由 DISCONNECT 增大",
    }
    subscriptions_full(count) {
        en: "the client has its limit of {count} subscriptions", zh: "客户端的订阅数已达上限 {count}",
    }
    filters_full(bytes, most) {
        en: "the client's filters have {bytes} bytes, and {most} are its limit",
        zh: "客户端的过滤器共 {bytes} 字节，上限为 {most}",
    }
    filters_in_packet(most) {
        en: "more than {most} filters in one packet", zh: "一个报文中的过滤器超过 {most} 个",
    }
    shared_no_local() {
        en: "a shared subscription cannot be No Local", zh: "共享订阅不能使用 No Local",
    }

    speaks_and_advice(what, port, carrier, advice) {
        en: "the client speaks {what} on port {port}, which is for {carrier}; {advice}",
        zh: "客户端在端口 {port} 上使用{what}，而该端口用于{carrier}；{advice}",
    }
    speaks(what, port, carrier) {
        en: "the client speaks {what} on port {port}, which is for {carrier}",
        zh: "客户端在端口 {port} 上使用{what}，而该端口用于{carrier}",
    }
    speaks_on_socket(what, carrier) {
        en: "the client speaks {what} on a socket for {carrier}", zh: "客户端在用于{carrier}的套接字上使用{what}",
    }
    plain_mqtt() { en: "plain MQTT", zh: "不经 TLS 或 WebSocket 的 MQTT" }
    mqtt_over_tls() { en: "MQTT over TLS (mqtts)", zh: "经 TLS 的 MQTT（mqtts）" }
    mqtt_over_websocket() { en: "MQTT over WebSocket (ws)", zh: "经 WebSocket 的 MQTT（ws）" }
    mqtt_over_both() {
        en: "MQTT over WebSocket with TLS (wss)", zh: "经 WebSocket 和 TLS 的 MQTT（wss）",
    }
    http_without_tls() { en: "HTTP (or WebSocket) without TLS", zh: "不经 TLS 的 HTTP（或 WebSocket）" }
    http() { en: "HTTP (or WebSocket)", zh: "HTTP（或 WebSocket）" }
    connect_with_tls() {
        en: "connect with TLS, such as --cafile or mqtts://", zh: "请使用 TLS 连接，例如 --cafile 或 mqtts://",
    }
    connect_through_websocket() {
        en: "connect through a WebSocket, such as ws://", zh: "请经 WebSocket 连接，例如 ws://",
    }
    connect_through_both() {
        en: "connect through a WebSocket with TLS, such as wss://", zh: "请经 WebSocket 和 TLS 连接，例如 wss://",
    }
    tls_and_advice(what, advice) { en: "TLS: {what}; {advice}", zh: "TLS：{what}；{advice}" }
    tls(what) { en: "TLS: {what}", zh: "TLS：{what}" }
    handshake_ended(why, number) {
        en: "the client ended the handshake: {why} (alert {number})", zh: "客户端中止了握手：{why}（警报 {number}）",
    }
    signer_unknown() {
        en: "it does not know who signed this listener's certificate", zh: "不认识此监听器证书的签发机构",
    }
    expired_to_it() { en: "to it this listener's certificate has expired", zh: "认为此监听器的证书已过期" }
    revoked_to_it() { en: "to it this listener's certificate was revoked", zh: "认为此监听器的证书已被吊销" }
    certificate_not_taken() { en: "it does not take this listener's certificate", zh: "不接受此监听器的证书" }
    silent_within_tls() {
        en: "the client ended the handshake in order, and closed before its CONNECT",
        zh: "客户端正常完成了握手，但在发送 CONNECT 之前关闭了连接",
    }
    perhaps_no_trust() {
        en: "perhaps it does not trust this listener's certificate, or it was a health check or a port scan",
        zh: "可能是它不信任此监听器的证书，也可能只是健康检查或端口扫描",
    }
    version_not_taken() { en: "it does not take this version of TLS", zh: "不接受此 TLS 版本" }
    nothing_in_common() {
        en: "it has no way of TLS in common with this listener", zh: "与此监听器没有双方都支持的 TLS 参数",
    }
    not_understood() {
        en: "it does not understand what this listener sent, or takes it for forged",
        zh: "无法理解此监听器发送的数据，或认为其被篡改",
    }
    client_failed() { en: "it failed itself", zh: "客户端内部错误" }
    client_was_told() { en: "it was told to", zh: "用户取消" }
    other_alert() { en: "for another reason", zh: "其他原因" }
    give_authority() {
        en: "give the client the file of the authority, such as with --cafile",
        zh: "请让客户端使用签发机构的证书文件，例如用 --cafile",
    }
    renew_certificate() {
        en: "renew tls_certificate, or set the client's clock", zh: "请更新 tls_certificate，或校准客户端的时钟",
    }
    perhaps_other_name() {
        en: "perhaps it does not take this listener's certificate: see that the name by which it connects is among the names in it",
        zh: "可能不接受此监听器的证书：请确认客户端连接所用的主机名在证书中",
    }
    see_names() {
        en: "see that the name by which it connects is among the names in it",
        zh: "请确认客户端连接所用的主机名在证书中",
    }
    no_certificate() { en: "the client showed no certificate", zh: "客户端没有出示证书" }
    give_certificate() {
        en: "tls_client_certificate is \"required\": give the client a certificate and its key",
        zh: "tls_client_certificate 为 \"required\"：请给客户端配置证书及其密钥",
    }
    client_expired() { en: "the client's certificate has expired", zh: "客户端证书已过期" }
    give_new() {
        en: "give it a new one, or set this machine's clock", zh: "请更换客户端证书，或校准本机的时钟",
    }
    client_not_yet() { en: "the client's certificate is not valid yet", zh: "客户端证书尚未生效" }
    compare_clocks() { en: "compare the clocks of the two machines", zh: "请核对两台机器的时钟" }
    client_authority() {
        en: "the client's certificate is of an authority that is not in tls_client_ca",
        zh: "客户端证书的签发机构不在 tls_client_ca 中",
    }
    client_signature() { en: "the signature of the client's certificate is wrong", zh: "客户端证书的签名有误" }
    client_encoding() { en: "what the client shows is no certificate", zh: "客户端出示的不是证书" }
    client_purpose() { en: "the client's certificate is not for clients", zh: "客户端证书的用途不是客户端" }
    client_rules_named(name) {
        en: "the client's certificate does not fit the rules ({name})", zh: "客户端证书不符合规则（{name}）",
    }
    client_rules() { en: "the client's certificate does not fit the rules", zh: "客户端证书不符合规则" }
    client_form(why) { en: "the client's certificate is not accepted: {why}", zh: "不接受客户端证书：{why}" }
    form_not_direct(version) {
        en: "it is of X.509 version {version} or may sign others itself, and is signed by an authority in between: so it is only taken from an authority that is trusted itself",
        zh: "其 X.509 版本为 {version} 或可签发其他证书，且由中间机构签发：只有直接由受信任机构签发时才接受",
    }
    form_old(version) {
        en: "it is of X.509 version {version} or may sign others itself", zh: "其 X.509 版本为 {version} 或可签发其他证书",
    }
    form_constrained() {
        en: "its authority may vouch for certain names only, and it has no subjectAltName",
        zh: "其签发机构只能为特定名称签发，而其中没有 subjectAltName",
    }
    form_extension(id) {
        en: "it has an extension that must be understood and is not: {id}", zh: "其中有必须识别却不认识的扩展：{id}",
    }
    no_version() { en: "the client speaks neither TLS 1.2 nor 1.3", zh: "客户端既不支持 TLS 1.2 也不支持 1.3" }
    no_cipher() {
        en: "the client has no cipher suite that this listener has", zh: "客户端没有此监听器支持的密码套件",
    }
    no_common_named(name) {
        en: "the client has no way of TLS in common with this listener ({name})",
        zh: "客户端与此监听器没有双方都支持的 TLS 参数（{name}）",
    }
    no_common() {
        en: "the client has no way of TLS in common with this listener",
        zh: "客户端与此监听器没有双方都支持的 TLS 参数",
    }
    broke_rules_named(name) {
        en: "the client broke the rules of TLS ({name})", zh: "客户端违反了 TLS 协议（{name}）",
    }
    broke_rules() { en: "the client broke the rules of TLS", zh: "客户端违反了 TLS 协议" }
    not_tls() { en: "these bytes are not TLS", zh: "收到的不是 TLS" }
    recovered(sessions, queued, retained, secs, damage) {
        en: "recovered {sessions} sessions, {queued} queued, {retained} retained in {secs} s; {damage}",
        zh: "{secs} 秒内恢复 {sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{damage}",
    }
    recovered_one(sessions, queued, retained, secs, damage) {
        en: "recovered {sessions} session, {queued} queued, {retained} retained in {secs} s; {damage}",
        zh: "{secs} 秒内恢复 {sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{damage}",
    }
    expired_then(sessions, queued, retained, what) {
        en: "{sessions} sessions, {queued} queued, {retained} retained had expired meanwhile; {what}",
        zh: "期间已过期：{sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{what}",
    }
    expired_one_then(sessions, queued, retained, what) {
        en: "{sessions} session, {queued} queued, {retained} retained had expired meanwhile; {what}",
        zh: "期间已过期：{sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{what}",
    }
    none_lost() { en: "0 acknowledged messages lost", zh: "已确认的消息丢失 0 条" }
    nothing_damaged() { en: "nothing is damaged", zh: "没有损坏" }
    place_damaged(places) {
        en: "{places} place is damaged, what it held is lost: see the log", zh: "有 {places} 处损坏，其中的内容已丢失：请查看日志",
    }
    places_damaged(places) {
        en: "{places} places are damaged, what they held is lost: see the log", zh: "有 {places} 处损坏，其中的内容已丢失：请查看日志",
    }
    // Before those without: they would take all that is in front for a number.
    and_costless_place(what, places) {
        en: "{what}; {places} place is damaged that held nothing needed: see the log",
        zh: "{what}；另有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    and_costless_places(what, places) {
        en: "{what}; {places} places are damaged that held nothing needed: see the log",
        zh: "{what}；另有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    costless_place(places) {
        en: "{places} place is damaged that held nothing needed: see the log",
        zh: "有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    costless_places(places) {
        en: "{places} places are damaged that held nothing needed: see the log",
        zh: "有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    damaged(file, offset, bytes, loss) {
        en: "{file} is damaged at offset {offset} ({bytes} bytes): {loss}",
        zh: "{file} 在偏移量 {offset} 处损坏（{bytes} 字节）：{loss}",
    }
    damaged_all(loss) { en: "no segment file is there any more: {loss}", zh: "段文件已全部缺失：{loss}" }
    damaged_header() {
        en: "the header, which is not needed to read the rest", zh: "丢失文件头，读取其余部分不需要它",
    }
    damaged_frames() { en: "what these bytes held", zh: "丢失这些字节中的内容" }
    damaged_frames_released() {
        en: "what these bytes held; what they had released (cleared, ended, acknowledged) may be there again",
        zh: "丢失这些字节中的内容；其中已释放（已清除、已结束、已确认）的内容可能重新出现",
    }
    damaged_released(position) {
        en: "nothing, the record at position {position} had been released",
        zh: "没有损失，位置 {position} 的记录已经释放",
    }
    damaged_empty() {
        en: "the whole file, which holds nothing of what was in it", zh: "整个文件，其中原有内容已全部丢失",
    }
    damaged_record(position) { en: "the record at position {position}", zh: "丢失位置 {position} 的记录" }
    damaged_disk() { en: "the disk cannot read it", zh: "磁盘无法读取" }
    damaged_commits(first, last) { en: "the commits {first} to {last}", zh: "丢失提交 {first} 至 {last}" }
    damaged_file() { en: "the whole file, which is missing", zh: "整个文件缺失" }
    lost_session(number, subscriptions, messages) {
        en: "the record of session {number} is lost; kept until `columba store discard`: subscriptions: {subscriptions}, messages: {messages}",
        zh: "会话 {number} 的记录已丢失；在执行 `columba store discard` 之前保留：订阅：{subscriptions}，消息：{messages}",
    }
    no_protocol() {
        en: "the client asks for no application protocol (ALPN) that this listener has",
        zh: "客户端要求的应用协议（ALPN）此监听器都不支持",
    }

    other_rules() { en: "other access rules", zh: "访问规则已更改" }
    other_users() { en: "other users", zh: "用户已更改" }
    other_limits() { en: "other limits", zh: "限额已更改" }
    answer_waits_for_room() {
        en: "its answer waits: the disk is full", zh: "应答等待中：磁盘已满",
    }
    answer_waits_for_disk() {
        en: "its answer waits: the disk has failed", zh: "应答等待中：磁盘发生故障",
    }
    another_record() { en: "what is there is not this message", zh: "那里的内容不是这条消息" }
    said_nothing() {
        en: "the connection closed before it had said anything", zh: "连接在发送任何数据之前就已关闭",
    }
    no_websocket_within() {
        en: "TLS holds another protocol than WebSocket", zh: "TLS 中的协议不是 WebSocket",
    }
    answers_unread() {
        en: "the peer does not read the answers of the transport", zh: "对方不读取传输层的应答",
    }

    port_for(carrier, advice) { en: "this port is for {carrier}: {advice}", zh: "此端口用于{carrier}：{advice}" }
    port_not_for_http(carrier, hint) {
        en: "This port is for {carrier}, not for HTTP. {hint}", zh: "此端口用于{carrier}，不用于 HTTP。{hint}",
    }
    websocket_at(place) { en: "MQTT over WebSocket is served at {place}", zh: "经 WebSocket 的 MQTT 位于 {place}" }
    no_websocket() {
        en: "This broker has no listener for WebSocket", zh: "此 Broker 没有 WebSocket 监听器",
    }
    https_address() {
        en: "Connect with TLS: the address begins with wss:// or https://",
        zh: "请使用 TLS 连接：地址以 wss:// 或 https:// 开头",
    }
    port_for_websocket(why) {
        en: "This port is for MQTT over WebSocket: use an MQTT client here. {why}",
        zh: "此端口用于经 WebSocket 的 MQTT：请在此使用 MQTT 客户端。{why}",
    }
    websocket(what) { en: "WebSocket: {what}", zh: "WebSocket 出错：{what}" }
    no_request() {
        en: "the first bytes are no HTTP request; plain MQTT perhaps",
        zh: "最先收到的不是 HTTP 请求；可能是不经 WebSocket 的 MQTT",
    }
    web_page(origin) {
        en: "web pages of {origin} may not connect: allowed_origins of the listener does not have it",
        zh: "来自 {origin} 的网页不得连接：它不在监听器的 allowed_origins 中",
    }
    web_page_told(origin, how) {
        en: "Web pages of {origin} may not connect: {how}", zh: "来自 {origin} 的网页不得连接：{how}",
    }
    origins_allowed() {
        en: "allowed_origins of this listener names those that may",
        zh: "此监听器的 allowed_origins 列出可以连接的来源",
    }
    request_too_long() { en: "The request is too long", zh: "请求过长" }
    other_path(asked, path) {
        en: "Nothing is served at {asked}; MQTT is at {path}", zh: "{asked} 处没有服务；MQTT 位于 {path}",
    }
    not_answerable() { en: "The request cannot be answered", zh: "无法应答该请求" }
    other_subprotocol() {
        en: "The WebSocket subprotocol has to be mqtt", zh: "WebSocket 子协议必须是 mqtt",
    }
    websocket_rule(what) { en: "WebSocket protocol error: {what}", zh: "不符合 WebSocket 协议：{what}" }
    only_get() {
        en: "Unsupported HTTP method used - only GET is allowed", zh: "HTTP 方法只能是 GET",
    }
    http_version() { en: "HTTP version must be 1.1 or higher", zh: "HTTP 版本必须是 1.1 或更高" }
    no_header(header) { en: "No {header} header", zh: "没有 {header} 头部" }
    text_frame() {
        en: "a text frame, where MQTT wants binary frames", zh: "收到文本帧，而 MQTT 要求二进制帧",
    }
    header_without_end() { en: "a frame header that does not end", zh: "帧头没有结束" }
    header_not_valid() { en: "a frame header that is not valid", zh: "帧头无效" }
    frame_reserved() { en: "a frame with reserved bits set", zh: "帧的保留位被置位" }
    frame_unmasked() { en: "a frame that is not masked", zh: "帧没有掩码" }
    frame_out_of_order() { en: "a data frame out of order", zh: "数据帧顺序错误" }
    frame_unknown() { en: "a control frame of an unknown kind", zh: "未知类型的控制帧" }
    control_frame() { en: "a control frame that is too long or in parts", zh: "控制帧过长或被分片" }

    packet_ends() { en: "the packet ends in the middle of a field", zh: "报文在字段中间结束" }
    packet_goes_on() {
        en: "bytes follow the last field of the packet", zh: "报文最后一个字段之后还有数据",
    }
    packet_type(number) {
        en: "packet type {number} does not exist in this version of MQTT", zh: "此版本的 MQTT 没有报文类型 {number}",
    }
    header_flags(flags) {
        en: "fixed header flags {flags} are not the ones the standard lists for this packet",
        zh: "固定报头的标志 {flags} 不是标准为此报文规定的值",
    }
    integer_too_long() {
        en: "a variable byte integer is longer than four bytes", zh: "变长字节整数超过四个字节",
    }
    integer_not_shortest() {
        en: "a variable byte integer is not in its shortest form", zh: "变长字节整数不是最短形式",
    }
    packet_too_large(size, limit) {
        en: "the packet has {size} bytes, more than the limit of {limit}", zh: "报文有 {size} 字节，超过上限 {limit}",
    }
    string_not_utf8() { en: "a string is not well-formed UTF-8", zh: "字符串不是有效的 UTF-8" }
    string_nul() { en: "a string holds the character U+0000", zh: "字符串含有字符 U+0000" }
    qos_three() { en: "QoS 3 does not exist", zh: "不存在 QoS 3" }
    dup_at_qos_zero() { en: "DUP is set on a QoS 0 PUBLISH", zh: "QoS 0 的 PUBLISH 带有 DUP" }
    packet_id_zero() { en: "the packet id is 0", zh: "报文标识符为 0" }
    reserved_bits(place) { en: "reserved bits are set in {place}", zh: "{place}的保留位被置位" }
    connect_flags() { en: "the connect flags", zh: "连接标志" }
    connack_flags() { en: "the connect acknowledge flags", zh: "连接确认标志" }
    subscription_options() { en: "the subscription options", zh: "订阅选项" }
    protocol_name() {
        en: "the protocol name is neither MQTT nor MQIsdp", zh: "协议名既不是 MQTT 也不是 MQIsdp",
    }
    protocol_level(level) {
        en: "protocol level {level} is not supported: use 3, 4 or 5", zh: "不支持协议级别 {level}：请使用 3、4 或 5",
    }
    will_flags() {
        en: "Will QoS or Will Retain is set but the Will Flag is not",
        zh: "设置了 Will QoS 或 Will Retain，却没有设置 Will Flag",
    }
    password_alone() { en: "a password came without a user name", zh: "有密码却没有用户名" }
    property_not_allowed(property) { en: "property {property} is not allowed in this packet", zh: "此报文不能带属性 {property}" }
    property_unknown(property) { en: "property {property} does not exist", zh: "不存在属性 {property}" }
    property_twice(property) { en: "property {property} came twice", zh: "属性 {property} 出现了两次" }
    property_value(property) {
        en: "property {property} has a value that the standard forbids", zh: "属性 {property} 的值是标准禁止的",
    }
    data_without_method() {
        en: "Authentication Data came without an Authentication Method",
        zh: "有 Authentication Data 却没有 Authentication Method",
    }
    reason_code(code) {
        en: "reason code {code} is not allowed in this packet", zh: "此报文不能带原因码 {code}",
    }
    alias_zero() { en: "the topic alias is 0", zh: "主题别名为 0" }
    no_filter() { en: "the packet has no topic filter", zh: "报文中没有主题过滤器" }
    refusal_with_session() {
        en: "a refusal says that a session is present", zh: "拒绝连接的应答却声明存在会话",
    }
    auth_no_method() { en: "AUTH has no Authentication Method", zh: "AUTH 没有 Authentication Method" }
    subscription_qos_three() {
        en: "a subscription asks for QoS 3, which does not exist", zh: "订阅请求的 QoS 3 不存在",
    }
    retain_handling_three() { en: "Retain Handling 3 does not exist", zh: "不存在 Retain Handling 3" }
    websocket_place(scheme, port, path) {
        en: "{scheme}, port {port}, path {path}", zh: "{scheme}（端口 {port}，路径 {path}）",
    }
    refused_at(packet, at, fault) {
        en: "{packet} refused at byte {at}: {fault}", zh: "{packet} 在第 {at} 字节处被拒绝：{fault}",
    }
}

columba_speech::catalogue! {
    /// What stands around a sentence.
    pub AROUND;

    of_filter(filter, why) { en: "{filter}: {why}", zh: "{filter}：{why}" }
}

/// What the broker noted, which may be nothing.
pub fn noted(detail: &str) -> Param {
    if let Some(text) = recognise(ALL, detail) {
        return text.into();
    }
    // SUBACK says which of its filters it means.
    let parts = detail
        .match_indices(": ")
        .map(|(at, _)| detail.split_at(at));
    let mut said = parts.filter_map(|(filter, why)| {
        let why = recognise(ALL, why.strip_prefix(": ")?)?;
        Some(of_filter(filter, why).into())
    });
    said.next().unwrap_or_else(|| detail.into())
}

/// Whether a sentence is one of these.
pub(crate) fn is_noted(text: &Text) -> bool {
    matches!(noted(&text.to_string(Language::English)), Param::Text(found) if found == *text)
}

#[cfg(test)]
mod tests;
