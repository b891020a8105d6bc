//! Asks a running broker through its management API: over the Unix socket of an instance on this
//! machine, or over HTTP with a token.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use columba_client::driver::{TlsOptions, tls_config};
use columba_server::config::Config;
use columba_server::instance::Location;
use columba_speech::Param;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use crate::context::{self, Chosen, Secret};
use crate::create::quoted;
use crate::event_reader::EventReader;
use crate::failure::Failure;
use crate::presence;
use crate::words::{self, Said, broker, problem, system};

/// How long an answer may take; the broker itself gives up sooner.
const PATIENCE: Duration = Duration::from_secs(40);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of one line of its head.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Where an instance is, if nothing is said.
pub(crate) const DEFAULT_DIR: &str = "columba-data";

/// Which broker, and as whom.
#[derive(Args, Clone, Debug, Default)]
pub struct AdminArgs {
    /// Directory of an instance that runs on this machine; without it ./columba-data, or the only broker
    /// that runs here
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(crate) dir: Option<PathBuf>,
    /// Management API of a broker, such as `https://broker.example:61680`
    ///
    /// The environment can name it in COLUMBA_URL.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Token for it; better in the environment as COLUMBA_TOKEN, or in a context, where other users
    /// cannot see it
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// File with the certificates to trust, in PEM format; without it those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// Take broker and token from this context; see `columba context`
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// A user of the broker and its password, in the place of a token.
    #[arg(skip)]
    pub(crate) login: Option<Login>,
    /// The same, where there is no token either.
    #[arg(skip)]
    pub(crate) login_of_client: Option<Login>,
}

/// A user of the broker, who may ask about clients of its own.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

impl Login {
    /// As a header says it.
    fn credentials(&self) -> String {
        let plain = format!("{}:{}", self.user, self.password.reveal());
        format!("Basic {}", STANDARD.encode(plain))
    }
}

impl AdminArgs {
    /// What a context says, and nothing else.
    pub(crate) fn of_context(name: &str) -> Self {
        Self {
            context: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Whether nothing says which broker to ask, and there is none where it is looked for then.
    pub(crate) fn names_nobody(&self) -> bool {
        let args = self.filled();
        let is_nothing_said = args.is_ok_and(|args| args.url.is_none() && args.dir.is_none());
        is_nothing_said && !is_instance(Path::new(DEFAULT_DIR)) && presence::sockets().is_empty()
    }

    /// The same once environment and context have had their say.
    fn filled(&self) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut args = self.clone();
        let names_broker = args.url.is_some() || args.dir.is_some();
        // A broker and a token of the environment go before a context that nobody names.
        let url_of_environment = variable("COLUMBA_URL");
        let is_told = names_broker || args.context.is_none() && url_of_environment.is_some();
        let mut login_of_context = None;
        let chosen = context::choose(args.context.as_deref(), is_told)?;
        let has_broker =
            |chosen: &Chosen| chosen.context.api.is_some() || chosen.context.dir.is_some();
        match chosen {
            Some(chosen) if names_broker || has_broker(&chosen) => {
                if !names_broker {
                    args.url.clone_from(&chosen.context.api);
                    args.dir.clone_from(&chosen.context.dir);
                }
                if args.token.is_none() && args.login.is_none() {
                    args.token = chosen.context.read_token()?;
                    login_of_context = chosen.context.read_login()?;
                }
                args.cafile = args.cafile.or(chosen.context.cafile);
            }
            Some(chosen) if chosen.is_named => {
                let what = broker::context_without_api(chosen.name);
                return Err(Failure::new(what).fix(broker::add_api()).faulty());
            }
            Some(_) | None if names_broker => {}
            Some(_) | None => args.url = url_of_environment,
        }
        if args.login.is_none() {
            args.token = args.token.or_else(|| variable("COLUMBA_TOKEN"));
        }
        // Whoever may use the socket of an instance needs neither.
        if args.token.is_none() && args.url.is_some() {
            let login = args.login.or_else(|| args.login_of_client.take());
            args.login = login.or(login_of_context);
        }
        Ok(args)
    }
}

/// Reaches the management API of one broker.
#[derive(Clone, Debug)]
pub struct AdminClient {
    target: Target,
    /// The header Authorization.
    authorization: Option<String>,
    /// What the command calls the option with the URL.
    url_option: &'static str,
    patience: Duration,
}

#[derive(Clone, Debug)]
enum Target {
    Socket(PathBuf),
    Http {
        host: String,
        port: u16,
        tls: Option<TlsOptions>,
    },
}

pub(crate) trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl AdminClient {
    /// The broker that the options name.
    ///
    /// # Errors
    /// There is no such instance, or the URL is none.
    pub(crate) fn new(args: &AdminArgs) -> Result<Self, Failure> {
        Self::with_url_option(args, "--url")
    }

    /// The same for a command whose option with the URL has another name.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub(crate) fn with_url_option(
        args: &AdminArgs,
        url_option: &'static str,
    ) -> Result<Self, Failure> {
        let args = args.filled()?;
        let target = match (&args.url, &args.dir) {
            (Some(url), None) => target_of(url, args.cafile.clone())?,
            (_, Some(dir)) => Target::Socket(socket_of(dir, url_option)?),
            (None, None) => Target::Socket(socket_here(url_option)?),
        };
        let token = args.token.map(|token| format!("Bearer {token}"));
        let authorization = token.or_else(|| args.login.map(|login| login.credentials()));
        Ok(Self {
            target,
            authorization,
            url_option,
            patience: PATIENCE,
        })
    }

