//! `columba rr`: publishes a request, waits for the response and prints it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use columba_client::driver::{Client, Event, Events};
use columba_client::{Failure, Message};
use columba_codec::ReasonCode;
use columba_speech::Text;

use crate::connection::{
    ConnectionArgs, EXIT_LOST, EXIT_TIMEOUT, EXIT_USAGE, Plan, Trouble, check_topic, close_trouble,
    exit_of, run_to_end,
};
use crate::failure;
use crate::mosquitto;
use crate::mosquitto::file::OptionsFileArg;
use crate::payload::{Payload, PayloadArgs, stdin_lines, stdin_trouble};
use crate::receive::{PATIENCE, ReceiveArgs, goodbye_when_told, timed_out};
use crate::subscribe::print::OutputArgs;
use crate::words;

const EXAMPLES: &str = "\
Examples:
  columba rr -t lamp/state/get -e lamp/state -m '' -W 5
  columba rr -h broker.example -t lamp/state/get -e me/answers -m now --latency
  columba rr -t echo -e me/answers -l < requests.txt";

/// Publish a request, wait for the response and print it
///
/// Exits with 0 after a response, with 27 when -W runs out, else with the code that the server gave.
#[derive(Args, Clone, Debug)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    next_help_heading = "Request and response",
    override_usage = "columba rr [OPTIONS] -t TOPIC -e RESPONSE_TOPIC <-m TEXT|-n|-f FILE|-s|-l>",
    after_help = EXAMPLES
)]
#[command(group = ArgGroup::new("payload").required(true)
    .args(["message", "null_message", "file", "stdin_file", "stdin_line"]))]
pub struct RequestArgs {
    /// Topic to publish the request to
    #[arg(short, long, required_unless_present = "url")]
    topic: Option<String>,
    /// Topic on which the response comes
    #[arg(short = 'e', long, value_name = "TOPIC")]
    response_topic: String,
    #[command(flatten)]
    payload: PayloadArgs,
    #[command(flatten)]
    receive: ReceiveArgs,
    /// Print how long the response took
    #[arg(long)]
    latency: bool,
    #[command(flatten, next_help_heading = "What is shown")]
    output: OutputArgs,
    #[command(flatten)]
    options_file: OptionsFileArg,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs the command.
pub fn run(args: RequestArgs) -> ExitCode {
    let talk = args.connection.talk();
    run_to_end(talk, async {
        let plan = args.connection.plan()?;
        request(args, plan).await
    })
}

async fn request(args: RequestArgs, mut plan: Plan) -> Result<u8, Trouble> {
    let topic = args.topic.clone().or_else(|| plan.url_topic.clone());
    let topic = topic.ok_or_else(|| Trouble::usage(words::no_topic()))?;
    check_topic(&topic)?;
    if args.response_topic.contains(['+', '#']) {
        let topic = args.response_topic.as_str();
        return Err(Trouble::usage(words::response_topic_with_wildcard(topic)));
    }
    let patience = args.receive.patience();
    let payload = within(patience, args.payload.read()).await?;
    let (client, mut events) = within(patience, async {
        let (client, mut events) = plan.connect().await?;
        subscribe(&args, &plan, &client, &mut events).await?;
        Ok((client, events))
    })
    .await?;
    let mut requester = Requester {
        args,
        plan,
        client: client.clone(),
        topic,
    };
    let answered = match payload {
        Payload::Whole(payload) => within(patience, requester.exchange(&mut events, payload)).await,
        Payload::Lines => requester.exchange_lines(&mut events, patience).await,
    };
    let is_timed_out = matches!(&answered, Err(trouble) if trouble.exit == EXIT_TIMEOUT);
    // A server that has not answered so far is not waited for once more.
    let (goodbye, patience) = if is_timed_out {
        (goodbye_when_told(), Duration::ZERO)
    } else {
        (ReasonCode::Success, PATIENCE)
    };
    client.disconnect(goodbye, patience).await;
    answered.map(|()| 0)
}

/// What `-W` waits for: that the subscription stands, and then each response.
async fn within<T>(
    patience: Option<Duration>,
    step: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let Some(patience) = patience else {
        return step.await;
    };
    let ended = tokio::time::timeout(patience, step).await;
    ended.unwrap_or_else(|_| {
        let seconds = patience.as_secs();
        Err(timed_out(words::no_response(seconds)))
    })
}

/// Subscribes to the response topic; without that there is nothing to wait for.
async fn subscribe(
    args: &RequestArgs,
    plan: &Plan,
    client: &Client,
    events: &mut Events,
) -> Result<(), Trouble> {
    let filters = std::slice::from_ref(&args.response_topic);
    let subscription = args.receive.subscription(filters, false, plan);
    let answer = match client.subscribe(subscription).await {
        Ok(answer) => answer,
        Err(failure) => {
            let what = words::cannot_subscribe_to_response;
            let trouble = trouble(what, &failure, events).await;
            let exit = exit_of(&failure, 0).unwrap_or(trouble.exit);
            return Err(Trouble { exit, ..trouble });
        }
    };
    match answer.codes.first() {
        Some(code) if code.is_error() => {
            let said = answer.reason_string.as_deref();
            let sentence = words::refused_filter(&args.response_topic, *code, said);
            // Mosquitto's client counts this as an end like others.
            let exit = mosquitto::called_as().map_or(*code as u8, |_| 0);
            Err(Trouble::new(sentence, exit))
        }
        Some(_) | None => Ok(()),
    }
}

struct Requester {
    args: RequestArgs,
    plan: Plan,
    client: Client,
    topic: String,
}

impl Requester {
    /// Sends every line; how long the lines take to come is not the server's fault.
    async fn exchange_lines(
        &mut self,
        events: &mut Events,
        patience: Option<Duration>,
    ) -> Result<(), Trouble> {
        let mut lines = stdin_lines();
        while let Some(line) = lines.recv().await {
            let line = line.map_err(|error| stdin_trouble(&error))?;
            within(patience, self.exchange(events, line)).await?;
        }
        Ok(())
    }

