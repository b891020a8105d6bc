//! What can be looked at.

use columba_codec::QoS;
use serde_json::{Value, json};

use crate::bed::Bed;

fn texts<'a>(rows: &'a [Value], key: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[test]
fn clients_of_all_shards_come_in_order_page_by_page() {
    let bed = Bed::new();
    let ids: Vec<String> = (0..23).map(|n| format!("client {n:02}")).collect();
    let clients: Vec<_> = ids.iter().rev().map(|id| bed.connect(id)).collect();
    for limit in [1, 5, 1000] {
        let rows = bed.all("/api/v1/clients", limit);
        assert_eq!(texts(&rows, "id"), ids);
        assert_eq!(rows[0]["protocol"], "5.0");
        assert_eq!(rows[0]["waiting_on"], "nothing");
        assert_eq!(rows[0]["listener"], "tcp");
    }
    let found = bed.all("/api/v1/clients?client=t%200", 3);
    assert_eq!(texts(&found, "id"), ids[..10]);
    assert!(bed.all("/api/v1/clients?user=ann", 10).is_empty());
    assert!(bed.all("/api/v1/clients?address=192.0.2.1", 10).is_empty());
    assert_eq!(bed.all("/api/v1/clients?address=127.0.0.1", 10).len(), 23);
    assert_eq!(bed.all("/api/v1/sessions?state=online", 10).len(), 23);
    assert!(bed.all("/api/v1/sessions?state=offline", 10).is_empty());
    drop(clients);
}

#[test]
fn pages_leave_nobody_out_while_clients_come_and_go() {
    let bed = Bed::new();
    let stay: Vec<String> = (0..20).map(|n| format!("stay{n:02}")).collect();
    let clients: Vec<_> = stay.iter().map(|id| bed.connect(id)).collect();
    let mut told = Vec::new();
    let mut cursor = String::new();
    for turn in 0.. {
        let page = bed.get(&format!("/api/v1/clients?limit=3{cursor}"));
        told.extend(
            texts(page["data"].as_array().unwrap(), "id")
                .iter()
                .map(ToString::to_string),
        );
        let Some(next) = page["page"]["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        // One that goes again at once, and one before and one behind where the page has ended.
        drop(bed.connect(&format!("a{turn}")));
        drop(bed.connect(&format!("z{turn}")));
    }
    told.retain(|id| id.starts_with("stay"));
    assert_eq!(told, stay);
    drop(clients);
}

#[test]
fn a_client_is_shown_with_everything_that_waits_for_it() {
    let bed = Bed::new();
    let mut client = bed.connect("kitchen/%1");
    client.subscribe("home/#", QoS::AtLeastOnce);
    client.subscribe("$share/g/jobs", QoS::AtMostOnce);
    for n in 0..2 {
        let message = json!({"topic": format!("home/{n}"), "payload": "x", "qos": 1});
        let answer = bed.request("POST", "/api/v1/publish", Some(message));
        assert_eq!(answer.json()["is_matched"], true, "{}", answer.body);
    }
    // The shard that takes a message answers; that of the client may come to it later.
    for n in 0..2 {
        assert_eq!(client.message().0, format!("home/{n}"));
    }
    let shown = bed.get("/api/v1/clients/kitchen%2F%251");
    assert_eq!(shown["session"]["inflight"], 2);
    assert_eq!(shown["client"]["waiting_on"], "acknowledgement");
    assert_eq!(shown["inflight"][1]["message"]["topic"], "home/1");
    assert_eq!(shown["inflight"][0]["step"], "sent");
    assert_eq!(shown["will"], Value::Null);
    let own = texts(shown["subscriptions"].as_array().unwrap(), "subscription").join(" ");
    assert_eq!(own, "home/# $share/g/jobs");
    let all = bed.all("/api/v1/clients/kitchen%2F%251/subscriptions", 1);
    assert_eq!(texts(&all, "subscription"), ["home/#", "$share/g/jobs"]);
    let groups = bed.all("/api/v1/shared-groups", 10);
    assert_eq!(groups[0]["subscription"], "$share/g/jobs");
    assert_eq!(groups[0]["members"], 1);
    let nobody = bed.request("GET", "/api/v1/clients/nobody", None);
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "not_found"));
}

#[test]
fn subscriptions_are_found_by_the_topic_that_they_get() {
    let bed = Bed::new();
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let mut client = bed.connect(&format!("c{n}"));
            client.subscribe(&format!("home/{n}/#"), QoS::AtMostOnce);
            client.subscribe("home/+/state", QoS::AtLeastOnce);
            client
        })
        .collect();
    assert_eq!(bed.all("/api/v1/subscriptions", 3).len(), 16);
    let rows = bed.all("/api/v1/subscriptions?topic=home/3/state", 3);
    assert_eq!(rows.len(), 9);
    let exact = bed.all("/api/v1/subscriptions?filter=home/3/%23", 3);
    assert_eq!(texts(&exact, "client"), ["c3"]);
    assert_eq!(bed.all("/api/v1/subscriptions?client=c3", 1).len(), 2);
    let wild = bed.request("GET", "/api/v1/subscriptions?topic=a/%23", None);
    assert_eq!(wild.code(), "invalid_request");
    drop(clients);
}

