//! A cursor over the tree: every reader of the language is written with it, so that a wrong kind, a wrong
//! unit, a missing and an unknown word are told in the same way everywhere, with their path.
//!
//! Nothing here stops: what cannot be read is reported and is `None`, and the caller goes on with the rest.

use super::diagnostics::{self, Diagnostics, Place};
use super::yaml::{Entry, Kind, Node};
use crate::problem::{Problems, nearest};
use provider::Nanos;
use provider::units::{self, ParseError};

/// A value of the scenario, with its path.
#[derive(Clone, Debug)]
pub(super) struct Value<'a> {
    node: &'a Node,
    path: String,
    findings: &'a Diagnostics,
}

/// A word of the author's choosing, kept with its place to complain about later.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// The word.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Place,
    /// Its path in the scenario.
    pub(super) path: String,
}

impl<'a> Value<'a> {
    /// The whole scenario.
    pub(super) fn root(node: &'a Node, findings: &'a Diagnostics) -> Self {
        Self { node, path: String::new(), findings }
    }

    /// Reports a problem with this value.
    pub(super) fn wrong(&self, what: impl Into<String>, help: impl Into<String>) {
        self.findings.report(self.node.place, &self.path, what, help);
    }

    /// Reports a problem with a word in or near this value.
    pub(super) fn blame(&self, word: &Word, what: impl Into<String>, help: impl Into<String>) {
        word.wrong(self.findings, what, help);
    }

    /// Reports that this is not the kind of value that was expected.
    fn not(&self, expected: &str, help: impl Into<String>) {
        let found = match &self.node.kind {
            Kind::Map(_) => "a map of `key: value`".into(),
            Kind::List(_) => "a list".into(),
            Kind::Text(text) => format!("`{}`", shortened(text)),
            Kind::Null => "nothing".into(),
        };
        self.wrong(format!("expected {expected}, found {found}"), help);
    }

    /// The tree of this value.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// Whether this is a map that has `word`.
    pub(super) fn has(&self, word: &str) -> bool {
        matches!(&self.node.kind, Kind::Map(entries) if entries.iter().any(|entry| entry.key == word))
    }

    /// The text of this value, if it is one; says nothing otherwise.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is a map.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// Reads the text of this value with `read`.
    pub(super) fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, ParseError>) -> Option<T> {
        let Some(text) = self.as_text() else {
            let help = read("").err().map_or_else(|| "write a single value".to_owned(), |wrong| wrong.help);
            self.not("a single value", help);
            return None;
        };
        read(text).map_err(|ParseError { what, help }| self.wrong(what, help)).ok()
    }

    /// This value as a name to look up or to be looked up.
    pub(super) fn word(&self) -> Option<Word> {
        let text = self.parse(|text| match text.trim() {
            "" => Err(ParseError::new("a name cannot be empty", "write a name")),
            text => Ok(text.to_owned()),
        })?;
        Some(Word { text, place: self.node.place, path: self.path.clone() })
    }

    /// Stands in for a name that is missing, with the place of this value.
    pub(super) fn nameless(&self) -> Word {
        Word { text: String::new(), place: self.node.place, path: self.path.clone() }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let known = words.iter().map(|(word, _)| *word);
        self.parse(|text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
                let what = match text {
                    "" => "expected a word".into(),
                    _ => format!("unknown word `{}`", shortened(text)),
                };
                ParseError::new(what, meant(text, known))
            })
        })
    }

    /// As [`Value::one_of`], with words that are known but not modelled yet.
    pub(super) fn one_of_or<T: Copy>(&self, words: &[(&str, T)], unmodelled: &[&str]) -> Option<T> {
        if let Some(word) = self.as_text().filter(|text| unmodelled.contains(text)) {
            let use_instead: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(
                format!("`{word}` is not modelled yet"),
                format!("use {}", alternatives(&use_instead)),
            );
            return None;
        }
        self.one_of(words)
    }

    /// `true` or `false`.
    pub(super) fn yes_or_no(&self) -> Option<bool> {
        self.one_of(&[("true", true), ("false", false)])
    }

    /// The values of a list. A single value is no list.
    pub(super) fn items(&self, example: &str) -> Option<Vec<Value<'a>>> {
        let Kind::List(items) = &self.node.kind else {
            self.not("a list", format!("write it as `{example}`"));
            return None;
        };
        let item = |(index, node): (usize, &'a Node)| Value {
            node,
            path: join(&self.path, &index.to_string()),
            ..self.clone()
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The entries of a map whose keys are names of the author's choosing.
    pub(super) fn entries(&self, example: &str) -> Option<Vec<(Word, Value<'a>)>> {
        let Kind::Map(entries) = &self.node.kind else {
            self.not("names with their values", format!("write it as `{example}`"));
            return None;
        };
        let named = |entry: &'a Entry| {
            let path = join(&self.path, &entry.key);
            let word = Word { text: entry.key.clone(), place: entry.place, path: path.clone() };
            if entry.key.trim().is_empty() {
                self.findings.report(entry.place, &path, "a name cannot be empty", "give it one");
            }
            (word, Value { node: &entry.value, path, ..self.clone() })
        };
        Some(entries.iter().map(named).collect())
    }

    /// The words of a map whose keys belong to the language.
    pub(super) fn fields(&self, example: &str) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &self.node.kind else {
            self.not("a map", format!("write it as `{example}`"));
            return None;
        };
        Some(Fields { value: self.clone(), entries, asked: Vec::new() })
    }
}

