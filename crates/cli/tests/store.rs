//! `columba store` and the store of a broker, as processes.

mod binary;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use columba_store::{Batch, DiskFiles, Log, Options, Position};

fn command(args: &[&str]) -> Command {
    let mut command = binary::columba();
    command.args(args).stdin(Stdio::null());
    command
}

fn columba(args: &[&str]) -> Output {
    command(args).output().expect("the binary")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Succeeds, and says so on its standard output.
fn good(args: &[&str]) -> String {
    let output = columba(args);
    assert!(output.status.success(), "{args:?}: {}", err(&output));
    out(&output)
}

/// Fails with this code, and says why.
fn bad(args: &[&str], code: i32, expected: &str) {
    let output = columba(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}",
        err(&output)
    );
    assert!(
        err(&output).contains(expected),
        "{args:?}: {}",
        err(&output)
    );
}

fn open(directory: &Path) -> Log<DiskFiles> {
    let files = DiskFiles::open(directory).expect("a directory");
    Log::open(files, Options::new(7), &mut |_| ())
        .expect("a store")
        .0
}

/// Puts records into a store and releases all but every tenth.
fn fill(directory: &Path, count: u64) {
    let mut log = open(directory);
    for n in 0..count {
        let mut batch = Batch::new();
        batch.append(format!("record {n} {:2000}", "").as_bytes());
        if n >= 10 && n % 10 != 0 {
            batch.release(Position::new(n - 10));
        }
        let done = log.commit([&batch]).expect("a disk");
        assert!(done.batches.iter().all(Result::is_ok));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// An instance with records that no broker wrote.
fn instance(dir: &Path) -> String {
    let dir = dir.join("inst");
    good(&["create", text(&dir)]);
    fill(&dir.join("data"), 200);
    text(&dir).to_owned()
}

#[test]
fn a_store_is_looked_at_compacted_and_still_holds_the_same() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let checked = good(&["store", "check", &dir]);
    let records = "29 records in 1 segment";
    assert!(
        checked.contains(&format!("inst/data: sound. {records}")),
        "{checked}"
    );
    let stats = good(&["store", "stats", &dir]);
    assert!(stats.contains("records      29\n"), "{stats}");
    assert!(stats.contains("last commit  200\n"), "{stats}");
    assert!(stats.contains("damaged      nothing\n"), "{stats}");
    let before = good(&["store", "export", &dir]);
    let compacted = good(&["store", "compact", &dir]);
    assert!(
        compacted.contains(" for 57.5 KiB of 29 records."),
        "{compacted}"
    );
    let bytes: u64 = fs::read_dir(temp.path().join("inst/data"))
        .expect("a directory")
        .map(|file| file.expect("a file").metadata().expect("its length").len())
        .sum();
    assert!(bytes < 80_000, "{bytes}");
    assert_eq!(good(&["store", "export", &dir]), before);
}

#[test]
fn an_export_makes_the_same_store_elsewhere() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let file = temp.path().join("records.ndjson");
    good(&["store", "export", &dir, "--to", text(&file)]);
    let lines = fs::read_to_string(&file).expect("the export");
    assert!(
        lines.starts_with("{\"position\":0,\"record\":\"cmVjb3JkIDAg"),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 30);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(&file)
        .expect("the export")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds what the store holds");
    bad(
        &["store", "import", &dir, "--from", text(&file)],
        1,
        "there is a store in this directory already",
    );

    let other = temp.path().join("other");
    let other = text(&other);
    good(&["store", "import", "--store", other, "--from", text(&file)]);
    assert_eq!(good(&["store", "export", "--store", other]), lines);
    assert!(good(&["store", "check", "--store", other]).contains("sound. 29 records"));
    // It goes on behind the last of them.
    fill(Path::new(other), 1);
    assert!(good(&["store", "export", "--store", other]).contains("{\"position\":200,"));

    let third = temp.path().join("third");
    let third = text(&third);
    for (line, expected) in [
        ("{\"position\":1}", "line 2: `record` is missing or no text"),
        (
            "{\"record\":\"\"}",
            "line 2: `position` is missing or no number",
        ),
        (
            "{\"position\":1,\"record\":\"*\"}",
            "line 2: `record` is not Base64",
        ),
        (
            "{\"position\":0,\"record\":\"\"}",
            "line 2: position 0 is not behind",
        ),
        ("position", "line 2: no JSON"),
    ] {
        fs::write(
            &file,
            format!("{{\"position\":0,\"record\":\"\"}}\n{line}\n"),
        )
        .expect("a file");
        bad(
            &["store", "import", "--store", third, "--from", text(&file)],
            2,
            expected,
        );
    }
    // What failed left nothing behind.
    let names: Vec<_> = fs::read_dir(temp.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name == "third.import"),
        "{names:?}"
    );
    bad(
        &["store", "check", "--store", third],
        1,
        "there is no store in ",
    );
}

