//! `columba sub`: subscribes and prints what comes.

pub(crate) mod again;
mod count;
pub(crate) mod decode;
mod done;
mod format;
mod pretty;
pub(crate) mod print;
mod rate;
mod removal;
mod silence;
mod tree;
mod view;
mod watch;

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use columba_client::driver::{Client, ConnectError, LastingEvent, LastingEvents};
use columba_client::{CloseCause, FilterAnswer, Incoming, Subscription};
use columba_codec::ReasonCode;
use columba_codec::topic::matches;
use columba_speech::Text;
use tokio::time::{Instant, sleep_until};

use crate::api::ApiArgs;
use crate::connection::{
    ConnectionArgs, EMPTY_TOPIC, EXIT_LOST, Plan, Talk, Trouble, check_filters, connect_trouble,
    run_to_end,
};
use crate::mosquitto::debug::DebugLines;
use crate::mosquitto::file::OptionsFileArg;
use crate::mosquitto::{self, EXIT_UNANSWERED};
use crate::receive::{PATIENCE, ReceiveArgs, goodbye_when_told, timed_out};
use crate::record::Recorder;
use crate::words::{self, Said, value};
use again::may_pass;
use done::Done;
use print::OutputArgs;
use removal::Removals;
use silence::{Asker, Silence};
use view::{Show, ViewArgs};

/// How long a server may take from one portion of its retained messages to the next, once removals come back.
const LAST_PORTION: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  columba sub -v -t 'home/#'
  columba sub -h broker.example -u ann -P secret -q 1 -c -i reader -t 'home/+/door'
  columba sub -t 'home/#' --tree            # the topics as a tree, live
  columba sub -t home/lamp --explain        # when nothing comes, say why";

/// A group of options in the help.
const SILENCE: &str = "When nothing comes";

