//! What lists say that have nothing to list: who reads their rows reads none, a person is told.

use crate::Running;

#[test]
fn a_list_of_nothing_says_so_beside_its_rows() {
    let broker = Running::start();
    let check = |line: &[&str], rows: usize, said: &str, in_chinese: &str| {
        for (language, said) in [("en", said), ("zh", in_chinese)] {
            let output = broker.run(&[line, &["--lang", language]].concat());
            assert!(output.status.success(), "{line:?}: {output:?}");
            let shown = String::from_utf8_lossy(&output.stdout);
            assert_eq!(shown.lines().count(), rows, "{line:?}: {shown}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), said, "{line:?}");
        }
    };
    check(
        &["token", "list", "columba-data"],
        0,
        "There are no tokens. Make one: columba token add columba-data NAME\n",
        "还没有令牌。创建一个：columba token add columba-data 名称\n",
    );
    check(
        &["context", "list"],
        0,
        "There are no contexts. Make one: columba context add NAME --url mqtts://HOST -u USER --password\n",
        "还没有上下文。创建一个：columba context add 名称 --url mqtts://主机 -u 用户 --password\n",
    );
    // The head of the table alone.
    let of_none = ("there are none\n", "没有符合条件的内容\n");
    for list in ["clients", "retained a/#", "topics a/#", "topics --tree a"] {
        let words: Vec<_> = list.split(' ').collect();
        check(&words, 1, of_none.0, of_none.1);
        check(&[&words[..], &["-o", "jsonl"]].concat(), 0, "", "");
    }
    check(&["events", "--client", "nobody"], 0, of_none.0, of_none.1);
    let jsonl = ["events", "--client", "nobody", "-o", "jsonl"];
    check(&jsonl, 0, "", "");

    // One row is said to be none by nobody.
    broker.retain("a/b", "x");
    check(&["retained", "a/#"], 2, "", "");
    broker.out(&["token", "add", "columba-data", "me"]);
    check(&["token", "list", "columba-data"], 1, "", "");
}
