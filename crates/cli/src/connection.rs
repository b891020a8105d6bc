//! The options that every command which connects as a client shares, spelled as Mosquitto's
//! clients spell them, and the connection that they make.

mod cipher;
mod property;
mod refused;
mod route;
mod talk;
mod topic;
mod url;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use columba_client::driver::{
    Address, Client, ConnectError, ConnectOptions, Events, LastingEvents, Reconnect, TlsOptions,
};
use columba_client::{
    CloseCause, DisconnectProperties, Message, PacketWatcher, Session, SessionOptions, Will,
};
use columba_codec::{QoS, ReasonCode, Version};
use columba_speech::Language;
use rustls::CipherSuite;

use crate::admin_client::Login;
use crate::context::{self, Chosen, Context, Secret};
use crate::language::{language_of_environment, parse_language};
use crate::mosquitto::debug::DebugLines;
use crate::mosquitto::{self, EXIT_BEFORE_ANSWER, Tool};
use crate::payload::{PAYLOAD_BYTES_MAX, read_whole};
use crate::words::{self, Said, value};
pub(crate) use property::{PROPERTY_SEPARATOR, PropertySets, USER_PROPERTY, parse_properties};
pub(crate) use talk::{Talk, Trouble};
pub(crate) use topic::{EMPTY_TOPIC, check_filters, check_topic, exit_of};
pub(crate) use url::{Url, split_port};

/// Exit code of Mosquitto's clients: the connection was lost.
pub(crate) const EXIT_LOST: u8 = 7;
/// Exit code of Mosquitto's clients: `-W` ran out.
pub(crate) const EXIT_TIMEOUT: u8 = 27;
const EXIT_PROTOCOL: u8 = 2;
pub(crate) const EXIT_USAGE: u8 = 3;
const EXIT_TLS: u8 = 8;
const EXIT_SYSTEM: u8 = 14;
const EXIT_LOOKUP: u8 = 15;

/// Groups of options in the help.
pub(crate) const SERVER: &str = "Server";
const CLIENT: &str = "Client and session";
const TLS: &str = "TLS";
const WILL: &str = "Will";
const TALK: &str = "Other";

