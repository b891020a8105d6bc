//! A whole instance with its management API, and a client of HTTP that blocks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_broker::limits::Limits;
use columba_codec::packet::{
    Connect, Packet, Publish, Subscribe, SubscribeFilters, SubscribeOptions,
};
use columba_codec::{
    Decoded, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Version, decode,
};
use columba_server::Broker;
use columba_server::admin::{Admin, AdminParts, Wish};
use columba_server::auth::Authenticator;
use columba_server::auth::tokens::{Scopes, Token, with_token};
use columba_server::instance::create::create;
use columba_server::instance::{Instance, Location, Overrides};
use columba_server::listener::BoundAddress;
use columba_server::recorder::Past;
use columba_server::reload::Reloader;
use columba_server::store::StoreConfig;
use columba_store::Files;
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for any answer on a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// An instance that runs, with two shards.
pub(crate) struct Bed {
    pub(crate) dir: TempDir,
    broker: Option<Broker>,
    admin: Option<Admin>,
    wishes: Sender<Wish>,
    reloading: Option<JoinHandle<()>>,
    /// The password of `admin`.
    pub(crate) password: String,
    /// A token for everything.
    pub(crate) token: String,
}

impl Bed {
    /// The recorders use so many bytes from now on. (A reload tells of users alone here.)
    pub(crate) fn resize_recorders(&self, recorder_bytes_max: usize) {
        let limits = Limits {
            recorder_bytes_max,
            ..Limits::default()
        };
        let broker = self.broker.as_ref().unwrap();
        broker.set_limits(limits.into());
    }

    /// A fresh instance.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// A fresh instance with more lines in `[admin]`.
    pub(crate) fn with(admin: &str) -> Self {
        Self::with_files(admin, &[])
    }

    /// The same with files in `etc`.
    pub(crate) fn with_files(admin: &str, files: &[(&str, &str)]) -> Self {
        let (dir, password, token) = Self::make(admin, files);
        Self::start(dir, password, token)
    }

