//! Errors and warnings in Chinese, from one end to the other.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::{Broker, columba};
use crate::mosquitto::read_packet;

/// Runs a command line; `PORT` in it stands for a port.
fn run(mut command: Command, line: &str, port: &str, dir: &Path) -> Output {
    let line = line.replace("PORT", port);
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command
        .current_dir(dir)
        .env("XDG_CONFIG_HOME", dir)
        .env("COLUMBA_LANG", "zh")
        .stdin(Stdio::null());
    command.output().expect("the binary")
}

/// Without what is quoted from a library, in brackets behind a Chinese sentence, and from a file.
fn without_quotations(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.contains(" | "));
    let mut text = String::new();
    for line in lines {
        let pieces = line.split('（').enumerate();
        for (index, piece) in pieces {
            text += match piece.split_once('）') {
                Some((_, rest)) if index > 0 => rest,
                _ => piece,
            };
        }
        text.push('\n');
    }
    text
}

/// Words in a row that only an English sentence has. Names, options and commands stand alone, and so
/// does what is in the command line.
pub(crate) fn english(said: &str, line: &str) -> Option<String> {
    let mut row: Vec<&str> = Vec::new();
    // A command that is to be typed is a name.
    let said = without_quotations(said);
    for word in said.split('`').step_by(2).flat_map(str::split_whitespace) {
        let is_word = word
            .chars()
            .all(|c| c.is_ascii_lowercase() || ",;.'".contains(c))
            && word.chars().filter(char::is_ascii_lowercase).count() > 1;
        if is_word && !line.contains(word) && word != "columba" && word != "context" {
            row.push(word);
        } else {
            row.clear();
        }
        if row.len() > 1 {
            return Some(row.join(" "));
        }
    }
    None
}

fn check(output: &Output, line: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("错误：") || said.starts_with("警告："),
        "{line}: {said}"
    );
    assert_eq!(english(&said, line), None, "{line}: {said}");
}