    /// The broker of the options, if it is one on this machine that is asked over its socket.
    pub(crate) fn of_socket(args: &AdminArgs, patience: Duration) -> Option<Self> {
        let client = Self::new(args).ok()?;
        matches!(client.target, Target::Socket(_)).then_some(Self { patience, ..client })
    }

    /// What a path below `/api/v1` says.
    ///
    /// # Errors
    /// The broker cannot be reached, or says no.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.request("GET", path, None)
    }

    /// All rows of a list, page by page.
    ///
    /// # Errors
    /// As for [`Self::get`]; the rows before have been handed out then.
    pub(crate) fn rows(
        &self,
        path: &str,
        mut take: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut cursor = String::new();
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{mark}limit=1000{cursor}"))?;
            let rows = page.get("data").and_then(Value::as_array);
            for row in rows.into_iter().flatten() {
                take(row)?;
            }
            match page.pointer("/page/next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => return Ok(()),
            }
        }
    }

    /// Makes a request; `null` if the answer has no body.
    ///
    /// # Errors
    /// The broker cannot be reached, or says no.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut wire = self.open()?;
        let text = self.head(method, path, "Accept: application/json\r\n", body);
        let lost = |error: io::Error| self.lost(&error);
        wire.write_all(text.as_bytes()).map_err(lost)?;
        wire.flush().map_err(lost)?;
        let (status, text) = read_answer(wire).map_err(lost)?;
        let json = || serde_json::from_slice::<Value>(&text);
        match status {
            200..=299 if text.is_empty() => Ok(Value::Null),
            200..=299 => json()
                .map_err(|error| Failure::new(broker::no_json(self.name(), error.to_string()))),
            _ => Err(self.refusal(status, &json().unwrap_or_default())),
        }
    }

    /// Opens a stream of events, behind the one with an id if there is one.
    ///
    /// # Errors
    /// The broker cannot be reached, or says no.
    pub(crate) fn stream(&self, path: &str, after: Option<&str>) -> Result<EventReader, Failure> {
        let mut wire = self.open()?;
        let lost = |error: io::Error| self.lost(&error);
        let mut headers = "Accept: text/event-stream\r\n".to_owned();
        if let Some(id) = after {
            headers.push_str(&format!("Last-Event-ID: {id}\r\n"));
        }
        let text = self.head("GET", path, &headers, None);
        wire.write_all(text.as_bytes()).map_err(lost)?;
        wire.flush().map_err(lost)?;
        let mut reader = BufReader::new(wire);
        let head = Head::read(&mut reader).map_err(lost)?;
        if head.status != 200 {
            let text = head.read_body(&mut reader).map_err(lost)?;
            let problem = serde_json::from_slice(&text).unwrap_or_default();
            return Err(self.refusal(head.status, &problem));
        }
        Ok(EventReader::new(reader, head.is_chunked))
    }

    fn lost(&self, error: &io::Error) -> Failure {
        Failure::new(broker::lost(self.name(), system(error))).unreachable()
    }

    fn head(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> String {
        let host = match &self.target {
            Target::Socket(_) => "localhost".to_owned(),
            Target::Http { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Target::Http { host, port, .. } => format!("{host}:{port}"),
        };
        let mut text = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n"
        );
        if let Some(authorization) = &self.authorization {
            text.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            let len = body.len();
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {len}\r\n"
            ));
        }
        text.push_str("\r\n");
        text.push_str(&body.unwrap_or_default());
        text
    }

    /// Which broker it is, for people.
    pub(crate) fn name(&self) -> String {
        match &self.target {
            Target::Socket(path) => path.display().to_string(),
            Target::Http { host, port, .. } => format!("{host}:{port}"),
        }
    }

    fn open(&self) -> Result<Box<dyn Wire>, Failure> {
        let name = self.name();
        let closed = |error: &io::Error| {
            let failure = Failure::new(broker::no_answer(name.as_str(), system(error)));
            let url_option = self.url_option;
            let fix = match &self.target {
                Target::Socket(_) => broker::start_it(url_option),
                Target::Http { .. } => broker::check_bind(),
            };
            match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    failure.fix(broker::be_its_user(url_option)).unauthorized()
                }
                _ => failure.fix(fix).unreachable(),
            }
        };
        match &self.target {
            Target::Socket(path) => {
                let stream = UnixStream::connect(path).map_err(|error| closed(&error))?;
                drop(stream.set_read_timeout(Some(self.patience)));
                Ok(Box::new(stream))
            }
            Target::Http { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port));
                let stream = stream.map_err(|error| closed(&error))?;
                drop(stream.set_read_timeout(Some(self.patience)));
                let Some(tls) = tls else {
                    return Ok(Box::new(stream));
                };
                let config = tls_config(tls)
                    .map_err(|error| Failure::new(words::client::connect(&error)))?;
                let server = ServerName::try_from(host.clone())
                    .map_err(|_| Failure::new(broker::no_host(host.as_str())).faulty())?;
                let session = ClientConnection::new(Arc::new(config), server)
                    .map_err(|error| Failure::new(error.to_string()))?;
                Ok(Box::new(StreamOwned::new(session, stream)))
            }
        }
    }

    /// A problem in words.
    fn refusal(&self, status: u16, problem: &Value) -> Failure {
        let detail = problem.get("detail").and_then(Value::as_str);
        let what = match detail {
            Some(detail) => broker::says(problem::said(detail)),
            None => broker::answers(self.name(), status.to_string()),
        };
        let failure = Failure::new(what);
        match status {
            401 | 403 => failure.fix(broker::make_token()).unauthorized(),
            503 | 504 => failure.unreachable(),
            _ => failure,
        }
    }
}

