//! Traces: begun, read while they go on and later, bounded, forgotten.

use std::collections::BTreeSet;

use columba_codec::QoS;
use serde_json::{Value, json};

use super::bed::Bed;

fn begin(bed: &Bed, body: Value) -> super::bed::Answer {
    bed.request("POST", "/api/v1/traces", Some(body))
}

#[test]
fn a_trace_tells_live_who_sent_a_message_and_what_became_of_each_copy() {
    let bed = Bed::with("[limits]\nrecorder_bytes_max = \"0B\"");
    let mut subscriber = bed.connect("subscriber");
    subscriber.subscribe("home/#", QoS::AtLeastOnce);
    let mut publisher = bed.connect("publisher");
    let trace = begin(&bed, json!({"filter": "home/+", "for_secs": 600}));
    assert_eq!(trace.status, 201, "{}", trace.body);
    let id = trace.json()["id"].as_u64().unwrap();
    let path = format!("/api/v1/traces/{id}");
    let mut stream = bed.stream_after(&format!("{path}/events"), "", |begin| {
        assert_eq!(
            (&begin["filter"], &begin["is_on"]),
            (&json!("home/+"), &json!(true))
        );
    });
    publisher.publish("other", b"x");
    publisher.publish("home/lamp", b"on");
    let told: Vec<Value> = (0..2).map(|_| stream.event().unwrap().1).collect();
    let told_of = |name: &str, client: &str| {
        let mut found = told.iter();
        let is_it = |event: &&Value| event["outcome"] == name && event["client"] == client;
        found
            .find(is_it)
            .map(|event| event["message"].as_u64().unwrap())
    };
    let published = told_of("publish.accepted", "publisher");
    assert!(published.is_some(), "{told:?}");
    assert_eq!(told_of("deliver.sent", "subscriber"), published, "{told:?}");
    let page = bed.request("GET", &format!("{path}/events?outcome=publish"), None);
    let page = page.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["data"][0]["topic"], "home/lamp");
    let one = bed.request("GET", &path, None).json();
    assert_eq!(
        (&one["left_out"], &one["overwritten"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(one["by"], "token root");
    assert_eq!(bed.request("DELETE", &path, None).status, 204);
    let (name, end) = stream.event().unwrap();
    assert_eq!(name, "end", "{end}");
    for path in [&path, &format!("{path}/events")] {
        assert_eq!(bed.request("GET", path, None).code(), "not_found");
    }
    assert_eq!(bed.request("DELETE", &path, None).code(), "not_found");
}

#[test]
fn a_trace_ends_by_itself_and_can_still_be_read() {
    let bed = Bed::new();
    let trace = begin(&bed, json!({"filter": "#", "for_secs": 1})).json();
    let mut publisher = bed.connect("publisher");
    publisher.publish("lamp", b"on");
    let path = format!("/api/v1/traces/{}", trace["id"]);
    let mut stream = bed.stream_after(&format!("{path}/events"), "", |_| {});
    let event = stream.event().unwrap().1;
    assert_eq!(event["outcome"], "publish.no_match", "{event}");
    let (name, end) = stream.event().unwrap();
    assert_eq!(
        (name.as_str(), &end["why"]),
        ("end", &json!("the time of the trace is over"))
    );
    assert_eq!(bed.request("GET", &path, None).json()["is_on"], false);
    let page = bed.request("GET", &format!("{path}/events"), None).json();
    assert_eq!(page["data"][0]["topic"], "lamp");
}

#[test]
fn traces_are_limited_and_an_ended_one_makes_room() {
    let bed = Bed::new();
    for _ in 0..7 {
        assert_eq!(
            begin(&bed, json!({"filter": "#", "for_secs": 3600})).status,
            201
        );
    }
    let short = begin(&bed, json!({"filter": "a", "for_secs": 1})).json();
    assert_eq!(begin(&bed, json!({"filter": "b"})).code(), "conflict");
    let path = format!("/api/v1/traces/{}/events", short["id"]);
    let mut stream = bed.stream_after(&path, "", |_| {});
    assert_eq!(stream.event().unwrap().0, "end");
    assert_eq!(begin(&bed, json!({"filter": "c"})).status, 201);
    let list = bed.request("GET", "/api/v1/traces?limit=1000", None).json();
    let filters = list["data"].as_array().unwrap().iter();
    let filters: BTreeSet<&str> = filters.filter_map(|of| of["filter"].as_str()).collect();
    assert_eq!(filters, BTreeSet::from(["#", "c"]));
    for (wrong, code) in [
        (json!({"filter": "a/#/b"}), "invalid_request"),
        (json!({"filter": ""}), "invalid_request"),
        (json!({"filter": "$share/g/a"}), "invalid_request"),
        (json!({"filter": "a", "for_secs": 0}), "invalid_request"),
        (json!({"filter": "a", "for_secs": 3601}), "invalid_request"),
        (json!({"filter": "a", "surprise": 1}), "invalid_request"),
    ] {
        assert_eq!(begin(&bed, wrong.clone()).code(), code, "{wrong}");
    }
}

#[test]
fn traces_are_begun_and_ended_by_operators_and_read_by_readers() {
    let bed = Bed::new();
    let id = begin(&bed, json!({"filter": "#"})).json()["id"].to_string();
    let credentials = format!("Bearer {}", bed.token("reader", "read"));
    let path = format!("/api/v1/traces/{id}");
    let ask = |method: &str, path: &str, body| bed.request_as(&credentials, method, path, body);
    assert_eq!(ask("GET", "/api/v1/traces", None).status, 200);
    assert_eq!(ask("GET", &path, None).status, 200);
    assert_eq!(ask("GET", &format!("{path}/events"), None).status, 200);
    let new = Some(json!({"filter": "#"}));
    assert_eq!(ask("POST", "/api/v1/traces", new).code(), "forbidden");
    assert_eq!(ask("DELETE", &path, None).code(), "forbidden");
}
