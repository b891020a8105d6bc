//! Topics as a tree, with limits for what strangers may put into it.

use std::collections::BTreeMap;
use std::time::Instant;

/// Nodes of the tree.
const NODES_MAX: usize = 20_000;
/// Bytes of their names and values.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Deeper levels of a topic are the name of one node.
const LEVELS_MAX: usize = 64;

/// A tree of topics.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    root: Node,
    nodes: usize,
    text_bytes: usize,
    /// Topics that had a message.
    pub(super) topics: u64,
    pub(super) messages: u64,
    /// Messages on topics for which there was no room.
    pub(super) others: u64,
}

/// A level of topics.
#[derive(Debug)]
pub(super) struct Node {
    children: BTreeMap<String, Self>,
    /// Messages on just this topic.
    pub(super) messages: u64,
    /// Messages on this topic and those below it.
    pub(super) below: u64,
    pub(super) value: Option<Value>,
    /// Whether its children are shown.
    pub(super) is_open: bool,
}

/// The last message of a topic.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) at: Instant,
}

/// A node where it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) depth: usize,
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
    /// The row of the level above.
    pub(super) parent: Option<usize>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            children: BTreeMap::new(),
            messages: 0,
            below: 0,
            value: None,
            is_open: true,
        }
    }
}

impl Node {
    pub(super) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }
}

impl Nodes {
    /// Puts a message into the tree, or counts it if there is no room.
    pub(super) fn add(&mut self, topic: &str, text: String, now: Instant) {
        self.messages += 1;
        let levels: Vec<_> = topic.splitn(LEVELS_MAX, '/').collect();
        let (mut node, mut known) = (Some(&self.root), 0);
        for level in &levels {
            node = node.and_then(|node| node.children.get(*level));
            known += usize::from(node.is_some());
        }
        let old = node.and_then(|node| node.value.as_ref());
        let old_bytes = old.map_or(0, |value| value.text.len());
        let new_levels = levels.get(known..).unwrap_or_default();
        let name_bytes: usize = new_levels.iter().map(|level| level.len()).sum();
        let text_bytes = self.text_bytes + name_bytes + text.len() - old_bytes;
        if self.nodes + new_levels.len() > NODES_MAX || text_bytes > TEXT_BYTES_MAX {
            self.others += 1;
            return;
        }
        self.nodes += new_levels.len();
        self.text_bytes = text_bytes;
        let mut node = &mut self.root;
        for level in &levels {
            node = node.children.entry((*level).to_owned()).or_default();
            node.below += 1;
        }
        self.topics += u64::from(node.messages == 0);
        node.messages += 1;
        node.value = Some(Value { text, at: now });
    }

    /// Opens or closes a node.
    pub(super) fn open(&mut self, path: &[String], is_open: bool) {
        let mut node = Some(&mut self.root);
        for level in path {
            node = node.and_then(|node| node.children.get_mut(level));
        }
        if let Some(node) = node {
            node.is_open = is_open;
        }
    }

    /// All nodes from top to bottom, or those that are inside of no closed one.
    pub(super) fn rows(&self, only_open: bool) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        collect(&self.root, 0, None, only_open, &mut rows);
        rows
    }
}

/// As deep as the tree, which has [`LEVELS_MAX`].
fn collect<'a>(
    node: &'a Node,
    depth: usize,
    parent: Option<usize>,
    only_open: bool,
    rows: &mut Vec<Row<'a>>,
) {
    for (name, child) in &node.children {
        let index = rows.len();
        rows.push(Row {
            depth,
            name,
            node: child,
            parent,
        });
        if child.is_open || !only_open {
            collect(child, depth + 1, Some(index), only_open, rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_their_text_have_limits() {
        let now = Instant::now();
        let mut nodes = Nodes::default();
        for topic in 0..NODES_MAX {
            nodes.add(&format!("a/{topic}"), "1".to_owned(), now);
        }
        assert_eq!((nodes.nodes, nodes.others), (NODES_MAX, 1));
        // Those that are there still get their values.
        nodes.add("a/7", "2".to_owned(), now);
        assert_eq!((nodes.others, nodes.messages), (1, NODES_MAX as u64 + 1));

        let mut nodes = Nodes::default();
        let long = "x".repeat(60_000);
        for topic in 0..1_000 {
            nodes.add(&format!("{topic}{long}"), String::new(), now);
        }
        assert!(nodes.text_bytes <= TEXT_BYTES_MAX);
        assert!(nodes.others > 700, "{}", nodes.others);
        // A value in the place of another takes its room.
        let mut nodes = Nodes::default();
        for _ in 0..1_000 {
            nodes.add("a", long.clone(), now);
        }
        assert_eq!((nodes.others, nodes.text_bytes), (0, long.len() + 1));
    }

    #[test]
    fn the_deepest_topic_is_no_deeper_than_the_limit() {
        let mut nodes = Nodes::default();
        nodes.add(&"/".repeat(65_535), String::new(), Instant::now());
        assert_eq!(nodes.rows(false).len(), LEVELS_MAX);
    }
}