/// A text as a part of a path or query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The socket of the instance in ./columba-data; if there is none, of the only broker that runs here.
fn socket_here(url_option: &str) -> Result<PathBuf, Failure> {
    let dir = Path::new(DEFAULT_DIR);
    if is_instance(dir) {
        return socket_of(dir, url_option);
    }
    let mut sockets = presence::sockets();
    let what = match (sockets.pop(), sockets.as_slice()) {
        (Some(socket), []) => return Ok(socket),
        (None, _) => broker::none_runs(DEFAULT_DIR),
        (Some(last), others) => {
            let all = others
                .iter()
                .chain([&last])
                .map(|socket| instance_of(socket));
            broker::several_run(all.collect::<Vec<_>>().join(", "))
        }
    };
    Err(Failure::new(what)
        .fix(broker::name_its_dir(url_option))
        .faulty())
}

fn is_instance(dir: &Path) -> bool {
    Location::of_directory(dir).config_file.exists()
}

/// What `--dir` takes for the instance of a socket, if it has the usual place.
fn instance_of(socket: &Path) -> String {
    let usual = socket.ancestors().nth(2);
    let dir = usual.filter(|dir| is_instance(dir));
    dir.unwrap_or(socket).display().to_string()
}

/// The socket of an instance.
fn socket_of(dir: &Path, url_option: &str) -> Result<PathBuf, Failure> {
    let location = Location::of_directory(dir);
    let text = std::fs::read_to_string(&location.config_file).map_err(|error| {
        let what = broker::no_instance(dir.display().to_string(), system(&error));
        Failure::new(what)
            .fix(broker::name_its_dir(url_option))
            .faulty()
    })?;
    let name = location.config_file.display().to_string();
    let (config, _) = Config::read(&name, &text, &location.base, std::env::vars());
    if !config.admin.is_enabled {
        let fix = broker::enable_it(quoted(&location.config_file));
        return Err(Failure::new(broker::no_api()).fix(fix).faulty());
    }
    Ok(config.admin.socket)
}

/// Whether a text is the URL of a management API.
pub(crate) fn check_url(url: &str) -> Result<(), Param> {
    let target = target_of(url, None);
    target.map(drop).map_err(|failure| failure.sentence())
}

fn target_of(url: &str, ca_file: Option<PathBuf>) -> Result<Target, Failure> {
    let wrong = || {
        Failure::new(broker::no_url(url))
            .fix(broker::write_url())
            .faulty()
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let is_tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return Err(wrong()),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|of| of.split_once(']'))
    {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(61680), str::parse).map_err(|_| wrong())?;
    if host.is_empty() || host.contains('@') {
        return Err(wrong());
    }
    Ok(Target::Http {
        host: host.to_owned(),
        port,
        tls: is_tls.then(|| TlsOptions {
            ca_file,
            ..TlsOptions::default()
        }),
    })
}

