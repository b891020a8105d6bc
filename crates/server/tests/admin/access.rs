//! Users and access rules that are changed while the broker runs.

use columba_codec::QoS;
use serde_json::{Value, json};

use crate::bed::{Answer, Bed};

const RULES: &str = "\
# Who may do what.

# Everybody.
[[rule]]
allow = [\"all\"]
topics = [\"#\"]
";

fn as_root(bed: &Bed, method: &str, path: &str, headers: &str, body: Option<Value>) -> Answer {
    let headers = format!("Authorization: Bearer {}\r\n{headers}", bed.token);
    bed.send(method, path, &headers, body)
}

fn text_of(bed: &Bed, file: &str) -> String {
    std::fs::read_to_string(bed.instance().join("etc").join(file)).unwrap()
}

#[test]
fn a_user_is_changed_only_if_it_is_as_it_was_read() {
    let bed = Bed::new();
    let path = "/api/v1/users/ann";
    let put = |headers: &str, body| as_root(&bed, "PUT", path, headers, Some(body));
    assert_eq!(bed.request("GET", path, None).code(), "not_found");
    let absent = "If-None-Match: *\r\n";
    assert_eq!(put("If-Match: *\r\n", json!({})).status, 412);
    let added = put(absent, json!({"password": "one", "groups": ["staff"]}));
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(added.json()["password"], json!(null));
    assert_eq!(put(absent, json!({"password": "one"})).status, 412);
    let read = bed.request("GET", path, None);
    let tag = read.header("etag").unwrap().to_owned();
    assert_eq!(read.json()["etag"], tag);
    assert_eq!(read.json()["groups"], json!(["staff"]));
    assert!(!read.body.contains("argon2"), "{}", read.body);
    let same = format!("If-Match: {tag}\r\n");
    let changed = put(&same, json!({"groups": ["staff", "night"]}));
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_ne!(changed.header("etag"), Some(&*tag));
    let stale = put(&same, json!({"password": "two"}));
    assert_eq!(
        (stale.status, stale.code().as_str()),
        (412, "precondition_failed")
    );
    assert_eq!(as_root(&bed, "DELETE", path, &same, None).status, 412);
    let tag = bed
        .request("GET", path, None)
        .header("etag")
        .unwrap()
        .to_owned();
    // A new password is another version, though nothing of it is shown.
    let same = format!("If-Match: {tag}\r\n");
    assert_eq!(put(&same, json!({"password": "two"})).status, 200);
    assert_eq!(put(&same, json!({"password": "three"})).status, 412);
    let listed = bed.all("/api/v1/users", 1);
    assert!(listed.iter().all(|user| user["etag"].is_string()));
    let other = as_root(&bed, "DELETE", path, "If-Match: \"x\", *\r\n", None);
    assert_eq!(other.status, 412);
    assert_eq!(
        as_root(&bed, "DELETE", path, "If-Match: *\r\n", None).status,
        204
    );
    assert_eq!(as_root(&bed, "DELETE", path, "", None).status, 404);
}

#[test]
fn a_change_of_users_can_be_tried_and_leaves_what_people_wrote() {
    let bed = Bed::new();
    let users = bed.instance().join("etc/users");
    let before = format!("# the staff\n\n{}", text_of(&bed, "users"));
    std::fs::write(&users, &before).unwrap();
    let tried = as_root(
        &bed,
        "PUT",
        "/api/v1/users/bob?dry_run=true",
        "",
        Some(json!({})),
    );
    assert_eq!(tried.status, 200, "{}", tried.body);
    assert_eq!(
        tried.json(),
        json!({"password": null, "dry_run": true, "warnings": []})
    );
    let tried = as_root(&bed, "DELETE", "/api/v1/users/admin?dry_run=true", "", None);
    assert_eq!(
        (tried.status, &tried.json()["dry_run"]),
        (200, &json!(true))
    );
    assert_eq!(text_of(&bed, "users"), before);
    let added = as_root(&bed, "PUT", "/api/v1/users/bob", "", Some(json!({})));
    assert!(added.json()["password"].as_str().unwrap().len() > 10);
    let after = text_of(&bed, "users");
    assert!(
        after.starts_with(&before) && after.contains("\nbob:$argon2id$"),
        "{after}"
    );
    // The trial is in the audit as well, with who made it.
    let audit = bed.all("/api/v1/audit", 10);
    let paths: Vec<_> = audit
        .iter()
        .map(|entry| (entry["who"].clone(), entry["path"].clone()))
        .collect();
    assert_eq!(paths[0], (json!("token root"), json!("/api/v1/users/bob")));
    assert_eq!(paths[2].1, "/api/v1/users/bob?dry_run=true");
    assert!(
        !audit
            .iter()
            .any(|entry| entry.to_string().contains("argon2"))
    );
}

#[test]
fn a_change_that_the_files_do_not_allow_is_refused_with_file_and_line_before_anything_is_written() {
    let bed = Bed::with_files("", &[("acl.toml", RULES)]);
    let put = |text: &str| as_root(&bed, "PUT", "/api/v1/acl", "", Some(json!({"text": text})));
    let refused = put(&format!(
        "{RULES}\n[[rule]]\nalow = [\"publish\"]\ntopics = [\"a\"]\n"
    ));
    assert_eq!((refused.status, refused.code().as_str()), (422, "refused"));
    let problem = refused.json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("etc/acl.toml:9:1: unknown key `alow`"),
        "{detail}"
    );
    let fault = &problem["faults"][0];
    assert_eq!(
        (&fault["place"], &fault["is_warning"]),
        (&json!("etc/acl.toml:9:1"), &json!(false))
    );
    assert_eq!(fault["fix"], "did you mean `allow`?");
    assert_eq!(text_of(&bed, "acl.toml"), RULES);
    // Somebody is in the middle of another file.
    let config = bed.instance().join("etc/columba.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{good}\n[brocker]\n")).unwrap();
    let user = as_root(
        &bed,
        "PUT",
        "/api/v1/users/bob",
        "",
        Some(json!({"password": "x"})),
    );
    assert_eq!((user.status, user.code().as_str()), (409, "conflict"));
    assert!(
        user.json()["detail"]
            .as_str()
            .unwrap()
            .contains("etc/columba.toml:"),
        "{}",
        user.body
    );
    assert!(!text_of(&bed, "users").contains("bob"));
    std::fs::write(&config, good).unwrap();
    assert_eq!(
        as_root(
            &bed,
            "PUT",
            "/api/v1/users/bob",
            "",
            Some(json!({"password": "x"}))
        )
        .status,
        201
    );
}

