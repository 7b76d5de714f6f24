//! The page and the schema that are generated from the language, and scenarios that are written as YAML.

use super::{fixture, parse};
use crate::golden;
use crate::scenarios::scenarios;
use proptest::prelude::*;
use quotalab::scenario::{self, Entry, Overrides, Tree, language};
use std::fs;
use std::path::Path;

#[test]
fn the_page_is_what_the_table_generates() {
    golden::check_file("docs/scenario.md", &language::page());
}

#[test]
fn the_schema_names_every_map_that_it_refers_to() {
    let schema = language::schema();
    let text = schema.to_string();
    for reference in text.split("#/$defs/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(schema["$defs"][name].is_object(), "{name}");
    }
}

/// Reads, writes and reads again, and compares the two scenarios.
fn assert_survives_writing(path: &Path) {
    let text = fs::read_to_string(path).expect("a readable scenario");
    let read = |text: &str| scenario::parse("text.yaml", text, &Overrides::default(), path.parent());
    let tree = Tree::read("text.yaml", &text).expect("the scenario is YAML");
    let written = scenario::write(&tree);
    let again = read(&written).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    let first = read(&text).expect("a good scenario");
    assert_eq!(format!("{again:?}"), format!("{first:?}"), "{}\n{written}", path.display());
    let twice = scenario::write(&Tree::read("text.yaml", &written).expect("what is written is YAML"));
    assert_eq!(written, twice, "writing is stable");
}

#[test]
fn every_scenario_survives_writing() {
    let fixtures = ["launch-day.yaml", "every-word.yaml", "short.yaml"].map(fixture);
    let scenarios = ["scenarios", "scenarios/conformance"].map(scenarios).concat();
    for path in scenarios.iter().chain(&fixtures) {
        assert_survives_writing(path);
    }
}

#[test]
fn a_scenario_is_written_in_the_order_of_the_language() {
    let text = fs::read_to_string(fixture("launch-day.yaml")).unwrap();
    let Tree::Map(mut entries) = Tree::read("x", &text).unwrap() else { panic!("a map") };
    entries.reverse();
    for entry in &mut entries {
        if entry.key == "client" {
            entry.comment = "How our SDK is configured".into();
        }
    }
    golden::check("scenario/written", &scenario::write(&Tree::Map(entries)));
}

#[test]
fn texts_are_quoted_so_that_they_read_back() {
    for text in
        ["7", "007", "1_000", "true", "null", "~", "", " x ", "a: b", "#x", "- x", "é", "'\"", "off", "1e3"]
    {
        let tree = Tree::map([
            ("about", Tree::text(text)),
            ("what_if", Tree::List(vec![Tree::map([(text, Tree::text(text))])])),
        ]);
        assert_eq!(Tree::read("x", &scenario::write(&tree)).unwrap(), tree, "{text:?}");
    }
}

#[test]
fn a_scenario_without_optional_words_is_readable_when_written() {
    let tree = Tree::map([
        (
            "workload",
            Tree::List(vec![Tree::map([
                ("name", Tree::text("w")),
                ("prompt", Tree::text("5")),
                ("arrivals", Tree::map([("poisson", Tree::text("1/s"))])),
            ])]),
        ),
        (
            "routes",
            Tree::map([(
                "r",
                Tree::List(vec![Tree::map([("of", Tree::List(vec![Tree::text("p/default/m")]))])]),
            )]),
        ),
        ("providers", Tree::map([("p", Tree::map([("models", Tree::map([("m", Tree::Map(Vec::new()))]))]))])),
    ]);
    let scenario = parse(&scenario::write(&tree)).unwrap();
    assert_eq!(scenario.workloads[0].prompt, provider::dist::Dist::Constant(5.0));
}

fn tree() -> impl Strategy<Value = Tree> {
    let text = prop_oneof!["[ -~]{0,12}", "\\PC{0,6}", "[0-9a-z/%.]{1,8}"].prop_map(Tree::Text);
    let leaf = prop_oneof![8 => text, 1 => Just(Tree::Null)];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let map = prop::collection::btree_map("[a-z_./ -]{1,12}", inner.clone(), 0..5);
        prop_oneof![prop::collection::vec(inner, 0..5).prop_map(Tree::List), map.prop_map(Tree::map)]
    })
}

/// Returns a tree whose maps are sorted by key and have no comments, for comparisons.
fn sorted(tree: &Tree) -> Tree {
    match tree {
        Tree::List(items) => Tree::List(items.iter().map(sorted).collect()),
        Tree::Map(entries) => {
            let mut entries: Vec<Entry> = entries
                .iter()
                .map(|Entry { key, value, .. }| Entry {
                    key: key.clone(),
                    value: sorted(value),
                    comment: String::new(),
                })
                .collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            Tree::Map(entries)
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn every_tree_reads_back(tree in tree().prop_filter("a map", |tree| matches!(tree, Tree::Map(_)))) {
        let written = scenario::write(&tree);
        match Tree::read("x", &written) {
            Ok(again) => prop_assert_eq!(sorted(&again), sorted(&tree), "{}", written),
            Err(problems) => prop_assert!(false, "{problems}\n{written}"),
        }
    }
}
