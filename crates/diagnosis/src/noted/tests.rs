//! Sentences are recognised, each as itself.

use super::*;

#[test]
fn every_sentence_is_whole_in_both_languages() {
    assert_eq!(columba_speech::faults(ALL), [""; 0]);
    assert_eq!(columba_speech::faults(AROUND), [""; 0]);
}

#[test]
fn what_is_noted_stays_as_it_is_in_english_and_is_chinese_in_chinese() {
    for (detail, chinese) in [
        ("denied by etc/acl.toml:18", "被 etc/acl.toml:18 拒绝"),
        ("taken over by another connection", "被另一个连接顶替"),
        ("taken over by 10.0.0.7:4711", "被 10.0.0.7:4711 顶替"),
        ("$share/g/a/# has no member", "$share/g/a/# 没有成员"),
        (
            "recovered 1 session, 6 queued, 0 retained in 0.003 s; 1 place is damaged, what it held is \
             lost: see the log",
            "0.003 秒内恢复 1 个会话、6 条排队消息、0 条保留消息；有 1 处损坏，其中的内容已丢失：请查看日志",
        ),
        (
            "recovered 12 sessions, 6 queued, 0 retained in 0.003 s; 1 session, 2 queued, 3 retained had \
             expired meanwhile; 0 acknowledged messages lost",
            "0.003 秒内恢复 12 个会话、6 条排队消息、0 条保留消息；期间已过期：1 个会话、2 条排队消息、3 条保留消息；已确认的消息丢失 0 条",
        ),
        (
            "recovered 1 session, 0 queued, 0 retained in 0.003 s; 0 sessions, 1 queued, 0 retained had \
             expired meanwhile; nothing is damaged",
            "0.003 秒内恢复 1 个会话、0 条排队消息、0 条保留消息；期间已过期：0 个会话、1 条排队消息、0 条保留消息；没有损坏",
        ),
        (
            "00000001.log is damaged at offset 120 (32 bytes): the record at position 3",
            "00000001.log 在偏移量 120 处损坏（32 字节）：丢失位置 3 的记录",
        ),
        ("the client disconnected", "客户端主动断开"),
        (
            "PUBLISH refused at byte 1: the packet has 2011 bytes, more than the limit of 1000",
            "PUBLISH 在第 1 字节处被拒绝：报文有 2011 字节，超过上限 1000",
        ),
        (
            "these bytes are not MQTT: CONNECT refused at byte 8: protocol level 9 is not supported: \
             use 3, 4 or 5",
            "收到的不是 MQTT（CONNECT 在第 8 字节处被拒绝：不支持协议级别 9：请使用 3、4 或 5）",
        ),
        (
            "CONNECT refused at byte 9: reserved bits are set in the connect flags",
            "CONNECT 在第 9 字节处被拒绝：连接标志的保留位被置位",
        ),
        (
            "this port is for MQTT over TLS (mqtts): connect with TLS, such as --cafile or mqtts://",
            "此端口用于经 TLS 的 MQTT（mqtts）：请使用 TLS 连接，例如 --cafile 或 mqtts://",
        ),
        (
            "WebSocket: the first bytes are no HTTP request; plain MQTT perhaps",
            "WebSocket 出错：最先收到的不是 HTTP 请求；可能是不经 WebSocket 的 MQTT",
        ),
        (
            "home/a: b/#: denied: no access rule allows it",
            "home/a: b/#：被拒绝：没有允许它的访问规则",
        ),
        ("home/a: b/#: something", "home/a: b/#: something"),
        (
            "a topic to publish to has no wildcard (+ or #)",
            "发布的主题中不能有通配符（+ 或 #）",
        ),
        (
            "something of a later version",
            "something of a later version",
        ),
    ] {
        assert_eq!(noted(detail).to_string(Language::English), detail);
        assert_eq!(noted(detail).to_string(Language::Chinese), chinese);
    }
}

/// A sentence is not taken for one with a wider hole that stands before it.
#[test]
fn every_sentence_is_recognised_as_itself() {
    for entry in ALL {
        let said = entry.en.replace(['{', '}'], "");
        let found = recognise(ALL, &said).map(|text| text.code());
        assert_eq!(found, Some(entry.code), "{said}");
    }
}
