//! `columba bench`: makes load for any MQTT broker and says what became of every message.

mod amount;
pub(crate) mod print;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use columba_bench::threshold::Finding;
use columba_bench::{Amount, Kind, Plan, Progress, Report, Threshold, Trouble, Watch};
use columba_codec::{QoS, Version};
use columba_speech::Text;

use crate::connection::Url;
use crate::context::{self, Chosen};
use crate::failure::{EXIT_FAULTY, Failure, end, note, print, say};
use crate::language::spoken;
use crate::screen;
use crate::words::broker::no_signals;
use crate::words::{self as all_words, Said, bench as words, failed, system, value};
use amount::{parse_duration, parse_number, parse_size, parse_time_or_number};

const CLIENT_ID: &str = "bench-%r-%i";
/// A condition of `--fail-if` holds.
const EXIT_THRESHOLD: u8 = 10;
/// Troubles that are told in words.
const TROUBLES_MAX: usize = 3;

/// Make load for any MQTT broker, and account for every message
///
/// Publishers stamp each message with its number and the time it was due; what arrives tells loss,
/// duplicates, order and latency. Without --rate each publisher sends as fast as the broker takes
/// and delivers (closed loop: measures throughput). With --rate messages are due at fixed times,
/// late or not (open loop: measures latency).
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    #[command(subcommand)]
    kind: KindCommand,
}

const EXAMPLES: &str = "\
Examples:
  How many messages a second go through, one publisher to one subscriber:
    columba bench pair
  Latency at 5,000 messages a second over 20 pairs, and a verdict for a pipeline:
    columba bench pair -c 20 --rate 5000 -q 1 --duration 30s --fail-if 'p99>20ms'
  A thousand devices to one collector, and what the broker pays for it:
    columba bench fanin -c 1000 -q 1 --broker-pid $(pidof mosquitto)
  Ten thousand connections, 500 a second:
    columba bench conn -c 10000 --connect-rate 500
Exit codes: 0 done, 1 the run failed or the broker broke a promise of MQTT, 2 faulty command line,
10 a condition of --fail-if holds.";

#[derive(Subcommand, Clone, Debug)]
enum KindCommand {
    /// Open connections and hold them; times CONNECT to CONNACK
    Conn(LoadArgs),
    /// Publish to nobody in particular; times publish to acknowledgement
    Pub(LoadArgs),
    /// Subscribe, and count and check what comes
    Sub(LoadArgs),
    /// Publishers, each with a subscriber of its own
    Pair(LoadArgs),
    /// Many publishers, one subscriber
    #[command(visible_alias = "fan-in")]
    Fanin(LoadArgs),
    /// One publisher, many subscribers
    #[command(visible_alias = "fan-out")]
    Fanout(LoadArgs),
    /// Store retained messages, have subscribers take them all, clear them
    Retained(LoadArgs),
    /// Sessions that were away take what was kept for them
    Offline(LoadArgs),
    /// Devices at mixed QoS, a collector, dashboards and a controller at once
    Mixed(LoadArgs),
    /// Many subscriptions, few of which match a message
    Filters(LoadArgs),
}

