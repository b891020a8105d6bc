//! What the commands about an instance and its files say when something fails.

use columba_server::instance::create::CreateError;
use columba_speech::{Param, Text};

use super::{of_file, system, unwritable};

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    not_made(why) { en: "cannot make an instance: {why}", zh: "无法创建实例：{why}" }
    not_empty(dir) { en: "{dir} is not empty", zh: "{dir} 不是空目录" }
    other_dir() { en: "name a directory that is empty or new", zh: "请指定空目录或新目录" }
    check_above() {
        en: "check the permissions of the directory above, and the disk", zh: "请检查上级目录的权限和磁盘",
    }
    make_one(dir) { en: "make one: columba create {dir}", zh: "创建一个：columba create {dir}" }
    check_file() {
        en: "check the permissions of the file and its directory", zh: "请检查文件及其目录的权限",
    }
    no_user(name, file) { en: "there is no user `{name}` in {file}", zh: "{file} 中没有用户 `{name}`" }
    users(names) { en: "the users are: {names}", zh: "现有用户：{names}" }
    bad_name(why) { en: "{why}", zh: "名称不可用（{why}）" }
    empty_name(what) { en: "empty {what}", zh: "{what}为空" }
    user_name() { en: "user name", zh: "用户名" }
    group() { en: "group", zh: "组名" }
    token_name() { en: "token name", zh: "令牌名称" }
    no_users_file() {
        en: "the configuration names no users file", zh: "配置中没有指定用户文件",
    }
    name_users_file(file) {
        en: "write users = \"etc/users\" under [access] in {file}", zh: "请在 {file} 的 [access] 下写 users = \"etc/users\"",
    }
    password_unread(error) { en: "cannot read the password: {error}", zh: "无法读取密码：{error}" }
    password_unmade(error) { en: "cannot make a password: {error}", zh: "无法生成密码：{error}" }
    new_password(name) { en: "New password of `{name}`: ", zh: "`{name}` 的新密码：" }
    again() { en: "The same again: ", zh: "再输入一次：" }
    passwords_differ() {
        en: "the two passwords differ; nothing has changed", zh: "两次输入的密码不同；没有任何改动",
    }
    no_terminal_for_password() {
        en: "there is no terminal to ask for the password", zh: "没有可以询问密码的终端",
    }
    password_options() {
        en: "add --password-stdin or --generate", zh: "请使用 --password-stdin 或 --generate",
    }
    password_empty() {
        en: "the password is empty; nothing has changed", zh: "密码为空；没有任何改动",
    }
    password_too_long() {
        en: "the password is longer than MQTT can carry", zh: "密码超过 MQTT 允许的长度",
    }
    token_exists(name) { en: "there is a token `{name}`", zh: "令牌 `{name}` 已存在" }
    revoke_first(dir, name) {
        en: "revoke it first: columba token revoke {dir} {name}", zh: "请先吊销它：columba token revoke {dir} {name}",
    }
    no_token(name) { en: "there is no token `{name}`", zh: "没有令牌 `{name}`" }
    list_tokens(dir) { en: "list them: columba token list {dir}", zh: "查看现有令牌：columba token list {dir}" }
    token_unmade(error) { en: "cannot make a token: {error}", zh: "无法生成令牌：{error}" }

    no_own_path(error) {
        en: "cannot tell where this program is: {error}", zh: "无法确定本程序的位置：{error}",
    }
    is_there(file) { en: "{file} is there already", zh: "{file} 已存在" }
    force_replaces() {
        en: "--force replaces it; or choose another directory", zh: "用 --force 覆盖它，或选择其他目录",
    }
    is_directory(file) { en: "{file} is a directory", zh: "{file} 是目录" }
    other_directory() { en: "choose another directory for the links", zh: "请为链接选择其他目录" }
    no_directory_for_links(directory, error) {
        en: "no directory for the links: {directory}: {error}", zh: "没有存放链接的目录 {directory}：{error}",
    }
    links_are_behind(directory, other) {
        en: "PATH still finds Mosquitto's names in {other}: put {directory} before it",
        zh: "PATH 仍在 {other} 中找到 Mosquitto 的程序名：请把 {directory} 放到它前面",
    }
    links_are_not_found(directory) {
        en: "PATH does not name {directory}: the links are not found by their names",
        zh: "PATH 中没有 {directory}：无法按名称找到这些链接",
    }
    unlinkable(file, error) { en: "cannot make {file}: {error}", zh: "无法创建 {file}：{error}" }
    writable_dir() {
        en: "name a directory that you may write to", zh: "请指定可以写入的目录",
    }

    test_topic(topic, why) { en: "--test-topic '{topic}': {why}", zh: "--test-topic 的主题“{topic}”不可用：{why}" }
    agree() {
        en: "--check-id throws out the client that uses the id; add --yes to agree",
        zh: "--check-id 会使占用该 ID 的客户端断开；同意请加 --yes",
    }
}

/// Why an instance was not made.
pub(crate) fn create(error: &CreateError) -> Text {
    not_made(match error {
        CreateError::NotEmpty(dir) => Param::from(not_empty(dir.display().to_string())),
        CreateError::Io { path, cause } => {
            unwritable(path.display().to_string(), system(cause)).into()
        }
        other => other.to_string().into(),
    })
}

/// A name that is none.
pub(crate) fn name(what: Text, why: &str) -> Text {
    match why.strip_prefix("empty ") {
        Some(_) => empty_name(what),
        None => bad_name(why),
    }
}

/// A file that cannot be read or written.
pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Text {
    of_file(path.display().to_string(), system(error))
}