/// Subscribe and print the messages
///
/// Exits with 0 when told to stop or after -C messages, with 27 when -W runs out, else with the code that
/// the server gave.
#[derive(Args, Clone, Debug)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    next_help_heading = "Messages",
    override_usage = "columba sub [OPTIONS] -t FILTER [-t FILTER]...",
    after_help = EXAMPLES
)]
pub struct SubscribeArgs {
    /// Topic filter to subscribe to; may be given more than once
    #[arg(short, long, allow_hyphen_values = true, required_unless_present_any = ["url", "unsubscribe"])]
    topic: Vec<String>,
    /// Do not print messages whose topic matches this filter; may be given more than once
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Topic filter to unsubscribe from; may be given more than once
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,
    #[command(flatten)]
    receive: ReceiveArgs,
    /// Leave after so many messages
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Leave as soon as the server has answered the subscriptions
    #[arg(short = 'E')]
    exit_after_subscribing: bool,
    /// Print only messages that come with RETAIN; leave at the first without. With --remove-retained
    /// removals do not count, and it leaves a second after the last of them
    #[arg(long, conflicts_with = "no_retained")]
    retained_only: bool,
    /// Remove every retained message that comes
    #[arg(long)]
    remove_retained: bool,
    /// Do not receive what this client publishes itself (MQTT 5)
    #[arg(long)]
    no_local: bool,
    /// Print only this share of the messages, in percent, by chance
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    random_filter: Option<f64>,
    /// Append the messages that pass the filters to this file, for `pub --replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// When nothing came for so many seconds, 10 without a number, say on stderr what the broker knows
    /// about why, and go on
    ///
    /// Asks the management API of the broker, which is Columba's, and needs the scope `read` elsewhere than
    /// on the broker's machine.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "10",
        help_heading = SILENCE,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    explain: Option<u64>,
    #[command(flatten, next_help_heading = SILENCE)]
    api: ApiArgs,
    #[command(flatten, next_help_heading = "What is shown")]
    view: ViewArgs,
    #[command(flatten, next_help_heading = "What is shown")]
    output: OutputArgs,
    #[command(flatten)]
    options_file: OptionsFileArg,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs the command.
pub fn run(args: SubscribeArgs) -> ExitCode {
    run_to_end(args.connection.talk(), async {
        let plan = args.connection.plan()?;
        subscribe(args, plan).await
    })
}

async fn subscribe(mut args: SubscribeArgs, mut plan: Plan) -> Result<u8, Trouble> {
    args.topic.extend(plan.url_topic.clone());
    if args.topic.is_empty() && args.unsubscribe.is_empty() {
        return Err(Trouble::usage(words::no_filter()));
    }
    check_filters(
        [&args.topic, &args.filter_out, &args.unsubscribe]
            .into_iter()
            .flatten(),
    )?;
    let silence = silence_of(&args)?;
    let recorder = args.record.as_deref().map(Recorder::open).transpose();
    let recorder = recorder.map_err(Trouble::usage)?;
    plan.receive_no_more_than(args.count);
    plan.acknowledge_by_hand();
    let patience = args.receive.patience();
    let deadline = patience.map(|patience| Instant::now() + patience);
    let mut interrupt = std::pin::pin!(interrupted());
    let is_drop_in = mosquitto::called_as().is_some();
    let connected = tokio::select! {
        // First of all, so that signals are waited for before anything is sent.
        biased;
        // By the native name the signal ends the program by itself.
        () = &mut interrupt, if is_drop_in => return Ok(EXIT_UNANSWERED),
        connected = again::connect(&mut plan) => connected,
        () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
            return Err(out_of_time());
        }
    };
    let (client, events) = connected?;
    let show = Show::new(&args.view, &args.output)
        .map_err(|error| Trouble::new(words::no_terminal(words::system(&error)), 1))?;
    let removals = args.remove_retained.then(|| Removals::new(client.clone()));
    let mut printer = Printer {
        show,
        removals,
        args,
        talk: plan.talk,
        lines: plan.lines.clone(),
        client,
        recorder,
        silence,
        is_connected: true,
        is_answered: false,
        goodbye: ReasonCode::Success,
        printed: 0,
        done: Done::default(),
        all_removed_at: None,
    };
    let outcome = receive(&mut printer, events, &plan, deadline, interrupt).await;
    // First of all the terminal is given back: the server may take its time.
    let finished = printer.show.finish();
    // Without a connection nothing that waits gets done.
    let is_connected = printer.is_connected;
    let removes = outcome.is_ok() && is_connected;
    if let Some(removals) = printer.removals.take().filter(|_| removes) {
        tokio::select! {
            () = removals.finish() => {}
            () = interrupted() => {}
        }
    }
    let client = &printer.client;
    let patience = if is_connected {
        PATIENCE
    } else {
        Duration::ZERO
    };
    let left = client.disconnect(printer.goodbye, patience).await;
    plan.talk
        .debug(|| format!("Disconnected, {left} messages unfinished"));
    match finished.map_err(|error| of_output(&error)) {
        // Whoever reads the output has seen enough.
        Ok(()) | Err(None) => outcome,
        Err(Some(trouble)) => outcome.and(Err(trouble)),
    }
}

/// What `--explain` asks for.
fn silence_of(args: &SubscribeArgs) -> Result<Option<Silence>, Trouble> {
    let Some(seconds) = args.explain else {
        if args.api.is_given() {
            return Err(Trouble::usage(words::belongs_to("--explain")));
        }
        return Ok(None);
    };
    if mosquitto::called_as().is_some() {
        return Err(Trouble::usage(words::explain_only_here()));
    }
    let asker = Asker {
        client: args.api.client(&args.connection),
        client_id: String::new(),
        filters: args.topic.clone(),
        language: args.connection.language(),
    };
    Ok(Some(Silence::new(Duration::from_secs(seconds), asker)))
}

/// What is to be said of silence, when it is time.
async fn explanation(silence: &mut Option<Silence>) -> Vec<String> {
    match silence {
        Some(silence) => silence.explanation().await,
        None => std::future::pending().await,
    }
}

