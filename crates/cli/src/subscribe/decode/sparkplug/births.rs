//! What births have said of the metrics of nodes and devices. Data that follows names them by number
//! alone, and may leave their data types out.

use std::collections::{HashMap, HashSet, VecDeque};

use columba_client::Message;
use columba_speech::Text;

use super::super::bytes::Reader;
use super::value::DataType;
use super::{Wire, split};
use crate::words::decoding;

/// The births that are kept, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Births {
    births: VecDeque<Birth>,
    /// What they take, by the measure of [`Birth::cost`].
    cost: usize,
    /// How many had to go for others.
    forgotten: u64,
    /// What was told of aliases without a name, so that it is told once.
    told: HashSet<(String, Why)>,
}

/// Births that are kept.
const BIRTHS_MAX: usize = 1_024;
/// Bytes that they may take together, and one of them.
const COST_MAX: usize = 16 << 20;
/// What a metric takes beside its name.
const METRIC_COST: usize = 96;

#[derive(Clone, Debug, Default)]
struct Birth {
    /// `group/node`, or `group/node/device`.
    source: String,
    aliases: HashMap<u64, Named>,
    types: HashMap<String, DataType>,
    cost: usize,
}

/// A metric, as its birth has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) data_type: DataType,
}

/// Why an alias has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Why {
    NoBirth,
    NotInBirth,
}

/// What a topic says: `spBv1.0/group/kind/node[/device]`.
struct Topic<'a> {
    kind: &'a str,
    node: String,
    device: Option<&'a str>,
}

impl<'a> Topic<'a> {
    fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.splitn(5, '/');
        let _namespace = levels.next().filter(|name| *name == "spBv1.0")?;
        let (group, kind, node) = (levels.next()?, levels.next()?, levels.next()?);
        Some(Self {
            kind,
            node: format!("{group}/{node}"),
            device: levels.next(),
        })
    }

    fn source(&self) -> String {
        match self.device {
            Some(device) => format!("{}/{device}", self.node),
            None => self.node.clone(),
        }
    }
}

impl Births {
    /// Takes what a birth says, and forgets what a death ends. Other messages are left alone.
    pub(crate) fn learn(&mut self, message: &Message) {
        let Some(topic) = Topic::parse(&message.topic) else {
            return;
        };
        let source = topic.source();
        let devices = format!("{}/", topic.node);
        match topic.kind {
            // A node that is born anew brings its devices along anew.
            "NBIRTH" | "NDEATH" => {
                self.forget(|known| known == source || known.starts_with(&devices));
            }
            "DBIRTH" | "DDEATH" => self.forget(|known| known == source),
            _ => return,
        }
        self.told.retain(|(of, _)| *of != source);
        if !topic.kind.ends_with("BIRTH") {
            return;
        }
        let Some(birth) = Birth::read(source, &message.payload) else {
            return;
        };
        self.cost += birth.cost;
        self.births.push_back(birth);
        while self.births.len() > BIRTHS_MAX || self.cost > COST_MAX {
            let Some(oldest) = self.births.pop_front() else {
                break;
            };
            self.cost -= oldest.cost;
            self.forgotten += 1;
        }
    }

    fn forget(&mut self, is_over: impl Fn(&str) -> bool) {
        self.births.retain(|birth| !is_over(&birth.source));
        self.cost = self.births.iter().map(|birth| birth.cost).sum();
    }

    /// The births that count for a message: that of its device, and that of its node.
    pub(in crate::subscribe::decode) fn of(&self, topic: &str) -> Known<'_> {
        let Some(topic) = Topic::parse(topic) else {
            return Known::default();
        };
        let find = |source: &str| self.births.iter().find(|birth| birth.source == source);
        let own = topic.device.and_then(|_| find(&topic.source()));
        Known {
            births: [own, find(&topic.node)],
        }
    }

    /// Why a metric of a message has an alias and no name, if that was not told yet.
    pub(crate) fn explain(&mut self, message: &Message, alias: u64) -> Option<Text> {
        let topic = Topic::parse(&message.topic)?;
        let source = topic.source();
        let why = match self.births.iter().any(|birth| birth.source == source) {
            true => Why::NotInBirth,
            false => Why::NoBirth,
        };
        // So many sources are told of at most; then it begins anew.
        if self.told.len() >= BIRTHS_MAX {
            self.told.clear();
        }
        if !self.told.insert((source, why)) {
            return None;
        }
        let kind = if topic.device.is_some() {
            "DBIRTH"
        } else {
            "NBIRTH"
        };
        let (on, alias) = (message.topic.as_str(), alias.to_string());
        Some(match why {
            Why::NotInBirth => decoding::alias_not_born(on, alias, kind),
            Why::NoBirth if self.forgotten > 0 => {
                decoding::alias_forgotten(on, alias, kind, BIRTHS_MAX)
            }
            Why::NoBirth => {
                let (group, node) = topic.node.split_once('/').unwrap_or_default();
                decoding::alias_before_birth(
                    on,
                    alias,
                    kind,
                    format!("spBv1.0/{group}/NCMD/{node}"),
                )
            }
        })
    }
}

