//! Reading whole configurations.

use super::*;

fn read(text: &str) -> Result<(Config, Vec<Fault>), Vec<Fault>> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<(Config, Vec<Fault>), Vec<Fault>> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let (config, faults) =
        Config::read("etc/columba.toml", text, Path::new("/instance"), variables);
    if fault::has_errors(&faults) {
        Err(faults)
    } else {
        Ok((config, faults))
    }
}

fn good(text: &str) -> Config {
    read(text).expect("a configuration").0
}

#[test]
fn an_empty_file_has_the_defaults_of_the_core() {
    let config = good("");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.shards, None);
    assert_eq!(config.data_dir, Path::new("/instance/data"));
    assert_eq!(config.store.durability, Durability::Sync);
    assert_eq!(config.store.directory, Path::new("/instance/data"));
    let [listener] = config.listeners.as_slice() else {
        panic!("one listener")
    };
    assert_eq!(listener.bind.to_string(), "0.0.0.0:1883");
    assert_eq!(listener.settings.anonymous, Anonymous::Loopback);
    assert_eq!(listener.settings.name, "tcp");
}

const ALL_LIMITS: &str = r#"
[access]
on_deny = "disconnect"
[limits]
connect_timeout = "1s"
takeover_delay_max = "2s"
keep_alive_max = "2m"
session_expiry_v3 = "3h"
session_expiry_max = "4d"
sessions_max = 5
packet_bytes_max = "6KiB"
receive_maximum = 7
inflight_max = 8
inflight_bytes_max = "21KiB"
topic_alias_maximum = 9
topic_alias_out_max = 10
queue_messages_max = 11
queue_bytes_max = "12KiB"
queue_memory_bytes_max = "29KiB"
queue_policy = "drop_newest"
queue_qos0 = true
output_bytes_max = "13KiB"
subscriptions_max = 14
subscription_bytes_max = "24KiB"
topic_levels_max = 15
will_bytes_max = "25KiB"
wills_bytes_max = "26KiB"
retained_messages_max = 16
retained_bytes_max = "17KiB"
retained_steps_max = 23
match_steps_max = 27
store_waiting_bytes_max = "28KiB"
recorder_bytes_max = "29KiB"
recorder_private_topics = ["a/+", "b/#"]
match_cache_max = 18
share_strategy = "sticky"
sys_interval = "off"
reports_per_sec_max = 20
"#;

#[test]
fn every_limit_of_the_core_has_a_key() {
    // A new field does not compile here until it has one.
    let Limits {
        connect_timeout_ms,
        takeover_delay_ms_max,
        keep_alive_secs_max,
        session_expiry_v3_secs,
        session_expiry_secs_max,
        sessions_max,
        packet_bytes_max,
        receive_maximum,
        inflight_max,
        inflight_bytes_max,
        topic_alias_maximum,
        topic_alias_out_max,
        queue_messages_max,
        queue_bytes_max,
        queue_memory_bytes_max,
        queue_policy,
        queue_qos0,
        output_bytes_max,
        subscriptions_max,
        subscription_bytes_max,
        topic_levels_max,
        will_bytes_max,
        wills_bytes_max,
        retained_messages_max,
        retained_bytes_max,
        retained_steps_max,
        match_steps_max,
        store_waiting_bytes_max,
        recorder_bytes_max,
        recorder_private_topics,
        match_cache_max,
        share_strategy,
        denied_v3_disconnects,
        sys_interval_ms,
        reports_per_sec_max,
    } = good(ALL_LIMITS).limits;
    assert_eq!((connect_timeout_ms, keep_alive_secs_max), (1000, 120));
    assert_eq!(session_expiry_v3_secs, 10_800);
    assert_eq!(session_expiry_secs_max, 345_600);
    assert_eq!((sessions_max, packet_bytes_max), (5, 6144));
    assert_eq!((receive_maximum, inflight_max, sys_interval_ms), (7, 8, 0));
    assert_eq!((inflight_bytes_max, queue_bytes_max), (21_504, 12_288));
    assert_eq!((topic_alias_maximum, topic_alias_out_max), (9, 10));
    assert_eq!((queue_messages_max, queue_memory_bytes_max), (11, 29_696));
    assert_eq!((queue_policy, queue_qos0), (QueuePolicy::DropNewest, true));
    assert_eq!(
        (output_bytes_max, subscriptions_max, topic_levels_max),
        (13_312, 14, 15)
    );
    assert_eq!((retained_messages_max, retained_bytes_max), (16, 17_408));
    assert_eq!((retained_steps_max, match_steps_max), (23, 27));
    assert_eq!(store_waiting_bytes_max, 28_672);
    assert_eq!((recorder_bytes_max, takeover_delay_ms_max), (29_696, 2000));
    let private: Vec<&str> = recorder_private_topics
        .iter()
        .map(|filter| &**filter)
        .collect();
    assert_eq!(private, ["a/+", "b/#"]);
    assert!(denied_v3_disconnects && subscription_bytes_max == 24_576);
    assert_eq!((will_bytes_max, wills_bytes_max), (25_600, 26_624));
    assert_eq!((match_cache_max, reports_per_sec_max), (18, 20));
    assert_eq!(share_strategy, ShareStrategy::Sticky);
}

