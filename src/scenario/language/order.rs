//! The order in which the words of a scenario are written.

use super::kind::Shape;
use super::{Kind, Map, SCENARIO};
use crate::scenario::write::Tree;

/// The part of the language that a value belongs to, which defines the order of its words.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenario) struct WordOrder {
    /// The kind of the value; `None` outside the language.
    kind: Option<&'static Kind>,
    depth: usize,
}

static ROOT: Kind = Kind::Map(&SCENARIO);

impl WordOrder {
    /// Returns the order of a whole scenario.
    pub(in crate::scenario) fn scenario() -> Self {
        Self { kind: Some(&ROOT), depth: 0 }
    }

    /// Returns the number of collections around the value.
    pub(in crate::scenario) fn depth(self) -> usize {
        self.depth
    }

    /// Returns the position of a key among the keys of its map: [`usize::MAX`] for a key that the map does not know, 0 for
    /// names and for keys outside the language, which keep the order in which they are given.
    pub(in crate::scenario) fn position(self, key: &str) -> usize {
        let position = |map: &Map| map.words.iter().position(|word| word.name == key).unwrap_or(usize::MAX);
        match self.kind {
            Some(Kind::Map(map)) => position(map),
            _ => 0,
        }
    }

    /// Returns the order of the value of a key.
    pub(in crate::scenario) fn key(self, key: &str, value: &Tree) -> Self {
        let kind = match self.kind {
            Some(Kind::Map(map)) => map.word(key).map(|word| &word.kind),
            Some(Kind::NamedEntries { of, .. }) => Some(*of),
            _ => None,
        };
        self.inner(kind, value)
    }

    /// Returns the order of an entry of a list.
    pub(in crate::scenario) fn item(self, value: &Tree) -> Self {
        let kind = match self.kind {
            Some(Kind::List { of, .. }) => Some(*of),
            _ => None,
        };
        self.inner(kind, value)
    }

    /// Returns the order of a value of this kind inside the present one.
    fn inner(self, kind: Option<&'static Kind>, value: &Tree) -> Self {
        let shape = match value {
            Tree::Null | Tree::Text(_) | Tree::Str(_) => Shape::Scalar,
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
