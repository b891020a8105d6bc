//! The wildcard filters of one shard, by levels.

use hashbrown::HashTable;

use super::filters::FilterId;
use crate::hash::{Hashing, hash_of};

/// A trie whose edges live in one hash table, so that a node costs no map of its own.
///
/// A look-up visits, level by level, the node of the literal level and the node of `+`; `#` is
/// seen on the way. It costs at most two to the power of the topic's levels, and never more than
/// there are nodes.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    free: Vec<u32>,
    edges: HashTable<u32>,
    hashing: Hashing,
    /// Scratch of `find`.
    frontier: Vec<u32>,
    next: Vec<u32>,
}

#[derive(Debug)]
struct Node {
    level: Box<str>,
    parent: u32,
    literal_children: u32,
    plus: u32,
    /// The filter that ends in this node.
    filter: Option<FilterId>,
    /// The filter that ends in `#` below this node.
    hash: Option<FilterId>,
}

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

impl Node {
    fn new(level: &str, parent: u32) -> Self {
        Self {
            level: level.into(),
            parent,
            literal_children: 0,
            plus: NONE,
            filter: None,
            hash: None,
        }
    }

    const fn is_unused(&self) -> bool {
        self.literal_children == 0
            && self.plus == NONE
            && self.filter.is_none()
            && self.hash.is_none()
    }
}

