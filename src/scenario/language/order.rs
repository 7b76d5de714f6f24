//! The order of words, for a scenario that is written.

use super::kind::Shape;
use super::{Kind, Map, SCENARIO};
use crate::scenario::write::Tree;

/// The part of the language that a value belongs to.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenario) struct Order {
    /// The kind of the value; `None` outside the language.
    kind: Option<&'static Kind>,
    depth: usize,
}

static ROOT: Kind = Kind::Map(&SCENARIO);

impl Order {
    /// The whole scenario.
    pub(in crate::scenario) fn scenario() -> Self {
        Self { kind: Some(&ROOT), depth: 0 }
    }

    /// The number of collections around the value.
    pub(in crate::scenario) fn depth(self) -> usize {
        self.depth
    }

    /// The position of a key among those of its map; names keep the order in which they are given.
    pub(in crate::scenario) fn position(self, key: &str) -> usize {
        let position = |map: &Map| map.words.iter().position(|word| word.name == key).unwrap_or(usize::MAX);
        match self.kind {
            Some(Kind::Map(map)) => position(map),
            _ => 0,
        }
    }

    /// The part of the value of a key.
    pub(in crate::scenario) fn key(self, key: &str, value: &Tree) -> Self {
        let kind = match self.kind {
            Some(Kind::Map(map)) => map.word(key).map(|word| &word.kind),
            Some(Kind::NamedEntries { of, .. }) => Some(*of),
            _ => None,
        };
        self.inside(kind, value)
    }

    /// The part of an entry of a list.
    pub(in crate::scenario) fn item(self, value: &Tree) -> Self {
        let kind = match self.kind {
            Some(Kind::List { of, .. }) => Some(*of),
            _ => None,
        };
        self.inside(kind, value)
    }

    fn inside(self, kind: Option<&'static Kind>, value: &Tree) -> Self {
        let shape = match value {
            Tree::Null | Tree::Text(_) => Shape::Scalar,
            Tree::List(_) => Shape::List,
            Tree::Map(_) => Shape::Map,
        };
        let kind = match kind {
            Some(Kind::OneOf(kinds)) => kinds.iter().find(|kind| kind.shape() == Some(shape)),
            kind => kind,
        };
        Self { kind, depth: self.depth + 1 }
    }
}