#[test]
fn where_no_store_is_nobody_is_told_to_make_a_directory() {
    let temp = tempfile::tempdir().expect("a directory");
    let (missing, target) = (temp.path().join("typo"), temp.path().join("target"));
    let (missing, target) = (text(&missing), text(&target));
    for command in ["check", "stats", "export", "compact", "discard", "backup"] {
        for place in [&["--store", missing] as &[&str], &[missing]] {
            let mut args = vec!["store", command];
            args.extend(place);
            if command == "backup" {
                args.extend(["--to", target]);
            }
            let output = columba(&args);
            let said = err(&output);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert!(
                said.contains(&format!("there is no store in {missing}")),
                "{args:?}: {said}"
            );
            assert!(
                said.contains("or with --store that of a store or a backup"),
                "{args:?}: {said}"
            );
        }
    }
    let made: Vec<_> = fs::read_dir(temp.path()).expect("a directory").collect();
    assert!(made.is_empty(), "{made:?}");
}

/// Half of an export is not taken for a whole one.
#[test]
fn an_export_that_is_cut_or_changed_is_refused() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let lines = good(&["store", "export", &dir]);
    let lines: Vec<&str> = lines.lines().collect();
    let file = temp.path().join("records.ndjson");
    let other = temp.path().join("other");
    let import = ["store", "import", "--store", text(&other), "--from"];
    let import = [&import[..], &[text(&file)]].concat();
    let write = |lines: &[&str]| fs::write(&file, lines.join("\n") + "\n").expect("a file");
    write(&lines[..20]);
    bad(&import, 2, "20 records read, and the last line");
    write(&[]);
    bad(&import, 2, "0 records read, and the last line");
    let without_one = [&lines[..5], &lines[6..]].concat();
    write(&without_one);
    bad(
        &import,
        2,
        "line 29: 28 records before it, and there were 29",
    );
    let strange = lines[5].replace("\"record\":\"cmVj", "\"record\":\"cmVk");
    assert_ne!(strange, lines[5]);
    write(&[&lines[..5], &[&strange[..]], &lines[6..]].concat());
    bad(
        &import,
        2,
        "line 30: the records are not those that were exported",
    );
    write(&[&lines[..], &lines[..1]].concat());
    bad(&import, 2, "line 31: something follows the last line");
    write(&lines[..20]);
    good(&[&import[..], &["--unchecked"]].concat());
    let check = good(&["store", "check", "--store", text(&other)]);
    assert!(check.contains("sound. 20 records"), "{check}");
}

#[test]
fn damage_is_reported_with_its_place_and_an_exit_code() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let segment = temp.path().join("inst/data/00000001.log");
    let at = damage(&segment, b"record 195 ");
    let place = format!(
        "00000001.log is damaged at offset {} (2032 bytes): the record at position 195",
        at - 20
    );
    bad(&["store", "check", &dir], 1, &place);
    bad(
        &["store", "check", &dir],
        1,
        "1 place damaged. 28 records in 1 segment",
    );
    let exported = columba(&["store", "export", &dir]);
    assert_eq!(exported.status.code(), Some(1));
    assert_eq!(out(&exported).lines().count(), 29);
    let target = temp.path().join("copy");
    bad(
        &["store", "backup", &dir, "--to", text(&target)],
        1,
        "has damage",
    );
}