#[test]
fn the_environment_goes_before_the_file() {
    let text =
        "[[listener]]\nname = \"in-side\"\nbind = \"127.0.0.1:1\"\n[limits]\nsessions_max = 5";
    let (config, _) = read_with(
        text,
        &[
            ("COLUMBA_LIMITS__SESSIONS_MAX", "6"),
            ("COLUMBA_LISTENER__IN_SIDE__BIND", "127.0.0.1:2"),
            ("COLUMBA_LANG", "zh"),
            ("HOME", "/"),
        ],
    )
    .expect("a configuration");
    assert_eq!(config.limits.sessions_max, 6);
    assert_eq!(config.listeners[0].bind.to_string(), "127.0.0.1:2");
    let faults = read_with(
        text,
        &[
            ("COLUMBA_LIMITS__SESSION_MAX", "6"),
            ("COLUMBA_LIMITS__QUEUE_BYTES_MAX", "6"),
            ("COLUMBA_LISTENER__OUT__BIND", "1"),
            ("COLUMBA_LIMIT__X", "1"),
        ],
    )
    .expect_err("faults");
    let told: Vec<_> = faults.iter().map(Fault::in_one_line).collect();
    assert_eq!(
        told,
        [
            "environment variable COLUMBA_LIMITS__QUEUE_BYTES_MAX: queue_bytes_max: `6` is no size \
             (write a number and a unit: 64KiB, 16MiB, 1GiB (or kB, MB, GB, B))",
            "environment variable COLUMBA_LIMITS__SESSION_MAX: unknown key `session_max` in \
             [limits] (did you mean `sessions_max`?)",
            "environment variable COLUMBA_LIMIT__X: unknown section `limit` (did you mean \
             `limits`?)",
            "environment variable COLUMBA_LISTENER__OUT__BIND: there is no listener `out` (write \
             COLUMBA_LISTENER__NAME__KEY with the name of a [[listener]])",
        ]
    );
}

#[test]
fn contradictions_are_refused_with_a_reason() {
    let check = |text: &str, expected: &str| {
        let faults = read(text).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
        assert!(
            told.iter().any(|what| what.contains(expected)),
            "{text}: {told:#?}"
        );
    };
    check(
        "[limits]\nqueue_bytes_max = \"1MiB\"",
        "queue_bytes_max (\"1MiB\") is below",
    );
    check(
        "[limits]\nsession_expiry_max = \"1d\"",
        "session_expiry_max (\"1d\") is below",
    );
    check(
        "[limits]\nretained_bytes_max = \"1MiB\"",
        "could never be retained",
    );
    check("[[listener]]\nkind = \"tls\"", "needs tls_certificate");
    check(
        "[[listener]]\nkind = \"tls\"\ntls_key = \"no.pem\"",
        "there is no file /instance/no.pem",
    );
    check("[[listener]]\ntls_key = \"x\"", "which has no TLS");
    check(
        "[[listener]]\nwebsocket_path = \"/\"",
        "websocket_path on a listener of kind \"tcp\"",
    );
    check(
        "[[listener]]\nkind = \"ws\"\nwebsocket_path = \"x\"",
        "starts with /",
    );
    check("[[listener]]\nkind = \"unix\"", "needs a path");
    check(
        "[[listener]]\n[[listener]]\nname = \"b\"",
        "listens at 0.0.0.0:1883, too",
    );
    check(
        "[[listener]]\nname = \"a\"\n[[listener]]\nname = \"a\"\nbind = \"[::1]:9\"",
        "is called `a`",
    );
    check(
        "[[listener]]\npacket_bytes_max = \"32MiB\"",
        "above the one in [limits]",
    );
    check("[[listener]]\nbind = \"myhost\"", "is no ADDRESS:PORT");
    check("[[listener]]\ncertificate_is_user = true", "without TLS");
}

#[test]
fn nobody_comes_in_over_websocket_without_a_password_unless_the_file_says_so() {
    let check = |kind: &str, line: &str, expected: Anonymous| {
        let text = format!("[[listener]]\nkind = \"{kind}\"\n{line}\nbind = \"localhost:1\"");
        assert_eq!(
            good(&text).listeners[0].settings.anonymous,
            expected,
            "{text}"
        );
    };
    check("tcp", "", Anonymous::Loopback);
    check("unix", "", Anonymous::Loopback);
    check("ws", "", Anonymous::Never);
    check("ws", "anonymous = \"loopback\"", Anonymous::Loopback);
}

