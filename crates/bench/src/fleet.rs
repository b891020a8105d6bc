//! Who takes part: the clients of a plan, what each publishes and what each waits for.

use std::ops::Range;

use columba_codec::QoS;

use crate::plan::{Amount, Kind, Plan};

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct ClientSpec {
    pub(crate) client_id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) publisher: Option<PublisherSpec>,
    pub(crate) subscriber: Option<SubscriberSpec>,
}

/// What a client publishes.
#[derive(Clone, Debug)]
pub(crate) struct PublisherSpec {
    /// Its number among the publishers.
    pub(crate) number: u32,
    /// Its topics, each a stream, used in turn.
    pub(crate) topics: Vec<String>,
    /// The stream of the first topic; the others follow.
    pub(crate) first_stream: u32,
    pub(crate) qos: QoS,
    /// How often each message is delivered at each QoS.
    pub(crate) copies: [u32; 3],
}

/// What a client waits for.
#[derive(Clone, Debug)]
pub(crate) struct SubscriberSpec {
    pub(crate) filters: Vec<String>,
    pub(crate) qos: QoS,
    pub(crate) expects: Expects,
}

/// The messages that are a subscriber's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// All messages of these streams, in order.
    Streams(Range<u32>),
    /// All messages of these streams, which are sorted, in order.
    Those(Vec<u32>),
    /// One message of each of these streams, in any order.
    OneOfEach(Range<u32>),
    /// Whatever comes.
    Anything,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) clients: Vec<ClientSpec>,
    /// The publisher of each stream.
    pub(crate) publisher_of: Vec<u32>,
    pub(crate) publishers: u32,
}

/// Every tenth device has a dashboard that watches it and its nine neighbours.
const DEVICES_OF_A_DASHBOARD: u32 = 10;

impl Fleet {
    /// The clients that a plan asks for.
    pub(crate) fn new(plan: &Plan, run: u32) -> Self {
        let mut builder = Builder {
            plan,
            run: format!("{run:08x}"),
            fleet: Self::default(),
        };
        match plan.kind {
            Kind::Conn => builder.idle(),
            Kind::Pub => builder.publishers(0),
            Kind::Sub => builder.listeners(),
            Kind::Pair => builder.pairs(),
            Kind::FanIn => builder.fan_in(),
            Kind::FanOut => builder.fan_out(),
            Kind::Retained => builder.retained(),
            Kind::Offline => builder.offline(),
            Kind::Mixed => builder.mixed(),
            Kind::Filters => builder.filters(),
        }
        builder.fleet
    }
}

struct Builder<'a> {
    plan: &'a Plan,
    run: String,
    fleet: Fleet,
}

