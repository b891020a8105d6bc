//! What is wrong in the files of an instance. The server tells it in English, to its log and to its
//! management API too; its sentences are recognised here.

use columba_server::config::fault::{Fault, Place, Severity};
use columba_speech::{Language, Param, recognise};

columba_speech::said_elsewhere! {
    /// All sentences; the more general ones last, for the first that fits is taken.
    pub(crate) ALL;

    not_toml(why) { en: "not TOML: {why}", zh: "不是 TOML（{why}）" }
    stands_twice(name, line) { en: "`{name}` stands here and in line {line}", zh: "`{name}` 在此处和第 {line} 行重复" }
    stands_again(name) { en: "`{name}` stands here a second time", zh: "`{name}` 在此处重复" }
    one_table(header) { en: "put the keys of both under one {header}", zh: "请把两处的配置项合并到一个 {header} 下" }
    list_of_tables(header) { en: "write {header} each time", zh: "请每次都写 {header}" }
    quotes() { en: "texts stand in quotes: key = \"text\"", zh: "文本要用引号括起：key = \"文本\"" }
    no_listener(name) { en: "there is no listener `{name}`", zh: "没有监听器 `{name}`" }
    listener_variable() {
        en: "write COLUMBA_LISTENER__NAME__KEY with the name of a [[listener]]",
        zh: "请写 COLUMBA_LISTENER__名称__KEY，其中名称是某个 [[listener]] 的名称",
    }
    table_belongs(what) { en: "{what} where a table belongs", zh: "此处应是表，而不是 {what}" }
    is_list(name) { en: "`{name}` is a list of tables", zh: "`{name}` 应是表的列表" }
    is_table(name) { en: "`{name}` is a table", zh: "`{name}` 应是一个表" }
    key_outside(name) {
        en: "unknown key outside of any section: `{name}`", zh: "不属于任何部分的未知配置项：`{name}`",
    }
    unknown_section(name) { en: "unknown section `{name}`", zh: "未知的部分 `{name}`" }
    unknown_key(name, section) { en: "unknown key `{name}` in {section}", zh: "{section} 中没有配置项 `{name}`" }
    unknown_word(name) { en: "unknown word `{name}`", zh: "未知的词 `{name}`" }
    belongs_under(name, section) { en: "`{name}` belongs under {section}", zh: "`{name}` 应放在 {section} 下" }
    called(key, section) { en: "here it is called {key} in {section}", zh: "这里叫作 {section} 的 {key}" }
    called_here(key) { en: "here it is called {key}", zh: "这里叫作 {key}" }
    sections(names) { en: "the sections are {names}", zh: "可用的部分有 {names}" }
    reference(section) {
        en: "`columba config reference` lists the keys of {section}",
        zh: "`columba config reference` 列出了 {section} 的配置项",
    }
    meant_and(word, fix) { en: "did you mean \"{word}\"? {fix}", zh: "是不是 \"{word}\"？{fix}" }
    meant_word(word) { en: "did you mean \"{word}\"?", zh: "是不是 \"{word}\"？" }
    meant(name) { en: "did you mean `{name}`?", zh: "是不是 `{name}`？" }

    out_of_range(text) { en: "`{text}` is out of range", zh: "`{text}` 超出范围" }
    empty_text() { en: "empty text", zh: "文本为空" }
    empty_list() { en: "empty list", zh: "列表为空" }
    no_switch(text) { en: "`{text}` is neither true nor false", zh: "`{text}` 既不是 true 也不是 false" }
    no_number(text) { en: "`{text}` is not a whole number", zh: "`{text}` 不是整数" }
    no_duration(text) { en: "`{text}` is no duration", zh: "`{text}` 不是时间" }
    no_multiple(text, step) { en: "`{text}` is no multiple of {step}", zh: "`{text}` 不是 {step} 的整数倍" }
    no_size(text) { en: "`{text}` is no size", zh: "`{text}` 不是大小" }
    no_choice(text) { en: "`{text}` is not a choice here", zh: "这里不能用 `{text}`" }
    write_duration() {
        en: "write a number and a unit: 500ms, 10s, 5m, 2h, 7d, 1h30m",
        zh: "请写数字和单位：500ms、10s、5m、2h、7d、1h30m",
    }
    write_size() {
        en: "write a number and a unit: 64KiB, 16MiB, 1GiB (or kB, MB, GB, B)",
        zh: "请写数字和单位：64KiB、16MiB、1GiB（或 kB、MB、GB、B）",
    }
    filters(count) { en: "{count} topic filters", zh: "有 {count} 个主题过滤器" }
    fewer_filters(count) {
        en: "write {count} or fewer; `+` and `#` stand for many topics", zh: "请写不超过 {count} 个；`+` 和 `#` 可代表许多主题",
    }
    no_filter(filter, why) { en: "`{filter}` is no topic filter: {why}", zh: "`{filter}` 不是主题过滤器：{why}" }
    write_filter(text) { en: "write one such as {text}", zh: "请参照这样写：{text}" }
    names_group(filter) { en: "`{filter}` names a shared group", zh: "`{filter}` 指定了共享组" }
    a_text() { en: "a text", zh: "文本" }
    unitless() { en: "a number without a unit", zh: "没有单位的数字" }
    a_number() { en: "a number", zh: "数字" }
    fraction() { en: "a number with a fraction", zh: "小数" }
    a_switch() { en: "true or false", zh: " true 或 false" }
    a_date() { en: "a date", zh: "日期" }
    a_list() { en: "a list", zh: "列表" }
    a_table() { en: "a table", zh: "表" }
    text_in_quotes() { en: "a text in quotes", zh: "引号中的文本" }
    list_of_texts() { en: "a list of texts in quotes", zh: "引号中文本的列表" }
    list_of_filters() { en: "a list of topic filters in quotes", zh: "引号中主题过滤器的列表" }
    path_in_quotes() { en: "a path in quotes", zh: "引号中的路径" }
    number_or(min, max, word) {
        en: "a number from {min} to {max}, or \"{word}\"", zh: " {min} 到 {max} 的数字或 \"{word}\"",
    }
    number_from(min, max) { en: "a number from {min} to {max}", zh: " {min} 到 {max} 的数字" }
    duration_or(min, max, word) {
        en: "a duration from \"{min}\" to \"{max}\", or \"{word}\"", zh: " \"{min}\" 到 \"{max}\" 的时间或 \"{word}\"",
    }
    duration_from(min, max) {
        en: "a duration from \"{min}\" to \"{max}\"", zh: " \"{min}\" 到 \"{max}\" 的时间",
    }
    size_from(min, max) { en: "a size from \"{min}\" to \"{max}\"", zh: " \"{min}\" 到 \"{max}\" 的大小" }

    open_api(bind) {
        en: "bind: {bind} is open to other machines, and there is no TLS", zh: "bind：{bind} 对其他机器开放，却没有 TLS",
    }
    close_api() {
        en: "name tls_certificate and tls_key, or write bind = \"127.0.0.1:61680\"; on a network that is trusted, allow_plaintext = true",
        zh: "请指定 tls_certificate 和 tls_key，或写 bind = \"127.0.0.1:61680\"；在可信的网络中可写 allow_plaintext = true",
    }
    no_address(text) { en: "bind: `{text}` is no ADDRESS:PORT", zh: "bind：`{text}` 不是“地址:端口”" }
    write_address(text) {
        en: "write an IP address and a port, such as {text}", zh: "请写 IP 地址和端口，例如 {text}",
    }
    pem_or_remove(key, other) {
        en: "name the PEM file in {key}, or remove {other}", zh: "请在 {key} 中指定 PEM 文件，或删除 {other}",
    }
    no_file(key, file) { en: "{key}: there is no file {file}", zh: "{key}：没有文件 {file}" }
    put_pem() {
        en: "put the PEM file there or correct the path", zh: "请把 PEM 文件放到那里，或改正路径",
    }
    below(key, value, other, limit, why) {
        en: "{key} ({value}) is below {other} ({limit}): {why}", zh: "{key}（{value}）小于 {other}（{limit}）：{why}",
    }
    raise(key, other) { en: "raise {key} or lower {other}", zh: "请增大 {key} 或减小 {other}" }
    never_wait() {
        en: "the largest messages could never wait in a session", zh: "最大的消息永远无法在会话中排队",
    }
    never_retained() {
        en: "the largest messages could never be retained", zh: "最大的消息永远无法作为保留消息",
    }
    longer_sessions() {
        en: "MQTT 3 clients would keep their sessions longer than the longest allowed",
        zh: "MQTT 3 客户端的会话会超过允许的最长时间",
    }
    second_listener(name) { en: "a second listener is called `{name}`", zh: "又有一个监听器叫 `{name}`" }
    own_name() { en: "give each listener a name of its own", zh: "请给每个监听器各自的名称" }
    listens_too(name, address) { en: "`{name}` listens at {address}, too", zh: "`{name}` 也在 {address} 上监听" }
    other_port() { en: "give one of them another port", zh: "请给其中一个换端口" }
    above_limit() {
        en: "packet_bytes_max of the listener is above the one in [limits], which holds",
        zh: "监听器的 packet_bytes_max 大于 [limits] 中的值，实际以后者为准",
    }
    lower_it() { en: "lower it, or raise limits.packet_bytes_max", zh: "请减小它，或增大 limits.packet_bytes_max" }
    open_to_all() {
        en: "everybody who can reach this machine may connect without a password",
        zh: "能访问这台机器的任何人都可以不用密码连接",
    }
    loopback() {
        en: "write anonymous = \"loopback\" unless the network is trusted",
        zh: "除非网络可信，否则请写 anonymous = \"loopback\"",
    }
    without_tls(key, kind) {
        en: "{key} on a listener of kind \"{kind}\", which has no TLS", zh: "{kind} 类型的监听器没有 TLS，不能有 {key}",
    }
    of_other_kind(key, kind) { en: "{key} on a listener of kind \"{kind}\"", zh: "{kind} 类型的监听器不能有 {key}" }
    kind_ws() {
        en: "remove it, or write kind = \"ws\" or \"wss\"", zh: "请删除它，或写 kind = \"ws\" 或 \"wss\"",
    }
    path_slash() { en: "a URL path starts with /", zh: "URL 路径以 / 开头" }
    no_origin(text) {
        en: "allowed_origins: `{text}` is no origin of web pages", zh: "allowed_origins：`{text}` 不是网页的来源",
    }
    write_origin() {
        en: "write \"https://HOST\" or \"https://HOST:PORT\", without a path, or \"*\" for all",
        zh: "请写 \"https://主机\" 或 \"https://主机:端口\"，不带路径；\"*\" 表示全部",
    }
    socket_path() { en: "a Unix socket needs a path", zh: "Unix 套接字需要路径" }
    kind_tls() {
        en: "write kind = \"tls\" or \"wss\", or remove it", zh: "请写 kind = \"tls\" 或 \"wss\"，或删除它",
    }
    user_without_tls() {
        en: "certificate_is_user on a listener without TLS", zh: "没有 TLS 的监听器不能有 certificate_is_user",
    }
    user_unasked() {
        en: "certificate_is_user, but clients are not asked for a certificate",
        zh: "有 certificate_is_user，却不要求客户端证书",
    }
    ask_certificate() {
        en: "write tls_client_certificate = \"required\" or \"optional\"",
        zh: "请写 tls_client_certificate = \"required\" 或 \"optional\"",
    }
    no_authority() {
        en: "client certificates are asked for, but nobody may vouch for them", zh: "要求客户端证书，却没有指定颁发机构",
    }
    name_authority() {
        en: "write tls_client_ca = \"etc/clients-ca.pem\" with the file of the authority",
        zh: "请写 tls_client_ca = \"etc/clients-ca.pem\"，指定颁发机构的文件",
    }
    needs_key(kind, key) { en: "a listener of kind \"{kind}\" needs {key}", zh: "{kind} 类型的监听器需要 {key}" }
    name_pem() { en: "name the PEM file, such as \"etc/server.pem\"", zh: "请指定 PEM 文件，例如 \"etc/server.pem\"" }

    makes_instance(command) { en: "`{command}` makes an instance", zh: "`{command}` 可创建实例" }
    makes_it(command) { en: "`{command}` makes it", zh: "`{command}` 可创建它" }
    readable_hashes() {
        en: "everybody on this machine can read the password hashes", zh: "这台机器上的任何人都能读取密码的哈希",
    }
    run_chmod(file) { en: "run: chmod 600 {file}", zh: "请执行：chmod 600 {file}" }
    rules_or_no_acl() {
        en: "write the rules, or remove `acl` from [access]", zh: "请写规则，或从 [access] 中删除 `acl`",
    }
    no_rule() {
        en: "no rule: nobody may publish or receive anything", zh: "没有规则：任何人都不能发布或接收",
    }
    write_rules() { en: "write [[rule]] tables", zh: "请写 [[rule]] 表" }
    write_lines() { en: "write `topic` or `pattern` lines", zh: "请写 `topic` 或 `pattern` 行" }
    empty_group(group) {
        en: "the rule is for group `{group}`, but no user is in it", zh: "规则针对组 `{group}`，但组中没有用户",
    }
    add_to_group(dir, group) {
        en: "add a user: columba passwd {dir} NAME --groups {group}",
        zh: "添加用户：columba passwd {dir} 名称 --groups {group}",
    }
    bans_unread(what) { en: "the bans cannot be read: {what}", zh: "无法读取封禁列表：{what}" }
    correct_bans() {
        en: "correct the file, or remove it: then nobody is banned", zh: "请改正文件，或删除它：之后没有人被封禁",
    }
    no_text(line) { en: "line {line} is not UTF-8 text", zh: "第 {line} 行不是 UTF-8 文本" }
    file_missing() { en: "the file is missing", zh: "文件不存在" }
    unread(why) { en: "cannot be read: {why}", zh: "无法读取：{why}" }
    not_found() { en: "No such file or directory (os error 2)", zh: "没有那个文件或目录（系统错误 2）" }
    not_allowed() { en: "Permission denied (os error 13)", zh: "权限不足（系统错误 13）" }
    is_directory() { en: "Is a directory (os error 21)", zh: "是一个目录（系统错误 21）" }

    user_twice(name, line) {
        en: "user `{name}` stands here and in line {line}", zh: "用户 `{name}` 在此处和第 {line} 行重复",
    }
    remove_line() { en: "remove one of the lines", zh: "请删除其中一行" }
    old_hashes(name, more) {
        en: "the password hashes of `{name}` and {more} more are of an old, weak kind",
        zh: "`{name}` 及另外 {more} 个用户的密码哈希是陈旧的弱类型",
    }
    old_hash(name) {
        en: "the password hash of `{name}` is of an old, weak kind", zh: "`{name}` 的密码哈希是陈旧的弱类型",
    }
    set_passwords(command) { en: "set the passwords anew with `{command}`", zh: "请用 `{command}` 重新设置密码" }
    no_user_line() {
        en: "not a user: a line is NAME:HASH or NAME:HASH:GROUP,GROUP", zh: "不是用户：每行应为 名称:哈希 或 名称:哈希:组,组",
    }
    use_passwd(command) { en: "use `{command}` to add users", zh: "请用 `{command}` 添加用户" }
    change_name() { en: "change the name", zh: "请更改名称" }
    unhashed(name) { en: "the password of `{name}` is not hashed", zh: "`{name}` 的密码没有哈希" }
    set_it(command) { en: "set it with `{command}`", zh: "请用 `{command}` 设置" }
    set_anew(command) { en: "set it anew with `{command}`", zh: "请用 `{command}` 重新设置" }
    of_user(name, damage) { en: "user `{name}`: {damage}", zh: "用户 `{name}`：{damage}" }
    no_hash() { en: "this is not a password hash", zh: "这不是密码哈希" }
    damaged_hash() { en: "the password hash is damaged", zh: "密码哈希已损坏" }
    costly_hash() {
        en: "the password hash asks for more memory or time than allowed", zh: "密码哈希需要的内存或时间超过允许值",
    }
    too_many_colons() { en: "too many `:` in the line", zh: "行中的 `:` 过多" }
    write_line() { en: "write NAME:HASH or NAME:HASH:GROUP,GROUP", zh: "请写 名称:哈希 或 名称:哈希:组,组" }
    starts_with_hash(what, name) {
        en: "a {what} starts with no # and has no space at its ends: `{name}`", zh: "{what}不能以 # 开头，两端不能有空格：`{name}`",
    }
    star(what) {
        en: "`*` is no {what}: in the access rules it means everybody who is logged in",
        zh: "`*` 不能用作{what}：在访问规则中它表示所有已登录的用户",
    }
    has_no(what, char, name) { en: "a {what} has no {char}: `{name}`", zh: "{what}中不能有 {char}：`{name}`" }
    empty_user() { en: "empty user name", zh: "用户名为空" }
    empty_group_name() { en: "empty group", zh: "组名为空" }
    empty_token_name() { en: "empty token name", zh: "令牌名称为空" }
    user_name() { en: "user name", zh: "用户名" }
    group() { en: "group", zh: "组名" }
    token_name() { en: "token name", zh: "令牌名称" }
    no_scope(name) {
        en: "`{name}` is no scope: read, publish, operate or admin", zh: "`{name}` 不是权限：可用 read、publish、operate 或 admin",
    }
    scopeless() {
        en: "no scope: read, publish, operate or admin", zh: "没有权限：可用 read、publish、operate 或 admin",
    }
    second_token(name) { en: "a second token is called `{name}`", zh: "又有一个令牌叫 `{name}`" }
    make_anew(command) { en: "make it anew with `{command}`", zh: "请用 `{command}` 重新创建" }
    no_token_line() {
        en: "not a token: a line is NAME:HASH:SCOPES:EXPIRY", zh: "不是令牌：每行应为 名称:哈希:权限:期限",
    }
    damaged_token(name) { en: "the hash of `{name}` is damaged", zh: "`{name}` 的哈希已损坏" }
    no_expiry(name) {
        en: "the expiry of `{name}` is neither seconds nor `never`", zh: "`{name}` 的期限既不是秒数也不是 `never`",
    }
    no_token_good(path) {
        en: "{path} cannot be read: no token is good", zh: "无法读取 {path}：所有令牌都不可用",
    }

    list_of_rules() { en: "this file is a list of [[rule]] tables", zh: "此文件是 [[rule]] 表的列表" }
    rule_table() { en: "a rule is a table", zh: "规则应是一个表" }
    rule_keys(keys) { en: "the keys of a rule are {keys}", zh: "规则可用的项有 {keys}" }
    rule_both() { en: "a rule with both allow and deny", zh: "规则同时有 allow 和 deny" }
    rule_neither() { en: "a rule with neither allow nor deny", zh: "规则既没有 allow 也没有 deny" }
    once_in_each() {
        en: "write allow = [\"publish\", \"subscribe\"], or deny, once in each rule",
        zh: "请在每条规则中写一次 allow = [\"publish\", \"subscribe\"] 或 deny",
    }
    no_action(text) { en: "`{text}` is no action", zh: "`{text}` 不是操作" }
    rule_topicless() { en: "a rule without topics", zh: "规则没有 topics" }
    bad_topic(topic, why) { en: "topic `{topic}`: {why}", zh: "主题 `{topic}`：{why}" }
    users_and_anonymous() {
        en: "a rule with both users and anonymous", zh: "规则同时有 users 和 anonymous",
    }
    remove_one() { en: "remove one of them", zh: "请删除其中一个" }
    anonymous_switch() {
        en: "anonymous is neither true nor false", zh: "anonymous 既不是 true 也不是 false",
    }
    star_at_end(client) {
        en: "`{client}`: a * stands only at the end of a client id", zh: "`{client}`：* 只能放在客户端 ID 的末尾",
    }
    write_start() {
        en: "write the start of the client id and one *", zh: "请写客户端 ID 的开头和一个 *",
    }
    no_range(text) { en: "`{text}` is no range of addresses", zh: "`{text}` 不是地址范围" }
    write_range() {
        en: "write \"192.168.1.0/24\", \"fd00::/8\", one address, or \"local\"",
        zh: "请写 \"192.168.1.0/24\"、\"fd00::/8\"、一个地址或 \"local\"",
    }
    is_empty(key) { en: "{key} is empty", zh: "{key} 为空" }
    name_one() { en: "name at least one, or remove it", zh: "请至少写一个，或删除它" }
    remove_it() { en: "remove it", zh: "请删除它" }
    text_or_list(key) { en: "{key} is a text or a list of texts", zh: "{key} 应是文本或文本的列表" }
    nameless_user() { en: "user without a name", zh: "user 后面没有名称" }
    write_user() { en: "write user NAME", zh: "请写 user 名称" }
    line_starts() {
        en: "a line starts with user, topic, pattern or #", zh: "每行以 user、topic、pattern 或 # 开头",
    }
    one_before(words) { en: "write one of {words} before the topic", zh: "请在主题前写 {words} 之一" }
    no_access(word) { en: "`{word}` is no kind of access", zh: "`{word}` 不是访问类型" }
    correct_filter() { en: "correct the topic filter", zh: "请改正主题过滤器" }
    shared_rule() {
        en: "a rule names the topics behind $share/NAME/, not the shared subscription",
        zh: "规则应写 $share/名称/ 后面的主题，而不是共享订阅",
    }
    whole_level() {
        en: "%c and %u fill a whole level of the topic", zh: "%c 和 %u 须占满主题的一整层",
    }
    topic_empty() { en: "a topic has at least one character", zh: "主题至少有一个字符" }
    topic_nul() { en: "a topic never holds U+0000", zh: "主题中不能有 U+0000" }
    topic_long() { en: "a topic has at most 65,535 bytes", zh: "主题最多 65,535 字节" }
    topic_wildcard() {
        en: "a topic to publish to has no wildcard (+ or #)", zh: "发布的主题不能有通配符（+ 或 #）",
    }
    hash_last() {
        en: "# stands alone in the last level of a topic filter", zh: "# 只能单独占主题过滤器的最后一层",
    }
    wildcard_level() {
        en: "a wildcard fills a whole level of a topic filter", zh: "通配符须占满主题过滤器的一整层",
    }
    share_form() {
        en: "a shared subscription is $share/NAME/FILTER, and NAME has no + or #",
        zh: "共享订阅的形式是 $share/名称/过滤器，名称中不能有 + 或 #",
    }

    of_key(key, what) { en: "{key}: {what}", zh: "{key}：{what}" }
    instead(what, expected) { en: "{what} instead of {expected}", zh: "应是{expected}，而不是{what}" }
    without(other, key) { en: "{other} without {key}", zh: "有 {other} 却没有 {key}" }
    write(what) { en: "write {what}", zh: "请写 {what}" }
    with_or(rest, last) { en: "{rest} or {last}", zh: "{rest} 或 {last}" }
}

