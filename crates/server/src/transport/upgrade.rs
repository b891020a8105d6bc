//! The HTTP request that turns a connection into a WebSocket.

use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::HeaderValue;
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use super::greeting::http_answer;
use super::origin::AllowedOrigins;
use super::websocket::WebSocketFault;

/// What a listener for WebSocket accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// The path to be asked for, say `/mqtt`; `None` takes every path.
    pub path: Option<String>,
    /// Which web pages may connect.
    pub origins: AllowedOrigins,
}

/// A request as far as it has come.
#[derive(Debug)]
pub(super) struct Upgrade {
    head: Vec<u8>,
    settings: WebSocketSettings,
}

impl Upgrade {
    pub(super) fn new(settings: WebSocketSettings) -> Self {
        Self {
            head: Vec::new(),
            settings,
        }
    }

    /// Takes bytes. `Ok(Some(rest))` once the WebSocket is open, with the bytes after the request.
    /// The answer is appended to `wire`, also when this fails.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, WebSocketFault> {
        // Only what is new can complete the end of the request, or each byte would cost a pass.
        let from = self.head.len().saturating_sub(3);
        self.head.extend_from_slice(bytes);
        if self
            .head
            .first()
            .is_some_and(|first| !first.is_ascii_alphabetic())
        {
            return Err(WebSocketFault::NotHttp);
        }
        let fail = |wire: &mut Vec<u8>, status, why: &str| {
            let headers = "Upgrade: websocket\r\n";
            wire.extend_from_slice(&http_answer(
                status,
                headers,
                &format!("{THIS_PORT} {why}.\n"),
            ));
            Err(WebSocketFault::BadRequest(why.to_owned()))
        };
        let fresh = self.head.get(from..).unwrap_or_default();
        let is_whole = fresh.windows(4).any(|window| window == b"\r\n\r\n");
        if !is_whole {
            if self.head.len() > HEAD_BYTES_MAX {
                return fail(
                    wire,
                    "431 Request Header Fields Too Large",
                    "The request is too long",
                );
            }
            return Ok(None);
        }
        let (len, request) = match Request::try_parse(&self.head) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(error) => return fail(wire, "400 Bad Request", &error.to_string()),
        };
        if let Some(path) = &self.settings.path
            && request.uri().path() != path
        {
            let asked = request.uri().path();
            let why = format!("Nothing is served at {asked}; MQTT is at {path}");
            return fail(wire, "404 Not Found", &why);
        }
        if let Some(origin) = self.settings.origins.refused(&request) {
            let why = format!("Web pages of {origin:?} may not connect");
            let how = "allowed_origins of this listener names those that may";
            let body = format!("{THIS_PORT} {why}: {how}.\n");
            wire.extend_from_slice(&http_answer("403 Forbidden", "", &body));
            return Err(WebSocketFault::Origin(origin));
        }
        let mut response = match create_response(&request) {
            Ok(response) => response,
            Err(error) => return fail(wire, "426 Upgrade Required", &error.to_string()),
        };
        match subprotocol(&request) {
            Ok(None) => {}
            Ok(Some(name)) => {
                response
                    .headers_mut()
                    .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
            }
            Err(why) => return fail(wire, "400 Bad Request", why),
        }
        // Writing into memory does not fail, and all header values are our own.
        if write_response(&mut *wire, &response).is_err() {
            return fail(wire, "400 Bad Request", "The request cannot be answered");
        }
        Ok(Some(self.head.split_off(len)))
    }
}

/// The subprotocol to answer with (`MQTT-6.0.0-3`, `MQTT-6.0.0-4`).
///
/// A client that names none is let in without one, because the bytes that follow tell as well
/// whether it speaks MQTT; a client that names only others speaks something else.
fn subprotocol(request: &Request) -> Result<Option<&'static str>, &'static str> {
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let offers = offers
        .iter()
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|o| o.split(','));
    let mut has_any = false;
    let mut has_old = false;
    for offer in offers.map(str::trim) {
        has_any = true;
        match offer {
            "mqtt" => return Ok(Some("mqtt")),
            "mqttv3.1" => has_old = true,
            _ => {}
        }
    }
    match (has_old, has_any) {
        (true, _) => Ok(Some("mqttv3.1")),
        (false, true) => Err("The WebSocket subprotocol has to be mqtt"),
        (false, false) => Ok(None),
    }
}

/// A request is larger than this only by cookies and the like.
const HEAD_BYTES_MAX: usize = 16 * 1024;

const THIS_PORT: &str = "This port is for MQTT over WebSocket: use an MQTT client here.";
