//! Interned access paths below a parameter.

use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use dashmap::DashMap;
use rustc_hash::FxHasher;

use crate::heap::Key;
use crate::value::PathId;

struct Node {
    parent: Option<PathId>,
    key: Key,
    length: u8,
}

type Table = DashMap<(u32, Key), PathId, BuildHasherDefault<FxHasher>>;

static NODES: LazyLock<boxcar::Vec<Node>> = LazyLock::new(|| {
    let nodes = boxcar::Vec::new();
    nodes.push(Node {
        parent: None,
        key: Key::Any,
        length: 0,
    });
    nodes
});
static CHILDREN: LazyLock<Table> = LazyLock::new(Table::default);

/// Longest path kept apart; below it the whole counts.
pub const MAX_LENGTH: u8 = 3;

impl PathId {
    /// The parameter itself.
    pub const ROOT: Self = Self(0);

    /// The path one key further; `None` when it would become too long.
    #[must_use]
    pub fn child(self, key: Key) -> Option<Self> {
        let length = NODES[self.0 as usize].length;
        if length >= MAX_LENGTH {
            return None;
        }
        Some(*CHILDREN.entry((self.0, key)).or_insert_with(|| {
            let at = NODES.push(Node {
                parent: Some(self),
                key,
                length: length + 1,
            });
            Self(u32::try_from(at).unwrap_or(u32::MAX))
        }))
    }

    /// The keys from the parameter on.
    #[must_use]
    pub fn keys(self) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut at = self;
        while let Some(parent) = NODES[at.0 as usize].parent {
            keys.push(NODES[at.0 as usize].key);
            at = parent;
        }
        keys.reverse();
        keys
    }

    /// The path one key shorter, and that key.
    #[must_use]
    pub fn split(self) -> Option<(Self, Key)> {
        let node = &NODES[self.0 as usize];
        node.parent.map(|p| (p, node.key))
    }
}