impl Trie {
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self {
            nodes: vec![Node::new("", NONE)],
            free: Vec::new(),
            edges: HashTable::new(),
            hashing,
            frontier: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Whether there is no filter.
    pub(crate) fn is_empty(&self) -> bool {
        self.node(ROOT).is_none_or(Node::is_unused)
    }

    /// Adds a valid filter that has a wildcard.
    pub(crate) fn insert(&mut self, filter: &str, id: FilterId) {
        let mut at = ROOT;
        for level in filter.split('/') {
            match level {
                "#" => {
                    if let Some(node) = self.node_mut(at) {
                        node.hash = Some(id);
                    }
                    return;
                }
                "+" => at = self.plus_or_new(at),
                _ => at = self.literal_or_new(at, level),
            }
        }
        if let Some(node) = self.node_mut(at) {
            node.filter = Some(id);
        }
    }

    /// Removes a filter and the nodes that only it needed.
    pub(crate) fn remove(&mut self, filter: &str) {
        let mut at = ROOT;
        for level in filter.split('/') {
            match level {
                "#" => {
                    if let Some(node) = self.node_mut(at) {
                        node.hash = None;
                    }
                    return self.prune(at);
                }
                "+" => match self.node(at).map(|node| node.plus) {
                    Some(next) if next != NONE => at = next,
                    _ => return,
                },
                _ => match self.literal(at, level) {
                    Some(next) => at = next,
                    None => return,
                },
            }
        }
        if let Some(node) = self.node_mut(at) {
            node.filter = None;
        }
        self.prune(at);
    }

    /// Appends the filters that match a topic, each once. Returns how many nodes it visited.
    pub(crate) fn find(&mut self, topic: &str, found: &mut Vec<FilterId>) -> usize {
        let mut visited = 0;
        let mut frontier = std::mem::take(&mut self.frontier);
        let mut next = std::mem::take(&mut self.next);
        frontier.clear();
        frontier.push(ROOT);
        // Wildcards in the first level never match a topic that starts with $ (MQTT-4.7.2-1).
        let mut wildcards = !topic.starts_with('$');
        for level in topic.split('/') {
            next.clear();
            visited += frontier.len();
            for at in &frontier {
                let Some(node) = self.node(*at) else { continue };
                if wildcards {
                    found.extend(node.hash);
                    if node.plus != NONE {
                        next.push(node.plus);
                    }
                }
                if node.literal_children > 0 {
                    next.extend(self.literal(*at, level));
                }
            }
            std::mem::swap(&mut frontier, &mut next);
            wildcards = true;
            if frontier.is_empty() {
                break;
            }
        }
        visited += frontier.len();
        for at in &frontier {
            // `a/#` matches `a` itself.
            if let Some(node) = self.node(*at) {
                found.extend(node.filter);
                found.extend(node.hash);
            }
        }
        self.frontier = frontier;
        self.next = next;
        visited
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut(at as usize)
    }

    fn literal(&self, parent: u32, level: &str) -> Option<u32> {
        let hash = hash_of(&self.hashing, &(parent, level));
        let is_it = |at: &u32| {
            self.node(*at)
                .is_some_and(|node| node.parent == parent && *node.level == *level)
        };
        self.edges.find(hash, is_it).copied()
    }

    fn new_node(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.node_mut(at) {
                    *slot = node;
                }
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    fn plus_or_new(&mut self, parent: u32) -> u32 {
        match self.node(parent).map(|node| node.plus) {
            Some(at) if at != NONE => at,
            _ => {
                // Its parent knows it as `+`; a text of its own would only take memory.
                let at = self.new_node(Node::new("", parent));
                if let Some(node) = self.node_mut(parent) {
                    node.plus = at;
                }
                at
            }
        }
    }

    fn literal_or_new(&mut self, parent: u32, level: &str) -> u32 {
        if let Some(at) = self.literal(parent, level) {
            return at;
        }
        let at = self.new_node(Node::new(level, parent));
        if let Some(node) = self.node_mut(parent) {
            node.literal_children += 1;
        }
        let Self {
            nodes,
            edges,
            hashing,
            ..
        } = self;
        let rehash = |at: &u32| match nodes.get(*at as usize) {
            Some(node) => hash_of(hashing, &(node.parent, &*node.level)),
            None => 0,
        };
        edges.insert_unique(hash_of(hashing, &(parent, level)), at, rehash);
        at
    }

    /// Frees a node and its ancestors as far as nothing needs them.
    fn prune(&mut self, mut at: u32) {
        while at != ROOT {
            let Some(node) = self.node_mut(at) else {
                return;
            };
            if !node.is_unused() {
                return;
            }
            let parent = node.parent;
            let level = std::mem::take(&mut node.level);
            let is_plus = self.node(parent).is_some_and(|node| node.plus == at);
            if let Some(node) = self.node_mut(parent) {
                if is_plus {
                    node.plus = NONE;
                } else {
                    node.literal_children -= 1;
                }
            }
            if !is_plus {
                let hash = hash_of(&self.hashing, &(parent, &*level));
                if let Ok(entry) = self.edges.find_entry(hash, |other| *other == at) {
                    entry.remove();
                }
            }
            self.free.push(at);
            at = parent;
        }
    }

    /// Nodes in use, the root included.
    #[cfg(test)]
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trie(filters: &[String]) -> Trie {
        let mut trie = Trie::new(Hashing::with_seed(7));
        for (number, filter) in filters.iter().enumerate() {
            trie.insert(filter, FilterId(number as u32));
        }
        trie
    }

    fn find(trie: &mut Trie, topic: &str) -> Vec<u32> {
        let mut found = Vec::new();
        trie.find(topic, &mut found);
        let mut found: Vec<u32> = found.into_iter().map(|id| id.0).collect();
        found.sort_unstable();
        found
    }

    prop_compose! {
        fn wildcard_filter()(
            levels in prop::collection::vec(prop::sample::select(vec!["a", "b", "", "+", "$x"]), 1..5),
            hash in any::<bool>(),
        ) -> String {
            let mut filter = levels.join("/");
            if hash || !filter.contains('+') {
                filter.push_str("/#");
            }
            filter
        }
    }

    proptest! {
        #[test]
        fn finds_what_one_by_one_matching_finds(
            mut filters in prop::collection::vec(wildcard_filter(), 0..40),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            topics in prop::collection::vec(
                prop::collection::vec(prop::sample::select(vec!["a", "b", "", "$x"]), 1..6), 1..20),
        ) {
            filters.push("#".into());
            filters.sort();
            filters.dedup();
            let mut trie = trie(&filters);
            let mut gone: Vec<usize> = removed.iter().map(|index| index.index(filters.len())).collect();
            gone.sort_unstable();
            gone.dedup();
            for number in &gone {
                trie.remove(&filters[*number]);
            }
            for topic in topics {
                let topic = topic.join("/");
                if topic.is_empty() { continue }
                let expected: Vec<u32> = (0..filters.len())
                    .filter(|number| !gone.contains(number))
                    .filter(|number| columba_codec::topic::matches(&filters[*number], &topic))
                    .map(|number| number as u32)
                    .collect();
                prop_assert_eq!(find(&mut trie, &topic), expected, "topic {}", topic);
            }
        }

        #[test]
        fn removing_everything_frees_every_node(filters in prop::collection::vec(wildcard_filter(), 0..40)) {
            let mut filters = filters;
            filters.sort();
            filters.dedup();
            let mut trie = trie(&filters);
            for filter in &filters {
                trie.remove(filter);
            }
            prop_assert_eq!(trie.node_count(), 1);
            prop_assert!(trie.is_empty());
        }
    }
}
