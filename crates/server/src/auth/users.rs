//! The users file: one `name:hash` or `name:hash:group,group` per line.
//!
//! Lines of Mosquitto's password file are of the first form and are read as they are. A `*` in
//! place of the hash is a user without a password, who comes in with a certificate only. Empty
//! lines and lines that start with `#` say nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_broker::event::UserChange;
use columba_speech::shell::word;

use super::password::{HashFault, PasswordHash};
use crate::config::fault::{Fault, Place};

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The hash of the password, if there is one.
    pub password: Option<PasswordHash>,
    /// The groups that access rules know.
    pub groups: Arc<[Arc<str>]>,
}

/// All users by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    users: BTreeMap<Arc<str>, User>,
}

impl Users {
    /// Reads a users file. What is at fault is left out and told.
    pub fn read(file: &str, text: &str) -> (Self, Vec<Fault>) {
        let mut users = Self::default();
        let mut faults = Vec::new();
        let mut lines: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut weak: Vec<(Arc<str>, Place)> = Vec::new();
        for (at, line) in (1..).zip(text.lines()) {
            if is_comment(line) {
                continue;
            }
            // Faults are shown on screens and in logs; neither a hash nor a password belongs there.
            let shown = match line.split_once(':') {
                Some((name, _)) => format!("{name}:..."),
                None => line.to_owned(),
            };
            match read_line(line.trim_end(), &Place::of_line(file, at, &shown)) {
                Ok((name, user)) => {
                    let place = Place::of_columns(file, at, &shown, &name);
                    if user.password.as_ref().is_some_and(PasswordHash::is_weak) {
                        weak.push((name.clone(), place.clone()));
                    }
                    if let Some(first) = lines.insert(name.clone(), at) {
                        let what = format!("user `{name}` stands here and in line {first}");
                        faults.push(Fault::error(place, what).fix("remove one of the lines"));
                    }
                    users.users.insert(name, user);
                }
                Err(fault) => faults.push(*fault),
            }
        }
        faults.extend(warn_of_weak(&weak));
        (users, faults)
    }

    /// The user of a name.
    pub fn user(&self, name: &str) -> Option<(&Arc<str>, &User)> {
        self.users.get_key_value(name)
    }

    /// The hashes of all users that have a password, in the order of their names.
    pub(super) fn passwords(&self) -> impl Iterator<Item = &PasswordHash> {
        self.users
            .values()
            .filter_map(|user| user.password.as_ref())
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// What other users mean for clients that are logged in as these.
    pub fn changes_to(&self, new: &Self) -> BTreeMap<Arc<str>, UserChange> {
        let change = |(name, old): (&Arc<str>, &User)| {
            let change = match new.users.get(name) {
                Some(new) if new.password != old.password => {
                    UserChange::Expelled(Arc::clone(&new.groups))
                }
                Some(new) if new.groups != old.groups => {
                    UserChange::Groups(Arc::clone(&new.groups))
                }
                Some(_) => return None,
                None => UserChange::Removed,
            };
            Some((Arc::clone(name), change))
        };
        self.users.iter().filter_map(change).collect()
    }

    /// The names of all groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.users
            .values()
            .flat_map(|user| user.groups.iter().map(|group| &**group))
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(|name| &**name)
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// One warning, however many users it is about: a file of Mosquitto has all of them so.
fn warn_of_weak(weak: &[(Arc<str>, Place)]) -> Option<Fault> {
    let (name, place) = weak.first()?;
    let what = match weak.len() - 1 {
        0 => format!("the password hash of `{name}` is of an old, weak kind"),
        more => format!("the password hashes of `{name}` and {more} more are of an old, weak kind"),
    };
    let fix = "set the passwords anew with `columba passwd DIR NAME`";
    Some(Fault::warning(place.clone(), what).fix(fix))
}

fn read_line(line: &str, place: &Place) -> Result<(Arc<str>, User), Box<Fault>> {
    let fault = |what: String, fix: &str| Box::new(Fault::error(place.clone(), what).fix(fix));
    let mut fields = line.split(':');
    let name = fields.next().unwrap_or_default();
    let Some(hash) = fields.next() else {
        let what = "not a user: a line is NAME:HASH or NAME:HASH:GROUP,GROUP".to_owned();
        return Err(fault(what, "use `columba passwd DIR NAME` to add users"));
    };
    check_name(name, "user name").map_err(|what| fault(what, "change the name"))?;
    let password = match hash {
        "*" => None,
        hash => match PasswordHash::parse(hash) {
            Ok(password) => Some(password),
            Err(HashFault::Unknown) => {
                let what = format!("the password of `{name}` is not hashed");
                let fix = format!("set it with `columba passwd DIR {}`", word(name));
                return Err(Box::new(Fault::error(place.clone(), what).fix(fix)));
            }
            Err(damage) => {
                let fix = format!("set it anew with `columba passwd DIR {}`", word(name));
                return Err(fault(format!("user `{name}`: {damage}"), &fix));
            }
        },
    };
    let mut groups: Vec<Arc<str>> = Vec::new();
    for group in fields.next().unwrap_or_default().split(',').map(str::trim) {
        if group.is_empty() {
            continue;
        }
        check_name(group, "group").map_err(|what| fault(what, "change the name"))?;
        groups.push(group.into());
    }
    if fields.next().is_some() {
        let what = "too many `:` in the line".to_owned();
        return Err(fault(what, "write NAME:HASH or NAME:HASH:GROUP,GROUP"));
    }
    let groups = groups.into();
    Ok((name.into(), User { password, groups }))
}

/// Whether a name can stand in a users file.
///
/// # Errors
/// Why it cannot. `what` says what it is the name of.
pub fn check_name(name: &str, what: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("empty {what}"));
    }
    if name.starts_with('#') || name.trim() != name {
        return Err(format!(
            "a {what} starts with no # and has no space at its ends: `{name}`"
        ));
    }
    if name == "*" {
        return Err(format!(
            "`*` is no {what}: in the access rules it means everybody who is logged in"
        ));
    }
    let is_bad = |c: &char| {
        c.is_control()
            || matches!(c, ':' | ',')
            || (c.is_whitespace() && *c != ' ')
            || is_invisible(*c)
    };
    match name.chars().find(is_bad) {
        Some(c) => Err(format!("a {what} has no {c:?}: `{}`", name.escape_debug())),
        None => Ok(()),
    }
}