/// The options of all kinds.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true, disable_version_flag = true)]
struct LoadArgs {
    /// The broker [default: that of the context, or 127.0.0.1]
    #[arg(
        short = 'h',
        long,
        visible_alias = "hostname",
        value_name = "HOST",
        help_heading = "Broker"
    )]
    host: Option<String>,
    /// Its port [default: that of the context, or 1883]
    #[arg(short, long, value_name = "PORT", help_heading = "Broker")]
    port: Option<u16>,
    /// Take broker and user from this context; see `columba context`
    #[arg(long, value_name = "NAME", help_heading = "Broker")]
    context: Option<String>,
    /// Version of MQTT: 3.1, 3.1.1 or 5
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5", value_parser = parse_version, help_heading = "Broker")]
    mqtt_version: Version,
    /// User name; %i is the number of the client
    #[arg(short, long, help_heading = "Broker")]
    username: Option<String>,
    /// Password
    #[arg(short = 'P', long, visible_alias = "pw", help_heading = "Broker")]
    password: Option<String>,
    /// Client ids; %i is the number of the client, %r that of the run
    #[arg(
        short = 'I',
        long,
        value_name = "PATTERN",
        default_value = CLIENT_ID,
        help_heading = "Broker"
    )]
    client_id: String,
    /// Keep alive in seconds; 0 turns it off
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        help_heading = "Broker"
    )]
    keepalive: u16,

    /// How long sessions outlive their connection, so that the broker has to keep them (MQTT 3: clean
    /// session 0); removed at the end. For pub, pair, fanin, fanout, mixed, filters and offline
    /// [default: 0, they end with it; offline: 3600]
    #[arg(
        short = 'x',
        long,
        visible_alias = "session-expiry-interval",
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "Load"
    )]
    session_expiry: u32,
    /// Connections, publishers, subscribers, pairs, sessions or devices, by kind
    #[arg(short, long, value_name = "COUNT", value_parser = parse_u32, help_heading = "Load")]
    clients: Option<u32>,
    /// Messages in all [default: as many as go into --duration]
    #[arg(short = 'n', long, visible_alias = "limit", short_alias = 'L', value_name = "MESSAGES", value_parser = parse_number, conflicts_with = "duration", help_heading = "Load")]
    count: Option<u64>,
    /// How long to measure [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    duration: Option<Duration>,
    /// What goes before, unmeasured: a time or a number of messages
    #[arg(long, value_name = "TIME|MESSAGES", value_parser = parse_time_or_number, help_heading = "Load")]
    warmup: Option<Amount>,
    /// Open loop: messages a second, all publishers together
    #[arg(short, long, value_name = "PER-SECOND", value_parser = parse_rate, help_heading = "Load")]
    rate: Option<f64>,
    /// Open loop: milliseconds between two messages of a publisher
    #[arg(
        long,
        value_name = "MS",
        conflicts_with = "rate",
        help_heading = "Load"
    )]
    message_interval: Option<f64>,
    /// QoS to publish with
    #[arg(short, long, value_parser = PossibleValuesParser::new(["0", "1", "2"]), help_heading = "Load")]
    qos: Option<String>,
    /// QoS to subscribe with [default: that of publishing]
    #[arg(long, value_parser = PossibleValuesParser::new(["0", "1", "2"]), help_heading = "Load")]
    sub_qos: Option<String>,
    /// Length of a payload; the first 24 bytes say which message it is
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64", value_parser = parse_size, help_heading = "Load")]
    payload_size: usize,
    /// Topics of each publisher, used in turn
    #[arg(long, value_name = "COUNT", default_value_t = 1, help_heading = "Load")]
    topics: u32,
    /// Topic: %i is the publisher, %t its topic, %c its client id, %u its user, %r the run
    /// [default: bench/%r/%i/%t]; for sub the filter [default: bench/#], for filters what stands
    /// before the levels that differ [default: bench/%r]
    #[arg(short, long, value_name = "PATTERN", help_heading = "Load")]
    topic: Option<String>,
    /// Messages of a publisher on their way: without acknowledgement, and in a closed loop without
    /// delivery [default: 256; with many publishers to one subscriber 800 together]
    #[arg(short, long, value_name = "MESSAGES", help_heading = "Load")]
    window: Option<u16>,
    /// Publish as retained
    #[arg(long, help_heading = "Load")]
    retain: bool,
    /// Connections opened a second [default: as fast as they are answered]
    #[arg(long, value_name = "PER-SECOND", value_parser = parse_rate, help_heading = "Load")]
    connect_rate: Option<f64>,
    /// Milliseconds between two connections
    #[arg(
        short = 'i',
        long,
        value_name = "MS",
        conflicts_with = "connect_rate",
        help_heading = "Load"
    )]
    interval: Option<f64>,
    /// filters: subscriptions of all clients together
    #[arg(long, value_name = "COUNT", default_value = "20000", value_parser = parse_u32, help_heading = "Load")]
    subscriptions: u32,
    /// filters: how many of them match a message, each of another client; 0 for none
    #[arg(long = "match", value_name = "COUNT", default_value = "1", value_parser = parse_u32, help_heading = "Load")]
    matching: u32,
    /// filters: no wildcards, so that the subscriptions that match have one filter
    #[arg(long, help_heading = "Load")]
    exact: bool,
    /// conn: how long to hold the connections
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration, help_heading = "Load")]
    hold: Duration,
    /// retained: leave the messages with the broker
    #[arg(long, help_heading = "Load")]
    keep: bool,
    /// Threads that make the load
    #[arg(long, value_name = "COUNT", default_value_t = 1, help_heading = "Load")]
    threads: usize,

    /// Neither stamp nor check payloads
    #[arg(long, overrides_with = "verify", help_heading = "Checks and output")]
    no_verify: bool,
    /// Stamp and check payloads; so by default
    #[arg(long, help_heading = "Checks and output")]
    verify: bool,
    /// Exit with 10 if this holds; as often as you like: 'p99>20ms', 'loss>0', 'rate<10k'
    #[arg(long, value_name = "CONDITION", help_heading = "Checks and output")]
    fail_if: Vec<Threshold>,
    /// Give up when the broker is silent for so long while something is missing
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, help_heading = "Checks and output")]
    stall_timeout: Duration,
    /// Process of the broker, to report its processor time and memory
    #[arg(long, value_name = "PID", help_heading = "Checks and output")]
    broker_pid: Option<u32>,
    /// Report as JSON
    #[arg(long, conflicts_with = "csv", help_heading = "Checks and output")]
    json: bool,
    /// Report as one line of CSV, with a line of names before it
    #[arg(long, help_heading = "Checks and output")]
    csv: bool,
    /// Write the distribution of times to this file, as HdrHistogram's tools read it
    #[arg(long, value_name = "FILE", help_heading = "Checks and output")]
    histogram: Option<PathBuf>,
    /// Say nothing but the report
    #[arg(long, help_heading = "Checks and output")]
    quiet: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Checks and output")]
    help: Option<bool>,
}

