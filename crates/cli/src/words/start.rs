//! What `columba run`, `create`, `check`, `passwd` and `token` say when all goes well, and why a broker
//! does not start.

use columba_server::admin::AdminError;
use columba_server::log::LogError;
use columba_server::{StartError, TlsError};
use columba_speech::{Param, Text, recognise};

use super::tls::file_fault;
use super::{of_file, system};

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    no_instance(dir) { en: "there is no instance in {dir}", zh: "{dir} 中没有实例" }
    no_instance_yet(dir) { en: "There is no instance in {dir} yet.", zh: "{dir} 中还没有实例。" }
    made(dir) { en: "Made an instance in {dir}.", zh: "已在 {dir} 创建实例。" }
    user() { en: "user", zh: "用户" }
    password() { en: "password", zh: "密码" }
    nowhere_stored(command) {
        en: "The password is stored nowhere; `{command}` sets another one.",
        zh: "密码没有保存在任何地方；可用 `{command}` 另设一个。",
    }
    next() { en: "Next:", zh: "下一步：" }
    name() { en: "NAME", zh: "名称" }
    add_a_user() { en: "add a user", zh: "添加用户" }
    start_it() { en: "start the broker", zh: "启动 Broker" }

    running(version, base) { en: "Columba {version} is running: {base}", zh: "Columba {version} 正在运行：{base}" }
    by_password() { en: "with user and password", zh: "需要用户名和密码" }
    by_password_or_here() {
        en: "with user and password; from this machine without", zh: "需要用户名和密码；从本机连接则不需要",
    }
    open_to_all() { en: "everybody, without a password", zh: "任何人都可以连接，不需要密码" }
    store() { en: "Store", zh: "存储" }
    no_store() { en: "none: a restart begins empty", zh: "无：重启后一切从空开始" }
    api() { en: "API", zh: "管理接口" }
    listen_in() { en: "Listen in", zh: "查看消息" }
    add_user() { en: "Add a user", zh: "添加用户" }

    good(base, listeners, users, rules, faults) {
        en: "{base}: good. {listeners} {listeners|listener|listeners}, {users} {users|user|users}, {rules} access {rules|rule|rules}, {faults}.",
        zh: "{base}：没有问题。{listeners} 个监听器，{users} 个用户，{rules} 条访问规则，{faults}。",
    }
    faulty(base, faults) { en: "{base}: {faults}.", zh: "{base}：{faults}。" }

    user_removed(name) { en: "User `{name}` removed.", zh: "用户 `{name}` 已删除。" }
    user_added(name) {
        en: "User `{name}` added. A running broker knows within two seconds.",
        zh: "用户 `{name}` 已添加。运行中的 Broker 会在两秒内获知。",
    }
    user_changed(name) {
        en: "User `{name}` changed. A running broker knows within two seconds.",
        zh: "用户 `{name}` 已修改。运行中的 Broker 会在两秒内获知。",
    }
    token_made(name, scopes) {
        en: "Token `{name}` for {scopes}. It is stored nowhere: keep it now.",
        zh: "令牌 `{name}`，权限为 {scopes}。它没有保存在任何地方：请现在记下。",
    }
    no_tokens(dir) {
        en: "There are no tokens. Make one: columba token add {dir} NAME",
        zh: "还没有令牌。创建一个：columba token add {dir} 名称",
    }
    token_revoked(name) { en: "Token `{name}` revoked.", zh: "令牌 `{name}` 已吊销。" }
    never_ends() { en: "never ends", zh: "永不过期" }
    has_ended() { en: "has ended", zh: "已过期" }
    ends_in(time) { en: "ends in {time}", zh: "{time}后过期" }
    seconds(count) { en: "{count} s", zh: "{count} 秒" }
    minutes(count) { en: "{count} min", zh: "{count} 分钟" }
    hours(count) { en: "{count} h", zh: "{count} 小时" }
    days(count) { en: "{count} days", zh: "{count} 天" }
    pages(count, dir) { en: "{count} {count|page|pages} in {dir}", zh: "{dir} 中有 {count} 页" }

    of_listener(listener, what) { en: "listener {listener}: {what}", zh: "监听器 {listener}：{what}" }
    cannot_listen(address, error) {
        en: "cannot listen on {address}: {error}", zh: "无法在 {address} 上监听：{error}",
    }
    too_many_listeners(count) { en: "{count} listeners are too many", zh: "监听器过多（{count} 个）" }
    stopped() { en: "stopped while the store was being read", zh: "读取存储时被停止" }
    no_thread(error) { en: "cannot start a thread: {error}", zh: "无法启动线程：{error}" }
    of_admin(what) { en: "[admin]: {what}", zh: "管理接口（[admin]）：{what}" }
    other_bind() {
        en: "write another `bind` under [admin], or enabled = false", zh: "请在 [admin] 下另写 `bind`，或写 enabled = false",
    }
    other_socket() {
        en: "write another, shorter `socket` under [admin], or enabled = false",
        zh: "请在 [admin] 下另写一个更短的 `socket`，或写 enabled = false",
    }
    owner_listens(owner) {
        en: "{owner} listens there: stop it, or change `bind` of the listener, or add --listen 127.0.0.1:0 for any free port",
        zh: "{owner} 正在那里监听：请停止它，或修改监听器的 `bind`，或加上 --listen 127.0.0.1:0 使用任意空闲端口",
    }
    another_listens() {
        en: "another program listens there: stop it, or change `bind` of the listener, or add --listen 127.0.0.1:0 for any free port",
        zh: "另一个程序正在那里监听：请停止它，或修改监听器的 `bind`，或加上 --listen 127.0.0.1:0 使用任意空闲端口",
    }
    low_port() {
        en: "ports below 1024 are for root: take a higher one, or give the binary the capability cap_net_bind_service",
        zh: "1024 以下的端口只有 root 能用：请用更高的端口，或给程序文件加上 cap_net_bind_service 能力",
    }
    no_such_address() {
        en: "this machine has no such address: take one of its own, or 0.0.0.0",
        zh: "本机没有这个地址：请用本机的地址，或 0.0.0.0",
    }
    no_certificate() { en: "no certificate in it", zh: "其中没有证书" }
    keys_refused(certificate, key, why) {
        en: "certificate {certificate}, key {key}: {why}", zh: "证书 {certificate}，密钥 {key}：{why}",
    }
    other(why) { en: "{why}", zh: "无法启动（{why}）" }
    bad_authority(why) { en: "{why}", zh: "不能用作客户端证书的颁发机构（{why}）" }
    log_filter(filter, why) { en: "log filter `{filter}`: {why}", zh: "日志过滤器 `{filter}` 不可用（{why}）" }
    log_file(file, error) { en: "log file {file}: {error}", zh: "日志文件 {file}：{error}" }
    log_thread(error) { en: "cannot start the thread of the log: {error}", zh: "无法启动日志线程：{error}" }
    log_there() { en: "the log is set up already", zh: "日志已经设置过" }
}

