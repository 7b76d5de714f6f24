//! Recorded exchanges that are read from files: those that a scenario names, and those of `--answers`.

use super::super::{arg, quotalab, scratch};
use super::{ask_at, start_json, terminate};

#[test]
fn recorded_exchanges_are_read_from_a_file_of_the_scenario_or_of_the_option() {
    let folder = scratch("recorded-exchanges");
    let record = |prompt: &str, text: &str| {
        format!(
            r#"{{"request":{{"messages":[{{"role":"user","content":"{prompt}"}}]}},"response":{{"choices":[{{"message":{{"content":"{text}"}}}}]}}}}"#
        )
    };
    let recorded = folder.join("calls.jsonl");
    std::fs::write(&recorded, format!("{}\n\n{}\n", record("2+2", "first"), record("2+2", "second")))
        .expect("written");
    let scenario = folder.join("scenario.yaml");
    let write = |answer: &str| {
        let text = format!(
            "providers:\n  p: {{accounts: {{a: {{keys: [default]}}}}, models: {{m: {{limits: {{rpm: 9}}}}}}, answers: [{answer}]}}\n"
        );
        std::fs::write(&scenario, text).expect("written");
    };
    write("{recorded: calls.jsonl, unrecorded: refuse}");
    for args in [vec![arg(&scenario)], vec!["--preset", "groq-free", "--answers", arg(&recorded)]] {
        let (child, announced) = start_json(&args);
        let bodies = [(); 3].map(|()| ask_at(&announced, "default").body);
        for (body, text) in bodies.iter().zip(["first", "second", "second"]) {
            assert!(body.contains(&format!(r#""content":"{text}""#)), "{args:?}: {body}");
        }
        terminate(child);
    }
    std::fs::write(&recorded, format!("{}\n\n{{\"secret\": 1}}\n", record("2+2", "first"))).expect("written");
    for (answer, problem) in [
        ("{recorded: calls.jsonl}", "calls.jsonl: line 3: it has no `request`"),
        ("{recorded: missing.jsonl}", "missing.jsonl: cannot be opened"),
        ("{recorded: .}", "it is a folder"),
        ("{recorded: /dev/zero}", "not a regular file"),
        ("{recorded: [{request: {}, response: {}}]}", "`recorded` is not a file name"),
        ("{recorded: calls.jsonl, unrecorded: 404}", "calls.jsonl"),
    ] {
        write(answer);
        let output = quotalab(&["mock", arg(&scenario)]);
        assert_eq!(output.code, 2, "{answer}");
        assert!(output.err.contains(problem), "{answer}: {}", output.err);
        assert!(!output.err.contains("secret"), "{}", output.err);
    }
    let output = quotalab(&["mock", "--preset", "groq-free", "--answers", arg(&recorded)]);
    assert_eq!(output.code, 2);
}

/// The message contains the number of the wrong line once, counted with the blank lines, and nothing of the line's content.
#[test]
fn a_wrong_file_with_answers_is_refused_with_the_line() {
    let folder = scratch("wrong-answers");
    let file = folder.join("answers.jsonl");
    for (text, problem) in [
        ("", "answers.jsonl: it has no answer"),
        ("\n  \n", "answers.jsonl: it has no answer"),
        ("[]", "answers.jsonl: it has no answer"),
        ("{\"text\": \"a\"}\n\n{\"text\": secret}\n", "answers.jsonl: line 3: not JSON\n"),
        ("[\n  {\"text\": \"a\"},\n  {\"text\": secret}\n]", "answers.jsonl: line 3: not JSON\n"),
        ("{\"text\": \"a\"}\n\n{\"txt\": \"b\"}\n", "answers.jsonl: line 3: unknown answer"),
        ("[{\"text\": \"a\"}, {\"txt\": \"b\"}]", "answers.jsonl: answer 2: unknown answer"),
        ("{\"text\": \"a\"}\n{\"request\": {}}\n", "answers.jsonl: line 2: "),
    ] {
        std::fs::write(&file, text).expect("written");
        let output =
            quotalab(&["mock", "--preset", "groq-free", "--listen", "127.0.0.1:0", "--answers", arg(&file)]);
        assert_eq!(output.code, 2, "{text:?}: {}", output.err);
        assert!(output.err.contains(problem), "{text:?}: {}", output.err);
        assert!(!output.err.contains("secret") && !output.err.contains("line 1"), "{text:?}: {}", output.err);
    }
}
