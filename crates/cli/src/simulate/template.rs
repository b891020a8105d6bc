//! Texts with holes: `home/{of_index(kitchen, hall)}/temperature`, `{"t":{walk(18, 24, 0.3)}}`.
//!
//! A `{` with a letter behind it opens a hole, any other is itself, so that JSON stands as it is.

use columba_server::config::fault::closest;
use columba_speech::{Param, Text};
use jiff::Timestamp;

use super::random::Random;
use crate::words::scenario;

/// Most characters that one hole makes.
const FILL_MAX: usize = 65_536;

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Words(String),
    Id,
    Index,
    Kind,
    Now,
    NowMs,
    NowSecs,
    /// A value of the device, by its place.
    Value(usize),
    /// What changes, and where its state is.
    Draw(Draw, usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Draw {
    Walk {
        low: f64,
        high: f64,
        step: f64,
        decimals: usize,
    },
    Float {
        low: f64,
        high: f64,
        decimals: usize,
    },
    Int {
        low: i64,
        high: i64,
    },
    Choice(Vec<String>),
    Next(Vec<String>),
    OfIndex(Vec<String>),
    Counter {
        start: i64,
    },
    Hex {
        digits: usize,
    },
}

/// What is wrong with a template, and at which bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateFault {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) what: Text,
    pub(super) fix: Option<Text>,
}

/// Reads the templates of one kind of device, and gives those that remember something a place.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    /// Names of the values, in order.
    pub(super) values: Vec<String>,
    pub(super) states: usize,
}

/// What a device is to its templates.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) index: u64,
    pub(super) kind: String,
    pub(super) values: std::sync::Arc<[Template]>,
    pub(super) states: Vec<State>,
    /// For what is no text: when something happens.
    pub(super) random: Random,
}

/// What a hole remembers. It has its own chance: its texts do not depend on when others are made.
#[derive(Clone, Debug)]
pub(super) struct State {
    random: Random,
    number: Option<f64>,
}

const NAMES: [&str; 6] = ["id", "index", "kind", "now", "now_ms", "now_s"];
/// What is to be known of something that changes.
type Note = fn() -> Text;

/// How each is written, and what is to be known of it.
const DRAWS: [(&str, &str, Option<Note>); 8] = [
    ("walk", "{walk(LOW, HIGH, STEP)}", None),
    ("float", "{float(LOW, HIGH)}", None),
    ("int", "{int(LOW, HIGH)}", None),
    ("choice", "{choice(A, B, ...)}", Some(scenario::by_chance)),
    ("next", "{next(A, B, ...)}", Some(scenario::in_turn)),
    (
        "of_index",
        "{of_index(A, B, ...)}",
        Some(scenario::of_device),
    ),
    ("counter", "{counter} | {counter(START)}", None),
    ("hex", "{hex(DIGITS)}", None),
];

impl Compiler {
    /// Reads a text.
    pub(super) fn template(&mut self, text: &str) -> Result<Template, TemplateFault> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut at = 0;
        while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')) {
            let open = at + open;
            words.push_str(text.get(at..open).unwrap_or_default());
            let rest = text.get(open + 1..).unwrap_or_default();
            if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                words.push('{');
                at = open + 1;
                continue;
            }
            let Some(len) = rest.find('}') else {
                let what = scenario::no_end("}");
                return Err(TemplateFault {
                    at: open,
                    len: text.len() - open,
                    what,
                    fix: Some(scenario::no_hole("{")),
                });
            };
            let inside = rest.get(..len).unwrap_or_default();
            let piece = self.hole(inside).map_err(|(what, fix)| TemplateFault {
                at: open,
                len: len + 2,
                what,
                fix,
            })?;
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words)));
            }
            pieces.push(piece);
            at = open + len + 2;
        }
        words.push_str(text.get(at..).unwrap_or_default());
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Template { pieces })
    }

    fn hole(&mut self, inside: &str) -> Result<Piece, (Text, Option<Text>)> {
        let (name, arguments) = match inside.split_once('(') {
            Some((name, rest)) => {
                let rest = rest.trim_end().strip_suffix(')');
                let list = rest.ok_or_else(|| (scenario::no_end_of_list(")"), None))?;
                let arguments = list.split(',').map(|word| word.trim().to_owned());
                (name.trim(), arguments.collect())
            }
            None => (inside.trim(), Vec::new()),
        };
        if arguments.is_empty() {
            if let Some(at) = self.values.iter().position(|value| value == name) {
                return Ok(Piece::Value(at));
            }
            match name {
                "id" => return Ok(Piece::Id),
                "index" => return Ok(Piece::Index),
                "kind" => return Ok(Piece::Kind),
                "now" => return Ok(Piece::Now),
                "now_ms" => return Ok(Piece::NowMs),
                "now_s" => return Ok(Piece::NowSecs),
                _ => {}
            }
        }
        let Some((_, usage, note)) = DRAWS.iter().find(|(known, ..)| *known == name) else {
            let draws = DRAWS.iter().map(|(name, ..)| *name);
            let values = self.values.iter().map(String::as_str);
            let known: Vec<_> = NAMES.into_iter().chain(draws).chain(values).collect();
            let fix = match closest(name, known.iter().copied()) {
                Some(near) => scenario::near(near),
                None => scenario::known(Param::list(known)),
            };
            return Err((scenario::unknown(name), Some(fix)));
        };
        let draw = draw(name, &arguments).ok_or_else(|| {
            let usage = match note {
                Some(note) => scenario::with_note(*usage, note()).into(),
                None => Param::from(*usage),
            };
            let what = scenario::other_arguments(name);
            (what, Some(scenario::write(usage)))
        })?;
        self.states += 1;
        Ok(Piece::Draw(draw, self.states - 1))
    }
}

