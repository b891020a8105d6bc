//! What the flight recorders write, as Server-Sent Events.
//!
//! A reader has no buffer of its own here but the text that is on its way to it: what it has not taken yet
//! is in the record, which is bounded. A reader that is too slow finds that the record has gone on, and
//! hears how many entries it missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts as _;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse as _, Response};
use columba_broker::recorder::{Chunk, Entry, Line, Recording};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::app::{App, STREAMS_MAX};
use super::caller::{May, Read};
use super::events::{EventView, Filters, Key, Wanted, present_recordings};
use super::page::{PageParams, from_cursor, to_cursor};
use super::problem::Problem;
use super::traces::{HAS_ENDED, Trace, TraceView};

const MEDIA_TYPE: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often the shards are asked for what is new.
const PAUSE: Duration = Duration::from_millis(500);

/// How often a reader hears something at least, and it is looked at whether it may still read.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Entries of one tape that are looked at in one step, so that others are answered in between.
const SCAN_MAX: usize = 2048;

/// Bytes of what is on its way to a reader, more or less: it ends with the event that reaches them.
const BATCH_BYTES: usize = 64 * 1024;

/// Whether a request is for a stream.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|value| {
        let kinds = value.to_str().unwrap_or_default().split(',');
        let mut names = kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        names.any(|name| name.eq_ignore_ascii_case(MEDIA_TYPE))
    })
}

/// Begins a stream of a source.
pub(super) async fn open(
    app: App,
    source: Source,
    params: &PageParams,
    filters: Filters,
    parts: Parts,
) -> Result<Response, Problem> {
    let run = source.began_unix_ms(&app);
    let header = parts.headers.get(LAST_EVENT_ID);
    let header = header.map(|text| text.to_str().unwrap_or_default());
    let position = match header.or(params.cursor_alone()?) {
        Some(text) => {
            let what =
                "take the id of the last event as it is, or leave Last-Event-ID and cursor out";
            from_cursor(text).ok_or_else(|| Problem::bad_cursor(what))?
        }
        None if source.is_whole() || filters.since_unix_ms.is_some() => {
            Position::first(run, &source.recordings(&app).await?)
        }
        None => Position::last(run, &source.recordings(&app).await?),
    };
    Wanted::new(&filters)?;
    let Ok(permit) = Arc::clone(&app.streams).try_acquire_owned() else {
        let what = format!("{STREAMS_MAX} streams are open already: close one, or ask for pages");
        return Err(Problem::conflict(what));
    };
    // Of one batch, while the one before it is in the socket's hands.
    let (sender, channel) = Channel::<Bytes>::new(1);
    let (held, gone) = oneshot::channel::<()>();
    let channel = channel.map_frame(move |frame| {
        // Both go with the body, which says that the reader has gone or has everything.
        let _ = (&permit, &held);
        frame
    });
    let stream = Stream {
        app,
        source,
        filters,
        parts,
        run,
        position,
        sender,
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stream.run() => {}
            _ = gone => {}
        }
    });
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], Body::new(channel)).into_response())
}

/// What a stream is read from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The flight recorders.
    Record,
    /// A trace.
    Trace(Arc<Trace>),
}

impl Source {
    /// When it began, which tells it from others of its kind.
    fn began_unix_ms(&self, app: &App) -> u64 {
        match self {
            Self::Record => app.started.1.unix_ms,
            Self::Trace(trace) => trace.began.unix_ms,
        }
    }

    /// Whether it is told from its beginning.
    const fn is_whole(&self) -> bool {
        match self {
            Self::Record => false,
            Self::Trace(_) => true,
        }
    }

    /// Why nothing is added to it any more, if so.
    fn end(&self, app: &App) -> Option<Problem> {
        match self {
            Self::Record => None,
            Self::Trace(trace) => trace.has_ended(app).then(|| Problem::missing(HAS_ENDED)),
        }
    }

    async fn recordings(&self, app: &App) -> Result<Vec<Recording>, Problem> {
        match self {
            Self::Record => present_recordings(app).await,
            Self::Trace(trace) => trace.recordings(app).await,
        }
    }
}

/// Where a reader is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The start of the broker, whose tapes begin anew.
    run: u64,
    /// The number of the next entry of each tape: shard, tape, number. A tape that is not named here had
    /// none.
    tapes: Vec<(u16, u8, u64)>,
}

impl Position {
    /// Before everything that is still there.
    fn first(run: u64, recordings: &[Recording]) -> Self {
        let oldest = |chunks: &[&Chunk]| chunks.first().map_or(0, |chunk| chunk.sequence());
        Self::at(run, recordings, oldest)
    }