/// The broker says as much as `columba store check`, though nothing is lost.
#[test]
fn a_damaged_header_alone_is_told_by_all_and_compaction_leaves_it_behind() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let segment = temp.path().join("inst/data/00000001.log");
    let mut bytes = fs::read(&segment).expect("a segment");
    bytes[20] ^= 1;
    fs::write(&segment, bytes).expect("a segment");
    bad(&["store", "check", &dir], 1, "1 place damaged. 29 records");
    bad(
        &["store", "check", &dir],
        1,
        "nothing that is needed was in it",
    );
    let stats = good(&["store", "stats", &dir]);
    assert!(stats.contains("damaged      1 place"), "{stats}");
    let broker = Running::start(&dir);
    let shown = broker.lines.join("\n");
    let told = "0 acknowledged messages lost; 1 place is damaged that held nothing needed";
    assert!(shown.contains(told), "{shown}");
    broker.stop();
    good(&["store", "compact", &dir]);
    good(&["store", "check", &dir]);
}

#[test]
fn a_backup_of_a_store_of_a_newer_version_names_the_store() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let segment = temp.path().join("inst/data/00000001.log");
    let mut bytes = fs::read(&segment).expect("a segment");
    bytes[8] = 2;
    let sum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    fs::write(&segment, bytes).expect("a segment");
    let copy = temp.path().join("copy");
    let backup = ["store", "backup", &dir, "--to", text(&copy)];
    bad(&backup, 1, "inst/data: 00000001.log has format version 2");
    assert!(!copy.join("00000001.log").exists());
}

/// Whoever restores it must not let in who was banned.
#[test]
fn a_backup_has_the_bans_beside_the_store() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let bans = r#"{"bans":[]}"#;
    fs::write(temp.path().join("inst/data/bans.json"), bans).expect("a file");
    let copy = temp.path().join("copy");
    good(&["store", "backup", &dir, "--to", text(&copy)]);
    let copied = fs::read_to_string(copy.join("bans.json")).expect("the bans");
    assert_eq!(copied, bans);
    // And from one backup to the next.
    let next = temp.path().join("next");
    let (copy, to) = (text(&copy), text(&next));
    good(&["store", "backup", "--store", copy, "--to", to]);
    let copied = fs::read_to_string(next.join("bans.json")).expect("the bans");
    assert_eq!(copied, bans);
}

#[test]
fn a_backup_that_did_not_end_does_not_pass_for_one() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let copy = temp.path().join("copy");
    let copy = text(&copy);
    // A file may not be as long as the segment: nothing is left of what could not be written.
    let ended = Command::new("sh")
        .args(["-c", "ulimit -f 100; exec \"$@\"", "sh"])
        .args([env!("CARGO_BIN_EXE_columba"), "store", "backup", &dir])
        .args(["--to", copy])
        .output()
        .expect("a shell");
    assert_eq!(ended.status.code(), Some(1), "{}", err(&ended));
    assert!(err(&ended).contains("File too large"), "{}", err(&ended));
    let check = ["store", "check", "--store", copy];
    bad(&check, 1, "there is no store");
    // As a process leaves it that was killed while it copied.
    let aside = Path::new(copy).join("unfinished-backup");
    fs::create_dir(&aside).expect("a directory");
    fs::write(aside.join("00000001.log"), "half of a segment").expect("a file");
    bad(&check, 1, "holds a backup that did not end");
    good(&["store", "backup", &dir, "--to", copy]);
    assert!(good(&check).contains("sound. 29 records"));
    let mut names: Vec<_> = fs::read_dir(copy)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["00000001.log", "lock", "mark"]);
}

/// Changes a byte of these in the first segment of a store.
fn damage(segment: &Path, wanted: &[u8]) -> usize {
    let mut bytes = fs::read(segment).expect("a segment");
    let mut windows = bytes.windows(wanted.len());
    let at = windows.position(|w| w == wanted).expect("the record");
    bytes[at] ^= 1;
    fs::write(segment, bytes).expect("a segment");
    at
}

