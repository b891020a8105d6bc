//! What is wrong with a store, and what to do about it. The English is the store's own.

use std::io;

use columba_broker::recovery::LostSession;
use columba_speech::{Language, Param, Text, system};
use columba_store::{Damage, Error, LockError, Loss, Name};
use rustix::io::Errno;

use crate::listener::descriptors::is_exhausted;

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    of_store(place, cause) { en: "the store in {place}: {cause}", zh: "{place} 中的存储：{cause}" }
    directory(error) { en: "the directory cannot be used: {error}", zh: "目录无法使用：{error}" }

    full(during, file, error) {
        en: "no room on the disk: {during} {file}: {error}", zh: "磁盘空间不足（{during} {file}）：{error}",
    }
    exhausted(during, file, error) {
        en: "no file descriptor or memory left: {during} {file}: {error}",
        zh: "文件描述符或内存不足（{during} {file}）：{error}",
    }
    failed(during, file, error) {
        en: "the store stopped after a failure: {during} {file}: {error}",
        zh: "存储因故障停止（{during} {file}）：{error}",
    }
    unreadable(file, error) { en: "cannot read {file}: {error}", zh: "无法读取 {file}：{error}" }
    in_use(directory, pid) {
        en: "{directory} is in use by process {pid}", zh: "{directory} 正被进程 {pid} 使用",
    }
    in_use_by_unknown(directory) {
        en: "{directory} is in use by process (unknown)", zh: "{directory} 正被未知进程使用",
    }
    not_locked(directory, why) { en: "cannot lock {directory}: {why}", zh: "无法锁定 {directory}：{why}" }
    version(file, found, known) {
        en: "{file} has format version {found}, and this program reads up to {known}",
        zh: "{file} 的格式版本是 {found}，而本程序最高支持 {known}",
    }
    mixed(file, found, wanted) {
        en: "{file} belongs to store {found}, and the others to {wanted}",
        zh: "{file} 属于存储 {found}，其他文件属于 {wanted}",
    }
    too_large(size, limit) {
        en: "a batch of {size} bytes exceeds the limit of {limit}", zh: "一批 {size} 字节的数据超过上限 {limit}",
    }
    stopped() { en: "stopped while the store was being read", zh: "读取存储时被停止" }
    read_only() { en: "the store was opened to be read only", zh: "存储以只读方式打开" }
    no_store() { en: "there is no store in this directory", zh: "此目录中没有存储" }
    not_empty() { en: "there is a store in this directory already", zh: "此目录中已有存储" }
    out_of_order(position) {
        en: "position {position} is not behind those before it, or too great",
        zh: "位置 {position} 不在已有位置之后，或者过大",
    }
    not_live(position) { en: "no live record at position {position}", zh: "位置 {position} 没有有效记录" }
    damaged(file, offset, bytes, loss) {
        en: "{file} is damaged at offset {offset} ({bytes} bytes): {loss}",
        zh: "{file} 在偏移量 {offset} 处损坏（{bytes} 字节）：{loss}",
    }
    emptied(loss) {
        en: "no segment file is there any more: {loss}", zh: "段文件已全部缺失：{loss}",
    }
    header() {
        en: "the header, which is not needed to read the rest", zh: "丢失文件头，读取其余部分不需要它",
    }
    frames() {
        en: "what these bytes held; what they had released (cleared, ended, acknowledged) may be there again",
        zh: "丢失这些字节中的内容；其中已释放（已清除、已结束、已确认）的内容可能重新出现",
    }
    record(position) { en: "the record at position {position}", zh: "丢失位置 {position} 的记录" }
    cannot_read() { en: "the disk cannot read it", zh: "磁盘无法读取" }
    released(position) {
        en: "nothing, the record at position {position} had been released",
        zh: "没有损失，位置 {position} 的记录已经释放",
    }
    commits(first, last) { en: "the commits {first} to {last}", zh: "丢失提交 {first} 至 {last}" }
    file_empty() {
        en: "the whole file, which holds nothing of what was in it", zh: "整个文件，其中原有内容已全部丢失",
    }
    file_missing() { en: "the whole file, which is missing", zh: "整个文件缺失" }

    cutting() { en: "cutting", zh: "截短" }
    listing() { en: "listing", zh: "列出" }
    making() { en: "making", zh: "创建" }
    removing() { en: "removing", zh: "删除" }
    reserving() { en: "reserving room for", zh: "预留空间" }
    syncing() { en: "syncing", zh: "同步" }
    taking_back() { en: "taking back a write to", zh: "撤回写入" }
    writing() { en: "writing", zh: "写入" }

    recovered(sessions, queued, retained, secs, damage) {
        en: "recovered {sessions} {sessions|session|sessions}, {queued} queued, {retained} retained in {secs} s; {damage}",
        zh: "{secs} 秒内恢复 {sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{damage}",
    }
    expired_then(sessions, queued, retained, what) {
        en: "{sessions} {sessions|session|sessions}, {queued} queued, {retained} retained had expired meanwhile; {what}",
        zh: "期间已过期：{sessions} 个会话、{queued} 条排队消息、{retained} 条保留消息；{what}",
    }
    none_lost() { en: "0 acknowledged messages lost", zh: "已确认的消息丢失 0 条" }
    nothing_damaged() { en: "nothing is damaged", zh: "没有损坏" }
    places_damaged(places) {
        en: "{places} {places|place is|places are} damaged, what {places|it|they} held is lost: see the log",
        zh: "有 {places} 处损坏，其中的内容已丢失：请查看日志",
    }
    costless_damaged(places) {
        en: "{places} {places|place is|places are} damaged that held nothing needed: see the log",
        zh: "有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    and_costless(what, places) {
        en: "{what}; {places} {places|place is|places are} damaged that held nothing needed: see the log",
        zh: "{what}；另有 {places} 处损坏，但其中没有需要的内容：请查看日志",
    }
    and_lost(what, sessions) {
        en: "{what}; {sessions} {sessions|session has|sessions have} lost {sessions|its record|their records}, the rest of {sessions|it|them} is kept: see the log",
        zh: "{what}；有 {sessions} 个会话丢失了自己的记录，其余内容已保留：请查看日志",
    }
    lost_session(number, subscriptions, messages) {
        en: "the record of session {number} is lost; kept until `columba store discard`: subscriptions: {subscriptions}, messages: {messages}",
        zh: "会话 {number} 的记录已丢失；在执行 `columba store discard` 之前保留：订阅：{subscriptions}，消息：{messages}",
    }
    and_unusable(what, records) {
        en: "{what}; {records} {records|record means|records mean} nothing to this version",
        zh: "{what}；有 {records} 条记录此版本无法识别",
    }

    stop_process(pid) {
        en: "stop process {pid} first, or give this instance a directory of its own",
        zh: "请先停止进程 {pid}，或让此实例使用自己的目录",
    }
    wait_for_program() {
        en: "another program reads or writes it now: wait until it has ended",
        zh: "另一个程序正在读写它：请等它结束",
    }
    newer_version(place) {
        en: "a newer Columba wrote it: run that one, or move it over with its `columba store export` and the `import` of this one; to begin anew, move {place} away",
        zh: "它由更新版本的 Columba 写入：请运行那个版本，或用它的 `columba store export` 导出，再用本版本的 `import` 导入；要重新开始，请移走 {place}",
    }
    take_out() {
        en: "files of two stores are mixed: take those out that do not belong there",
        zh: "两个存储的文件混在了一起：请移走不属于这里的文件",
    }
    is_a_file(place) {
        en: "{place} is a file: move it away, or set [store] directory",
        zh: "{place} 是一个文件：请移走它，或设置 [store] 的 directory",
    }
    wrong_owner(place) {
        en: "it has to belong to whoever runs this, who may write there: chown -R USER {place}, chmod -R u+rwX {place}",
        zh: "它必须属于运行本程序的用户，且该用户可以写入：chown -R 用户 {place}，chmod -R u+rwX {place}",
    }
    read_only_system() {
        en: "the file system is read only, perhaps since the disk failed: see the kernel's log, mount it for writing, or set [store] directory",
        zh: "文件系统是只读的，可能是磁盘出过故障：请查看内核日志，以可写方式挂载，或设置 [store] 的 directory",
    }
    make_room() {
        en: "make room on the disk, then start again", zh: "请腾出磁盘空间，然后重新启动",
    }
    larger_files() {
        en: "raise the limit of file sizes (LimitFSIZE= in the service, or ulimit -f), then start again: a file of the store has 32 MiB, or more where a message has",
        zh: "请提高文件大小的上限（服务中的 LimitFSIZE= 或 ulimit -f），然后重新启动：存储的每个文件有 32 MiB，消息更大时则更大",
    }
    more_descriptors() {
        en: "raise the limit of open files (LimitNOFILE= in the service, or ulimit -n)",
        zh: "请提高打开文件数的上限（服务中的 LimitNOFILE= 或 ulimit -n）",
    }
    no_locks() {
        en: "its file system has no locks, as some over a network: set [store] directory to a local disk",
        zh: "所在的文件系统不支持锁，某些网络文件系统就是如此：请把 [store] 的 directory 设为本地磁盘",
    }
    make_above(place) { en: "make the directory above {place} first", zh: "请先创建 {place} 的上级目录" }
    see_kernel() {
        en: "see the kernel's log; if the disk is broken, restore a backup",
        zh: "请查看内核日志；如果磁盘已坏，请恢复备份",
    }
}