/// Characters that take no room or turn others around: with them two names look the same.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// The text of a users file in which a user has a new password, new groups, or both.
///
/// All other lines stay as they are. Without `password` the user keeps the one it has; without
/// `groups`, the groups.
pub fn with_user(
    text: &str,
    name: &str,
    password: Option<&PasswordHash>,
    groups: Option<&[String]>,
) -> String {
    let mut is_done = false;
    let write = |old: Option<&str>| {
        let mut fields = old.unwrap_or_default().split(':').skip(1);
        let (old_hash, old_groups) = (fields.next(), fields.next().unwrap_or_default());
        let hash = password.map(ToString::to_string);
        let hash = hash.as_deref().or(old_hash).unwrap_or("*");
        let groups = groups.map_or_else(|| old_groups.to_owned(), |groups| groups.join(","));
        let separator = if groups.is_empty() { "" } else { ":" };
        format!("{name}:{hash}{separator}{groups}\n")
    };
    let mut result = String::with_capacity(text.len() + 128);
    for line in text.lines() {
        if is_user(line, name) {
            if !is_done {
                result.push_str(&write(Some(line.trim_end())));
            }
            is_done = true;
        } else {
            result.push_str(line);
            result.push('\n');
        }
    }
    if !is_done {
        result.push_str(&write(None));
    }
    result
}

/// The text of a users file without a user; `None` if the user is not in it.
pub fn without_user(text: &str, name: &str) -> Option<String> {
    let kept: Vec<_> = text.lines().filter(|line| !is_user(line, name)).collect();
    let is_found = kept.len() < text.lines().count();
    is_found.then(|| kept.iter().flat_map(|line| [*line, "\n"]).collect())
}

