//! What users of MQTTX's command line type: its names that mean something here, and a sentence for those
//! that do not.

use std::ffi::OsString;

use columba_speech::Text;

use crate::words::command_line;

/// Options of two letters behind one dash that no reading of ours takes, and their long names.
const SHORTS: &[(&str, &str)] = &[
    ("-Wt", "--will-topic"),
    ("-Wm", "--will-message"),
    ("-Wq", "--will-qos"),
    ("-Wr", "--will-retain"),
    ("-Wd", "--will-delay-interval"),
    ("-Wpf", "--will-payload-format-indicator"),
    ("-We", "--will-message-expiry-interval"),
    ("-Wct", "--will-content-type"),
    ("-Wrt", "--will-response-topic"),
    ("-Wcd", "--will-correlation-data"),
    ("-Wup", "--will-user-properties"),
    ("-Cup", "--conn-user-properties"),
];

/// Of `bench` and `simulate`, where they clash with nothing.
const OF_LOADS: &[(&str, &str)] = &[("-sc", "--scenario"), ("-im", "--message-interval")];

/// What is to be written in the place of a short option.
pub(super) fn long_of_short(word: &str) -> Option<Text> {
    let (short, long) = SHORTS.iter().find(|(short, _)| *short == word)?;
    Some(command_line::mqttx_short(*short, *long))
}

/// A command of MQTTX that is none here.
pub(super) fn other_command(word: &str) -> Option<Text> {
    Some(match word {
        "conn" => command_line::mqttx_conn(),
        "ls" => command_line::mqttx_ls(),
        "init" => command_line::mqttx_init(),
        _ => return None,
    })
}

/// The words of `bench` and `simulate` with our names.
pub(super) fn of_loads(words: Vec<OsString>) -> Vec<OsString> {
    let ours = |word: OsString| {
        let known = OF_LOADS.iter().find(|(short, _)| word == *short);
        known.map_or(word, |(_, long)| (*long).into())
    };
    words.into_iter().map(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn every_long_name_that_a_sentence_gives_is_taken() {
        for (short, long) in SHORTS {
            assert!(super::super::spelling::spelling(long).is_some(), "{long}");
            let said = long_of_short(short).expect("a sentence");
            assert!(said.to_string(Language::English).contains(long));
        }
    }
}
