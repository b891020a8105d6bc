//! `columba pub`: publishes messages, and says what became of them.

mod fate;
mod link;
mod nobody;
mod own;
mod progress;
mod replay;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args};
use columba_client::driver::{Client, Pending};
use columba_client::{Answer, Failure, Message, MessageProperties};
use columba_codec::{QoS, ReasonCode};
use tokio::time::{Instant, sleep_until};

use crate::api::ApiArgs;
use crate::connection::{
    ConnectionArgs, EXIT_LOST, EXIT_USAGE, Plan, Trouble, check_topic, exit_of, parse_qos,
    run_to_end,
};
use crate::events::duration;
use crate::mosquitto;
use crate::mosquitto::file::OptionsFileArg;
use crate::payload::{Payload, PayloadArgs, stdin_lines};
use crate::words::{self, Said, recording, value};
use fate::Sender;
use link::{Link, State};
use progress::Progress;
use replay::{Replay, Speed};

/// How long the server may take for the last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages that may be on their way without their answers having been looked at.
const UNSEEN_ANSWERS_MAX: usize = 1_000;

/// A group of options in the help.
const WHY: &str = "What becomes of it";

const USAGE: &str = "columba pub [OPTIONS] -t TOPIC <-m TEXT|-n|-f FILE|-s|-l>\n       \
                     columba pub [OPTIONS] --replay FILE";

const EXAMPLES: &str = "\
Examples:
  columba pub -t home/lamp -m on
  columba pub -h broker.example -u ann -P secret -q 1 -r -t home/lamp -m on
  columba pub -t home/lamp -m on --why      # and say who got it, who did not, and why";

/// Publish messages
///
/// Exits with 0 if the server took all of them, else with the reason code of the first refusal.
#[derive(Args, Clone, Debug)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    next_help_heading = "Message",
    override_usage = USAGE,
    after_help = EXAMPLES
)]
#[command(group = ArgGroup::new("payload").required(true)
    .args(["message", "null_message", "file", "stdin_file", "stdin_line", "replay"]))]
pub struct PublishArgs {
    /// Topic to publish to
    #[arg(
        short,
        long,
        allow_hyphen_values = true,
        required_unless_present_any = ["url", "replay"]
    )]
    topic: Option<String>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// QoS: 0, 1 or 2
    #[arg(short, long, value_parser = parse_qos, default_value = "0")]
    qos: QoS,
    /// Ask the server to keep the message for later subscribers
    #[arg(short, long)]
    retain: bool,
    /// How often to publish the message; not with -l
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with = "stdin_line"
    )]
    repeat: u32,
    /// Seconds between two of --repeat, such as 0.5
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    repeat_delay: f64,
    /// Publish the messages of a file that `sub --record` or `sub --json` wrote, with their topics,
    /// QoS, RETAIN and properties, as far apart as they came
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "qos", "retain", "repeat"])]
    replay: Option<PathBuf>,
    /// How fast to replay: a factor such as 2x or 0.5x, or max
    #[arg(long, value_name = "FACTOR", value_parser = Speed::parse, default_value = "1x", requires = "replay")]
    speed: Speed,
    /// Afterwards say what became of the message: who got it, who did not, and why
    ///
    /// Asks the management API of the broker, which is Columba's, and needs the scope `operate` elsewhere
    /// than on the broker's machine. With less, or with --api and the user and password of the connection
    /// alone, it says what the broker makes of the message instead of listing who got it. Exits, if the
    /// message was published, with 0 if everybody got it who should, 10 if somebody did not or nobody
    /// subscribes, 11 if that cannot be told, 12 if it waits for somebody.
    #[arg(long, conflicts_with_all = ["stdin_line", "replay", "repeat"], help_heading = WHY)]
    why: bool,
    /// How long --why waits for copies to arrive: 5s, up to 30m
    #[arg(long, value_name = "TIME", value_parser = patience, default_value = "5s", requires = "why", help_heading = WHY)]
    why_for: Duration,
    #[command(flatten, next_help_heading = WHY)]
    api: ApiArgs,
    #[command(flatten)]
    options_file: OptionsFileArg,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs the command.
pub fn run(args: PublishArgs) -> ExitCode {
    let is_drop_in = mosquitto::called_as().is_some();
    if args.why && !is_drop_in {
        return fate::run(args);
    }
    run_to_end(args.connection.talk(), async {
        if args.why {
            return Err(Trouble::usage(words::why_only_here()));
        }
        if args.api.is_given() {
            return Err(Trouble::usage(words::belongs_to("--why")));
        }
        let plan = args.connection.plan()?;
        publish(args, plan, &mut Sender::default()).await
    })
}

/// How long to wait for what becomes of a message.
fn patience(text: &str) -> Result<Duration, Said> {
    let time = duration(text)?;
    if time > Duration::from_secs(30 * 60) {
        return Err(value::patience().into());
    }
    Ok(time)
}

