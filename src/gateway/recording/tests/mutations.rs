//! Mutated recordings: each is replayed, or refused with the number of a line, without a panic.

use super::*;
use proptest::sample::Index;

/// Values in place of a number.
const NUMBERS: [&str; 10] = [
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "null",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
];

/// One change of a text.
#[derive(Clone, Debug)]
enum Mutation {
    Number(Index, &'static str),
    RemoveLine(Index),
    RepeatLine(Index, Index),
    SwapLines(Index, Index),
    Word(Index, Index),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), prop::sample::select(NUMBERS.to_vec()))
            .prop_map(|(nth, number)| Mutation::Number(nth, number)),
        at().prop_map(Mutation::RemoveLine),
        (at(), at()).prop_map(|(which, to)| Mutation::RepeatLine(which, to)),
        (at(), at()).prop_map(|(one, other)| Mutation::SwapLines(one, other)),
        (at(), at()).prop_map(|(word, by)| Mutation::Word(word, by)),
        at().prop_map(Mutation::Cut),
    ]
}

/// Splits a text into the longest pieces in which `is_part` is the same for all characters.
fn pieces(text: &str, is_part: impl Fn(char) -> bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        let part = is_part(c);
        match pieces.last_mut() {
            Some(piece) if last == Some(part) => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = Some(part);
    }
    pieces
}

impl Mutation {
    fn apply(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        if lines.len() < 2 {
            return text.to_owned();
        }
        // The first line stays: without it everything is refused.
        let count = lines.len();
        let nth = |index: &Index| 1 + index.index(count - 1);
        match self {
            Self::Number(which, number) => {
                let mut pieces = pieces(text, |c| c.is_ascii_digit());
                let numbers: Vec<usize> = (0..pieces.len())
                    .filter(|at| pieces[*at].starts_with(|c: char| c.is_ascii_digit()))
                    .collect();
                pieces[numbers[which.index(numbers.len())]] = (*number).to_owned();
                return pieces.concat();
            }
            Self::Word(which, by) => {
                let mut pieces = pieces(text, |c| c.is_ascii_lowercase() || c == '_');
                let words: Vec<usize> = (0..pieces.len())
                    .filter(|at| pieces[*at].starts_with(|c: char| c.is_ascii_lowercase()))
                    .collect();
                let word = pieces[words[by.index(words.len())]].clone();
                pieces[words[which.index(words.len())]] = word;
                return pieces.concat();
            }
            Self::Cut(at) => return text[..at.index(text.len())].to_owned(),
            Self::RemoveLine(which) => drop(lines.remove(nth(which))),
            Self::RepeatLine(which, to) => {
                let line = lines[nth(which)];
                lines.insert(nth(to), line);
            }
            Self::SwapLines(one, other) => lines.swap(nth(one), nth(other)),
        }
        lines.iter().flat_map(|line| [*line, "\n"]).collect()
    }
}

/// Returns the number of cases: `QUOTALAB_CASES` if it is set.
fn cases() -> u32 {
    std::env::var("QUOTALAB_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_recording_is_replayed_or_refused(
        (client, other) in (prop::sample::select(CLIENTS.to_vec()), prop::sample::select(CLIENTS.to_vec())),
        steps in steps(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let scenario = [client, other].map(scenario);
        let (text, _) = storm([&scenario[0], &scenario[0]], &steps);
        let text = mutations.iter().fold(text, |text, mutation| mutation.apply(&text));
        for scenario in &scenario {
            let printed = match replay(scenario, text.as_bytes()) {
                Ok(found) => found.text(),
                Err(error) => error.to_string(),
            };
            prop_assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
        }
    }
}

#[test]
fn what_no_gateway_records_is_refused_with_its_line() {
    let scenario = scenario(CLIENTS[0]);
    let head = "{\"schema\":\"quotalab/recording/1\",\"version\":\"0\"}\n\
        {\"at_ns\":0,\"kind\":\"engine\",\"scenario\":\"s\",\"seed\":1,\"next_job\":5,\"client\":\"\",\"routes\":\"\",\"targets\":\"\"}\n\
        {\"at_ns\":7,\"job\":5,\"kind\":\"arrival\",\"route\":\"two\",\"prompt_tokens\":3}\n\
        {\"at_ns\":7,\"job\":5,\"kind\":\"sent\",\"attempt\":1,\"target\":\"q/a/n\",\"step\":0}\n";
    let refused = |lines: &str| {
        let error = replay(&scenario, format!("{head}{lines}\n").as_bytes()).expect_err("it is refused");
        format!("{error}")
    };
    let reply = r#""kind":"reply","attempt":1,"outcome":"ok","prompt_tokens":1,"completion_tokens":1,"first_token_ns":9"#;
    let cases = [
        (r#"{"at_ns":6,"kind":"timers"}"#.to_owned(), "earlier than the line before"),
        (
            r#"{"at_ns":9,"job":5,"kind":"arrival","route":"two","prompt_tokens":3}"#.to_owned(),
            "job 5 has arrived before",
        ),
        (
            r#"{"at_ns":9,"job":6,"kind":"arrival","route":"two","prompt_tokens":4000000000}"#.to_owned(),
            "no request of this size",
        ),
        (format!(r#"{{"at_ns":9,"job":7,{reply}}}"#), "job 7 is not in flight"),
        (
            format!(r#"{{"at_ns":9,"job":5,{}}}"#, reply.replace(r#""attempt":1"#, r#""attempt":2"#)),
            "no attempt 2 in flight",
        ),
        (r#"{"engine":3,"at_ns":9,"kind":"timers"}"#.to_owned(), "engine 3 is not running"),
        (r#"{"at_ns":18446744073709551615,"kind":"timers"}"#.to_owned(), "later than any of a gateway"),
        (r#"{"at_ns":9,"kind":"what"}"#.to_owned(), "unknown variant `what`"),
        (format!("{{{}", "x".repeat(70_000)), "longer than 64 KiB"),
    ];
    for (lines, expected) in &cases {
        let error = refused(lines);
        assert!(error.starts_with("line 5 of the recording: ") && error.contains(expected), "{error}");
    }
    let jobs: String = (6..100_100)
        .map(|job| {
            format!(
                "{{\"at_ns\":9,\"job\":{job},\"kind\":\"arrival\",\"route\":\"no\",\"prompt_tokens\":3}}\n"
            )
        })
        .collect();
    assert!(refused(&jobs).ends_with("more than 100000 jobs are in flight"), "{}", refused(&jobs));
    assert!(replay(&scenario, &b"name: x\n"[..]).expect_err("a scenario").to_string().starts_with("line 1 "));
    assert!(replay(&scenario, &b""[..]).expect_err("empty").to_string().contains("no recording"));
}
