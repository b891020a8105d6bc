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
    let by_labels = |name: &str, labels: &str| value(&format!("{name}{{{labels}}}"));
    assert_eq!(
        by_labels(
            "columba_connects_total",
            "version=\"5.0\",result=\"accepted\""
        ),
        "4"
    );
    assert_eq!(
        by_labels("columba_auth_total", "result=\"anonymous_accepted\""),
        "4"
    );
    assert_eq!(
        by_labels(
            "columba_acl_checks_total",
            "action=\"subscribe\",result=\"allowed\""
        ),
        "5"
    );
    assert_eq!(
        by_labels(
            "columba_packets_total",
            "direction=\"received\",type=\"SUBSCRIBE\""
        ),
        "5"
    );
    assert_eq!(by_labels("columba_messages_sent_total", "qos=\"0\""), "4");
    assert_eq!(by_labels("columba_messages_sent_total", "qos=\"1\""), "1");
    assert_eq!(
        by_labels("columba_delivery_seconds_count", "qos=\"0\""),
        "4"
    );
    assert_eq!(value("columba_stalled_clients"), "0");
    assert_eq!(value("columba_takeover_loops"), "0");
    assert_eq!(value("columba_session_takeovers_total"), "0");
    assert_eq!(value("columba_message_copies_total"), "5");
    assert_eq!(value("columba_inflight_messages"), "1");
    assert_eq!(value("columba_unaccounted_messages"), "0");
    let recorder_bytes: u64 = value("columba_recorder_memory_bytes").parse().unwrap();
    assert!((1..32 * 1024 * 1024).contains(&recorder_bytes));
    let recorder_events: u64 = value("columba_recorder_events_total").parse().unwrap();
    assert!(recorder_events >= 9, "{recorder_events}");
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

/// A series that an expression of Prometheus names: its metric and the labels that have to be so.
type Series = (String, Vec<(String, String)>);

/// The series of Columba in a text with expressions.
fn series(text: &str) -> Vec<Series> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(at) = ["columba_", "process_"]
        .iter()
        .filter_map(|of| rest.find(of))
        .min()
    {
        let is_inside = rest[..at].ends_with(is_word);
        let end = rest[at..]
            .find(|c| !is_word(c))
            .map_or(rest.len(), |len| at + len);
        let (name, behind) = (&rest[at..end], &rest[end..]);
        let selector = behind.strip_prefix('{').and_then(|all| all.split_once('}'));
        let labels = selector.map_or("", |(labels, _)| labels);
        let labels = labels
            .split(',')
            .filter_map(|label| label.trim().split_once("=\""));
        let labels =
            labels.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned()));
        if !is_inside {
            found.push((name.to_owned(), labels.collect()));
        }
        rest = behind;
    }
    found
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_are_there() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let lines = "tls_certificate = \"etc/door.pem\"\ntls_key = \"etc/door.key\"";
    let bed = Bed::with_files(lines, &[("door.pem", &certificate), ("door.key", &key)]);
    let text = bed.local("GET", "/metrics").body;
    // rcgen's certificates end in the year 4096.
    let expiry = "columba_tls_cert_expiry_timestamp_seconds{listener=\"[admin]\"} 67090118400\n";
    assert!(text.contains(expiry), "{text}");
    let contrib = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib");
    let read = |file: &str| std::fs::read_to_string(format!("{contrib}/{file}")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana/columba.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut expressions: Vec<_> = targets
        .map(|of| of["expr"].as_str().unwrap().to_owned())
        .collect();
    // What a variable of the dashboard takes its values from is an expression as well.
    expressions.push(dashboard["templating"].to_string().replace("\\\"", "\""));
    let rules = read("prometheus/columba.rules.yml");
    let (lines, mut is_expr) = (rules.lines(), false);
    for line in lines {
        let line = line.trim();
        if let Some(expression) = line.strip_prefix("expr:") {
            is_expr = true;
            expressions.push(expression.to_owned());
        } else if line.starts_with("for:") || line.starts_with("labels:") {
            is_expr = false;
        } else if is_expr {
            let last = expressions.last_mut().unwrap();
            last.push_str(line);
        }
    }
    let named: Vec<Series> = expressions.iter().flat_map(|text| series(text)).collect();
    assert!(named.len() > 25, "{named:?}");
    for (name, labels) in named {
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(&name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let mut lines = text.lines().filter(is_it).peekable();
        assert!(lines.peek().is_some(), "there is no metric {name}");
        let has_all = |line: &str| {
            let mut labels = labels.iter();
            labels.all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        };
        assert!(lines.any(has_all), "{name} has no {labels:?}");
    }
}
