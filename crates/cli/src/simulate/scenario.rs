//! A scenario: which devices there are, what they publish and what goes wrong with them.

mod fault;
mod file;
mod lenient;

use std::time::Duration;

use columba_client::Message;
use columba_codec::QoS;

pub(super) use fault::Fault;

use super::sparkplug::{DataType, Metric};
use super::template::{Device, Template};

/// The scenarios that are built in, by name.
pub(super) const BUILT_IN: [(&str, &str); 4] = [
    ("smart-home", include_str!("scenarios/smart-home.toml")),
    ("fleet", include_str!("scenarios/fleet.toml")),
    ("factory", include_str!("scenarios/factory.toml")),
    ("flaky", include_str!("scenarios/flaky.toml")),
];

/// Devices of all kinds that a scenario may have.
pub(super) const DEVICES_MAX: u32 = 50_000;

/// A scenario that is ready to run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) description: String,
    pub(super) description_zh: String,
    pub(super) kinds: Vec<Kind>,
}

/// Devices that are alike.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) client_id: Template,
    pub(super) user: Option<Template>,
    pub(super) password: Option<Template>,
    pub(super) keep_alive_secs: Option<u16>,
    pub(super) session_expiry_secs: Option<u32>,
    pub(super) will: Option<Sent>,
    /// What is published each time that a connection is there.
    pub(super) births: Vec<Sent>,
    pub(super) messages: Vec<(Sent, Pace)>,
    pub(super) subscriptions: Vec<(Template, QoS)>,
    pub(super) sparkplug: Option<Sparkplug>,
    pub(super) faults: Faults,
    values: std::sync::Arc<[Template]>,
    states: usize,
}

/// A message with holes.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) topic: Template,
    pub(super) payload: Template,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

/// How often, and how regularly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) every: Duration,
    /// Share of `every` by which a message comes earlier or later.
    pub(super) jitter: f64,
}

/// An edge node of Sparkplug B.
#[derive(Clone, Debug)]
pub(super) struct Sparkplug {
    pub(super) group: Template,
    pub(super) node: Template,
    pub(super) pace: Pace,
    pub(super) metrics: Vec<MetricPlan>,
}

/// A metric of an edge node, or of a device behind it.
#[derive(Clone, Debug)]
pub(super) struct MetricPlan {
    pub(super) device: Option<String>,
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) value: Template,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// The connection is cut without DISCONNECT about this often.
    pub(super) drop_every: Option<Duration>,
    /// How long the device is away then.
    pub(super) away: Duration,
    /// It never sends DISCONNECT.
    pub(super) leaves_silently: bool,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Vec<Fault>> {
        file::parse(name, text)
    }

    /// Devices of all kinds.
    pub(super) fn devices(&self) -> u32 {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// The same with so many devices, the kinds in the same proportion as far as that goes.
    #[must_use]
    pub(super) fn with_devices(mut self, wanted: u32) -> Self {
        let all = u64::from(self.devices().max(1));
        let mut before: u64 = 0;
        for kind in &mut self.kinds {
            // What a kind gets is the difference of two rounded sums, so that they add up.
            let behind = before + u64::from(kind.count);
            let share = |sum: u64| (sum * u64::from(wanted) + all / 2) / all;
            let count = share(behind) - share(before);
            kind.count = u32::try_from(count).unwrap_or(wanted);
            before = behind;
        }
        self
    }
}

impl Kind {
    /// The device with a number.
    pub(super) fn device(&self, number: u64, index: u64, seed: u64, prefix: &str) -> Device {
        let mut device = Device {
            values: self.values.clone(),
            ..Device::new((&self.name, number), index, seed, self.states)
        };
        let id = device.render(&self.client_id);
        device.id = format!("{prefix}{id}");
        device
    }
}

impl Sent {
    /// The message, once its holes are filled.
    pub(super) fn message(&self, device: &mut Device) -> Message {
        let topic = device.render(&self.topic);
        let mut message = Message::new(topic, device.render(&self.payload)).with_qos(self.qos);
        message.retain = self.retain;
        message
    }
}