#[test]
fn rules_are_added_changed_and_removed_one_by_one_and_comments_stay() {
    let bed = Bed::with_files("", &[("acl.toml", RULES)]);
    let read = bed.get("/api/v1/acl");
    assert_eq!(
        (&read["file"], &read["format"]),
        (&json!("etc/acl.toml"), &json!("columba"))
    );
    assert_eq!(read["rules"][0]["place"], "etc/acl.toml:4");
    assert_eq!(read["text"], RULES);
    let tag = |answer: &Answer| format!("If-Match: {}\r\n", answer.header("etag").unwrap());
    let first = bed.request("GET", "/api/v1/acl", None);
    let deny = json!({"deny": ["publish"], "topics": ["door/#"], "groups": ["guests"]});
    let unsaid = as_root(
        &bed,
        "POST",
        "/api/v1/acl/rules?number=1",
        "",
        Some(deny.clone()),
    );
    assert_eq!(
        (unsaid.status, unsaid.code().as_str()),
        (428, "precondition_required")
    );
    let path = "/api/v1/acl/rules?number=1&dry_run=true";
    let tried = as_root(&bed, "POST", path, &tag(&first), Some(deny.clone()));
    assert_eq!(tried.status, 200, "{}", tried.body);
    let warning = &tried.json()["warnings"][0];
    assert!(
        warning["what"].as_str().unwrap().contains("group `guests`"),
        "{warning}"
    );
    assert_eq!(text_of(&bed, "acl.toml"), RULES);
    let added = as_root(
        &bed,
        "POST",
        "/api/v1/acl/rules?number=1",
        &tag(&first),
        Some(deny),
    );
    assert_eq!(added.json()["text"], tried.json()["text"]);
    let again = as_root(&bed, "DELETE", "/api/v1/acl/rules/1", &tag(&first), None);
    assert_eq!(again.status, 412);
    let wider = json!({"allow": ["publish", "subscribe"], "topics": ["#"], "comment": "all"});
    let changed = as_root(
        &bed,
        "PUT",
        "/api/v1/acl/rules/2",
        &tag(&added),
        Some(wider.clone()),
    );
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(bed.get("/api/v1/acl")["rules"][1]["rule"], wider);
    let none = as_root(
        &bed,
        "PUT",
        "/api/v1/acl/rules/3",
        &tag(&changed),
        Some(wider),
    );
    assert_eq!(none.status, 404, "{}", none.body);
    let removed = as_root(&bed, "DELETE", "/api/v1/acl/rules/1", &tag(&changed), None);
    assert_eq!(removed.status, 200, "{}", removed.body);
    let expected = "# Who may do what.\n\n# Everybody.\n[[rule]]\ncomment = \"all\"\nallow = [\"publish\", \
                    \"subscribe\"]\ntopics = [\"#\"]\n";
    assert_eq!(text_of(&bed, "acl.toml"), expected);
    let wrong = json!({"allow": ["publish"], "topics": ["a/#/b"]});
    let refused = as_root(&bed, "POST", "/api/v1/acl/rules", "", Some(wrong));
    assert_eq!(refused.status, 422);
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("etc/acl.toml:11:11:"),
        "{}",
        refused.body
    );
    let reader = format!("Bearer {}", bed.token("reader", "read"));
    assert_eq!(
        bed.request_as(&reader, "GET", "/api/v1/acl", None).status,
        200
    );
    let forbidden = bed.request_as(&reader, "PUT", "/api/v1/acl", Some(json!({"text": ""})));
    assert_eq!(forbidden.status, 403);
}

