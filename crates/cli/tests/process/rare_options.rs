//! Combinations of options that scripts seldom have: the same output and exit code by Mosquitto's own clients
//! and by this binary under their names.

use std::fs;

use crate::mosquitto::{Bench, Case, compare};

const PUBLISH: &[Case] = &[
    ("pub -r -t p/1 -l -q 2 -d -i me\0one\n", None),
    ("pub -r -t p/1 -l --repeat 3\0one\ntwo\n", None),
    ("pub -r -t p/1 -l --repeat-delay 9\0one\r\n", None),
    ("pub -r -t p/1 -f /dev/null", None),
    ("pub -r -t p/1 -m  -q 1", None),
    ("pub -r -t p/1 -m x --repeat 3 --repeat-delay 0.1", None),
    (
        "pub -r -t p/1 -m x --repeat 3 --repeat-delay -1",
        Some((">=0.0", "0 or more")),
    ),
    (
        "pub -r -t p/1 -m x --repeat -1",
        Some(("--repeat", "--repeat")),
    ),
    (
        "pub -r -t p/1 -m x -k 0",
        Some(("invalid keepalive", "invalid keepalive")),
    ),
    ("pub -r -t p/1 -m x -k 5", None),
    (
        "pub -r -t p/1 -m x -i a23456789012345678901234567890 -V mqttv31",
        None,
    ),
    ("pub -r -t p/1 -m x -I a23456789012345678901234567890", None),
    (
        "pub -r -t p/1 -m x -A 192.0.2.1",
        Some(("cannot assign requested", "cannot assign requested")),
    ),
    ("pub -r -L mqtt://127.0.0.1:PORT/ -t p/1 -m x", None),
    (
        "pub -r -t p/1 -m x -D publish topic-alias 0",
        Some(("publish properties", "topic-alias")),
    ),
    (
        "pub -r -t p/1 -m x -D publish message-expiry-interval -5",
        Some(("out of range", "in its range")),
    ),
    (
        "pub -r -t p/1 -m x -D connect receive-maximum 70000",
        Some(("out of range", "in its range")),
    ),
    (
        "pub -r -t p/1 -m x -D connect maximum-packet-size 0",
        Some(("connect properties", "maximum packet size")),
    ),
    (
        "pub -r -t p/1 -m x -D publish subscription-identifier 5",
        Some(("not supported for publish", "no such property")),
    ),
    (
        "pub -r -t p/1 -m x -D connect maximum-packet-size 1000 -D connect receive-maximum 5 \
         -D connect request-problem-information 0 -D connect request-response-information 1 \
         -D connect session-expiry-interval 5 -D connect topic-alias-maximum 5 -D connect \
         user-property a b",
        None,
    ),
    (
        "pub -r -t p/1 -m x --will-topic w -D will content-type c -D will correlation-data d -D will \
         message-expiry-interval 5 -D will payload-format-indicator 1 -D will response-topic r -D will \
         user-property a b -D will will-delay-interval 5",
        None,
    ),
    (
        "pub -r -t p/1 -m x -D disconnect session-expiry-interval 5 -D disconnect user-property a b",
        None,
    ),
    ("pub -r -t p/1 -m x -D publish user-property  ", None),
    ("pub -r -t p/1 -m x -D publish content-type ", None),
];

