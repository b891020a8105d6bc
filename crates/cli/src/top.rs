//! `columba top`: how a running broker does, at a glance.

mod frame;

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use columba_speech::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::admin_client::{AdminArgs, AdminClient};
use crate::doctor::{language_of_environment, parse_language};
use crate::events::{clock, duration};
use crate::failure::{Failure, end, print};
use crate::trace::interruption;
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
    let interrupted = interruption()?;
    let before = Sample::take(&client)?;
    let is_screen = stdout().is_terminal() && !args.once;
    if is_screen {
        print(BEGIN);
    }
    let shown = show(args, &client, is_screen, before, &interrupted);
    if is_screen {
        print(END);
    }
    shown
}

/// Shows one picture after the other until Ctrl-C is pressed.
///
/// # Errors
/// The broker is lost.
fn show(
    args: &TopArgs,
    client: &AdminClient,
    is_screen: bool,
    mut before: Sample,
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let language = args.lang.unwrap_or_else(language_of_environment);
    let zone = TimeZone::system();
    loop {
        if !wait(args.every.max(PAUSE_MIN), interrupted) {
            return Ok(());
        }
        let now = Sample::take(client)?;
        let at_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let time = clock(at_ms, &zone, "%H:%M:%S");
        let size = if is_screen { size() } else { SIZE };
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
}

/// Waits; `false`: Ctrl-C was pressed.
fn wait(time: Duration, interrupted: &AtomicBool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if interrupted.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(TURN);
    }
    true
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
