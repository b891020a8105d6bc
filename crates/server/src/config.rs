//! The configuration of an instance: `etc/columba.toml`, the environment, and the defaults.

mod admin;
pub mod edit;
pub mod fault;
pub mod key;
pub mod quantity;
pub mod reference;
pub mod sections;
pub mod settings;
pub(crate) mod syntax;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use columba_broker::limits::{
    Anonymous, Limits, ListenerSettings, Promise, QueuePolicy, RecorderSize, ShareStrategy,
};

pub use admin::Admin;
use fault::Fault;
use settings::{Settings, Table, listener_name};

use crate::transport::is_origin;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Threads that serve clients; `None` for as many as suit the processor cores.
    pub shards: Option<u16>,
    /// Directory of what the broker keeps.
    pub data_dir: PathBuf,
    /// What outlives the process, and where.
    pub store: Store,
    /// The listeners, in order.
    pub listeners: Vec<Listener>,
    /// The bounds of the core.
    pub limits: Limits,
    /// What the flight recorders have together, where `limits` is not told what one has.
    pub recorder: Option<RecorderSize>,
    /// Passwords that wait for a check; `None` for what the threads get done in time.
    pub auth_queue_max: Option<usize>,
    /// The users file.
    pub users: Option<PathBuf>,
    /// The file of access rules and what it is written in.
    pub acl: Option<(PathBuf, AclFormat)>,
    /// The door for operators.
    pub admin: Admin,
    /// What is logged, and how.
    pub log: Log,
    /// Directory that the paths of the file are relative to.
    pub base: PathBuf,
    /// What all of it was made from.
    pub settings: Settings,
    /// The text of the file, as it was read.
    pub text: String,
}

/// What a file of access rules is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclFormat {
    /// `[[rule]]` tables.
    Columba,
    /// Mosquitto's `acl_file`.
    Mosquitto,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// MQTT over TCP.
    Tcp,
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket with TLS.
    Wss,
    /// MQTT over a Unix socket.
    Unix,
}

impl ListenerKind {
    /// Whether it needs a certificate.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it has a URL path.
    pub fn has_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The word for it in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
        }
    }

    /// The port that clients expect.
    pub fn usual_port(self) -> Option<u16> {
        match self {
            Self::Tcp => Some(1883),
            Self::Tls => Some(8883),
            Self::Ws => Some(8083),
            Self::Wss => Some(8084),
            Self::Unix => None,
        }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Never.
    None,
    /// If they have one.
    Optional,
    /// Always.
    Required,
}

/// The certificate of a listener and what it asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// File with the certificate chain.
    pub certificate: PathBuf,
    /// File with the private key.
    pub key: PathBuf,
    /// File with the authorities for client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show a certificate.
    pub client_certificate: ClientCertificate,
}

/// What sessions, messages that wait for them and retained messages outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power.
    Sync,
    /// The end of the process, however it ends.
    Os,
    /// Nothing.
    Memory,
}

/// What outlives the process, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// What it outlives.
    pub durability: Durability,
    /// The directory.
    pub directory: PathBuf,
    /// Bytes of the files of the flight recorder; 0 for none.
    pub recorder_bytes_max: u64,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it speaks.
    pub kind: ListenerKind,
    /// Where.
    pub bind: Bind,
    /// Its certificate, for `tls` and `wss`.
    pub tls: Option<Tls>,
    /// Path of the URL, for `ws` and `wss`.
    pub websocket_path: String,
    /// Origins of web pages that may connect over `ws` and `wss`; `None` for those of the same
    /// host.
    pub allowed_origins: Option<Vec<String>>,
    /// What the core needs to know.
    pub settings: ListenerSettings,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Whether each line is a JSON object.
    pub is_json: bool,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The file, or the standard error output.
    pub file: Option<PathBuf>,
    /// Bytes of lines that wait to be written at most.
    pub buffer_bytes_max: usize,
}

