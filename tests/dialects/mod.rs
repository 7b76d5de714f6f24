//! Checks the parser against every published reply of every provider: `tests/data/dialects.jsonl` for all of them,
//! `mock/tests/data` for Groq's, which the mock must reproduce as well.
//!
//! The column `expect` was written by hand from the rows, not by running the parser.

mod laws;
mod pitfalls;
mod virtual_time;

use provider::{Axis, Instant};
use quotalab::engine::parse::{self, Dialect, Headers, LimitHeader, Parsed, ParsedFailure, Response};
use quotalab::event::{self, AttemptOutcome};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const ROWS: &str = include_str!("../data/dialects.jsonl");
const NOW: Instant = Instant(5_000_000_000);

/// One published reply, and what the parser must return for it.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    provider: String,
    status: u16,
    headers: Pairs,
    body: Value,
    expect: Expect,
}

/// What the parser must return: the column `expect`. `meaning` is the kind of the wait.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Expect {
    dialect: String,
    detected: bool,
    cause: Option<String>,
    axis: Option<String>,
    limit: Option<u64>,
    used: Option<i64>,
    requested: Option<u64>,
    wait_ns: Option<u64>,
    meaning: Option<String>,
    model: Option<String>,
    limits: Vec<Limit>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Limit {
    name: String,
    axis: Option<String>,
    limit: u64,
    remaining: u64,
    reset_ns: Option<u64>,
}

/// Response headers by name, in lower case.
#[derive(Clone, Debug, Default, Deserialize)]
struct Pairs(BTreeMap<String, String>);

impl Headers for Pairs {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Row {
    fn dialect(&self) -> Dialect {
        Dialect::from_name(&self.expect.dialect).expect("a known dialect")
    }

    /// Returns the body as it was sent: `null` in the row is an empty body, a string is plain text, anything else is JSON.
    fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        }
    }

    fn read(&self, dialect: Option<Dialect>, body: &[u8]) -> Parsed {
        parse::parsed(dialect, NOW, &Response { status: self.status, headers: &self.headers, body })
    }
}

/// Returns the lines of a data file that are not comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn rows() -> Vec<Row> {
    lines(ROWS)
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn limit(header: &LimitHeader) -> Limit {
    let LimitHeader { name, axis, limit, remaining, reset, .. } = *header;
    Limit {
        name: name.into(),
        axis: axis.map(|axis| axis.name().into()),
        limit,
        remaining,
        reset_ns: reset.map(|reset| reset.0),
    }
}

/// Returns what was parsed, in the form of the column `expect`. `dialect` and `detected` are copied from `expect`: comparing the two
/// does not check them.
fn found(parsed: &Parsed, expect: &Expect) -> Expect {
    let failure = parsed.failure.as_ref();
    let refusal = failure.map(|failure| failure.refusal.clone()).unwrap_or_default();
    let wait = failure.and_then(|failure| failure.wait);
    Expect {
        dialect: expect.dialect.clone(),
        detected: expect.detected,
        cause: failure.map(|failure| failure.cause.name().into()),
        axis: refusal.axis.map(|axis| axis.name().into()),
        limit: refusal.limit,
        used: refusal.used,
        requested: refusal.requested,
        wait_ns: wait.map(|wait| wait.length.0),
        meaning: wait.map(|wait| wait.kind.name().into()),
        model: refusal.model,
        limits: parsed.limits.iter().map(limit).collect(),
    }
}

#[test]
fn every_published_reply_is_parsed_as_expected() {
    let mut rows_of: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows() {
        let parsed = row.read(Some(row.dialect()), &row.bytes());
        assert_eq!(found(&parsed, &row.expect), row.expect, "{row:?}");
        assert_consistent(&parsed, &row);
        *rows_of.entry(row.provider).or_default() += 1;
    }
    for (provider, rows) in &rows_of {
        println!("{provider:<18}{rows:>3} rows pass");
    }
    let counts: Vec<(&str, u32)> = rows_of.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counts, ROWS_OF, "the number of rows changed");
}

/// Asserts that the engine's reply agrees with the failure, and that a success is no refusal.
fn assert_consistent(parsed: &Parsed, row: &Row) {
    let Parsed { failure, reply, .. } = parsed;
    match failure {
        Some(ParsedFailure { cause, refusal, wait, status, .. }) => {
            assert_eq!(reply.wait, *wait);
            match reply.outcome {
                AttemptOutcome::Refused { axis, cause: in_reply } => {
                    assert_eq!((axis, in_reply), (refusal.axis, *cause))
                }
                AttemptOutcome::Failed(event::AttemptFailure::Status(in_reply)) => {
                    assert_eq!(in_reply, *status)
                }
                other => panic!("{other:?} for {row:?}"),
            }
        }
        None => assert!(
            row.status == 200
                && reply.wait.is_none()
                && !matches!(reply.outcome, AttemptOutcome::Refused { .. })
        ),
    }
    for (axis, left) in reply.remaining.requests.into_iter().chain(reply.remaining.tokens) {
        let known = |limit: &LimitHeader| limit.axis == Some(axis) && limit.remaining == left;
        assert!(parsed.limits.iter().any(known), "{axis}: {left}");
    }
}