/// What reads the retained messages `g/a` to `g/c`.
const SUBSCRIBE: &[Case] = &[
    ("sub -t g/a -t g/b -t g/c -T g/b -C 2 -v", None),
    ("sub -t g/+ -T g/a -T g/c -C 1 -v", None),
    ("sub -t g/+ --retained-only -C 2 -v", None),
    ("sub -t g/a -U g/none -C 1", None),
    ("sub -t g/a -E -c -i kept -x 10", None),
    (
        "sub -t g/a -C 1 -i a23456789012345678901234567890 -V 31",
        None,
    ),
    ("sub -t g/a -t g/b -C 2 -v -N", None),
    ("sub -t g/a -C 1 -v -F %p", None),
    ("sub -t g/a -C 1 -F %p -v", None),
    ("sub -t g/a -C 1 -F ", None),
    ("sub -t g/a -C 3 -W 1", Some(("timed out", "timed out"))),
    (
        "sub -t g/a -C 1 -O",
        Some(("unknown option", "unexpected argument")),
    ),
    // What a message does not have.
    (
        "sub -t g/a -C 1 -V 5 -F [%5R|%-5R|%05R|%5.2R|%5A|%05A|%5C|%05C|%5D|%05E|%5F|%5P|%05S]",
        None,
    ),
    (
        "sub -t g/a -C 1 -D subscribe user-property a b -D subscribe subscription-identifier 5 -F %S",
        None,
    ),
    (
        "sub -t g/a -C 1 -U z -D unsubscribe user-property a b",
        None,
    ),
];

const REQUEST: &[Case] = &[
    ("rr -t a -e a -n -q 1 -W 5 -v", None),
    ("rr -t a -e a -f /dev/null -W 5 -v", None),
    (
        "rr -t a -e a -m hi -D publish correlation-data cd -F %D|%R|%p -W 5",
        None,
    ),
    ("rr -t a -e a -m hi -N -W 5", None),
    ("rr -t a -e a -m hi -v -F %t -W 5", None),
    (
        "rr -t a -e a -m hi --pretty -F %J -W 5",
        Some(("not valid json", "not valid json")),
    ),
];

#[test]
fn rare_options_of_pub_do_what_they_do_there() {
    let bench = Bench::new();
    for case in PUBLISH {
        let theirs = (bench.theirs(case.0), bench.retained());
        let ours = (bench.ours(case.0), bench.retained());
        compare(case, &theirs.0, &ours.0);
        assert_eq!(theirs.1, ours.1, "{}", case.0);
    }
    fs::write(bench.dir.path().join("file"), vec![b'x'; 1 << 20]).expect("a file");
    let case = ("pub -r -t p/1 -f FILE -q 2", None);
    let theirs = (bench.theirs(case.0), bench.retained());
    let ours = (bench.ours(case.0), bench.retained());
    compare(&case, &theirs.0, &ours.0);
    assert!(theirs.1 == ours.1 && ours.1.len() == 1);
}

#[test]
fn rare_options_of_sub_and_rr_do_what_they_do_there() {
    let bench = Bench::new();
    for topic in ["g/a", "g/b", "g/c"] {
        bench.theirs(&format!("pub -r -t {topic} -m {topic}"));
    }
    for case in SUBSCRIBE.iter().chain(REQUEST) {
        compare(case, &bench.theirs(case.0), &bench.ours(case.0));
    }
}

#[test]
fn odd_lines_of_an_options_file_are_read_as_they_are_there() {
    let bench = Bench::new();
    for (text, words) in [
        // Quotes are a part of the value, and so is what stands behind a second blank.
        ("-t p/1\n-m \"two words\"\n-r\n", None),
        ("-t p/1\n-m 'one' # no comment\n-r\n", None),
        ("-t   p/1\n-m   led\n-r\n", None),
        (" -t p/1\n-m led\n-r\n", None),
        ("-t p/1\r\n-m x\r\n-r\r\n", None),
        ("\n#\n   \n-t p/1\n-n\n-r\n", None),
        ("-t p/1\n-r\n-q", Some(("no qos", "without its value"))),
        ("--bogus\n", Some(("unknown option", "unexpected argument"))),
    ] {
        fs::write(bench.dir.path().join("mosquitto_pub"), text).expect("a file");
        let line = match text.contains("-m") || text.contains("-n\n") {
            true => "pub",
            false => "pub -m x",
        };
        let theirs = (bench.theirs(line), bench.retained());
        let ours = (bench.ours(line), bench.retained());
        compare(&(line, words), &theirs.0, &ours.0);
        assert_eq!(theirs.1, ours.1, "{text:?}");
    }
}