/// Status and body.
fn read_answer(wire: impl Read) -> io::Result<(u16, Vec<u8>)> {
    let mut reader = BufReader::new(wire);
    let head = Head::read(&mut reader)?;
    let body = head.read_body(&mut reader)?;
    Ok((head.status, body))
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Said::from(broker::no_http()))
}

/// What stands before the body of an answer.
struct Head {
    status: u16,
    len: Option<u64>,
    is_chunked: bool,
}

impl Head {
    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let first = read_line(reader)?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok())
            .ok_or_else(strange)?;
        let (mut len, mut is_chunked) = (None, false);
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(strange)?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                len = Some(value.parse::<u64>().map_err(|_| strange())?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = value.eq_ignore_ascii_case("chunked");
            }
        }
        Ok(Self {
            status,
            len,
            is_chunked,
        })
    }

    fn read_body(&self, reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.is_chunked {
            while let Some(size) = chunk_size(reader)? {
                take(reader, &mut body, size)?;
                read_line(reader)?;
            }
            return Ok(body);
        }
        match (self.len, self.status) {
            (_, 204 | 304) => {}
            (Some(len), _) => take(reader, &mut body, len)?,
            (None, _) => {
                reader.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }
}

/// Bytes of the next chunk of a body; none: it was the last.
pub(crate) fn chunk_size(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let line = read_line(reader)?;
    let size = line.split(';').next().unwrap_or_default();
    let size = u64::from_str_radix(size, 16).map_err(|_| strange())?;
    Ok((size > 0).then_some(size))
}

/// Appends exactly so many bytes.
fn take(reader: &mut impl Read, body: &mut Vec<u8>, len: u64) -> io::Result<()> {
    if (body.len() as u64).saturating_add(len) > ANSWER_BYTES_MAX {
        return Err(io::Error::other(Said::from(broker::answer_too_large())));
    }
    let read = reader.take(len).read_to_end(body)?;
    if (read as u64) < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A line without its end.
pub(crate) fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(LINE_BYTES_MAX).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_and_a_port() {
        let check = |url: &str, expected: Option<(&str, u16, bool)>| {
            let told = target_of(url, None).ok().map(|target| match target {
                Target::Http { host, port, tls } => (host, port, tls.is_some()),
                Target::Socket(path) => panic!("{}", path.display()),
            });
            let expected = expected.map(|(host, port, tls)| (host.to_owned(), port, tls));
            assert_eq!(told, expected, "{url}");
        };
        check("http://127.0.0.1:1", Some(("127.0.0.1", 1, false)));
        check(
            "https://broker.example/",
            Some(("broker.example", 61680, true)),
        );
        check("http://[::1]:8", Some(("::1", 8, false)));
        check("http://[::1]", Some(("::1", 61680, false)));
        for url in [
            "",
            "x",
            "mqtt://a",
            "http://",
            "http://a:b",
            "http://u:p@h",
            "http://a:70000",
        ] {
            check(url, None);
        }
    }

    #[test]
    fn answers_come_with_a_length_in_chunks_or_until_the_end() {
        let check = |text: &str, expected: Option<(u16, &str)>| {
            let told = read_answer(text.as_bytes()).ok();
            let told = told.map(|(status, body)| (status, String::from_utf8(body).expect("text")));
            let expected = expected.map(|(status, body)| (status, body.to_owned()));
            assert_eq!(told, expected, "{text}");
        };
        let head = "HTTP/1.1 200 OK\r\n";
        check(
            &format!("{head}Content-Length: 2\r\n\r\n{{}}x"),
            Some((200, "{}")),
        );
        check(&format!("{head}\r\nall of it"), Some((200, "all of it")));
        let chunks =
            "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        check(&format!("{head}{chunks}"), Some((200, "{}0123456789")));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, "")));
        check(&format!("{head}Content-Length: 3\r\n\r\n{{}}"), None);
        check(
            &format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{"),
            None,
        );
        check(
            &format!("{head}Content-Length: 99999999999999\r\n\r\n"),
            None,
        );
        check("SSH-2.0\r\n\r\n", None);
        check("HTTP/1.1 200", None);
        check("", None);
    }

    #[test]
    fn texts_are_encoded_for_paths() {
        assert_eq!(
            encoded("home/客 厅#+"),
            "home%2F%E5%AE%A2%20%E5%8E%85%23%2B"
        );
        assert_eq!(encoded("a-b_c.d~E9"), "a-b_c.d~E9");
    }
}
