//! What the commands about a store say.

columba_speech::catalogue! {
    /// All sentences.
    pub(crate) ALL;

    faulty_instance(faults) { en: "the instance has faults: {faults}", zh: "实例的文件有问题：{faults}" }
    correct_or_name_store() {
        en: "correct them, or name the directory of the store with --store",
        zh: "请改正，或用 --store 指定存储的目录",
    }
    correct_and_start() { en: "correct them, then start again", zh: "请改正后重新启动" }
    stop_it() {
        en: "stop that process first; only `check`, `stats`, `export` and `backup` work while it runs",
        zh: "请先停止该进程；它运行时只能使用 `check`、`stats`、`export` 和 `backup`",
    }
    no_store(place) { en: "there is no store in {place}", zh: "{place} 中没有存储" }
    keeps_none() {
        en: "this instance keeps no store: its durability is \"memory\"",
        zh: "此实例不保留存储：其 durability 为 \"memory\"",
    }
    keep_one() {
        en: "set `durability` in [store] to \"sync\" or \"os\" to have one, or name another store with --store",
        zh: "如需存储，请将 [store] 中的 `durability` 设为 \"sync\" 或 \"os\"；或用 --store 指定其他存储",
    }
    name_store() {
        en: "name the directory of an instance, whose broker makes one when it runs, or with --store that of a store or a backup",
        zh: "请指定实例的目录（其 Broker 运行时会创建存储），或用 --store 指定存储或备份的目录",
    }
    other_directory() {
        en: "take another directory, or move what is there away", zh: "请换一个目录，或移走其中的内容",
    }
    used_by(pid, commit) {
        en: "Process {pid} is using it; this is how it was at commit {commit}.",
        zh: "进程 {pid} 正在使用它；以下是它在提交 {commit} 时的状态。",
    }
    torn(size) {
        en: "The last {size} are of a commit that was never acknowledged; the broker cuts them off.",
        zh: "末尾的 {size} 属于从未得到确认的提交；Broker 会将其截去。",
    }
    records(count) { en: "{count} {count|record|records}", zh: "{count} 条记录" }
    segments(count) { en: "{count} {count|segment|segments}", zh: "{count} 个段文件" }
    places(count) { en: "{count} {count|place|places}", zh: "{count} 处" }
    contents(records, segments, size, commit) {
        en: "{records} in {segments}, {size}, last commit {commit}",
        zh: "{records}，{segments}，{size}，最后的提交是 {commit}",
    }
    damaged(store, places, contents) {
        en: "{store}: {places} damaged. {contents} can be read.", zh: "{store}：有 {places}损坏。可以读取：{contents}。",
    }
    starts_with_rest() {
        en: "the broker starts with what can be read; a backup may hold the rest",
        zh: "Broker 会用可读取的部分启动；其余部分备份中可能有",
    }
    nothing_lost() {
        en: "nothing that is needed was in it; `columba store compact` leaves it behind, and a disk that damages files is to be replaced",
        zh: "其中没有需要的内容；`columba store compact` 会将其弃置，损坏文件的磁盘应当更换",
    }
    sound(store, contents) { en: "{store}: sound. {contents}.", zh: "{store}：完好。{contents}。" }

    label_records() { en: "records", zh: "记录" }
    label_live() { en: "live", zh: "有效" }
    label_disk() { en: "on disk", zh: "磁盘占用" }
    label_segments() { en: "segments", zh: "段文件" }
    label_commit() { en: "last commit", zh: "最后的提交" }
    label_damaged() { en: "damaged", zh: "损坏" }
    share_live(size, percent) { en: "{size}, {percent} % of it live", zh: "{size}，其中有效的占 {percent} %" }
    nothing() { en: "nothing", zh: "无" }
    see_check(places) { en: "{places}: see `columba store check`", zh: "{places}：见 `columba store check`" }

    unreadable_record() {
        en: "a record cannot be read, so its segment stays", zh: "有一条记录无法读取，因此保留其段文件",
    }
    look_at_check() { en: "see `columba store check`", zh: "见 `columba store check`" }
    compacted(store, before, after, live, records) {
        en: "{store}: {before} before, {after} now, for {live} of {records}.",
        zh: "{store}：原为 {before}，现为 {after}，其中有 {records}，共 {live}。",
    }
    sessions(count) { en: "{count} {count|session|sessions}", zh: "{count} 个会话" }
    subscriptions(count) { en: "{count} {count|subscription|subscriptions}", zh: "{count} 个订阅" }
    messages(count) { en: "{count} {count|message|messages}", zh: "{count} 条消息" }
    discarded(store, sessions, subscriptions, messages) {
        en: "{store}: {subscriptions} and {messages} of {sessions} discarded.",
        zh: "{store}：已丢弃 {sessions}的 {subscriptions}和 {messages}。",
    }
    nothing_to_discard(store) {
        en: "{store}: nothing is kept of lost sessions.", zh: "{store}：没有为丢失的会话保留的内容。",
    }
    nothing_to_free(store, size, live, records) {
        en: "{store}: nothing is worth freeing: {size}, for {live} of {records}.",
        zh: "{store}：没有值得释放的空间：共 {size}，其中有 {records}，共 {live}。",
    }
    damage_left(places) {
        en: "{places} damaged: left behind, what can be read is in other files.",
        zh: "有 {places}损坏：已弃置，可读取的内容已移到其他文件。",
    }
    lost_stays(sessions) {
        en: "What {sessions} had whose own records are damaged stays until `columba store discard`.",
        zh: "{sessions}自身的记录已损坏，其余内容在执行 `columba store discard` 之前保留。",
    }
    copy_damaged(target) { en: "the copy in {target} has damage", zh: "{target} 中的副本有损坏" }
    store_too() {
        en: "the store has it, too: see `columba store check`", zh: "存储本身也有：见 `columba store check`",
    }
    unfinished_backup(target) {
        en: "{target} holds a backup that did not end", zh: "{target} 中是一个未完成的备份",
    }
    backup_again() { en: "make it again: columba store backup", zh: "请重新备份：columba store backup" }
    copied(target, records, size, commit) {
        en: "{target}: sound. {records}, {size}, up to commit {commit}.",
        zh: "{target}：完好。{records}，{size}，截至提交 {commit}。",
    }

    unmade(file, error) { en: "cannot make {file}: {error}", zh: "无法创建 {file}：{error}" }
    records_unwritten(error) { en: "cannot write the records: {error}", zh: "无法写入记录：{error}" }
    written(records) { en: "{records} written.", zh: "已写出 {records}。" }
    written_without(records) {
        en: "{records} written; what is damaged is missing", zh: "已写出 {records}；缺少损坏的部分",
    }
    changed_meanwhile(records) {
        en: "the broker has freed space while its store was read; {records} written, and others are missing",
        zh: "读取期间 Broker 释放了空间；已写出 {records}，缺少其他记录",
    }
    export_copy() {
        en: "export a copy: columba store backup DIR --to TARGET, then --store TARGET",
        zh: "请导出副本：columba store backup 目录 --to 目标，然后用 --store 目标",
    }
    unfinished_import(aside) {
        en: "there is {aside} of an import that did not end", zh: "存在未完成的导入留下的 {aside}",
    }
    taken_over(records) { en: "{records} taken over.", zh: "已导入 {records}。" }
    line(number, what) { en: "line {number}: {what}", zh: "第 {number} 行：{what}" }
    unchanged_export() { en: "take an unchanged export", zh: "请使用未经修改的导出文件" }
    no_last_line(records) {
        en: "the export is cut: {records} read, and the last line, which says how many there are, is missing",
        zh: "导出文件不完整：已读取 {records}，缺少说明总数的最后一行",
    }
    export_again() {
        en: "export again; --unchecked takes over what is there, also of an export by an earlier version",
        zh: "请重新导出；--unchecked 会导入现有内容，也适用于早期版本的导出文件",
    }
    other_count(found, wanted) {
        en: "{found} {found|record|records} before it, and there were {wanted}",
        zh: "此前有 {found} 条记录，原本有 {wanted} 条",
    }
    other_checksum() { en: "the records are not those that were exported", zh: "记录与导出时不同" }
    behind_the_last() { en: "something follows the last line", zh: "最后一行之后还有内容" }
    not_behind(position) {
        en: "position {position} is not behind the one before it", zh: "位置 {position} 不在前一个之后",
    }
    no_json(column) { en: "no JSON from character {column} on", zh: "从第 {column} 个字符起不是 JSON" }
    no_position() { en: "`position` is missing or no number", zh: "缺少 `position`，或者不是数字" }
    no_record() { en: "`record` is missing or no text", zh: "缺少 `record`，或者不是文本" }
    no_base64() { en: "`record` is not Base64", zh: "`record` 不是 Base64" }

    reading() { en: "reading", zh: "正在读取" }
    compacting() { en: "compacting", zh: "正在压缩" }
    copying() { en: "copying", zh: "正在复制" }
    writing() { en: "writing", zh: "正在写入" }
    taking_over() { en: "taking over", zh: "正在导入" }
    so_far(what, how_far) { en: "{what}: {how_far}", zh: "{what}：{how_far}" }
    bytes(count) { en: "{count} {count|byte|bytes}", zh: "{count} 字节" }
}