/// Contexts, scenarios and certificates with a fault each.
fn faulty_files(dir: &Path) {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let certificate = certificate.expect("a certificate").cert.pem();
    let other_key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let recorded =
        "{\"time\":\"2026-11-28T09:00:00Z\",\"topic\":\"a/#\",\"qos\":1,\"payload\":\"x\"}\n";
    for (name, text) in [
        ("columba/contexts/faulty-key.toml", "colour = \"red\""),
        ("columba/contexts/faulty-url.toml", "url = \"http://h\""),
        (
            "columba/contexts/faulty-secret.toml",
            "url = \"mqtt://h\"\npassword = 1",
        ),
        ("columba/contexts/faulty-type.toml", "url = 1"),
        ("columba/contexts/without-api.toml", "url = \"mqtt://h\""),
        ("columba/contexts/faulty-mode.toml", "url = \"mqtt://h\""),
        ("empty.pem", "nothing"),
        ("ca.pem", &certificate),
        ("other.key", &other_key),
        ("wrong.jsonl", recorded),
        ("links/mosquitto_pub", ""),
        ("faulty-key.toml", "[[device]]\ncolour = 1\n"),
        (
            "faulty.toml",
            "[[device]]\nname = \"x\"\ncount = 0\nclient_id = \"{indx}\"\nkeep_alive = \"often\"\n\
             values = {v = \"{walk(1)}\", w = \"{choice()}\", x = \"{id\", y = \"{int(1, 2}\"}\n\
             will = {topic = \"a/#\", payload = \"\", qos = 3}\n\
             [[device.message]]\ntopic = \"a\"\npayload = \"x\"\n\
             [[device.message]]\ntopic = \"a\"\npayload = \"x\"\nevery = \"0s\"\njitter = 2.0\n\
             [[device.subscribe]]\nfilter = \"a#\"\n\
             [device.sparkplug]\ngroup = \"a/b\"\nnode = \"n\"\nevery = \"9999d\"\n\
             metric = [{name = \"m\", type = \"colour\", value = \"x\"}, {name = \"n\", type = \"int32\", value = \"x\"}]\n",
        ),
    ] {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        let mode = if name.contains("mode") { 0o644 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
}

#[test]
fn what_goes_wrong_before_there_is_a_connection_is_told_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    // Nobody listens on a port whose listener is gone.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    drop(listener);
    faulty_files(dir.path());
    for line in [
        "pub -h 127.0.0.1 -p PORT -t a -m x",
        "sub -h 127.0.0.1 -p PORT -t a",
        "rr -h 127.0.0.1 -p PORT -t a -e b -m x",
        "simulate -s smart-home -h 127.0.0.1 -p PORT",
        "pub --unix /nonexistent/socket -t a -m x",
        "pub -L mqtt://127.0.0.1 -m x",
        "sub -L mqtt://127.0.0.1",
        "pub -L http://127.0.0.1/a -m x",
        "pub -L mqtt://127.0.0.1:x/a -m x",
        "pub -t a -f /nonexistent",
        "pub -t a -s",
        "pub -t a -m x -c",
        "pub -t a -m x --repeat-delay -1",
        "pub -t a -m x --api http://127.0.0.1",
        "sub -t a --token secret",
        "pub -t a -m x -D connect receive-maximum many",
        "pub -t a -m x -D publish payload-format-indicator 2",
        "pub -t a -m x -D publish colour red",
        "pub -t a -m x -D puback colour red",
        "pub -t a -m x --psk 00",
        "pub -t a -m x -S",
        "pub -t a -m x --tls-engine pkcs11",
        "pub -t a -m x --cert x --key y --keyform engine",
        "simulate -s nonexistent",
        "simulate -s ./nonexistent.toml",
        "simulate -s smart-home -i me",
        "simulate -s smart-home --will-topic gone",
        "pub --context nonexistent -t a -m x",
        "context use nonexistent",
        "context use .bad",
        "context show",
        "context add empty",
        "context add wrong --url http://127.0.0.1",
        "context add wrong --url mqtt://127.0.0.1/topic",
        "context add wrong --api mqtt://127.0.0.1",
        "context add wrong --url mqtt://127.0.0.1 -u x --password-stdin",
        "context remove nonexistent",
        "pub --context faulty-key -t a -m x",
        "pub --context faulty-url -t a -m x",
        "pub --context faulty-secret -t a -m x",
        "pub --context faulty-type -t a -m x",
        "pub --context faulty-mode -t a -m x",
        "pub -h 127.0.0.1 -p PORT --proxy socks5h://127.0.0.1:PORT -t a -m x",
        "pub --replay /nonexistent",
        "pub --replay .",
        "pub --replay wrong.jsonl",
        "sub -t a --record /nonexistent/file",
        "doctor --test-topic a/#",
        "doctor --check-id x",
        "simulate -s ./faulty.toml",
        "simulate -s ./faulty-key.toml",
        "create .",
        "passwd /nonexistent ann",
        "token add /nonexistent ann",
        "link-mosquitto links",
        "man /dev/null/x",
        "top",
        "top --url http://127.0.0.1:PORT",
        "clients --dir /nonexistent",
        "clients --context faulty-key",
        "clients --context without-api",
        "why a --url nowhere",
        "events --url http://127.0.0.1:PORT",
        "trace a --url http://127.0.0.1:PORT",
        "topics --url http://127.0.0.1:PORT",
        "retained --url https://127.0.0.1:PORT --cafile /nonexistent",
        "can x publish a --url http://127.0.0.1:PORT",
    ] {
        let output = run(columba(), line, &port, dir.path());
        assert_ne!(output.status.code(), Some(0), "{line}");
        check(&output, line);
    }
}

/// Command lines that are not understood.
const MISTAKES: &[&str] = &[
    "frob",
    "smulate",
    "conn",
    "ls",
    "init",
    "pub -Wt gone -t a -m x",
    "pub --user-properties x -t a -m x",
    "pub --foo -t a",
    "pub --reta -t a -m x",
    "pub -t",
    "pub -t a -m x -n",
    "pub -t a -m x stray",
    "pub -t a -m x -q 7",
    "pub -t a -m x -p many",
    "pub -t a -m x -p 99999",
    "pub -t a -m x -p -1",
    "pub -t a -m x -V 6",
    "pub -t a -m x -x soon",
    "pub -t a -m x -M 0",
    "pub -t a -m x --tls-version tlsv1",
    "pub -t a -m x --tls-alpn=",
    "pub -t a -m x --proxy http://127.0.0.1",
    "pub -t a -m x --proxy socks5h://",
    "pub -t a -m x --proxy socks5h://h:p",
    "pub -t a -m x --cert x",
    "pub -t a -m x --lang fr",
    "pub -t a -m x --repeat 0",
    "pub -t a -m x --why --for 2h",
    "pub -t a -m x -D connect receive-maximum",
    "pub -t a -m x -o /nonexistent",
    "pub --replay x --speed fast",
    "sub -t a -W 0",
    "sub -t a -F %y",
    "sub -t a -F x%",
    "sub -t a -F @",
    "sub -t a -F \\q",
    "sub -t a -F %99999t",
    "sub -t a --random-filter 0",
    "sub -t a --retain-handling often",
    "sub -t a --json=5",
    "sub -t a --decode xml",
    "sub -t a --tree --rate",
    "rr -e",
    "doctor -D connect",
    "run --listen nowhere",
    "create",
    "token add x --expires never",
    "context add",
    "context frob",
    "context use --none x",
    "simulate -s x --for never",
    "simulate -s x --rate 0",
    "simulate -s x --clients 0",
    "bench pub --qos 9",
    "bench pub --duration soon",
    "bench pub -s many",
    "bench pub -c 1.5",
    "bench pub -V 6",
    "bench pub --fail-if p99",
    "bench pub --fail-if colour>1",
    "bench pub --fail-if p99>x",
    "bench pub --fail-if p99>1parsec",
    "clients --sort colour",
    "why a --since 3",
    "why a --at noon",
    "why a --at 1969-01-01T00:00:00Z",
    "explain R99",
    "can x",
    "top --every 1x",
    "completion tcsh",
    "-- pub",
];

#[test]
fn command_lines_that_are_not_understood_are_told_so_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    for line in MISTAKES {
        let output = run(columba(), line, "1", dir.path());
        let is_mistake = matches!(output.status.code(), Some(2 | 3));
        assert!(is_mistake, "{line}: {output:?}");
        check(&output, line);
        assert_eq!(output.stdout, b"", "{line}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for english in ["Usage", "error", "For more", "tip:", "[OPTIONS]", "values:"] {
            assert!(!said.contains(english), "{line}: {said}");
        }
        // The option counts as the environment does.
        if !line.contains("--") && !["-t", "-e", "-D"].iter().any(|end| line.contains(end)) {
            let mut words: Vec<_> = line.split(' ').collect();
            words.push("--lang=en");
            let output = columba().args(&words).env("COLUMBA_LANG", "zh").output();
            let said = output.expect("the binary").stderr;
            assert!(
                said.is_ascii(),
                "{line}: {}",
                String::from_utf8_lossy(&said)
            );
        }
    }
}