/// What a store says.
pub(super) fn of_error(error: &Error) -> Param {
    let text = match error {
        Error::Full {
            file,
            during,
            source,
        } => full(doing(during), file.to_string(), system(source)),
        Error::Exhausted {
            file,
            during,
            source,
        } => exhausted(doing(during), file.to_string(), system(source)),
        Error::Failed {
            file,
            during,
            source,
        } => failed(doing(during), file.to_string(), system(source)),
        Error::Unreadable { file, source } => unreadable(file.to_string(), system(source)),
        Error::Locked(LockError::InUse { directory, pid }) => match pid {
            Some(pid) => in_use(&**directory, pid.to_string()),
            None => in_use_by_unknown(&**directory),
        },
        Error::Locked(LockError::Failed { directory, source }) => {
            not_locked(&**directory, system(source))
        }
        Error::Version { file, found, known } => version(file.to_string(), *found, *known),
        Error::Mixed {
            file,
            found,
            wanted,
        } => mixed(
            file.to_string(),
            format!("{found:016x}"),
            format!("{wanted:016x}"),
        ),
        Error::TooLarge { size, limit } => too_large(*size, *limit),
        Error::Stopped => stopped(),
        Error::ReadOnly => read_only(),
        Error::NoStore => no_store(),
        Error::NotEmpty => not_empty(),
        Error::OutOfOrder(position) => out_of_order(position.to_string()),
        Error::NotLive(position) => not_live(position.to_string()),
        Error::Damaged(damage) => of_damage(damage),
        // Of a later version of the crate.
        other => return other.to_string().into(),
    };
    text.into()
}

