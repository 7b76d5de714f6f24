//! Checks a YAML tree against the table. An invalid value is reported with its location and its remedy, and the check
//! continues with the rest.

use super::kind::{Shape, quoted};
use super::value::{Data, Fields, Value};
use super::{Kind, Map, Required, Word, forms};
use crate::problem::{Problems, did_you_mean};
use crate::scenario::diagnostics::{Diagnostics, Location, Name};
use crate::scenario::yaml::{self, Node, NodeEntry};
use provider::units::ParseError;

/// Checks that a tree is the map that `map` describes. Returns `None` if it is not a map; every problem is reported to
/// `diagnostics`.
pub(in crate::scenario) fn check(
    map: &'static Map,
    node: &Node,
    diagnostics: &Diagnostics,
) -> Option<Fields> {
    check_with_optional(&[], map, node, diagnostics)
}

/// Checks a tree as [`check`] does, but accepts that the words in `optional` are absent, in any map, although the table
/// requires them.
pub(in crate::scenario) fn check_with_optional(
    optional: &[&str],
    map: &'static Map,
    node: &Node,
    diagnostics: &Diagnostics,
) -> Option<Fields> {
    let check = Check { diagnostics, optional };
    let root = Location { place: node.place, path: String::new() };
    match &node.kind {
        yaml::NodeKind::Map(entries) => Some(check.map(map, entries, root)),
        _ => {
            check.mismatch(&root, node, "a map", map.example);
            None
        }
    }
}

struct Check<'d> {
    diagnostics: &'d Diagnostics,
    /// Words that may be absent although the table requires them.
    optional: &'d [&'d str],
}

/// The advice in messages about an invalid value.
#[derive(Clone, Copy)]
struct Advice<'a> {
    /// A valid value, or a word with one.
    example: &'a str,
    /// See [`Word::hint`].
    hint: &'a str,
}

