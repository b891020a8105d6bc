//! What the operating system says of files and connections.

use std::io::{self, ErrorKind};

use crate::{Language, Param, Text};

crate::catalogue! {
    /// All sentences.
    pub ALL;

    with_number(what, number) { en: "{what} (os error {number})", zh: "{what}（系统错误 {number}）" }
    connection_refused() { en: "Connection refused", zh: "连接被拒绝" }
    connection_reset() { en: "Connection reset by peer", zh: "连接被对方重置" }
    not_found() { en: "No such file or directory", zh: "没有那个文件或目录" }
    not_permitted() { en: "Operation not permitted", zh: "不允许的操作" }
    permission_denied() { en: "Permission denied", zh: "权限不足" }
    is_a_directory() { en: "Is a directory", zh: "是一个目录" }
    not_a_directory() { en: "Not a directory", zh: "不是目录" }
    timed_out() { en: "Connection timed out", zh: "连接超时" }
    host_unreachable() { en: "No route to host", zh: "没有到主机的路由" }
    network_unreachable() { en: "Network is unreachable", zh: "网络不可达" }
    broken_pipe() { en: "Broken pipe", zh: "管道已断开" }
    read_only() { en: "Read-only file system", zh: "文件系统是只读的" }
    address_in_use() { en: "Address already in use", zh: "地址已被占用" }
    address_not_available() { en: "Cannot assign requested address", zh: "本机没有该地址" }
    exists() { en: "File exists", zh: "文件已存在" }
    file_too_large() { en: "File too large", zh: "文件过大" }
    no_space() { en: "No space left on device", zh: "设备上没有剩余空间" }
    no_device() { en: "No such device or address", zh: "没有那个设备或地址" }
    ended_early() { en: "unexpected end of file", zh: "提前结束" }
    not_text() { en: "it is no text in UTF-8", zh: "不是 UTF-8 文本" }
    lookup(detail) {
        en: "failed to lookup address information: {detail}", zh: "无法解析主机名：{detail}",
    }
    name_unknown() { en: "Name or service not known", zh: "未知的名称" }
    no_lookup_now() { en: "Temporary failure in name resolution", zh: "域名解析暂时失败" }
}

/// What the standard library puts before what the resolver says.
const LOOKUP: &str = "failed to lookup address information: ";

/// What it says of a file that it was to read as text.
const NOT_TEXT: &str = "stream did not contain valid UTF-8";

/// Of one kind with EACCES, and with words of its own.
const EPERM: i32 = 1;

/// Of no kind that has a name: `/dev/tty` gives it to those without a terminal.
const ENXIO: i32 = 6;

/// An error in words; what has none here stays as the system says it.
pub fn system(error: &io::Error) -> Param {
    if error.kind() == ErrorKind::UnexpectedEof && error.get_ref().is_none() {
        return ended_early().into();
    }
    let text = error.to_string();
    if text == NOT_TEXT {
        return not_text().into();
    }
    if let Some(detail) = text.strip_prefix(LOOKUP) {
        let known = [name_unknown(), no_lookup_now()];
        let found = known.into_iter().find(|text| english(text) == detail);
        return lookup(found.map_or_else(|| Param::from(detail), Param::from)).into();
    }
    let what = match error.raw_os_error() {
        Some(EPERM) => Some(not_permitted()),
        Some(ENXIO) => Some(no_device()),
        _ => of_kind(error.kind()),
    };
    let (Some(what), Some(number)) = (what, error.raw_os_error()) else {
        return text.into();
    };
    with_number(what, number.to_string()).into()
}

fn english(text: &Text) -> String {
    text.to_string(Language::English)
}

fn of_kind(kind: ErrorKind) -> Option<Text> {
    Some(match kind {
        ErrorKind::ConnectionRefused => connection_refused(),
        ErrorKind::ConnectionReset => connection_reset(),
        ErrorKind::NotFound => not_found(),
        ErrorKind::PermissionDenied => permission_denied(),
        ErrorKind::IsADirectory => is_a_directory(),
        ErrorKind::NotADirectory => not_a_directory(),
        ErrorKind::TimedOut => timed_out(),
        ErrorKind::HostUnreachable => host_unreachable(),
        ErrorKind::NetworkUnreachable => network_unreachable(),
        ErrorKind::BrokenPipe => broken_pipe(),
        ErrorKind::StorageFull => no_space(),
        ErrorKind::FileTooLarge => file_too_large(),
        ErrorKind::ReadOnlyFilesystem => read_only(),
        ErrorKind::AddrInUse => address_in_use(),
        ErrorKind::AddrNotAvailable => address_not_available(),
        ErrorKind::AlreadyExists => exists(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_what_the_system_says() {
        for number in [
            1, 2, 6, 13, 17, 20, 21, 28, 30, 32, 98, 99, 101, 104, 110, 111, 113,
        ] {
            let error = io::Error::from_raw_os_error(number);
            let said = system(&error).to_string(Language::English);
            assert_eq!(said, error.to_string());
            let said = system(&error).to_string(Language::Chinese);
            assert!(said.ends_with(&format!("（系统错误 {number}）")), "{said}");
        }
        assert_eq!(crate::faults(ALL), [""; 0]);
        let error = io::Error::from(ErrorKind::UnexpectedEof);
        let said = system(&error).to_string(Language::English);
        assert_eq!(said, error.to_string());
        let error = io::read_to_string(&b"\xff"[..]).expect_err("no text");
        let said = system(&error).to_string(Language::Chinese);
        assert_eq!(said, "不是 UTF-8 文本");
        let error = io::Error::other(format!("{LOOKUP}Name or service not known"));
        assert_eq!(
            system(&error).to_string(Language::Chinese),
            "无法解析主机名：未知的名称"
        );
    }
}
