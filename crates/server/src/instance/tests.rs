//! Instances on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::create::{CreateError, create};
use super::*;
use columba_broker::access::{Action, Client};
use columba_broker::limits::Anonymous;
use columba_speech::Language;

fn load(dir: &Path) -> Result<Instance, Vec<Fault>> {
    Instance::load(&Location::of_directory(dir), &Overrides::default(), [])
}

fn told(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(Fault::in_one_line).collect()
}

#[test]
fn a_fresh_instance_is_closed_to_the_network() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("new");
    let password = create(&dir).expect("an instance");
    let instance = load(&dir).expect("no faults");
    assert_eq!(told(&instance.warnings), [] as [&str; 0]);
    let listeners = &instance.config.listeners;
    let anonymous: Vec<_> = listeners.iter().map(|of| of.settings.anonymous).collect();
    // A web page connects from the machine of its browser.
    assert_eq!(anonymous, [Anonymous::Loopback, Anonymous::Never]);
    let (_, admin) = instance.users.user("admin").expect("admin");
    let hash = admin.password.as_ref().expect("a password");
    assert!(hash.verify(password.as_bytes()));
    let mode = |name: &str| {
        fs::metadata(dir.join(name))
            .map(|m| m.permissions().mode() & 0o777)
            .ok()
    };
    assert_eq!(mode("etc/users"), Some(0o600));
    assert_eq!(mode("data"), Some(0o700));

    let may = |client: &Client<'_>, action, topic| {
        instance.access.decide(client, action, topic).is_allowed
    };
    let near = Some([127, 0, 0, 1].into());
    let far = Some([192, 168, 1, 9].into());
    let guest = Client {
        client_id: "c",
        user: None,
        groups: &[],
        addr: near,
    };
    assert!(may(&guest, Action::Subscribe, "#") && may(&guest, Action::Publish, "home/lamp"));
    assert!(may(&guest, Action::Subscribe, "$SYS/#") && !may(&guest, Action::Publish, "$SYS/x"));
    let stranger = Client { addr: far, ..guest };
    assert!(!may(&stranger, Action::Publish, "home/lamp"));
    assert!(!may(&stranger, Action::Subscribe, "#"));
    let user = Client {
        user: Some("ann"),
        addr: far,
        ..guest
    };
    assert!(may(&user, Action::Subscribe, "#") && may(&user, Action::Publish, "home/lamp"));
    assert!(!may(&user, Action::Publish, "$SYS/x"));
    let admin = Client {
        groups: &admin.groups,
        ..user
    };
    assert!(may(&admin, Action::Publish, "$SYS/x"));
    // Nothing is held back at delivery, so that deliveries need no check.
    assert!(!instance.access.has_receive_rules());
}

#[test]
fn a_directory_that_holds_something_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("thesis.txt"), "x").expect("a file");
    assert!(matches!(create(dir.path()), Err(CreateError::NotEmpty(_))));
    assert_eq!(fs::read_dir(dir.path()).map(Iterator::count).ok(), Some(1));
}

#[test]
fn the_faults_of_all_files_are_told_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    create(dir.path()).expect("an instance");
    let append = |name: &str, text: &str| {
        let path = dir.path().join(name);
        let old = fs::read_to_string(&path).expect("a file");
        fs::write(&path, old + text).expect("a file");
    };
    append("etc/columba.toml", "sesions_max = 1\n");
    append("etc/users", "bob:secret\n");
    append(
        "etc/acl.toml",
        "[[rule]]\nallow = \"publish\"\ntopic = \"a\"\n",
    );
    let faults = told(&load(dir.path()).expect_err("faults"));
    assert_eq!(faults.len(), 4, "{faults:#?}");
    assert!(
        faults[0].contains("did you mean `sessions_max`?"),
        "{}",
        faults[0]
    );
    assert!(
        faults[1].contains("the password of `bob` is not hashed"),
        "{}",
        faults[1]
    );
    assert!(
        faults[2].contains("did you mean `topics`?"),
        "{}",
        faults[2]
    );
    assert!(faults[3].contains("a rule without topics"), "{}", faults[3]);
}

#[test]
fn missing_files_are_told_with_what_makes_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let faults = told(&load(dir.path()).expect_err("faults"));
    let fix = format!(
        "`columba create {}` makes an instance",
        dir.path().display()
    );
    assert_eq!(
        faults,
        [format!("etc/columba.toml: the file is missing ({fix})")]
    );
}