#[test]
fn the_rules_say_how_often_each_has_decided() {
    let secret = "[[rule]]\ndeny = [\"all\"]\ntopics = [\"secret/#\"]\n";
    let text = format!("{secret}{RULES}");
    let bed = Bed::with_files("", &[("acl.toml", &text)]);
    let mut clients: Vec<_> = (0..4).map(|n| bed.connect(&format!("c{n}"))).collect();
    for client in &mut clients {
        client.publish("home/a", b"x");
        client.publish("secret/a", b"x");
        // The answer comes when both are dealt with.
        client.subscribe("home/b", QoS::AtMostOnce);
    }
    let read = bed.get("/api/v1/acl");
    assert_eq!(read["is_in_force"], json!(true));
    let hits = read["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 2);
    let told = |hits: &Value| {
        let times = hits["publish"]["times"].clone();
        (hits["place"].clone(), hits["is_allow"].clone(), times)
    };
    // Of the clients of all shards.
    let place = |line: u8| json!(format!("etc/acl.toml:{line}"));
    assert_eq!(told(&hits[0]), (place(1), json!(false), json!(4)));
    assert_eq!(told(&hits[1]), (place(7), json!(true), json!(4)));
    let last = hits[0]["publish"]["last_unix_ms"].as_u64().unwrap();
    assert!(last >= hits[0]["since_unix_ms"].as_u64().unwrap());
    let never = json!({"times": 0, "last_unix_ms": null});
    assert_eq!(hits[0]["receive"], never);
    let by_default = json!({"is_allowed": true, "times": 0, "last_unix_ms": null});
    assert_eq!(read["by_default"]["receive"], by_default);
    assert_eq!(read["by_default"]["publish"]["is_allowed"], json!(false));
    // A file that was changed by hand does not count until it is read again.
    let changed = format!("# Changed.\n{text}");
    std::fs::write(bed.instance().join("etc/acl.toml"), changed).unwrap();
    let read = bed.get("/api/v1/acl");
    assert_eq!(read["is_in_force"], json!(false));
    assert_eq!(read["rules"][0]["place"], place(2));
    assert_eq!(read["hits"][0]["place"], place(1));
}

#[test]
fn a_file_of_mosquitto_is_changed_as_a_text_alone() {
    let bed = Bed::with_files("", &[("acl.toml", RULES), ("acl", "topic readwrite #\n")]);
    let config = bed.instance().join("etc/columba.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(
        "\"etc/acl.toml\"",
        "\"etc/acl\"\nacl_format = \"mosquitto\"",
    );
    std::fs::write(&config, text).unwrap();
    assert_eq!(
        bed.request("POST", "/api/v1/config/reload", None).status,
        204
    );
    let read = bed.get("/api/v1/acl");
    assert_eq!(
        (&read["format"], &read["rules"]),
        (&json!("mosquitto"), &json!(null))
    );
    let rule = json!({"allow": ["publish"], "topics": ["a"]});
    assert_eq!(
        as_root(&bed, "POST", "/api/v1/acl/rules", "", Some(rule)).status,
        409
    );
    let put = |text: &str| as_root(&bed, "PUT", "/api/v1/acl", "", Some(json!({"text": text})));
    let refused = put("topic raed #\n");
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("etc/acl:1:1:"),
        "{}",
        refused.body
    );
    assert_eq!(put("user ann\ntopic read #\n").status, 200);
}

