//! How a scenario stands in its file, and every fault of it with its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use columba_codec::QoS;
use columba_codec::topic::{TopicFilter, TopicName};
use columba_server::config::fault::Place;
use columba_server::config::quantity::parse_duration_ms;
use columba_speech::{Param, Text};
use serde::Deserialize;
use toml::Spanned;

use super::lenient;
use super::{DEVICES_MAX, Fault, Faults, Kind, MetricPlan, Pace, Scenario, Sent, Sparkplug};
use crate::simulate::sparkplug::{DataType, is_name};
use crate::simulate::template::{Compiler, Template};
use crate::words::{self, scenario, toml_file, value};

/// A longer time is a slip, and could not be counted from now on.
const TIME_MAX_MS: u64 = 366 * 24 * 3600 * 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    #[serde(default)]
    description: String,
    #[serde(default)]
    description_zh: String,
    device: Vec<DeviceTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceTable {
    name: Spanned<String>,
    count: Option<Spanned<u32>>,
    client_id: Spanned<String>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    keep_alive: Option<Spanned<String>>,
    session_expiry: Option<Spanned<String>>,
    #[serde(default)]
    values: BTreeMap<String, Spanned<String>>,
    will: Option<MessageTable>,
    #[serde(default)]
    birth: Vec<MessageTable>,
    #[serde(default)]
    message: Vec<MessageTable>,
    #[serde(default)]
    subscribe: Vec<SubscribeTable>,
    sparkplug: Option<SparkplugTable>,
    #[serde(default)]
    faults: FaultsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageTable {
    topic: Spanned<String>,
    payload: Spanned<String>,
    every: Option<Spanned<String>>,
    jitter: Option<Spanned<f64>>,
    qos: Option<Spanned<u8>>,
    #[serde(default)]
    retain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeTable {
    filter: Spanned<String>,
    qos: Option<Spanned<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SparkplugTable {
    group: Spanned<String>,
    node: Spanned<String>,
    every: Spanned<String>,
    jitter: Option<Spanned<f64>>,
    metric: Vec<MetricTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricTable {
    device: Option<Spanned<String>>,
    name: String,
    #[serde(rename = "type")]
    data_type: Spanned<String>,
    value: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsTable {
    drop_every: Option<Spanned<String>>,
    away: Option<Spanned<String>>,
    #[serde(default)]
    leaves_silently: bool,
}

/// Reads a scenario.
pub(super) fn parse(name: &str, text: &str) -> Result<Scenario, Vec<Fault>> {
    let read = lenient::read::<FileTable>(text, &["device", "metric"]);
    let mut reader = Reader {
        name,
        text,
        faults: Vec::new(),
    };
    let Some(table) = read.table else {
        reader.structure(&read.faults);
        return Err(reader.faults);
    };
    let kinds: Vec<_> = table
        .device
        .iter()
        .map(|table| reader.kind(table))
        .collect();
    let devices: u64 = kinds.iter().map(|kind| u64::from(kind.count)).sum();
    let is_whole = read.gaps.is_empty();
    if is_whole && !(1..=u64::from(DEVICES_MAX)).contains(&devices) {
        reader.faults.push(Fault {
            place: Place::File(name.to_owned()),
            what: scenario::devices(devices, DEVICES_MAX).into(),
            fix: None,
        });
    }
    // What stands in the place of a missing key may be wrong too, and says nothing.
    for gap in read.gaps {
        let place = Place::in_text(name, text, gap);
        reader.faults.retain(|fault| fault.place != place);
    }
    reader.structure(&read.faults);
    reader.faults.sort_by_key(|fault| position(&fault.place));
    if reader.faults.is_empty() {
        Ok(Scenario {
            description: table.description,
            description_zh: table.description_zh,
            kinds,
        })
    } else {
        Err(reader.faults)
    }
}

/// Line and column; what a file lacks as a whole comes last.
const fn position(place: &Place) -> (usize, usize) {
    match place {
        Place::Text { line, column, .. } => (*line, *column),
        Place::File(_) | Place::Variable { .. } => (usize::MAX, 0),
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// Keys and values that are none of a scenario.
    fn structure(&mut self, faults: &[(Range<usize>, String)]) {
        for (span, message) in faults {
            self.fault(span.clone(), toml_file::fault(message), None);
        }
    }

    fn fault(&mut self, span: Range<usize>, what: Text, fix: Option<Text>) {
        self.faults.push(Fault {
            place: Place::in_text(self.name, self.text, span),
            what: what.into(),
            fix: fix.map(Param::from),
        });
    }

    fn kind(&mut self, table: &DeviceTable) -> Kind {
        let mut compiler = Compiler::default();
        let mut values = Vec::new();
        for value in table.values.values() {
            // Those before have no names yet: a value has no values in it.
            values.push(self.template(&mut compiler, value));
        }
        compiler.values = table.values.keys().cloned().collect();
        let compiler = &mut compiler;
        let client_id = self.template(compiler, &table.client_id);
        let user = table
            .user
            .as_ref()
            .map(|user| self.template(compiler, user));
        let password = table
            .password
            .as_ref()
            .map(|word| self.template(compiler, word));
        let will = table.will.as_ref().map(|will| self.sent(compiler, will));
        let births = table
            .birth
            .iter()
            .map(|birth| self.sent(compiler, birth))
            .collect();
        let messages = table.message.iter().map(|message| {
            let sent = self.sent(compiler, message);
            let pace = self.pace(
                message.every.as_ref(),
                message.jitter.as_ref(),
                &message.topic,
            );
            (sent, pace)
        });
        let messages = messages.collect();
        let subscriptions = table.subscribe.iter().map(|table| {
            let filter = self.template(compiler, &table.filter);
            (filter, self.qos(table.qos.as_ref()))
        });
        let subscriptions: Vec<_> = subscriptions.collect();
        let sparkplug = table
            .sparkplug
            .as_ref()
            .map(|table| self.sparkplug(compiler, table));
        let keep_alive_secs = self.secs(table.keep_alive.as_ref(), u64::from(u16::MAX));
        let session_expiry_secs = self.secs(table.session_expiry.as_ref(), u64::from(u32::MAX));
        let kind = Kind {
            name: table.name.get_ref().clone(),
            count: table.count.as_ref().map_or(1, |count| *count.get_ref()),
            client_id,
            user,
            password,
            keep_alive_secs: keep_alive_secs.and_then(|secs| u16::try_from(secs).ok()),
            session_expiry_secs: session_expiry_secs.and_then(|secs| u32::try_from(secs).ok()),
            will,
            births,
            messages,
            subscriptions,
            sparkplug,
            faults: Faults {
                drop_every: self.time(table.faults.drop_every.as_ref()),
                away: self
                    .time(table.faults.away.as_ref())
                    .unwrap_or(Duration::from_secs(1)),
                leaves_silently: table.faults.leaves_silently,
            },
            values: values.into(),
            states: compiler.states,
        };
        self.try_out(&kind, table);
        kind
    }

    /// Fills every hole once and looks at what comes of it.
    fn try_out(&mut self, kind: &Kind, table: &DeviceTable) {
        let mut device = kind.device(0, 1, 0, "");
        let sent = kind.will.iter().zip(&table.will);
        let sent = sent.chain(kind.births.iter().zip(&table.birth));
        let messages = kind.messages.iter().map(|(sent, _)| sent);
        for (sent, table) in sent.chain(messages.zip(&table.message)) {
            if is_broken(&sent.topic, &table.topic) {
                continue;
            }
            let topic = device.render(&sent.topic);
            if let Err(fault) = TopicName::parse(&topic) {
                self.fault(
                    table.topic.span(),
                    scenario::topic(format!("{topic:?}"), words::client::topic(fault)),
                    None,
                );
            }
        }
        for ((filter, _), table) in kind.subscriptions.iter().zip(&table.subscribe) {
            if is_broken(filter, &table.filter) {
                continue;
            }
            let filter = device.render(filter);
            if let Err(fault) = TopicFilter::parse(&filter) {
                self.fault(
                    table.filter.span(),
                    scenario::filter(format!("{filter:?}"), words::client::topic(fault)),
                    None,
                );
            }
        }
        let Some((plan, table)) = kind.sparkplug.as_ref().zip(table.sparkplug.as_ref()) else {
            return;
        };
        for (template, written) in [(&plan.group, &table.group), (&plan.node, &table.node)] {
            let name = device.render(template);
            if !is_broken(template, written) && !is_name(&name) {
                let what = scenario::no_sparkplug_name(format!("{name:?}"));
                self.fault(written.span(), what, Some(scenario::one_level()));
            }
        }
        for (metric, table) in plan.metrics.iter().zip(&table.metric) {
            let text = device.render(&metric.value);
            let is_broken = is_broken(&metric.value, &table.value);
            if !is_broken && metric.data_type.read(&text).is_none() {
                let name = metric.data_type.name();
                let what = scenario::no_such_value(format!("{text:?}"), name);
                self.fault(table.value.span(), what, None);
            }
        }
    }

    fn sent(&mut self, compiler: &mut Compiler, table: &MessageTable) -> Sent {
        Sent {
            topic: self.template(compiler, &table.topic),
            payload: self.template(compiler, &table.payload),
            qos: self.qos(table.qos.as_ref()),
            retain: table.retain,
        }
    }

    fn sparkplug(&mut self, compiler: &mut Compiler, table: &SparkplugTable) -> Sparkplug {
        let mut metrics = Vec::new();
        for metric in &table.metric {
            let name = metric.data_type.get_ref();
            let data_type = DataType::from_name(name).unwrap_or_else(|| {
                let fix = scenario::types(Param::list(DataType::names()));
                let what = scenario::no_type(name.as_str());
                self.fault(metric.data_type.span(), what, Some(fix));
                DataType::String
            });
            if let Some(device) = metric
                .device
                .as_ref()
                .filter(|name| !is_name(name.get_ref()))
            {
                let what = scenario::no_sparkplug_name(format!("{:?}", device.get_ref()));
                self.fault(device.span(), what, None);
            }
            metrics.push(MetricPlan {
                device: metric
                    .device
                    .as_ref()
                    .map(|device| device.get_ref().clone()),
                name: metric.name.clone(),
                data_type,
                value: self.template(compiler, &metric.value),
            });
        }
        Sparkplug {
            group: self.template(compiler, &table.group),
            node: self.template(compiler, &table.node),
            pace: self.pace(Some(&table.every), table.jitter.as_ref(), &table.group),
            metrics,
        }
    }

    fn template(&mut self, compiler: &mut Compiler, written: &Spanned<String>) -> Template {
        match compiler.template(written.get_ref()) {
            Ok(template) => template,
            Err(fault) => {
                let start = self.inside(written, fault.at);
                let span = start..start + fault.len;
                self.fault(span, fault.what, fault.fix);
                Template::default()
            }
        }
    }

    /// Where a byte of a text stands in the file; the start of the text if escapes hide it.
    fn inside(&self, written: &Spanned<String>, at: usize) -> usize {
        let span = written.span();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        match raw.find(written.get_ref().as_str()) {
            Some(offset) => span.start + offset + at,
            None => span.start,
        }
    }

    fn pace(
        &mut self,
        every: Option<&Spanned<String>>,
        jitter: Option<&Spanned<f64>>,
        beside: &Spanned<String>,
    ) -> Pace {
        if every.is_none() {
            let fix = Some(scenario::every());
            self.fault(beside.span(), scenario::how_often(), fix);
        }
        let time = self.time(every);
        if let (Some(every), Some(Duration::ZERO)) = (every, time) {
            self.fault(every.span(), scenario::no_time_between(), None);
        }
        if let Some(jitter) = jitter.filter(|jitter| !(0.0..=1.0).contains(jitter.get_ref())) {
            self.fault(jitter.span(), scenario::jitter(), None);
        }
        Pace {
            every: time.unwrap_or(Duration::from_secs(1)),
            jitter: jitter.map_or(0.1, |jitter| *jitter.get_ref()),
        }
    }

    fn qos(&mut self, written: Option<&Spanned<u8>>) -> QoS {
        let Some(written) = written else {
            return QoS::AtMostOnce;
        };
        QoS::from_u8(*written.get_ref()).unwrap_or_else(|| {
            self.fault(written.span(), value::qos(), None);
            QoS::AtMostOnce
        })
    }

    fn time(&mut self, written: Option<&Spanned<String>>) -> Option<Duration> {
        let written = written?;
        match parse_duration_ms(written.get_ref()) {
            Ok(ms) if ms > TIME_MAX_MS => {
                self.fault(written.span(), scenario::days(), None);
                None
            }
            Ok(ms) => Some(Duration::from_millis(ms)),
            Err(_) => {
                self.fault(written.span(), value::time_of_units(), None);
                None
            }
        }
    }

    fn secs(&mut self, written: Option<&Spanned<String>>, max: u64) -> Option<u64> {
        let secs = self.time(written)?.as_secs();
        if let Some(written) = written.filter(|_| secs > max) {
            self.fault(written.span(), scenario::secs(max), None);
        }
        Some(secs)
    }
}

/// Whether there is nothing to try out because the text has a fault that is told already.
fn is_broken(template: &Template, written: &Spanned<String>) -> bool {
    *template == Template::default() && !written.get_ref().is_empty()
}
