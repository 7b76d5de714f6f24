//! The table is consistent, and the reader accepts what it describes.

mod random;

use super::page::CHAPTERS;
use super::table::{INCIDENT, SCENARIO};
use super::{Data, FAULT, Kind, Map, Required, Word, check, schema};
use crate::scenario::diagnostics::{Diagnostics, Location, Place};
use crate::scenario::yaml::{self, Node, NodeEntry};
use provider::Axis;
use provider::config::{DEFAULT_MAX_TOKENS, Dialect};

/// Returns every map of the language.
fn maps() -> Vec<&'static Map> {
    fn visit(kind: &'static Kind, found: &mut Vec<&'static Map>) {
        match kind {
            Kind::Map(map) if found.iter().all(|known| known.name != map.name) => {
                found.push(map);
                map.words.iter().for_each(|word| visit(&word.kind, found));
            }
            Kind::List { of, .. } | Kind::NamedEntries { of, .. } => visit(of, found),
            Kind::OneOf(kinds) => kinds.iter().for_each(|kind| visit(kind, found)),
            _ => {}
        }
    }
    static ROOT: Kind = Kind::Map(&SCENARIO);
    let mut found = Vec::new();
    visit(&ROOT, &mut found);
    found
}

fn words() -> impl Iterator<Item = (&'static Map, &'static Word)> {
    maps().into_iter().flat_map(|map| map.words.iter().map(move |word| (map, word)))
}

