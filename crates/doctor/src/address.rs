//! The address as it was written: what is wrong with it before anything is sent.

use columba_speech::Text;

use crate::report::{Check, Finding};
use crate::target::{Target, Usual, usual};
use crate::text::network as text;

/// Makes a URL that can be used of what a person wrote, with a finding about it.
///
/// # Errors
/// The finding, if there is no telling what was meant.
pub fn read(written: &str) -> Result<(String, Finding), Box<Finding>> {
    let mut notes = Vec::new();
    let mut url: String = written.trim().chars().map(half_width).collect();
    if url != written {
        notes.push(text::address_cleaned(written, url.as_str()));
    }
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest.to_owned()),
        None => (String::new(), url.clone()),
    };
    let scheme = match scheme.as_str() {
        "mqtt" | "mqtts" | "ws" | "wss" => scheme,
        "tcp" | "mqtt+tcp" => renamed("tcp", "mqtt", &mut notes),
        "ssl" | "tls" | "mqtt+ssl" | "mqtt+tls" | "mqtt+tcp+tls" => {
            renamed(&scheme, "mqtts", &mut notes)
        }
        "" => {
            let scheme = if port_of(&rest) == Some(8883) {
                "mqtts"
            } else {
                "mqtt"
            };
            notes.push(text::address_without_scheme(scheme));
            scheme.to_owned()
        }
        "http" | "https" => return Err(Box::new(web_address(&scheme, &rest))),
        _ => return Err(Box::new(unknown_scheme(&scheme, &rest))),
    };
    url = format!("{scheme}://{rest}");
    let mut finding = Finding::pass(Check::Address, text::address_read(url_without_secret(&url)));
    finding.notes = notes;
    Ok((url, finding))
}