#[test]
fn the_broker_its_listeners_and_its_configuration_are_shown() {
    let bed = Bed::with("connections_max = 7");
    let broker = bed.get("/api/v1/broker");
    assert_eq!(
        (&broker["shards"], &broker["unaccounted_messages"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(broker["store"]["is_synced"], false);
    let listeners = bed.get("/api/v1/listeners");
    assert_eq!(listeners["data"][0]["kind"], "tcp");
    assert_eq!(listeners["data"][0]["is_local"], true);
    let config = bed.get("/api/v1/config");
    let keys = config["data"].as_array().unwrap();
    let key = |name: &str| keys.iter().find(|key| key["key"] == name).unwrap();
    assert_eq!(key("admin.connections_max")["value"], "7");
    let source = key("admin.connections_max")["source"].as_str().unwrap();
    assert!(source.starts_with("etc/columba.toml:"), "{source}");
    assert_eq!(key("limits.packet_bytes_max")["source"], "default");
    assert_eq!(key("listener.tcp.bind")["value"], "\"127.0.0.1:0\"");
    assert!(bed.get("/api/v1/metrics")["outcomes"]["connect.accepted"].is_u64());
}

#[test]
fn what_says_nothing_sensible_is_refused_with_a_problem() {
    let bed = Bed::new();
    let check = |path: &str, status: u16, code: &str| {
        let answer = bed.request("GET", path, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path}"
        );
    };
    check("/api/v1/clients?limit=0", 400, "invalid_request");
    check("/api/v1/clients?limit=1001", 400, "invalid_request");
    check("/api/v1/clients?limit=x", 400, "invalid_request");
    check("/api/v1/clients?cursor=x", 400, "invalid_cursor");
    check("/api/v1/clients?cursor=eyJhIjoxfQ", 400, "invalid_cursor");
    check("/api/v1/clients?sort=id2", 400, "invalid_request");
    check("/api/v1/clients?sort=--id", 400, "invalid_request");
    check("/api/v1/clients?sort=", 400, "invalid_request");
    let wrong = bed.request("GET", "/api/v1/sessions?sort=size", None).body;
    assert!(wrong.contains("id, -id, queued, -queued,"), "{wrong}");
    check("/api/v1/clients?address=home", 400, "invalid_request");
    check("/api/v1/clients?waiting_on=godot", 400, "invalid_request");
    check("/api/v1/retained?topic=a%23", 400, "invalid_request");
    check("/api/v1/clients/%ff", 400, "invalid_request");
    check("/api/v1/nothing", 404, "not_found");
    check("/api/v2/clients", 404, "not_found");
    check("/", 404, "not_found");
    let answer = bed.request("DELETE", "/api/v1/broker", None);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (405, "method_not_allowed")
    );
}

#[test]
fn clients_are_sorted_both_ways_and_the_cursor_remembers_how() {
    let bed = Bed::new();
    let mut clients: Vec<_> = (0..9).map(|n| bed.connect(&format!("c{n}"))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        for filter in 0..n * 7 % 9 {
            client.subscribe(&format!("{n}/{filter}"), QoS::AtMostOnce);
        }
    }
    let counts = |sort: &str| -> Vec<u64> {
        let rows = bed.all(&format!("/api/v1/clients?sort={sort}"), 2);
        let counts = rows
            .iter()
            .map(|row| row["subscriptions"].as_u64().unwrap());
        counts.collect()
    };
    let mut ascending: Vec<u64> = (0..9).map(|n| n * 7 % 9).collect();
    ascending.sort_unstable();
    assert_eq!(counts("subscriptions"), ascending);
    ascending.reverse();
    assert_eq!(counts("-subscriptions"), ascending);
    let ids = |path: &str| -> Vec<String> {
        let rows = bed.all(path, 2);
        let ids = rows
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    let mut expected: Vec<_> = (0..9).map(|n| format!("c{n}")).collect();
    assert_eq!(ids("/api/v1/sessions?sort=id"), expected);
    expected.reverse();
    assert_eq!(ids("/api/v1/sessions?sort=-id"), expected);
    let first = bed.get("/api/v1/clients?sort=-id&limit=2");
    let next = first["page"]["next"].as_str().unwrap();
    let page = bed.get(&format!("/api/v1/clients?limit=2&cursor={next}"));
    assert_eq!(page["data"][0]["id"], "c6");
    let other = bed.request(
        "GET",
        &format!("/api/v1/clients?sort=id&cursor={next}"),
        None,
    );
    assert_eq!(
        (other.status, other.code().as_str()),
        (400, "invalid_cursor")
    );
}

#[test]
fn a_cursor_is_good_for_its_own_list_and_filters_alone() {
    let bed = Bed::new();
    let mut clients: Vec<_> = ["a1", "a2", "a3"].map(|id| bed.connect(id)).into();
    for client in &mut clients {
        for filter in ["home/a", "home/b"] {
            client.subscribe(filter, QoS::AtLeastOnce);
        }
    }
    let next = |path: &str| {
        let page = bed.get(path);
        page["page"]["next"].as_str().expect("more").to_owned()
    };
    let of_clients = next("/api/v1/clients?limit=1&client=a");
    let of_one = next("/api/v1/clients/a1/subscriptions?limit=1");
    let refused = |path: &str, says: &str| {
        let answer = bed.request("GET", path, None);
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        let problem = answer.json();
        assert_eq!(problem["code"], "invalid_cursor", "{path}");
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    };
    // Sessions have keys of the same form.
    let foreign = format!("/api/v1/sessions?client=a&cursor={of_clients}");
    refused(&foreign, "and this is /api/v1/sessions");
    let foreign = format!("/api/v1/subscriptions?cursor={of_one}");
    refused(&foreign, "one of /api/v1/clients/{id}/subscriptions");
    let filtered = "with other filters";
    refused(&format!("/api/v1/clients?cursor={of_clients}"), filtered);
    let other = format!("/api/v1/clients/a2/subscriptions?cursor={of_one}");
    refused(&other, filtered);
    // How many rows a page has, and how the same is written, are free.
    let page = format!("/api/v1/clients?cursor={of_clients}&limit=2&client=%61");
    let rest = bed.get(&page);
    assert_eq!(texts(rest["data"].as_array().unwrap(), "id"), ["a2", "a3"]);
}