/// How to reach the server and as whom.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub(crate) struct ConnectionArgs {
    /// Host to connect to [default: that of the context, or localhost]
    #[arg(help_heading = SERVER, short = 'h', long, value_name = "HOST", allow_hyphen_values = true)]
    host: Option<String>,
    /// Port to connect to [default: 1883, or 8883 with TLS]
    #[arg(help_heading = SERVER, short, long)]
    port: Option<u16>,
    /// Everything in one: mqtt[s]|ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]
    ///
    /// With ws and wss the path is that of the WebSocket, not a topic.
    #[arg(help_heading = SERVER, short = 'L', long, value_name = "URL")]
    url: Option<String>,
    /// Unix socket to connect to
    #[arg(help_heading = SERVER, long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Take server, user and certificates from this context; see `columba context`
    #[arg(help_heading = SERVER, long, value_name = "NAME")]
    context: Option<String>,
    /// Connect over WebSocket
    #[arg(help_heading = SERVER, long)]
    ws: bool,
    /// User name
    #[arg(help_heading = CLIENT, short = 'u', long, allow_hyphen_values = true)]
    username: Option<String>,
    /// Password
    #[arg(help_heading = CLIENT,
        short = 'P',
        long = "pw",
        value_name = "PASSWORD",
        allow_hyphen_values = true
    )]
    password: Option<OsString>,
    /// Client id; each client needs its own [default: the server makes one up]
    #[arg(help_heading = CLIENT, short = 'i', long, allow_hyphen_values = true)]
    id: Option<String>,
    /// Client id made from this and the process id
    #[arg(help_heading = CLIENT,
        short = 'I',
        long,
        value_name = "PREFIX",
        conflicts_with = "id",
        allow_hyphen_values = true
    )]
    id_prefix: Option<String>,
    /// Keep alive in seconds; 0 turns it off
    #[arg(help_heading = CLIENT, short = 'k', long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Protocol version: 31, 311, 5 (or mqttv31, mqttv311, mqttv5)
    ///
    /// Without it: 5, and 3.1.1 if the server does not know 5, because only MQTT 5 says why a
    /// message was refused. Called as mosquitto_pub or mosquitto_sub: 3.1.1, or 5 if -D or -x asks
    /// for something that only 5 has.
    #[arg(help_heading = CLIENT, short = 'V', long, value_name = "VERSION", value_parser = parse_version)]
    protocol_version: Option<Version>,
    /// Keep the session on the server when leaving, and go on with one that is there; needs -i
    #[arg(help_heading = CLIENT, short = 'c', long)]
    disable_clean_session: bool,
    /// Seconds that the server keeps the session after the end (MQTT 5); -1 or ∞ for ever
    #[arg(help_heading = CLIENT, short = 'x', long, value_name = "SECONDS", value_parser = parse_expiry, allow_hyphen_values = true)]
    session_expiry_interval: Option<u32>,
    /// Most messages in flight at QoS 1 and 2
    #[arg(help_heading = CLIENT,
        short = 'M',
        long = "max-inflight",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..),
        default_value_t = 20
    )]
    max_inflight: u16,
    /// Property of a packet (MQTT 5), such as -D publish content-type text/plain; may be repeated
    ///
    /// PACKET is connect, publish, subscribe, unsubscribe, disconnect or will. A user property has two
    /// values, its name and its value: -D publish user-property colour red.
    #[arg(help_heading = CLIENT,
        short = 'D',
        long = "property",
        value_name = "PACKET NAME VALUE [VALUE]",
        allow_hyphen_values = true,
        action = clap::ArgAction::Append
    )]
    properties: Vec<OsString>,
    /// PEM file with the certificates to trust
    #[arg(help_heading = TLS, long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Directory of PEM files with certificates to trust
    #[arg(help_heading = TLS, long, value_name = "DIRECTORY")]
    capath: Option<PathBuf>,
    /// Trust the certificates of the operating system
    #[arg(help_heading = TLS, long)]
    tls_use_os_certs: bool,
    /// PEM file with the client's certificate
    #[arg(help_heading = TLS, long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file with the key to --cert
    #[arg(help_heading = TLS, long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Accept a certificate that names another host, if its authority is trusted
    #[arg(help_heading = TLS, long)]
    insecure: bool,
    /// Accept a certificate of --cafile's authority that names the host in its common name alone
    ///
    /// So are certificates made without a subjectAltName. Not safe with an authority that gives clients
    /// certificates under names that they choose. Called by the names of Mosquitto's clients it is always so.
    #[arg(help_heading = TLS, long)]
    accept_common_name: bool,
    /// Lowest version, tlsv1.2 or tlsv1.3; 1.3 is used where the server has it
    #[arg(help_heading = TLS, long, value_name = "VERSION", value_parser = parse_tls_version)]
    tls_version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 to offer, by OpenSSL's names with : between them [default: all]
    #[arg(help_heading = TLS, long, value_name = "LIST")]
    ciphers: Option<String>,
    /// Application protocol to ask for
    #[arg(help_heading = TLS, long, value_name = "PROTOCOL", value_parser = parse_application_protocol)]
    tls_alpn: Option<String>,
    /// File that the secrets are appended to, for Wireshark; who has it reads everything
    #[arg(help_heading = TLS, long, value_name = "FILE")]
    tls_keylog: Option<PathBuf>,
    /// Topic of the Will
    #[arg(help_heading = WILL, long, value_name = "TOPIC", allow_hyphen_values = true)]
    will_topic: Option<String>,
    /// Payload of the Will
    #[arg(help_heading = WILL,
        long,
        value_name = "PAYLOAD",
        requires = "will_topic",
        allow_hyphen_values = true
    )]
    will_payload: Option<OsString>,
    /// QoS of the Will
    #[arg(help_heading = WILL, long, value_name = "QOS", requires = "will_topic", value_parser = parse_qos, default_value = "0")]
    will_qos: QoS,
    /// Retain the Will
    #[arg(help_heading = WILL, long, requires = "will_topic")]
    will_retain: bool,
    #[command(flatten)]
    route: route::RouteArgs,
    #[command(flatten)]
    refused: refused::RefusedArgs,
    /// Language of errors and warnings: en or zh [default: COLUMBA_LANG, LC_ALL or LANG]
    #[arg(help_heading = TALK, long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
    /// Say on stderr what happens
    #[arg(help_heading = TALK, short, long)]
    debug: bool,
    /// Say nothing about errors, except those of the command line
    #[arg(help_heading = TALK, long)]
    quiet: bool,
    /// Send small packets at once; always so, accepted for compatibility
    #[arg(help_heading = TALK, long, hide_short_help = true)]
    nodelay: bool,
    /// Print this help; `columba help COMMAND` and the manual page say more
    #[arg(help_heading = TALK, long, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
}