/// What a store was doing; one that has no words here stays as it is.
fn doing(during: &str) -> Param {
    let known = [
        cutting(),
        listing(),
        making(),
        removing(),
        reserving(),
        syncing(),
        taking_back(),
        writing(),
    ];
    let mut known = known.into_iter();
    let found = known.find(|text| text.to_string(Language::English) == during);
    found.map_or_else(|| Param::from(during), Param::from)
}

/// Bytes that are not what was written, and what they cost.
pub fn of_damage(damage: &Damage) -> Text {
    let loss: Param = match &damage.loss {
        Loss::Header => header().into(),
        Loss::Frames => frames().into(),
        Loss::Record(position) => record(position.to_string()).into(),
        Loss::Unreadable => cannot_read().into(),
        Loss::Released(position) => released(position.to_string()).into(),
        Loss::Commits { first, last } => commits(*first, *last).into(),
        Loss::File => file_missing().into(),
        Loss::Segment => file_empty().into(),
        // Of a later version of the crate.
        other => other.to_string().into(),
    };
    match damage.file {
        Name::Directory => emptied(loss),
        file => damaged(file.to_string(), damage.offset, damage.bytes, loss),
    }
}

/// What is kept of a session whose record is gone, with the filters that its client had.
pub fn of_lost(lost: &LostSession) -> Text {
    let count = lost.subscriptions.len();
    let filters = lost.subscriptions.iter().take(FILTERS_TOLD);
    let mut filters: Vec<String> = filters.map(|of| of.escape_debug().to_string()).collect();
    if count > FILTERS_TOLD {
        filters.push("...".to_owned());
    }
    let subscriptions = match count {
        0 => "0".to_owned(),
        _ => format!("{count} ({})", filters.join(", ")),
    };
    lost_session(lost.number.to_string(), subscriptions, lost.messages)
}

/// The same without the filters.
pub(super) fn of_lost_counted(lost: &LostSession) -> Text {
    let subscriptions = lost.subscriptions.len();
    lost_session(lost.number.to_string(), subscriptions, lost.messages)
}

/// Filters of a lost session that are named.
const FILTERS_TOLD: usize = 16;

