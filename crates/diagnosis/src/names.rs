//! Which topics of a record are told: those that the filters of a client match or nearly match, and those that
//! are nearly the one that was asked about, however many others were published to.

use std::collections::BTreeSet;

use columba_codec::TopicFilter;
use unicode_normalization::UnicodeNormalization as _;

use crate::near;

/// Topics that are remembered at most.
pub(crate) const TOPICS_MAX: usize = 1_000;

/// Filters of a client that topics are compared with at most.
pub(crate) const WANTED_MAX: usize = 100;

/// So many comparisons are made of topics with what is wanted that share nearly all of their words.
const LOOKS_MAX: usize = 100_000;

/// Topics that are known to have been compared, by hash.
const COMPARED_SLOTS: usize = 1 << 16;

/// Chooses among the topics that it is shown.
#[derive(Debug)]
pub(crate) struct Names {
    wanted: Vec<Wanted>,
    topics: BTreeSet<String>,
    /// Hashes of topics that were compared.
    compared: Vec<u64>,
    /// Comparisons that may still be made.
    looks: usize,
    /// Filters that there was no room for.
    has_more_filters: bool,
    /// Publications whose topics were not compared with everything.
    left_out: u64,
    /// The words of a topic, for one comparison after the other.
    words: Vec<Word>,
}

impl Names {
    /// For a question about a topic, and about somebody who has these filters.
    pub(crate) fn new<'a>(
        topic: Option<&str>,
        filters: impl Iterator<Item = &'a str>,
        looks: Option<usize>,
    ) -> Self {
        let mut wanted: Vec<_> = topic.map(Wanted::topic).into_iter().collect();
        let mut filters = filters.map(Wanted::filter);
        wanted.extend(filters.by_ref().take(WANTED_MAX));
        Self {
            wanted,
            topics: BTreeSet::new(),
            compared: Vec::new(),
            looks: looks.unwrap_or(LOOKS_MAX),
            has_more_filters: filters.next().is_some(),
            left_out: 0,
            words: Vec::new(),
        }
    }

    /// Something was published to a topic.
    pub(crate) fn see(&mut self, topic: &str) {
        if self.wanted.is_empty() || self.was_compared(topic) {
            return;
        }
        self.words.clear();
        words(topic, |word| self.words.push(word));
        let mut is_left_out = self.has_more_filters;
        for wanted in &self.wanted {
            if !wanted.may_be_near(topic, &self.words) {
                continue;
            }
            if self.looks == 0 {
                is_left_out = true;
                break;
            }
            self.looks -= 1;
            if wanted.is_near(topic) {
                if self.topics.len() < TOPICS_MAX {
                    self.topics.insert(topic.to_owned());
                }
                return;
            }
        }
        self.left_out += u64::from(is_left_out);
    }

    /// The topics, and of how many publications the topic was not compared.
    pub(crate) fn found(self) -> (Vec<String>, u64) {
        (self.topics.into_iter().collect(), self.left_out)
    }

    /// Whether a topic was compared before, as far as is remembered; from now on it was.
    fn was_compared(&mut self, topic: &str) -> bool {
        if self.compared.is_empty() {
            self.compared = vec![0; COMPARED_SLOTS];
        }
        let hash = topic.bytes().fold(HASH_START, hash_with);
        let Some(slot) = self.compared.get_mut(hash as usize % COMPARED_SLOTS) else {
            return false;
        };
        std::mem::replace(slot, hash) == hash
    }
}

/// What a topic may match or nearly be.
#[derive(Debug)]
struct Wanted {
    name: String,
    is_filter: bool,
    levels: usize,
    /// Words that a topic near to it has, but for one.
    words: Vec<Word>,
    /// Whether it has no levels, so that they may be parted by dots.
    is_dotted: bool,
}

/// A word of a topic or filter.
#[derive(Clone, Copy, Debug)]
struct Word {
    hash: u64,
    /// A bit for each of its letters, some of which share one.
    letters: u64,
    len: usize,
}

impl Word {
    const EMPTY: Self = Self {
        hash: HASH_START,
        letters: 0,
        len: 0,
    };

    fn push(&mut self, letter: char) {
        let mut bytes = [0; 4];
        let bytes = letter.encode_utf8(&mut bytes).bytes();
        self.hash = bytes.fold(self.hash, hash_with);
        self.letters |= 1 << (u32::from(letter) % u64::BITS);
        self.len += 1;
    }

    /// Whether two letters may be all that differs: each that is another one takes one bit and sets one.
    fn is_like(&self, other: &Self) -> bool {
        (self.letters ^ other.letters).count_ones() <= 4 && self.len.abs_diff(other.len) <= 2
    }
}

impl Wanted {
    fn topic(topic: &str) -> Self {
        Self::new(topic, topic, false)
    }

    fn filter(filter: &str) -> Self {
        let bare = TopicFilter::parse(filter).map_or(filter, TopicFilter::filter);
        Self::new(filter, without_share(bare), true)
    }