    /// Behind everything.
    fn last(run: u64, recordings: &[Recording]) -> Self {
        Self::at(run, recordings, end_of)
    }

    fn at(run: u64, recordings: &[Recording], number_of: impl Fn(&[&Chunk]) -> u64) -> Self {
        let tapes = tapes_of(recordings).into_iter();
        let tapes = tapes.map(|((shard, tape), chunks)| (shard, tape, number_of(&chunks)));
        Self {
            run,
            tapes: tapes.collect(),
        }
    }

    fn next(&self, (shard, tape): Tape) -> Option<u64> {
        let mut known = self.tapes.iter();
        let found = known.find(|of| (of.0, of.1) == (shard, tape));
        found.map(|of| of.2)
    }

    fn set(&mut self, (shard, tape): Tape, next: u64) {
        let mut known = self.tapes.iter_mut();
        match known.find(|of| (of.0, of.1) == (shard, tape)) {
            Some(of) => of.2 = next,
            None => self.tapes.push((shard, tape, next)),
        }
    }
}

/// Shard and tape.
type Tape = (u16, u8);

/// The chunks of each tape, in order.
fn tapes_of(recordings: &[Recording]) -> BTreeMap<Tape, Vec<&Chunk>> {
    let mut tapes: BTreeMap<Tape, Vec<&Chunk>> = BTreeMap::new();
    for chunk in recordings.iter().flat_map(|of| &of.chunks) {
        let tape = (chunk.shard(), chunk.tape() as u8);
        tapes.entry(tape).or_default().push(chunk);
    }
    tapes
}

/// The number of the entry that a tape has not got yet.
fn end_of(chunks: &[&Chunk]) -> u64 {
    let Some(last) = chunks.last() else { return 0 };
    let entries = last.entries().filter_map(|line| match line {
        Ok(Line::Entry(entry)) => Some(entry.sequence + 1),
        Ok(Line::Gap { .. }) | Err(_) => None,
    });
    entries.last().unwrap_or_else(|| last.sequence())
}

/// A line of a tape on its way.
struct Row<'a> {
    /// The time is never before that of the entry before it on its tape, so that what is left of the
    /// rows when they are cut begins, on each tape, where the others end.
    key: Key,
    entry: Entry<'a>,
    /// Messages that the ledger has left out before it.
    left_out: u64,
}

/// What a reader gets in one go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Batch {
    text: String,
    /// Whether there is nothing after it.
    is_all: bool,
}

/// The next events behind a position, which moves behind them.
fn next_batch(recordings: &[Recording], wanted: &Wanted<'_>, position: &mut Position) -> Batch {
    let mut text = String::new();
    let (mut rows, mut missed) = (Vec::new(), 0);
    // Behind it, rows may be missing.
    let mut horizon = u64::MAX;
    for (tape, chunks) in tapes_of(recordings) {
        let Some(first) = chunks
            .first()
            .filter(|chunk| wanted.wants_tape(chunk.tape()))
        else {
            continue;
        };
        let oldest = first.sequence();
        // The numbers of a tape that was emptied for another size go on, so that what it begins with is
        // no sign of a loss.
        let mut emptied = recordings.iter().filter(|of| of.epoch > 0);
        let is_emptied = emptied.any(|of| of.shard == tape.0);
        let begin = if is_emptied { oldest } else { 0 };
        let mut from = position.next(tape).unwrap_or(begin);
        // A position from somewhere else, or that nobody has given out.
        if from > end_of(&chunks) {
            from = oldest;
            event(&mut text, "missed", &json!({"why": "restarted"}));
            position.set(tape, from);
        }
        if from < oldest {
            missed += oldest - from;
            position.set(tape, oldest);
        }
        let until = scan(tape, &chunks, from, &mut rows);
        horizon = horizon.min(until);
    }
    if missed > 0 {
        let data = json!({"why": "overwritten", "entries": missed});
        event(&mut text, "missed", &data);
    }
    rows.sort_by_key(|row| row.key);
    let mut is_all = horizon == u64::MAX;
    for row in rows.into_iter().take_while(|row| row.key.0 <= horizon) {
        if text.len() >= BATCH_BYTES {
            is_all = false;
            break;
        }
        let (_, shard, tape, sequence) = row.key;
        position.set((shard, tape), sequence + 1);
        if row.left_out > 0 {
            let data = json!({"at_unix_ms": row.entry.unix_ms, "messages": row.left_out});
            event(&mut text, "left_out", &data);
        }
        if wanted.wants(&row.entry) {
            let view = EventView::new((row.entry.unix_ms, shard, tape, sequence), &row.entry);
            event(&mut text, "", &view);
        }
    }
    Batch { text, is_all }
}