#[test]
fn a_key_of_the_configuration_is_changed_in_its_file_and_counts_at_once() {
    let bed = Bed::new();
    let key = |name: &str| -> Value {
        let config = bed.get("/api/v1/config");
        let keys = config["data"].as_array().unwrap();
        keys.iter().find(|key| key["key"] == name).unwrap().clone()
    };
    let set = |name: &str, headers: &str, value: &str| {
        let path = format!("/api/v1/config/{name}");
        as_root(&bed, "PUT", &path, headers, Some(json!({"value": value})))
    };
    let name = "limits.packet_bytes_max";
    assert_eq!(key(name)["source"], "default");
    let before = text_of(&bed, "columba.toml");
    let tried = set(&format!("{name}?dry_run=true"), "", "2MiB");
    assert_eq!(tried.status, 200, "{}", tried.body);
    assert_eq!(text_of(&bed, "columba.toml"), before);
    let tag = bed.request("GET", "/api/v1/config", None);
    let tag = format!("If-Match: {}\r\n", tag.header("etag").unwrap());
    assert_eq!(set(name, &tag, "2MiB").status, 200);
    let after = text_of(&bed, "columba.toml");
    assert_eq!(
        after,
        format!("{before}\n[limits]\npacket_bytes_max = \"2MiB\"\n")
    );
    assert_eq!(key(name)["value"], "\"2MiB\"");
    let line = after.lines().count();
    assert_eq!(key(name)["source"], format!("etc/columba.toml:{line}"));
    assert_eq!(set(name, &tag, "3MiB").status, 412);
    // A file that somebody changes by hand, and that is not read again yet, is not the one whose values are
    // told here.
    let tag = bed.request("GET", "/api/v1/config", None);
    let tag = format!("If-Match: {}\r\n", tag.header("etag").unwrap());
    let path = bed.instance().join("etc/columba.toml");
    std::fs::write(&path, format!("{after}# By hand.\n")).unwrap();
    let read = bed.request("GET", "/api/v1/config", None);
    assert_eq!(
        format!("If-Match: {}\r\n", read.header("etag").unwrap()),
        tag
    );
    assert_eq!(set(name, &tag, "3MiB").status, 412);
    let reload = "/api/v1/config/reload";
    assert_eq!(bed.request("POST", reload, None).status, 204);
    let read = bed.request("GET", "/api/v1/config", None);
    let tag = format!("If-Match: {}\r\n", read.header("etag").unwrap());
    assert_eq!(set(name, &tag, "3MiB").status, 200);
    let wrong = set(name, "", "many");
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "refused"));
    assert_eq!(set("limits.nothing", "", "1").status, 404);
    let late = set("broker.shards", "", "4");
    assert_eq!((late.status, late.code().as_str()), (409, "conflict"));
    let path = format!("/api/v1/config/{name}");
    assert_eq!(as_root(&bed, "DELETE", &path, "", None).status, 200);
    assert_eq!(as_root(&bed, "DELETE", &path, "", None).status, 404);
    assert_eq!(key(name)["source"], "default");
}

/// Messages would be gathered for a client that may not have them.
#[test]
fn groups_that_are_changed_before_a_start_count_for_stored_sessions() {
    let rules = "[[rule]]\nallow = [\"all\"]\ngroups = [\"staff\"]\ntopics = [\"door/#\"]\n";
    let mut bed = Bed::with_files("", &[("acl.toml", rules)]);
    for name in ["ann", "bob", "eve"] {
        let user = json!({"password": "secret", "groups": ["staff"]});
        let path = format!("/api/v1/users/{name}");
        assert_eq!(bed.request("PUT", &path, Some(user)).status, 201);
        let mut client = bed.connect_keeping(name, Some((name, "secret")));
        client.subscribe("door/+", QoS::AtLeastOnce);
    }
    bed.stop();
    let users = text_of(&bed, "users");
    let line = |name: &str| {
        let is_its = |line: &&str| line.starts_with(&format!("{name}:"));
        users.lines().find(is_its).unwrap()
    };
    let (ann, eve) = (line("ann"), line("eve"));
    let changed = users.replace(ann, &ann.replace("staff", "guests"));
    let changed = changed.replace(&format!("{eve}\n"), "");
    assert_ne!(changed, users);
    std::fs::write(bed.instance().join("etc/users"), changed).unwrap();
    let bed = bed.restart();
    let rows = bed.all("/api/v1/subscriptions", 100);
    let clients: Vec<_> = rows.iter().map(|row| row["client"].as_str()).collect();
    assert_eq!(clients, [Some("bob")], "{rows:?}");
    assert_eq!(bed.get("/api/v1/broker")["sessions"], 3);
}
