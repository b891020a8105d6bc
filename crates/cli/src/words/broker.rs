//! Why a broker cannot be asked through its management API, or what it answers makes no sense.

use columba_speech::Text;

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    context_without_api(name) {
        en: "the context `{name}` names no management API", zh: "上下文 `{name}` 没有指定管理接口",
    }
    add_api() {
        en: "add api = \"https://HOST:61680\" or dir = \"DIR\" to its file, which `columba context show` names",
        zh: "请在其文件（见 `columba context show`）中加入 api = \"https://主机:61680\" 或 dir = \"目录\"",
    }
    no_json(name, error) { en: "the answer of {name} is no JSON: {error}", zh: "{name} 的应答不是 JSON：{error}" }
    lost(name, error) { en: "the broker at {name} is lost: {error}", zh: "与 {name} 的 Broker 失去联系：{error}" }
    no_answer(name, error) { en: "no broker answers at {name}: {error}", zh: "{name} 没有 Broker 应答：{error}" }
    start_it(option) {
        en: "start it with `columba run`, name its directory with --dir, or use {option}",
        zh: "请用 `columba run` 启动它，用 --dir 指定其目录，或使用 {option}",
    }
    check_bind() {
        en: "check the URL, and `bind` under [admin] of the broker", zh: "请检查 URL，以及该 Broker 的 [admin] 下的 `bind`",
    }
    be_its_user(option) {
        en: "be the user that the broker runs as, or root; or use {option} and --token",
        zh: "请以运行 Broker 的用户或 root 身份执行；或使用 {option} 和 --token",
    }
    no_host(host) { en: "{host} is no name of a host", zh: "{host} 不是主机名" }
    says(detail) { en: "{detail}", zh: "Broker 回答：{detail}" }
    answers(name, status) { en: "the broker at {name} answers {status}", zh: "{name} 的 Broker 应答 {status}" }
    make_token() {
        en: "make a token with `columba token add`, and name it with COLUMBA_TOKEN",
        zh: "请用 `columba token add` 创建令牌，并放入 COLUMBA_TOKEN",
    }
    no_instance(dir, error) { en: "there is no instance in {dir}: {error}", zh: "{dir} 中没有实例：{error}" }
    none_runs(dir) {
        en: "there is no instance in {dir}, and no broker of this user runs on this machine",
        zh: "{dir} 中没有实例，本机也没有该用户的 Broker 在运行",
    }
    several_run(instances) {
        en: "several brokers run on this machine: {instances}", zh: "本机运行着多个 Broker：{instances}",
    }
    name_its_dir(option) {
        en: "name its directory with --dir, or a broker elsewhere with {option}",
        zh: "请用 --dir 指定其目录，或用 {option} 指定别处的 Broker",
    }
    no_api() { en: "the instance has no management API", zh: "该实例没有启用管理接口" }
    enable_it(file) {
        en: "write enabled = true under [admin] in {file}", zh: "请在 {file} 的 [admin] 下写 enabled = true",
    }
    no_url(url) { en: "`{url}` is no URL of a management API", zh: "`{url}` 不是管理接口的 URL" }
    write_url() {
        en: "write it as http://HOST:61680 or https://HOST:61680",
        zh: "请写成 http://主机:61680 或 https://主机:61680",
    }

    no_http() { en: "the answer is no HTTP", zh: "应答不是 HTTP" }
    answer_too_large() { en: "the answer is too large", zh: "应答过大" }

    no_signals(error) { en: "cannot listen for signals: {error}", zh: "无法监听信号：{error}" }
    stream_ended() { en: "the stream has ended", zh: "事件流已结束" }
    stream_ended_at_once() {
        en: "the broker ended the stream at once", zh: "Broker 立即结束了事件流",
    }
    stream_ends(why) { en: "the stream ends: {why}", zh: "事件流结束：{why}" }
    no_reason() { en: "it does not say why", zh: "没有说明原因" }
    other_file() {
        en: "name another file, one that is not there yet", zh: "请指定另一个尚不存在的文件",
    }
}

/// The end of a stream that the broker announces.
pub(crate) fn announced(why: Option<&str>) -> Text {
    match why {
        Some(why) => stream_ends(crate::events::printable(why)),
        None => stream_ends(no_reason()),
    }
}