#[test]
fn the_language_may_stand_before_every_command() {
    let help = columba().args(["--lang", "zh", "--help"]).output();
    let help = String::from_utf8_lossy(&help.expect("the binary").stdout).into_owned();
    let commands = commands_in(&help);
    for (name, _) in &commands {
        for language in [&["--lang", "zh"][..], &["--lang=zh"]] {
            let output = columba().args(language).args([name, "--help"]).output();
            let output = output.expect("the binary");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("用法：columba"), "{name}: {output:?}");
        }
    }
    assert!(commands.len() > 20, "{help}");
    // A property of three words, which is put together by the name of the command.
    let line = "--lang zh pub -h 127.0.0.1 -p 1 -t a -m -5 -D publish content-type text/plain";
    let output = columba()
        .args(line.split(' '))
        .output()
        .expect("the binary");
    check(&output, line);
}

/// The commands that a help text lists.
fn commands_in(help: &str) -> Vec<(String, String)> {
    let lines = help.lines().skip_while(|line| *line != "命令：").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let named = lines.filter_map(|line| line.strip_prefix("  ")?.split_once("  "));
    let own = named.filter(|(name, _)| !name.is_empty() && *name != "help");
    own.map(|(name, about)| (name.to_owned(), about.to_owned()))
        .collect()
}

