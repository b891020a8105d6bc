//! What can be changed.

use columba_codec::{QoS, ReasonCode};
use serde_json::json;

use crate::bed::Bed;

fn status(bed: &Bed, method: &str, path: &str, body: Option<serde_json::Value>) -> u16 {
    bed.request(method, path, body).status
}

#[test]
fn what_is_published_here_comes_to_subscribers_with_its_properties() {
    let bed = Bed::new();
    let mut client = bed.connect("client");
    client.subscribe("a/+", QoS::AtLeastOnce);
    let message = json!({
        "topic": "a/1", "payload": "hé", "qos": 1, "content_type": "text/plain",
        "user_properties": [{"name": "n", "value": "v"}], "expiry_secs": 60,
    });
    let answer = bed.request("POST", "/api/v1/publish", Some(message));
    assert_eq!(answer.json()["outcome"], "publish.accepted");
    assert_eq!(client.message(), ("a/1".to_owned(), "hé".to_owned()));
    let nobody = json!({"topic": "b", "payload_base64": "AAE="});
    let answer = bed.request("POST", "/api/v1/publish", Some(nobody));
    assert_eq!(answer.json()["outcome"], "publish.no_match");
    let check = |message, code: &str| {
        let answer = bed.request("POST", "/api/v1/publish", Some(message));
        assert_eq!(answer.code(), code, "{}", answer.body);
    };
    check(json!({"topic": "a/#"}), "invalid_request");
    check(json!({"topic": ""}), "invalid_request");
    check(json!({"topic": "a", "qos": 3}), "invalid_request");
    check(
        json!({"topic": "a", "payload": "", "payload_base64": ""}),
        "invalid_request",
    );
    check(
        json!({"topic": "a", "payload_base64": "?"}),
        "invalid_request",
    );
    check(
        json!({"topic": "a", "response_topic": "+"}),
        "invalid_request",
    );
    check(
        json!({"topic": "a", "content_type": "\u{0}"}),
        "invalid_request",
    );
    check(json!({"topic": "a", "surprise": 1}), "invalid_request");
    check(json!({"payload": "a"}), "invalid_request");
    check(json!({"topic": "$SYS/a"}), "refused");
    check(json!(["a"]), "invalid_request");
    let answer = bed.request("POST", "/api/v1/publish", None);
    assert_eq!(answer.code(), "unsupported_media_type");
}

#[test]
fn retained_messages_are_set_read_and_cleared_on_conditions() {
    let bed = Bed::new();
    let path = "/api/v1/retained/home%2Fkitchen";
    let auth = format!("Authorization: Bearer {}\r\n", bed.token);
    let put = |value: &str, headers: &str| {
        let headers = format!("{auth}{headers}");
        bed.send("PUT", path, &headers, Some(json!({"payload": value})))
            .status
    };
    assert_eq!(put("1", "If-Match: *\r\n"), 412);
    assert_eq!(put("1", "If-None-Match: *\r\n"), 204);
    assert_eq!(put("1", "If-None-Match: *\r\n"), 412);
    let read = bed.request("GET", path, None);
    let etag = format!("If-Match: {}\r\n", read.header("etag").unwrap());
    assert_eq!(read.json()["payload"], "1");
    assert_eq!(put("2", &etag), 204);
    assert_eq!(put("3", &etag), 412);
    assert_eq!(put("3", "If-Match: \"nonsense\"\r\n"), 412);
    assert_eq!(put("3", "If-None-Match: \"0\"\r\n"), 400);
    assert_eq!(put("", ""), 400);
    // What is wrong with the request itself goes before its conditions (RFC 9110, 13.2.1).
    assert_eq!(put("", &etag), 400);
    let wrong = Some(json!({"payload": "3", "qos": 3}));
    let headers = format!("{auth}If-Match: null\r\n");
    assert_eq!(bed.send("PUT", path, &headers, wrong).status, 400);
    let headers = format!("{auth}{etag}");
    assert_eq!(
        bed.send("DELETE", path, &headers, None).code(),
        "precondition_failed"
    );
    assert_eq!(status(&bed, "DELETE", path, None), 204);
    assert_eq!(bed.request("DELETE", path, None).code(), "not_found");
    assert_eq!(bed.request("GET", path, None).code(), "not_found");
    let binary = json!({"payload_base64": "/wA=", "expiry_secs": 60});
    assert_eq!(status(&bed, "PUT", path, Some(binary)), 204);
    let read = bed.get(path);
    assert_eq!(
        (&read["payload_base64"], &read["payload"]),
        (&json!("/wA="), &json!(null))
    );
    assert!(read["expires_unix_ms"].is_u64());
}