impl Config {
    /// Reads and checks. `file` is what people call the file, `base` what its paths are relative
    /// to.
    ///
    /// What is at fault is left out of the configuration and told; the configuration is of use only
    /// if none of the faults is an error ([`fault::has_errors`]).
    pub fn read(
        file: &str,
        text: &str,
        base: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<Fault>) {
        let (settings, mut faults) = Settings::read(file, text, variables);
        let limits = read_limits(&settings.section("limits"), &mut faults);
        let listeners = read_listeners(&settings, base, &limits, &mut faults);
        let broker = settings.section("broker");
        let access = settings.section("access");
        let log = settings.section("log");
        let path = |table: &Table, key| table.text(key).map(|text| base.join(text));
        let format = match access.text("acl_format").as_deref() {
            Some("mosquitto") => AclFormat::Mosquitto,
            _ => AclFormat::Columba,
        };
        let data_dir = path(&broker, "data_dir").unwrap_or_else(|| base.join("data"));
        let admin = Admin::read(&settings.section("admin"), base, &data_dir, &mut faults);
        let recorder = match broker.text("recorder").as_deref() {
            Some("small") => RecorderSize::Small,
            _ => RecorderSize::Standard,
        };
        let store = settings.section("store");
        let store = Store {
            durability: match store.text("durability").as_deref() {
                Some("os") => Durability::Os,
                Some("memory") => Durability::Memory,
                _ => Durability::Sync,
            },
            directory: path(&store, "directory").unwrap_or_else(|| data_dir.clone()),
            recorder_bytes_max: store
                .number("recorder_bytes_max")
                .unwrap_or_else(|| recorder.bytes() as u64),
        };
        let limits = Limits {
            denied_v3_disconnects: access.text("on_deny").as_deref() == Some("disconnect"),
            ..limits
        };
        let config = Self {
            shards: broker
                .number("shards")
                .and_then(|shards| u16::try_from(shards).ok()),
            data_dir,
            store,
            listeners,
            limits,
            recorder: settings
                .section("limits")
                .number("recorder_bytes_max")
                .is_none()
                .then_some(recorder),
            auth_queue_max: settings
                .section("limits")
                .number("auth_queue_max")
                .and_then(|checks| usize::try_from(checks).ok()),
            users: path(&access, "users"),
            acl: path(&access, "acl").map(|path| (path, format)),
            admin,
            log: Log {
                is_json: log.text("format").as_deref() == Some("json"),
                level: log.text("level").unwrap_or_default(),
                file: path(&log, "file"),
                buffer_bytes_max: log
                    .number("buffer_bytes_max")
                    .and_then(|bytes| usize::try_from(bytes).ok())
                    .unwrap_or_default(),
            },
            base: base.to_owned(),
            settings,
            text: text.to_owned(),
        };
        faults.sort_by_key(|fault| settings::line_of(&fault.place));
        (config, faults)
    }
}

fn read_limits(table: &Table, faults: &mut Vec<Fault>) -> Limits {
    let mut limits = Limits::default();
    let size = |key| {
        table
            .number(key)
            .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let small = |key| {
        table
            .number(key)
            .map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX))
    };
    let short = |key| {
        table
            .number(key)
            .map_or(u16::MAX, |n| u16::try_from(n).unwrap_or(u16::MAX))
    };
    let secs = |key| {
        table
            .number(key)
            .map_or(u32::MAX, |ms| u32::try_from(ms / 1000).unwrap_or(u32::MAX))
    };
    limits.takeover_delay_ms_max = table.number("takeover_delay_max").unwrap_or_default();
    limits.connect_timeout_ms = table.number("connect_timeout").unwrap_or_default();
    let keep_alive_ms = table.number("keep_alive_max").unwrap_or_default();
    limits.keep_alive_secs_max = u16::try_from(keep_alive_ms / 1000).unwrap_or(u16::MAX);
    limits.session_expiry_v3_secs = secs("session_expiry_v3");
    limits.session_expiry_secs_max = secs("session_expiry_max");
    limits.sessions_max = size("sessions_max");
    limits.packet_bytes_max = small("packet_bytes_max");
    limits.receive_maximum = short("receive_maximum");
    limits.inflight_max = short("inflight_max");
    limits.inflight_bytes_max = size("inflight_bytes_max");
    limits.topic_alias_maximum = short("topic_alias_maximum");
    limits.topic_alias_out_max = short("topic_alias_out_max");
    limits.queue_messages_max = size("queue_messages_max");
    limits.queue_bytes_max = size("queue_bytes_max");
    limits.queue_memory_bytes_max = size("queue_memory_bytes_max");
    limits.queue_policy = match table.text("queue_policy").as_deref() {
        Some("drop_newest") => QueuePolicy::DropNewest,
        _ => QueuePolicy::DropOldest,
    };
    limits.queue_qos0 = table.is_on("queue_qos0");
    limits.output_bytes_max = size("output_bytes_max");
    limits.subscriptions_max = size("subscriptions_max");
    limits.subscription_bytes_max = size("subscription_bytes_max");
    limits.topic_levels_max = size("topic_levels_max");
    limits.will_bytes_max = size("will_bytes_max");
    limits.wills_bytes_max = size("wills_bytes_max");
    limits.retained_messages_max = size("retained_messages_max");
    limits.retained_bytes_max = size("retained_bytes_max");
    limits.retained_steps_max = size("retained_steps_max");
    limits.match_steps_max = size("match_steps_max");
    limits.store_waiting_bytes_max = size("store_waiting_bytes_max");
    if table.number("recorder_bytes_max").is_some() {
        limits.recorder_bytes_max = size("recorder_bytes_max");
    }
    let private = table.texts("recorder_private_topics").unwrap_or_default();
    limits.recorder_private_topics = private.into_iter().map(String::into_boxed_str).collect();
    limits.match_cache_max = size("match_cache_max");
    limits.share_strategy = match table.text("share_strategy").as_deref() {
        Some("random") => ShareStrategy::Random,
        Some("least_inflight") => ShareStrategy::LeastInflight,
        Some("sticky") => ShareStrategy::Sticky,
        _ => ShareStrategy::RoundRobin,
    };
    limits.sys_interval_ms = table.number("sys_interval").unwrap_or_default();
    limits.reports_per_sec_max = small("reports_per_sec_max");
    check_limits(table, &limits, faults);
    limits
}

