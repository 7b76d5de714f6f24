//! The result of checking a YAML tree against the table of the scenario language: typed values with their locations.
//!
//! An invalid value has been reported and is absent ([`Data::Invalid`] or `None`), so the code in `spec/` continues with the
//! rest. An absent word with a default has the default as its value.

use super::Map;
use super::rule::RuleSpec;
use crate::scenario::diagnostics::{Location, Name};
use crate::scenario::yaml::Node;
use provider::Nanos;

/// A value of the scenario.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Value {
    /// Where the value begins; for a default, where its map begins.
    pub(in crate::scenario) at: Location,
    /// Its contents.
    pub(in crate::scenario) data: Data,
}

/// The contents of a value.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum Data {
    /// Invalid; it has been reported.
    Invalid,
    /// Text or a name, trimmed.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; of a [`super::Kind::Permille`], the thousandths.
    Count(u64),
    /// A number, a rate per second, a share in `0..=1` ([`super::Kind::Share`]), a change by a share, a speed in tokens per
    /// second, or a multiple.
    Number(f64),
    /// A length of time.
    Duration(Nanos),
    /// One of a fixed set of keywords.
    Choice(&'static str),
    /// A rule of `expect`.
    Rule(RuleSpec),
    /// The entries of a list.
    List(Vec<Value>),
    /// Entries whose keys the author of the scenario chose, in the order written.
    NamedEntries(Vec<(Name, Value)>),
    /// The fields of a map of the language.
    Fields(Fields),
    /// A value of any kind, not checked.
    Tree(Node),
}

/// The fields of a map that has been checked, a field per word of its table.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Fields {
    /// Where the map begins.
    pub(in crate::scenario) at: Location,
    /// The words that the map may have.
    pub(super) table: &'static Map,
    /// Per word of the map: its value or its default.
    pub(super) values: Vec<Option<Value>>,
    /// Per word of the map: `true` if it is written in the scenario.
    pub(super) given: Vec<bool>,
    /// `true` if every key is accepted and the keys match one of the map's alternatives ([`super::Form`]), if it has any.
    pub(super) is_sound: bool,
}

impl Value {
    /// Returns the fields of a map; `None` if this is not a map.
    pub(in crate::scenario) fn fields(&self) -> Option<&Fields> {
        match &self.data {
            Data::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    /// Returns the entries of a list; empty if this is not a list.
    pub(in crate::scenario) fn items(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// Returns a whole number; `None` if this is not one.
    ///
    /// # Panics
    /// If the range of the table exceeds 32 bits.
    pub(in crate::scenario) fn count(&self) -> Option<u32> {
        match self.data {
            Data::Count(count) => Some(u32::try_from(count).expect("invariant: the range fits 32 bits")),
            _ => None,
        }
    }

    /// Returns a text as a name with its location; `None` if this is not a text.
    pub(in crate::scenario) fn name(&self) -> Option<Name> {
        match &self.data {
            Data::Text(text) => Some(Name { text: text.clone(), at: self.at.clone() }),
            _ => None,
        }
    }

    /// Returns a quantity as a float, a length of time in seconds; `None` if this is not a quantity.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the table bounds counts that become floats far below 2^53"
    )]
    pub(in crate::scenario) fn quantity(&self) -> Option<f64> {
        match self.data {
            Data::Count(count) => Some(count as f64),
            Data::Number(number) => Some(number),
            Data::Duration(length) => Some(length.as_secs_f64()),
            _ => None,
        }
    }
}

/// An accessor that takes a word panics if the table of the map has no such word, which is a bug in the code that reads the
/// scenario. It returns `None` or an empty slice if the word is absent without a default, is invalid, or has a value of
/// another kind.
impl Fields {
    /// Returns the value of a word, or its default.
    pub(in crate::scenario) fn get(&self, word: &str) -> Option<&Value> {
        self.values[self.table.index(word)].as_ref().filter(|value| !matches!(value.data, Data::Invalid))
    }

    /// Returns `true` if the word is written in the scenario, valid or not.
    pub(in crate::scenario) fn is_given(&self, word: &str) -> bool {
        self.given[self.table.index(word)]
    }

    /// Returns the first of these words that is written in the scenario.
    pub(in crate::scenario) fn first_given(&self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.is_given(word))
    }

    /// Returns `true` if every key is accepted and the keys match one of the map's alternatives ([`super::Form`]), if it has
    /// any.
    pub(in crate::scenario) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Returns a text or a name.
    pub(in crate::scenario) fn text(&self, word: &str) -> Option<&str> {
        match &self.get(word)?.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a name with its location.
    pub(in crate::scenario) fn name(&self, word: &str) -> Option<Name> {
        self.get(word)?.name()
    }

    /// Returns `true` or `false`, as written.
    pub(in crate::scenario) fn bool(&self, word: &str) -> Option<bool> {
        match self.get(word)?.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns a whole number; of a [`super::Kind::Permille`], the thousandths.
    ///
    /// # Panics
    /// If the range of the table exceeds the type.
    pub(in crate::scenario) fn count<T: TryFrom<u64>>(&self, word: &str) -> Option<T> {
        match self.get(word)?.data {
            Data::Count(count) => Some(T::try_from(count).ok().unwrap_or_else(|| {
                panic!("invariant: the range of `{word}` fits its type, found {count}");
            })),
            _ => None,
        }
    }

    /// Returns a number, a rate, a share in `0..=1` ([`super::Kind::Share`]), a change by a share, a speed or a multiple.
    pub(in crate::scenario) fn number(&self, word: &str) -> Option<f64> {
        match self.get(word)?.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Returns a length of time.
    pub(in crate::scenario) fn duration(&self, word: &str) -> Option<Nanos> {
        match self.get(word)?.data {
            Data::Duration(length) => Some(length),
            _ => None,
        }
    }

    /// Returns the value that `meanings` pairs with the keyword.
    ///
    /// # Panics
    /// If the keyword is not in `meanings`.
    pub(in crate::scenario) fn choice<T: Copy>(&self, word: &str, meanings: &[(&str, T)]) -> Option<T> {
        self.get(word)?.choice(meanings)
    }

    /// Returns the entries of a list.
    pub(in crate::scenario) fn items(&self, word: &str) -> &[Value] {
        self.get(word).map_or(&[], Value::items)
    }

    /// Returns the entries whose keys the author of the scenario chose.
    pub(in crate::scenario) fn named_entries(&self, word: &str) -> &[(Name, Value)] {
        match self.get(word).map(|value| &value.data) {
            Some(Data::NamedEntries(names)) => names,
            _ => &[],
        }
    }

    /// Returns the fields of a map.
    pub(in crate::scenario) fn fields(&self, word: &str) -> Option<&Self> {
        self.get(word)?.fields()
    }
}

impl Value {
    /// Returns a keyword; `None` if this is not a keyword.
    pub(in crate::scenario) const fn keyword(&self) -> Option<&'static str> {
        match self.data {
            Data::Choice(keyword) => Some(keyword),
            _ => None,
        }
    }

    /// Returns the value that `meanings` pairs with the keyword; `None` if this is not a keyword.
    ///
    /// # Panics
    /// If the keyword is not in `meanings`.
    pub(in crate::scenario) fn choice<T: Copy>(&self, meanings: &[(&str, T)]) -> Option<T> {
        let Data::Choice(keyword) = self.data else { return None };
        let known = meanings.iter().find(|(name, _)| *name == keyword);
        let (_, meaning) =
            known.unwrap_or_else(|| panic!("invariant: the keyword `{keyword}` has a meaning"));
        Some(*meaning)
    }
}
