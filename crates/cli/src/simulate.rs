//! `columba simulate`: fleets of devices from a scenario, for demonstrations and tests.

mod device;
mod random;
mod scenario;
mod sparkplug;
mod tally;
mod template;
mod texts;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use clap::Args;
use columba_server::config::quantity::parse_duration_ms;
use columba_speech::width::{pad, width};
use columba_speech::{Language, Param, Text};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::{ConnectionArgs, Plan, Talk, Trouble, connect_trouble, run_to_end};
use crate::failure::{EXIT_FAULTY, print, say};
use crate::screen;
use crate::subscribe::interrupted;
use crate::words::{self, Said, value};
use device::{Fleet, Member, stopped};
use scenario::{BUILT_IN, DEVICES_MAX, Fault, Kind, Scenario};

/// A larger file is no scenario.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long the devices may take to leave.
const PATIENCE: Duration = Duration::from_secs(15);

/// Simulate fleets of devices: smart homes, vehicles, a factory with Sparkplug B, flaky devices
///
/// What the devices do stands in a scenario, a TOML file; --show prints one of the built-in ones to
/// start from. A summary says what was sent, acknowledged and refused, and why connections ended. Exit
/// codes: 0 it ran, 2 the scenario has faults, others as of `columba pub` if no connection comes about.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(override_usage = "columba simulate [OPTIONS] <NAME|FILE>\n\
\x20      columba simulate <--list|--show NAME>")]
#[command(after_help = "Examples:\n\
\x20 columba simulate --list\n\
\x20 columba simulate -s smart-home -h broker.example --duration 1m\n\
\x20 columba simulate --show fleet > mine.toml && columba simulate -s ./mine.toml")]
pub struct SimulateArgs {
    /// Built-in scenario, or file
    #[arg(short = 's', long, visible_alias = "sc", value_name = "NAME|FILE", required_unless_present_any = ["list", "show", "named"])]
    scenario: Option<String>,
    /// The same as --scenario
    #[arg(value_name = "NAME|FILE", conflicts_with = "scenario")]
    named: Option<String>,
    /// List the built-in scenarios
    #[arg(long)]
    list: bool,
    /// Print a built-in scenario
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    show: Option<String>,
    /// Clients in all, kinds in the proportion of the scenario [default: as many as it says]
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    clients: Option<u32>,
    /// How long: 30s, 5m [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    duration: Option<Duration>,
    /// End after so many messages
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// So many times as often as the scenario says
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_rate)]
    rate: f64,
    /// Connections begun a second
    #[arg(long, value_name = "COUNT", default_value = "200", value_parser = parse_rate)]
    connect_rate: f64,
    /// What chance is made from: the same seed, the same values
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs the command.
pub fn run(args: SimulateArgs) -> ExitCode {
    let language = args.connection.language();
    if args.list {
        list(language);
        return ExitCode::SUCCESS;
    }
    let talk = args.connection.talk();
    if let Some(name) = &args.show {
        return match built_in(name) {
            Some(text) => {
                print(text);
                ExitCode::SUCCESS
            }
            None => {
                talk.error(unknown(name));
                ExitCode::from(EXIT_FAULTY)
            }
        };
    }
    let name = args.scenario.as_ref().or(args.named.as_ref());
    let name = name.cloned().unwrap_or_default();
    let scenario = match read(&name) {
        Ok(scenario) => scenario,
        Err(said) => {
            said.tell(talk);
            return ExitCode::from(EXIT_FAULTY);
        }
    };
    let scenario = match args.clients {
        Some(wanted) => scenario.with_devices(wanted),
        None => scenario,
    };
    run_to_end(talk, async move {
        let plan = args.connection.plan()?;
        simulate(&args, &name, scenario, plan, language).await
    })
}

fn list(language: Language) {
    let names = BUILT_IN.iter().map(|(name, _)| width(name));
    let cells = names.max().unwrap_or_default();
    for (name, text) in BUILT_IN {
        let Ok(scenario) = Scenario::parse(name, text) else {
            continue;
        };
        let description = match language {
            Language::English => &scenario.description,
            Language::Chinese => &scenario.description_zh,
        };
        print(&format!("{}  {description}\n", pad(name, cells)));
    }
}

/// The names of the scenarios that are built in.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

fn built_in(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

fn unknown(name: &str) -> Text {
    words::no_scenario(name, Param::list(BUILT_IN.map(|(name, _)| name)))
}

/// Why there is no scenario.
enum Unread {
    Sentence(Text),
    Faults(Vec<Fault>),
}

impl Unread {
    fn tell(&self, talk: Talk) {
        match self {
            Self::Sentence(sentence) => talk.error(sentence.clone()),
            Self::Faults(faults) => {
                for fault in faults {
                    say(&fault.shown(talk.language));
                }
                let count = words::scenario::count(faults.len());
                say(&format!("{}\n", count.to_string(talk.language)));
            }
        }
    }
}

/// Reads the scenario of a name, or that of a file.
fn read(name: &str) -> Result<Scenario, Unread> {
    if let Some(text) = built_in(name) {
        return Scenario::parse(name, text).map_err(Unread::Faults);
    }
    let is_path = name.contains(['/', '.']) || Path::new(name).exists();
    if !is_path {
        return Err(Unread::Sentence(unknown(name)));
    }
    let failed = |what: Param| Unread::Sentence(words::unreadable(name, what));
    let metadata = std::fs::metadata(name).map_err(|error| failed(words::system(&error)))?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(failed(words::scenario_too_large().into()));
    }
    let text = std::fs::read_to_string(name).map_err(|error| failed(words::system(&error)))?;
    Scenario::parse(name, &text).map_err(Unread::Faults)
}

