//! The URL of `-L`.

use columba_doctor::address::url_without_secret;
use columba_speech::Text;

use crate::admin_client::encoded;
use crate::words;

/// A server, and perhaps a topic, in one text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    pub(crate) websocket_path: Option<String>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) topic: Option<String>,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, Text> {
        let wrong = |what: Text| words::url_unusable(url_without_secret(text), what);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong(words::url_start()))?;
        // RFC 3986: a scheme has no case.
        let (is_tls, is_websocket, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => (false, false, 1883),
            "mqtts" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return Err(wrong(words::url_schemes())),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (credentials, host_and_port) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let (user_name, password) = match credentials.map(|text| text.split_once(':').ok_or(text)) {
            Some(Ok((user_name, password))) => (Some(user_name), Some(password)),
            Some(Err(user_name)) => (Some(user_name), None),
            None => (None, None),
        };
        let decode = |part: Option<&str>| match part {
            Some(part) => percent_decoded(part)
                .map(Some)
                .ok_or_else(|| wrong(words::url_percent())),
            None => Ok(None),
        };
        let (host, port) = split_port(host_and_port);
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong(words::url_port()))?,
            None => default_port,
        };
        if host.is_empty() {
            return Err(wrong(words::url_no_host()));
        }
        let topic = path
            .filter(|path| !is_websocket && !path.is_empty())
            .map(str::to_owned);
        Ok(Self {
            host: host.to_owned(),
            port,
            is_tls,
            websocket_path: is_websocket.then(|| format!("/{}", path.unwrap_or_default())),
            user_name: decode(user_name)?,
            password: decode(password)?,
            topic,
        })
    }

    /// The URL as text, but for its topic.
    pub(crate) fn text(&self) -> String {
        let scheme = match (self.websocket_path.is_some(), self.is_tls) {
            (false, false) => "mqtt",
            (false, true) => "mqtts",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        let credentials = match (&self.user_name, &self.password) {
            (Some(user_name), Some(password)) => {
                format!("{}:{}@", encoded(user_name), encoded(password))
            }
            (Some(user_name), None) => format!("{}@", encoded(user_name)),
            (None, _) => String::new(),
        };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let path = self.websocket_path.as_deref().unwrap_or_default();
        format!("{scheme}://{credentials}{host}:{}{path}", self.port)
    }
}

/// Host and port apart; an IPv6 address stands in brackets.
pub(crate) fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_server_user_and_topic() {
        let url = Url::parse("mqtts://ann:p%40ss@[::1]:8884/a/b").expect("a URL");
        assert_eq!(
            (url.host.as_str(), url.port, url.is_tls),
            ("::1", 8884, true)
        );
        assert_eq!(url.user_name.as_deref(), Some("ann"));
        assert_eq!(url.password.as_deref(), Some("p@ss"));
        assert_eq!(url.topic.as_deref(), Some("a/b"));
        let url = Url::parse("MQTTS://host/a").expect("a URL");
        assert_eq!((url.port, url.is_tls), (8883, true));
    }

    #[test]
    fn a_url_is_written_as_it_was_read() {
        for text in [
            "mqtts://ann:p%40ss@[::1]:8884",
            "ws://h:80/mqtt",
            "mqtt://ann@h:1883",
            "wss://h:1/a/b",
        ] {
            assert_eq!(Url::parse(text).expect("a URL").text(), text);
        }
    }

    #[test]
    fn the_path_of_a_websocket_is_no_topic() {
        let url = Url::parse("ws://host/mqtt").expect("a URL");
        assert_eq!((url.port, url.topic), (80, None));
        assert_eq!(url.websocket_path.as_deref(), Some("/mqtt"));
    }

    #[test]
    fn wrong_urls_are_refused() {
        for text in [
            "host",
            "http://host",
            "mqtt://",
            "mqtt://host:x",
            "mqtt://a%@host",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
