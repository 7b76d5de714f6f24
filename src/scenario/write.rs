//! Writes a scenario as YAML: words in the order of the language's table, short values on one line, comments where given.
//!
//! Law: a scenario that is read, written and read again is the same scenario.

use super::diagnostics::Diagnostics;
use super::language::WordOrder;
use super::yaml::{self, Node};
use crate::problem::Problems;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_yaml::{Commented, FlowMap, FlowSeq};

/// A scenario, or a part of one, as data. It need not be valid: [`super::parse`] checks what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// No value.
    Null,
    /// A single value as YAML text, without quotes: `30/min`, `7`, `launch day`.
    Text(String),
    /// A single value that every reader takes for a string: a name such as `123` or `true` is quoted.
    Str(String),
    /// A list.
    List(Vec<Tree>),
    /// Keys with their values.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Tree,
    /// A comment in the line above; may be empty.
    pub comment: String,
}

impl Tree {
    /// Reads YAML text, without its comments and without checking it against the language. Aliases are expanded.
    ///
    /// # Errors
    /// All problems of the YAML itself.
    pub fn read(name: &str, text: &str) -> Result<Self, Problems> {
        let diagnostics = Diagnostics::default();
        let node = yaml::read(&diagnostics, diagnostics.add_source(name, text), text, 0);
        match (diagnostics.problems(), node) {
            (Some(problems), _) => Err(problems),
            (None, Some(node)) => Ok(Self::of(&node)),
            (None, None) => unreachable!("invariant: without a tree there is a problem"),
        }
    }

    /// Returns a map of these keys and values, without comments.
    #[must_use]
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entry = |(key, value): (K, Self)| Entry { key: key.into(), value, comment: String::new() };
        Self::Map(entries.into_iter().map(entry).collect())
    }

    /// Returns a single value.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns a single value that is a string.
    #[must_use]
    pub fn string(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }

    fn of(node: &Node) -> Self {
        match &node.kind {
            yaml::NodeKind::Null => Self::Null,
            yaml::NodeKind::Text(text) => Self::Text(text.clone()),
            yaml::NodeKind::List(items) => Self::List(items.iter().map(Self::of).collect()),
            yaml::NodeKind::Map(entries) => {
                Self::map(entries.iter().map(|entry| (entry.key.clone(), Self::of(&entry.value))))
            }
        }
    }

    /// Returns the largest width that this value can have on one line in characters, with all texts in quotes and nothing
    /// escaped; `None` if it needs several lines: it has a comment or a text with a line feed.
    fn width(&self) -> Option<usize> {
        match self {
            Self::Null => Some(4),
            Self::Text(text) | Self::Str(text) => (!text.contains('\n')).then(|| text.chars().count() + 2),
            Self::List(items) => items.iter().map(|item| Some(item.width()? + 2)).sum(),
            Self::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let width = entry.key.chars().count() + entry.value.width()? + 4;
                    entry.comment.is_empty().then_some(width)
                })
                .sum(),
        }
    }
}

/// The widest value that is written on one line, in characters.
const MAX_LINE: usize = 90;

/// Writes a scenario as YAML. In a map of the language, unknown keys come last.
///
/// # Panics
/// Does not panic: every tree is YAML.
#[must_use]
pub fn write(scenario: &Tree) -> String {
    let options = serde_yaml::ser_options! {
        compact_list_indent: false,
        prefer_block_scalars: false,
        comment_position: serde_yaml::CommentPosition::Above,
    };
    let value = Ordered { tree: scenario, order: WordOrder::scenario(), is_flow: false };
    serde_yaml::to_string_with_options(&value, options).expect("invariant: every tree is YAML")
}

/// A tree with the part of the language that defines the order of its words.
#[derive(Clone, Copy)]
struct Ordered<'t> {
    tree: &'t Tree,
    order: WordOrder,
    /// `true` inside a value that is written on one line.
    is_flow: bool,
}

impl Ordered<'_> {
    /// Returns `true` if a collection is written on one line: the top and its direct children are not.
    fn fits_one_line(&self) -> bool {
        self.order.depth() > 1 && self.tree.width().is_some_and(|width| width <= MAX_LINE)
    }
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.tree {
            Tree::Null => serializer.serialize_unit(),
            Tree::Text(text) => scalar(text, serializer),
            // The writer quotes what YAML 1.1 or 1.2 reads as another type.
            Tree::Str(text) => serializer.serialize_str(text),
            Tree::List(_) if !self.is_flow && self.fits_one_line() => {
                FlowSeq(Self { is_flow: true, ..*self }).serialize(serializer)
            }
            Tree::Map(_) if !self.is_flow && self.fits_one_line() => {
                FlowMap(Self { is_flow: true, ..*self }).serialize(serializer)
            }
            Tree::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for tree in items {
                    list.serialize_element(&Self {
                        tree,
                        order: self.order.item(tree),
                        is_flow: self.is_flow,
                    })?;
                }
                list.end()
            }
            Tree::Map(entries) => {
                let mut entries: Vec<&Entry> = entries.iter().collect();
                entries.sort_by_key(|entry| self.order.position(&entry.key));
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    let order = self.order.key(&entry.key, &entry.value);
                    let value = Ordered { tree: &entry.value, order, is_flow: self.is_flow };
                    if entry.comment.is_empty() {
                        map.serialize_entry(&entry.key, &value)?;
                    } else {
                        map.serialize_entry(&entry.key, &Commented(value, entry.comment.clone()))?;
                    }
                }
                map.end()
            }
        }
    }
}

/// Writes a scalar. Booleans, whole numbers without a sign, and short decimals without a sign are written without quotes if
/// that gives the same text; other numbers are quoted.
fn scalar<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        "true" => serializer.serialize_bool(true),
        "false" => serializer.serialize_bool(false),
        _ => match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => serializer.serialize_u64(number),
            _ => match text.parse::<f64>() {
                Ok(number) if is_plain_decimal(text) && number.to_string() == text => {
                    serializer.serialize_f64(number)
                }
                _ => serializer.serialize_str(text),
            },
        },
    }
}

/// Returns `true` for a decimal that is short enough to be printed without an exponent.
fn is_plain_decimal(text: &str) -> bool {
    text.len() <= 8 && text.contains('.') && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}
