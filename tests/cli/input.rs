//! Wrong input: exit code 2, errors on stderr, nothing started and nothing written.

use super::{Output, SHORT, arg, quotalab, quotalab_in, quotalab_reading, scratch};
use crate::scenario::bad_fixtures;
use std::fs;
use std::path::Path;

#[track_caller]
fn assert_refused(output: &Output, words: &str) {
    assert_eq!((output.code, output.out.as_str()), (2, ""), "{output:?}");
    assert!(output.err.contains(words), "no `{words}` in:\n{}", output.err);
}

#[test]
fn a_wrong_scenario_starts_nothing_and_writes_nothing() {
    let folder = scratch("bad");
    for scenario in bad_fixtures() {
        let (out, events) = (folder.join("out"), folder.join("events"));
        for verb in ["sim", "run"] {
            let output = quotalab(&[verb, arg(&scenario), "--out", arg(&out), "--events", arg(&events)]);
            assert_refused(&output, "nothing was started");
            assert!(output.err.contains("help: "), "a problem has a remedy: {}", output.err);
        }
        for verb in ["check", "mock"] {
            assert_refused(&quotalab(&[verb, arg(&scenario)]), "nothing was started");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{}", scenario.display());
    }
}

#[test]
fn files_that_are_not_scenarios_are_refused() {
    let folder = scratch("files");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let binary: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    for (path, words) in [
        (write("empty.yaml", b""), "empty"),
        (write("binary.yaml", &binary), "text"),
        (write("large.yaml", "about: x\n".repeat(600_000).as_bytes()), "larger than"),
        (folder.join("missing.yaml"), "cannot be read"),
        (folder.clone(), "cannot be read"),
    ] {
        assert_refused(&quotalab(&["sim", arg(&path)]), words);
    }
}

#[test]
fn one_wrong_scenario_among_several_is_exit_2_and_the_others_are_checked() {
    let output = quotalab(&["check", SHORT, "tests/fixtures/bad/negative.yaml", SHORT]);
    assert_eq!(output.code, 2);
    assert_eq!(output.out.matches(": ok\n").count(), 2, "{}", output.out);
    assert!(output.err.contains("negative.yaml"), "{}", output.err);
}

#[test]
fn a_wrong_override_names_its_option() {
    for (change, words) in [
        (["--set", "client.retry.attemps=2"], "did you mean `attempts`"),
        (["--set", "client.retry.attempts=two"], "client.retry.attempts"),
        (["--set", "client.retry.attempts"], "expected a path and a value"),
        (["--set", "=2"], "expected a path and a value"),
        (["--set", "client.retry.attempts="], "no value"),
        (["--set", "workload.7.prompt=2"], "workload.7.prompt"),
        (["--seed", "-1"], "-1"),
        (["--seed", "x"], "--seed"),
        (["--for", "5 parsecs"], "--for"),
        (["--for", "0s"], "--for"),
    ] {
        assert_refused(&quotalab(&["sim", SHORT, change[0], change[1]]), words);
    }
}

#[test]
fn a_negative_growth_is_refused_as_a_growth_and_not_as_an_option() {
    let output = quotalab(&["plan", SHORT, "--growth", "-5%/month"]);
    assert_refused(&output, "`-5%` is not a positive percentage");
    assert!(!output.err.contains("'-- -5"), "{}", output.err);
}

#[test]
fn a_wrong_command_line_is_exit_2_and_help_is_exit_0() {
    for args in [&["simulate"][..], &["sim"], &["sim", SHORT, "--fast"], &["report"], &["check"], &[]] {
        assert_eq!(quotalab(args).code, 2, "{args:?}");
    }
    for args in [&["--help"][..], &["sim", "--help"], &["--version"]] {
        let output = quotalab(args);
        assert_eq!((output.code, output.err.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn a_long_text_that_aliases_repeat_is_refused_before_it_is_expanded() {
    let folder = scratch("aliases");
    let aliases = ["*a"; 40_000].join(",");
    for (name, text) in [
        ("long", format!("a: &a \"{}\"\nb: [{aliases}]\n", "x".repeat(800_000))),
        (
            "nested",
            format!("a: &a [{}]\nb: &b [{aliases}]\nc: [*b, *b]\n", ["\"yyyyyyyyyyyyyyyy\""; 20].join(",")),
        ),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        assert_refused(&quotalab(&["check", arg(&path)]), "aliases expanded");
    }
}

#[test]
fn control_characters_are_refused_and_keys_that_no_header_can_carry() {
    let folder = scratch("control");
    let scenario = |model: &str, key: &str, name: &str, about: &str| {
        format!(
            "about: {about}\nproviders: {{ p: {{ accounts: {{ a: {{ keys: [{key}] }} }}, models: {{ {model}: {{}} }} }} }}\n\
             routes: {{ r: [{{ of: [p/a/m] }}] }}\nworkload: [{{ name: {name}, route: r, arrivals: {{ constant: 1/s }} }}]\n"
        )
    };
    for (text, words) in [
        (scenario("\"m\\e[31m\"", "k", "w", "x"), "control characters"),
        (scenario("m", "\"a\\nb\"", "w", "x"), "line breaks"),
        (scenario("m", "\"a\\u0007b\"", "w", "x"), "control characters"),
        (scenario("m", "ü", "w", "x"), "other than visible ASCII"),
        (scenario("m", "模型", "w", "x"), "other than visible ASCII"),
        (scenario("m", "\"a b\"", "w", "x"), "other than visible ASCII"),
        (scenario("m", "k", "\"a\\n::error::b\"", "x"), "line breaks"),
        (scenario("m", "k", "w", "\"\\e]0;title\\a\""), "control characters"),
    ] {
        let path = folder.join("s.yaml");
        fs::write(&path, &text).unwrap();
        let output = quotalab(&["check", arg(&path)]);
        assert_refused(&output, words);
        assert!(!output.err.contains('\u{1b}') && !output.err.contains("\n::error"), "{}", output.err);
    }
}

#[test]
fn control_characters_of_a_file_name_reach_neither_the_terminal_nor_ci() {
    let folder = scratch("file-names");
    let name = folder.join("a\n::error::pwned\n```\n# \u{1b}[31mH.yaml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT), &name).unwrap();
    let markdown = folder.join("m.md");
    let failing = "expect=[\"success >= 100%\"]";
    let invalid = folder.join("b\n::error::pwned.yaml");
    fs::write(&invalid, "wrong: 1").unwrap();
    for args in [
        vec!["check", arg(&invalid)],
        vec!["test", arg(&invalid), "--annotations"],
        vec!["test", arg(&name), "--markdown", arg(&markdown), "--annotations", "--set", failing],
        vec!["check", arg(&name)],
        vec!["sim", arg(&name), "--out", arg(&folder)],
        vec!["sim", arg(&name)],
        vec!["plan", arg(&name), "--replicas", "1"],
        vec!["report", arg(&name)],
        vec!["explain", arg(&invalid)],
        vec!["test", arg(&name), "--baseline", arg(&name)],
        vec!["test", arg(&name), "--junit", arg(&folder.join("no\n::error::x/j.xml"))],
        vec!["sim", arg(&name), "--events", arg(&folder.join("no\n::error::x/e"))],
        vec!["sim", arg(&name), "--out", arg(&name)],
    ] {
        let output = quotalab_in(&folder, &args, b"");
        for text in [&output.out, &output.err] {
            assert!(!text.contains('\u{1b}'), "{args:?}: {text}");
            assert!(!text.lines().any(|line| line.starts_with("::error::")), "{args:?}: {text}");
        }
    }
    let markdown = fs::read_to_string(markdown).unwrap();
    assert!(!markdown.contains('\u{1b}') && !markdown.contains("\n# "), "{markdown}");
    assert_eq!(markdown.matches("\n```").count(), 2, "one block of code: {markdown}");
}

#[test]
fn no_result_contains_a_key() {
    let folder = scratch("keys");
    let set = "providers.p.accounts={ default: { keys: [sk-secret] } }";
    for verb in ["sim", "plan", "check"] {
        let output = quotalab(
            &[verb, SHORT, "--set", set, "--out", arg(&folder)][..if verb == "check" { 4 } else { 6 }],
        );
        assert!(output.code < 2, "{}", output.err);
        assert!(!output.out.contains("sk-secret") && !output.err.contains("sk-secret"), "{}", output.out);
    }
    for file in fs::read_dir(&folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("sk-secret"));
    }
}

/// The value of an option is part of the command that reproduces a result.
#[test]
fn keys_in_the_value_of_any_option_are_masked_in_results() {
    let folder = scratch("keys-in-options");
    let set = "providers.p={accounts: {default: [gsk_plain-secret]}, base_url: 'http://localhost', models: {m: {}}}";
    for verb in ["sim", "plan"] {
        let output = quotalab(&[verb, SHORT, "--set", set, "--out", arg(&folder)]);
        assert!(output.code < 2, "{}", output.err);
        assert!(
            !output.out.contains("plain-secret") && !output.err.contains("plain-secret"),
            "{}",
            output.out
        );
    }
    let mut has_command = false;
    for file in fs::read_dir(&folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("plain-secret"));
        has_command |= text.contains("gsk_************");
    }
    assert!(has_command, "the rest of the option is repeated");
}

#[test]
fn check_masks_a_key_that_looks_like_a_real_one() {
    let folder = scratch("real-key");
    let file = folder.join("s.yaml");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT)).unwrap();
    let provider =
        "  p:\n    accounts: {default: [gsk_plain-secret]}\n    base_url: http://llm.example.com\n";
    fs::write(&file, text.replace("  p:\n", provider)).unwrap();
    let output = quotalab(&["check", arg(&file)]);
    assert_eq!(output.code, 0, "{}", output.err);
    for part in ["the key `gsk_************` of p", "unencrypted", "the key of p is written"] {
        assert!(output.out.contains(part), "{part}: {}", output.out);
    }
    assert!(!output.out.contains("plain-secret"), "{}", output.out);
}

#[test]
fn no_error_and_no_explanation_contains_a_key() {
    let folder = scratch("keys-in-errors");
    let file = folder.join("s.yaml");
    let with = |accounts: &str| {
        format!(
            "duration: 5s\nproviders: {{ p: {{ accounts: {{ {accounts} }}, models: {{ m: {{}} }} }} }}\n\
             routes: {{ r: [{{ of: [p/a/m] }}] }}\nworkload: [{{ name: w, arrivals: {{ poisson: 1/s }}, prompt: 5 }}]\n"
        )
    };
    for accounts in [
        "a: [plain-secret], b: [plain-secret]",
        "a: [plain-secret\u{e9}]",
        "a: { keys: [plain-secret], wrong: 1 }",
        "a: plain-secret",
        "a: [sk-plain-secret] }, wrong: { x: 1",
        "a: [{env: plain-secret}]",
        "a: [k] }, base_url: 'https://me:plain-secret@example.com', x: { y: 1",
        "a: [k] }, base_url: 'https://example.com?key=plain-secret', accounts: { a: [k]",
    ] {
        fs::write(&file, with(accounts)).unwrap();
        let output = quotalab(&["check", arg(&file)]);
        assert_eq!(output.code, 2, "{}", output.err);
        assert!(!output.err.contains("plain-secret"), "{accounts}: {}", output.err);
    }
    let message = r#"{"error": {"message": "Incorrect API key provided: sk-plain-secret-1.", "type": "invalid_request_error", "code": "invalid_api_key"}}"#;
    for args in [&["explain"][..], &["explain", "--json"]] {
        let output = quotalab_reading(args, message.as_bytes());
        assert!(!output.out.contains("plain-secret") && !output.err.contains("plain-secret"), "{output:?}");
    }
}