/// A connection that was asked for, ready to be opened.
#[derive(Debug)]
pub(crate) struct Plan {
    options: ConnectOptions,
    /// Whether to try MQTT 3.1.1 when the server does not know MQTT 5.
    falls_back: bool,
    /// What `-I` or a context lets client ids begin with.
    pub(crate) id_prefix: Option<String>,
    /// The topic in `-L`.
    pub(crate) url_topic: Option<String>,
    /// The properties of the other packets.
    pub(crate) properties: PropertySets,
    /// Where messages for people go.
    pub(crate) talk: Talk,
    /// What `-d` shows under Mosquitto's names.
    pub(crate) lines: Option<Arc<DebugLines>>,
}

impl ConnectionArgs {
    /// Where errors go, even those in the arguments themselves.
    pub(crate) fn talk(&self) -> Talk {
        // Under Mosquitto's names `-d` shows packets and nothing else.
        let debug = self.debug && mosquitto::called_as().is_none();
        Talk::new(debug, self.quiet, self.language())
    }

    /// The language to speak: that of Mosquitto's clients is English.
    pub(crate) fn language(&self) -> Language {
        match mosquitto::called_as() {
            Some(_) => Language::English,
            None => self.lang.unwrap_or_else(language_of_environment),
        }
    }

    /// Whether nothing is to be said of errors.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The URL of `-L`.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The user and the password that the options connect with, if both are there and are text.
    pub(crate) fn login(&self) -> Option<Login> {
        let url = self.url.as_deref().and_then(|url| Url::parse(url).ok());
        let (of_user, of_password) = url.map_or((None, None), |url| (url.user_name, url.password));
        let password = self.password.clone();
        let password = match password.map(OsString::into_string) {
            Some(password) => Some(password.ok()?),
            None => of_password,
        };
        Some(Login {
            user: self.username.clone().or(of_user)?,
            password: Secret::new(password?),
        })
    }

    /// The context of `--context`.
    pub(crate) fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The certificates of `--cafile`.
    pub(crate) fn cafile(&self) -> Option<&PathBuf> {
        self.cafile.as_ref()
    }

    /// Whether `-i` is there.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The same with another URL.
    pub(crate) fn with_url(mut self, url: String) -> Self {
        self.url = Some(url);
        self
    }

