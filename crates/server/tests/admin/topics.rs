//! Topics, as a list and as a tree.

use columba_codec::QoS;
use serde_json::{Value, json};

use crate::bed::Bed;

fn publish(bed: &Bed, topic: &str, payload: &str, retain: bool) {
    let message = json!({"topic": topic, "payload": payload, "qos": 1, "retain": retain});
    let answer = bed.request("POST", "/api/v1/publish", Some(message));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn texts<'a>(rows: &'a [Value], key: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[test]
fn topics_of_all_shards_are_listed_with_what_was_published_and_who_would_get_it() {
    let bed = Bed::new();
    let mut listener = bed.connect("listener");
    listener.subscribe("home/#", QoS::AtMostOnce);
    listener.subscribe("$share/g/home/07", QoS::AtMostOnce);
    let mut expected = Vec::new();
    for n in 0..20 {
        let topic = format!("home/{n:02}");
        publish(&bed, &topic, "four", n % 2 == 0);
        expected.push(topic);
    }
    let mut publisher = bed.connect("publisher");
    publisher.publish("home/07", b"12");
    publisher.publish("away", b"12");
    // What a client has published is seen once it is delivered.
    for _ in 0..22 {
        listener.message();
    }
    publisher.subscribe("away", QoS::AtMostOnce);
    for limit in [1, 7, 1000] {
        let rows = bed.all("/api/v1/topics?topic=home/%2B", limit);
        assert_eq!(texts(&rows, "topic"), expected);
        let row = &rows[7];
        assert_eq!(
            (&row["messages"], &row["payload_bytes"]),
            (&json!(2), &json!(6))
        );
        assert_eq!(
            (&row["subscriptions"], &row["unmatched"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(row["last_publisher"], "publisher");
        assert!(row["first_unix_ms"].as_u64() <= row["last_unix_ms"].as_u64());
        assert_eq!(row["is_retained"], false);
        assert_eq!(rows[8]["is_retained"], true);
        assert_eq!(
            (&rows[8]["retained_bytes"], &rows[8]["subscriptions"]),
            (&json!(4), &json!(1))
        );
    }
    let page = bed.get("/api/v1/topics");
    assert_eq!(page["forgotten"], 0);
    assert_eq!(page["data"][0]["topic"], "away");
    assert_eq!(
        (
            &page["data"][0]["unmatched"],
            &page["data"][0]["subscriptions"]
        ),
        (&json!(1), &json!(1))
    );
    for wrong in ["topic=a/%23/b", "topic=$share/g/a", "limit=0", "cursor=x"] {
        let answer = bed.request("GET", &format!("/api/v1/topics?{wrong}"), None);
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[test]
fn the_tree_is_told_level_by_level() {
    let bed = Bed::new();
    let mut listener = bed.connect("listener");
    listener.subscribe("home/a", QoS::AtMostOnce);
    for topic in ["home/a", "home/a/1", "home/b/1/x", "office/a", "/x"] {
        publish(&bed, topic, "12", true);
    }
    for limit in [1, 1000] {
        let root = bed.all("/api/v1/topics/tree", limit);
        let root: Vec<_> = root.iter().filter(|node| node["level"] != "$SYS").collect();
        let levels: Vec<_> = root.iter().map(|node| node["level"].clone()).collect();
        assert_eq!(levels, ["", "home", "office"]);
        assert_eq!(
            (&root[1]["messages"], &root[1]["retained"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(
            (&root[1]["is_topic"], &root[1]["has_children"]),
            (&json!(false), &json!(true))
        );
        let home = bed.all("/api/v1/topics/tree?prefix=home", limit);
        assert_eq!(texts(&home, "topic"), ["home/a", "home/b"]);
        assert_eq!(
            (&home[0]["messages"], &home[0]["subscriptions"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(
            (&home[1]["is_topic"], &home[1]["is_retained"]),
            (&json!(false), &json!(false))
        );
        let below = bed.all("/api/v1/topics/tree?prefix=home%2Fb%2F1", limit);
        assert_eq!(texts(&below, "topic"), ["home/b/1/x"]);
        assert_eq!(below[0]["has_children"], false);
        // Below the empty level.
        let below = bed.all("/api/v1/topics/tree?prefix=", limit);
        assert_eq!(texts(&below, "topic"), ["/x"]);
    }
    let wrong = bed.request("GET", "/api/v1/topics/tree?prefix=a/%2B", None);
    assert_eq!(wrong.status, 400, "{}", wrong.body);
}