fn draw(name: &str, arguments: &[String]) -> Option<Draw> {
    let float = |at: usize| -> Option<f64> {
        let number: f64 = arguments.get(at)?.parse().ok()?;
        number.is_finite().then_some(number)
    };
    let int = |at: usize| -> Option<i64> { arguments.get(at)?.parse().ok() };
    let decimals = || {
        let of = |text: &String| text.split_once('.').map_or(0, |(_, behind)| behind.len());
        arguments.iter().map(of).max().unwrap_or_default().min(12)
    };
    let words = || {
        let is_empty = arguments.is_empty() || arguments.iter().all(String::is_empty);
        (!is_empty).then(|| arguments.to_vec())
    };
    Some(match (name, arguments.len()) {
        ("walk", 3) if float(0)? < float(1)? && float(2)? > 0.0 => Draw::Walk {
            low: float(0)?,
            high: float(1)?,
            step: float(2)?,
            decimals: decimals(),
        },
        ("float", 2) if float(0)? < float(1)? => Draw::Float {
            low: float(0)?,
            high: float(1)?,
            decimals: decimals().max(1),
        },
        ("int", 2) if int(0)? <= int(1)? => Draw::Int {
            low: int(0)?,
            high: int(1)?,
        },
        ("choice", _) => Draw::Choice(words()?),
        ("next", _) => Draw::Next(words()?),
        ("of_index", _) => Draw::OfIndex(words()?),
        ("counter", 0) => Draw::Counter { start: 0 },
        ("counter", 1) => Draw::Counter { start: int(0)? },
        ("hex", 1) => {
            let digits: usize = arguments.first()?.parse().ok()?;
            (1..=FILL_MAX)
                .contains(&digits)
                .then_some(Draw::Hex { digits })?
        }
        _ => return None,
    })
}

impl Device {
    /// The device of a kind with a number, whose templates have so many states.
    pub(super) fn new(kind: (&str, u64), index: u64, seed: u64, states: usize) -> Self {
        let (kind, number) = kind;
        let state = |at| State {
            random: Random::new(seed, [number, index, at]),
            number: None,
        };
        Self {
            id: String::new(),
            index,
            kind: kind.to_owned(),
            values: std::sync::Arc::new([]),
            states: (1..).take(states).map(state).collect(),
            random: Random::new(seed, [number, index, 0]),
        }
    }

    /// Fills the holes.
    pub(super) fn render(&mut self, template: &Template) -> String {
        let mut text = String::new();
        self.render_into(template, &mut text);
        text
    }

    fn render_into(&mut self, template: &Template, out: &mut String) {
        let now = Timestamp::now();
        for piece in &template.pieces {
            match piece {
                Piece::Words(words) => out.push_str(words),
                Piece::Id => out.push_str(&self.id),
                Piece::Index => out.push_str(&self.index.to_string()),
                Piece::Kind => out.push_str(&self.kind),
                Piece::Now => out.push_str(&format!("{now:.3}")),
                Piece::NowMs => out.push_str(&now.as_millisecond().to_string()),
                Piece::NowSecs => out.push_str(&now.as_second().to_string()),
                Piece::Value(at) => {
                    // Values have no values in them, so that this ends.
                    let values = std::sync::Arc::clone(&self.values);
                    if let Some(value) = values.get(*at) {
                        self.render_into(value, out);
                    }
                }
                Piece::Draw(draw, state) => {
                    if let Some(state) = self.states.get_mut(*state) {
                        out.push_str(&state.drawn(draw, self.index));
                    }
                }
            }
        }
    }
}