impl Birth {
    /// What a birth says; nothing if it is none. Metrics for which there is no room have no name.
    fn read(source: String, payload: &[u8]) -> Option<Self> {
        let mut birth = Self {
            cost: source.len() + METRIC_COST,
            source,
            ..Self::default()
        };
        for field in split(Reader::new(payload)).ok()? {
            let Wire::Delimited(metric, start) = field.wire else {
                continue;
            };
            if field.number == 2 && birth.cost < COST_MAX / 4 {
                birth.take(split(Reader::inside(metric, start)).ok()?);
            }
        }
        Some(birth)
    }

    fn take(&mut self, metric: Vec<super::Found<'_>>) {
        let (mut name, mut alias, mut data_type) = (None, None, DataType::default());
        for field in metric {
            match (field.number, field.wire) {
                (1, Wire::Delimited(text, _)) => name = std::str::from_utf8(text).ok(),
                (2, Wire::Varint(number)) => alias = Some(number),
                (4, Wire::Varint(number)) => data_type = DataType(number),
                _ => {}
            }
        }
        let Some(name) = name else {
            return;
        };
        self.cost += 2 * (name.len() + METRIC_COST);
        self.types.insert(name.to_owned(), data_type);
        if let Some(alias) = alias {
            let name = name.to_owned();
            self.aliases.insert(alias, Named { name, data_type });
        }
    }
}

/// The births that count for one message.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::subscribe::decode) struct Known<'a> {
    births: [Option<&'a Birth>; 2],
}

