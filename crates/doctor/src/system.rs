//! What the broker says it is, under `$SYS`.

use std::time::Duration;

use columba_client::driver::ConnectOptions;
use columba_codec::QoS;
use tokio::time::Instant;

use crate::line::{Line, Next};
use crate::port::shown;
use crate::report::{Check, Finding};
use crate::text::broker as text;

/// Where brokers say their name and version: Mosquitto and Columba, then EMQX.
const TOPICS: [&str; 3] = [
    "$SYS/broker/version",
    "$SYS/brokers/+/sysdescr",
    "$SYS/brokers/+/version",
];

/// What it says, on a connection of its own, as some brokers close it instead of refusing.
///
/// Nothing, if there is no connection or it says nothing of itself. Each answer may take `patience`, and what it
/// says of itself `settle` behind them.
pub async fn look(
    options: &ConnectOptions,
    patience: Duration,
    settle: Duration,
) -> Option<String> {
    let mut options = options.clone();
    options.session.client_id = crate::derived_id(&options.session.client_id, 'y');
    let mut line = Line::open(options, patience).await.ok()?;
    for topic in TOPICS {
        // By a filter that is refused nothing comes.
        let _ = line.subscribe(topic, QoS::AtMostOnce).await.ok()?;
    }
    let mut said = Vec::new();
    let until = Instant::now() + settle;
    while let Next::Message(incoming) = line.next(until).await {
        let text = shown(&String::from_utf8_lossy(&incoming.message.payload));
        if !text.is_empty() && !said.contains(&text) && said.len() < TOPICS.len() {
            said.push(text);
        }
    }
    line.leave().await;
    (!said.is_empty()).then(|| said.join(" "))
}

/// What it means; no answer is no fault.
pub(crate) fn judge(name: Option<&str>) -> Finding {
    match name {
        Some(name) => Finding::pass(Check::System, text::system_is(name)),
        None => Finding::skip(Check::System, text::system_unknown()),
    }
}