    /// Sends a request and waits until the response is printed.
    async fn exchange(&mut self, events: &mut Events, payload: Vec<u8>) -> Result<(), Trouble> {
        let mut message = Message::new(&self.topic, payload).with_qos(self.args.receive.qos);
        if self.plan.version().has_properties() {
            message.properties = self.plan.properties.publish.clone();
            message.properties.response_topic = Some(self.args.response_topic.clone());
        }
        let sent = Instant::now();
        self.await_response(events, message).await?;
        if self.args.latency {
            failure::print(&format!("Latency: {:?}\n", sent.elapsed()));
        }
        Ok(())
    }

    async fn await_response(
        &mut self,
        events: &mut Events,
        message: Message,
    ) -> Result<(), Trouble> {
        let Self {
            args, plan, client, ..
        } = self;
        let topic = message.topic.clone();
        let mut pending = match client.start_publish(message).await {
            Ok(pending) => pending,
            Err(failure) => {
                return Err(not_requested(&failure, events).await);
            }
        };
        let mut is_published = false;
        loop {
            let event = tokio::select! {
                answer = &mut pending, if !is_published => {
                    is_published = true;
                    let answer = match answer {
                        Ok(answer) => answer,
                        // The end of the connection comes as an event and knows more.
                        Err(Failure::ConnectionLost) => continue,
                        Err(failure) => {
                            return Err(not_requested(&failure, events).await);
                        }
                    };
                    if answer.reason.is_error() {
                        let sentence = words::refused_publish(&topic, &answer);
                        return Err(Trouble::new(sentence, answer.reason as u8));
                    }
                    if answer.reason == ReasonCode::NoMatchingSubscribers {
                        plan.talk.warning(words::nobody_answers(topic.as_str()));
                    }
                    continue;
                }
                event = events.next() => event,
            };
            match event {
                Some(Event::Message(incoming)) => {
                    if let Some(lines) = &plan.lines {
                        lines.message(&incoming);
                    }
                    if args.receive.no_retained && incoming.message.retain {
                        continue;
                    }
                    return args
                        .output
                        .clone()
                        .print(&incoming, plan.talk)
                        .map_err(|error| {
                            Trouble::new(words::cannot_print(words::system(&error)), 1)
                        });
                }
                Some(Event::Unanswered(warning)) => {
                    plan.talk.warning(words::client::warning(&warning));
                }
                Some(Event::Ended(ended)) => {
                    return Err(close_trouble(&ended.cause, ended.transport_error.as_ref()));
                }
                None => {
                    return Err(
                        trouble(words::cannot_wait, &Failure::ConnectionLost, events).await,
                    );
                }
            }
        }
    }
}

/// The same as [`trouble`] for a request that was not sent.
async fn not_requested(failure: &Failure, events: &mut Events) -> Trouble {
    let trouble = trouble(words::cannot_request, failure, events).await;
    let exit = exit_of(failure, EXIT_USAGE).unwrap_or(trouble.exit);
    Trouble { exit, ..trouble }
}

/// Why a request failed: the end of the connection comes as an event, which knows more.
async fn trouble(what: fn(Text) -> Text, failure: &Failure, events: &mut Events) -> Trouble {
    let is_lost = matches!(failure, Failure::ConnectionLost | Failure::NotConnected);
    while is_lost && let Some(event) = events.next().await {
        if let Event::Ended(ended) = event {
            return close_trouble(&ended.cause, ended.transport_error.as_ref());
        }
    }
    let sentence = what(words::client::failure(failure));
    Trouble::new(sentence, if is_lost { EXIT_LOST } else { 1 })
}