    fn make(admin: &str, files: &[(&str, &str)]) -> (TempDir, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("i");
        let password = create(&place).unwrap();
        let config = format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\n[broker]\nshards = 2\n[access]\nusers = \
             \"etc/users\"\nacl = \"etc/acl.toml\"\n[store]\ndurability = \"os\"\n[admin]\nbind = \
             \"127.0.0.1:0\"\n{admin}\n"
        );
        std::fs::write(place.join("etc/columba.toml"), config).unwrap();
        for (name, text) in files {
            std::fs::write(place.join("etc").join(name), text).unwrap();
        }
        let token = add_token(&place, "root", "admin");
        (dir, password, token)
    }

    /// A fresh instance whose store is on this disk, with more lines behind its configuration.
    pub(crate) fn on_disk(disk: impl Files + 'static, more: &str) -> Self {
        let (dir, password, token) = Self::make(more, &[]);
        Self::start_on(dir, password, token, Some(Box::new(disk)))
    }

    fn start(dir: TempDir, password: String, token: String) -> Self {
        Self::start_on(dir, password, token, None)
    }

    fn start_on(
        dir: TempDir,
        password: String,
        token: String,
        disk: Option<Box<dyn Files>>,
    ) -> Self {
        let location = Location::of_directory(&dir.path().join("i"));
        let overrides = Overrides::default();
        let instance = Instance::load(&location, &overrides, []).unwrap();
        let authenticator = Arc::new(Authenticator::new(Arc::clone(&instance.users)).unwrap());
        let mut runtime = instance.runtime_config(authenticator.clone()).unwrap();
        if let Some(files) = disk {
            runtime.store = Some(StoreConfig {
                files,
                place: "disk".to_owned(),
                is_synced: true,
            });
        }
        let broker = Broker::start(runtime).unwrap();
        let (config, bans) = (instance.config.clone(), Arc::clone(&instance.bans));
        let mut reloader = Reloader::new(location, overrides, instance, Arc::clone(&authenticator));
        let (wishes, wished) = channel();
        let admin = Admin::start(AdminParts {
            config,
            running: reloader.running(),
            asker: broker.asker().clone(),
            authenticator,
            bans,
            past: Past::default(),
            wishes: wishes.clone(),
        })
        .unwrap();
        // What to tell of a change goes through the broker, which the bed owns; users are enough.
        let reloading = std::thread::spawn(move || {
            while let Ok(Wish::Reload(reply)) = wished.recv() {
                let told = reloader.reload([]).map(drop);
                let _ = reply.send(told.map_err(|faults| format!("{} faults", faults.len())));
            }
        });
        Self {
            dir,
            broker: Some(broker),
            admin: Some(admin),
            wishes,
            reloading: Some(reloading),
            password,
            token,
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(admin) = self.admin.take() {
            admin.stop();
        }
        if let Some(broker) = self.broker.take() {
            broker.shutdown();
        }
        let _ = self.wishes.send(Wish::End);
        if let Some(thread) = self.reloading.take() {
            thread.join().unwrap();
        }
    }

    /// Stops the instance and starts it again.
    pub(crate) fn restart(mut self) -> Self {
        self.stop();
        let empty = tempfile::tempdir().unwrap();
        let dir = std::mem::replace(&mut self.dir, empty);
        Self::start(dir, self.password.clone(), self.token.clone())
    }

    /// Where the API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.admin.as_ref().unwrap().address().unwrap()
    }

    /// The directory of the instance.
    pub(crate) fn instance(&self) -> std::path::PathBuf {
        self.dir.path().join("i")
    }

    /// Makes a token.
    pub(crate) fn token(&self, name: &str, scopes: &str) -> String {
        add_token(&self.instance(), name, scopes)
    }

    /// A request with the token for everything.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.request_as(&format!("Bearer {}", self.token), method, path, body)
    }

    /// A request with other credentials.
    pub(crate) fn request_as(
        &self,
        credentials: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let header = format!("Authorization: {credentials}\r\n");
        self.send(method, path, &header, body)
    }

    /// A request with other headers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<Value>,
    ) -> Answer {
        let host = format!("Host: {}\r\n", self.address());
        self.raw(&request_text(
            method,
            path,
            &format!("{host}{headers}"),
            body,
        ))
    }

    /// A request as it is written.
    pub(crate) fn raw(&self, text: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        answer(stream)
    }

    /// Asks for a stream of events, with other headers.
    pub(crate) fn stream(&self, path: &str, headers: &str) -> Stream {
        self.stream_after(path, headers, |begin| {
            assert!(begin["process_started_unix_ms"].as_u64().unwrap() > 0);
        })
    }

    /// The same for a stream that begins with something else.
    pub(crate) fn stream_after(
        &self,
        path: &str,
        headers: &str,
        check: impl FnOnce(&Value),
    ) -> Stream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let headers = format!(
            "Host: {}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n{headers}",
            self.address(),
            self.token
        );
        let text = request_text("GET", path, &headers, None);
        stream.write_all(text.as_bytes()).unwrap();
        let mut stream = Stream(BufReader::new(stream));
        let status = stream.line().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        let (name, data) = stream.event().unwrap();
        assert_eq!(name, "begin");
        check(&data);
        stream
    }

    /// A request through the Unix socket.
    pub(crate) fn local(&self, method: &str, path: &str) -> Answer {
        let mut stream = UnixStream::connect(self.instance().join("data/admin.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let text = request_text(method, path, "Host: columba\r\n", None);
        stream.write_all(text.as_bytes()).unwrap();
        answer(stream)
    }

    /// GET with the token for everything; the body of a 200.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// All rows of a list, page by page.
    pub(crate) fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{mark}limit={limit}{cursor}"));
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= limit);
            rows.extend(data.iter().cloned());
            match page["page"]["next"].as_str() {
                None => return rows,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
    }

    /// Connects a client of MQTT 5, from this machine without a password.
    pub(crate) fn connect(&self, client_id: &str) -> Client {
        let client = self.connect_raw(client_id, None);
        client.unwrap_or_else(|reason| panic!("refused: {reason}"))
    }

    /// The same as a user.
    pub(crate) fn connect_as(&self, client_id: &str, user: &str, password: &str) -> Client {
        let client = self.connect_raw(client_id, Some((user, password)));
        client.unwrap_or_else(|reason| panic!("refused: {reason}"))
    }

    /// The same, with the reason if it is refused.
    pub(crate) fn connect_raw(
        &self,
        client_id: &str,
        login: Option<(&str, &str)>,
    ) -> Result<Client, ReasonCode> {
        self.connect_with(client_id, login, Properties::EMPTY)
    }

    /// Connects a client whose session outlives its connections for ever.
    pub(crate) fn connect_keeping(&self, client_id: &str, login: Option<(&str, &str)>) -> Client {
        let mut properties = PropertiesBuf::new();
        let expiry = columba_codec::Value::U32(u32::MAX);
        properties
            .push(PropertyId::SessionExpiryInterval, expiry)
            .unwrap();
        self.connect_with(client_id, login, properties.as_properties())
            .unwrap()
    }

    fn connect_with(
        &self,
        client_id: &str,
        login: Option<(&str, &str)>,
        properties: Properties<'_>,
    ) -> Result<Client, ReasonCode> {
        let BoundAddress::Ip(address) = self.broker.as_ref().unwrap().addresses()[0].clone() else {
            panic!("no address");
        };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client {
            stream,
            received: Vec::new(),
        };
        client.send(&Packet::Connect(Connect {
            version: Version::V5,
            is_bridge: false,
            clean_start: true,
            keep_alive_secs: 0,
            properties,
            client_id,
            will: None,
            user_name: login.map(|(user, _)| user),
            password: login.map(|(_, password)| password.as_bytes()),
        }));
        let reason = client.receive(|packet| match packet {
            Packet::ConnAck(ack) => ack.reason,
            other => panic!("{other:?}"),
        });
        match reason {
            ReasonCode::Success => Ok(client),
            other => Err(other),
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop();
    }
}

fn add_token(dir: &Path, name: &str, scopes: &str) -> String {
    let scopes: Scopes = scopes.parse().unwrap();
    let (token, text) = Token::new(scopes, None).unwrap();
    let path = dir.join("etc/tokens");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, with_token(&old, name, &token)).unwrap();
    text
}

