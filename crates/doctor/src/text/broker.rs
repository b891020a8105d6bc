//! CONNECT, logins, subscriptions and how connections end.

columba_speech::catalogue! {
    /// Every sentence about the broker.
    pub ALL;

    connected(versions) { en: "accepts MQTT {versions}", zh: "MQTT {versions}，连接成功" }
    limits(list) { en: "offers {list}", zh: "服务器给出：{list}" }
    no_packet_limit() { en: "packets of any size", zh: "报文大小不限" }
    packet_limit(bytes) { en: "packets up to {bytes}", zh: "最大报文 {bytes}" }
    receive_window(count) { en: "receive maximum {count}", zh: "接收窗口 {count}" }
    keep_alive(time) { en: "keep alive {time}", zh: "心跳 {time}" }
    topic_aliases(count) { en: "{count} topic alias{count||es}", zh: "主题别名 {count} 个" }
    highest_qos(qos) { en: "QoS up to {qos}", zh: "最高 QoS {qos}" }
    no_retained() { en: "no retained messages", zh: "不支持保留消息" }
    no_wildcards() { en: "no wildcard subscriptions", zh: "不支持通配符订阅" }
    no_shared() { en: "no shared subscriptions", zh: "不支持共享订阅" }
    no_identifiers() { en: "no subscription identifiers", zh: "不支持订阅标识符" }
    version_refused(version, why) { en: "MQTT {version}: {why}", zh: "MQTT {version}：{why}" }
    only_version_3() {
        en: "without MQTT 5 the broker cannot tell a client that a message was refused",
        zh: "没有 MQTT 5，服务器无法告知客户端消息被拒绝",
    }
    connect_refused(version, reason) {
        en: "MQTT {version}: refused, CONNACK {reason}",
        zh: "MQTT {version}：被拒绝，CONNACK {reason}",
    }
    connect_failed(version, why) { en: "MQTT {version}: {why}", zh: "MQTT {version}：连接失败，{why}" }
    connect_failed_fix() {
        en: "look for this connection in the broker's log; a list of allowed addresses or client ids, or a full broker, looks like this",
        zh: "查看服务器日志中的这次连接；地址或客户端 ID 白名单、连接数已满都会这样",
    }
    not_tried() { en: "not tried", zh: "未尝试" }
    it_says(reason) { en: "it says: {reason}", zh: "服务器说明：{reason}" }
    client_id_fix() {
        en: "give a client id that the broker allows with -i ID",
        zh: "用 -i 指定服务器允许的客户端 ID",
    }
    version_fix() {
        en: "the broker knows neither version; try -V 31",
        zh: "服务器不认识这些版本；试试 -V 31",
    }
    try_later_fix() { en: "try again later", zh: "稍后重试" }
    quota_fix() {
        en: "a limit of the broker is reached: connect less often, or raise the limit",
        zh: "达到服务器限额：降低连接频率，或提高限额",
    }
    other_server_fix(server) { en: "connect to {server} instead", zh: "改连 {server}" }
    ask_for_server_fix() {
        en: "the broker has moved: ask its administrator where to",
        zh: "服务器已迁移：请向管理员询问新地址",
    }
    unix_socket(path) { en: "{path} (Unix socket)", zh: "{path}（Unix 套接字）" }

    anonymous_accepted() {
        en: "none given, and none needed: anonymous clients are let in",
        zh: "没有提供用户名，也不需要：允许匿名连接",
    }
    login_accepted(user) { en: "'{user}' accepted", zh: "“{user}”登录成功" }
    so_is_anonymous() {
        en: "a client without user name gets in as well: the broker may not check passwords at all",
        zh: "不带用户名也能登录：服务器可能根本没有检查密码",
    }
    password_in_the_open() {
        en: "the password goes over the network in the open; mqtts:// protects it",
        zh: "密码在网络上明文传输；用 mqtts:// 可以保护",
    }
    anonymous_refused() {
        en: "the broker takes no anonymous clients, and no user name was given",
        zh: "服务器不允许匿名连接，而这次没有提供用户名",
    }
    give_login_fix() { en: "give -u NAME -P PASSWORD", zh: "用 -u 用户名 -P 密码 登录" }
    allow_anonymous_fix() {
        en: "or let everybody in: Mosquitto 2 needs 'allow_anonymous true' beside 'listener'; Columba 'anonymous = \"always\"' in its listener",
        zh: "或允许匿名：Mosquitto 2 需要在 listener 之外加“allow_anonymous true”；Columba 在监听器中设置 anonymous = \"always\"",
    }
    login_wrong() {
        en: "the broker says that user name or password is wrong",
        zh: "服务器明确表示用户名或密码错误",
    }
    login_wrong_anonymous_right() {
        en: "a client without user name is accepted, so it is this user name or password that is wrong or not allowed",
        zh: "不带用户名能连上，所以问题在于这个用户名或密码（错误或无权限）",
    }
    login_or_right() {
        en: "this broker may mean a wrong password (Mosquitto and others answer so) or a user, client id or address that may not connect",
        zh: "可能是密码错误（Mosquitto 等会这样应答），也可能是该用户、客户端 ID 或地址无权连接",
    }
    login_fix() {
        en: "check user name and password, and the broker's log, which knows which of the two it was",
        zh: "核对用户名和密码，并查看服务器日志（日志会写明具体原因）",
    }
    login_case_fix() {
        en: "both are compared with case; a user added with mosquitto_passwd counts only after a reload",
        zh: "两者都区分大小写；用 mosquitto_passwd 添加的用户要重新加载后才生效",
    }
    banned_fix() {
        en: "the broker has banned this client or address: ask its administrator, or wait",
        zh: "服务器封禁了该客户端或地址：联系管理员，或等待解封",
    }
    authentication_method_fix() {
        en: "the broker wants another authentication method: give it with -D connect authentication-method NAME",
        zh: "服务器要求其他认证方法：用 -D connect authentication-method 名称 指定",
    }
    password_ends_in_line_break() {
        en: "the password ends in a line break, as passwords from files do: cut it off",
        zh: "密码末尾有换行符（从文件读取时常见）：请去掉",
    }
    password_has_space() {
        en: "the password begins or ends with a space",
        zh: "密码开头或结尾有空格",
    }
    password_missing() { en: "there is no password", zh: "没有密码" }
    password_has_shell_characters() {
        en: "the password has $, ! or \\, which a shell changes unless it stands in single quotes",
        zh: "密码含有 $、! 或 \\，不加单引号时会被 shell 改写",
    }
    login_full_width() {
        en: "user name or password has full-width characters",
        zh: "用户名或密码中有全角字符",
    }
    user_has_space() {
        en: "the user name begins or ends with a space",
        zh: "用户名开头或结尾有空格",
    }

    refused(reason) { en: "refused, {reason}", zh: "被拒绝，{reason}" }
    disconnected(reason) {
        en: "the broker disconnected: {reason}",
        zh: "服务器断开连接：{reason}",
    }
    closed_before_connack() {
        en: "the broker closed the connection without a CONNACK",
        zh: "服务器没有返回 CONNACK 就关闭了连接",
    }
    closed() {
        en: "the connection was closed without a word",
        zh: "连接被关闭，没有任何说明",
    }
    no_connack() { en: "no CONNACK in time", zh: "没有及时收到 CONNACK" }
    no_pingresp() { en: "no PINGRESP in time", zh: "没有及时收到 PINGRESP" }
    no_answer(time) { en: "no answer within {time}", zh: "{time}内没有应答" }
    no_transport_in_time() { en: "no connection in time", zh: "未能及时建立连接" }
    no_transport(why) { en: "no connection: {why}", zh: "无法建立连接：{why}" }
    broke_protocol(why) {
        en: "the broker broke the protocol: {why}",
        zh: "服务器违反了协议：{why}",
    }
    packet_too_large_for(size, limit) {
        en: "the packet has {size}, and the broker announced a limit of {limit}",
        zh: "报文为 {size}，而服务器声明的上限是 {limit}",
    }
    qos_above(qos) {
        en: "the broker announced QoS {qos} as its highest",
        zh: "服务器声明的最高 QoS 是 {qos}",
    }
    retain_not_available() {
        en: "the broker announced that it keeps no retained messages",
        zh: "服务器声明不支持保留消息",
    }
    not_sent(why) { en: "not sent: {why}", zh: "未发送：{why}" }

    subscribed(filter, qos) { en: "{filter} granted at QoS {qos}", zh: "{filter} 订阅成功，QoS {qos}" }
    subscription_lowered(filter, granted, wanted) {
        en: "{filter} granted at QoS {granted} instead of {wanted}",
        zh: "{filter} 的 QoS 从 {wanted} 降为 {granted}",
    }
    subscription_lowered_note() {
        en: "messages come at the lower of both; a session without a connection keeps only QoS 1 and 2",
        zh: "消息按两者中较低的 QoS 投递；离线会话只保留 QoS 1 和 2 的消息",
    }
    subscription_refused(filter, reason) {
        en: "{filter} refused: SUBACK {reason}",
        zh: "{filter} 被拒绝：SUBACK {reason}",
    }
    subscription_failed(filter, why) { en: "{filter}: {why}", zh: "{filter}：{why}" }
    subscription_not_authorized_fix() {
        en: "let the administrator allow this user to subscribe to it",
        zh: "请管理员为该用户添加订阅权限",
    }
    subscription_unspecified() {
        en: "0x80 says no more; nearly always it means that this user may not subscribe to it",
        zh: "0x80 不说明原因；绝大多数情况是该用户没有订阅权限",
    }
    subscription_closed() {
        en: "some brokers close the connection where a subscription is not allowed (AWS IoT among them)",
        zh: "有些服务器（如 AWS IoT）在无订阅权限时会直接断开连接",
    }
    subscription_invalid_fix() {
        en: "the broker does not take this filter: try one without wildcards, or a shorter one",
        zh: "服务器不接受该过滤器：试试不带通配符或更短的",
    }
    test_topic_fix(option) {
        en: "if this user may only use other topics, name one of them with {option}",
        zh: "如果该用户只能使用其他主题，用 {option} 指定",
    }
    wildcards_refused_fix() {
        en: "subscribe without wildcards, this broker has none",
        zh: "该服务器不支持通配符，请用不带通配符的订阅",
    }
    shared_refused_fix() {
        en: "subscribe without $share, this broker has no shared subscriptions",
        zh: "该服务器不支持共享订阅，请去掉 $share",
    }

    system_is(name) { en: "{name}", zh: "{name}" }
    system_unknown() {
        en: "it does not say what it is ($SYS is empty or not readable, which is normal)",
        zh: "没有表明身份（$SYS 为空或不可读，属正常情况）",
    }
}