#[test]
fn retained_messages_are_listed_by_filter_and_cleared_by_it_after_a_dry_run() {
    let bed = Bed::new();
    for n in 0..30 {
        let path = format!("/api/v1/retained/a%2F{n:02}");
        let long = "é".repeat(200);
        assert_eq!(
            status(&bed, "PUT", &path, Some(json!({"payload": long}))),
            204
        );
    }
    assert_eq!(
        status(
            &bed,
            "PUT",
            "/api/v1/retained/b",
            Some(json!({"payload": "x"}))
        ),
        204
    );
    for limit in [1, 7, 1000] {
        let rows = bed.all("/api/v1/retained?topic=a/%23", limit);
        let topics: Vec<_> = rows
            .iter()
            .map(|row| row["topic"].as_str().unwrap())
            .collect();
        let expected: Vec<_> = (0..30).map(|n| format!("a/{n:02}")).collect();
        assert_eq!(topics, expected);
        assert_eq!(rows[0]["payload"], "é".repeat(128));
        assert_eq!(
            (&rows[0]["payload_bytes"], &rows[0]["is_cut"]),
            (&json!(400), &json!(true))
        );
    }
    let clear = |query: &str| {
        let answer = bed.request("DELETE", &format!("/api/v1/retained?{query}"), None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["count"].as_u64().unwrap()
    };
    assert_eq!(clear("topic=a/%2B&dry_run=true"), 30);
    assert_eq!(clear("topic=a/%2B"), 30);
    assert_eq!(clear("topic=a/%2B"), 0);
    assert_eq!(bed.all("/api/v1/retained", 100).len(), 1);
    assert_eq!(status(&bed, "DELETE", "/api/v1/retained", None), 400);
}

#[test]
fn clients_sessions_and_subscriptions_are_ended() {
    let bed = Bed::new();
    let mut client = bed.connect("a b");
    client.subscribe("$share/g/t", QoS::AtLeastOnce);
    let subscription = "/api/v1/clients/a%20b/subscriptions/%24share%2Fg%2Ft";
    assert_eq!(status(&bed, "DELETE", subscription, None), 204);
    assert_eq!(status(&bed, "DELETE", subscription, None), 404);
    let wrong = "/api/v1/clients/a%20b/subscriptions/a%23";
    assert_eq!(status(&bed, "DELETE", wrong, None), 400);
    assert_eq!(status(&bed, "DELETE", "/api/v1/clients/a%20b", None), 204);
    assert_eq!(client.farewell(), ReasonCode::AdministrativeAction);
    assert_eq!(status(&bed, "DELETE", "/api/v1/clients/a%20b", None), 404);
    let mut client = bed.connect("a b");
    assert_eq!(status(&bed, "DELETE", "/api/v1/sessions/a%20b", None), 204);
    assert_eq!(client.farewell(), ReasonCode::AdministrativeAction);
    assert_eq!(status(&bed, "DELETE", "/api/v1/sessions/a%20b", None), 404);
    // Who did it stands with it in the record, not in the audit alone.
    for outcome in ["unsubscribe.by_admin", "disconnect.admin"] {
        let events = bed.all(&format!("/api/v1/events?outcome={outcome}"), 100);
        assert!(!events.is_empty(), "{outcome}");
        for event in events {
            assert_eq!(event["by"], "token root", "{event}");
        }
    }
}

#[test]
fn a_ban_disconnects_keeps_out_and_outlives_a_restart() {
    let bed = Bed::new();
    let mut client = bed.connect("bad");
    let ban = json!({"kind": "client", "value": "bad", "reason": "floods", "for_secs": 3600});
    let answer = bed.request("POST", "/api/v1/bans", Some(ban));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.json()["by"], "token root");
    assert_eq!(client.farewell(), ReasonCode::AdministrativeAction);
    let refused = |bed: &Bed| bed.connect_raw("bad", None).err();
    assert_eq!(refused(&bed), Some(ReasonCode::Banned));
    let bed = bed.restart();
    assert_eq!(refused(&bed), Some(ReasonCode::Banned));
    assert_eq!(bed.all("/api/v1/bans", 1)[0]["reason"], "floods");
    assert_eq!(status(&bed, "DELETE", "/api/v1/bans/client/bad", None), 204);
    assert_eq!(status(&bed, "DELETE", "/api/v1/bans/client/bad", None), 404);
    bed.connect("bad");
    let check = |ban| {
        let answer = bed.request("POST", "/api/v1/bans", Some(ban));
        assert_eq!(answer.code(), "invalid_request", "{}", answer.body);
    };
    check(json!({"kind": "address", "value": "home"}));
    check(json!({"kind": "planet", "value": "x"}));
    check(json!({"kind": "user", "value": ""}));
    check(json!({"kind": "user", "value": "x", "for_secs": 0}));
    assert_eq!(
        status(&bed, "DELETE", "/api/v1/bans/address/home", None),
        400
    );
}