/// An instance with a session whose own record is damaged.
fn instance_with_lost_session(temp: &Path) -> String {
    let dir = temp.join("inst");
    good(&["create", text(&dir)]);
    let mut log = open(&dir.join("data"));
    for record in [
        &b"\x02the session"[..],
        b"\x03\x02\x03h/#\x01\x00\x00",
        b"\x04\x01publishr\x03h/1\x00\x01x\x01\x01\x02\x00",
    ] {
        let mut batch = Batch::new();
        batch.append(record);
        log.commit([&batch]).expect("a disk");
    }
    drop(log);
    damage(&dir.join("data/00000001.log"), b"the session");
    text(&dir).to_owned()
}

/// No start has seen the damage: what the session had is kept all the same, and no start reports the damage.
#[test]
fn compaction_leaves_damage_behind_and_releases_nothing_of_a_lost_session() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = &*instance_with_lost_session(temp.path());
    let compacted = good(&["store", "compact", dir]);
    for told in [
        "of 3 records.\n",
        "1 place damaged: left behind, what can be read is in other files.\n",
        "What 1 session had whose own records are damaged stays until `columba store discard`.\n",
    ] {
        assert!(compacted.contains(told), "{compacted}");
    }
    assert!(good(&["store", "check", dir]).contains("sound. 3 records"));
    let again = good(&["store", "compact", dir]);
    assert!(again.contains("nothing is worth freeing: "), "{again}");
    let broker = Running::start(dir);
    let shown = broker.lines.join("\n");
    let told = "0 acknowledged messages lost; 1 session has lost its record";
    assert!(shown.contains(told), "{shown}");
    broker.stop();
    let discarded = good(&["store", "discard", dir]);
    assert!(
        discarded.contains("1 subscription and 1 message of"),
        "{discarded}"
    );
}

/// The subscription of a session and a message that waits in it stay for the operator.
#[test]
fn what_a_session_had_whose_record_is_damaged_is_told_exported_and_discarded() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = &*instance_with_lost_session(temp.path());
    let nothing = "nothing is kept of lost sessions";
    assert!(good(&["store", "discard", dir]).contains(nothing));
    let broker = Running::start(dir);
    let shown = broker.lines.join("\n");
    let told = "1 session has lost its record, the rest of it is kept";
    assert!(shown.contains(told), "{shown}");
    let log = broker.stop();
    let told = "ERROR the record of session 2 is lost; kept until `columba store discard`: \
                subscriptions: 1 (h/#), messages: 1 directory=";
    assert!(log.contains(told), "{log}");
    let exported = out(&columba(&["store", "export", dir]));
    for told in [
        "\"filter\":\"h/#\"",
        "\"payload\":\"x\"",
        "\"kind\":\"lost\"",
    ] {
        assert!(exported.contains(told), "{exported}");
    }
    let discarded = good(&["store", "discard", dir]);
    let told = "1 subscription and 1 message of 1 session discarded";
    assert!(discarded.contains(told), "{discarded}");
    assert!(good(&["store", "discard", dir]).contains(nothing));
}

struct Running {
    child: Child,
    lines: Vec<String>,
}

