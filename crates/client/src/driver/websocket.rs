//! MQTT over WebSocket: binary frames as a stream of bytes (section 6 of the standard).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::transport::Transport;
use super::{Address, ConnectError};
use crate::advice::printable;

pub(super) async fn open(
    stream: Transport,
    address: &Address,
    path: &str,
    is_tls: bool,
    packet_bytes_max: u32,
) -> Result<Transport, ConnectError> {
    let error = |error: tungstenite::Error| ConnectError::WebSocket {
        address: address.to_string(),
        message: told(&error),
    };
    let scheme = if is_tls { "wss" } else { "ws" };
    let path = path.trim_start_matches('/');
    let mut request = format!("{scheme}://{address}/{path}")
        .into_client_request()
        .map_err(error)?;
    // MQTT-6.0.0-3
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (stream, _response) = tokio_tungstenite::client_async_with_config(
        request,
        stream,
        Some(limits(packet_bytes_max)),
    )
    .await
    .map_err(error)?;
    Ok(Box::new(ByteStream {
        stream,
        unread: Bytes::new(),
    }))
}

/// What is wrong, with what the server says of it in its answer: a web page says nothing to people here.
fn told(error: &tungstenite::Error) -> String {
    let said = match error {
        tungstenite::Error::Http(response) => response.body().as_deref().and_then(first_line),
        _ => None,
    };
    match said {
        Some(said) => format!("{error}: {said}"),
        None => error.to_string(),
    }
}

/// The first line of a body that is text, safe for a terminal, without its full stop: more may follow.
fn first_line(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..LINE_BYTES_MAX).unwrap_or(body));
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let is_text = !line.starts_with(['<', '{', '[']);
    is_text.then(|| printable(line.trim_end_matches('.')))
}

/// A server's sentence is not longer.
const LINE_BYTES_MAX: usize = 300;

/// A message may hold several packets, and is in memory as a whole before any of them is read. So many
/// bytes more than the largest packet has room for what a server sends at once.
const MESSAGE_BYTES_MORE: usize = 1024 * 1024;

fn limits(packet_bytes_max: u32) -> WebSocketConfig {
    let packet = usize::try_from(packet_bytes_max).unwrap_or(usize::MAX);
    // The largest packet that MQTT has.
    let packet = packet.min(268_435_460);
    let message = Some(packet + MESSAGE_BYTES_MORE);
    WebSocketConfig::default()
        .max_message_size(message)
        .max_frame_size(message)
}

/// A WebSocket whose binary frames are one stream; frame borders mean nothing (`MQTT-6.0.0-2`).
struct ByteStream {
    stream: WebSocketStream<Transport>,
    unread: Bytes,
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // MQTT-6.0.0-1
                Some(Ok(Message::Text(_))) => {
                    let error = "the server sent a text frame, which MQTT does not use";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let len = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.stream).poll_ready(context)).map_err(io_error)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.stream)
            .start_send(message)
            .map_err(io_error)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream)
            .poll_flush(context)
            .map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_close(context)) {
            Ok(()) | Err(tungstenite::Error::ConnectionClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }
}

fn io_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_the_first_line_of_its_text() {
        let line = |body: &[u8]| first_line(body);
        let told = line(b"\r\nThis port is for plain MQTT.\nMore.\n");
        assert_eq!(told.as_deref(), Some("This port is for plain MQTT"));
        for nothing in [&b""[..], b"\n\n", b"<html>no</html>", b"{\"detail\":1}"] {
            assert_eq!(line(nothing), None);
        }
        let unsafe_line = line(b"a\x1b[31mb").unwrap_or_default();
        assert!(!unsafe_line.contains('\x1b'), "{unsafe_line:?}");
        let long = line(&[b'x'; 10_000]).unwrap_or_default();
        assert_eq!(long.len(), LINE_BYTES_MAX);
    }
}
