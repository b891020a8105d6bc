//! What `columba pub` and `sub` advise where the port is for MQTT of another kind.

use crate::bed::{Broker, columba};
use crate::certificates::self_signed;

/// What `pub` over plain TCP says of a port, without "Error: ".
fn told(port: &str, line: &str) -> String {
    let mut command = columba();
    command.args(["pub", "-h", "127.0.0.1", "-p", port, "-t", "a", "-m", "x"]);
    command
        .args(line.split(' '))
        .env("XDG_CONFIG_HOME", "/nonexistent");
    let output = command.output().expect("the binary");
    assert!(!output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    text.trim_start_matches("Error: the server refused the connection: ")
        .trim_start_matches("错误：服务器拒绝连接：")
        .trim_end()
        .to_owned()
}

#[test]
fn plain_mqtt_to_a_port_of_another_kind_is_told_how_to_connect_and_not_to_try_again() {
    let dir = tempfile::tempdir().expect("a directory");
    self_signed(dir.path(), "own", "localhost");
    let kinds = [
        (
            "tls",
            "mqtts://",
            "this port is for MQTT over TLS (mqtts): connect with TLS, such as --cafile or mqtts://.",
            "连接，例如 --cafile 或 mqtts://。",
        ),
        (
            "ws",
            "ws://",
            "this port is for MQTT over WebSocket (ws): connect through a WebSocket, such as ws://.",
            "连接，例如 ws://。",
        ),
        (
            "wss",
            "wss://",
            "this port is for MQTT over WebSocket with TLS (wss): connect through a WebSocket with TLS, such as wss://.",
            "连接，例如 wss://。",
        ),
    ];
    for (kind, scheme, advice, in_chinese) in kinds {
        let files = match kind {
            "ws" => String::new(),
            _ => format!(
                "tls_certificate = \"{0}.crt\"\ntls_key = \"{0}.key\"\n",
                dir.path().join("own").display()
            ),
        };
        let config = format!(
            "[broker]\nshards = 1\n[[listener]]\nkind = \"{kind}\"\nbind = \"127.0.0.1:0\"\n\
             anonymous = \"always\"\n{files}"
        );
        let mut broker = Broker::start_at(scheme, &dir.path().join(kind), &config, |_| ());
        // Nobody reads it, and it must not fill up.
        drop(broker.take_stderr());
        let port = broker.port().split('/').next().expect("a port");
        assert_eq!(
            told(port, "--lang en"),
            format!("Server unavailable (0x88), it says: {advice}")
        );
        let chinese = told(port, "--lang zh");
        assert!(chinese.ends_with(in_chinese), "{chinese}");
        assert!(!chinese.contains("再试"), "{chinese}");
        // MQTT 3 has a code for it and no sentence: what it may mean is told.
        assert_eq!(
            told(port, "--lang en -V 311"),
            "Server unavailable (return code 3); try again later; if it is always so, the port may be \
             for TLS or WebSocket: connect with mqtts://, ws:// or wss://, or to its port for plain MQTT."
        );
        let chinese = told(port, "--lang zh -V 311");
        assert!(
            chinese.contains("该端口可能用于 TLS 或 WebSocket"),
            "{chinese}"
        );
    }
}