async fn publish(args: PublishArgs, mut plan: Plan, sender: &mut Sender) -> Result<u8, Trouble> {
    let replay = args.replay.as_deref().map(Replay::open).transpose();
    let replay = replay.map_err(Trouble::usage)?;
    if let (Some(replay), Some(path)) = (&replay, &args.replay)
        && replay.messages == 0
    {
        let file = path.display().to_string();
        plan.talk.warning(recording::nothing_in(file));
    }
    let topic = args.topic.clone().or_else(|| plan.url_topic.clone());
    if let Some(topic) = topic.as_ref().filter(|_| replay.is_none()) {
        check_topic(topic)?;
    }
    let topic = topic.or_else(|| replay.is_some().then(String::new));
    let topic = topic.ok_or_else(|| Trouble::usage(words::no_topic()))?;
    let delay = Duration::try_from_secs_f64(args.repeat_delay)
        .map_err(|_| Trouble::usage(words::repeat_delay()))?;
    let payload = args.payload.read().await?;
    let (client, mut link) = if matches!(payload, Payload::Lines) {
        Link::lasting(&mut plan).await?
    } else {
        Link::single(&mut plan).await?
    };
    let client_id = client.accepted().client_id.clone();
    sender.begin(&client_id).await;
    let is_quiet = args.connection.is_quiet();
    let mut publisher = Publisher {
        client,
        plan,
        args,
        topic,
        unseen: VecDeque::new(),
        progress: Progress::new(is_quiet),
        exit: 0,
        has_lines: matches!(payload, Payload::Lines),
        is_nobody_told: false,
        is_sent: false,
        state: link.state.clone(),
        lost: 0,
    };
    let sent = match (replay, payload) {
        (Some(replay), _) => publisher.replay(replay).await,
        (None, Payload::Whole(payload)) => publisher.repeat(payload, delay).await,
        (None, Payload::Lines) => publisher.lines().await,
    };
    let sent = match sent {
        Ok(()) => publisher.look_at_answers(0).await,
        Err(failure) => Err(failure),
    };
    if publisher.is_sent {
        sender.end(client_id).await;
    }
    publisher.finish(sent, &mut link).await
}

struct Publisher {
    client: Client,
    plan: Plan,
    args: PublishArgs,
    /// That of the messages, unless each has its own; then that of the one a failure is about.
    topic: String,
    /// What was sent where, and is not known to have been taken.
    unseen: VecDeque<(String, Pending<Answer>)>,
    progress: Progress,
    exit: u8,
    /// Whether each line is a message.
    has_lines: bool,
    /// Whether it was said that nobody subscribes.
    is_nobody_told: bool,
    /// Whether a message was sent.
    is_sent: bool,
    state: Arc<State>,
    /// Lines that found no connection.
    lost: u64,
}

impl Publisher {
    async fn repeat(&mut self, payload: Vec<u8>, delay: Duration) -> Result<(), Failure> {
        for round in 0..self.args.repeat {
            if round > 0 && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            self.send_payload(payload.clone()).await?;
        }
        Ok(())
    }

    async fn lines(&mut self) -> Result<(), Failure> {
        let mut lines = stdin_lines();
        while let Some(line) = lines.recv().await {
            match line {
                Ok(line) => {
                    self.send_payload(line).await?;
                    self.progress.sent();
                    if self.topic.is_empty() {
                        // Every other line would end as this one did.
                        break;
                    }
                }
                Err(error) => {
                    self.progress.clear();
                    let error = words::system(&error);
                    self.plan.talk.error(words::stdin_unreadable(error));
                    self.exit = 1;
                }
            }
        }
        Ok(())
    }

    async fn replay(&mut self, mut replay: Replay) -> Result<(), Failure> {
        let speed = self.args.speed;
        self.progress
            .expect(replay.messages, speed.scaled(replay.length));
        if replay.has_properties && !self.plan.version().has_properties() {
            self.plan.talk.warning(words::no_properties());
        }
        let started = Instant::now();
        loop {
            let (after, mut message) = match replay.next() {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(()),
                Err(sentence) => {
                    // The file was good a moment ago.
                    self.progress.clear();
                    self.plan.talk.error(sentence);
                    self.exit = 1;
                    return Ok(());
                }
            };
            self.wait_until(started + speed.scaled(after)).await;
            if !self.plan.version().has_properties() {
                message.properties = MessageProperties::default();
            }
            self.send(message).await?;
            self.progress.sent();
        }
    }

    async fn wait_until(&mut self, time: Instant) {
        while Instant::now() < time {
            sleep_until(time.min(Instant::now() + Duration::from_secs(1))).await;
            self.progress.show();
        }
    }