    fn new(name: &str, fixed: &str, is_filter: bool) -> Self {
        let levels = fixed.split('/');
        let levels = levels.map(|level| {
            if near::is_placeholder(level) {
                "+"
            } else {
                level
            }
        });
        let levels: Vec<_> = levels.collect();
        let mut own = Vec::new();
        words(&levels.join("/"), |word| own.push(word));
        Self {
            name: name.to_owned(),
            is_filter,
            levels: fixed.split('/').count(),
            words: own,
            is_dotted: !fixed.contains('/'),
        }
    }

    /// Whether a topic of these words may be near. This is quick, and what it leaves out is not near.
    fn may_be_near(&self, topic: &str, words: &[Word]) -> bool {
        let is_there = |word: &&Word| words.iter().any(|other| other.hash == word.hash);
        let mut missing = self.words.iter().filter(|word| !is_there(word));
        let Some(first) = missing.next() else {
            return true;
        };
        let has_placeholder = topic.contains(['%', '{', '<', ':']);
        if self.is_dotted {
            // One level that differs may be two words.
            return missing.nth(1).is_none() || has_placeholder;
        }
        if missing.next().is_some() {
            return false;
        }
        words.iter().any(|other| first.is_like(other))
            || topic.split('/').count() + 1 == self.levels
            || has_placeholder
    }

    /// Whether a topic matches, or is one thing apart from doing so.
    fn is_near(&self, topic: &str) -> bool {
        if self.is_filter {
            near::matches(&self.name, topic) || near::of_filter(&self.name, topic).is_some()
        } else {
            near::of_topic(topic, &self.name).is_some()
        }
    }
}

/// What is behind words that were meant to make a shared subscription and do not.
fn without_share(filter: &str) -> &str {
    let is_share = |first: &str| {
        let first = first.trim_start_matches('$').to_lowercase();
        matches!(&*first, "share" | "shared" | "queue")
    };
    match filter.split_once('/') {
        Some((first, rest)) if is_share(first) => {
            rest.split_once('/').map_or(rest, |(_, behind)| behind)
        }
        _ => filter,
    }
}

/// Hands out each word of a topic or filter: its levels, without what one mistakes in them. A text without
/// levels may have words parted by dots, as in other systems.
fn words(text: &str, mut put: impl FnMut(Word)) {
    let is_dotted = !text.contains(['/', '／', '⁄', '∕']);
    let mut word = Word::EMPTY;
    let mut end = |word: &mut Word| {
        if word.len > 0 {
            put(std::mem::replace(word, Word::EMPTY));
        }
    };
    let mut see = |c: char| match c {
        '/' => end(&mut word),
        '.' if is_dotted => end(&mut word),
        _ if c.is_alphanumeric() => c.to_lowercase().for_each(|letter| word.push(letter)),
        _ => {}
    };
    if text.is_ascii() {
        text.chars().for_each(&mut see);
    } else {
        let plain: String = text
            .chars()
            .map(near::narrow)
            .nfkc()
            .map(near::latin)
            .collect();
        plain.nfc().for_each(&mut see);
    }
    end(&mut word);
}

/// FNV-1a.
const HASH_START: u64 = 0xCBF2_9CE4_8422_2325;