/// Credentials for Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub(crate) fn request_text(method: &str, path: &str, headers: &str, body: Option<Value>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n");
    match body {
        None => text.push_str("\r\n"),
        Some(body) => {
            let body = body.to_string();
            let len = body.len();
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
            ));
        }
    }
    text
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The code of a problem, which has to be one.
    pub(crate) fn code(&self) -> String {
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn answer(stream: impl Read) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: {line:?}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    Answer {
        status,
        headers,
        body,
    }
}

/// Reads a stream of events.
pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let len = self.0.read_line(&mut line).unwrap();
        (len > 0).then(|| line.trim_end().to_owned())
    }

    /// Name and value of the next line that has one; the sizes of HTTP's chunks stand between them.
    pub(crate) fn field(&mut self) -> Option<(String, String)> {
        // Comments keep on coming when nothing else does.
        let begun = std::time::Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "nothing comes");
            let line = self.line()?;
            let found = ["event", "data", "id"].into_iter().find_map(|name| {
                let value = line.strip_prefix(name)?.strip_prefix(": ")?;
                Some((name.to_owned(), value.to_owned()))
            });
            if found.is_some() {
                return found;
            }
        }
    }

    /// The next event, its name and its data.
    pub(crate) fn event(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        loop {
            match self.field()? {
                (name, value) if name == "event" => event = value,
                (name, value) if name == "data" => {
                    return Some((event, serde_json::from_str(&value).unwrap()));
                }
                _ => {}
            }
        }
    }

    /// The next id.
    pub(crate) fn id(&mut self) -> String {
        loop {
            let (name, value) = self.field().unwrap();
            if name == "id" {
                return value;
            }
        }
    }
}

/// A client of MQTT 5 that blocks.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next packet.
    pub(crate) fn receive<T>(&mut self, take: impl FnOnce(&Packet<'_>) -> T) -> T {
        loop {
            if let Ok(Decoded::Packet(packet, len)) = decode(&self.received, Version::V5, u32::MAX)
            {
                let taken = take(&packet);
                self.received.drain(..len);
                return taken;
            }
            let mut more = [0; 4096];
            let len = self.stream.read(&mut more).unwrap();
            assert!(len > 0, "the connection is closed");
            self.received.extend_from_slice(&more[..len]);
        }
    }

    /// Subscribes and waits for the SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let mut filters = Vec::new();
        SubscribeFilters::put(&mut filters, filter, SubscribeOptions::from_qos(qos)).unwrap();
        self.send(&Packet::Subscribe(Subscribe {
            packet_id: NonZeroU16::MIN,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from_bytes(&filters, Version::V5).unwrap(),
        }));
        self.receive(|packet| assert!(matches!(packet, Packet::SubAck(_)), "{packet:?}"));
    }

    /// Publishes with QoS 0.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.send_publish(topic, payload, None);
    }

    /// Publishes with QoS 1, and does not wait for the PUBACK.
    pub(crate) fn publish_qos_1(&mut self, topic: &str, payload: &[u8]) {
        self.send_publish(topic, payload, Some(NonZeroU16::MIN));
    }

    fn send_publish(&mut self, topic: &str, payload: &[u8], packet_id: Option<NonZeroU16>) {
        self.send(&Packet::Publish(Publish {
            dup: false,
            qos: packet_id.map_or(QoS::AtMostOnce, |_| QoS::AtLeastOnce),
            retain: false,
            topic,
            packet_id,
            properties: Properties::EMPTY,
            payload,
        }));
    }

    /// Topic and payload of the next message, which is not answered.
    pub(crate) fn message(&mut self) -> (String, String) {
        self.receive(|packet| match packet {
            Packet::Publish(publish) => (
                publish.topic.to_owned(),
                String::from_utf8_lossy(publish.payload).into_owned(),
            ),
            other => panic!("{other:?}"),
        })
    }

    /// The reason of the DISCONNECT that comes next.
    pub(crate) fn farewell(&mut self) -> ReasonCode {
        self.receive(|packet| match packet {
            Packet::Disconnect(disconnect) => disconnect.reason,
            other => panic!("{other:?}"),
        })
    }
}