/// What the host and port let one expect: hints for later, as any port may serve anything.
pub fn hints(target: &Target, is_in_container: bool) -> Vec<Text> {
    let mut hints = Vec::new();
    let is_loopback = matches!(target.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    if is_in_container && is_loopback {
        hints.push(text::localhost_in_container());
    }
    let is_websocket = target.websocket_path.is_some();
    let port = target.port;
    hints.extend(match usual(port) {
        Some(Usual::Console(product, mqtt)) => Some(text::console_port(port, product, mqtt)),
        Some(Usual::Tls) if !target.is_tls => Some(text::port_usually(
            port,
            "MQTT + TLS",
            target.with_tls(true).url(),
        )),
        Some(Usual::WebSocket) if !is_websocket => Some(text::port_usually(
            port,
            "MQTT + WebSocket",
            target.other(port, false, Some("/mqtt")).url(),
        )),
        Some(Usual::SecureWebSocket) if !is_websocket || !target.is_tls => {
            Some(text::port_usually(
                port,
                "MQTT + WebSocket + TLS",
                target.other(port, true, Some("/mqtt")).url(),
            ))
        }
        Some(Usual::Mqtt) if target.is_tls || is_websocket => Some(text::port_usually(
            port,
            "MQTT",
            target.other(port, false, None).url(),
        )),
        Some(Usual::Apollo) => Some(text::apollo_port()),
        Some(Usual::Other(protocol)) if !is_websocket => Some(text::port_of_other(port, protocol)),
        _ => None,
    });
    if target.websocket_path.as_deref() == Some("/") {
        hints.push(text::websocket_without_path());
    }
    hints
}

/// The URL with stars for its password.
pub fn url_without_secret(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = match user.split_once(':') {
                Some((name, _)) => format!("{name}:***"),
                None => user.to_owned(),
            };
            format!("{scheme}://{user}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// A full-width character, as Chinese input methods make them, as its ASCII twin.
pub(crate) const fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{3002}' => '.',
        '\u{FF01}'..='\u{FF5E}' => {
            // The block stands in the order of ASCII.
            match char::from_u32(c as u32 - 0xFEE0) {
                Some(twin) => twin,
                None => c,
            }
        }
        _ => c,
    }
}

fn renamed(written: &str, meant: &str, notes: &mut Vec<Text>) -> String {
    notes.push(text::scheme_renamed(written, meant));
    meant.to_owned()
}

fn port_of(rest: &str) -> Option<u16> {
    let authority = rest.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

fn web_address(scheme: &str, rest: &str) -> Finding {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let (mqtt, websocket) = if scheme == "https" {
        (
            format!("mqtts://{host}:8883"),
            format!("wss://{authority}/mqtt"),
        )
    } else {
        (
            format!("mqtt://{host}:1883"),
            format!("ws://{authority}/mqtt"),
        )
    };
    let finding = Finding::fail(Check::Address, text::address_is_web(format!("{scheme}://")));
    finding
        .fix(text::try_url(mqtt))
        .fix(text::try_websocket(websocket))
}

fn unknown_scheme(scheme: &str, rest: &str) -> Finding {
    let finding = Finding::fail(Check::Address, text::unknown_scheme(format!("{scheme}://")));
    finding.fix(text::try_url(url_without_secret(&format!("mqtt://{rest}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    fn check(written: &str) -> (String, Vec<&'static str>) {
        match read(written) {
            Ok((url, finding)) => (url, finding.notes.iter().map(Text::code).collect()),
            Err(finding) => (finding.what.code().to_owned(), Vec::new()),
        }
    }

    #[test]
    fn addresses_are_read_as_they_were_meant() {
        for (written, url, notes) in [
            ("mqtt://h:1883", "mqtt://h:1883", &[][..]),
            ("h:1883", "mqtt://h:1883", &["address_without_scheme"]),
            ("h:8883", "mqtts://h:8883", &["address_without_scheme"]),
            ("tcp://h:1883", "mqtt://h:1883", &["scheme_renamed"]),
            ("ssl://h:8883", "mqtts://h:8883", &["scheme_renamed"]),
            ("MQTT://h", "mqtt://h", &[]),
            (
                "mqtt：／／h．cn：1883 ",
                "mqtt://h.cn:1883",
                &["address_cleaned"],
            ),
            ("http://h:18083", "address_is_web", &[]),
            ("amqp://h", "unknown_scheme", &[]),
        ] {
            assert_eq!(
                check(written),
                (url.to_owned(), notes.to_vec()),
                "{written}"
            );
        }
    }

    #[test]
    fn a_web_address_is_answered_with_the_two_addresses_that_may_be_meant() {
        let finding = read("http://h:8083/x").expect_err("no address of a broker");
        assert_eq!(finding.mark, Mark::Fail);
        let fixes: Vec<_> = finding
            .fixes
            .iter()
            .map(|fix| fix.to_string(columba_speech::Language::English))
            .collect();
        assert!(fixes[0].contains("mqtt://h:1883"), "{fixes:?}");
        assert!(fixes[1].contains("ws://h:8083/mqtt"), "{fixes:?}");
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("mqtt://ann:secret@h:1/x", "mqtt://ann:***@h:1/x"),
            ("mqtt://ann@h", "mqtt://ann@h"),
            ("mqtt://h/a@b", "mqtt://h/a@b"),
        ] {
            assert_eq!(url_without_secret(url), shown);
        }
    }

    #[test]
    fn ports_hint_at_what_they_usually_are() {
        let hint = |url: &str, port, is_tls, path: Option<&str>| {
            let target = Target {
                host: url.to_owned(),
                port,
                is_tls,
                websocket_path: path.map(str::to_owned),
            };
            let hints = hints(&target, true);
            hints.iter().map(Text::code).collect::<Vec<_>>()
        };
        assert_eq!(hint("h", 1883, false, None), [""; 0]);
        assert_eq!(hint("h", 18083, false, None), ["console_port"]);
        assert_eq!(hint("h", 61680, false, None), ["console_port"]);
        assert_eq!(hint("h", 61613, false, None), ["apollo_port"]);
        assert_eq!(hint("h", 8883, false, None), ["port_usually"]);
        assert_eq!(hint("h", 8883, true, None), [""; 0]);
        assert_eq!(hint("h", 9001, false, None), ["port_usually"]);
        assert_eq!(
            hint("h", 9001, false, Some("/")),
            ["websocket_without_path"]
        );
        assert_eq!(
            hint("localhost", 1883, false, None),
            ["localhost_in_container"]
        );
    }
}
