//! What a tree looks like, at any size of the terminal.

use columba_client::Message;

use super::*;

fn tree(messages: &[(&str, &[u8])]) -> Tree {
    let mut tree = Tree::unseen(None, false);
    // Long ago, so that nothing is new.
    let past = tree.started_at;
    for (topic, payload) in messages {
        let incoming = Incoming {
            message: Message::new(*topic, *payload),
            dup: false,
            packet_id: None,
            subscription_identifiers: Vec::new(),
            topic_alias: None,
            receipt: None,
        };
        tree.take(&incoming, past);
    }
    tree
}

fn frame(tree: &mut Tree, size: (usize, usize)) -> Vec<String> {
    let later = tree.started_at + Duration::from_secs(10);
    let lines = tree.frame(size, later);
    assert!(lines.len() <= size.1.max(2), "{lines:?}");
    let bare = lines.iter().map(|line| {
        let bare = line.replace("\x1b[7m", "> ").replace("\x1b[0m", "");
        let cells = width(&bare) - if bare.starts_with("> ") { 2 } else { 0 };
        assert!(cells <= size.0, "{bare}");
        bare.trim_end().to_owned()
    });
    bare.collect()
}

const PLANT: &[(&str, &[u8])] = &[
    ("plant/线路/温度", b"21"),
    ("plant/line/state", b"{\"on\" :true}"),
    ("plant/line/state", b"{\"on\" :false}"),
    ("plant/line", b"\xff\x00"),
    ("/odd", b"a\x1b[2Jb"),
];

#[test]
fn levels_are_indented_and_wide_text_is_aligned() {
    let mut tree = tree(PLANT);
    assert_eq!(
        frame(&mut tree, (60, 20)),
        [
            "5 messages on 4 topics, 0.5/s   (arrows, space: fold, q: qu…",
            "> ▾ (empty)           1",
            "    odd             1  a?[2Jb",
            "▾ plant             4",
            "  ▾ line            3  0xff00",
            "      state         2  {\"on\": false}",
            "  ▾ 线路            1",
            "      温度          1  21",
            "",
        ]
    );
}

#[test]
fn keys_move_fold_and_scroll() {
    let mut tree = tree(PLANT);
    for key in [Key::Down, Key::Down, Key::Down] {
        tree.on_key(key, 1);
    }
    assert_eq!(tree.marked, ["plant", "line"]);
    tree.on_key(Key::Close, 1);
    let lines = frame(&mut tree, (60, 5));
    assert_eq!(
        lines.get(3).map(String::as_str),
        Some(">   ▸ line         3  0xff00"),
        "{lines:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("plant/line"));
    // Closed already: its parent.
    tree.on_key(Key::Close, 1);
    assert_eq!(tree.marked, ["plant"]);
    tree.on_key(Key::PageDown, 100);
    assert_eq!(tree.marked, ["plant", "线路", "温度"]);
    tree.on_key(Key::PageUp, 100);
    tree.on_key(Key::Up, 1);
    assert_eq!(tree.marked, [""]);
    // Whoever marks something inside of what is closed from outside stays near.
    tree.marked = ["plant", "line", "state"].map(str::to_owned).to_vec();
    frame(&mut tree, (60, 20));
    tree.on_key(Key::Open, 1);
    assert_eq!(tree.marked, ["plant", "line"]);
}

#[test]
fn no_size_of_the_terminal_is_too_small() {
    let mut tree = tree(PLANT);
    for columns in 0..40 {
        for rows in 0..8 {
            frame(&mut tree, (columns, rows));
        }
    }
    frame(&mut self::tree(&[]), (80, 24));
}

#[test]
fn elsewhere_it_is_all_of_it() {
    assert_eq!(
        tree(PLANT).whole(),
        "(empty)\n  odd  1 message  a?[2Jb\nplant\n  line  1 message  0xff00\n    state  2 messages  \
         {\"on\": false}\n  线路\n    温度  1 message  21\n"
    );
}
