//! What `columba context` says.

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    /// After `add`.
    added(name, file) {
        en: "Context {name} is written to {file}, for your eyes only.",
        zh: "上下文 {name} 已写入 {file}，仅你可读。",
    }
    /// After `add`, when it is not in use.
    how_to_use(name) {
        en: "Use it once with --context {name}, or from now on with `columba context use {name}`.",
        zh: "单次使用：--context {name}；今后一直使用：columba context use {name}。",
    }
    /// After `use`.
    in_use(name, server) {
        en: "Commands now go to {server} (context {name}) unless they name a server.",
        zh: "从现在起，没有指明服务器的命令都连接 {server}（上下文 {name}）。",
    }
    /// After `use --none`.
    none_in_use() {
        en: "No context is in use.",
        zh: "当前没有使用任何上下文。",
    }
    /// After `remove`.
    removed(name) { en: "Context {name} is removed.", zh: "上下文 {name} 已删除。" }
    head_name() { en: "NAME", zh: "名称" }
    head_server() { en: "SERVER", zh: "服务器" }
    head_user() { en: "USER", zh: "用户" }
    head_api() { en: "API", zh: "管理接口" }
    /// For `list` without any.
    there_are_none() {
        en: "There are no contexts. Make one: columba context add NAME --url mqtts://HOST -u USER --password",
        zh: "还没有上下文。创建一个：columba context add 名称 --url mqtts://主机 -u 用户 --password",
    }
    /// `check`: the MQTT server answered.
    connected(server, version, client, time) {
        en: "mqtt  ok   {server} accepts, MQTT {version}, client id {client}, {time}",
        zh: "mqtt  正常  {server} 接受连接，MQTT {version}，客户端 ID {client}，用时 {time}",
    }
    /// `check`: it did not, or refused.
    not_connected(why) { en: "mqtt  fails  {why}", zh: "mqtt  失败  {why}" }
    /// `check`: the management API answered.
    api_answers(broker) { en: "api   ok   {broker}", zh: "api   正常  {broker}" }
    /// `check`: it did not.
    api_fails(why) { en: "api   fails  {why}", zh: "api   失败  {why}" }
    the_password() { en: "the password", zh: "密码" }
    the_token() { en: "the token", zh: "令牌" }
    /// On the terminal, before it is typed.
    asked(what) { en: "Type {what}: ", zh: "请输入{what}：" }
    unread(what, error) { en: "cannot read {what}: {error}", zh: "无法读取{what}：{error}" }
    no_terminal(what) { en: "there is no terminal to ask for {what}", zh: "没有可以询问{what}的终端" }
    give_secret(option) {
        en: "use --{option}-stdin or --{option}-file", zh: "请使用 --{option}-stdin 或 --{option}-file",
    }
    no_secret(what) {
        en: "{what} is empty, or longer than MQTT can carry", zh: "{what}为空，或超过 MQTT 允许的长度",
    }
    secret_no_utf_8(what) { en: "{what} is no UTF-8", zh: "{what}不是 UTF-8" }
    no_host(host) {
        en: "'{host}' is no host: a port stands behind -p, a whole URL behind --url",
        zh: "“{host}”不是主机：端口写在 -p 之后，完整的 URL 写在 --url 之后",
    }
    no_path(error) { en: "not a path: {error}", zh: "不是路径：{error}" }
    /// A secret that is not shown.
    kept_secret() { en: "(set, not shown)", zh: "（已设置，不显示）" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sentence_is_whole_in_both_languages() {
        assert_eq!(columba_speech::faults(super::ALL), Vec::<String>::new());
    }
}
