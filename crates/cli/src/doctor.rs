//! `columba doctor`: examines the way to a broker and says what fails, why, and what to do.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use columba_diagnosis::noted::noted;
use columba_doctor::render::{self, Style};
use columba_doctor::report::EXIT_USAGE;
use columba_doctor::text::{broker, network, summary};
use columba_doctor::{Check, Finding, Report, Visit, address, examine, fresh_client_id};
use columba_speech::Param;

use crate::colour::Colour;
use crate::connection::{ConnectionArgs, Trouble, run_to_end};
use crate::failure::{print, say};
use crate::screen::terminal_cells;
use crate::words::{self, instance};

/// Find out why messages to or from a broker, any broker, do not arrive
///
/// Goes from DNS and TCP to messages at every QoS, retained messages, offline sessions and the
/// Will, and says of everything that fails why and what to do. It publishes to topics of its own
/// below --test-topic and cleans up. Exit codes: 0 all passed, 10 something failed, 11 warnings
/// only, 2 usage, 3 interrupted.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = "Examples:\n\
\x20 columba doctor test.mosquitto.org\n\
\x20 columba doctor mqtts://broker.example -u ann -P secret -t 'home/#'")]
pub struct DoctorArgs {
    /// The broker: mqtt[s]|ws[s]://[USER[:PASSWORD]@]HOST[:PORT], or HOST[:PORT]
    #[arg(value_name = "URL", conflicts_with_all = ["host", "port", "unix", "url"])]
    target: Option<String>,
    /// Topic filter of yours to look at and subscribe to; may be given more than once
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// What the test's own topics begin with
    #[arg(
        long,
        value_name = "TOPIC",
        default_value = "columba/doctor",
        allow_hyphen_values = true
    )]
    test_topic: String,
    /// See whether somebody else uses this client id; asks first, as it throws that client out
    #[arg(long, value_name = "ID")]
    check_id: Option<String>,
    /// Do not ask before --check-id
    #[arg(long)]
    yes: bool,
    /// Keep a connection silent for this long and see whether it still works
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    idle: Option<u64>,
    /// Seconds to wait for an answer or a message
    #[arg(short = 'W', long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Output: text, or json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Words instead of the marks ✓ ! ✗ ·
    #[arg(long)]
    ascii: bool,
    /// Colours: auto, always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    /// Exit with 10 for warnings too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
pub fn run(args: DoctorArgs) -> ExitCode {
    run_to_end(args.connection.talk(), async move {
        let ended = doctor(args).await;
        // The other commands end as Mosquitto's do, which know other numbers.
        ended.map_err(|trouble| Trouble {
            exit: EXIT_USAGE,
            ..trouble
        })
    })
}

async fn doctor(args: DoctorArgs) -> Result<u8, Trouble> {
    let language = args.connection.language();
    let paper = Paper {
        style: Style {
            language,
            is_ascii: args.ascii,
            has_colour: args.color.is_wanted(io::stdout().is_terminal()),
            cells: terminal_cells(),
        },
        output: args.output,
        is_strict: args.strict,
    };
    let mut report = Report::default();
    let mut connection = args.connection.clone();
    let written = args.target.as_deref().or_else(|| connection.url());
    let mut shown = written.map(address::url_without_secret);
    if let Some(written) = written {
        match address::read(written) {
            Ok((url, finding)) => {
                shown = Some(address::url_without_secret(&url));
                paper.tell(&finding);
                report.findings.push(finding);
                connection = connection.with_url(url);
            }
            Err(finding) => return Ok(paper.unusable(*finding, written)),
        }
    }
    let plan = match connection.plan() {
        Ok(plan) => plan,
        Err(trouble) if shown.is_some() && args.target.is_some() => {
            let what = network::address_unusable(trouble.sentence);
            let finding = Finding::fail(Check::Address, what);
            return Ok(paper.unusable(finding, shown.as_deref().unwrap_or_default()));
        }
        Err(trouble) => return Err(trouble),
    };
    let url_topic = plan.url_topic.clone();
    let (options, has_fixed_version) = plan.into_options();
    let shown = shown.unwrap_or_else(|| options.address.to_string());
    let mut visit = Visit::new(options);
    if visit.connect.session.client_id.is_empty() {
        visit.connect.session.client_id = fresh_client_id();
    }
    visit.has_fixed_version = has_fixed_version;
    visit.filters = args.topic.clone();
    visit.filters.extend(url_topic);
    visit.test_topic = test_topic(&args.test_topic)?;
    visit.check_id = consent(&args)?;
    visit.idle = args.idle.map(Duration::from_secs);
    visit.patience = Duration::from_secs(args.timeout);
    let mut tell = |finding: &Finding| paper.tell(finding);
    let interrupted = tokio::select! {
        () = examine(&visit, &mut report, &mut tell) => false,
        pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
    };
    report.interrupted = interrupted;
    Ok(paper.end(&report, &shown))
}

/// Where the report goes, and how it is written.
#[derive(Clone, Copy)]
struct Paper {
    style: Style,
    output: Output,
    is_strict: bool,
}

impl Paper {
    /// Shows a finding as soon as it is there.
    fn tell(self, finding: &Finding) {
        if self.output == Output::Text {
            print(&render::finding(&with_known_reasons(finding), self.style));
        }
    }

    /// Ends with an address that cannot be used.
    fn unusable(self, finding: Finding, target: &str) -> u8 {
        self.tell(&finding);
        let report = Report {
            findings: vec![finding],
            ..Report::default()
        };
        self.end(&report, &address::url_without_secret(target))
    }

    /// Shows the rest; the exit code.
    fn end(self, report: &Report, target: &str) -> u8 {
        print(&match self.output {
            Output::Text => render::ending(report, self.is_strict, self.style),
            Output::Json => {
                let json = render::json(report, target, self.is_strict, self.style.language);
                format!("{json:#}\n")
            }
        });
        report.exit_code(self.is_strict)
    }
}

/// The finding with the reason that the broker gave as a sentence of both languages, if it is one that
/// Columba says.
fn with_known_reasons(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    for note in &mut finding.notes {
        let reason = match note.params().next() {
            Some((_, Param::Plain(reason))) => noted(reason),
            _ => continue,
        };
        let said = broker::it_says(reason);
        if note.code() == said.code() {
            *note = said;
        }
    }
    finding
}

fn test_topic(written: &str) -> Result<String, Trouble> {
    let topic = written.trim_end_matches('/');
    match columba_codec::topic::TopicName::parse(topic) {
        Ok(topic) => Ok(topic.as_str().to_owned()),
        Err(fault) => Err(Trouble::usage(instance::test_topic(
            written,
            words::client::topic(fault),
        ))),
    }
}

/// The id to take over, if the user agrees that its client is thrown out.
fn consent(args: &DoctorArgs) -> Result<Option<String>, Trouble> {
    let Some(id) = &args.check_id else {
        return Ok(None);
    };
    let language = args.connection.language();
    let risk = summary::risk(id.as_str()).to_string(language);
    if args.yes {
        say(&format!("{risk}\n"));
        return Ok(Some(id.clone()));
    }
    if !io::stdin().is_terminal() {
        return Err(Trouble::usage(instance::agree()));
    }
    let question = summary::consent().to_string(language);
    say(&format!("{risk} {question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let agrees = read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    Ok(agrees.then(|| id.clone()))
}
