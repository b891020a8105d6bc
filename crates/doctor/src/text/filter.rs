//! Topic filters as people write them.

columba_speech::catalogue! {
    /// Every sentence about filters.
    pub ALL;

    filter_good(filter) { en: "{filter} is well written", zh: "{filter} 写法没有问题" }
    filter_odd(filter) { en: "{filter} may not match what you expect", zh: "{filter} 可能匹配不到预期的消息" }
    filter_invalid(filter) { en: "{filter} is no topic filter", zh: "{filter} 不是合法的主题过滤器" }
    filter_empty() { en: "a filter has at least one character", zh: "过滤器至少要有一个字符" }
    filter_nul() { en: "a filter never holds U+0000", zh: "过滤器不能包含 U+0000" }
    filter_too_long() { en: "a filter has at most 65,535 bytes", zh: "过滤器最长 65535 字节" }
    hash_not_last() {
        en: "# stands alone in the last level: a/# is valid, a/#/b and a# are not",
        zh: "# 只能单独占最后一级：a/# 合法，a/#/b 和 a# 不合法",
    }
    wildcard_in_level() {
        en: "+ and # fill a whole level: a/+/c is valid, a/b+/c is not",
        zh: "+ 和 # 必须独占一级：a/+/c 合法，a/b+/c 不合法",
    }
    share_invalid() {
        en: "a shared subscription is $share/GROUP/FILTER, and GROUP has no + or #",
        zh: "共享订阅的写法是 $share/组名/过滤器，组名中不能有 + 或 #",
    }
    leading_slash(filter, other) {
        en: "the leading / makes an empty first level: {filter} and {other} are different topics",
        zh: "开头的“/”会多出一个空层级，{filter} 与 {other} 是两个主题",
    }
    trailing_slash(filter, other) {
        en: "the trailing / makes an empty last level: {filter} and {other} are different topics",
        zh: "结尾的“/”会多出一个空层级，{filter} 与 {other} 是两个主题",
    }
    double_slash() { en: "// makes an empty level in between", zh: "“//”中间有一个空层级" }
    space_around(level) {
        en: "level '{level}' begins or ends with a space, which counts",
        zh: "层级“{level}”的开头或结尾有空格，空格也算字符",
    }
    space_inside(level) {
        en: "level '{level}' has a space in it, which counts",
        zh: "层级“{level}”中有空格，空格也算字符",
    }
    full_width(written, meant) {
        en: "'{written}' is full-width, as Chinese input methods write it; MQTT's is '{meant}'",
        zh: "“{written}”是全角字符（中文输入法），MQTT 用的是半角“{meant}”",
    }
    invisible(code) {
        en: "there is an invisible character, {code}",
        zh: "含有不可见字符 {code}",
    }
    combining() {
        en: "accents are written as characters of their own (NFD); topics are compared byte by byte",
        zh: "重音符号是独立字符（NFD）；主题按字节比较",
    }
    placeholder(text) {
        en: "'{text}' looks like a placeholder that nothing has replaced",
        zh: "“{text}”像是没有被替换的占位符",
    }
    quoted() {
        en: "the quotes are part of the filter; the Windows command line knows double quotes only",
        zh: "引号成了过滤器的一部分；Windows 命令行只认双引号",
    }
    foreign_wildcard(character) {
        en: "'{character}' is no wildcard in MQTT; these are + for one level and # for all that follow",
        zh: "“{character}”在 MQTT 中不是通配符；单级用 +，多级用 #",
    }
    dots() {
        en: "the levels of MQTT are separated by /, not by dots",
        zh: "MQTT 的层级用“/”分隔，不是点号",
    }
    share_without_dollar() {
        en: "a shared subscription begins with $share, with the $",
        zh: "共享订阅以 $share 开头，要带 $",
    }
    hash_without_dollar() {
        en: "a wildcard in the first level does not match topics that begin with $, such as $SYS",
        zh: "首级通配符不匹配以 $ 开头的主题（如 $SYS）",
    }
    backslash() {
        en: "levels are separated by /, not by \\",
        zh: "层级用“/”分隔，不是“\\”",
    }
    filter_fix(filter) { en: "use {filter}", zh: "改用 {filter}" }
}