/// Runs the command.
pub fn run(args: BenchArgs) -> ExitCode {
    let (kind, args) = match args.kind {
        KindCommand::Conn(args) => (Kind::Conn, args),
        KindCommand::Pub(args) => (Kind::Pub, args),
        KindCommand::Sub(args) => (Kind::Sub, args),
        KindCommand::Pair(args) => (Kind::Pair, args),
        KindCommand::Fanin(args) => (Kind::FanIn, args),
        KindCommand::Fanout(args) => (Kind::FanOut, args),
        KindCommand::Retained(args) => (Kind::Retained, args),
        KindCommand::Offline(args) => (Kind::Offline, args),
        KindCommand::Mixed(args) => (Kind::Mixed, args),
        KindCommand::Filters(args) => (Kind::Filters, args),
    };
    match bench(kind, &args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(code) => ExitCode::from(code),
        Err(failure) => end(Err(failure)),
    }
}

fn bench(kind: Kind, args: &LoadArgs) -> Result<u8, Failure> {
    let args = &args.with_context()?;
    let plan = args.plan(kind);
    let mut histogram = args.histogram_file()?;
    let mut onlooker = Onlooker::new(args)?;
    let report = columba_bench::run(&plan, &mut onlooker);
    onlooker.clear();
    let report = report.map_err(|trouble| failure(&trouble))?;
    if let Some((file, path)) = &mut histogram {
        let written = report.write_histogram(file).and_then(|()| file.flush());
        written.map_err(|error| Failure::new(unwritable(path, &error)))?;
    }
    if args.json {
        let json = serde_json::to_string_pretty(&report);
        let json = json.map_err(|error| Failure::new(words::no_json(error.to_string())))?;
        print(&format!("{json}\n"));
    } else if args.csv {
        print(&print::csv(&report));
    } else {
        print(&print::summary(&report, spoken()));
    }
    Ok(judge(&report, &args.fail_if))
}