/// Adds the entries of a tape from a number on, up to a bound; returns up to which time all of them are
/// there.
fn scan<'a>(tape: Tape, chunks: &[&'a Chunk], from: u64, rows: &mut Vec<Row<'a>>) -> u64 {
    let (mut latest_ms, mut count, mut left_out) = (0, 0, 0);
    let ends = chunks.iter().skip(1).map(|chunk| chunk.sequence());
    for (chunk, end) in chunks.iter().zip(ends.chain([u64::MAX])) {
        // What was left out may stand behind the last entry of the chunk before.
        if end < from {
            continue;
        }
        // Nothing damages what is in memory; a chunk would end there.
        for line in chunk.entries().map_while(Result::ok) {
            let entry = match line {
                Line::Gap { left_out: more, .. } => {
                    left_out += more;
                    continue;
                }
                Line::Entry(entry) => entry,
            };
            let left_out = std::mem::take(&mut left_out);
            if entry.sequence < from {
                continue;
            }
            if count == SCAN_MAX {
                return latest_ms;
            }
            count += 1;
            latest_ms = entry.unix_ms.max(latest_ms);
            rows.push(Row {
                key: (latest_ms, tape.0, tape.1, entry.sequence),
                entry,
                left_out,
            });
        }
    }
    u64::MAX
}

/// Writes an event; those without a name are what a stream is for.
fn event(text: &mut String, name: &str, data: &impl Serialize) {
    // What is written here always can be.
    let data = serde_json::to_string(data).unwrap_or_default();
    if !name.is_empty() {
        text.push_str(&format!("event: {name}\n"));
    }
    text.push_str(&format!("data: {data}\n\n"));
}

/// A stream with its reader.
struct Stream {
    app: App,
    source: Source,
    filters: Filters,
    /// Of the request, to see whether whoever reads may still do so.
    parts: Parts,
    run: u64,
    position: Position,
    sender: Sender<Bytes>,
}

impl Stream {
    async fn run(mut self) {
        let why = match self.tell().await {
            Ok(()) => return,
            Err(problem) => problem,
        };
        let mut text = String::new();
        event(&mut text, "end", &json!({"why": why.detail()}));
        self.send(text).await;
    }

    /// Tells what happens until the reader has gone.
    ///
    /// # Errors
    /// Why it does not go on.
    async fn tell(&mut self) -> Result<(), Problem> {
        let mut ending = self.app.ending.subscribe();
        let mut text = "retry: 1000\n\n".to_owned();
        let begin = match &self.source {
            // What is older is in the files of earlier processes, which the list alone reads.
            Source::Record => json!({"process_started_unix_ms": self.run}),
            Source::Trace(trace) => json!(TraceView::new(trace, &self.app)),
        };
        event(&mut text, "begin", &begin);
        if self.position.run != self.run {
            event(&mut text, "missed", &json!({"why": "restarted"}));
            let recordings = self.source.recordings(&self.app).await?;
            self.position = Position::first(self.run, &recordings);
        }
        if !self.send(text).await {
            return Ok(());
        }
        let (mut told, mut checked) = (Instant::now(), Instant::now());
        loop {
            // Before it is read: what comes until then is told.
            let end = self.source.end(&self.app);
            let is_all = {
                let recordings = self.source.recordings(&self.app).await?;
                let wanted = Wanted::new(&self.filters)?;
                let Batch { text, is_all } = next_batch(&recordings, &wanted, &mut self.position);
                // A slow reader is not to hold what the record has let go of.
                drop(recordings);
                if !text.is_empty() {
                    told = Instant::now();
                    if !self.send(text).await {
                        return Ok(());
                    }
                }
                is_all
            };
            if checked.elapsed() >= HEARTBEAT {
                checked = Instant::now();
                May::<Read>::from_request_parts(&mut self.parts, &self.app).await?;
            }
            if told.elapsed() >= HEARTBEAT {
                told = Instant::now();
                if !self.send(": nothing new\n".to_owned()).await {
                    return Ok(());
                }
            }
            if *ending.borrow_and_update() {
                return Err(Problem::busy("the broker is stopping"));
            }
            if is_all && let Some(end) = end {
                return Err(end);
            }
            if is_all {
                drop(timeout(PAUSE, ending.changed()).await);
            } else {
                // Others have their turn.
                sleep(Duration::ZERO).await;
            }
        }
    }

    /// Sends a text, and to where a reader that has read it has come; `false`: the reader has gone.
    async fn send(&mut self, mut text: String) -> bool {
        if let Some(id) = to_cursor(&self.position) {
            text.push_str(&format!("id: {id}\n\n"));
        }
        self.sender.send_data(text.into()).await.is_ok()
    }
}