fn is_user(line: &str, name: &str) -> bool {
    !is_comment(line) && line.split(':').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_users_are_told_apart_by_what_changed() {
        let hash = |seed: u8| {
            format!("$7$101${}$", "A".repeat(16))
                + &format!("{}{}==", (b'A' + seed) as char, "A".repeat(85))
        };
        let read = |text: &str| {
            let (users, faults) = Users::read("users", text);
            assert!(
                faults
                    .iter()
                    .all(|fault| fault.severity != crate::config::fault::Severity::Error),
                "{faults:?}"
            );
            users
        };
        let old = read(&format!("a:{0}\nb:{0}\nc:{0}\nd:{0}:x\n", hash(0)));
        let new = read(&format!("a:{0}\nb:{1}\nd:{0}:y\ne:{0}\n", hash(0), hash(1)));
        let changes = old.changes_to(&new);
        let expected = BTreeMap::from([
            (Arc::from("b"), UserChange::Expelled(Arc::new([]))),
            (Arc::from("c"), UserChange::Removed),
            (
                Arc::from("d"),
                UserChange::Groups(Arc::new([Arc::from("y")])),
            ),
        ]);
        assert_eq!(changes, expected);
    }

    const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ\
                        $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn users_and_their_groups_are_read() {
        let text = format!("# people\n\nann:{HASH}:admin, staff\nbob:{HASH}\nesp:*:devices\n");
        let (users, faults) = Users::read("etc/users", &text);
        assert_eq!(faults, []);
        assert_eq!(users.len(), 3);
        let (_, ann) = users.user("ann").expect("ann");
        assert_eq!(ann.groups.as_ref(), ["admin".into(), "staff".into()]);
        assert!(
            users
                .user("bob")
                .is_some_and(|(_, bob)| bob.groups.is_empty())
        );
        assert!(
            users
                .user("esp")
                .is_some_and(|(_, esp)| esp.password.is_none())
        );
    }

    #[test]
    fn names_that_mean_something_else_or_look_like_another_are_refused() {
        let check = |name: &str, expected: &str| {
            let told = check_name(name, "user name").map_or_else(|why| why, |()| String::new());
            assert_eq!(told, expected, "{name:?}");
        };
        let all = "`*` is no user name: in the access rules it means everybody who is logged in";
        check("*", all);
        check("a:b", "a user name has no ':': `a:b`");
        check("a,b", "a user name has no ',': `a,b`");
        check("a\tb", "a user name has no '\\t': `a\\tb`");
        check("a\u{a0}b", "a user name has no '\\u{a0}': `a\\u{a0}b`");
        check(
            "a\u{200b}b",
            "a user name has no '\\u{200b}': `a\\u{200b}b`",
        );
        check(
            "a\u{202e}b",
            "a user name has no '\\u{202e}': `a\\u{202e}b`",
        );
        let ends = "a user name starts with no # and has no space at its ends: ` ann`";
        check(" ann", ends);
        for name in [
            "ann",
            "Pump 17",
            "o'brien@example.com",
            "#1".trim_start_matches('#'),
            "jürgen",
        ] {
            check(name, "");
        }
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text =
            format!("ann:secret\nbob\nann:{HASH}\nann:{HASH}\n:{HASH}\nx:$7$1$A:g\ny:*:g:h\n");
        let (_, faults) = Users::read("etc/users", &text);
        let told: Vec<_> = faults.iter().map(Fault::in_one_line).collect();
        assert_eq!(
            told,
            [
                "etc/users:1:1: the password of `ann` is not hashed (set it with `columba passwd \
                 DIR ann`)",
                "etc/users:2:1: not a user: a line is NAME:HASH or NAME:HASH:GROUP,GROUP (use \
                 `columba passwd DIR NAME` to add users)",
                "etc/users:4:1: user `ann` stands here and in line 3 (remove one of the lines)",
                "etc/users:5:1: empty user name (change the name)",
                "etc/users:6:1: user `x`: the password hash is damaged (set it anew with `columba \
                 passwd DIR x`)",
                "etc/users:7:1: too many `:` in the line (write NAME:HASH or \
                 NAME:HASH:GROUP,GROUP)",
            ]
        );
    }

    #[test]
    fn a_file_of_mosquitto_is_read_with_one_warning_that_shows_no_hash() {
        // Two lines of mosquitto_passwd 2.0, both for the password `secret`.
        let hash = "$7$101$/9jJYmgq7ImeWkUm$ps33VhQ7jyYmPYjlF2n0APp/eaUFXJuap8BhZv7Fp3ocjGzcZKY3LGDy\
                    jiCrNfWbrCNOqD0yPH5y44+ZAJ6cRw==";
        let (users, faults) = Users::read("etc/users", &format!("ann:{hash}\nbob:{hash}\n"));
        assert_eq!(users.len(), 2);
        let [warning] = faults.as_slice() else {
            panic!("one warning: {faults:?}")
        };
        assert!(
            warning.what.contains("`ann` and 1 more"),
            "{}",
            warning.what
        );
        assert!(!warning.to_string().contains("$7$"), "{warning}");
    }

    #[test]
    fn changing_a_user_leaves_all_other_lines_alone() {
        let hash = PasswordHash::parse(HASH).expect("a hash");
        let text = "# people\nann:old:admin\nbob:x\n";
        let changed = with_user(text, "ann", Some(&hash), None);
        assert_eq!(changed, format!("# people\nann:{HASH}:admin\nbob:x\n"));
        let groups = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            with_user(text, "bob", None, Some(&groups)),
            "# people\nann:old:admin\nbob:x:a,b\n"
        );
        assert_eq!(
            with_user(text, "ann", None, Some(&[])),
            "# people\nann:old\nbob:x\n"
        );
        assert_eq!(
            with_user("", "eve", Some(&hash), Some(&groups)),
            format!("eve:{HASH}:a,b\n")
        );
        assert_eq!(
            without_user(text, "ann").as_deref(),
            Some("# people\nbob:x\n")
        );
        assert_eq!(without_user(text, "eve"), None);
    }
}
