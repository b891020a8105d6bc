//! `columba trace`: the messages of a filter as they are published, and what becomes of each copy.

pub(crate) mod ledger;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use columba_speech::Language;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::admin_client::{AdminArgs, AdminClient};
use crate::event_reader::Event;
use crate::events::duration;
use crate::failure::{EXIT_FAILED, Failure, end_with, print, say};
use crate::language::{language_of_environment, parse_language};
use crate::texts;
use crate::words::{broker, system};
use ledger::{Ledger, Look};

/// Exit code: nothing was published on the filter.
const NOTHING_SEEN: u8 = 10;

/// How often it is looked at whether something is to be shown.
const TURN: Duration = Duration::from_millis(100);

/// How long before a connection that has broken is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// Events on their way from the reading thread; more of them wait in the broker.
const EVENTS_MAX: usize = 1024;

/// How messages are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A block a message, for people
    #[default]
    Text,
    /// What was recorded, one JSON object a line
    Jsonl,
}

/// Watch messages live: who sent each, whom it went to, what became of each copy
///
/// Every message whose topic the filter matches is followed from now on, also where the flight recorder
/// would leave messages out. No payload is shown: it is not kept. Ctrl-C ends it.
///
/// Exit codes: 0 messages were seen, 10 none was published, 3 the broker does not answer.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba trace 'home/#'\n\
\x20 columba trace home/lamp --for 10m -o jsonl")]
pub struct TraceArgs {
    /// Topic filter
    #[arg(value_name = "FILTER")]
    filter: String,
    /// How long: 90s, 15m, up to 1h
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    time: Duration,
    /// How messages are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Times in UTC
    #[arg(long)]
    utc: bool,
    /// Language: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
    /// No marks that are not ASCII
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba trace`.
pub fn run(args: &TraceArgs) -> ExitCode {
    end_with(trace(args))
}

fn trace(args: &TraceArgs) -> Result<u8, Failure> {
    let client = AdminClient::new(&args.admin)?;
    let language = args.lang.unwrap_or_else(language_of_environment);
    let interrupted = interruption()?;
    let new = json!({"filter": args.filter, "for_secs": args.time.as_secs()});
    let begun = client.request("POST", "/traces", Some(&new))?;
    let id = begun.get("id").and_then(Value::as_u64).unwrap_or_default();
    let path = format!("/traces/{id}");
    let told = texts::tracing(crate::events::printable(&args.filter), args.time);
    say(&format!("{}\n", told.to_string(language)));
    let look = Look {
        language,
        is_ascii: args.ascii,
        is_numbered: true,
        zone: if args.utc {
            TimeZone::UTC
        } else {
            TimeZone::system()
        },
    };
    let mut ledger = Ledger::new(look);
    let shown = show(
        &client,
        &path,
        args.output,
        (&mut ledger, language),
        &interrupted,
    );
    // What the trace has not got; a broker that has stopped cannot tell, and has forgotten the trace.
    let end = client.get(&path);
    drop(client.request("DELETE", &path, None));
    shown?;
    let end = end?;
    let number = |name: &str| end.get(name).and_then(Value::as_u64).unwrap_or_default();
    if number("overwritten") > 0 {
        let told = texts::trace_overwritten(number("overwritten"));
        say(&format!("{}\n", told.to_string(language)));
    }
    if number("left_out") > 0 {
        let told = texts::trace_left_out(number("left_out"));
        say(&format!("{}\n", told.to_string(language)));
    }
    let told = texts::traced(ledger.messages());
    say(&format!("{}\n", told.to_string(language)));
    Ok(if ledger.messages() > 0 {
        0
    } else {
        NOTHING_SEEN
    })
}

/// Whether Ctrl-C was pressed; the second time ends the program at once.
pub(crate) fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let (soft, hard) = (Arc::clone(&interrupted), Arc::clone(&interrupted));
        let exit = i32::from(EXIT_FAILED);
        signal_hook::flag::register_conditional_shutdown(signal, exit, hard)
            .and_then(|_| signal_hook::flag::register(signal, soft))
            .map_err(|error| Failure::new(broker::no_signals(system(&error))))?;
    }
    Ok(interrupted)
}

/// Shows what comes until the trace has ended or Ctrl-C is pressed.
///
/// # Errors
/// The broker is lost.
fn show(
    client: &AdminClient,
    path: &str,
    output: Output,
    (ledger, language): (&mut Ledger, Language),
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let (sender, events) = sync_channel(EVENTS_MAX);
    let (reading, events_path) = (client.clone(), format!("{path}/events"));
    std::thread::spawn(move || {
        let end = read(&reading, &events_path, &sender);
        // Nobody listens any more after Ctrl-C.
        drop(sender.send(Err(end)));
    });
    let mut told = Vec::new();
    let result = loop {
        if interrupted.load(Ordering::Relaxed) {
            break Ok(());
        }
        match events.recv_timeout(TURN) {
            Ok(Ok(event)) => match event.name.as_str() {
                "" => {
                    ledger.take(&event.data, Instant::now());
                    if output == Output::Jsonl {
                        print(&format!("{}\n", event.data));
                    }
                }
                "missed" => {
                    let entries = event.data.get("entries").and_then(Value::as_u64);
                    let note = texts::overwritten(entries.unwrap_or_default());
                    say(&format!("{}\n", note.to_string(language)));
                }
                // They are told at the end, all together.
                "left_out" => {}
                // Whether it is the end of the trace or of the broker, the broker is asked.
                "end" => break Ok(()),
                // `begin`, and what later versions tell.
                _ => {}
            },
            Ok(Err(failure)) => break Err(failure),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        }
        ledger.due(Instant::now(), &mut told);
        flush(&mut told, output);
    };
    ledger.rest(&mut told);
    flush(&mut told, output);
    result
}

fn flush(told: &mut Vec<String>, output: Output) {
    for line in told.drain(..) {
        if output == Output::Text {
            print(&format!("{line}\n"));
        }
    }
}

/// Hands out the events of a stream, which is opened again if it breaks; returns why that is not possible.
pub(crate) fn read(
    client: &AdminClient,
    path: &str,
    events: &SyncSender<Result<Event, Failure>>,
) -> Failure {
    let mut id: Option<String> = None;
    loop {
        let mut stream = match client.stream(path, id.as_deref()) {
            Ok(stream) => stream,
            Err(failure) => return failure,
        };
        while let Some(event) = stream.next_event() {
            let is_end = event.name == "end";
            if events.send(Ok(event)).is_err() || is_end {
                return Failure::new(broker::stream_ended());
            }
        }
        match stream.last_id() {
            Some(last) => id = Some(last.to_owned()),
            None => return Failure::new(broker::stream_ended_at_once()).unreachable(),
        }
        std::thread::sleep(PAUSE);
    }
}