#[test]
fn what_is_risky_is_warned_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path();
    create(root).expect("an instance");
    fs::set_permissions(root.join("etc/users"), fs::Permissions::from_mode(0o644)).expect("mode");
    let rules = "[[rule]]\nallow = \"publish\"\ntopics = \"a\"\ngroups = [\"staff\"]\n";
    fs::write(root.join("etc/acl.toml"), rules).expect("a file");
    let warnings = load(root).expect("no errors").warnings;
    let told: Vec<_> = warnings
        .iter()
        .map(|warning| warning.what.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "everybody on this machine can read the password hashes",
            "the rule is for group `staff`, but no user is in it",
        ]
    );
}

#[test]
fn a_location_is_found_from_its_file() {
    let check = |file: &str, base: &str| {
        assert_eq!(
            Location::of_file(Path::new(file)).base,
            Path::new(base),
            "{file}"
        );
    };
    check("/srv/mqtt/etc/columba.toml", "/srv/mqtt");
    check("/srv/mqtt/columba.toml", "/srv/mqtt");
    check("etc/columba.toml", ".");
    check("columba.toml", ".");
}

#[test]
fn one_address_replaces_all_listeners() {
    let dir = tempfile::tempdir().expect("a directory");
    create(dir.path()).expect("an instance");
    let overrides = Overrides {
        listen: "127.0.0.1:0".parse().ok(),
        log_level: Some("debug".to_owned()),
    };
    let location = Location::of_directory(dir.path());
    let config = Instance::load(&location, &overrides, [])
        .expect("no faults")
        .config;
    let [listener] = config.listeners.as_slice() else {
        panic!("one listener")
    };
    assert_eq!(listener.bind.to_string(), "127.0.0.1:0");
    assert_eq!(config.log.level, "debug");
}

#[test]
fn an_instance_is_locked_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = file::lock_data_dir(dir.path()).expect("the lock");
    let error = file::lock_data_dir(dir.path()).expect_err("taken");
    let place = dir.path().display();
    let pid = std::process::id();
    assert_eq!(
        error.to_string(),
        format!("the store in {place}: {place} is in use by process {pid}")
    );
    assert_eq!(
        error.fix().map(|fix| fix.to_string(Language::English)),
        Some(format!(
            "stop process {pid} first, or give this instance a directory of its own"
        ))
    );
    drop(first);
    file::lock_data_dir(dir.path()).expect("the lock");
}

#[test]
fn the_recorder_is_shared_out_between_the_shards_unless_they_are_told() {
    const MIB: usize = 1024 * 1024;
    let check = |text: &str, shard: usize, files: u64| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("columba.toml");
        fs::write(&file, text).expect("a file");
        let instance = Instance::load(&Location::of_file(&file), &Overrides::default(), []);
        let config = instance.expect("no faults").config;
        assert_eq!(config.limits.recorder_bytes_max, shard, "{text}");
        assert_eq!(config.store.recorder_bytes_max, files, "{text}");
    };
    let all = 64 * MIB as u64;
    check("[broker]\nshards = 4", 16 * MIB, all);
    check(
        "[broker]\nshards = 1\nrecorder = \"standard\"",
        64 * MIB,
        all,
    );
    let small = "[broker]\nrecorder = \"small\"\nshards = ";
    check(&format!("{small}1"), 8 * MIB, all / 8);
    check(&format!("{small}4"), 2 * MIB, all / 8);
    check(&format!("{small}64"), MIB, all / 8);
    // What is said of one of them goes before.
    let told = format!(
        "{small}4\n[limits]\nrecorder_bytes_max = \"0B\"\n[store]\nrecorder_bytes_max = \"1MiB\""
    );
    check(&told, 0, MIB as u64);
}

#[test]
fn as_many_passwords_wait_as_are_checked_in_time() {
    let check = |limits: &str, threads: usize, expected: usize| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("columba.toml");
        fs::write(&file, format!("[limits]\n{limits}")).expect("a file");
        let instance = Instance::load(&Location::of_file(&file), &Overrides::default(), []);
        let instance = instance.expect("no faults");
        assert_eq!(instance.auth_queue_max(threads), expected, "{limits:?}");
    };
    check("", 1, 100);
    check("", 8, 800);
    check("connect_timeout = \"1s\"", 2, 20);
    check("connect_timeout = \"100ms\"", 1, 1);
    check("connect_timeout = \"1d\"", 8, 10_000);
    check("auth_queue_max = 7", 8, 7);
    check("auth_queue_max = \"auto\"", 1, 100);
}
