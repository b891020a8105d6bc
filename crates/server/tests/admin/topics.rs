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

/// What a list in an order has to look like: those that nothing was published to come last.
fn in_order(mut rows: Vec<Value>, key: &str, is_descending: bool) -> Vec<Value> {
    let topic = |row: &Value| row["topic"].as_str().unwrap().to_owned();
    let place = |row: &Value| {
        let is_quiet = row["last_unix_ms"].is_null();
        let value = row[key].as_u64().unwrap_or(0);
        let value = if is_descending { !value } else { value };
        (is_quiet, if is_quiet { 0 } else { value }, topic(row))
    };
    rows.sort_by_key(place);
    rows
}

#[test]
fn topics_are_sorted_by_the_sums_of_all_shards_and_those_only_retained_come_last() {
    let bed = Bed::new();
    for n in 0..5 {
        publish(&bed, &format!("x/quiet/{n}"), "kept", true);
    }
    let bed = bed.restart();
    // Two shards have them, each with a part of what was published to a topic.
    let mut clients: Vec<_> = (0..6).map(|n| bed.connect(&format!("c{n}"))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        for topic in 0..12 {
            for _ in 0..(topic * 7 + n * 5) % 11 {
                client.publish(&format!("x/{topic:02}"), &vec![b'x'; 40 - topic]);
            }
        }
        client.subscribe("y", QoS::AtMostOnce);
    }
    publish(&bed, "x/00", "kept", true);
    let filter = "/api/v1/topics?topic=x/%23";
    let all = bed.all(filter, 1000);
    assert_eq!(all.len(), 17);
    for key in ["messages", "payload_bytes", "unmatched"] {
        for (sign, is_descending) in [("", false), ("-", true)] {
            let expected = in_order(all.clone(), key, is_descending);
            for limit in [1, 5, 1000] {
                let rows = bed.all(&format!("{filter}&sort={sign}{key}"), limit);
                assert_eq!(texts(&rows, "topic"), texts(&expected, "topic"));
                let values = |rows: &[Value]| rows.iter().map(|row| row[key].clone()).collect();
                let (told, expected): (Vec<_>, Vec<_>) = (values(&rows), values(&expected));
                assert_eq!(told, expected, "{sign}{key} by {limit}");
            }
        }
    }
    for key in ["first_unix_ms", "last_unix_ms"] {
        for (sign, is_descending) in [("", false), ("-", true)] {
            let whole = bed.all(&format!("{filter}&sort={sign}{key}"), 1000);
            let times: Vec<_> = whole.iter().filter_map(|row| row[key].as_u64()).collect();
            assert_eq!(times.len(), 12);
            // The clock that tells them is not the one that they are sorted by.
            let is_before = |a: u64, b: u64| a <= b + 2;
            assert!(times.windows(2).all(|pair| match is_descending {
                false => is_before(pair[0], pair[1]),
                true => is_before(pair[1], pair[0]),
            }));
            for limit in [1, 5] {
                let rows = bed.all(&format!("{filter}&sort={sign}{key}"), limit);
                assert_eq!(texts(&rows, "topic"), texts(&whole, "topic"));
            }
        }
    }
    assert_eq!(bed.all(&format!("{filter}&sort=-rate"), 3).len(), 17);
    // Another page is of the same list, whatever has moved in it meanwhile.
    let first = bed.get(&format!("{filter}&sort=-messages&limit=4"));
    let told = texts(first["data"].as_array().unwrap(), "topic");
    let expected = in_order(all, "messages", true);
    let moving = expected[9]["topic"].as_str().unwrap();
    for _ in 0..100 {
        publish(&bed, moving, "x", false);
        publish(&bed, told[1], "x", false);
    }
    let next = first["page"]["next"].as_str().unwrap();
    let rest = bed.get(&format!("{filter}&cursor={next}"));
    let rest = texts(rest["data"].as_array().unwrap(), "topic").join(" ");
    let still = texts(&expected[4..], "topic").into_iter();
    let still: Vec<_> = still.filter(|topic| *topic != moving).collect();
    assert_eq!(rest, still.join(" "));
    let other = bed.request(
        "GET",
        &format!("{filter}&sort=messages&cursor={next}"),
        None,
    );
    assert_eq!(
        (other.status, other.code().as_str()),
        (400, "invalid_cursor")
    );
    let wrong = bed.request("GET", &format!("{filter}&sort=size"), None);
    assert_eq!(
        (wrong.status, wrong.code().as_str()),
        (400, "invalid_request")
    );
    let detail = wrong.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("write one of topic, messages, -messages,"),
        "{detail}"
    );
}
