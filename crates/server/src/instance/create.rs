//! A fresh instance: safe before anybody has read its files.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::file::{PLAIN_MODE, SECRET_MODE, write_atomically};
use crate::auth::password::{NoRandomness, PasswordHash, generate};
use crate::auth::users::with_user;

/// The user that a fresh instance has.
pub const ADMIN: &str = "admin";

/// Why an instance cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The directory holds something.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The file system says no.
    #[error("cannot write {}: {cause}", path.display())]
    Io {
        /// What should have been written.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// No password can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Makes an instance in a directory that is empty or does not exist, and returns the password of
/// its user `admin`, which is stored nowhere.
///
/// # Errors
/// Why it cannot be made.
pub fn create(dir: &Path) -> Result<String, CreateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| CreateError::Io { path, cause }
    };
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(CreateError::NotEmpty(dir.to_owned()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(dir)(error)),
    }
    let password = generate()?;
    let hash = PasswordHash::new(password.as_bytes())?;
    let users = with_user(USERS, ADMIN, Some(&hash), Some(&["admin".to_owned()]));
    for sub in ["etc", "data", "log"] {
        let path = dir.join(sub);
        let mode = if sub == "data" { 0o700 } else { 0o755 };
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&path);
        let set = made.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        set.map_err(failed(&path))?;
    }
    let files = [
        ("etc/users", users.as_str(), SECRET_MODE),
        ("etc/acl.toml", ACL, PLAIN_MODE),
        // Last: where it is, there is an instance.
        ("etc/columba.toml", CONFIG, PLAIN_MODE),
    ];
    for (name, text, mode) in files {
        let path = dir.join(name);
        write_atomically(&path, text, mode).map_err(failed(&path))?;
    }
    Ok(password)
}

/// `etc/columba.toml` of a fresh instance.
pub const CONFIG: &str = r#"# Configuration of a Columba instance.
#
# `columba config reference` lists every key; everything that is not set has its default.
# `columba check DIR` checks all files. The running broker reads them again when they change.

# MQTT. Programs on this machine may connect without a password; everybody else logs in with a user
# of etc/users.
[[listener]]
name = "mqtt"
kind = "tcp"
bind = "0.0.0.0:1883"
anonymous = "loopback"

# MQTT over WebSocket, for web pages: ws://HOST:8083/mqtt
# Nobody comes in here without a password: any web page that a browser on this machine shows could
# connect from here.
[[listener]]
name = "websocket"
kind = "ws"
bind = "0.0.0.0:8083"
anonymous = "never"

# MQTT over TLS. Put certificate and key into etc/ and take the # away.
# [[listener]]
# name = "mqtts"
# kind = "tls"
# bind = "0.0.0.0:8883"
# tls_certificate = "etc/server.pem"
# tls_key = "etc/server.key"
# anonymous = "never"

[access]
users = "etc/users"
acl = "etc/acl.toml"

[log]
level = "info"

# What outlives the broker: sessions that do not end with their connection, messages that wait for
# them, retained messages.
#   "sync"    a loss of power: what a client is told was taken is on the disk by then
#   "os"      the end of the broker, however it ends, but not that of the machine; quicker
#   "memory"  nothing; no file is written
# A listener with durability = "os" or "memory" does not let its clients wait for the disk.
[store]
durability = "sync"
# directory = "data"

# The management API, /metrics and /healthz: http://127.0.0.1:61680, for this machine alone.
# `columba token add DIR NAME` makes a token for it.
[admin]
# bind = "127.0.0.1:61680"

# A few of the limits, with their defaults.
[limits]
# packet_bytes_max = "16MiB"
# queue_messages_max = 10000
# session_expiry_v3 = "7d"
"#;

/// `etc/acl.toml` of a fresh instance.
pub const ACL: &str = r##"# Who may publish and subscribe to what.
#
# The first rule decides that is for the client, names the action and has the topic. What no rule
# decides is denied.
#   allow or deny   "publish", "subscribe", "receive", "all"
#   topics          topic filters; a level %u is the user name, a level %c the client id
#   users           names; "*" is everybody who is logged in
#   groups          groups of etc/users
#   clients         client ids, or their start and a *
#   addresses       "192.168.1.0/24", "fd00::/8", one address; "local" is this machine
#   anonymous       true: clients that are not logged in; false: those that are
# A rule is for the clients that fit everything it names.
#
# A subscription is allowed if one rule covers all of its filter. Messages of a wider filter that
# the client may not subscribe to by themselves are not delivered. A wildcard never covers topics
# that start with $.

[[rule]]
comment = "the group admin may do everything"
allow = ["publish", "subscribe"]
topics = ["#", "$SYS/#"]
groups = ["admin"]

[[rule]]
comment = "statistics of the broker, for everybody who came in"
allow = "subscribe"
topics = "$SYS/#"

[[rule]]
comment = "who is logged in may use every topic"
allow = ["publish", "subscribe"]
topics = "#"
users = "*"

[[rule]]
comment = "programs on this machine, without logging in"
allow = ["publish", "subscribe"]
topics = "#"
anonymous = true
addresses = "local"
"##;

const USERS: &str = "\
# Users: NAME:HASH or NAME:HASH:GROUP,GROUP. `columba passwd` changes this file; lines of a password
# file of Mosquitto can be put here as they are. A * in place of the hash is a user without a
# password, who comes in with a client certificate.
";
