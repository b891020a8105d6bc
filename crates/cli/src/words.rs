//! What the commands that connect as a client say of errors, in the language of whoever reads. Called
//! by the names of Mosquitto's clients the program speaks English, as they do.

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod client_page;
pub(crate) mod command_line;
pub(crate) mod decoding;
pub(crate) mod faults;
pub(crate) mod help;
pub(crate) mod instance;
pub(crate) mod problem;
pub(crate) mod recording;
mod refusal;
pub(crate) mod scenario;
pub(crate) mod shown;
pub(crate) mod start;
pub(crate) mod store;
mod tls;
pub(crate) mod toml_file;
pub(crate) mod value;

pub(crate) use refusal::{code, refused_filter, refused_publish};
pub(crate) use value::Said;

/// What the system says, or what was put into its error here.
pub(crate) fn system(error: &std::io::Error) -> columba_speech::Param {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<Said>()) {
        Some(said) => said.0.clone(),
        None => columba_speech::system(error),
    }
}

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    /// Around an error.
    error(what) { en: "Error: {what}.", zh: "错误：{what}。" }
    /// Around a warning.
    warning(what) { en: "Warning: {what}.", zh: "警告：{what}。" }
    /// Around a failure of the commands about instances and contexts.
    failed(what) { en: "error: {what}", zh: "错误：{what}" }
    /// What happened, and what to do.
    with_fix(what, fix) { en: "{what}; {fix}", zh: "{what}；{fix}" }
    /// What happened, and what the system says.
    with_cause(what, cause) { en: "{what} ({cause})", zh: "{what}（{cause}）" }
    /// A file, and what is wrong with it.
    of_file(file, what) { en: "{file}: {what}", zh: "{file}：{what}" }

    /// How much is wrong in files.
    faults(errors, warnings) {
        en: "{errors} {errors|error|errors}, {warnings} {warnings|warning|warnings}",
        zh: "{errors} 个错误，{warnings} 个警告",
    }

    no_topic() { en: "there is no topic: add -t TOPIC", zh: "缺少主题：请用 -t 主题 指定" }
    /// -t of something that publishes.
    not_a_topic(topic, why) {
        en: "invalid topic '{topic}': {why}", zh: "主题“{topic}”无效：{why}",
    }
    /// -t of something that subscribes.
    not_a_filter(filter, why) {
        en: "invalid topic filter '{filter}': {why}", zh: "主题过滤器“{filter}”无效：{why}",
    }
    response_topic_with_wildcard(topic) {
        en: "'{topic}' is no Response Topic: -e takes a topic without the wildcards + and #",
        zh: "“{topic}”不能作为响应主题：-e 的值是不含通配符 + 和 # 的主题",
    }
    no_filter() {
        en: "there is no topic filter: add -t FILTER",
        zh: "缺少主题过滤器：请用 -t 过滤器 指定",
    }
    why_only_here() {
        en: "--why belongs to `columba pub`", zh: "--why 只能用于 `columba pub`",
    }
    explain_only_here() {
        en: "--explain belongs to `columba sub`", zh: "--explain 只能用于 `columba sub`",
    }
    belongs_to(option) {
        en: "--api, --dir and --token belong to {option}",
        zh: "--api、--dir 和 --token 须与 {option} 一起使用",
    }
    repeat_delay() {
        en: "--repeat-delay takes seconds of 0 or more",
        zh: "--repeat-delay 的值是不小于 0 的秒数",
    }
    stdin_empty() {
        en: "stdin is empty; a message of no bytes is sent with -n",
        zh: "标准输入为空；要发送空消息请用 -n",
    }
    stdin_unreadable(error) {
        en: "cannot read stdin: {error}", zh: "无法读取标准输入：{error}",
    }
    stdin_too_large(limit) {
        en: "what stdin gives is more than the {limit} bytes that a packet can carry",
        zh: "标准输入的内容超过一个报文所能携带的 {limit} 字节",
    }
    file_too_large(file, limit) {
        en: "{file} is larger than the {limit} bytes that a packet can carry",
        zh: "{file} 超过一个报文所能携带的 {limit} 字节",
    }
    unreadable(file, error) { en: "cannot read {file}: {error}", zh: "无法读取 {file}：{error}" }
    unwritable(file, error) { en: "cannot write {file}: {error}", zh: "无法写入 {file}：{error}" }
    cannot_print(error) { en: "cannot print: {error}", zh: "无法输出：{error}" }
    cannot_start(error) { en: "cannot start: {error}", zh: "无法启动：{error}" }
    no_terminal(error) { en: "cannot use the terminal: {error}", zh: "无法使用终端：{error}" }
    expiry_needs_version_5() {
        en: "-x, --session-expiry-interval, needs MQTT 5: leave it out, or the other version",
        zh: "-x（--session-expiry-interval）需要 MQTT 5：请去掉它，或去掉另一个协议版本",
    }
    keeps_needs_id() {
        en: "-c keeps a session, which needs a client id: add -i ID",
        zh: "-c 会保留会话，需要客户端 ID：请用 -i ID 指定",
    }
    not_published(topic, why) {
        en: "the message to '{topic}' was not published: {why}",
        zh: "发往“{topic}”的消息未能发布：{why}",
    }
    nobody_subscribes(topic) {
        en: "the server took it, but nobody subscribes to {topic}",
        zh: "服务器已收下消息，但没有客户端订阅 {topic}",
    }
    nobody_answers(topic) {
        en: "the server took the request, but nobody subscribes to {topic}",
        zh: "服务器已收下请求，但没有客户端订阅 {topic}",
    }
    lines_lost(lines) {
        en: "{lines} {lines|line was|lines were} not sent, because there was no connection and QoS 0 does not wait for one; -q 1 does",
        zh: "有 {lines} 行因没有连接而未发送，因为 QoS 0 不等待连接；用 -q 1 会等待",
    }
    left_unanswered(messages) {
        en: "{messages} {messages|message was|messages were} left without an answer",
        zh: "有 {messages} 条消息没有得到应答",
    }
    no_properties() {
        en: "MQTT 3 has no properties: the messages are sent without theirs",
        zh: "MQTT 3 没有属性：消息将不带属性发送",
    }
    fate_untold(why) {
        en: "cannot tell what becomes of the message: {why}",
        zh: "无法得知消息的去向：{why}",
    }
    fate_other_broker(name) {
        en: "only Columba can be asked, and this broker seems to be {name}; `columba doctor` examines the way through any broker",
        zh: "只能询问 Columba，而该 Broker 似乎是 {name}；`columba doctor` 可检查经由任意 Broker 的消息",
    }
    fate_which_instance(name, dir) {
        en: "this broker seems to be {name}, but nothing says which instance it is, and there is none in {dir}: name its directory with --dir, or its management API with --api http://HOST:61680",
        zh: "该 Broker 似乎是 {name}，但没有指明是哪个实例，{dir} 中也没有：请用 --dir 指定其目录，或用 --api http://主机:61680 指定其管理接口",
    }
    fate_no_instance(dir) {
        en: "only Columba can be asked, and there is no instance in {dir}: name its directory with --dir, or its management API with --api http://HOST:61680; `columba doctor` examines the way through any broker",
        zh: "只能询问 Columba，而 {dir} 中没有实例：请用 --dir 指定其目录，或用 --api http://主机:61680 指定其管理接口；`columba doctor` 可检查经由任意 Broker 的消息",
    }
    timed_out() { en: "Timed out: -W has run out", zh: "超时：-W 规定的时间已到" }
    no_response(seconds) {
        en: "Timed out: no response came within {seconds} s",
        zh: "超时：{seconds} 秒内没有收到响应",
    }
    cannot_subscribe(why) { en: "cannot subscribe: {why}", zh: "无法订阅：{why}" }
    cannot_unsubscribe(why) { en: "cannot unsubscribe: {why}", zh: "无法取消订阅：{why}" }
    cannot_subscribe_to_response(why) {
        en: "cannot subscribe to the response topic: {why}", zh: "无法订阅响应主题：{why}",
    }
    cannot_request(why) { en: "cannot publish the request: {why}", zh: "无法发布请求：{why}" }
    cannot_wait(why) { en: "cannot wait for the response: {why}", zh: "无法等待响应：{why}" }
    not_unsubscribed(filter, code) {
        en: "the server did not unsubscribe '{filter}': {code}",
        zh: "服务器没有取消对“{filter}”的订阅：{code}",
    }
    all_refused() { en: "all subscriptions were refused", zh: "所有订阅均被拒绝" }
    connecting_again(why) { en: "{why}; connecting again", zh: "{why}；正在重新连接" }
    /// Of a connection that is over before SUBACK has come.
    ended_for_filter(why, filter, character) {
        en: "{why}, before the server answered the subscription: the topic filter {filter} holds the control character {character}, for which servers may end the connection; take it out of the filter",
        zh: "{why}，而服务器尚未答复订阅：主题过滤器 {filter} 中有控制字符 {character}，服务器可能因此断开连接；请去掉该字符",
    }
    connecting_again_unanswered(why) {
        en: "{why}, before the server answered the subscription: it may have ended the connection for it, its log says why; connecting again",
        zh: "{why}，而服务器尚未答复订阅：可能正是因此断开，原因见其日志；正在重新连接",
    }
    removals_full(topic, waiting) {
        en: "cannot remove '{topic}' and others: {waiting} removals wait for the server; run it again for the rest",
        zh: "无法清除“{topic}”等保留消息：已有 {waiting} 个清除请求在等待服务器；其余的请再次运行",
    }
    no_scenario(name, known) {
        en: "there is no scenario '{name}'; the built-in ones are {known}; others are files",
        zh: "没有名为“{name}”的场景；内置场景有 {known}；其他场景请给出文件",
    }
    scenario_too_large() { en: "it is too large for a scenario", zh: "文件过大，不是场景文件" }
    scenario_has_will() {
        en: "the scenario says who has a Will: leave --will-topic out",
        zh: "遗嘱由场景决定：请去掉 --will-topic",
    }
    scenario_has_ids() {
        en: "the scenario says what the clients are called: -I PREFIX goes before that, -i ID does not",
        zh: "客户端名称由场景决定：可以用 -I 前缀，不能用 -i ID",
    }

    context_names_no_server(name) {
        en: "the context '{name}' names no MQTT server; give it url = \"mqtt://HOST\", or name the server with -h",
        zh: "上下文“{name}”没有 MQTT 服务器；请在其中加入 url = \"mqtt://主机\"，或用 -h 指定服务器",
    }
    mosquitto_context() {
        en: "Mosquitto's clients know no --context", zh: "Mosquitto 的客户端没有 --context",
    }
    call_columba() { en: "call this program `columba`", zh: "请用 `columba` 调用本程序" }
    no_home() {
        en: "there is no home directory for contexts", zh: "没有存放上下文的主目录",
    }
    set_home() { en: "set HOME or XDG_CONFIG_HOME", zh: "请设置 HOME 或 XDG_CONFIG_HOME" }
    secret_in_quotes() { en: "write a text in quotes", zh: "请用引号括起文本" }
    over_bytes(bytes) { en: "it has more than {bytes} bytes", zh: "超过 {bytes} 字节" }
    context_unknown(name) { en: "there is no context `{name}`", zh: "没有名为 `{name}` 的上下文" }
    context_near(near) { en: "did you mean `{near}`?", zh: "是不是 `{near}`？" }
    context_make(name) {
        en: "make it: columba context add {name} --url mqtt://HOST",
        zh: "创建它：columba context add {name} --url mqtt://主机",
    }
    contexts_known(names) { en: "the contexts are: {names}", zh: "现有上下文：{names}" }
    context_exists(name) {
        en: "there is a context `{name}` already", zh: "上下文 `{name}` 已存在",
    }
    context_replace(file) {
        en: "--force replaces it, or edit {file}", zh: "用 --force 覆盖它，或编辑 {file}",
    }
    context_gone(name) {
        en: "the context in use, `{name}`, is gone", zh: "当前使用的上下文 `{name}` 已不存在",
    }
    context_choose() {
        en: "columba context use NAME, or columba context use --none",
        zh: "columba context use 名称，或 columba context use --none",
    }
    context_bad_name(name) {
        en: "`{name}` is no name of a context", zh: "`{name}` 不能用作上下文名称",
    }
    context_good_name(bytes) {
        en: "use letters, digits, `-`, `_` and `.`, {bytes} bytes at most",
        zh: "请使用字母、数字、`-`、`_` 和 `.`，最多 {bytes} 个字节",
    }
    context_none_in_use() { en: "no context is in use", zh: "当前没有使用任何上下文" }
    context_name_one() {
        en: "name one, or choose one with `columba context use NAME`",
        zh: "请指定一个，或用 `columba context use 名称` 选择一个",
    }
    context_open_to_others(file, mode) {
        en: "other users may read or change {file}, which can hold a password (mode {mode})",
        zh: "其他用户可以读取或修改 {file}，其中可能有密码（权限 {mode}）",
    }
    check_permissions() {
        en: "check the permissions of its directory", zh: "请检查其目录的权限",
    }
    context_two_ways(names) {
        en: "{names} are two ways to say one thing: leave one",
        zh: "{names} 说的是同一件事：只保留一个",
    }
    context_no_topic() {
        en: "a context names a server, not a topic: end the URL behind host and port",
        zh: "上下文指定的是服务器，而不是主题：URL 应止于主机和端口",
    }
    context_needs_both() {
        en: "cert and key belong together: name both", zh: "cert 和 key 必须同时给出",
    }
    context_needs_user() {
        en: "there is a password without a user", zh: "有密码但没有用户名",
    }
    context_empty() {
        en: "it names no server: give it url, unix, api or dir",
        zh: "没有指定服务器：请给出 url、unix、api 或 dir",
    }

    url_unusable(url, why) { en: "'{url}' is not a usable URL: {why}", zh: "“{url}”不是可用的 URL：{why}" }
    url_start() {
        en: "it starts with mqtt://, mqtts://, ws:// or wss://",
        zh: "应以 mqtt://、mqtts://、ws:// 或 wss:// 开头",
    }
    url_schemes() {
        en: "the schemes are mqtt, mqtts, ws and wss", zh: "协议只能是 mqtt、mqtts、ws 或 wss",
    }
    url_percent() {
        en: "a % stands before two hexadecimal digits", zh: "% 后面应是两位十六进制数字",
    }
    url_port() {
        en: "the port is a number up to 65535", zh: "端口是不超过 65535 的数字",
    }
    url_no_host() { en: "there is no host in it", zh: "其中没有主机名" }

    property_words() {
        en: "-D takes PACKET NAME VALUE, or PACKET user-property NAME VALUE",
        zh: "-D 的用法是：报文 名称 值，或 报文 user-property 名称 值",
    }
    property_no_utf_8(name, byte, position) {
        en: "-D: the value of {name} is not UTF-8: byte {position} is {byte}",
        zh: "-D：{name} 的值不是 UTF-8：第 {position} 个字节为 {byte}",
    }
    property_number(name, value) {
        en: "{name} takes a number in its range, not '{value}'",
        zh: "{name} 的值应是其范围内的数字，而不是“{value}”",
    }
    property_flag(name, value) {
        en: "{name} is 0 or 1, not '{value}'", zh: "{name} 只能是 0 或 1，而不是“{value}”",
    }
    property_packet(packet) {
        en: "-D {packet}: the packets are connect, publish, subscribe, unsubscribe, disconnect and will",
        zh: "-D {packet}：报文只能是 connect、publish、subscribe、unsubscribe、disconnect 或 will",
    }
    property_auth() {
        en: "-D auth: this property is not supported for auth, as with Mosquitto's clients; the method and first data of enhanced authentication go with -D connect",
        zh: "-D auth：与 Mosquitto 的客户端一样，不支持 auth 的属性；增强认证的方法和初始数据请用 -D connect",
    }
    property_needs_method() {
        en: "-D connect authentication-data says nothing without -D connect authentication-method",
        zh: "-D connect authentication-data 须与 -D connect authentication-method 一起使用",
    }
    property_name(packet, name) {
        en: "-D {packet} {name}: {packet} has no such property",
        zh: "-D {packet} {name}：{packet} 没有这个属性",
    }

    no_cipher(name, known) {
        en: "--ciphers: this client has no '{name}'; of TLS 1.2 it has {known}, and TLS 1.3 has its own",
        zh: "--ciphers：本客户端没有“{name}”；TLS 1.2 的套件有 {known}，TLS 1.3 使用自己的套件",
    }
    no_psk() {
        en: "--psk: rustls has no TLS with pre-shared keys; use certificates: --cafile for the server's, --cert and --key for the client's",
        zh: "--psk：rustls 不支持预共享密钥的 TLS；请使用证书：服务器的用 --cafile，客户端的用 --cert 和 --key",
    }
    no_srv() {
        en: "-S: this client looks up no SRV records; ask for them with `host -t SRV _mqtt._tcp.DOMAIN` (with TLS _secure-mqtt._tcp.DOMAIN) and give what it says: -h HOST -p PORT",
        zh: "-S：本客户端不查询 SRV 记录；请用 `host -t SRV _mqtt._tcp.域名`（TLS 用 _secure-mqtt._tcp.域名）查询，再以 -h 主机 -p 端口 给出结果",
    }
    no_engine() {
        en: "--tls-engine: engines belong to OpenSSL, and this client uses rustls; give the key as a PEM file with --key",
        zh: "--tls-engine：引擎属于 OpenSSL，而本客户端使用 rustls；请用 --key 给出 PEM 格式的密钥文件",
    }
    no_keyform() {
        en: "--keyform: keys are read from PEM files only; say pem",
        zh: "--keyform：只能读取 PEM 格式的密钥文件；请写 pem",
    }
}

/// A character that is not seen, by its number.
pub(crate) fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_whole_in_both_languages() {
        for all in [
            super::ALL,
            super::bench::ALL,
            super::bench::SAID,
            super::broker::ALL,
            super::client::ALL,
            super::client_page::ALL,
            super::decoding::ALL,
            super::faults::ALL,
            super::command_line::ALL,
            super::refusal::ALL,
            super::instance::ALL,
            super::problem::ALL,
            super::recording::ALL,
            super::scenario::ALL,
            super::shown::ALL,
            super::start::ALL,
            super::start::OWNERS,
            super::store::ALL,
            super::tls::ALL,
            super::toml_file::ALL,
            super::value::ALL,
        ] {
            assert_eq!(columba_speech::faults(all), [""; 0]);
        }
    }
}