    async fn send_payload(&mut self, payload: Vec<u8>) -> Result<(), Failure> {
        let mut message = Message::new(&self.topic, payload);
        message.qos = self.args.qos;
        message.retain = self.args.retain;
        message.properties = self.plan.properties.publish.clone();
        self.send(message).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Failure> {
        self.plan.talk.debug(|| {
            let bytes = message.payload.len();
            format!(
                "Publishing {bytes} bytes to '{}' at QoS {}",
                message.topic,
                message.qos.as_u8()
            )
        });
        let topic = message.topic.clone();
        let pending = match self.client.start_publish(message).await {
            Ok(pending) => pending,
            Err(failure) => return self.fail(topic, failure),
        };
        self.is_sent = true;
        self.unseen.push_back((topic, pending));
        self.look_at_answers(UNSEEN_ANSWERS_MAX).await
    }

    /// Waits for the oldest answers until no more than `unseen_max` are left.
    async fn look_at_answers(&mut self, unseen_max: usize) -> Result<(), Failure> {
        while self.unseen.len() > unseen_max {
            let Some((topic, pending)) = self.unseen.pop_front() else {
                return Ok(());
            };
            let answer = match pending.await {
                Ok(answer) => answer,
                Err(failure) => {
                    self.fail(topic, failure)?;
                    continue;
                }
            };
            if answer.reason.is_error() {
                self.progress.clear();
                let sentence = words::refused_publish(&topic, &answer);
                if mosquitto::called_as().is_some() {
                    // Mosquitto's client warns, and has done what it could.
                    self.plan.talk.warning(sentence);
                } else {
                    self.plan.talk.error(sentence);
                    if self.exit == 0 {
                        self.exit = answer.reason as u8;
                    }
                }
            } else if answer.reason == ReasonCode::NoMatchingSubscribers {
                self.tell_nobody(&topic);
            }
        }
        Ok(())
    }

    /// A message that cannot be sent is like one that was refused: the others may still arrive. The
    /// end of the connection is the end of all, if it does not come back.
    fn fail(&mut self, topic: String, failure: Failure) -> Result<(), Failure> {
        if is_loss(&failure) && self.state.comes_back() {
            self.lost += 1;
            return Ok(());
        }
        if is_loss(&failure) {
            self.topic = topic;
            return Err(failure);
        }
        self.progress.clear();
        let sentence = words::not_published(topic, words::client::failure(&failure));
        match is_of_command_line(&failure) {
            true => self.plan.talk.fault(sentence),
            false => self.plan.talk.error(sentence),
        }
        // Mosquitto's client has done with a message that it cannot send, but ends the lines.
        let theirs = if self.has_lines { EXIT_USAGE } else { 0 };
        if self.exit == 0 {
            self.exit = exit_of(&failure, theirs).unwrap_or(1);
        }
        Ok(())
    }

    /// The commonest reason why a message does not arrive; once, or a stream of lines drowns in it.
    fn tell_nobody(&mut self, topic: &str) {
        // Mosquitto's client keeps it to itself, and what calls it may take any word for a failure.
        let is_drop_in = mosquitto::called_as().is_some();
        if !std::mem::replace(&mut self.is_nobody_told, true) && !is_drop_in {
            self.progress.clear();
            self.plan.talk.warning(words::nobody_subscribes(topic));
        }
    }

    async fn finish(mut self, sent: Result<(), Failure>, link: &mut Link) -> Result<u8, Trouble> {
        self.progress.clear();
        let is_over = sent.as_ref().is_err_and(is_loss);
        if !is_over {
            // Without a connection nothing is left that could be finished.
            let patience = if self.state.is_connected() {
                PATIENCE
            } else {
                Duration::ZERO
            };
            let unfinished = self.client.disconnect(ReasonCode::Success, patience).await;
            if unfinished > 0 {
                self.plan.talk.error(words::left_unanswered(unfinished));
            }
        }
        drop(self.client);
        let trouble = link.end().await;
        if self.lost > 0 {
            self.plan.talk.error(words::lines_lost(self.lost));
            // Mosquitto's client loses them without a word.
            if self.exit == 0 && mosquitto::called_as().is_none() {
                self.exit = EXIT_LOST;
            }
        }
        match (sent, trouble) {
            (Err(failure), None) => {
                let topic = self.topic.as_str();
                let sentence = words::not_published(topic, words::client::failure(&failure));
                Err(Trouble::new(sentence, if is_over { EXIT_LOST } else { 1 }))
            }
            (_, Some(trouble)) => Err(trouble),
            (Ok(()), None) => Ok(self.exit),
        }
    }
}

/// Whether an option asked for what cannot be sent at all.
fn is_of_command_line(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Topic(_) | Failure::ControlCharacter(_) | Failure::NeedsVersion5(_)
    ) && mosquitto::called_as().is_none()
}

fn is_loss(failure: &Failure) -> bool {
    matches!(failure, Failure::ConnectionLost | Failure::NotConnected)
}
