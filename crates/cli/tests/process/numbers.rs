//! What is said of a number on the command line that is none.

use crate::bed::columba;

#[test]
fn a_wrong_number_is_told_in_words() {
    let check = |line: &str, english: &str, chinese: &str| {
        for (language, sentence) in [("en", english), ("zh", chinese)] {
            let mut command = columba();
            command.args(line.split(' ')).args(["--lang", language]);
            let output = command.output().expect("the binary");
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or_default();
            assert!(first.ends_with(sentence), "{line}: {said}");
            assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        }
    };
    let whole = "write a whole number such as 5, without sign and fraction";
    let whole_chinese = "应为整数，例如 5，不带正负号和小数";
    check("sub -t a -W 1.5", whole, whole_chinese);
    check("sub -t a -C -1", whole, whole_chinese);
    check("sub -t a -C 0", "0 is less than 1", "0 小于 1");
    check("sub -t a -W=", "the number is missing", "缺少数字");
    check(
        "pub -t a -m x --repeat-delay x",
        "write a number such as 0.5",
        "应为数字，例如 0.5",
    );
    let large = "18446744073709551616";
    check(
        &format!("sub -t a -C {large}"),
        "the number is too large",
        "数字过大",
    );
}