/// Says what is wrong with a run; the exit code that follows.
fn judge(report: &Report, thresholds: &[Threshold]) -> u8 {
    let mut code = 0;
    for trouble in report.troubles.iter().take(TROUBLES_MAX) {
        note(failed(words::trouble(trouble)));
    }
    let told = report.troubles.len().min(TROUBLES_MAX) as u64;
    if report.counts.failed_clients > told {
        let more = report.counts.failed_clients - told;
        note(failed(words::more_clients(more)));
    }
    for promise in &report.broken_promises {
        note(failed(words::told(promise)));
    }
    if !report.is_complete || !report.broken_promises.is_empty() {
        code = crate::failure::EXIT_FAILED;
    }
    for threshold in thresholds {
        let text = threshold.text();
        match threshold.check(report) {
            Finding::Passed => continue,
            Finding::Hit(value) => {
                let found = threshold.show(value);
                note(words::condition_holds(text, found));
            }
            Finding::NotMeasured => {
                note(words::condition_unmeasured(text));
            }
        }
        code = EXIT_THRESHOLD;
    }
    code
}

fn failure(trouble: &Trouble) -> Failure {
    let mut failure = Failure::new(words::trouble(trouble));
    if let Some(advice) = trouble.advice() {
        failure = failure.fix(words::told(&advice));
    }
    match trouble {
        Trouble::Plan(_) => failure.faulty(),
        _ => failure,
    }
}

impl LoadArgs {
    /// The same with what a context says of everything that no option says.
    fn with_context(&self) -> Result<Self, Failure> {
        let chosen = context::choose(self.context.as_deref(), self.host.is_some())?;
        let Some(Chosen { name, context, .. }) = chosen else {
            return Ok(self.clone());
        };
        let mut args = self.clone();
        let url = context.url.as_deref().map(Url::parse).transpose();
        let url = url.map_err(|what| Failure::new(what).faulty())?;
        match url {
            Some(url) if !url.is_tls && url.websocket_path.is_none() => {
                args.host = args.host.or(Some(url.host));
                args.port = args.port.or(Some(url.port));
                if args.username.is_none() && context.user.is_none() {
                    args.username = url.user_name;
                    args.password = args.password.or(url.password);
                }
            }
            None if args.host.is_some() => {}
            Some(_) | None => {
                return Err(Failure::new(words::context_unfit(name))
                    .fix(words::plain_tcp_alone())
                    .faulty());
            }
        }
        if args.username.is_none() {
            args.username.clone_from(&context.user);
            if args.password.is_none() {
                args.password = context.read_password()?;
            }
        }
        if let (Some(prefix), CLIENT_ID) = (&context.client_id_prefix, args.client_id.as_str()) {
            args.client_id = format!("{prefix}{CLIENT_ID}");
        }
        Ok(args)
    }