impl State {
    /// The next text.
    fn drawn(&mut self, draw: &Draw, index: u64) -> String {
        let (random, before) = (&mut self.random, self.number);
        let word = |words: &[String], at: u64| {
            let at = at.checked_rem(words.len() as u64).unwrap_or_default();
            words.get(at as usize).cloned().unwrap_or_default()
        };
        let (text, number) = match draw {
            Draw::Walk {
                low,
                high,
                step,
                decimals,
            } => {
                let value = match before {
                    None => random.between(*low, *high),
                    Some(value) => (value + random.between(-step, *step)).clamp(*low, *high),
                };
                (format!("{value:.decimals$}"), Some(value))
            }
            Draw::Float {
                low,
                high,
                decimals,
            } => (format!("{:.decimals$}", random.between(*low, *high)), None),
            Draw::Int { low, high } => {
                let width = high.abs_diff(*low).saturating_add(1);
                let value = low.wrapping_add_unsigned(random.below(width));
                (value.to_string(), None)
            }
            Draw::Choice(words) => (word(words, random.next() >> 1), None),
            Draw::Next(words) => {
                let at = before.unwrap_or_default();
                (word(words, at as u64), Some(at + 1.0))
            }
            Draw::OfIndex(words) => (word(words, index), None),
            Draw::Counter { start } => {
                let at = before.unwrap_or(*start as f64);
                (format!("{at:.0}"), Some(at + 1.0))
            }
            Draw::Hex { digits } => {
                let mut text = String::with_capacity(digits + 16);
                while text.len() < *digits {
                    text.push_str(&format!("{:016x}", random.next()));
                }
                text.truncate(*digits);
                (text, None)
            }
        };
        self.number = number;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(compiler: &Compiler, values: Vec<Template>, seed: u64) -> Device {
        Device {
            id: "sim-7".to_owned(),
            values: values.into(),
            ..Device::new(("lamp", 1), 7, seed, compiler.states)
        }
    }

    #[test]
    fn holes_are_filled_and_json_stands() {
        let mut compiler = Compiler::default();
        let text =
            r#"{"id":"{id}","n":{counter(5)},"k":"{kind}-{index}","e":{},"w":"{next(a, b)}"}"#;
        let template = compiler.template(text).expect("a template");
        let mut device = device(&compiler, Vec::new(), 1);
        let first = device.render(&template);
        assert_eq!(first, r#"{"id":"sim-7","n":5,"k":"lamp-7","e":{},"w":"a"}"#);
        assert_eq!(
            device.render(&template),
            r#"{"id":"sim-7","n":6,"k":"lamp-7","e":{},"w":"b"}"#
        );
    }

    #[test]
    fn a_seed_decides_the_values_and_a_walk_stays_in_its_bounds() {
        let texts = |seed| {
            let mut compiler = Compiler {
                values: vec!["t".to_owned()],
                states: 0,
            };
            let value = compiler
                .template("{walk(18, 24.5, 0.25)}")
                .expect("a value");
            let template =
                compiler.template("{t} {int(-3, 3)} {choice(x, y)} {hex(20)} {float(0, 1)}");
            let template = template.expect("a template");
            let mut device = device(&compiler, vec![value], seed);
            let texts: Vec<_> = (0..200).map(|_| device.render(&template)).collect();
            texts
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        let mut before: Option<f64> = None;
        for text in texts(3) {
            let t: f64 = text
                .split(' ')
                .next()
                .unwrap_or_default()
                .parse()
                .expect("a number");
            assert!((18.0..=24.5).contains(&t), "{t}");
            assert!(
                before.is_none_or(|before| (before - t).abs() <= 0.26),
                "{before:?} {t}"
            );
            before = Some(t);
        }
    }

    #[test]
    fn what_one_hole_makes_does_not_depend_on_others() {
        let mut compiler = Compiler::default();
        let first = compiler.template("{int(0, 1000000)}").expect("a template");
        let second = compiler.template("{hex(8)}").expect("a template");
        let texts = |with_second: bool| {
            let mut device = device(&compiler, Vec::new(), 5);
            let text = |_| {
                if with_second {
                    device.render(&second);
                }
                device.render(&first)
            };
            (0..20).map(text).collect::<Vec<_>>()
        };
        assert_eq!(texts(true), texts(false));
    }

    #[test]
    fn faults_say_where_and_what_to_write() {
        let check = |text: &str, at: usize, len: usize, words: &str| {
            let fault = Compiler::default().template(text).expect_err("a fault");
            assert_eq!((fault.at, fault.len), (at, len), "{text}");
            let english = |text: Text| text.to_string(columba_speech::Language::English);
            let fix = fault.fix.map(english).unwrap_or_default();
            let said = format!("{} {fix}", english(fault.what));
            assert!(said.contains(words), "{said}");
        };
        check("a/{indx}", 2, 6, "did you mean index?");
        check("{walk(3, 1, 1)}", 0, 15, "write {walk(LOW, HIGH, STEP)}");
        check("a {id", 2, 3, "no } ends");
        check("{int(1, 2}", 0, 10, "no ) ends");
        check("{hex(65537)}", 0, 12, "{hex(DIGITS)}");
        check("{choice()}", 0, 10, "{choice(A, B, ...)}");
        check("{int(1)}", 0, 8, "{int(LOW, HIGH)}");
    }
}