#[test]
fn help_has_chinese_headings_and_says_in_chinese_what_commands_are_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut waiting = vec![String::new()];
    let mut count = 0;
    while let Some(path) = waiting.pop() {
        for option in ["--help", "-h"] {
            let line = format!("{path} {option}");
            // Those that connect have -h for the host.
            let hosts = ["pub", "sub", "rr", "doctor", "simulate", "context add"];
            let connects = hosts.contains(&path.trim());
            if option == "-h" && (connects || path.starts_with(" bench ")) {
                continue;
            }
            let output = run(columba(), &line, "1", dir.path());
            let help = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(help.contains("用法：columba"), "{line}: {help}");
            let heading = help.lines().find(|line| {
                line.starts_with(|c: char| c.is_ascii_uppercase())
                    && line.ends_with(':')
                    && *line != "TLS:"
            });
            assert_eq!(heading, None, "{line}: {help}");
            for english in [
                "[default: ",
                "[possible values",
                "[alias",
                "Print help",
                "[OPTIONS]",
            ] {
                assert!(!help.contains(english), "{line}: {help}");
            }
            if option == "--help" {
                for (name, about) in commands_in(&help) {
                    assert!(!about.trim().is_ascii(), "{line}: {name}: {about}");
                    waiting.push(format!("{path} {name}"));
                }
            }
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
}

/// Connections that are reset as soon as something comes.
fn resetting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            // What stays unread makes the end a reset.
            drop(socket.expect("a connection").peek(&mut [0]));
        }
    });
    address.port().to_string()
}

/// Connections that are accepted, and get this for an answer.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut hello = [0; 4096];
            // What is not read would make the end a reset.
            drop(std::io::Read::read(&mut socket, &mut hello));
            drop(socket.write_all(answer));
        }
    });
    address.port().to_string()
}

#[test]
fn what_tls_and_websockets_do_not_like_is_told_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    faulty_files(dir.path());
    // An alert: a certificate is wanted.
    let alert = answering(b"\x15\x03\x03\0\x02\x02\x74");
    let plain = answering(b"\x20\x02\0\0 no TLS at all");
    let page = answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let (closed, reset) = (answering(b""), resetting());
    for (port, line, expected) in [
        (&plain, "--cafile /nonexistent", "没有那个文件或目录"),
        (&plain, "--cafile empty.pem", "没有 PEM 格式的证书"),
        (&plain, "--capath /nonexistent", "没有那个文件或目录"),
        (
            &plain,
            "--cafile ca.pem --cert ca.pem --key /nonexistent",
            "中的私钥：没有那个文件或目录",
        ),
        (
            &plain,
            "--cafile ca.pem --cert ca.pem --key empty.pem",
            "没有未加密的 PEM 格式私钥",
        ),
        (
            &plain,
            "--cafile ca.pem --cert ca.pem --key other.key",
            "other.key 不匹配",
        ),
        (
            &plain,
            "--cafile ca.pem --tls-keylog /nonexistent/log",
            "密钥日志",
        ),
        (&plain, "--cafile ca.pem", "收到的不是 TLS 数据"),
        (&closed, "--cafile ca.pem", "似乎不使用 TLS"),
        (&reset, "--cafile ca.pem", "请去掉 --cafile 等 TLS 选项"),
        (&alert, "--cafile ca.pem", "要求客户端证书"),
        (&page, "--ws", "请检查路径"),
        (&plain, "--ws", "不是 WebSocket 服务器"),
    ] {
        let line = format!("pub -h 127.0.0.1 -p PORT -t a -m x {line}");
        let output = run(columba(), &line, port, dir.path());
        check(&output, &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn what_a_broker_makes_of_messages_is_told_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    for line in [
        "pub -h 127.0.0.1 -p PORT -q 1 -t a -m x",
        "pub -h 127.0.0.1 -p PORT -t a/# -m x",
        "sub -h 127.0.0.1 -p PORT -t a/#/b",
        "sub -h 127.0.0.1 -p PORT -t a -W 1",
        "rr -h 127.0.0.1 -p PORT -t a -e b -m x -W 1",
        "pub -h 127.0.0.1 -p PORT -t a -m x -D publish content-type x -V 311",
        "pub -h 127.0.0.1 -p PORT -t a -m x -D connect receive-maximum 2 -V 311",
        "pub -h 127.0.0.1 -p PORT -t a -m x -P secret -V 311",
    ] {
        let output = run(columba(), line, broker.port(), dir.path());
        check(&output, line);
    }
}

/// What a server says after it has read as many packets.
struct Script(&'static str, &'static [&'static [u8]]);

/// Plays a server to a command.
fn refused(Script(line, says): &Script, command: Command) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let says = *says;
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        for packet in says {
            read_packet(&mut socket);
            socket.write_all(packet).expect("a packet");
        }
        socket
    });
    let output = run(command, line, &port, Path::new("/"));
    drop(server.join().expect("the server"));
    output
}