columba_speech::said_elsewhere! {
    /// How a program that listens is called.
    pub(crate) OWNERS;

    program(name, id) { en: "{name} (process {id})", zh: "{name}（进程 {id}）" }
}

/// That a program listens where it is told to.
pub(crate) fn port_taken(owner: &str) -> Text {
    let named = recognise(OWNERS, owner);
    owner_listens(named.map_or_else(|| Param::from(owner), Param::from))
}

/// Why a broker does not start.
pub(crate) fn start(error: &StartError) -> Text {
    match error {
        StartError::Bind {
            listener,
            address,
            cause,
        } => of_listener(&**listener, cannot_listen(&**address, system(cause))),
        StartError::Tls { listener, cause } => of_listener(&**listener, tls(cause)),
        StartError::TooManyListeners(count) => too_many_listeners(*count),
        StartError::Store(error) => error.text(),
        StartError::Stopped => stopped(),
        StartError::Thread(error) => no_thread(system(error)),
        // Of a later version.
        unknown => other(unknown.to_string()),
    }
}

/// Why the management API is not opened.
pub(crate) fn admin(error: &AdminError) -> Text {
    of_admin(match error {
        AdminError::Bind { address, cause } => cannot_listen(address.to_string(), system(cause)),
        AdminError::Socket { path, cause } => {
            cannot_listen(path.display().to_string(), system(cause))
        }
        AdminError::Tls(error) => tls(error),
        AdminError::Thread(error) => no_thread(system(error)),
        // Of a later version.
        unknown => other(unknown.to_string()),
    })
}

/// Why there is no log.
pub(crate) fn log(error: &LogError) -> Text {
    match error {
        LogError::Filter { filter, cause } => log_filter(&**filter, &**cause),
        LogError::File { path, cause } => log_file(path.display().to_string(), system(cause)),
        LogError::Thread(error) => log_thread(system(error)),
        LogError::AlreadySetUp => log_there(),
        // Of a later version.
        unknown => other(unknown.to_string()),
    }
}

/// Why keys cannot be used.
fn tls(error: &TlsError) -> Text {
    let file = |path: &std::path::Path, why: Param| of_file(path.display().to_string(), why);
    match error {
        TlsError::File { path, cause } => file(path, file_fault(cause)),
        TlsError::NoCertificate { path } => file(path, no_certificate().into()),
        TlsError::Refused {
            certificate_chain,
            key,
            cause,
        } => keys_refused(
            certificate_chain.display().to_string(),
            key.display().to_string(),
            file_fault(cause),
        ),
        TlsError::ClientAuthority { path, cause } => file(path, bad_authority(&**cause).into()),
        // Of a later version.
        unknown => other(unknown.to_string()),
    }
}