impl Builder<'_> {
    fn idle(&mut self) {
        for _ in 0..self.plan.clients {
            self.client(None, None);
        }
    }

    fn listeners(&mut self) {
        for _ in 0..self.plan.clients {
            let filter = self.plan.topic_pattern().to_owned();
            let subscriber = self.subscriber(vec![filter], Expects::Anything);
            self.client(None, Some(subscriber));
        }
    }

    /// As many publishers as clients, each message for so many subscribers.
    fn publishers(&mut self, subscribers: u32) {
        for _ in 0..self.plan.clients {
            let publisher = self.publisher(self.plan.topics, self.plan.qos, subscribers);
            self.client(Some(publisher), None);
        }
    }

    fn pairs(&mut self) {
        self.publishers(1);
        for number in 0..self.plan.clients {
            let streams = number * self.plan.topics..(number + 1) * self.plan.topics;
            let filters = self.filters_of(number);
            let subscriber = self.subscriber(filters, Expects::Streams(streams));
            self.client(None, Some(subscriber));
        }
    }

    fn fan_in(&mut self) {
        self.publishers(1);
        let filter = any_publisher(&self.pattern());
        let all = 0..self.streams();
        let subscriber = self.subscriber(vec![filter], Expects::Streams(all));
        self.client(None, Some(subscriber));
    }

    fn fan_out(&mut self) {
        let publisher = self.publisher(self.plan.topics, self.plan.qos, self.plan.clients);
        self.client(Some(publisher), None);
        for _ in 0..self.plan.clients {
            let filters = self.filters_of(0);
            let subscriber = self.subscriber(filters, Expects::Streams(0..self.streams()));
            self.client(None, Some(subscriber));
        }
    }

    fn retained(&mut self) {
        let messages = match self.plan.amount {
            Amount::Messages(messages) => u32::try_from(messages).unwrap_or(u32::MAX),
            Amount::Time(_) => 0,
        };
        let publisher = self.publisher(messages, self.plan.qos, 0);
        self.client(Some(publisher), None);
        for _ in 0..self.plan.clients {
            let filter = any_publisher(&self.pattern());
            let subscriber = self.subscriber(vec![filter], Expects::OneOfEach(0..self.streams()));
            self.client(None, Some(subscriber));
        }
    }

    /// One publisher with a topic for each session.
    fn offline(&mut self) {
        let publisher = self.publisher(self.plan.clients, self.plan.qos, 1);
        let topics = publisher.topics.clone();
        self.client(Some(publisher), None);
        for (number, topic) in (0..).zip(topics) {
            let expects = Expects::Streams(number..number + 1);
            let subscriber = self.subscriber(vec![topic], expects);
            self.client(None, Some(subscriber));
        }
    }

    /// Devices report at mixed QoS to a collector, and ten of them each to a dashboard; a
    /// controller commands them at QoS 1.
    fn mixed(&mut self) {
        let devices = self.plan.clients;
        for number in 0..devices {
            let qos = match number % 10 {
                0..6 => QoS::AtMostOnce,
                6..9 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let mut publisher = self.publisher(1, qos, 0);
            // The collector takes each at its QoS, the dashboard all at QoS 0.
            publisher.copies[usize::from(qos.as_u8())] += 1;
            publisher.copies[0] += 1;
            let commands = devices + number;
            let mut subscriber = self.subscriber(
                vec![self.command_topic(number)],
                Expects::Streams(commands..commands + 1),
            );
            subscriber.qos = QoS::AtLeastOnce;
            self.client(Some(publisher), Some(subscriber));
        }
        let mut controller = self.publisher(devices, QoS::AtLeastOnce, 0);
        controller.topics = (0..devices).map(|d| self.command_topic(d)).collect();
        controller.copies[1] = 1;
        self.client(Some(controller), None);
        let filter = any_publisher(&self.pattern());
        let mut collector = self.subscriber(vec![filter], Expects::Streams(0..devices));
        collector.qos = QoS::ExactlyOnce;
        self.client(None, Some(collector));
        for first in (0..devices).step_by(DEVICES_OF_A_DASHBOARD as usize) {
            let watched = first..devices.min(first + DEVICES_OF_A_DASHBOARD);
            let filters = watched.clone().map(|d| self.topic(d, 0)).collect();
            let mut dashboard = self.subscriber(filters, Expects::Streams(watched));
            dashboard.qos = QoS::AtMostOnce;
            self.client(None, Some(dashboard));
        }
    }

    /// Each message matches subscriptions of so many clients. They differ in their wildcards, and
    /// each client has subscriptions of every sort.
    fn filters(&mut self) {
        let (matching, clients) = (self.plan.matching, self.plan.clients);
        let each = matching.max(1);
        let groups = self.plan.subscriptions / each;
        let mut publisher = self.publisher(groups, self.plan.qos, matching);
        // What nobody gets goes to topics beside those that are subscribed to.
        let first = if matching == 0 { groups } else { 0 };
        let topics = (first..first + groups).map(|group| self.group_levels(group).join("/"));
        publisher.topics = topics.collect();
        self.client(Some(publisher), None);
        let mut lists = vec![(Vec::new(), Vec::new()); clients as usize];
        for number in 0..groups * each {
            let group = number / each;
            let (filters, streams) = &mut lists[(number % clients) as usize];
            filters.push(self.group_filter(group, number));
            if matching > 0 {
                streams.push(group);
            }
        }
        for (filters, streams) in lists {
            let subscriber = self.subscriber(filters, Expects::Those(streams));
            self.client(None, Some(subscriber));
        }
    }

    /// The topic of the subscriptions that match the same messages.
    fn group_levels(&self, group: u32) -> [String; 5] {
        let site = format!("site{}", group % 16);
        let device = format!("device{group}");
        [
            self.pattern(),
            site,
            device,
            "temperature".to_owned(),
            "value".to_owned(),
        ]
    }

    /// One of the filters for it: two of five without wildcards, if any may have some.
    fn group_filter(&self, group: u32, number: u32) -> String {
        let [pattern, site, device, sensor, value] = self.group_levels(group);
        match (number * 7 + group * 3) % 5 {
            _ if self.plan.is_exact => format!("{pattern}/{site}/{device}/{sensor}/{value}"),
            0 => format!("{pattern}/+/{device}/+/{value}"),
            1 => format!("{pattern}/{site}/{device}/#"),
            2 => format!("{pattern}/+/{device}/#"),
            _ => format!("{pattern}/{site}/{device}/{sensor}/{value}"),
        }
    }

    fn streams(&self) -> u32 {
        self.fleet.publisher_of.len() as u32
    }

    fn publisher(&mut self, topics: u32, qos: QoS, subscribers: u32) -> PublisherSpec {
        let number = self.fleet.publishers;
        let first_stream = self.streams();
        let delivered_at = qos.min(self.plan.subscribe_qos);
        let mut copies = [0; 3];
        copies[usize::from(delivered_at.as_u8())] = subscribers;
        self.fleet.publishers += 1;
        let owners = std::iter::repeat_n(number, topics as usize);
        self.fleet.publisher_of.extend(owners);
        PublisherSpec {
            number,
            topics: (0..topics).map(|topic| self.topic(number, topic)).collect(),
            first_stream,
            qos,
            copies,
        }
    }

    fn subscriber(&self, filters: Vec<String>, expects: Expects) -> SubscriberSpec {
        SubscriberSpec {
            filters,
            qos: self.plan.subscribe_qos,
            expects,
        }
    }

    fn client(&mut self, publisher: Option<PublisherSpec>, subscriber: Option<SubscriberSpec>) {
        let number = self.fleet.clients.len();
        self.fleet.clients.push(ClientSpec {
            client_id: self.client_id(number),
            user_name: self.user_name(number),
            publisher,
            subscriber,
        });
    }

    fn client_id(&self, number: usize) -> String {
        let pattern = self.plan.client_id.replace("%r", &self.run);
        pattern.replace("%i", &number.to_string())
    }

    fn user_name(&self, number: usize) -> Option<String> {
        let pattern = self.plan.credentials.user_name.as_ref()?;
        Some(pattern.replace("%i", &number.to_string()))
    }

    /// The topic pattern without what is the same for all publishers.
    fn pattern(&self) -> String {
        self.plan.topic_pattern().replace("%r", &self.run)
    }

    /// The topic of a publisher. In every kind publishers come before other clients, so the number
    /// of a publisher is that of its client.
    fn topic(&self, publisher: u32, topic: u32) -> String {
        fill(&self.pattern(), &|placeholder| match placeholder {
            't' => Some(topic.to_string()),
            _ => self.publisher_value(publisher, placeholder),
        })
    }

    fn command_topic(&self, device: u32) -> String {
        format!("bench-commands/{}/{device}", self.run)
    }

    /// One filter for all topics of a publisher if its topics differ in whole levels.
    fn filters_of(&self, publisher: u32) -> Vec<String> {
        let pattern = self.pattern();
        let number_is_level = pattern.split('/').any(|level| level == "%t");
        if self.plan.topics == 1 || !number_is_level {
            return (0..self.plan.topics)
                .map(|topic| self.topic(publisher, topic))
                .collect();
        }
        let filter = fill(&pattern, &|placeholder| match placeholder {
            't' => Some("+".to_owned()),
            _ => self.publisher_value(publisher, placeholder),
        });
        vec![filter]
    }

    fn publisher_value(&self, publisher: u32, placeholder: char) -> Option<String> {
        match placeholder {
            'i' => Some(publisher.to_string()),
            'c' => Some(self.client_id(publisher as usize)),
            'u' => Some(self.user_name(publisher as usize).unwrap_or_default()),
            _ => None,
        }
    }
}

