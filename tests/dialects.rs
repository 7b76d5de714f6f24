//! Every published reply of every provider against what a reader finds in it: `tests/data/dialects.jsonl` for all
//! of them, `mock/tests/data` for Groq's, which the mock is held to as well.
//!
//! The column `expect` was worked out by reading the rows, not by running the parser.

use proptest::prelude::*;
use provider::{Axis, Instant, Nanos};
use quotalab::engine::parse::{self, Dialect, Failure, Headers, Reading, Response, Stated};
use quotalab::engine::{Meaning, Reply};
use quotalab::event::{self, Cause, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROWS: &str = include_str!("data/dialects.jsonl");
const NOW: Instant = Instant(5_000_000_000);

/// One published reply, and what is to be found in it.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    provider: String,
    status: u16,
    headers: Pairs,
    body: Value,
    expect: Expect,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Expect {
    dialect: String,
    recognised: bool,
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

    /// The body as it went over the wire: a string was bare text.
    fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        }
    }

    fn read(&self, dialect: Option<Dialect>, body: &[u8]) -> Reading {
        parse::read(dialect, NOW, &Response { status: self.status, headers: &self.headers, body })
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn rows() -> Vec<Row> {
    lines(ROWS)
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn limit(stated: &Stated) -> Limit {
    let Stated { name, axis, limit, remaining, reset } = *stated;
    Limit {
        name: name.into(),
        axis: axis.map(|axis| axis.name().into()),
        limit,
        remaining,
        reset_ns: reset.map(|reset| reset.0),
    }
}

/// What was read, in the words of the column `expect`.
fn found(reading: &Reading, expect: &Expect) -> Expect {
    let failure = reading.failure.as_ref();
    let refusal = failure.map(|failure| failure.refusal.clone()).unwrap_or_default();
    let wait = failure.and_then(|failure| failure.wait);
    Expect {
        dialect: expect.dialect.clone(),
        recognised: expect.recognised,
        cause: failure.map(|failure| failure.cause.name().into()),
        axis: refusal.axis.map(|axis| axis.name().into()),
        limit: refusal.limit,
        used: refusal.used,
        requested: refusal.requested,
        wait_ns: wait.map(|wait| wait.length.0),
        meaning: wait.map(|wait| wait.meaning.name().into()),
        model: refusal.model,
        limits: reading.stated.iter().map(limit).collect(),
    }
}

#[test]
fn every_published_reply_is_understood() {
    let mut held: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows() {
        let reading = row.read(Some(row.dialect()), &row.bytes());
        assert_eq!(found(&reading, &row.expect), row.expect, "{row:?}");
        agrees(&reading, &row);
        *held.entry(row.provider).or_default() += 1;
    }
    for (provider, rows) in &held {
        println!("{provider:<18}{rows:>3} rows hold");
    }
    let counts: Vec<(&str, u32)> = held.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counts, HELD, "a row is lost or new");
}

/// The engine's copy says what the reading says, and a success refuses nothing.
fn agrees(reading: &Reading, row: &Row) {
    let Reading { failure, reply, .. } = reading;
    match failure {
        Some(Failure { cause, refusal, wait, status, .. }) => {
            assert_eq!(reply.wait, *wait);
            match reply.outcome {
                Outcome::Limited { axis, cause: kept } => assert_eq!((axis, kept), (refusal.axis, *cause)),
                Outcome::Failed(event::Failure::Status(kept)) => assert_eq!(kept, *status),
                other => panic!("{other:?} for {row:?}"),
            }
        }
        None => assert!(
            row.status == 200 && reply.wait.is_none() && !matches!(reply.outcome, Outcome::Limited { .. })
        ),
    }
    for view in reply.limits.requests.into_iter().chain(reply.limits.tokens) {
        let known = |limit: &Stated| (limit.axis, limit.limit, limit.remaining, limit.reset);
        let kept = (Some(view.axis), view.limit, view.remaining, Some(view.reset));
        assert!(reading.stated.iter().any(|limit| known(limit) == kept), "{view:?}");
    }
}

#[test]
fn every_reply_that_bears_a_mark_is_recognised_and_read_the_same() {
    let mut unmarked = Vec::new();
    for row in rows() {
        let (told, untold) = (row.read(Some(row.dialect()), &row.bytes()), row.read(None, &row.bytes()));
        if row.expect.recognised {
            assert_eq!(untold, told, "{row:?}");
        } else {
            assert_eq!(untold.dialect, None, "{row:?}");
            unmarked.push(row.provider.clone());
        }
    }
    // `retry-after` alone; the day's requests as both Groq and OpenAI state them; what is left without its limit;
    // `Not authenticated`; and sentences without a name.
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

/// The rows are the evidence's: none is missing here and none was changed on the way.
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

/// What one provider says is another's minute read as a day, or a number in another unit: a dialect is never
/// mistaken for another's.
#[test]
fn what_differs_by_dialect_is_read_by_dialect() {
    let read = |dialect, headers: &[(&str, &str)], body: &str| {
        let headers = Pairs(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        parse::reply(Some(dialect), NOW, &Response { status: 429, headers: &headers, body: body.as_bytes() })
    };
    let wait = |reply: Reply| reply.wait.map(|wait| (wait.length.0 / 1_000_000, wait.meaning));
    let suggested = read(Dialect::Together, &[("x-ratelimit-reset", "2")], "");
    assert_eq!(wait(suggested), Some((2_000, Meaning::Suggested)));
    assert_eq!(wait(read(Dialect::OpenAi, &[("x-ratelimit-reset", "2")], "")), None);

    let minute = [
        ("x-ratelimit-limit-tokens-minute", "60000"),
        ("x-ratelimit-remaining-tokens-minute", "0"),
        ("x-ratelimit-reset-tokens-minute", "11.382867097854614"),
    ];
    assert_eq!(wait(read(Dialect::Cerebras, &minute, "")), Some((11_382, Meaning::UntilWindowEnds)));
    assert_eq!(wait(read(Dialect::Mistral, &minute, "")), None);

    let openai = [
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "1m0s"),
    ];
    assert_eq!(wait(read(Dialect::OpenAi, &openai, "")), Some((60_000, Meaning::UntilFull)));
    assert_eq!(
        wait(read(Dialect::Groq, &openai, "")),
        None,
        "its headers are seldom those of the limit that refused"
    );
}

/// Groq's headers as published, through the page that reads them.
#[test]
fn every_published_reset_of_groq_is_read() {
    let mut held = 0;
    for line in lines(include_str!("../mock/tests/data/groq_resets.csv")) {
        let [_, _, name, axis, limit, remaining, reset, _] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("eight columns: {line}")
        };
        let header = |part: &str, value: &str| (format!("x-ratelimit-{part}-{name}"), value.to_owned());
        let headers =
            Pairs([header("limit", limit), header("remaining", remaining), header("reset", reset)].into());
        let reading =
            parse::read(Some(Dialect::Groq), NOW, &Response { status: 200, headers: &headers, body: b"{}" });
        let [stated] = reading.stated[..] else { panic!("one limit: {line}") };
        assert_eq!((stated.axis, stated.reset), (Axis::from_name(axis), parse::go_duration(reset)), "{line}");
        assert_eq!(
            (stated.limit.to_string(), stated.remaining.to_string()),
            (limit.into(), remaining.into())
        );
        held += 1;
    }
    assert_eq!(held, 26, "a row is lost or new");
}

/// Every refusal of Groq's as published, recognised without being told whose it is (`tests/wire.rs` reads the numbers).
#[test]
fn every_published_refusal_of_groq_is_recognised() {
    #[derive(Deserialize)]
    struct Published {
        status: u16,
        message: String,
    }
    let (mut recognised, mut unmarked) = (0, 0);
    for line in lines(include_str!("../mock/tests/data/groq_refusals.jsonl")) {
        let Published { status, message } = serde_json::from_str(line).expect("a row");
        let body = json!({ "error": { "message": message, "code": "rate_limit_exceeded" } }).to_string();
        let response = Response { status, headers: &Pairs::default(), body: body.as_bytes() };
        let told = parse::read(Some(Dialect::Groq), NOW, &response);
        let untold = parse::read(None, NOW, &response);
        match untold.dialect {
            Some(dialect) => {
                assert_eq!(dialect, Dialect::Groq, "{message}");
                recognised += 1;
            }
            // A fragment of the sentence; OpenAI writes the same one.
            None => unmarked += 1,
        }
        assert_eq!(untold.failure, told.failure, "{message}");
    }
    println!("groq: {recognised} recognised, {unmarked} fragments without a mark");
    assert_eq!((recognised, unmarked), (0, 0));
}

/// The facts of a failure that must never be made up.
fn facts(reading: &Reading) -> Vec<(&'static str, String)> {
    let Some(Failure { refusal, wait, .. }) = &reading.failure else { return Vec::new() };
    let wait = wait.map(|wait| wait.length);
    [
        ("axis", refusal.axis.map(|axis| axis.to_string())),
        ("limit", refusal.limit.map(|limit| limit.to_string())),
        ("used", refusal.used.map(|used| used.to_string())),
        ("requested", refusal.requested.map(|requested| requested.to_string())),
        ("wait", wait.map(|Nanos(wait)| wait.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// A body that was cut, anywhere, is never read as saying something else than the whole: what is not there is
/// not known, and half a number is no number.
#[test]
fn a_body_cut_anywhere_says_less_and_never_otherwise() {
    for row in rows() {
        let bytes = row.bytes();
        let whole = row.read(Some(row.dialect()), &bytes);
        let known: BTreeSet<_> = facts(&whole).into_iter().collect();
        for end in 0..bytes.len() {
            let cut = row.read(Some(row.dialect()), &bytes[..end]);
            for fact in facts(&cut) {
                assert!(known.contains(&fact), "{fact:?} in {}", String::from_utf8_lossy(&bytes[..end]));
            }
            assert!(cut.reply.usage == provider::Usage::default());
        }
    }
}

/// Gateways and libraries wrap bodies in arrays, strings and envelopes: what they say stays the same.
#[test]
fn a_body_says_the_same_in_every_wrapping() {
    for row in rows().into_iter().filter(|row| row.body.is_object() || row.body.is_array()) {
        let whole = row.read(Some(row.dialect()), &row.bytes()).failure;
        let text = row.body.to_string();
        for wrapped in [
            json!([row.body]),
            json!(text),
            json!(json!(text).to_string()),
            json!({ "error": { "message": text } }),
            json!({ "message": text }),
        ] {
            let failure = row.read(Some(row.dialect()), wrapped.to_string().as_bytes()).failure;
            assert_eq!(failure, whole, "{wrapped}");
        }
    }
}

/// An error inside a 200 is the failure that it would have been outside.
#[test]
fn a_refusal_inside_a_success_is_no_success() {
    for row in rows().into_iter().filter(|row| row.body["error"].is_object()) {
        let outside = row.read(Some(row.dialect()), &row.bytes());
        let inside = Row { status: 200, ..row.clone() }.read(Some(row.dialect()), &row.bytes());
        let failure = inside.failure.unwrap_or_else(|| panic!("{row:?}"));
        assert_ne!(inside.reply.outcome, Outcome::Ok);
        // The status is what the body itself stands for; where it stands for none, a broken server.
        if failure.status == row.status {
            assert_eq!(Some(failure), outside.failure);
        } else {
            assert!(failure.status == 500 || row.provider == "openai", "{failure:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No bytes and no headers make any dialect panic, and what is not JSON is no success.
    #[test]
    fn anything_may_come(
        at in 0..91usize, dialect in prop::option::of(prop::sample::select(Dialect::ALL.to_vec())),
        status in 100..600u16, spliced in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        value in ".{0,30}", noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let row = &rows()[at];
        let mut bytes = row.bytes();
        bytes.splice(0..0, noise.iter().copied().take(usize::from(noise.len() % 3 == 0) * noise.len()));
        for (place, byte) in spliced {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        let headers = Pairs(row.headers.0.keys().chain(&["retry-after".into(), "date".into()]).map(|name| (name.clone(), value.clone())).collect());
        let reading = parse::read(dialect, NOW, &Response { status, headers: &headers, body: &bytes });
        prop_assert!(reading.failure.is_some() || (200..300).contains(&status));
        prop_assert_eq!(reading.reply.outcome == Outcome::Ok, false);
        let mut stream = parse::Stream::default();
        stream.take(NOW, &bytes, status % 2 == 0);
        let _ = stream.reply(dialect, NOW, &headers);
        let _ = quotalab::explain::explain(&String::from_utf8_lossy(&bytes), dialect).map(|explanation| explanation.text());
    }

    /// A number is read whole or not at all, however large.
    #[test]
    fn numbers_are_read_whole(limit in 1..u64::MAX, used in 0..i64::MAX, requested: u64, millis in 1..1_000_000_000u64) {
        let message = format!("Rate limit reached for m in organization org-x on tokens per min (TPM): Limit {limit}, Used {used}, Requested {requested}. Please try again in {millis}ms. Visit");
        let body = json!({ "error": { "message": message, "type": "tokens", "code": "rate_limit_exceeded" } }).to_string();
        let response = Response { status: 429, headers: &Pairs::default(), body: body.as_bytes() };
        let reading = parse::read(None, NOW, &response);
        let Some(Failure { refusal, cause, wait, .. }) = reading.failure else { panic!("a refusal") };
        prop_assert_eq!((refusal.limit, refusal.used, refusal.requested), (Some(limit), Some(used), Some(requested)));
        prop_assert_eq!((cause, wait.map(|wait| wait.length)), (Cause::MinuteLimit, Some(Nanos::from_millis(millis))));
    }
}

/// How many rows of each provider there are.
const HELD: [(&str, u32); 18] = [
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
