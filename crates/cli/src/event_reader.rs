//! Reads a stream of Server-Sent Events from the body of an answer.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;

use crate::admin_client::{Wire, chunk_size, read_line};

/// Bytes of a line of a stream; the broker's are far shorter.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of the data of one event, which may have many lines.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a stream tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// What kind; empty for those that the stream is for.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: Value,
}

/// A stream that is read.
pub(crate) struct EventReader {
    lines: Box<dyn BufRead>,
    last_id: Option<String>,
}

impl EventReader {
    /// Reads the body of an answer.
    pub(crate) fn new(reader: BufReader<Box<dyn Wire>>, is_chunked: bool) -> Self {
        let lines: Box<dyn BufRead> = if is_chunked {
            Box::new(BufReader::new(Chunks::new(reader)))
        } else {
            Box::new(reader)
        };
        let last_id = None;
        Self { lines, last_id }
    }

    /// The next event; none: the stream has ended or the connection is lost. Waits for it.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            let read = (&mut self.lines).take(LINE_BYTES_MAX).read_line(&mut line);
            read.ok()?;
            let line = line.strip_suffix('\n')?.trim_end_matches('\r');
            if line.is_empty() {
                if !data.is_empty() {
                    let data = serde_json::from_str(&data).ok()?;
                    return Some(Event { name, data });
                }
                name.clear();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "data" if data.len() + value.len() > EVENT_BYTES_MAX => return None,
                "data" => data.push_str(value),
                "id" => self.last_id = Some(value.to_owned()),
                // `retry`, and comments, which have no name.
                _ => {}
            }
        }
    }

    /// Behind which event to go on with another stream.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }
}

/// A body in chunks.
struct Chunks<R> {
    reader: R,
    /// Bytes of the present chunk that are not read yet.
    left: u64,
    has_begun: bool,
    has_ended: bool,
}

impl<R: BufRead> Chunks<R> {
    const fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            has_begun: false,
            has_ended: false,
        }
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.has_ended {
            if self.has_begun {
                // The end of the line that the chunk was.
                read_line(&mut self.reader)?;
            }
            self.has_begun = true;
            match chunk_size(&mut self.reader)? {
                Some(size) => self.left = size,
                None => self.has_ended = true,
            }
        }
        let len = (&mut self.reader).take(self.left).read(buffer)?;
        self.left -= len as u64;
        if len == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str, is_chunked: bool) -> (Vec<(String, Value)>, Option<String>) {
        let body = io::Cursor::new(text.as_bytes().to_vec());
        let wire: Box<dyn Wire> = Box::new(body);
        let mut reader = EventReader::new(BufReader::new(wire), is_chunked);
        let mut events = Vec::new();
        while let Some(event) = reader.next_event() {
            events.push((event.name, event.data));
        }
        (events, reader.last_id().map(str::to_owned))
    }

    #[test]
    fn events_have_a_name_and_data_and_tell_where_to_go_on() {
        let text = "retry: 1000\n\nid: x\n\n: nothing new\n\ndata: {\"a\":1}\n\nevent: end\r\ndata:2\n\
                    \nid: y\n\ndata: 3\n";
        let told = vec![
            (String::new(), serde_json::json!({"a": 1})),
            ("end".to_owned(), Value::from(2)),
        ];
        assert_eq!(events(text, false), (told, Some("y".to_owned())));
    }

    #[test]
    fn chunks_may_begin_and_end_anywhere() {
        let whole = "4\r\ndata\r\n3;x=y\r\n: 1\r\nA\r\n\n\ndata: 2\n\r\n1\r\n\n\r\n0\r\n\r\n";
        let told = vec![
            (String::new(), Value::from(1)),
            (String::new(), Value::from(2)),
        ];
        assert_eq!(events(whole, true), (told, None));
        for cut in 0..whole.len() {
            events(&whole[..cut], true);
        }
        assert_eq!(events("x\r\ndata: 1\n\n", true), (Vec::new(), None));
    }
}
