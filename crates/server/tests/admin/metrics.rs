//! Metrics and health.

use columba_codec::QoS;
use serde_json::json;

use crate::bed::Bed;

#[test]
fn metrics_are_those_of_all_shards_and_the_books_balance() {
    let bed = Bed::new();
    let mut clients: Vec<_> = (0..4).map(|n| bed.connect(&format!("c{n}"))).collect();
    for client in &mut clients {
        client.subscribe("t", QoS::AtMostOnce);
    }
    clients[0].subscribe("$share/g/u", QoS::AtLeastOnce);
    for topic in ["t", "u"] {
        let message = json!({"topic": topic, "payload": "x", "qos": 1});
        assert_eq!(
            bed.request("POST", "/api/v1/publish", Some(message)).status,
            200
        );
    }
    for client in &mut clients {
        client.message();
    }
    clients[0].message();
    let text = bed.send("GET", "/metrics", "", None);
    assert_eq!(text.status, 200);
    assert!(
        text.header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let value = |name: &str| {
        let line = text
            .body
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", text.body));
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(value("columba_clients_connected"), "4");
    assert_eq!(value("columba_sessions{state=\"online\"}"), "4");
    assert_eq!(value("columba_subscriptions{kind=\"shared\"}"), "1");
    assert_eq!(
        value("columba_connections{listener=\"tcp\",kind=\"tcp\"}"),
        "4"
    );
    assert_eq!(value("columba_connects_total{result=\"accepted\"}"), "4");
    assert_eq!(value("columba_message_copies_total"), "5");
    assert_eq!(value("columba_inflight_messages"), "1");
    assert_eq!(value("columba_unaccounted_messages"), "0");
    let recorder_bytes: u64 = value("columba_recorder_memory_bytes").parse().unwrap();
    assert!((1..32 * 1024 * 1024).contains(&recorder_bytes));
    assert_eq!(value("columba_recorder_overwritten_total"), "0");
    value("columba_messages_dropped_total{stage=\"deliver\",reason=\"queue_full\"}");
    value("columba_storage_commits_total");
    value("process_resident_memory_bytes");
    // Each metric is introduced once, before its values.
    let mut seen = std::collections::BTreeSet::new();
    for line in text.body.lines().filter(|line| line.starts_with("# TYPE")) {
        assert!(seen.insert(line.to_owned()), "{line} twice");
    }
}

#[test]
fn metrics_are_for_programs_here_and_for_tokens_that_come_by_a_proxy() {
    let bed = Bed::new();
    let proxied = "X-Forwarded-For: 192.0.2.1\r\n";
    assert_eq!(bed.send("GET", "/metrics", proxied, None).status, 401);
    let token = bed.token("prometheus", "read");
    let headers = format!("{proxied}Authorization: Bearer {token}\r\n");
    assert_eq!(bed.send("GET", "/metrics", &headers, None).status, 200);
    assert_eq!(bed.local("GET", "/metrics").status, 200);
}

#[test]
fn health_is_open_to_everybody() {
    let bed = Bed::new();
    for path in ["/healthz", "/readyz"] {
        let answer = bed.send("GET", path, "X-Forwarded-For: 192.0.2.1\r\n", None);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}
