//! Who gets in, and what for.

use serde_json::json;

use crate::bed::{Bed, basic};

/// What everybody may ask.
const OPEN: [&str; 1] = ["/api/v1/openapi.json"];

#[test]
fn no_path_of_the_api_says_anything_to_nobody() {
    let bed = Bed::new();
    let api = bed.send("GET", OPEN[0], "", None).json();
    assert_eq!(api["openapi"], "3.1.0");
    let mut count = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            let answer = bed.send(&method.to_uppercase(), &path, "", Some(json!({})));
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthorized"),
                "{path}"
            );
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"columba\"")
            );
            count += 1;
        }
    }
    assert!(count >= 30, "{count} operations");
}

#[test]
fn scopes_say_what_a_token_is_good_for() {
    let bed = Bed::new();
    let requests = [
        ("GET", "/api/v1/clients"),
        ("POST", "/api/v1/publish"),
        ("DELETE", "/api/v1/clients/nobody"),
        ("GET", "/api/v1/tokens"),
    ];
    let check = |scopes: &str, expected: [u16; 4]| {
        let credentials = format!("Bearer {}", bed.token(&scopes.replace(',', " "), scopes));
        let statuses = requests.map(|(method, path)| {
            let body = (method == "POST").then(|| json!({"topic": "t"}));
            let answer = bed.request_as(&credentials, method, path, body);
            if answer.status == 403 {
                assert_eq!(answer.code(), "forbidden");
            }
            answer.status
        });
        assert_eq!(statuses, expected, "{scopes}");
    };
    check("read", [200, 403, 403, 403]);
    check("publish", [403, 200, 403, 403]);
    check("operate", [200, 403, 404, 403]);
    check("publish,operate", [200, 200, 404, 403]);
    check("admin", [200, 200, 404, 200]);
}

#[test]
fn users_of_the_group_admin_or_named_may_do_everything_and_others_ask_who_they_are() {
    let bed = Bed::with("users = [\"named\"]");
    let add = |name: &str| {
        let path = format!("/api/v1/users/{name}");
        let answer = bed.request("PUT", &path, Some(json!({"password": name})));
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    add("named");
    add("other");
    let status = |credentials: &str, path| bed.request_as(credentials, "GET", path, None).status;
    assert_eq!(
        status(&basic("admin", &bed.password), "/api/v1/tokens"),
        200
    );
    assert_eq!(status(&basic("named", "named"), "/api/v1/tokens"), 200);
    assert_eq!(status(&basic("other", "other"), "/api/v1/clients"), 403);
    assert_eq!(status(&basic("other", "other"), "/api/v1/me"), 200);
    assert_eq!(status("Bearer col_x", "/api/v1/me"), 401);
    assert_eq!(status("Basic ???", "/api/v1/me"), 401);
    assert_eq!(status("Digest x", "/api/v1/me"), 401);
    assert_eq!(status("Bearer", "/api/v1/me"), 401);
}

#[test]
fn wrong_passwords_are_throttled_and_tokens_are_not() {
    let bed = Bed::new();
    let right = basic("admin", &bed.password);
    let status = |credentials: &str| bed.request_as(credentials, "GET", "/api/v1/me", None);
    for _ in 0..10 {
        assert_eq!(status(&basic("admin", "wrong")).status, 401);
    }
    let throttled = status(&basic("admin", "wrong"));
    assert_eq!(
        (throttled.status, throttled.code().as_str()),
        (429, "throttled")
    );
    assert!(throttled.header("retry-after").is_some());
    assert_eq!(status(&right).status, 429);
    assert_eq!(status(&format!("Bearer {}", bed.token)).status, 200);
    assert_eq!(bed.local("GET", "/api/v1/me").status, 200);
}

#[test]
fn the_socket_lets_its_owner_in_and_says_who_it_is() {
    let bed = Bed::new();
    let me = bed.local("GET", "/api/v1/me").json();
    assert!(
        me["name"].as_str().unwrap().starts_with("socket, uid "),
        "{me}"
    );
    assert_eq!(me["may"].as_array().unwrap().len(), 4);
    let socket = bed.instance().join("data/admin.sock");
    assert!(socket.exists());
    let bed = bed.restart();
    assert_eq!(bed.local("GET", "/api/v1/me").status, 200);
}
