//! `pub --why` where nothing says which broker to ask: that only Columba can be asked, what the server
//! that has the message seems to be, and how to name an instance.

use std::time::Duration;

use columba_client::SessionOptions;
use columba_codec::Version;
use columba_speech::Text;

use crate::admin_client::DEFAULT_DIR;
use crate::connection::ConnectionArgs;
use crate::words;

/// How long the server may take for each answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what it says of itself may take behind its answers.
const SETTLE: Duration = Duration::from_millis(500);

/// Says so, once the message is sent.
pub(super) fn tell(connection: &ConnectionArgs) {
    if !connection.is_quiet() {
        let why = sentence(name_of_server(connection).as_deref());
        connection.talk().warning(words::fate_untold(why));
    }
}

/// What the server calls itself, if it says so.
fn name_of_server(connection: &ConnectionArgs) -> Option<String> {
    let (mut options, _) = connection.plan().ok()?.into_options();
    // Who it is and what every broker understands; a client id or Will is for the message.
    options.session = SessionOptions {
        version: Version::V311,
        user_name: options.session.user_name,
        password: options.session.password,
        ..SessionOptions::default()
    };
    options.clean_start = true;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let look = columba_doctor::system::look(&options, PATIENCE, SETTLE);
    runtime.ok()?.block_on(look)
}

fn sentence(name: Option<&str>) -> Text {
    let is_columba = |name: &&str| name.to_ascii_lowercase().contains("columba");
    match name {
        None => words::fate_no_instance(DEFAULT_DIR),
        Some(name) if is_columba(&name) => words::fate_which_instance(name, DEFAULT_DIR),
        Some(name) => words::fate_other_broker(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn another_broker_is_named_and_an_instance_is_asked_for() {
        for (name, said) in [
            (
                Some("mosquitto version 2.0.11"),
                "only Columba can be asked, and this broker seems to be mosquitto version 2.0.11",
            ),
            (Some("columba version 1.0"), "which instance it is"),
            (None, "there is no instance in columba-data"),
        ] {
            let sentence = sentence(name).to_string(Language::English);
            assert!(sentence.contains(said), "{sentence}");
            let is_other = name.is_some_and(|name| name.starts_with("mosquitto"));
            assert_eq!(sentence.contains("--api"), !is_other, "{sentence}");
            assert_eq!(sentence.contains("--dir"), !is_other, "{sentence}");
        }
    }
}