#[test]
fn a_reply_with_a_marker_is_parsed_the_same_without_its_dialect() {
    let mut unmarked = Vec::new();
    for row in rows() {
        let (given, detected) = (row.read(Some(row.dialect()), &row.bytes()), row.read(None, &row.bytes()));
        if row.expect.detected {
            assert_eq!(detected, given, "{row:?}");
        } else {
            assert_eq!(detected.dialect, None, "{row:?}");
            unmarked.push(row.provider.clone());
        }
    }
    // These rows contain nothing that identifies a dialect: `retry-after` alone; requests per day as both Groq and OpenAI
    // state them; remaining units without a limit; `Not authenticated`; and sentences without a name.
    assert_eq!(
        unmarked,
        [
            "together",
            "together",
            "deepinfra",
            "deepinfra",
            "deepseek",
            "anthropic",
            "groq",
            "azure_openai",
            "azure_openai"
        ]
    );
}

/// Compares the rows with the file of evidence, if that file is present.
#[test]
fn no_row_of_the_evidence_is_missing() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/evidence/dialects.jsonl");
    let Ok(evidence) = std::fs::read_to_string(&shared) else {
        println!("skipped: {} is absent", shared.display());
        return;
    };
    let key = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        json!([row["provider"], row["status"], row["headers"], row["body"]]).to_string()
    };
    let here: Vec<String> = lines(ROWS).map(key).collect();
    let there: Vec<String> = evidence.lines().map(key).collect();
    assert_eq!(here, there);
}

#[test]
fn every_published_reset_of_groq_is_parsed() {
    let mut rows = 0;
    for line in lines(include_str!("../../mock/tests/data/groq_resets.csv")) {
        let [_, _, name, axis, limit, remaining, reset, _] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("eight columns: {line}")
        };
        let header = |part: &str, value: &str| (format!("x-ratelimit-{part}-{name}"), value.to_owned());
        let headers =
            Pairs([header("limit", limit), header("remaining", remaining), header("reset", reset)].into());
        let parsed = parse::parsed(
            Some(Dialect::Groq),
            NOW,
            &Response { status: 200, headers: &headers, body: b"{}" },
        );
        let [parsed_limit] = parsed.limits[..] else { panic!("one limit: {line}") };
        assert_eq!(
            (parsed_limit.axis, parsed_limit.reset),
            (Axis::from_name(axis), parse::go_duration(reset)),
            "{line}"
        );
        assert_eq!(
            (parsed_limit.limit.to_string(), parsed_limit.remaining.to_string()),
            (limit.into(), remaining.into())
        );
        rows += 1;
    }
    assert_eq!(rows, 26, "the number of rows changed");
}

/// Checks that the dialect makes no difference to the failure; `tests/wire.rs` checks the numbers.
#[test]
fn every_published_refusal_of_groq_is_detected_unless_it_is_a_fragment() {
    #[derive(Deserialize)]
    struct Published {
        status: u16,
        message: String,
        form: String,
    }
    let (mut detected, mut unmarked) = (0, 0);
    for line in lines(include_str!("../../mock/tests/data/groq_refusals.jsonl")) {
        let Published { status, message, form } = serde_json::from_str(line).expect("a row");
        let body = json!({ "error": { "message": message, "code": "rate_limit_exceeded" } }).to_string();
        let response = Response { status, headers: &Pairs::default(), body: body.as_bytes() };
        let given = parse::parsed(Some(Dialect::Groq), NOW, &response);
        let without_dialect = parse::parsed(None, NOW, &response);
        match without_dialect.dialect {
            Some(dialect) => {
                assert_eq!(dialect, Dialect::Groq, "{message}");
                detected += 1;
            }
            // A part of the sentence that OpenAI uses as well.
            None => {
                assert_eq!(form, "fragment", "{message}");
                unmarked += 1;
            }
        }
        // Without a marker, it is not known who answered.
        let responder = given.failure.as_ref().and_then(|failure| failure.responder);
        let without_dialect = without_dialect.failure.map(|failure| ParsedFailure { responder, ..failure });
        assert_eq!(without_dialect, given.failure, "{message}");
    }
    println!("groq: {detected} detected, {unmarked} fragments without a marker");
    assert_eq!((detected, unmarked), (88, 21), "the number of rows changed");
}

/// The number of rows of each provider.
const ROWS_OF: [(&str, u32); 18] = [
    ("anthropic", 16),
    ("azure_openai", 6),
    ("bedrock", 2),
    ("cerebras", 3),
    ("deepinfra", 4),
    ("deepseek", 1),
    ("fireworks", 4),
    ("gemini", 6),
    ("gemini_cloudcode", 2),
    ("groq", 3),
    ("meta_llama_api", 1),
    ("minimax", 1),
    ("mistral", 11),
    ("openai", 17),
    ("openrouter", 3),
    ("together", 6),
    ("vertex", 1),
    ("xai", 4),
];