const fn hash_with(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01B3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(names: &mut Names, topics: impl Iterator<Item = String>) {
        topics.for_each(|topic| names.see(&topic));
    }

    fn flood(prefix: &str, count: usize) -> impl Iterator<Item = String> {
        (0..count).map(move |number| format!("{prefix}/t{number}/value"))
    }

    fn names(filters: &[&str], looks: Option<usize>) -> Names {
        Names::new(None, filters.iter().copied(), looks)
    }

    #[test]
    fn a_near_miss_is_found_behind_a_flood_of_topics() {
        for (filter, topic) in [
            ("Home/kitchen/temp", "home/kitchen/temp"),
            ("home/kitchen/tmep", "home/kitchen/temp"),
            ("home/kitchen/+", "home/kitchen/temp"),
            ("home/kitchen", "home/kitchen/temp"),
        ] {
            let mut names = names(&[filter], Some(1_000));
            seen(&mut names, flood("home", 100_000));
            names.see(topic);
            seen(&mut names, flood("home", 100_000));
            assert_eq!(names.found(), (vec![topic.to_owned()], 0), "{filter}");
        }
        let mut names = Names::new(Some("home/kitchen/temp"), [].into_iter(), Some(1_000));
        seen(&mut names, flood("home", 100_000));
        names.see("home/Kitchen/temp");
        assert_eq!(names.found(), (vec!["home/Kitchen/temp".to_owned()], 0));
    }

    /// Where more topics may be near than are compared, that is counted.
    #[test]
    fn what_was_not_compared_is_counted() {
        let mut names = names(&["home/temp"], Some(10));
        let flood = (0..25).map(|number| format!("home/pmet{number}"));
        seen(&mut names, flood.clone());
        // Those that were compared need not be again.
        seen(&mut names, flood.take(10));
        names.see("home/tmep");
        names.see("garden/pump");
        assert_eq!(names.found(), (Vec::new(), 16));
    }

    #[test]
    fn topics_and_filters_are_bounded() {
        let mut all = names(&["#"], None);
        seen(&mut all, flood("home", TOPICS_MAX + 5));
        assert_eq!(all.found().0.len(), TOPICS_MAX);
        let filters: Vec<_> = (0..=WANTED_MAX).map(|n| format!("n{n}/a/b")).collect();
        let mut many = Names::new(None, filters.iter().map(String::as_str), None);
        many.see("n5/a/b");
        many.see("n100/a/b");
        assert_eq!(many.found(), (vec!["n5/a/b".to_owned()], 1));
    }

    /// What is left out without a comparison is not near.
    #[test]
    fn all_that_is_near_is_compared() {
        for (filter, topic) in [
            ("Plant/Line/x", "plant/line/x"),
            ("/plant/line", "plant/line"),
            ("plant/ line", "plant/line"),
            ("plant/li\u{200B}ne", "plant/line"),
            ("plant／line", "plant/line"),
            ("plant/＃", "plant/line"),
            ("рlаnt/x", "plant/x"),
            ("caf\u{e9}/x", "cafe\u{301}/x"),
            ("plant∕line/x", "plant/line/x"),
            ("plant/{id}/x", "plant/7/x"),
            ("plant/7/x", "plant/{id}/x"),
            ("plant.line", "plant/line"),
            ("plant/line", "plant.line"),
            ("plant.*.x", "plant/line/x"),
            ("plant.>", "plant/line/x"),
            ("pl.ant", "plant"),
            ("share/g/plant/line", "plant/line"),
            ("$queue/plant/line", "plant/line"),
            ("$share/plant/line", "plant/line"),
            ("$share/g/Plant/line", "plant/line"),
            ("plant/#/x", "plant/line/x"),
            ("plant/li#", "plant/line"),
            ("+/broker", "$SYS/broker"),
            ("#", "$SYS/broker"),
            ("plant-1/x", "plant_1/x"),
            ("plant/+", "plant/line/x"),
            ("plant/line", "plant/hall/line"),
            ("plant/hall/line", "plant/line"),
            ("plant/lien/x", "plant/line/x"),
            ("plant/#", "plant/line"),
            ("plant/+/x", "plant/line/x"),
        ] {
            assert!(
                near::matches(filter, topic) || near::of_filter(filter, topic).is_some(),
                "{filter} {topic}"
            );
            let mut names = names(&[filter], None);
            names.see(topic);
            assert_eq!(names.found(), (vec![topic.to_owned()], 0), "{filter}");
        }
    }

    /// The same for filters and topics that chance has changed.
    #[test]
    fn all_that_is_near_by_chance_is_compared() {
        let parts = [
            "plant",
            "Plant",
            "plnat",
            "line",
            "lien-1",
            "line_1",
            "x",
            "Х",
            "temp",
            "tmep",
            "7",
            "12",
            "{id}",
            "%c",
            ":id",
            "a.b",
            "ab",
            "$SYS",
            "$share",
            "g",
            " x",
            "",
            "caf\u{e9}",
        ];
        let mut state = 1_u64;
        let mut chance = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut near_ones = 0;
        for _ in 0..60_000 {
            let mut filter: Vec<_> = (0..=chance(4))
                .map(|_| parts[chance(parts.len())])
                .collect();
            let mut topic = filter.clone();
            match chance(5) {
                0 => drop(topic.remove(chance(topic.len()))),
                1 => topic.insert(chance(topic.len()), parts[chance(parts.len())]),
                2 => filter[0] = "+",
                3 => filter.push("#"),
                _ => {}
            }
            if !topic.is_empty() {
                let at = chance(topic.len());
                topic[at] = parts[chance(parts.len())];
            }
            let between = ["/", "/", "/", "."][chance(4)];
            let (filter, topic) = (filter.join(between), topic.join("/"));
            let is_near = near::of_filter(&filter, &topic).is_some();
            let is_name = !filter.contains(['+', '#']);
            let is_topic_near = is_name && near::of_topic(&filter, &topic).is_some();
            near_ones += usize::from(is_near);
            let mut own = Vec::new();
            words(&topic, |word| own.push(word));
            let may_be = Wanted::filter(&filter).may_be_near(&topic, &own);
            assert!(may_be || !is_near, "{filter:?} {topic:?}");
            let mut own = Vec::new();
            words(&filter, |word| own.push(word));
            let may_be = Wanted::topic(&topic).may_be_near(&filter, &own);
            assert!(may_be || !is_topic_near, "{filter:?} {topic:?}");
        }
        assert!(near_ones > 5_000, "{near_ones}");
    }
}
