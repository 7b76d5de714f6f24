//! Characters and numbers that look right and are read as something else.

use quotalab::problem::Problems;
use quotalab::scenario::{self, Overrides};

const SCENARIO: &str = "name: x
providers: { groq: { preset: groq-free } }
routes: { chat: [{ of: [groq/default/openai/gpt-oss-20b] }] }
workload: [{ name: w, route: chat, arrivals: { poisson: 5/min }, prompt: 100, completion: 10, max_tokens: 50 }]
";

fn problems(yaml: &str) -> Problems {
    let read = scenario::parse("x.yaml", yaml, &Overrides::default(), None);
    read.expect_err(yaml)
}

/// Returns line, column, sentence and remedy of the problems about a code point.
fn lookalikes(yaml: &str) -> Vec<(usize, usize, String, String)> {
    let all = problems(yaml);
    let named = all.iter().filter(|problem| problem.what.starts_with("this is U+"));
    named.map(|problem| (problem.line, problem.column, problem.what.clone(), problem.help.clone())).collect()
}

#[test]
fn a_character_that_looks_like_a_space_is_named_with_its_code_point() {
    for (blank, code) in [
        ('\u{a0}', "U+00A0"),
        ('\u{2003}', "U+2003"),
        ('\u{202f}', "U+202F"),
        ('\u{3000}', "U+3000"),
        ('\u{200b}', "U+200B"),
        ('\u{2060}', "U+2060"),
    ] {
        let indented = format!("{SCENARIO}client:\n{blank}{blank}deadline: 30s\n");
        let found = lookalikes(&indented);
        assert_eq!(
            found.iter().map(|(line, column, ..)| (*line, *column)).collect::<Vec<_>>(),
            [(6, 1), (6, 2)]
        );
        assert!(found[0].2.contains(code), "{found:?}");
        let after_colon = format!("{SCENARIO}duration:{blank}5m\n");
        assert_eq!(lookalikes(&after_colon)[0].0, 5, "{after_colon:?}");
    }
}

#[test]
fn signs_are_named_in_the_lines_that_have_problems() {
    for (line, code, instead) in [
        ("expect: [“success >= 95%”]", "U+201C", "replace it with `\"`"),
        ("expect: [success ＞= 95%]", "U+FF1E", "replace it with `>`"),
        ("duration： 5m", "U+FF1A", "replace it with `:`"),
        ("client: {deadline： 30s}", "U+FF1A", "replace it with `:`"),
        ("client: {deadline: ３0s}", "U+FF13", "replace it with `3`"),
        ("seed: −3", "U+2212", "replace it with `-`"),
    ] {
        let found = lookalikes(&format!("{SCENARIO}{line}\n"));
        assert!(
            found.iter().any(|(_, _, what, help)| what.contains(code) && help == instead),
            "{line}: {found:?}"
        );
    }
    // A text may contain such signs: they are named only in the line with the problem.
    let found =
        lookalikes(&format!("{SCENARIO}about: what “people” type – often\nduration： 5m # a “comment”\n"));
    assert_eq!(found.len(), 1, "{found:?}");
}

/// A ` #` in quotes begins no comment, so that what follows on the line is checked.
#[test]
fn a_number_sign_in_quotes_does_not_end_the_line() {
    for text in ["'a # b'", "\"a # b\"", "\"a \\\" # b\"", "\"a \\\\\"", "'it''s # b'", "don't"] {
        let found =
            lookalikes(&format!("{SCENARIO}client: {{about: {text}, deadline： 30s}} # don't “comment”\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].2.contains("U+FF1A"), "{text}: {found:?}");
    }
}

#[test]
fn texts_of_a_scenario_may_contain_lookalikes() {
    let yaml = format!("{SCENARIO}about: “what\u{a0}people” type – often, ＞ and 、\n");
    assert!(scenario::parse("x.yaml", &yaml, &Overrides::default(), None).is_ok());
}

#[test]
fn a_number_with_commas_is_refused_with_the_number_without_them() {
    for yaml in [
        SCENARIO.replace("prompt: 100", "prompt: {min: 10,000, max: 150,000}"),
        SCENARIO.replace("preset: groq-free", "models: {m: {limits: {rpm: 30, rpd: 14,400}}}"),
        SCENARIO.replace("max_tokens: 50", "max_tokens: 1,024"),
        SCENARIO.replace("prompt: 100", "prompt: {values: [10,000, 20,000], weights: [1, 1]}"),
    ] {
        let all = problems(&yaml);
        let helped = all.iter().filter(|problem| problem.help.contains("comma")).count();
        assert!(helped > 0, "{all}");
        assert!(!all.to_string().contains("is given twice"), "{all}");
    }
}