/// Returns the words of a choice.
fn choices(map: &'static Map, word: &str) -> Vec<&'static str> {
    let choices = match map.word(word).map(|word| word.kind) {
        Some(Kind::Choice(choices)) => choices,
        Some(Kind::OneOf([Kind::Choice(choices), ..])) => *choices,
        kind => panic!("{word} is no choice: {kind:?}"),
    };
    choices.iter().map(|choice| choice.word).collect()
}

/// Returns the problems of a value of a word; empty if there are none.
fn problems(map: &'static Map, word: &Word, text: &str) -> String {
    let diagnostics = Diagnostics::default();
    let source = diagnostics.add_source("table", text);
    let value = yaml::read(&diagnostics, source, text, 0).unwrap_or_else(|| panic!("{}: {text}", word.name));
    let place = Place { source, line: 1, column: 1, width: 1 };
    let entry = NodeEntry { key: word.name.to_owned(), place, value };
    let node = Node { place, kind: yaml::NodeKind::Map(vec![entry]) };
    let fields = check(map, &node, &diagnostics).expect("a map");
    // Only problems of the value itself count, since the map lacks its other words. A problem states its path after `at: `.
    let path = word.name;
    let invalid = fields.get(word.name).is_none();
    let all = diagnostics.problems().map(|problems| problems.to_string()).unwrap_or_default();
    if invalid || all.contains(&format!("at: {path}")) { all } else { String::new() }
}

#[test]
fn every_example_and_every_default_is_accepted() {
    for (map, word) in words() {
        let texts = [Some(word.example), word.default.filter(|text| *text != "\"\"" && *text != "{}")];
        for text in texts.into_iter().flatten() {
            let found = problems(map, word, text);
            assert!(found.is_empty(), "{}.{}: {text}\n{found}", map.name, word.name);
        }
    }
    for map in maps() {
        let examples = map.forms.iter().map(|form| form.example).chain([map.example]);
        for example in examples.filter(|example| !example.contains('…')) {
            let diagnostics = Diagnostics::default();
            let source = diagnostics.add_source("example", example);
            let node = yaml::read(&diagnostics, source, example, 0).expect("the example is YAML");
            check(map, &node, &diagnostics);
            assert!(diagnostics.problems().is_none(), "{}: {:?}", map.name, diagnostics.problems());
        }
    }
}

#[test]
fn names_are_unique_and_every_word_is_explained() {
    let mut names: Vec<&str> = maps().iter().map(|map| map.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for (map, word) in words() {
        assert!(word.doc.ends_with('.') && word.doc.len() > 10, "{}.{}", map.name, word.name);
        assert_eq!(map.words.iter().filter(|other| other.name == word.name).count(), 1, "{}", word.name);
        if let Required::Unless(other) = word.required {
            assert!(map.word(other).is_some(), "{}.{other}", map.name);
        }
    }
    for map in maps() {
        let unknown = map.forms.iter().flat_map(super::Form::words).find(|word| map.word(word).is_none());
        assert_eq!(unknown, None, "{}", map.name);
        assert!(map.refused.iter().all(|refused| map.word(refused.word).is_none()), "{}", map.name);
    }
}

#[test]
fn the_page_has_every_map() {
    let mut listed: Vec<&str> =
        CHAPTERS.iter().flat_map(|(_, maps)| maps.iter().map(|map| map.name)).collect();
    let mut known: Vec<&str> = maps().iter().map(|map| map.name).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn the_table_and_the_provider_model_have_the_same_words() {
    let numbered = FAULT.words.iter().map(|word| word.name);
    let plain = choices(&INCIDENT, "fault").into_iter();
    let mut ours: Vec<&str> = plain.chain(numbered).collect();
    let mut theirs: Vec<&str> = provider::fault::NAMES.iter().map(|(name, _)| *name).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs, "faults");
    let limits = maps().into_iter().find(|map| map.name == "limits").expect("limits");
    let of_policy = ["law", "zone", "growth", "most"];
    let axes = limits.words.iter().map(|word| word.name).filter(|name| !of_policy.contains(name));
    let mut ours: Vec<&str> = axes.collect();
    let mut theirs: Vec<&str> = Axis::ALL.iter().map(|axis| axis.name()).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs, "axes");
    let provider = maps().into_iter().find(|map| map.name == "provider").expect("provider");
    assert_eq!(choices(provider, "dialect"), Dialect::ALL.map(Dialect::name), "dialects");
    let reserve = maps().into_iter().find(|map| map.name == "reserve").expect("reserve");
    let default = reserve.word("default").and_then(|word| word.default);
    assert_eq!(default, Some(&*DEFAULT_MAX_TOKENS.to_string()), "the default of max_tokens");
}

#[test]
fn the_schema_has_every_map_and_every_word() {
    let schema = schema();
    for (map, word) in words() {
        let property = &schema["$defs"][map.name]["properties"][word.name];
        assert!(property["description"].is_string(), "{}.{}", map.name, word.name);
        assert_eq!(property["default"].is_null(), word.default.is_none(), "{}.{}", map.name, word.name);
    }
}

#[test]
fn an_absent_word_has_its_default_and_an_invalid_one_is_absent() {
    let place = Place { source: 0, line: 1, column: 1, width: 1 };
    let diagnostics = Diagnostics::default();
    diagnostics.add_source("x", "x");
    let node = Node { place, kind: yaml::NodeKind::Map(Vec::new()) };
    let fields = check(&super::table::RETRY, &node, &diagnostics).expect("a map");
    assert_eq!(fields.count::<u8>("attempts"), Some(3));
    assert_eq!(
        fields.fields("backoff").and_then(|backoff| backoff.duration("cap")),
        Some(provider::Nanos::from_secs(8))
    );
    assert!(matches!(fields.get("budget").map(|value| &value.data), Some(Data::Choice("none"))));
    assert!(!fields.is_given("attempts") && fields.is_sound());
    assert_eq!(fields.at, Location { place, path: String::new() });
    assert!(diagnostics.problems().is_none());
    let value = Node { place, kind: yaml::NodeKind::Text("many".to_owned()) };
    let entry = NodeEntry { key: "attempts".to_owned(), place, value };
    let node = Node { place, kind: yaml::NodeKind::Map(vec![entry]) };
    let fields = check(&super::table::RETRY, &node, &diagnostics).expect("a map");
    assert!(fields.is_given("attempts") && fields.get("attempts").is_none());
    assert_eq!(fields.count::<u8>("attempts"), None);
    assert!(diagnostics.problems().is_some());
}
