//! Who may ask why, and what is told to whom.

use columba_codec::QoS;
use serde_json::json;

use crate::bed::{Bed, basic};

const RULES: &str = "[[rule]]\ndeny = \"receive\"\ntopics = \"secret/#\"\nusers = \"ann\"\n\
                     [[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = \"#\"\n";

#[test]
fn a_user_learns_of_its_own_clients_and_of_nobody_else() {
    let bed = Bed::with_files("", &[("acl.toml", RULES)]);
    let added = bed.request("PUT", "/api/v1/users/ann", Some(json!({"password": "ann"})));
    assert_eq!(added.status, 201, "{}", added.body);
    let mut phone = bed.connect_as("phone", "ann", "ann");
    phone.subscribe("home/+", QoS::AtLeastOnce);
    let mut spy = bed.connect("spy");
    spy.subscribe("home/#", QoS::AtLeastOnce);
    let mut sensor = bed.connect("sensor-7");
    sensor.publish("secret/plan", b"1");
    sensor.publish("home/kitchen", b"1");
    assert_eq!(phone.message().0, "home/kitchen");

    let ask = |credentials: &str, query: &str| {
        let path = format!("/api/v1/why?{query}");
        bed.request_as(credentials, "GET", &path, None)
    };
    let ann = basic("ann", "ann");
    let own = ask(&ann, "topic=home/kitchen&to=phone&render=text");
    assert_eq!(own.status, 200, "{}", own.body);
    assert_eq!(
        own.json()["report"]["verdict"]["code"],
        "D02",
        "{}",
        own.body
    );
    for name in ["sensor-7", "spy", "home/#", "secret"] {
        assert!(!own.body.contains(name), "{name}: {}", own.body);
    }
    // The message was published all the same.
    assert!(own.body.contains("publish.accepted"), "{}", own.body);

    // What its client may not receive it learns nothing of but that.
    let secret = ask(&ann, "topic=secret/plan&to=phone");
    assert_eq!(secret.status, 403);
    assert!(secret.body.contains("acl.toml:1"), "{}", secret.body);
    for query in ["topic=home/kitchen", "to=spy", "from=sensor-7&to=phone"] {
        assert_eq!(ask(&ann, query).status, 403, "{query}");
    }

    let reader = format!("Bearer {}", bed.token("reader", "read"));
    let all = ask(&reader, "topic=home/kitchen&to=phone");
    assert!(all.body.contains("sensor-7"), "{}", all.body);
}

#[test]
fn a_user_is_told_of_topics_nearly_right_that_its_client_may_use_and_of_no_others() {
    let rules = "[[rule]]\ndeny = \"receive\"\ntopics = \"+/SECRET/#\"\nusers = \"ann\"\n\
                 [[rule]]\ndeny = \"publish\"\ntopics = \"home/Kitchen\"\nusers = \"ann\"\n\
                 [[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = \"#\"\n";
    let bed = Bed::with_files("", &[("acl.toml", rules)]);
    let added = bed.request("PUT", "/api/v1/users/ann", Some(json!({"password": "ann"})));
    assert_eq!(added.status, 201, "{}", added.body);
    let mut phone = bed.connect_as("phone", "ann", "ann");
    for filter in ["home/kitchen", "plan/secret/+"] {
        phone.subscribe(filter, QoS::AtLeastOnce);
    }
    let mut sensor = bed.connect("sensor-7");
    for topic in ["home/Kitchen", "plan/SECRET/a"] {
        sensor.publish(topic, b"1");
    }
    let ask = |query: &str| {
        let path = format!("/api/v1/why?{query}");
        let answer = bed.request_as(&basic("ann", "ann"), "GET", &path, None);
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert!(!answer.body.contains("sensor-7"), "{}", answer.body);
        (answer.json()["report"]["verdict"].clone(), answer.body)
    };
    let (verdict, body) = ask("topic=home/kitchen&to=phone");
    assert_eq!(verdict["code"], "P05", "{body}");
    assert!(body.contains("home/Kitchen"), "{body}");
    let (verdict, body) = ask("to=phone");
    assert_eq!(verdict["code"], "R02", "{body}");
    assert!(body.contains("home/Kitchen"), "{body}");
    // Neither what the client may not receive, nor, of a publisher, what it may not publish to.
    let (verdict, body) = ask("topic=plan/secret/a&to=phone");
    assert_eq!(verdict["code"], "P05", "{body}");
    assert!(!body.contains("SECRET"), "{body}");
    let (_, body) = ask("topic=home/kitchen&from=phone");
    assert!(!body.contains("home/Kitchen"), "{body}");
}

#[test]
fn what_a_client_may_not_receive_does_not_keep_it_from_asking_about_itself() {
    let bed = Bed::with_files("", &[("acl.toml", RULES)]);
    let added = bed.request("PUT", "/api/v1/users/ann", Some(json!({"password": "ann"})));
    assert_eq!(added.status, 201, "{}", added.body);
    let mut phone = bed.connect_as("phone", "ann", "ann");
    phone.subscribe("#", QoS::AtLeastOnce);
    let mut sensor = bed.connect("sensor-7");
    sensor.publish("secret/plan", b"1");
    let own = bed.request_as(&basic("ann", "ann"), "GET", "/api/v1/why?to=phone", None);
    assert_eq!(own.status, 200, "{}", own.body);
    assert!(!own.body.contains("secret"), "{}", own.body);
}

#[test]
fn a_question_has_a_subject_and_fits_its_bounds() {
    let bed = Bed::new();
    for query in [
        "",
        "since_unix_ms=1",
        "topic=a&width=39",
        "topic=a&width=1001",
        "topic=a&utc_offset_secs=86401",
        "topic=a&lang=fr",
    ] {
        let answer = bed.request("GET", &format!("/api/v1/why?{query}"), None);
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    let codes = bed.get("/api/v1/why/codes?lang=zh");
    assert!(codes.as_array().unwrap().len() > 40, "{codes}");
}

/// Without a beginning the question is about what the record can tell; with one, about all that was named.
#[test]
fn a_broker_that_has_just_started_answers_from_the_start() {
    let bed = Bed::new();
    let ask = |query: &str| bed.get(&format!("/api/v1/why?topic=garden/gate{query}"));
    let open = ask("");
    let report = &open["report"];
    assert_eq!(report["verdict"]["code"], "P05", "{open}");
    // It keeps no record on a disk: whether there was a process before this one, nobody knows.
    assert_eq!(report["verdict"]["confidence"], "likely", "{open}");
    assert_eq!(report["verdict"]["sentence"], "p05_since_start", "{open}");
    assert_eq!(report["coverage"]["beginning"], "started", "{open}");
    assert_eq!(report["coverage"]["complete"], true, "{open}");
    assert_eq!(report["question"]["from"], report["coverage"]["from"]);

    let named = ask("&since_unix_ms=1");
    let report = &named["report"];
    assert_eq!(report["verdict"]["sentence"], "u01_started", "{named}");
    assert_eq!(report["coverage"]["complete"], false, "{named}");
}