/// Sends SUBSCRIBE and UNSUBSCRIBE and judges the answers; what the server refused goes to `said`. Whether it
/// `waits` for the end of `-W` even without a subscription.
async fn request(
    client: Client,
    subscription: Subscription,
    (mut unsubscribe, user_properties): (Vec<String>, Vec<(String, String)>),
    (talk, waits): (Talk, bool),
    said: &RefCell<Vec<Text>>,
) -> Result<(), Trouble> {
    let failed = |what: fn(Text) -> Text, failure: columba_client::Failure| {
        use columba_client::Failure;
        let lost = matches!(failure, Failure::ConnectionLost | Failure::NotConnected);
        let sentence = what(words::client::failure(&failure));
        Trouble::new(sentence, if lost { EXIT_LOST } else { 1 })
    };
    let say = |sentence| said.borrow_mut().push(sentence);
    if !subscription.filters.is_empty() {
        let filters: Vec<_> = subscription
            .filters
            .iter()
            .map(|(filter, _)| filter.clone())
            .collect();
        let answer = match client.subscribe(subscription).await {
            // Mosquitto's client waits until then, without a subscription and without a word.
            Err(failure) if waits && failure == EMPTY_TOPIC => {
                say(words::cannot_subscribe(words::client::failure(&failure)));
                return Ok(());
            }
            answer => answer.map_err(|failure| failed(words::cannot_subscribe, failure))?,
        };
        judge(&filters, &answer, talk, say)?;
    }
    if mosquitto::called_as().is_some() && unsubscribe.iter().any(String::is_empty) {
        // To Mosquitto's client the others count, and the subscriptions.
        unsubscribe.retain(|filter| !filter.is_empty());
        let sentence = words::client::failure(&EMPTY_TOPIC);
        say(words::cannot_unsubscribe(sentence));
    }
    if !unsubscribe.is_empty() {
        let answer = client.unsubscribe_with(unsubscribe.clone(), user_properties);
        let answer = answer.await;
        let answer = answer.map_err(|failure| failed(words::cannot_unsubscribe, failure))?;
        for (filter, code) in unsubscribe.iter().zip(&answer.codes) {
            if code.is_error() {
                say(words::not_unsubscribed(filter.as_str(), words::code(*code)));
            }
        }
    }
    Ok(())
}

/// Names every refusal; all refused is the end.
fn judge(
    filters: &[String],
    answer: &FilterAnswer,
    talk: Talk,
    say: impl Fn(Text),
) -> Result<(), Trouble> {
    let mut first_refusal = None;
    for (filter, code) in filters.iter().zip(&answer.codes) {
        if code.is_error() {
            let said = answer.reason_string.as_deref();
            say(words::refused_filter(filter, *code, said));
            first_refusal.get_or_insert(*code);
        } else {
            talk.debug(|| format!("Subscribed to '{filter}': {}", grant_name(*code)));
        }
    }
    match first_refusal {
        Some(code) if answer.codes.iter().all(|code| code.is_error()) => {
            // Mosquitto's client counts this as an end like others.
            let exit = mosquitto::called_as().map_or(code as u8, |_| 0);
            Err(Trouble::new(words::all_refused(), exit))
        }
        _ => Ok(()),
    }
}

fn grant_name(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Success => "Granted QoS 0",
        other => other.name(),
    }
}

impl SubscribeArgs {
    /// Whether Mosquitto's client would wait for the end of `-W` although it has no subscription.
    fn waits_out(&self, deadline: Option<Instant>) -> bool {
        let is_theirs = mosquitto::called_as().is_some();
        is_theirs && deadline.is_some() && !self.exit_after_subscribing
    }
}