async fn simulate(
    args: &SimulateArgs,
    name: &str,
    scenario: Scenario,
    plan: Plan,
    language: Language,
) -> Result<u8, Trouble> {
    let prefix = prefix_of(args, &plan)?;
    let devices = scenario.devices();
    let (options, has_fixed_version) = plan.into_options();
    if options.session.will.is_some() {
        return Err(Trouble::usage(words::scenario_has_will()));
    }
    let server = options.address.to_string();
    let fleet = Arc::new(Fleet {
        options,
        falls_back: !has_fixed_version,
        is_fallen_back: AtomicBool::new(false),
        tally: tally::Tally::default(),
        stop: watch::Sender::new(false),
        messages_left: AtomicU64::new(args.count.unwrap_or(u64::MAX)),
        rate: args.rate,
    });
    let kinds = scenario.kinds.into_iter().map(Arc::new);
    let mut members = members(&fleet, kinds, args.seed, &prefix);
    // Before all the others: if there is no way to the server, that is all there is to say.
    let Some(mut first) = members.next() else {
        return Ok(0);
    };
    let connected = first.connect().await;
    let connected = connected.map_err(|error| connect_trouble(&error))?;
    let shown = Path::new(name)
        .file_stem()
        .map(|stem| stem.to_string_lossy());
    let shown = shown.unwrap_or_default().into_owned();
    if !args.json {
        let count = u64::from(devices);
        let text = texts::starting(shown.as_str(), count, server, args.seed);
        say(&format!("{}\n", text.to_string(language)));
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    running.spawn(first.live(Duration::ZERO, Some(connected)));
    for (member, place) in members.zip(1_u32..) {
        let delay = Duration::from_secs_f64(f64::from(place) / args.connect_rate);
        running.spawn(member.live(delay, None));
    }
    until_the_end(args, &fleet, devices, language).await;
    fleet.stop.send_replace(true);
    let all = async { while running.join_next().await.is_some() {} };
    // Who has not left by then is left behind.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let counts = fleet.tally.counts();
    let time = started.elapsed();
    print(&if args.json {
        format!("{:#}\n", counts.json(&shown, devices, args.seed, time))
    } else {
        counts.summary(&shown, devices, time, language)
    });
    Ok(0)
}

/// What the client ids begin with.
fn prefix_of(args: &SimulateArgs, plan: &Plan) -> Result<String, Trouble> {
    if args.connection.has_id() {
        return Err(Trouble::usage(words::scenario_has_ids()));
    }
    Ok(plan.id_prefix.clone().unwrap_or_default())
}

/// The devices, kind by kind. Made one by one, since there may be many.
fn members(
    fleet: &Arc<Fleet>,
    kinds: impl Iterator<Item = Arc<Kind>>,
    seed: u64,
    prefix: &str,
) -> impl Iterator<Item = Member> {
    kinds.zip(1_u64..).flat_map(move |(kind, number)| {
        let fleet = Arc::clone(fleet);
        (1..=u64::from(kind.count)).map(move |index| {
            let device = kind.device(number, index, seed, prefix);
            Member::new(Arc::clone(&fleet), Arc::clone(&kind), device)
        })
    })
}

/// Waits until the time is up, a signal comes or the messages are sent; shows how it goes.
async fn until_the_end(args: &SimulateArgs, fleet: &Fleet, devices: u32, language: Language) {
    let mut stop = fleet.stop.subscribe();
    let deadline = args.duration.map(|time| tokio::time::Instant::now() + time);
    let has_terminal = screen::is_movable(&std::io::stderr()) && !args.json;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = 0;
    let mut interrupt = std::pin::pin!(interrupted());
    loop {
        tokio::select! {
            () = &mut interrupt => break,
            () = stopped(&mut stop) => break,
            () = tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)),
                if deadline.is_some() => break,
            _ = second.tick(), if has_terminal => {
                let counts = fleet.tally.counts();
                let rate = counts.sent - std::mem::replace(&mut before, counts.sent);
                let connected = counts.connected;
                let text = texts::progress(connected, u64::from(devices), counts.sent, rate);
                say(&format!("\r{}\x1b[K", text.to_string(language)));
            }
        }
    }
    if has_terminal {
        say("\r\x1b[K");
    }
}

fn parse_time(text: &str) -> Result<Duration, Said> {
    let read = parse_duration_ms(text).map(Duration::from_millis);
    read.map_err(|_| value::time_of_units().into())
}

fn parse_rate(text: &str) -> Result<f64, Said> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err(value::rate().into()),
    }
}