/// Limits that contradict each other.
fn check_limits(table: &Table, limits: &Limits, faults: &mut Vec<Fault>) {
    let mut contradiction = |key: &str, other: &str, why: &str| {
        // The one that the file sets is the one to look at.
        let at = if table.is_set(key) { key } else { other };
        let shown = |key: &str| {
            let kind = sections::SECTIONS
                .iter()
                .find(|s| s.name == "limits")
                .and_then(|s| s.key(key));
            match (kind, table.value(key)) {
                (Some(key), Some(value)) => key.kind.show(&value),
                _ => String::new(),
            }
        };
        let what = format!(
            "{key} ({}) is below {other} ({}): {why}",
            shown(key),
            shown(other)
        );
        let fault = Fault::error(table.place_of(at).clone(), what);
        faults.push(fault.fix(format!("raise {key} or lower {other}")));
    };
    let packet_bytes_max = limits.packet_bytes_max as usize;
    if limits.queue_bytes_max < packet_bytes_max {
        let why = "the largest messages could never wait in a session";
        contradiction("queue_bytes_max", "packet_bytes_max", why);
    }
    if limits.retained_messages_max > 0 && limits.retained_bytes_max < packet_bytes_max {
        let why = "the largest messages could never be retained";
        contradiction("retained_bytes_max", "packet_bytes_max", why);
    }
    if limits.session_expiry_secs_max < limits.session_expiry_v3_secs {
        let why = "MQTT 3 clients would keep their sessions longer than the longest allowed";
        contradiction("session_expiry_max", "session_expiry_v3", why);
    }
}

fn read_listeners(
    settings: &Settings,
    base: &Path,
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Vec<Listener> {
    let default = settings::default_listener();
    let tables = match settings.listeners() {
        [] => std::slice::from_ref(&default),
        tables => tables,
    };
    let mut listeners: Vec<Listener> = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        let Some(listener) = read_listener(table, at, base, limits, faults) else {
            continue;
        };
        let name = &listener.settings.name;
        if listeners.iter().any(|other| other.settings.name == *name) {
            let what = format!("a second listener is called `{name}`");
            let fault = Fault::error(table.place_of("name").clone(), what);
            faults.push(fault.fix("give each listener a name of its own"));
        }
        let is_same = |other: &&Listener| match (&other.bind, &listener.bind) {
            (Bind::Ip(a), Bind::Ip(b)) => a == b && a.port() != 0,
            (Bind::Unix(a), Bind::Unix(b)) => a == b,
            (Bind::Ip(_), Bind::Unix(_)) | (Bind::Unix(_), Bind::Ip(_)) => false,
        };
        if let Some(other) = listeners.iter().find(is_same) {
            let what = format!(
                "`{}` listens at {}, too",
                other.settings.name, listener.bind
            );
            let fault = Fault::error(table.place_of("bind").clone(), what);
            faults.push(fault.fix("give one of them another port"));
        }
        listeners.push(listener);
    }
    listeners
}