/// Prints what comes until there is a reason to leave that a new connection does not mend; with the
/// exit code. The server is asked on each connection, as Mosquitto's client does: it may have
/// forgotten.
async fn receive(
    printer: &mut Printer,
    mut events: LastingEvents,
    plan: &Plan,
    deadline: Option<Instant>,
    mut interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Result<u8, Trouble> {
    let said = RefCell::default();
    let ask = |printer: &Printer| {
        let args = &printer.args;
        request(
            printer.client.clone(),
            args.receive.subscription(&args.topic, args.no_local, plan),
            (
                args.unsubscribe.clone(),
                plan.properties.unsubscribe_user_properties.clone(),
            ),
            (plan.talk, args.waits_out(deadline)),
            &said,
        )
    };
    let mut requests = std::pin::pin!(Some(ask(printer)));
    let mut client_id = printer.client.accepted().client_id.clone();
    loop {
        let until = printer.all_removed_at.into_iter().chain(deadline).min();
        let event = tokio::select! {
            result = answer(requests.as_mut()) => {
                requests.set(None);
                for sentence in said.take() {
                    printer.show.warn(printer.talk, sentence);
                }
                match result {
                    Ok(()) if printer.args.exit_after_subscribing => return Ok(0),
                    Ok(()) => {
                        printer.is_answered = true;
                        printer.begin_silence(&client_id);
                    }
                    // The end of the connection comes as an event and knows more.
                    Err(trouble) if trouble.exit == EXIT_LOST => {}
                    Err(trouble) => return Err(trouble),
                }
                continue;
            }
            event = events.next() => event,
            lines = explanation(&mut printer.silence) => {
                for line in lines {
                    printer.show.note(printer.talk, &line);
                }
                continue;
            }
            () = printer.show.tick() => match printer.show.on_tick() {
                Ok(false) => continue,
                Ok(true) => return Ok(0),
                Err(error) => return after_output(Err(error)),
            },
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                return printer.on_time();
            }
            () = &mut interrupt => {
                printer.goodbye = goodbye_when_told();
                return Ok(0);
            }
        };
        match event {
            // It came behind the answer that ends this, and may overtake it on the last steps.
            Some(LastingEvent::Message(incoming))
                if printer.args.exit_after_subscribing && incoming.message.retain => {}
            Some(LastingEvent::Message(incoming)) => {
                if printer.on_message(&incoming).await? {
                    return Ok(0);
                }
            }
            Some(LastingEvent::Connected(accepted)) => {
                printer.talk.accepted(&accepted);
                printer.is_connected = true;
                printer.is_answered = false;
                client_id.clone_from(&accepted.client_id);
                requests.set(Some(ask(printer)));
            }
            Some(LastingEvent::Disconnected { error, .. }) => {
                printer.on_disconnected(error).await?;
            }
            Some(LastingEvent::Warning(warning)) => {
                printer
                    .show
                    .warn(printer.talk, words::client::warning(&warning));
            }
            Some(LastingEvent::Ended(ended)) if ended.cause == CloseCause::Requested => {
                return Ok(0);
            }
            Some(LastingEvent::Ended(ended)) => {
                return Err(again::end_trouble(&ended));
            }
            // Kinds that a later version of the library may have need nothing done.
            Some(_) => {}
            None => return Ok(EXIT_LOST),
        }
    }
}

