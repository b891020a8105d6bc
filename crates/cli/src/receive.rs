//! How `sub` and `rr` receive: the options that both have, and how long they wait.

use std::time::Duration;

use clap::Args;
use columba_client::Subscription;
use columba_codec::packet::{RetainHandling, SubscribeOptions};
use columba_codec::{QoS, ReasonCode};
use columba_speech::Text;

use crate::connection::{EXIT_TIMEOUT, Plan, Trouble, parse_qos};
use crate::mosquitto;
use crate::words::{Said, value};

/// How long the server may take when leaving.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct ReceiveArgs {
    /// Highest QoS to receive with, and that of a request: 0, 1 or 2
    #[arg(short, long, value_parser = parse_qos, default_value = "0")]
    pub(crate) qos: QoS,
    /// Leave after this many seconds; with `rr`, without a response
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Pass over messages that come with RETAIN
    #[arg(short = 'R')]
    pub(crate) no_retained: bool,
    /// Keep RETAIN as it was published (MQTT 5)
    #[arg(long)]
    retain_as_published: bool,
    /// When retained messages are sent (MQTT 5): always, new or never
    #[arg(long, value_name = "WHEN", value_parser = parse_retain_handling, default_value = "always")]
    retain_handling: RetainHandling,
}

impl ReceiveArgs {
    /// How long `-W` waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// What to ask the server for.
    pub(crate) fn subscription(
        &self,
        filters: &[String],
        no_local: bool,
        plan: &Plan,
    ) -> Subscription {
        let mut options = SubscribeOptions {
            qos: self.qos,
            no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: self.retain_handling,
        };
        if !plan.version().has_properties() && mosquitto::called_as().is_some() {
            // Mosquitto's clients do not send what MQTT 3 does not have.
            options = SubscribeOptions::from_qos(self.qos);
        } else if plan.version().has_properties() && self.no_retained {
            options.retain_handling = RetainHandling::DoNotSend;
        }
        Subscription {
            filters: filters
                .iter()
                .map(|filter| (filter.clone(), options))
                .collect(),
            identifier: plan.properties.subscribe_identifier,
            user_properties: plan.properties.subscribe_user_properties.clone(),
        }
    }
}

/// What the server is told by a client that a signal or `-W` ends: Mosquitto's lets it publish the
/// Will, since the client did not come to an end of its own.
pub(crate) fn goodbye_when_told() -> ReasonCode {
    match mosquitto::called_as() {
        Some(_) => ReasonCode::DisconnectWithWill,
        None => ReasonCode::Success,
    }
}

/// `-W` has run out.
pub(crate) fn timed_out(sentence: Text) -> Trouble {
    Trouble::new(sentence, EXIT_TIMEOUT)
}

fn parse_retain_handling(text: &str) -> Result<RetainHandling, Said> {
    match text {
        "0" | "always" => Ok(RetainHandling::Send),
        "1" | "new" => Ok(RetainHandling::SendIfNew),
        "2" | "never" => Ok(RetainHandling::DoNotSend),
        _ => Err(value::retain_handling().into()),
    }
}