impl Check<'_> {
    fn value(&self, kind: &Kind, node: &Node, at: Location, advice: Advice<'_>) -> Value {
        let data = match (kind, &node.kind) {
            (Kind::Any, _) => self.any(node, &at, advice),
            (Kind::OneOf(kinds), _) => return self.one_of(kinds, node, at, advice),
            (Kind::List { of, min, max }, yaml::NodeKind::List(items)) => {
                self.list(of, (*min, *max), items, &at, advice)
            }
            (Kind::NamedEntries { of, slash }, yaml::NodeKind::Map(entries)) => {
                self.named_entries(of, *slash, entries, &at, advice)
            }
            (Kind::Map(map), yaml::NodeKind::Map(entries)) => {
                Data::Fields(self.map(map, entries, at.clone()))
            }
            (kind, yaml::NodeKind::Text(text)) if kind.shape() == Some(Shape::Scalar) => {
                self.scalar(kind, text, &at, advice)
            }
            _ => self.mismatch(&at, node, &kind.describe(), advice.example),
        };
        Value { at, data }
    }

    fn scalar(&self, kind: &Kind, text: &str, at: &Location, advice: Advice<'_>) -> Data {
        kind.scalar(text, advice.hint)
            .unwrap_or_else(|ParseError { what, help }| self.invalid(at, what, help))
    }

    fn any(&self, node: &Node, at: &Location, advice: Advice<'_>) -> Data {
        if matches!(node.kind, yaml::NodeKind::Null) {
            let what = format!("`{}` has no value", at.path);
            return self.invalid(at, what, format!("write {}", advice.example));
        }
        Data::Tree(node.clone())
    }

    /// Checks a value against the alternatives of [`Kind::OneOf`].
    fn one_of(&self, kinds: &'static [Kind], node: &Node, at: Location, advice: Advice<'_>) -> Value {
        let shape = match &node.kind {
            yaml::NodeKind::Text(_) => Some(Shape::Scalar),
            yaml::NodeKind::List(_) => Some(Shape::List),
            yaml::NodeKind::Map(_) => Some(Shape::Map),
            yaml::NodeKind::Null => None,
        };
        let of_shape = || kinds.iter().filter(|kind| kind.shape() == shape);
        let claimed = match &node.kind {
            yaml::NodeKind::Text(text) => of_shape().find(|kind| kind.claims(text)),
            _ => of_shape().next(),
        };
        if let (None, yaml::NodeKind::Text(text)) = (claimed, &node.kind)
            && let Some(word) = kinds.iter().find_map(|kind| match kind {
                Kind::Map(map) => map.word(text),
                _ => None,
            })
        {
            let help = format!("write `{{{}: {}}}`", word.name, word.example);
            let data = self.invalid(&at, format!("`{}` needs a value", word.name), help);
            return Value { at, data };
        }
        match claimed.or_else(|| of_shape().next_back()) {
            Some(kind) => self.value(kind, node, at, advice),
            None => {
                let data = self.mismatch(&at, node, &Kind::OneOf(kinds).describe(), advice.example);
                Value { at, data }
            }
        }
    }

    fn list(
        &self,
        of: &Kind,
        (min, max): (usize, usize),
        items: &[Node],
        at: &Location,
        advice: Advice<'_>,
    ) -> Data {
        let example = match of {
            Kind::Map(map) => format!("`{}`", map.example),
            _ => advice.example.to_owned(),
        };
        let check = |(index, node): (usize, &Node)| {
            let at = Location { place: node.place, path: at.join(&index.to_string()) };
            self.value(of, node, at, Advice { example: &example, ..advice })
        };
        let values: Vec<Value> = items.iter().enumerate().map(check).collect();
        if (min..=max).contains(&items.len()) {
            return Data::List(values);
        }
        let expected = match (min, max) {
            _ if min == max => format!("{min} entries"),
            _ if items.len() < min => "at least one entry".into(),
            _ => format!("at most {max} entries"),
        };
        let found = if items.is_empty() { "none".to_owned() } else { items.len().to_string() };
        self.invalid(at, format!("expected {expected}, found {found}"), format!("write {}", advice.example))
    }

    fn named_entries(
        &self,
        of: &Kind,
        slash: bool,
        entries: &[NodeEntry],
        at: &Location,
        advice: Advice<'_>,
    ) -> Data {
        if entries.is_empty() {
            return self.invalid(
                at,
                "expected at least one name, found none",
                format!("write {}", advice.example),
            );
        }
        let example = match of {
            Kind::Map(map) => format!("`{}`", map.example),
            _ => advice.example.to_owned(),
        };
        let check = |entry: &NodeEntry| {
            let path = at.join(&entry.key);
            let name =
                Name { text: entry.key.clone(), at: Location { place: entry.place, path: path.clone() } };
            if entry.key.trim().is_empty() {
                self.diagnostics.report_at(&name.at, "a name cannot be empty", "write a name");
            } else if !slash && entry.key.contains('/') {
                let what = format!("the name `{}` contains `/`", quoted(&entry.key));
                let help = "choose a name without `/`: targets are written `provider/account/model`";
                self.diagnostics.report_at(&name.at, what, help);
            }
            let at = Location { place: entry.value.place, path };
            (name, self.value(of, &entry.value, at, Advice { example: &example, hint: "" }))
        };
        Data::NamedEntries(entries.iter().map(check).collect())
    }

    fn map(&self, map: &'static Map, entries: &[NodeEntry], at: Location) -> Fields {
        let mut fields = Fields {
            at,
            table: map,
            values: vec![None; map.words.len()],
            given: vec![false; map.words.len()],
            is_sound: true,
        };
        let mut unknown = 0;
        for entry in entries {
            let path = fields.at.join(&entry.key);
            match map.words.iter().position(|word| word.name == entry.key) {
                Some(index) => {
                    fields.given[index] = true;
                    fields.values[index] = Some(self.word(&map.words[index], entry, path));
                }
                None => {
                    fields.is_sound = false;
                    unknown += 1;
                    if unknown <= Problems::MAX_SOUGHT {
                        self.unknown(map, entry, &fields.at, path);
                    }
                }
            }
        }
        for (index, word) in map.words.iter().enumerate().filter(|(index, _)| !fields.given[*index]) {
            let path = fields.at.join(word.name);
            fields.values[index] = word.default.map(|text| self.default(word, text, &fields.at, path));
        }
        self.require(&fields);
        forms::check(&mut fields, self.diagnostics);
        fields
    }

    fn word(&self, word: &Word, entry: &NodeEntry, path: String) -> Value {
        if matches!(entry.value.kind, yaml::NodeKind::Null) && !matches!(word.kind, Kind::Any) {
            let at = Location { place: entry.place, path };
            let help = format!("write `{}: {}`, or remove the word", word.name, word.example);
            let data = self.invalid(&at, format!("`{}` has no value", word.name), help);
            return Value { at, data };
        }
        let at = Location { place: entry.value.place, path };
        let example = format!("`{}: {}`", word.name, word.example);
        self.value(&word.kind, &entry.value, at, Advice { example: &example, hint: word.hint })
    }

    /// Returns the default of a word that is absent, at the location of its map.
    fn default(&self, word: &Word, text: &'static str, map: &Location, path: String) -> Value {
        let kind = match text {
            "{}" => yaml::NodeKind::Map(Vec::new()),
            "[]" => yaml::NodeKind::List(Vec::new()),
            "\"\"" => yaml::NodeKind::Text(String::new()),
            text if text.starts_with('{') => {
                let source = self.diagnostics.add_source("default", text);
                let read = yaml::read(self.diagnostics, source, text, 0);
                read.expect("invariant: every default of the table is YAML").kind
            }
            text => yaml::NodeKind::Text(text.to_owned()),
        };
        let node = Node { place: map.place, kind };
        let at = Location { place: map.place, path };
        self.value(&word.kind, &node, at, Advice { example: word.example, hint: "" })
    }

    /// Reports the words that are required and absent.
    fn require(&self, fields: &Fields) {
        let is_absent = |word: &&Word| !fields.is_given(word.name) && !self.optional.contains(&word.name);
        for word in fields.table.words.iter().filter(is_absent) {
            let help = match word.required {
                Required::No => continue,
                Required::Yes => format!("add `{}: {}`", word.name, word.example),
                Required::Unless(other) if fields.is_given(other) => continue,
                Required::Unless(other) => {
                    let example = fields.table.word(other).map_or("", |other| other.example);
                    format!("add `{}: {}` or `{other}: {example}`", word.name, word.example)
                }
            };
            let what = match &*fields.at.path {
                "" => format!("the scenario has no `{}`", word.name),
                path => format!("`{path}` has no `{}`", word.name),
            };
            self.diagnostics.report_at(&fields.at, what, help);
        }
    }

    /// Reports a key that the map does not know, or that it refuses ([`Map::refused`]).
    fn unknown(&self, map: &Map, entry: &NodeEntry, parent: &Location, path: String) {
        if let Some(refused) = map.refused.iter().find(|refused| refused.word == entry.key) {
            let at = Location { place: entry.value.place, path };
            self.diagnostics.report_at(&at, format!("`{}` {}", refused.word, refused.why), refused.help);
            return;
        }
        let what = match &*parent.path {
            "" => format!("unknown word `{}`", quoted(&entry.key)),
            parent => format!("unknown word `{}` in `{parent}`", quoted(&entry.key)),
        };
        let help = did_you_mean(&entry.key, map.words.iter().map(|word| word.name));
        self.diagnostics.report_at(&Location { place: entry.place, path }, what, help);
    }

    /// Reports a value of another kind than expected.
    fn mismatch(&self, at: &Location, node: &Node, expected: &str, example: &str) -> Data {
        let found = match &node.kind {
            yaml::NodeKind::Map(_) => "a map".into(),
            yaml::NodeKind::List(_) => "a list".into(),
            yaml::NodeKind::Text(text) => format!("`{}`", quoted(text)),
            yaml::NodeKind::Null => "nothing".into(),
        };
        let example = if example.starts_with('`') { example.to_owned() } else { format!("`{example}`") };
        self.invalid(at, format!("expected {expected}, found {found}"), format!("write {example}"))
    }

    fn invalid(&self, at: &Location, what: impl Into<String>, help: impl Into<String>) -> Data {
        self.diagnostics.report_at(at, what, help);
        Data::Invalid
    }
}
