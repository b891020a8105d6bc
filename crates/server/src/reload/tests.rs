//! Changes of files, without a broker.

use super::*;
use crate::instance::create::create;
use columba_broker::limits::Anonymous;
use std::fs;
use std::path::Path;

fn reloader(dir: &Path) -> Reloader {
    create(dir).expect("an instance");
    let location = Location::of_directory(dir);
    let instance = Instance::load(&location, &Overrides::default(), []).expect("no faults");
    let authenticator = Arc::new(Authenticator::new(instance.users.clone()).expect("one"));
    Reloader::new(location, Overrides::default(), instance, authenticator)
}

fn replace(dir: &Path, name: &str, from: &str, to: &str) {
    let path = dir.join(name);
    let old = fs::read_to_string(&path).expect("a file");
    assert!(old.contains(from), "{name} has {from}");
    crate::instance::file::write_atomically(&path, &old.replace(from, to), 0o600).expect("a file");
}

#[test]
fn only_what_differs_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut reloader = reloader(dir.path());
    assert!(!reloader.has_changed());
    assert!(reloader.reload([]).expect("no faults").is_empty());

    replace(
        dir.path(),
        "etc/columba.toml",
        "# packet_bytes_max = \"16MiB\"",
        "packet_bytes_max = \"1MiB\"",
    );
    assert!(reloader.has_changed());
    assert!(!reloader.has_changed());
    let change = reloader.reload([]).expect("no faults");
    assert_eq!(
        change.limits.map(|limits| limits.packet_bytes_max),
        Some(1 << 20)
    );
    assert!(change.access.is_none() && change.listeners.is_none() && !change.has_other_users);
    let [difference] = change.differences.as_slice() else {
        panic!("one difference")
    };
    assert_eq!(difference.key, "limits.packet_bytes_max");
    assert_eq!(difference.applies, Applies::AtOnce);

    replace(
        dir.path(),
        "etc/acl.toml",
        "users = \"*\"",
        "users = \"ann\"",
    );
    assert!(reloader.has_changed());
    let change = reloader.reload([]).expect("no faults");
    assert!(change.access.is_some() && change.limits.is_none());

    replace(dir.path(), "etc/users", "admin", "root");
    // The group of the rules has lost its user; that is a warning, not an error.
    assert!(reloader.reload([]).expect("no errors").has_other_users);
}

/// The number of shards takes a restart: until then those that run share the recorder out.
#[test]
fn other_shards_in_the_file_do_not_change_what_a_running_shard_records() {
    let dir = tempfile::tempdir().expect("a directory");
    create(dir.path()).expect("an instance");
    let config = |shards: u16, recorder: &str| {
        let text = format!("[broker]\nshards = {shards}\nrecorder = \"{recorder}\"\n");
        fs::write(dir.path().join("etc/columba.toml"), text).expect("a file");
    };
    config(4, "standard");
    let location = Location::of_directory(dir.path());
    let instance = Instance::load(&location, &Overrides::default(), []).expect("no faults");
    let before = instance.config.limits.recorder_bytes_max;
    let authenticator = Arc::new(Authenticator::new(instance.users.clone()).expect("one"));
    let mut reloader = Reloader::new(location, Overrides::default(), instance, authenticator);
    config(1, "standard");
    assert!(reloader.reload([]).expect("no faults").limits.is_none());
    config(1, "small");
    let limits = reloader.reload([]).expect("no faults").limits;
    let bytes = limits.expect("other limits").recorder_bytes_max;
    assert_eq!((before, bytes), (16 << 20, 2 << 20));
}

/// Variables of the environment: none. Whoever asks for them has read the configuration file, and
/// finds it replaced afterwards.
fn while_loading(then: impl FnOnce()) -> impl Iterator<Item = (String, String)> {
    std::iter::once_with(then).flat_map(|()| None)
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_read_once_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut reloader = reloader(dir.path());
    let set = |from: &str, to: &str| {
        let line = |value: &str| format!("packet_bytes_max = \"{value}\"");
        replace(dir.path(), "etc/columba.toml", &line(from), &line(to));
    };
    replace(
        dir.path(),
        "etc/columba.toml",
        "# packet_bytes_max",
        "packet_bytes_max",
    );
    set("16MiB", "1MiB");
    assert!(reloader.has_changed());
    let variables = while_loading(|| set("1MiB", "2MiB"));
    let bytes = |change: Change| change.limits.map(|limits| limits.packet_bytes_max);
    let change = reloader.reload(variables).expect("no faults");
    assert_eq!(bytes(change), Some(1 << 20));
    assert!(reloader.has_changed(), "the second change is seen");
    assert_eq!(
        bytes(reloader.reload([]).expect("no faults")),
        Some(2 << 20)
    );
    assert!(!reloader.has_changed());
}