impl Running {
    fn start(dir: &str) -> Self {
        let mut child = command(&["run", dir, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut lines = Vec::new();
        for line in stdout.lines() {
            let line = line.expect("text");
            let is_last = line.starts_with('╰');
            lines.push(line);
            if is_last {
                break;
            }
        }
        Self { child, lines }
    }

    fn stop(mut self) -> String {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
        let stderr = self.child.stderr.take().expect("a pipe");
        assert!(self.child.wait().expect("an end").success());
        std::io::read_to_string(stderr).expect("text")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_broker_says_what_it_found_and_its_store_is_its_own_until_it_ends() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = instance(temp.path());
    let broker = Running::start(&dir);
    let shown = broker.lines.join("\n");
    assert!(
        shown.contains("recovered 0 sessions, 0 queued, 0 retained in "),
        "{shown}"
    );
    assert!(shown.contains("0 acknowledged messages lost"), "{shown}");
    let in_use = format!("is in use by process {}", broker.child.id());
    bad(&["store", "compact", &dir], 1, &in_use);
    bad(
        &["store", "compact", &dir],
        1,
        "only `check`, `stats`, `export` and `backup` work while it runs",
    );
    // A look needs no pause.
    let using = format!("Process {} is using it; this is how it", broker.child.id());
    let checked = good(&["store", "check", &dir]);
    assert!(checked.contains(&using), "{checked}");
    assert!(checked.contains("sound. 30 records"), "{checked}");
    let stats = good(&["store", "stats", &dir]);
    assert!(stats.contains(&using), "{stats}");
    assert!(stats.contains("records      30\n"), "{stats}");
    let exported = good(&["store", "export", &dir]);
    assert_eq!(exported.lines().count(), 31);
    // A backup needs no pause.
    let target = temp.path().join("copy");
    let copied = good(&["store", "backup", &dir, "--to", text(&target)]);
    // Those that were there, and the seed that the broker noted.
    assert!(copied.contains("sound. 30 records"), "{copied}");
    bad(
        &["store", "backup", &dir, "--to", text(&target)],
        1,
        "there is a store in this directory already",
    );
    let log = broker.stop();
    assert!(log.contains("the store is closed"), "{log}");
    assert!(good(&["store", "check", &dir]).contains("sound. 30 records"));
    assert_eq!(
        good(&["store", "export", "--store", text(&target)]),
        good(&["store", "export", &dir])
    );
    assert_eq!(exported, good(&["store", "export", &dir]));
}

#[test]
fn a_store_may_be_in_a_data_directory_of_another_spelling_that_is_not_there_yet() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("inst");
    good(&["create", text(&dir)]);
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&dir, &link).expect("a link");
    fs::remove_dir(dir.join("data")).expect("an empty directory");
    let path = dir.join("etc/columba.toml");
    let config = fs::read_to_string(&path).expect("a file");
    let there = format!("[store]\ndirectory = \"{}\"", text(&link.join("data")));
    fs::write(&path, config.replacen("[store]", &there, 1)).expect("a file");
    let broker = Running::start(text(&dir));
    let shown = broker.lines.join("\n");
    broker.stop();
    assert!(shown.contains("recovered 0 sessions"), "{shown}");
}

#[test]
fn a_broker_without_a_store_leaves_no_file_but_its_lock() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("inst");
    let dir = text(&dir);
    good(&["create", dir]);
    let path = temp.path().join("inst/etc/columba.toml");
    let config = fs::read_to_string(&path).expect("a file");
    let config = config.replace("durability = \"sync\"", "durability = \"memory\"");
    fs::write(&path, config).expect("a file");
    let broker = Running::start(dir);
    let shown = broker.lines.join("\n");
    assert!(shown.contains("none: a restart begins empty"), "{shown}");
    let copy = temp.path().join("copy");
    for args in [
        &["store", "check", dir][..],
        &["store", "stats", dir],
        &["store", "export", dir],
        &["store", "backup", dir, "--to", text(&copy)],
    ] {
        bad(
            args,
            1,
            "this instance keeps no store: its durability is \"memory\"",
        );
    }
    assert!(!copy.exists());
    broker.stop();
    let names: Vec<_> = fs::read_dir(temp.path().join("inst/data"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["lock"]);
}

#[test]
fn a_store_that_cannot_be_used_says_what_to_do() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("inst");
    let dir = text(&dir);
    good(&["create", dir]);
    let data = temp.path().join("inst/data");
    fs::remove_dir(&data).expect("a directory");
    fs::write(&data, "x").expect("a file");
    bad(
        &["run", dir, "--listen", "127.0.0.1:0"],
        1,
        "is a file: move it away, or set [store] directory",
    );
    fs::remove_file(&data).expect("a file");
    fill(&data, 1);
    let segment = data.join("00000001.log");
    let mut bytes = fs::read(&segment).expect("a segment");
    bytes[8] = 9;
    let sum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    fs::write(&segment, bytes).expect("a segment");
    bad(
        &["run", dir, "--listen", "127.0.0.1:0"],
        1,
        "format version 9, and this program reads up to 1",
    );
    bad(&["store", "check", dir], 1, "a newer Columba wrote it");
}