/// A fault for people, as the server shows it but in a language.
pub(crate) fn shown(fault: &Fault, language: Language) -> String {
    if language == Language::English {
        return fault.to_string();
    }
    let of = |text: &str| said(text).to_string(language);
    let severity = match fault.severity {
        Severity::Error => "错误",
        Severity::Warning => "警告",
    };
    let mut text = format!("{severity}：{}\n", of(&fault.what));
    match &fault.place {
        Place::Variable { name, .. } => text += &format!("  --> 环境变量 {name}\n"),
        Place::Text { .. } | Place::File(_) => text += &format!("  --> {}\n", fault.place),
    }
    text += &fault.place.excerpt();
    if let Some(fix) = &fault.fix {
        text += &format!("  = {}\n", of(fix));
    }
    text
}

fn said(text: &str) -> Param {
    recognise(ALL, text).map_or_else(|| Param::from(text), Param::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fault that the server has an example of.
    #[test]
    fn faults_of_files_are_chinese_as_a_whole() {
        let text = include_str!("../../../server/src/config/faulty.toml");
        // What stands twice hides what else is wrong in its line.
        let twice = "\n[limits]\n[log]\nlevel = \"info\"\nlevel = \"info\"\n[listener]\nkind = { b = 1, b = 2 }\n";
        let text = &format!("{text}{twice}");
        let base = std::path::Path::new("/nonexistent");
        let (_, faults) =
            columba_server::config::Config::read("columba.toml", text, base, std::iter::empty());
        assert!(faults.len() > 15, "{faults:?}");
        for fault in &faults {
            for said in fault.fix.iter().chain([&fault.what]) {
                let found = recognise(ALL, said);
                let found = found.map(|text| text.to_string(Language::English));
                assert_eq!(found.as_ref(), Some(said));
            }
            let shown = shown(fault, Language::Chinese);
            for word in [" a ", " is ", "write ", "instead", "unknown", "number"] {
                assert!(!shown.contains(word), "{word}: {shown}");
            }
        }
    }
}