    /// What a context says, and nothing else.
    pub(crate) fn of_context(name: &str) -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            connection: ConnectionArgs,
        }
        let mut alone = <Alone as clap::Parser>::parse_from(["columba"]);
        alone.connection.context = Some(name.to_owned());
        alone.connection
    }

    /// Checks the arguments against each other and makes a plan of them.
    pub(crate) fn plan(&self) -> Result<Plan, Trouble> {
        let names_server = self.host.is_some() || self.url.is_some() || self.unix.is_some();
        let chosen = context::choose(self.context.as_deref(), names_server);
        match chosen.map_err(|failure| Trouble::usage(failure.sentence()))? {
            Some(Chosen { name, context, .. })
                if !names_server && context.url.is_none() && context.unix.is_none() =>
            {
                Err(Trouble::usage(words::context_names_no_server(name)))
            }
            Some(chosen) => {
                self.talk()
                    .debug(|| format!("Using the context '{}'", chosen.name));
                self.with_context(&chosen.context)?.plan_of_options()
            }
            None => self.plan_of_options(),
        }
    }

    /// The same with what a context says of everything that no option says.
    fn with_context(&self, context: &Context) -> Result<Self, Trouble> {
        let mut args = self.clone();
        let mut names_user = self.username.is_some();
        if let Some(url) = &self.url {
            names_user |= Url::parse(url).is_ok_and(|url| url.user_name.is_some());
        } else if self.unix.is_none() {
            let url = context.url.as_deref().map(Url::parse).transpose();
            let url = url.map_err(Trouble::usage)?;
            args.url = url.map(|mut url| {
                if names_user {
                    (url.user_name, url.password) = (None, None);
                }
                if let Some(host) = &self.host {
                    url.host.clone_from(host);
                }
                url.text()
            });
            if self.host.is_none() {
                args.unix.clone_from(&context.unix);
            }
        }
        // The context's password belongs to its user alone.
        if !names_user {
            args.username.clone_from(&context.user);
            if args.password.is_none() {
                let password = context.read_password();
                let password = password.map_err(|failure| Trouble::usage(failure.sentence()))?;
                args.password = password.map(OsString::from);
            }
        }
        if args.id.is_none() && args.id_prefix.is_none() {
            args.id_prefix.clone_from(&context.client_id_prefix);
        }
        if args.cafile.is_none() && !args.tls_use_os_certs {
            args.cafile.clone_from(&context.cafile);
        }
        if args.cert.is_none() {
            args.cert.clone_from(&context.cert);
            args.key.clone_from(&context.key);
        }
        args.insecure |= context.insecure;
        args.accept_common_name |= context.accept_common_name;
        Ok(args)
    }

    fn plan_of_options(&self) -> Result<Plan, Trouble> {
        self.refused.check().map_err(Trouble::usage)?;
        topic::check_will_topic(self.will_topic.as_deref())?;
        let cipher_suites = self.ciphers.as_deref().map(cipher::suites).transpose();
        let cipher_suites = cipher_suites.map_err(Trouble::usage)?.unwrap_or_default();
        let mut properties = parse_properties(&self.properties).map_err(Trouble::usage)?;
        if let Some(seconds) = self.session_expiry_interval {
            properties.connect.session_expiry_secs = Some(seconds);
        }
        let needs_version_5 = !self.properties.is_empty() || self.session_expiry_interval.is_some();
        let version = match self.protocol_version {
            Some(version) => version,
            // Only MQTT 5 has a Response Topic.
            None if matches!(
                mosquitto::called_as(),
                Some(Tool::Publish | Tool::Subscribe)
            ) && !needs_version_5 =>
            {
                Version::V311
            }
            None => Version::V5,
        };
        self.check_version(version, &mut properties)?;
        let url = self
            .url
            .as_deref()
            .map(Url::parse)
            .transpose()
            .map_err(Trouble::usage)?;
        let address = self.address(url.as_ref(), cipher_suites);
        let mut session = self.session(version, &properties)?;
        if let Some(url) = &url {
            session.user_name = session.user_name.or_else(|| url.user_name.clone());
            let password = url.password.clone().map(String::into_bytes);
            session.password = session.password.or(password);
        }
        let mut options = ConnectOptions::new(address, session);
        options.clean_start = !self.disable_clean_session;
        options.route = self.route.route();
        let lines = self.debug.then(|| DebugLines::under_that_name(self.quiet));
        let lines = lines.flatten();
        let watcher = lines.clone().map(|lines| lines as Arc<dyn PacketWatcher>);
        options.session.watcher = watcher;
        Ok(Plan {
            options,
            falls_back: self.protocol_version.is_none()
                && version == Version::V5
                && !needs_version_5,
            id_prefix: self.id_prefix.clone(),
            url_topic: url.and_then(|url| url.topic),
            properties,
            talk: self.talk(),
            lines,
        })
    }

    /// Whether an option means TLS by itself. With Mosquitto's clients those do that say whom to
    /// trust; others have no effect on a connection without TLS, and scripts leave them there.
    fn asks_for_tls(&self) -> bool {
        let says_whom_to_trust =
            self.cafile.is_some() || self.capath.is_some() || self.tls_use_os_certs;
        let is_about_tls = self.cert.is_some() || self.insecure;
        says_whom_to_trust
            || self.port == Some(8883)
            || is_about_tls && mosquitto::called_as().is_none()
    }

    fn address(&self, url: Option<&Url>, cipher_suites: Vec<CipherSuite>) -> Address {
        if let Some(path) = &self.unix {
            return Address::Unix(path.clone());
        }
        let usual_path = self.ws.then_some("/mqtt");
        let wants_tls = self.asks_for_tls() && !self.refused.no_tls;
        let tls = TlsOptions {
            ca_file: self.cafile.clone(),
            ca_directory: self.capath.clone(),
            client_certificate: self.cert.clone().zip(self.key.clone()),
            accept_any_host_name: self.insecure,
            accept_common_name: self.accept_common_name || mosquitto::called_as().is_some(),
            application_protocols: self.tls_alpn.iter().cloned().collect(),
            only_tls_1_3: self.tls_version == Some(TlsVersion::Only13),
            cipher_suites,
            key_log: self.tls_keylog.clone(),
        };
        if let Some(url) = url {
            return Address::Network {
                // One that stands behind the URL.
                host: self.host.as_ref().unwrap_or(&url.host).clone(),
                port: self.port.unwrap_or(url.port),
                tls: (wants_tls || url.is_tls && !self.refused.no_tls).then_some(tls),
                websocket_path: (url.websocket_path.as_deref().or(usual_path))
                    .map(|path| self.route.websocket_path(path)),
            };
        }
        Address::Network {
            host: self.host.clone().unwrap_or_else(|| "localhost".to_owned()),
            port: self.port.unwrap_or(if wants_tls { 8883 } else { 1883 }),
            tls: wants_tls.then_some(tls),
            websocket_path: usual_path.map(|path| self.route.websocket_path(path)),
        }
    }

    /// A session expiry means nothing below MQTT 5, nor does what DISCONNECT says: Mosquitto's clients
    /// publish nevertheless.
    fn check_version(&self, version: Version, sets: &mut PropertySets) -> Result<(), Trouble> {
        if version.has_properties() {
            return Ok(());
        }
        if mosquitto::called_as().is_some() {
            sets.disconnect = DisconnectProperties::default();
            if self.session_expiry_interval.is_some() {
                sets.connect.session_expiry_secs = None;
            }
            return Ok(());
        }
        match self.session_expiry_interval {
            Some(_) => Err(Trouble::usage(words::expiry_needs_version_5())),
            None => Ok(()),
        }
    }

    fn session(&self, version: Version, sets: &PropertySets) -> Result<SessionOptions, Trouble> {
        let client_id = match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            (None, None) if version.has_assigned_client_id() => String::new(),
            (None, None) => format!("columba-{}", std::process::id()),
        };
        if self.disable_clean_session && self.id.is_none() && self.id_prefix.is_none() {
            return Err(Trouble::usage(words::keeps_needs_id()));
        }
        let mut properties = sets.connect.clone();
        if self.disable_clean_session && version.has_properties() {
            // What Clean Session 0 means before MQTT 5.
            properties.session_expiry_secs.get_or_insert(u32::MAX);
        }
        let will = self.will_topic.as_ref().map(|topic| {
            let payload = self.will_payload.clone().unwrap_or_default();
            let mut message = Message::new(topic, payload.into_vec());
            message.qos = self.will_qos;
            message.retain = self.will_retain;
            message.properties = sets.will.clone();
            Will {
                message,
                delay_secs: sets.will_delay_secs,
            }
        });
        Ok(SessionOptions {
            version,
            client_id,
            keep_alive_secs: self.keepalive,
            user_name: self.username.clone(),
            password: self.password.clone().map(OsString::into_vec),
            will,
            properties,
            disconnect_properties: sets.disconnect.clone(),
            inflight_messages_max: self.max_inflight.max(1),
            outgoing_topic_aliases_max: if sets.publish_with_alias { u16::MAX } else { 0 },
            ..SessionOptions::default()
        })
    }
}