#[test]
fn a_file_that_is_replaced_right_after_the_start_is_read_once_more() {
    let dir = tempfile::tempdir().expect("a directory");
    create(dir.path()).expect("an instance");
    let location = Location::of_directory(dir.path());
    let variables = while_loading(|| {
        let (from, to) = ("0.0.0.0:1883", "127.0.0.1:1884");
        replace(dir.path(), "etc/columba.toml", from, to);
    });
    let instance = Instance::load(&location, &Overrides::default(), variables).expect("no faults");
    let authenticator = Arc::new(Authenticator::new(instance.users.clone()).expect("one"));
    let mut reloader = Reloader::new(location, Overrides::default(), instance, authenticator);
    assert!(reloader.has_changed());
}

#[test]
fn files_that_have_moved_with_the_configuration_are_watched() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut reloader = reloader(dir.path());
    let etc = dir.path().join("etc");
    fs::copy(etc.join("users"), etc.join("others")).expect("a copy");
    replace(
        dir.path(),
        "etc/columba.toml",
        "\"etc/users\"",
        "\"etc/others\"",
    );
    assert!(reloader.has_changed());
    assert!(!reloader.reload([]).expect("no faults").has_other_users);
    assert!(!reloader.has_changed());
    replace(dir.path(), "etc/others", "admin", "root");
    assert!(reloader.has_changed());
    assert!(reloader.reload([]).expect("no errors").has_other_users);
    replace(dir.path(), "etc/users", "admin", "nobody");
    assert!(!reloader.has_changed());
}

#[test]
fn a_fault_in_any_file_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut reloader = reloader(dir.path());
    replace(
        dir.path(),
        "etc/columba.toml",
        "# packet_bytes_max = \"16MiB\"",
        "packet_bytes_max = \"1MiB\"",
    );
    replace(
        dir.path(),
        "etc/acl.toml",
        "allow = \"subscribe\"",
        "allow = \"subscibe\"",
    );
    let faults = reloader.reload([]).expect_err("a fault");
    let told: Vec<_> = faults.iter().map(Fault::in_one_line).collect();
    assert_eq!(
        told,
        ["etc/acl.toml:26:9: `subscibe` is no action (did you mean \"subscribe\"?)"]
    );
    replace(
        dir.path(),
        "etc/acl.toml",
        "allow = \"subscibe\"",
        "allow = \"subscribe\"",
    );
    assert!(reloader.reload([]).expect("no faults").limits.is_some());
}

#[test]
fn what_waits_for_a_restart_is_told_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut reloader = reloader(dir.path());
    replace(
        dir.path(),
        "etc/columba.toml",
        "0.0.0.0:1883",
        "127.0.0.1:1884",
    );
    replace(
        dir.path(),
        "etc/columba.toml",
        "anonymous = \"loopback\"",
        "anonymous = \"never\"",
    );
    let change = reloader.reload([]).expect("no faults");
    let told: Vec<_> = change
        .differences
        .iter()
        .map(|d| (d.key.as_str(), d.applies))
        .collect();
    assert_eq!(
        told,
        [
            ("listener.mqtt.bind", Applies::AfterRestart),
            ("listener.mqtt.anonymous", Applies::AtOnce),
        ]
    );
    let listeners = change.listeners.expect("listeners");
    assert!(
        listeners
            .iter()
            .all(|listener| listener.anonymous == Anonymous::Never)
    );
    // With another listener in front nobody knows which one the settings are for.
    replace(
        dir.path(),
        "etc/columba.toml",
        "name = \"mqtt\"",
        "name = \"other\"",
    );
    replace(
        dir.path(),
        "etc/columba.toml",
        "anonymous = \"never\"",
        "anonymous = \"loopback\"",
    );
    let change = reloader.reload([]).expect("no faults");
    assert_eq!(change.listeners, None);
    assert!(
        change
            .differences
            .iter()
            .all(|d| d.applies == Applies::AfterRestart)
    );
}