impl MetricPlan {
    /// The metric with its value of now.
    pub(super) fn metric(&self, device: &mut Device) -> Metric {
        let text = device.render(&self.value);
        Metric {
            name: self.name.clone(),
            data_type: self.data_type,
            value: self.data_type.read(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn the_built_in_scenarios_have_no_faults() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::parse(name, text).unwrap_or_else(|faults| {
                panic!(
                    "{}",
                    faults
                        .iter()
                        .map(|fault| fault.shown(Language::English))
                        .collect::<String>()
                )
            });
            assert!(scenario.devices() > 1, "{name}");
            assert!(!scenario.description.is_empty(), "{name}");
            assert!(!scenario.description_zh.is_empty(), "{name}");
        }
    }

    #[test]
    fn devices_have_client_ids_of_their_own_but_the_twins() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::parse(name, text).expect("a scenario");
            let mut ids = std::collections::BTreeSet::new();
            for (kind, number) in scenario.with_devices(1_000).kinds.iter().zip(1..) {
                for index in 1..=u64::from(kind.count) {
                    let id = kind.device(number, index, 1, "p-").id;
                    assert!(id.starts_with("p-"), "{id}");
                    assert!(
                        ids.insert(id.clone()) || kind.name == "twin",
                        "{name}: {id}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_number_of_devices_is_shared_among_the_kinds() {
        let (name, text) = BUILT_IN[0];
        for wanted in [1, 2, 7, 100, 50_000] {
            let scenario = Scenario::parse(name, text).expect("a scenario");
            let kinds = scenario.kinds.len();
            let scenario = scenario.with_devices(wanted);
            assert_eq!(scenario.devices(), wanted);
            let present = scenario.kinds.iter().filter(|kind| kind.count > 0).count();
            assert!(present == kinds || wanted < 100, "{wanted}");
        }
    }

    #[test]
    fn faults_are_told_together_with_their_places() {
        let text = r#"
[[device]]
name = "x"
client_id = "x-{indx}"
keep_alive = "1x"
[[device.message]]
topic = "a/#/b"
payload = '''
{"t":{walk(5, 1, 1)}}'''
every = "0s"
[[device]]
name = "y"
client_id = "y"
[[device.subscribe]]
filter = "a/#/b"
qos = 3
[device.sparkplug]
group = "g"
node = "n"
every = "1s"
[[device.sparkplug.metric]]
name = "m"
type = "int32"
value = "{choice(a, b)}"
"#;
        let faults = Scenario::parse("my.toml", text).expect_err("faults");
        let shown: Vec<_> = faults
            .iter()
            .map(|fault| {
                format!(
                    "{}: {}",
                    fault.place,
                    fault.what.to_string(Language::English)
                )
            })
            .collect();
        for start in [
            "my.toml:4:16: nothing is called indx",
            "my.toml:5:14: ",
            "my.toml:7:9: ",
            "my.toml:9:6: walk does not take this",
            "my.toml:10:9: ",
            "my.toml:15:10: ",
            "my.toml:16:7: ",
            "my.toml:24:9: ",
        ] {
            assert!(
                shown.iter().any(|line| line.starts_with(start)),
                "{start}: {shown:#?}"
            );
        }
        assert_eq!(shown.len(), 8, "{shown:#?}");
        let text = "[[device]]\nname = \"x\"\nclient_id = \"x\"\ncuont = 3\nnmae = 2\nkeep_alive = 5\n\
                    [[device.message]]\ntopic = \"a/#\"\npayload = \"{walk(1,2)}\"\nevery = \"5\"\n\
                    [[device.message]]\npayload = \"x\"\nevery = \"5s\"\n\
                    [[device]]\nclient_id = \"{nothing}\"\n";
        let faults = Scenario::parse("my.toml", text).expect_err("faults");
        let places: Vec<_> = faults.iter().map(|fault| fault.place.to_string()).collect();
        assert_eq!(
            places,
            [
                "my.toml:4:1",
                "my.toml:5:1",
                "my.toml:6:14",
                "my.toml:8:9",
                "my.toml:9:12",
                "my.toml:10:9",
                "my.toml:11:1",
                "my.toml:14:1",
                "my.toml:15:14",
            ],
            "{faults:#?}"
        );
        let two = Scenario::parse("my.toml", "a = [\nb = ]\n").expect_err("faults");
        assert!(!two.is_empty());
        let slip = Scenario::parse("my.toml", "[[device]]\nnme = \"x\"").expect_err("faults");
        let places: Vec<_> = slip.iter().map(|fault| fault.place.to_string()).collect();
        // Two keys are missing, and one is not known.
        assert_eq!(places, ["my.toml:1:1", "my.toml:1:1", "my.toml:2:1"]);
        let other_type = Scenario::parse("my.toml", "device = 3\nfoo = 1").expect_err("faults");
        let places = other_type.iter().map(|fault| fault.place.to_string());
        assert_eq!(
            places.collect::<Vec<_>>(),
            ["my.toml:1:10", "my.toml:2:1"],
            "a value of another type is not missing as well"
        );
        let fault = Scenario::parse("my.toml", "device = [").expect_err("a fault");
        assert!(
            fault[0].place.to_string().starts_with("my.toml:1:"),
            "{fault:?}"
        );
    }
}