/// Whoever floods the broker until its disk is full is kept out all the same.
#[test]
fn a_ban_that_cannot_be_written_is_in_force_and_says_that_it_ends_with_the_broker() {
    let bed = Bed::new();
    let place = bed.instance().join("data/bans.json");
    std::fs::create_dir(&place).unwrap();
    let mut client = bed.connect("bad");
    let ban = json!({"kind": "client", "value": "bad"});
    let answer = bed.request("POST", "/api/v1/bans", Some(ban));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let warning = answer.json()["warning"].as_str().unwrap().to_owned();
    assert!(warning.contains("until the broker ends"), "{warning}");
    assert_eq!(client.farewell(), ReasonCode::AdministrativeAction);
    let refused = |bed: &Bed| bed.connect_raw("bad", None).err();
    assert_eq!(refused(&bed), Some(ReasonCode::Banned));
    // To lift it can wait, and nothing is changed.
    assert_eq!(status(&bed, "DELETE", "/api/v1/bans/client/bad", None), 500);
    assert_eq!(refused(&bed), Some(ReasonCode::Banned));
    // The next change writes both.
    std::fs::remove_dir(&place).unwrap();
    let other = json!({"kind": "client", "value": "other"});
    let answer = bed.request("POST", "/api/v1/bans", Some(other));
    assert!(answer.json().get("warning").is_none(), "{}", answer.body);
    let bed = bed.restart();
    assert_eq!(refused(&bed), Some(ReasonCode::Banned));
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let bed = Bed::new();
    let new = json!({"name": "grafana", "scopes": ["read"], "for_secs": 100});
    let answer = bed.request("POST", "/api/v1/tokens", Some(new.clone()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let text = answer.json()["token"].as_str().unwrap().to_owned();
    assert!(
        !std::fs::read_to_string(bed.instance().join("etc/tokens"))
            .unwrap()
            .contains(&text)
    );
    let credentials = format!("Bearer {text}");
    let read = || {
        bed.request_as(&credentials, "GET", "/api/v1/broker", None)
            .status
    };
    assert_eq!(read(), 200);
    let again = bed.request("POST", "/api/v1/tokens", Some(new));
    assert_eq!(again.code(), "conflict");
    let rows = bed.all("/api/v1/tokens", 1);
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["grafana", "root"]);
    assert_eq!(status(&bed, "DELETE", "/api/v1/tokens/grafana", None), 204);
    assert_eq!(read(), 401);
    assert_eq!(status(&bed, "DELETE", "/api/v1/tokens/grafana", None), 404);
    let bad = json!({"name": "a:b", "scopes": ["read"]});
    assert_eq!(status(&bed, "POST", "/api/v1/tokens", Some(bad)), 400);
    let empty = json!({"name": "a", "scopes": []});
    assert_eq!(status(&bed, "POST", "/api/v1/tokens", Some(empty)), 400);
}

#[test]
fn users_are_added_changed_and_removed() {
    let bed = Bed::new();
    let made = bed.request(
        "PUT",
        "/api/v1/users/ann",
        Some(json!({"groups": ["staff"]})),
    );
    assert_eq!(made.status, 201, "{}", made.body);
    let password = made.json()["password"].as_str().unwrap().to_owned();
    let me = |password: &str| {
        bed.request_as(
            &crate::bed::basic("ann", password),
            "GET",
            "/api/v1/me",
            None,
        )
    };
    assert_eq!(me(&password).json()["may"], json!([]));
    let check = json!({"client": "c", "user": "ann", "action": "publish", "topic": "t"});
    let answer = bed.request("POST", "/api/v1/acl/check", Some(check)).json();
    assert_eq!(answer["groups"], json!(["staff"]));
    assert_eq!(answer["is_allowed"], true);
    let rule = answer["rule"].as_str().unwrap();
    assert!(rule.starts_with("etc/acl.toml:"), "{rule}");
    let change = json!({"password": "other", "groups": ["admin"]});
    assert_eq!(status(&bed, "PUT", "/api/v1/users/ann", Some(change)), 200);
    assert_eq!(me(&password).status, 401);
    assert_eq!(me("other").json()["may"].as_array().unwrap().len(), 4);
    let users = bed.all("/api/v1/users", 1);
    assert_eq!(users.len(), 2);
    assert_eq!(users[1]["groups"], json!(["admin"]));
    assert_eq!(status(&bed, "DELETE", "/api/v1/users/ann", None), 204);
    assert_eq!(status(&bed, "DELETE", "/api/v1/users/ann", None), 404);
    assert_eq!(me("other").status, 401);
    let bad = bed.request("PUT", "/api/v1/users/a%3Ab", Some(json!({})));
    assert_eq!(bad.code(), "invalid_request");
    let empty = bed.request("PUT", "/api/v1/users/bob", Some(json!({"password": ""})));
    assert_eq!(empty.code(), "invalid_request");
}

#[test]
fn files_are_read_again_and_their_faults_told() {
    let bed = Bed::new();
    assert_eq!(status(&bed, "POST", "/api/v1/config/reload", None), 204);
    let users = bed.instance().join("etc/users");
    let old = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, format!("{old}eve:secret\n")).unwrap();
    let answer = bed.request("POST", "/api/v1/config/reload", None);
    assert_eq!(answer.code(), "conflict");
}