const REFUSALS: &[Script] = &[
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x87\0"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x8a\0"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 311 -t a -m x",
        &[b"\x20\x02\0\x05"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 311 -t a -m x",
        &[b"\x20\x02\0\x02"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\x40\x03\0\x01\x87"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\x40\x03\0\x01\x97"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\xff\xff\xff\xff\xff"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -r -t a -m x",
        &[b"\x20\x05\0\0\x02\x25\0"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 5 -t a",
        &[b"\x20\x03\0\0\0", b"\x90\x04\0\x01\0\x87"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 311 -t a",
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\x80"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 5 -t a",
        &[b"\x20\x03\0\0\0", b"\xe0\x01\x8e"],
    ),
    Script(
        "rr -h 127.0.0.1 -p PORT -V 5 -t a -e b -m x",
        &[b"\x20\x03\0\0\0", b"\xe0\x01\x98"],
    ),
];

#[test]
fn what_a_server_refuses_is_told_in_chinese() {
    for script in REFUSALS {
        let output = refused(script, columba());
        assert_ne!(output.status.code(), Some(0), "{}", script.0);
        if script.1.last() == Some(&&b"\xff\xff\xff\xff\xff"[..]) {
            // What is wrong with bytes is for those who know MQTT's.
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("不是 MQTT 5"), "{said}");
        } else {
            check(&output, script.0);
        }
    }
}

#[test]
fn mosquittos_clients_speak_english_everywhere() {
    let script = Script(
        "-h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x87\0"],
    );
    let mut command = columba();
    command.arg0("mosquitto_pub");
    let said = refused(&script, command).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("the server refused the connection: Not authorized"),
        "{said}"
    );
}

#[test]
fn what_columba_says_to_a_refused_client_is_told_in_chinese_by_pub_and_doctor() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    let port = broker.port();
    let doctor = "doctor mqtt://127.0.0.1:PORT -u x -P y -W 5 --ascii --color never";
    let doctor = run(columba(), doctor, port, dir.path());
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        said.contains("服务器说明：用户名 \"x\" 或其密码有误"),
        "{said}"
    );
    let publish = "pub -h 127.0.0.1 -p PORT -u x -P y -V 5 -t a -m x";
    let publish = run(columba(), publish, port, dir.path());
    let said = String::from_utf8_lossy(&publish.stderr);
    assert!(
        said.contains("服务器说明：用户名 \"x\" 或其密码有误"),
        "{said}"
    );
}