/// Replaces `%` and a letter by its value; what has none stays.
fn fill(pattern: &str, value: &dyn Fn(char) -> Option<String>) -> String {
    let mut filled = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let mut letters = from.chars();
        letters.next();
        match letters.next().and_then(value) {
            Some(value) => {
                filled.push_str(&value);
                rest = letters.as_str();
            }
            None => {
                filled.push('%');
                rest = from.strip_prefix('%').unwrap_or_default();
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// A filter for the topics of all publishers: every level with a placeholder becomes `+`.
fn any_publisher(pattern: &str) -> String {
    let has_placeholder = |level: &str| ["%i", "%c", "%u", "%t"].iter().any(|p| level.contains(p));
    let levels = pattern
        .split('/')
        .map(|level| if has_placeholder(level) { "+" } else { level });
    levels.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(kind: Kind, change: impl FnOnce(&mut Plan)) -> Fleet {
        let mut plan = Plan::new(kind);
        change(&mut plan);
        assert_eq!(plan.check(), Ok(()));
        Fleet::new(&plan, 0xAB)
    }

    /// Every stream reaches as many subscribers as its publisher counts on, by their filters.
    fn check(kind: Kind, change: impl FnOnce(&mut Plan)) {
        let fleet = fleet(kind, change);
        let subscribers = || fleet.clients.iter().filter_map(|c| c.subscriber.as_ref());
        for publisher in fleet.clients.iter().filter_map(|c| c.publisher.as_ref()) {
            for (stream, topic) in (publisher.first_stream..).zip(&publisher.topics) {
                assert_eq!(fleet.publisher_of[stream as usize], publisher.number);
                let mut copies = [0; 3];
                for subscriber in subscribers() {
                    let matches = |f: &&String| columba_codec::topic::matches(f, topic);
                    let matching = subscriber.filters.iter().filter(matches).count();
                    let expected = match &subscriber.expects {
                        Expects::Streams(streams) => streams.contains(&stream),
                        Expects::Those(streams) => streams.binary_search(&stream).is_ok(),
                        Expects::OneOfEach(_) | Expects::Anything => continue,
                    };
                    assert_eq!(matching, usize::from(expected), "{kind:?} {topic}");
                    let qos = subscriber.qos.min(publisher.qos);
                    copies[usize::from(qos.as_u8())] += matching as u32;
                }
                if !matches!(kind, Kind::Retained) {
                    assert_eq!(copies, publisher.copies, "{kind:?} {topic}");
                }
            }
        }
    }

    #[test]
    fn filters_deliver_what_is_counted_on() {
        for kind in Kind::ALL {
            check(kind, |plan| plan.subscriptions = 200);
            check(kind, |plan| (plan.clients, plan.subscriptions) = (23, 200));
        }
        for kind in [Kind::Pair, Kind::FanIn, Kind::FanOut, Kind::Pub] {
            check(kind, |plan| (plan.clients, plan.topics) = (3, 4));
            check(kind, |plan| {
                (plan.clients, plan.topics) = (3, 4);
                plan.topic = Some("a/%c/x%t/100%".to_owned());
            });
        }
    }

    #[test]
    fn so_many_subscriptions_match_as_were_asked_for() {
        for (subscriptions, matching, is_exact) in [
            (60, 1, false),
            (60, 4, false),
            (63, 4, true),
            (60, 0, false),
        ] {
            let change = |plan: &mut Plan| {
                plan.clients = 7;
                (plan.subscriptions, plan.matching) = (subscriptions, matching);
                plan.is_exact = is_exact;
            };
            check(Kind::Filters, change);
            let fleet = fleet(Kind::Filters, change);
            let subscribers = fleet.clients.iter().filter_map(|c| c.subscriber.as_ref());
            let filters: Vec<_> = subscribers.flat_map(|s| s.filters.iter()).collect();
            assert_eq!(filters.len(), 60);
            let has_wildcards = filters.iter().any(|filter| filter.contains(['+', '#']));
            assert_eq!(has_wildcards, !is_exact);
        }
    }

    #[test]
    fn clients_have_ids_of_their_own() {
        for kind in Kind::ALL {
            let fleet = fleet(kind, |_| {});
            let ids: std::collections::BTreeSet<_> =
                fleet.clients.iter().map(|c| &c.client_id).collect();
            assert_eq!(ids.len(), fleet.clients.len());
            assert!(ids.contains(&"bench-000000ab-0".to_owned()), "{ids:?}");
        }
    }

    #[test]
    fn placeholders_are_filled_and_signs_left_alone() {
        let value = |placeholder| (placeholder == 'i').then(|| "7".to_owned());
        for (pattern, filled) in [
            ("a/%i/%x/%", "a/7/%x/%"),
            ("%%i", "%7"),
            ("%i%i", "77"),
            ("", ""),
            ("ü%iü", "ü7ü"),
        ] {
            assert_eq!(fill(pattern, &value), filled);
        }
    }
}