impl Plan {
    /// The version that is spoken, or tried first.
    pub(crate) fn version(&self) -> Version {
        self.options.session.version
    }

    /// What to connect with, and whether its version is the only one that may be tried.
    pub(crate) fn into_options(self) -> (ConnectOptions, bool) {
        (self.options, !self.falls_back)
    }

    /// Lets the server have no more messages unacknowledged than are wanted, so that what is not
    /// wanted stays in the session.
    pub(crate) fn receive_no_more_than(&mut self, count: Option<u64>) {
        let count = count.and_then(|count| u16::try_from(count).ok());
        if let Some(count) = count.filter(|_| self.version().has_properties()) {
            let properties = &mut self.options.session.properties;
            properties.receive_maximum.get_or_insert(count);
        }
    }

    /// Leaves it to the command to acknowledge each message, once it has done with it.
    pub(crate) fn acknowledge_by_hand(&mut self) {
        self.options.session.acknowledges_by_hand = true;
    }

    /// Connects, with MQTT 3.1.1 if that is all that the server knows and nobody asked for more.
    pub(crate) async fn connect(&mut self) -> Result<(Client, Events), Trouble> {
        let connected = self.try_connect().await;
        connected.map_err(|error| connect_trouble(&error))
    }

    /// [`Self::try_connect`] for a connection that comes back by itself.
    pub(crate) async fn try_connect_lasting(
        &mut self,
        reconnect: &Reconnect,
    ) -> Result<(Client, LastingEvents), ConnectError> {
        self.connect_with(|options| {
            // Who asks on each connection for what he wants needs no session that does.
            let session = Session::new(options.session.clone());
            Client::resume_lasting(options, reconnect.clone(), session)
        })
        .await
    }