/// What to do where the system refuses a lock.
pub(super) fn fix_of_lock(error: &io::Error, place: &str) -> Text {
    match Errno::from_io_error(error) {
        Some(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => no_locks(),
        _ => fix_of(error, place),
    }
}

/// What to do where the system says no.
pub(super) fn fix_of(error: &io::Error, place: &str) -> Text {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    if is_exhausted(error) {
        return more_descriptors();
    }
    match error.kind() {
        NotADirectory => is_a_file(place),
        PermissionDenied => wrong_owner(place),
        ReadOnlyFilesystem => read_only_system(),
        StorageFull | QuotaExceeded => make_room(),
        FileTooLarge => larger_files(),
        NotFound => make_above(place),
        _ => see_kernel(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use columba_store::{Name, Position};

    use super::*;

    fn position(number: u64) -> Position {
        Position::new(number)
    }

    fn damage(loss: Loss) -> Damage {
        Damage {
            file: Name::Segment(7),
            offset: 64,
            bytes: 0,
            loss,
        }
    }

    /// One of each kind.
    fn losses() -> [Loss; 8] {
        [
            Loss::Header,
            Loss::Frames,
            Loss::Record(position(3)),
            Loss::Unreadable,
            Loss::Released(position(3)),
            Loss::Commits { first: 1, last: 2 },
            Loss::File,
            Loss::Segment,
        ]
    }

    /// What the flight recorder keeps in English alone has the same Chinese when it is shown.
    #[test]
    fn what_is_noted_of_damage_is_said_in_the_same_chinese() {
        let mut texts: Vec<Text> = losses().map(|loss| of_damage(&damage(loss))).into();
        texts.push(of_damage(&Damage {
            file: Name::Directory,
            ..damage(Loss::Commits { first: 1, last: 2 })
        }));
        for places in [1_usize, 2] {
            let ends = [
                none_lost(),
                costless_damaged(places),
                places_damaged(places),
                and_costless(none_lost(), places),
                and_costless(places_damaged(places), places),
            ];
            texts.extend(ends.map(|end| recovered(places, 0_u64, 0_u64, "0.003", end)));
        }
        for text in texts {
            let english = text.to_string(Language::English);
            let noted = columba_diagnosis::noted::noted(&english);
            let chinese = text.to_string(Language::Chinese);
            assert_eq!(noted.to_string(Language::Chinese), chinese, "{english}");
        }
    }

    #[test]
    fn english_is_what_the_store_says() {
        let source = Arc::new(io::Error::from_raw_os_error(28));
        let file = Name::Segment(7);
        let mut errors: Vec<Error> = losses().map(|loss| Error::Damaged(damage(loss))).into();
        errors.push(Error::Damaged(Damage {
            file: Name::Directory,
            ..damage(Loss::Commits { first: 1, last: 2 })
        }));
        for during in ["writing", "syncing", "removing", "cutting", "listing"] {
            let source = Arc::clone(&source);
            errors.push(Error::Failed {
                file,
                during,
                source,
            });
        }
        errors.push(Error::Exhausted {
            file: Name::Spare,
            during: "making",
            source: Arc::clone(&source),
        });
        for during in ["making", "reserving room for", "taking back a write to"] {
            let source = Arc::clone(&source);
            errors.push(Error::Full {
                file,
                during,
                source,
            });
        }
        let directory = "data".to_owned();
        errors.extend([
            Error::Unreadable {
                file,
                source: Arc::clone(&source),
            },
            Error::Locked(LockError::InUse {
                directory: directory.clone(),
                pid: Some(7),
            }),
            Error::Locked(LockError::InUse {
                directory: directory.clone(),
                pid: None,
            }),
            Error::Locked(LockError::Failed { directory, source }),
            Error::Version {
                file,
                found: 9,
                known: 1,
            },
            Error::Mixed {
                file,
                found: 10,
                wanted: 11,
            },
            Error::TooLarge { size: 9, limit: 8 },
            Error::Stopped,
            Error::ReadOnly,
            Error::NoStore,
            Error::NotEmpty,
            Error::OutOfOrder(position(5)),
            Error::NotLive(position(5)),
        ]);
        for error in errors {
            let said = of_error(&error);
            assert_eq!(said.to_string(Language::English), error.to_string());
            let said = said.to_string(Language::Chinese);
            assert!(!said.contains("ing "), "{said}");
            assert_ne!(said, error.to_string());
        }
        assert_eq!(columba_speech::faults(ALL), [""; 0]);
    }
}