impl Word {
    /// Reports a problem with this word.
    pub(super) fn wrong(&self, findings: &Diagnostics, what: impl Into<String>, help: impl Into<String>) {
        findings.report(self.place, &self.path, what, help);
    }
}

/// The words of a map, asked for one by one; what nobody asked for is unknown.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The map itself.
    pub(super) value: Value<'a>,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of `word`, if it is given. A word with nothing after it is a problem.
    pub(super) fn get(&mut self, word: &'static str) -> Option<Value<'a>> {
        self.asked.push(word);
        let entry = self.entries.iter().find(|entry| entry.key == word)?;
        let value = Value { node: &entry.value, path: join(&self.value.path, word), ..self.value.clone() };
        if matches!(entry.value.kind, Kind::Null) {
            let help = "give it one, or remove the word";
            self.value.findings.report(entry.place, &value.path, format!("`{word}` has no value"), help);
            return None;
        }
        Some(value)
    }

    /// The value of `word`, read with `read`, if it is given.
    pub(super) fn parse<T>(
        &mut self,
        word: &'static str,
        read: impl FnOnce(&str) -> Result<T, ParseError>,
    ) -> Option<T> {
        self.get(word)?.parse(read)
    }

    /// The value of `word`, without which the map makes no sense.
    pub(super) fn require(&mut self, word: &'static str, example: &str) -> Option<Value<'a>> {
        if !self.has(word) {
            let what = match &*self.value.path {
                "" => format!("the scenario has no `{word}`"),
                path => format!("`{path}` has no `{word}`"),
            };
            self.value.wrong(what, format!("add `{example}`"));
        }
        self.get(word)
    }

    /// Whether `word` is given.
    pub(super) fn has(&self, word: &str) -> bool {
        self.value.has(word)
    }

    /// Those of `words` that are given, in their order.
    pub(super) fn given(&self, words: &[&'static str]) -> Vec<&'static str> {
        words.iter().copied().filter(|word| self.has(word)).collect()
    }

    /// Words that are known but not modelled yet: a problem where one is given.
    pub(super) fn refuse(&mut self, words: &[&'static str], help: &str) {
        for word in words {
            if let Some(value) = self.get(word) {
                value.wrong(format!("`{word}` is not modelled yet"), help);
            }
        }
    }

    /// Reports the words that nobody asked for; whether there were none.
    pub(super) fn done(self) -> bool {
        let path = &self.value.path;
        let unknown = |entry: &&Entry| !self.asked.contains(&&*entry.key);
        for entry in self.entries.iter().filter(unknown).take(Problems::ENOUGH) {
            let what = match &**path {
                "" => format!("unknown word `{}`", shortened(&entry.key)),
                path => format!("unknown word `{}` in `{path}`", shortened(&entry.key)),
            };
            let help = meant(&entry.key, self.asked.iter().copied());
            self.value.findings.report(entry.place, &join(path, &entry.key), what, help);
        }
        !self.entries.iter().any(|entry| unknown(&entry))
    }
}

/// "did you mean" the nearest of the known words, or all of them.
pub(super) fn meant<'w>(word: &str, known: impl Iterator<Item = &'w str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use {}", alternatives(&known.collect::<Vec<_>>())),
    }
}

/// `a`, `b` or `c`; more than two dozen are cut.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().take(24).map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((_, _)) if words.len() > quoted.len() => format!("{}, …", quoted.join(", ")),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing: no word is known here".into(),
    }
}

/// A value as a message names it.
pub(super) fn shortened(text: &str) -> String {
    diagnostics::shortened(text, 60)
}

/// Reads a whole number of `low..=high`.
pub(super) fn whole<N>(low: N, high: N) -> impl Fn(&str) -> Result<N, ParseError>
where
    N: TryFrom<u64> + Into<u64> + PartialOrd + Copy,
{
    move |text| {
        let count = units::count(text)?;
        N::try_from(count).ok().filter(|count| (low..=high).contains(count)).ok_or_else(|| {
            let [low, high] = [low, high].map(|bound| units::print_count(bound.into()));
            ParseError::new(
                format!("`{text}` is out of range"),
                format!("write a whole number from {low} to {high}"),
            )
        })
    }
}

/// Reads a length of time of `low..=high`.
pub(super) fn length(low: Nanos, high: Nanos) -> impl Fn(&str) -> Result<Nanos, ParseError> {
    move |text| {
        let length = units::duration(text)?;
        if (low..=high).contains(&length) {
            return Ok(length);
        }
        let [low, high] = [low, high].map(units::print_duration);
        Err(ParseError::new(
            format!("`{text}` is out of range"),
            format!("write a length from {low} to {high}"),
        ))
    }
}

fn join(path: &str, word: &str) -> String {
    if path.is_empty() { word.to_owned() } else { format!("{path}.{word}") }
}