#[test]
fn origins_are_a_list_and_checked() {
    let origins = |line: &str| {
        let text = format!("[[listener]]\nkind = \"ws\"\n{line}");
        read(&text).map(|(config, _)| config.listeners[0].allowed_origins.clone())
    };
    assert_eq!(origins(""), Ok(None));
    let two = Some(vec![
        "https://a.example".to_owned(),
        "http://localhost:1".to_owned(),
    ]);
    let list = "allowed_origins = [\"https://a.example\", \"http://localhost:1\"]";
    assert_eq!(origins(list), Ok(two.clone()));
    let text = "allowed_origins = \"https://a.example, http://localhost:1\"";
    assert_eq!(origins(text), Ok(two));
    assert_eq!(
        origins("allowed_origins = [\"*\"]"),
        Ok(Some(vec!["*".to_owned()]))
    );
    for bad in [
        "a.example",
        "https://a.example/",
        "https://a.example/x",
        "https://",
        "*.a",
    ] {
        let faults = origins(&format!("allowed_origins = [\"{bad}\"]")).expect_err(bad);
        assert!(
            faults[0].what.contains(&format!("`{bad}` is no origin")),
            "{faults:?}"
        );
    }
    for bad in ["[]", "[1]", "1", "\"\"", "[\"https://a,https://b\"]"] {
        let faults = origins(&format!("allowed_origins = {bad}")).expect_err(bad);
        assert!(
            faults[0].what.starts_with("allowed_origins: "),
            "{faults:?}"
        );
    }
    let elsewhere = read("[[listener]]\nallowed_origins = [\"*\"]").expect_err("a fault");
    assert!(
        elsewhere[0].what.contains("on a listener of kind \"tcp\""),
        "{elsewhere:?}"
    );
}

#[test]
fn an_open_door_to_the_network_is_warned_of() {
    let (_, warnings) = read("[[listener]]\nanonymous = \"always\"").expect("a configuration");
    assert_eq!(warnings.len(), 1);
    let (_, none) =
        read("[[listener]]\nbind = \"localhost:1\"\nanonymous = \"always\"").expect("one");
    assert_eq!(none, []);
}

#[test]
fn differences_are_told_by_key() {
    let old = good("[limits]\nsessions_max = 5\n[[listener]]\nname = \"a\"");
    let new =
        good("[limits]\nqueue_qos0 = true\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:2\"");
    let told: Vec<_> = old
        .settings
        .differences(&new.settings)
        .into_iter()
        .map(|d| (format!("{}: {} -> {}", d.key, d.from, d.to), d.applies))
        .collect();
    assert_eq!(
        told,
        [
            (
                "limits.sessions_max: 5 -> 1000000".to_owned(),
                key::Applies::AtOnce
            ),
            (
                "limits.queue_qos0: false -> true".to_owned(),
                key::Applies::AtOnce
            ),
            (
                "listener.a.bind: not set -> \"127.0.0.1:2\"".to_owned(),
                key::Applies::AfterRestart
            ),
        ]
    );
}

#[test]
fn a_file_full_of_faults_is_told_at_once() {
    let text = include_str!("faulty.toml");
    let faults = read(text).expect_err("faults");
    let told: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/faulty.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &told).expect("the golden file is written");
    }
    assert_eq!(
        told,
        std::fs::read_to_string(golden).expect("the golden file")
    );
}

#[test]
fn the_store_is_where_the_data_is_unless_it_has_a_place_of_its_own() {
    let config = good("[broker]\ndata_dir = \"var\"\n[store]\ndurability = \"os\"\n");
    let place = |config: &Config| config.store.directory.display().to_string();
    assert_eq!(config.store.durability, Durability::Os);
    assert_eq!(place(&config), "/instance/var");
    let config = good("[store]\ndirectory = \"/disk/mqtt\"\ndurability = \"memory\"\n");
    assert_eq!(config.store.durability, Durability::Memory);
    assert_eq!(place(&config), "/disk/mqtt");
    let listeners = good(
        "[[listener]]\n[[listener]]\nbind = \"0.0.0.0:1884\"\ndurability = \"memory\"\n\
         [[listener]]\nbind = \"0.0.0.0:1885\"\ndurability = \"os\"\n",
    );
    let promises: Vec<_> = listeners
        .listeners
        .iter()
        .map(|l| l.settings.promise)
        .collect();
    let wanted = [Promise::Durable, Promise::Nothing, Promise::Written];
    assert_eq!(promises, wanted);
}