#[test]
fn every_change_is_in_the_audit_with_who_asked_for_it() {
    let bed = Bed::new();
    let reader = format!("Bearer {}", bed.token("reader", "read"));
    let path = "/api/v1/clients/nobody";
    assert_eq!(bed.request("DELETE", path, None).status, 404);
    assert_eq!(bed.request_as(&reader, "DELETE", path, None).status, 403);
    assert_eq!(bed.request_as("Bearer x", "DELETE", path, None).status, 401);
    bed.local("DELETE", path);
    bed.get("/api/v1/broker");
    let rows = bed.all("/api/v1/audit", 1);
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!(
                (&row["method"], &row["path"]),
                (&json!("DELETE"), &json!(path))
            );
            let who = row["who"].as_str().unwrap().split(',').next().unwrap();
            (who, row["status"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [("socket", 404), ("token reader", 403), ("token root", 404)]
    );
}

#[test]
fn a_parameter_that_is_misspelt_or_unknown_is_refused_and_nothing_is_done() {
    let bed = Bed::new();
    let path = "/api/v1/retained/home%2Fkitchen";
    let payload = Some(json!({"payload": "1"}));
    assert_eq!(status(&bed, "PUT", path, payload), 204);
    let refused = |method: &str, path: &str, hint: &str| {
        let answer = bed.request(method, path, None);
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request".into())
        );
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(hint), "{detail}");
    };
    let bulk = "/api/v1/retained?topic=%23&dryrun=true";
    refused("DELETE", bulk, "did you mean `dry_run`?");
    refused("GET", "/api/v1/events?clinet=a", "did you mean `client`?");
    refused("GET", "/api/v1/broker?x=1", "there are none here");
    refused(
        "GET",
        path.replace("kitchen", "kitchen?zzzzzz=1").as_str(),
        "none here",
    );
    assert_eq!(status(&bed, "GET", path, None), 200);
}
