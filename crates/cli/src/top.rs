//! `columba top`: how a running broker does, at a glance.

mod frame;

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::Args;
use columba_speech::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::admin_client::{AdminArgs, AdminClient};
use crate::events::{clock, duration};
use crate::failure::{Failure, end, print};
use crate::language::{language_of_environment, parse_language};
use crate::screen;
use crate::words::{broker, system};
use frame::{Sample, Size, frame};

/// The shortest time between two looks: the broker is to have other things to do.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// How often it is looked at whether Ctrl-C was pressed.
const TURN: Duration = Duration::from_millis(50);

/// Lines and cells where there is no terminal that says how many it has.
const SIZE: Size = Size {
    lines: 50,
    cells: 100,
};

/// Another screen, so that what was on the terminal comes back; and no cursor.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
/// To the top, and there what is behind a line and below the last one is wiped out.
const HOME: &str = "\x1b[H";
const WIPE_LINE: &str = "\x1b[K";
const WIPE_REST: &str = "\x1b[J";

/// Look at a broker: rates, clients, queues, and what is lost or refused and why
///
/// Ctrl-C ends it. Where the output is no terminal, one picture follows the other.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba top\n\
\x20 columba top --once --url https://broker.example:61680")]
pub struct TopArgs {
    /// Print one picture and end
    #[arg(long)]
    once: bool,
    /// How often it is looked: 1s, 10s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    every: Duration,
    /// Language: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba top`.
pub fn run(args: &TopArgs) -> ExitCode {
    end(top(args))
}

fn top(args: &TopArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| Failure::new(broker::no_signals(system(&error))))?;
    }
    let looks = look_again_and_again(client, args.every.max(PAUSE_MIN));
    let Some(before) = next(&looks, &interrupted) else {
        return Ok(());
    };
    let before = before?;
    let is_screen = screen::is_movable(&stdout()) && !args.once;
    if is_screen {
        print(BEGIN);
    }
    let shown = show(args, &looks, is_screen, before, &interrupted);
    if is_screen {
        print(END);
    }
    shown
}

/// Looks at the broker on a thread of its own, which ends with the program: the one that has the
/// terminal never waits for a broker, so that Ctrl-C always gives the terminal back, and at once.
fn look_again_and_again(client: AdminClient, pause: Duration) -> Receiver<Look> {
    let (looks, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        loop {
            let look = Sample::take(&client);
            let is_end = look.is_err();
            if looks.send(look).is_err() || is_end {
                return;
            }
            std::thread::sleep(pause);
        }
    });
    receiver
}

/// What a look saw, or that the broker is lost.
type Look = Result<Sample, Failure>;

/// The next look; nothing once Ctrl-C was pressed.
fn next(looks: &Receiver<Look>, interrupted: &AtomicBool) -> Option<Look> {
    while !interrupted.load(Ordering::Relaxed) {
        match looks.recv_timeout(TURN) {
            Ok(look) => return Some(look),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// Shows one picture after the other until Ctrl-C is pressed.
///
/// # Errors
/// The broker is lost.
fn show(
    args: &TopArgs,
    looks: &Receiver<Look>,
    is_screen: bool,
    mut before: Sample,
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let language = args.lang.unwrap_or_else(language_of_environment);
    let zone = TimeZone::system();
    while let Some(now) = next(looks, interrupted) {
        let now = now?;
        let at_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let time = clock(at_ms, &zone, "%H:%M:%S");
        let size = match (is_screen, stdout().is_terminal()) {
            (true, _) => size(),
            // One picture may be longer than the screen, but not wider.
            (false, true) => Size {
                cells: size().cells,
                ..SIZE
            },
            (false, false) => SIZE,
        };
        let lines = frame(&before, &now, &time, size, language);
        if is_screen {
            let lines: String = lines
                .iter()
                .map(|line| format!("{line}{WIPE_LINE}\r\n"))
                .collect();
            // The last line end would move everything up.
            print(&format!("{HOME}{}{WIPE_REST}", lines.trim_end()));
        } else {
            print(&format!("{}\n", lines.join("\n")));
            if args.once {
                return Ok(());
            }
            print("\n");
        }
        before = now;
    }
    Ok(())
}

/// Of the terminal.
fn size() -> Size {
    let told = rustix::termios::tcgetwinsize(stdout());
    match told {
        Ok(told) if told.ws_row > 0 && told.ws_col > 0 => Size {
            lines: usize::from(told.ws_row),
            cells: usize::from(told.ws_col),
        },
        Ok(_) | Err(_) => SIZE,
    }
}