    fn plan(&self, kind: Kind) -> Plan {
        let mut plan = Plan::new(kind);
        if let Some(host) = &self.host {
            plan.host.clone_from(host);
        }
        plan.port = self.port.unwrap_or(plan.port);
        plan.version = self.mqtt_version;
        plan.credentials.user_name.clone_from(&self.username);
        plan.credentials.password.clone_from(&self.password);
        plan.client_id.clone_from(&self.client_id);
        plan.keep_alive_secs = self.keepalive;
        plan.session_expiry_secs = self.session_expiry;
        plan.clients = self.clients.unwrap_or(plan.clients);
        plan.amount = match (self.count, self.duration) {
            (Some(messages), _) => Amount::Messages(messages),
            (None, Some(time)) => Amount::Time(time),
            (None, None) => plan.amount,
        };
        plan.warmup = self.warmup;
        plan.messages_per_sec = self.rate.or_else(|| {
            let interval_ms = self.message_interval?;
            let publishers = match kind {
                Kind::FanOut | Kind::Filters => 1,
                _ => plan.clients,
            };
            Some(f64::from(publishers) * 1000.0 / interval_ms)
        });
        plan.qos = self.qos.as_deref().and_then(qos).unwrap_or(plan.qos);
        plan.subscribe_qos = match self.sub_qos.as_deref().and_then(qos) {
            Some(qos) => qos,
            None if kind == Kind::Sub && self.qos.is_some() => plan.qos,
            // As they were published.
            None if matches!(kind, Kind::Sub | Kind::Mixed) => QoS::ExactlyOnce,
            None => plan.qos,
        };
        plan.payload_bytes = self.payload_size;
        plan.topics = self.topics;
        plan.topic.clone_from(&self.topic);
        plan.window = self.window.unwrap_or_else(|| plan.window_for_clients());
        plan.retain = self.retain;
        plan.connections_per_sec = self.connect_rate.or_else(|| Some(1000.0 / self.interval?));
        plan.hold = self.hold;
        plan.subscriptions = self.subscriptions;
        plan.matching = self.matching;
        plan.is_exact = self.exact;
        plan.keeps_retained = self.keep;
        plan.threads = self.threads;
        plan.is_verified = !self.no_verify;
        plan.stall_timeout = self.stall_timeout;
        plan.broker_process = self.broker_pid;
        plan
    }

    /// Opened before the run: a run whose result cannot be kept should not start.
    fn histogram_file(&self) -> Result<Option<(BufWriter<File>, PathBuf)>, Failure> {
        let Some(path) = &self.histogram else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).open(path);
        let file = opened.map_err(|error| Failure::new(unwritable(path, &error)).faulty())?;
        Ok(Some((BufWriter::new(file), path.clone())))
    }
}

/// Shows a line of progress on a terminal, and hears Ctrl-C.
struct Onlooker {
    is_terminal: bool,
    has_line: bool,
    interrupted: Arc<AtomicBool>,
}

impl Onlooker {
    fn new(args: &LoadArgs) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The second one ends the program at once.
            let flag = Arc::clone(&interrupted);
            let hard = signal_hook::flag::register_conditional_shutdown(
                signal,
                i32::from(crate::failure::EXIT_FAILED),
                Arc::clone(&interrupted),
            );
            let soft = hard.and_then(|_| signal_hook::flag::register(signal, flag));
            soft.map_err(|error| Failure::new(no_signals(system(&error))))?;
        }
        Ok(Self {
            is_terminal: screen::is_movable(&io::stderr()) && !args.quiet,
            has_line: false,
            interrupted,
        })
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.has_line) {
            say("\r\x1b[K");
        }
    }
}

impl Watch for Onlooker {
    fn wants_progress(&self) -> bool {
        self.is_terminal
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.has_line = true;
        say(&format!("\r{}\x1b[K", print::progress(progress, spoken())));
    }

    fn is_stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Text {
    all_words::unwritable(path.display().to_string(), system(error))
}

fn qos(text: &str) -> Option<QoS> {
    text.parse().ok().and_then(QoS::from_u8)
}

fn parse_version(text: &str) -> Result<Version, Said> {
    match text {
        "3.1" | "31" | "3" => Ok(Version::V31),
        "3.1.1" | "311" | "4" => Ok(Version::V311),
        "5" | "5.0" => Ok(Version::V5),
        _ => Err(value::bench_version().into()),
    }
}

fn parse_u32(text: &str) -> Result<u32, Said> {
    let number = parse_number(text)?;
    u32::try_from(number).map_err(|_| value::too_many().into())
}

fn parse_rate(text: &str) -> Result<f64, Said> {
    amount::parse_fraction(text)
}

/// Why the exit codes of a faulty command line are told apart here: clap ends with 2 as well.
const _: () = assert!(EXIT_FAULTY == 2);