    /// [`Self::connect`] for a connection that comes back by itself, with what was not answered: the
    /// messages are sent again even if the server has forgotten the client.
    pub(crate) async fn connect_recovering(
        &mut self,
        reconnect: &Reconnect,
    ) -> Result<(Client, LastingEvents), Trouble> {
        let connected = self
            .connect_with(|options| Client::connect_lasting(options, reconnect.clone()))
            .await;
        connected.map_err(|error| connect_trouble(&error))
    }

    /// [`Self::connect`], for those who look at the error.
    pub(crate) async fn try_connect(&mut self) -> Result<(Client, Events), ConnectError> {
        self.connect_with(Client::connect).await
    }

    async fn connect_with<E, Connecting>(
        &mut self,
        connect: impl Fn(ConnectOptions) -> Connecting,
    ) -> Result<(Client, E), ConnectError>
    where
        Connecting: Future<Output = Result<(Client, E), ConnectError>>,
    {
        loop {
            let version = self.options.session.version;
            let address = &self.options.address;
            self.talk
                .debug(|| format!("Connecting to {address} with MQTT {version}"));
            match connect(self.options.clone()).await {
                Ok((client, events)) => {
                    self.talk.accepted(client.accepted());
                    return Ok((client, events));
                }
                Err(ConnectError::Mqtt(CloseCause::Refused { answer, .. }))
                    if self.falls_back
                        && answer.reason == ReasonCode::UnsupportedProtocolVersion =>
                {
                    self.talk
                        .debug(|| "The server does not know MQTT 5; trying 3.1.1".to_owned());
                    self.falls_back = false;
                    self.options.session.version = Version::V311;
                    self.options.session.properties.session_expiry_secs = None;
                    self.options.session.properties.receive_maximum = None;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The exit code of something that happens before the server has answered.
fn before_answer(exit: u8) -> u8 {
    match mosquitto::called_as() {
        Some(_) => EXIT_BEFORE_ANSWER,
        None => exit,
    }
}

/// The end of a connection that nobody asked for.
pub(crate) fn close_trouble(cause: &CloseCause, error: Option<&io::Error>) -> Trouble {
    let what = words::client::close(cause);
    let sentence = match error {
        Some(error) => words::with_cause(what, words::system(error)),
        None => what,
    };
    let exit = match cause {
        CloseCause::Refused { answer, version } => match answer.reason.to_v3_connack() {
            Some(code) if !version.has_reason_codes() => code,
            _ => answer.reason as u8,
        },
        CloseCause::ByServer(answer) if answer.reason.is_error() => answer.reason as u8,
        CloseCause::Malformed { .. } | CloseCause::OtherProtocol(_) | CloseCause::Violation(_) => {
            EXIT_PROTOCOL
        }
        CloseCause::Options(_) => return Trouble::usage(sentence),
        _ => EXIT_LOST,
    };
    Trouble::new(sentence, exit)
}

pub(crate) fn connect_trouble(error: &ConnectError) -> Trouble {
    let exit = match error {
        ConnectError::Mqtt(cause) => return close_trouble(cause, None),
        ConnectError::TlsSetup(_) => {
            let sentence = words::client::connect(error);
            return Trouble::new(sentence, before_answer(EXIT_TLS)).native_usage();
        }
        ConnectError::Tls { .. } => EXIT_TLS,
        ConnectError::Transport { source, .. } if source.raw_os_error().is_none() => EXIT_LOOKUP,
        _ => EXIT_SYSTEM,
    };
    Trouble::new(words::client::connect(error), before_answer(exit))
}

/// Runs a command to its end, with a thread of its own for the connection, so that a slow terminal
/// or pipe does not cost it its keep alive.
pub(crate) fn run_to_end(
    talk: Talk,
    command: impl Future<Output = Result<u8, Trouble>>,
) -> ExitCode {
    ExitCode::from(run_to_code(talk, command))
}

/// The same for a command that has more to do, with its exit code.
pub(crate) fn run_to_code(talk: Talk, command: impl Future<Output = Result<u8, Trouble>>) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(command);
            runtime.shutdown_timeout(Duration::ZERO);
            ended
        }
        Err(error) => {
            let sentence = words::cannot_start(words::system(&error));
            Err(Trouble::new(sentence, EXIT_SYSTEM))
        }
    };
    match ended {
        Ok(code) => code,
        Err(trouble) => {
            let exit = trouble.exit;
            talk.end(trouble);
            exit
        }
    }
}

/// Reads a whole file to send.
pub(crate) fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Trouble> {
    let read = fs::File::open(path).and_then(read_whole);
    read.map_err(|error| {
        let file = path.display().to_string();
        let sentence = match error.kind() {
            io::ErrorKind::FileTooLarge => words::file_too_large(file, PAYLOAD_BYTES_MAX),
            _ => words::unreadable(file, words::system(&error)),
        };
        Trouble::new(sentence, before_answer(EXIT_SYSTEM)).native_usage()
    })
}

pub(crate) fn parse_qos(text: &str) -> Result<QoS, Said> {
    let qos = text.parse().ok().and_then(QoS::from_u8);
    qos.ok_or_else(|| value::qos().into())
}

fn parse_version(text: &str) -> Result<Version, Said> {
    match text {
        "31" | "mqttv31" | "3.1" => Ok(Version::V31),
        "311" | "mqttv311" | "3.1.1" => Ok(Version::V311),
        "5" | "mqttv5" | "5.0" => Ok(Version::V5),
        _ => Err(value::version().into()),
    }
}

/// What `--tls-version` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TlsVersion {
    /// 1.2, or 1.3 where the server has it.
    From12,
    /// 1.3, or nothing.
    Only13,
}

fn parse_tls_version(text: &str) -> Result<TlsVersion, Said> {
    match text {
        // Nothing below 1.2 is spoken.
        "tlsv1.1" | "tlsv1.2" => Ok(TlsVersion::From12),
        "tlsv1.3" => Ok(TlsVersion::Only13),
        _ => Err(value::tls_version().into()),
    }
}

/// RFC 7301 has names of 1 to 255 bytes.
fn parse_application_protocol(text: &str) -> Result<String, Said> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        _ => Err(value::application_protocol().into()),
    }
}

fn parse_expiry(text: &str) -> Result<u32, Said> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| value::expiry().into()),
    }
}