fn read_listener(
    table: &Table,
    at: usize,
    base: &Path,
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Option<Listener> {
    let kind = match table.text("kind").as_deref() {
        Some("tls") => ListenerKind::Tls,
        Some("ws") => ListenerKind::Ws,
        Some("wss") => ListenerKind::Wss,
        Some("unix") => ListenerKind::Unix,
        _ => ListenerKind::Tcp,
    };
    let bind = read_bind(table, kind, base, faults);
    let tls = read_tls(table, kind, base, faults);
    let (websocket_path, allowed_origins) = read_websocket(table, kind, faults);
    let packet_bytes_max = table
        .number("packet_bytes_max")
        .and_then(|n| u32::try_from(n).ok());
    if packet_bytes_max.is_some_and(|bytes| bytes > limits.packet_bytes_max) {
        let what = "packet_bytes_max of the listener is above the one in [limits], which holds";
        let fault = Fault::error(table.place_of("packet_bytes_max").clone(), what);
        faults.push(fault.fix("lower it, or raise limits.packet_bytes_max"));
    }
    let anonymous = match table.text("anonymous").as_deref() {
        Some("never") => Anonymous::Never,
        Some("always") => Anonymous::Always,
        Some("loopback") => Anonymous::Loopback,
        // Every web page that a browser on this machine shows comes from this machine.
        _ if kind.has_websocket() => Anonymous::Never,
        _ => Anonymous::Loopback,
    };
    let is_open = |addr: &SocketAddr| !addr.ip().to_canonical().is_loopback();
    if anonymous == Anonymous::Always && matches!(&bind, Some(Bind::Ip(addr)) if is_open(addr)) {
        let what = "everybody who can reach this machine may connect without a password";
        let fault = Fault::warning(table.place_of("anonymous").clone(), what);
        faults.push(fault.fix("write anonymous = \"loopback\" unless the network is trusted"));
    }
    Some(Listener {
        kind,
        bind: bind?,
        tls,
        websocket_path,
        allowed_origins,
        settings: ListenerSettings {
            name: listener_name(table, at),
            anonymous,
            connections_max: table
                .number("connections_max")
                .map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            packet_bytes_max,
            certificate_is_user: table.is_on("certificate_is_user"),
            promise: match table.text("durability").as_deref() {
                Some("memory") => Promise::Nothing,
                Some("os") => Promise::Written,
                _ => Promise::Durable,
            },
        },
    })
}

/// The path of the URL, and the origins that may connect.
fn read_websocket(
    table: &Table,
    kind: ListenerKind,
    faults: &mut Vec<Fault>,
) -> (String, Option<Vec<String>>) {
    let mut fault = |key: &str, what: String, fix: &str| {
        faults.push(Fault::error(table.place_of(key).clone(), what).fix(fix));
    };
    if !kind.has_websocket() {
        let keys = ["websocket_path", "allowed_origins"];
        for key in keys.into_iter().filter(|key| table.is_set(key)) {
            let what = format!("{key} on a listener of kind \"{}\"", kind.word());
            let fix = "remove it, or write kind = \"ws\" or \"wss\"";
            fault(key, what, fix);
        }
    }
    let path = table.text("websocket_path");
    let path = path.unwrap_or_else(|| "/mqtt".to_owned());
    if !path.starts_with('/') {
        let fix = format!("write websocket_path = \"/{path}\"");
        let what = "a URL path starts with /".to_owned();
        fault("websocket_path", what, &fix);
    }
    let origins = table.texts("allowed_origins");
    let is_known = |origin: &&String| *origin == "*" || is_origin(origin);
    if let Some(bad) = origins.iter().flatten().find(|origin| !is_known(origin)) {
        let what = format!("allowed_origins: `{bad}` is no origin of web pages");
        let fix =
            "write \"https://HOST\" or \"https://HOST:PORT\", without a path, or \"*\" for all";
        fault("allowed_origins", what, fix);
    }
    (path, origins)
}

fn read_bind(
    table: &Table,
    kind: ListenerKind,
    base: &Path,
    faults: &mut Vec<Fault>,
) -> Option<Bind> {
    let place = table.place_of("bind").clone();
    let text = table.text("bind");
    let Some(port) = kind.usual_port() else {
        return match text {
            Some(text) => Some(Bind::Unix(base.join(text))),
            None => {
                let fault = Fault::error(place, "a Unix socket needs a path");
                faults.push(fault.fix("write bind = \"data/mqtt.sock\""));
                None
            }
        };
    };
    let Some(text) = text else {
        return Some(Bind::Ip(SocketAddr::from(([0, 0, 0, 0], port))));
    };
    match parse_addr(&text, port) {
        Ok(addr) => Some(Bind::Ip(addr)),
        Err(fix) => {
            faults.push(Fault::error(place, format!("bind: `{text}` is no ADDRESS:PORT")).fix(fix));
            None
        }
    }
}

/// Reads ADDRESS:PORT; `localhost` and an address or port alone are understood.
///
/// # Errors
/// What to write.
pub fn parse_addr(text: &str, usual_port: u16) -> Result<SocketAddr, String> {
    let named = text.replacen("localhost", "127.0.0.1", 1);
    if let Ok(addr) = named.parse::<SocketAddr>() {
        return Ok(addr);
    }
    if let Ok(ip) = named.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Ok(SocketAddr::new(ip, usual_port));
    }
    if let Ok(port) = named.trim_start_matches([':', '*']).parse::<u16>() {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    Err(format!(
        "write an IP address and a port, such as \"0.0.0.0:{usual_port}\""
    ))
}

fn read_tls(
    table: &Table,
    kind: ListenerKind,
    base: &Path,
    faults: &mut Vec<Fault>,
) -> Option<Tls> {
    let path = |key| table.text(key).map(|text| base.join(text));
    let mut fault = |key: &str, what: String, fix: &str| {
        faults.push(Fault::error(table.place_of(key).clone(), what).fix(fix));
    };
    let client_certificate = match table.text("tls_client_certificate").as_deref() {
        Some("optional") => ClientCertificate::Optional,
        Some("required") => ClientCertificate::Required,
        _ => ClientCertificate::None,
    };
    if !kind.has_tls() {
        const TLS_KEYS: [&str; 4] = [
            "tls_certificate",
            "tls_key",
            "tls_client_ca",
            "tls_client_certificate",
        ];
        if let Some(key) = TLS_KEYS.iter().find(|key| table.is_set(key)) {
            let what = format!(
                "{key} on a listener of kind \"{}\", which has no TLS",
                kind.word()
            );
            fault(key, what, "write kind = \"tls\" or \"wss\", or remove it");
        }
        if table.is_on("certificate_is_user") {
            let what = "certificate_is_user on a listener without TLS".to_owned();
            fault(
                "certificate_is_user",
                what,
                "write kind = \"tls\" or \"wss\", or remove it",
            );
        }
        return None;
    }
    if table.is_on("certificate_is_user") && client_certificate == ClientCertificate::None {
        let what = "certificate_is_user, but clients are not asked for a certificate".to_owned();
        let fix = "write tls_client_certificate = \"required\" or \"optional\"";
        fault("certificate_is_user", what, fix);
    }
    let client_ca = path("tls_client_ca");
    if client_certificate != ClientCertificate::None && client_ca.is_none() {
        let what = "client certificates are asked for, but nobody may vouch for them".to_owned();
        let fix = "write tls_client_ca = \"etc/clients-ca.pem\" with the file of the authority";
        fault("tls_client_certificate", what, fix);
    }
    let (certificate, tls_key) = (path("tls_certificate"), path("tls_key"));
    for (key, value) in [("tls_certificate", &certificate), ("tls_key", &tls_key)] {
        match value {
            None => {
                let what = format!("a listener of kind \"{}\" needs {key}", kind.word());
                fault(key, what, "name the PEM file, such as \"etc/server.pem\"");
            }
            Some(path) if !path.is_file() => {
                let what = format!("{key}: there is no file {}", path.display());
                fault(key, what, "put the PEM file there or correct the path");
            }
            Some(_) => {}
        }
    }
    if let Some(path) = &client_ca
        && !path.is_file()
    {
        let what = format!("tls_client_ca: there is no file {}", path.display());
        fault(
            "tls_client_ca",
            what,
            "put the PEM file there or correct the path",
        );
    }
    Some(Tls {
        certificate: certificate?,
        key: tls_key?,
        client_ca,
        client_certificate,
    })
}

#[cfg(test)]
mod tests;