impl<'a> Known<'a> {
    /// The metric of an alias.
    pub(super) fn alias(&self, alias: u64) -> Option<&'a Named> {
        let mut births = self.births.iter().flatten();
        births.find_map(|birth| birth.aliases.get(&alias))
    }

    /// The data type of a metric.
    pub(super) fn data_type(&self, name: &str) -> Option<DataType> {
        let mut births = self.births.iter().flatten();
        births.find_map(|birth| birth.types.get(name).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::unhex;
    use super::*;
    use columba_speech::Language;

    /// A payload of one metric.
    fn metric(fields: &[&[u8]]) -> Vec<u8> {
        let fields = fields.concat();
        let mut payload = vec![0x12, u8::try_from(fields.len()).expect("short")];
        payload.extend(fields);
        payload
    }

    fn named(name: &str) -> Vec<u8> {
        let mut field = vec![0x0a, u8::try_from(name.len()).expect("short")];
        field.extend(name.as_bytes());
        field
    }

    fn birth(topic: &str, name: &str, alias: u8, data_type: u8) -> Message {
        let fields = metric(&[&named(name), &[0x10, alias], &[0x20, data_type]]);
        Message::new(topic, fields)
    }

    /// What is shown of one metric with this alias and the value 2^32 - 5.
    fn shown(births: &Births, topic: &str, alias: u8) -> (String, Option<u64>) {
        let payload = metric(&[&[0x10, alias], &unhex("50fbffffff0f")]);
        let shown = super::super::show(&payload, births.of(topic)).expect("a payload");
        (shown.json.finish().0, shown.unknown_alias)
    }

    #[test]
    fn an_alias_has_the_name_and_type_of_its_birth() {
        let mut births = Births::default();
        births.learn(&birth("spBv1.0/g/NBIRTH/n", "rpm", 3, 3));
        births.learn(&birth("spBv1.0/g/DBIRTH/n/d", "temp", 4, 3));
        let rpm = r#"{"metrics":[{"name":"rpm","alias":3,"value":-5}]}"#;
        let temp = r#"{"metrics":[{"name":"temp","alias":4,"value":-5}]}"#;
        assert_eq!(
            shown(&births, "spBv1.0/g/NDATA/n", 3),
            (rpm.to_owned(), None)
        );
        assert_eq!(
            shown(&births, "spBv1.0/g/DDATA/n/d", 4),
            (temp.to_owned(), None)
        );
        // Aliases are those of the node and all its devices together.
        assert_eq!(
            shown(&births, "spBv1.0/g/DDATA/n/d", 3),
            (rpm.to_owned(), None)
        );
        let bare = r#"{"metrics":[{"alias":4,"value":4294967291}]}"#.to_owned();
        assert_eq!(
            shown(&births, "spBv1.0/g/NDATA/n", 4),
            (bare.clone(), Some(4))
        );
        assert_eq!(
            shown(&births, "spBv1.0/g/DDATA/other/d", 4),
            (bare, Some(4))
        );
    }

    #[test]
    fn data_with_names_has_the_types_of_the_birth() {
        let mut births = Births::default();
        births.learn(&birth("spBv1.0/g/NBIRTH/n", "rpm", 3, 3));
        let payload = metric(&[&named("rpm"), &unhex("50fbffffff0f")]);
        let known = births.of("spBv1.0/g/NDATA/n");
        let shown = super::super::show(&payload, known).expect("a payload");
        let expected = r#"{"metrics":[{"name":"rpm","value":-5}]}"#;
        assert_eq!(shown.json.finish().0, expected);
    }

    #[test]
    fn a_new_birth_and_a_death_end_what_was_known() {
        let mut births = Births::default();
        births.learn(&birth("spBv1.0/g/NBIRTH/n", "rpm", 3, 3));
        births.learn(&birth("spBv1.0/g/DBIRTH/n/d", "temp", 4, 3));
        births.learn(&birth("spBv1.0/g/NBIRTH/n", "speed", 3, 3));
        assert!(shown(&births, "spBv1.0/g/NDATA/n", 3).0.contains("speed"));
        assert_eq!(shown(&births, "spBv1.0/g/DDATA/n/d", 4).1, Some(4));
        births.learn(&Message::new("spBv1.0/g/NDEATH/n", ""));
        assert_eq!(shown(&births, "spBv1.0/g/NDATA/n", 3).1, Some(3));
        assert_eq!((births.births.len(), births.cost), (0, 0));
    }

    #[test]
    fn why_an_alias_has_no_name_is_told_once() {
        let mut births = Births::default();
        let told = |births: &mut Births, topic: &str| {
            let text = births.explain(&Message::new(topic, ""), 9);
            text.map(|text| text.to_string(Language::English))
                .unwrap_or_default()
        };
        let device = "spBv1.0/g/DDATA/n/d";
        let first = told(&mut births, device);
        assert!(
            first.contains("no DBIRTH") && first.contains("spBv1.0/g/NCMD/n"),
            "{first}"
        );
        assert_eq!(told(&mut births, device), "");
        births.learn(&birth("spBv1.0/g/DBIRTH/n/d", "temp", 4, 3));
        let second = told(&mut births, device);
        assert!(
            second.contains("its DBIRTH has none with alias 9"),
            "{second}"
        );
        assert_eq!(told(&mut births, device), "");
    }

    #[test]
    fn the_oldest_birth_goes_when_there_are_too_many() {
        let mut births = Births::default();
        for node in 0..=BIRTHS_MAX {
            births.learn(&birth(&format!("spBv1.0/g/NBIRTH/{node}"), "rpm", 3, 3));
        }
        assert_eq!(births.births.len(), BIRTHS_MAX);
        assert_eq!(shown(&births, "spBv1.0/g/NDATA/0", 3).1, Some(3));
        assert_eq!(shown(&births, "spBv1.0/g/NDATA/1", 3).1, None);
        let why = births.explain(&Message::new("spBv1.0/g/NDATA/0", ""), 3);
        let why = why.expect("a sentence").to_string(Language::English);
        assert!(why.contains("1024"), "{why}");
        // What is told is bounded as well.
        for node in 0..3 * BIRTHS_MAX {
            births.explain(&Message::new(format!("spBv1.0/h/NDATA/{node}"), ""), 3);
        }
        assert!(births.told.len() <= BIRTHS_MAX);
    }

    #[test]
    fn large_births_take_no_more_than_their_share() {
        let mut births = Births::default();
        let names: Vec<_> = (0..40_000)
            .map(|number| format!("metric-{number:0>80}"))
            .collect();
        for node in 0..12 {
            let metrics = names.iter().flat_map(|name| metric(&[&named(name)]));
            let topic = format!("spBv1.0/g/NBIRTH/{node}");
            births.learn(&Message::new(topic, metrics.collect::<Vec<_>>()));
            assert!(births.cost <= COST_MAX, "{}", births.cost);
            let longest = births.births.back().expect("the last one").types.len();
            assert!((10_000..40_000).contains(&longest), "{longest}");
        }
        assert!(births.forgotten > 0);
    }
}