/// The answer to what was asked, if something was.
async fn answer(
    request: Pin<&mut Option<impl Future<Output = Result<(), Trouble>>>>,
) -> Result<(), Trouble> {
    match request.as_pin_mut() {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

struct Printer {
    args: SubscribeArgs,
    talk: Talk,
    /// What `-d` shows under Mosquitto's names.
    lines: Option<Arc<DebugLines>>,
    client: Client,
    show: Show,
    removals: Option<Removals>,
    recorder: Option<Recorder>,
    silence: Option<Silence>,
    is_connected: bool,
    /// Whether the server has answered the subscriptions on this connection.
    is_answered: bool,
    /// The reason to give when leaving.
    goodbye: ReasonCode,
    printed: u64,
    done: Done,
    /// With `--retained-only` and `--remove-retained`: when the server has sent its last retained message,
    /// if no more come until then.
    all_removed_at: Option<Instant>,
}

impl Printer {
    fn begin_silence(&mut self, client_id: &str) {
        if let Some(silence) = &mut self.silence {
            silence.begin(client_id);
        }
    }

    /// The time is over: that for what may still come after all that was asked for, or that of `-W`.
    fn on_time(&mut self) -> Result<u8, Trouble> {
        if self.all_removed_at.is_some() {
            return Ok(0);
        }
        self.goodbye = goodbye_when_told();
        Err(out_of_time())
    }

    /// The connection is gone, or another try has failed.
    ///
    /// # Errors
    /// Trying again is no use.
    async fn on_disconnected(&mut self, error: ConnectError) -> Result<(), Trouble> {
        if let Some(silence) = &mut self.silence {
            silence.pause();
        }
        if !may_pass(&error) {
            // Nor is it tried while this command ends.
            self.client.abandon().await;
            return Err(connect_trouble(&error));
        }
        if std::mem::replace(&mut self.is_connected, false) {
            let why = words::client::connect(&error);
            if !self.is_answered
                && let Some((filter, control)) = self.filter_with_control()
            {
                self.client.abandon().await;
                let control = words::code_point(control);
                let sentence = words::ended_for_filter(why, format!("{filter:?}"), control);
                return Err(Trouble::new(sentence, EXIT_LOST));
            }
            let sentence = match self.is_answered {
                true => words::connecting_again(why),
                false => words::connecting_again_unanswered(why),
            };
            self.show.warn(self.talk, sentence);
        } else {
            self.talk.debug(|| error.to_string());
        }
        Ok(())
    }

    /// The first filter with a control character, which MQTT lets servers refuse by ending the connection.
    fn filter_with_control(&self) -> Option<(&str, char)> {
        let filters = self.args.topic.iter().chain(&self.args.unsubscribe);
        let mut found = filters.filter_map(|filter| {
            let control = filter.chars().find(|character| character.is_control())?;
            Some((filter.as_str(), control))
        });
        found.next()
    }

    /// Prints a message and then acknowledges it, and says whether it is time to leave. A message
    /// that did not get as far stays with the server.
    async fn on_message(&mut self, incoming: &Incoming) -> Result<bool, Trouble> {
        if let Some(silence) = &mut self.silence {
            silence.end();
        }
        if let Some(lines) = &self.lines {
            lines.message(incoming);
        }
        // The server did not get the word for it while there was a connection.
        let leaves = if self.done.has(incoming) {
            false
        } else {
            let Some(leaves) = self.print(incoming)? else {
                return Ok(true);
            };
            self.done.note(incoming);
            leaves
        };
        // Once the connection is over the server sends the message again.
        let _ = self.client.acknowledge(incoming, ReasonCode::Success).await;
        Ok(leaves)
    }

    /// Records and prints a message unless it is filtered out, and says whether it is time to
    /// leave; nothing if the message is not wanted any more.
    fn print(&mut self, incoming: &Incoming) -> Result<Option<bool>, Trouble> {
        let message = &incoming.message;
        // Nothing is retained of no bytes: this is a removal, of this client or another one. Those of this
        // one come back before a server that sends its retained messages in portions has sent the last.
        let is_removal = message.payload.is_empty() && self.removals.is_some();
        if self.args.retained_only && (is_removal || !message.retain) {
            self.all_removed_at = Some(Instant::now() + LAST_PORTION);
            return Ok(is_removal.then_some(false));
        }
        if let Some(all_removed_at) = &mut self.all_removed_at {
            *all_removed_at = Instant::now() + LAST_PORTION;
        }
        if let Some(removals) = self
            .removals
            .as_mut()
            .filter(|_| message.retain && !is_removal)
            && let Some(sentence) = removals.push(&message.topic)
        {
            self.show.warn(self.talk, sentence);
        }
        let is_filtered = self
            .args
            .filter_out
            .iter()
            .any(|filter| matches(filter, &message.topic));
        if is_filtered || self.args.receive.no_retained && message.retain {
            return Ok(Some(false));
        }
        if self
            .args
            .random_filter
            .is_some_and(|percent| !is_drawn(percent))
        {
            return Ok(Some(false));
        }
        if let Some(recorder) = &mut self.recorder {
            recorder
                .append(incoming)
                .map_err(|sentence| Trouble::new(sentence, 1))?;
        }
        if let Err(error) = self.show.on_message(incoming, self.talk) {
            return match of_output(&error) {
                None => Ok(None),
                Some(trouble) => Err(trouble),
            };
        }
        self.printed += 1;
        Ok(Some(
            self.args.count.is_some_and(|count| self.printed >= count),
        ))
    }
}

/// Why output failed; nothing if whoever reads it has seen enough.
fn of_output(error: &io::Error) -> Option<Trouble> {
    (error.kind() != io::ErrorKind::BrokenPipe)
        .then(|| Trouble::new(words::cannot_print(words::system(error)), 1))
}

/// How the command ends when output has ended it.
fn after_output(output: io::Result<()>) -> Result<u8, Trouble> {
    match output.map_err(|error| of_output(&error)) {
        Ok(()) | Err(None) => Ok(0),
        Err(Some(trouble)) => Err(trouble),
    }
}

fn out_of_time() -> Trouble {
    timed_out(words::timed_out())
}

/// Whether chance lets a message through.
fn is_drawn(percent: f64) -> bool {
    // A new hasher has keys that nobody can foresee, which is chance enough for a sample.
    let random = RandomState::new().hash_one(()) % 100_000;
    (random as f64) < percent * 1_000.0
}

/// Waits for the signals that ask to leave.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals end the program by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn parse_percent(text: &str) -> Result<f64, Said> {
    match text.parse() {
        Ok(percent) if (0.1..=100.0).contains(&percent) => Ok(percent),
        _ => Err(value::percent().into()),
    }
}
