//! Mutated inputs: texts that people and programs could pass as a scenario, a refusal, a result or a baseline. Each is read,
//! or refused with a message, without a panic and within [`MAX_TIME`], and what is printed has no control characters but line
//! feeds. (HTTP requests and control commands: `mock/tests/server/hostile.rs`.)

use crate::scenarios;
use proptest::prelude::*;
use proptest::sample::Index;
use quotalab::ceiling::Ceiling;
use quotalab::record::Summary;
use quotalab::regression::{self, Baseline, Case};
use quotalab::report::{self, Style};
use quotalab::scenario::{self, Overrides};
use quotalab::{drive, explain};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Returns the number of cases of a property test: `QUOTALAB_CASES` if it is set, otherwise `default`.
pub(crate) fn cases(default: u32) -> u32 {
    std::env::var("QUOTALAB_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: cases(96), failure_persistence: None, ..ProptestConfig::default() }
}

/// The longest time that an input may take. Generous, since other work may use the machine.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Values in place of a number.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "0.5",
    "1e308",
    "-1e308",
    "1e-308",
    "NaN",
    ".inf",
    "18446744073709551615",
    "99999999999999999999",
    "4294967296",
    "9007199254740993",
    "1_000",
    "0x1F",
    "１２",
];

/// Fragments that have a meaning in one of the input formats, in YAML or on a terminal.
const FRAGMENTS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    ", ",
    "\"",
    "'",
    "\n",
    "&a ",
    "*a",
    "!!int ",
    "<<: ",
    "none",
    "null",
    "%",
    "/min",
    "ms",
    "\u{1b}[31m",
    "\u{0}",
    "\u{fffe}",
    "::error::x",
    "\u{202e}",
];

/// One change of a text; positions are relative to its length.
#[derive(Clone, Debug)]
enum Mutation {
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, &'static str),
    ReplaceNumber(Index, &'static str),
    SwapLines(Index, Index),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 1..40usize).prop_map(|(from, length)| Mutation::Remove(from, length)),
        (at(), 1..200usize).prop_map(|(from, length)| Mutation::Repeat(from, length)),
        (at(), prop::sample::select(FRAGMENTS.to_vec()))
            .prop_map(|(to, fragment)| Mutation::Insert(to, fragment)),
        (at(), prop::sample::select(NUMBERS.to_vec()))
            .prop_map(|(nth, number)| Mutation::ReplaceNumber(nth, number)),
        (at(), at()).prop_map(|(one, other)| Mutation::SwapLines(one, other)),
        at().prop_map(Mutation::Cut),
    ]
}

/// Generates texts of `corpus` with up to four mutations.
fn mutated(corpus: &'static LazyLock<Vec<String>>) -> impl Strategy<Value = String> {
    (any::<Index>(), prop::collection::vec(mutation(), 0..5)).prop_map(|(which, mutations)| {
        mutations.iter().fold(which.get(corpus).clone(), |text, mutation| mutation.apply(text))
    })
}

impl Mutation {
    fn apply(&self, text: String) -> String {
        if text.is_empty() {
            return text;
        }
        let boundary =
            |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let range = |from: &Index, length: usize| {
            let from = boundary(from.index(text.len()));
            from..boundary((from + length).min(text.len()))
        };
        match self {
            Self::Remove(from, length) => {
                let range = range(from, *length);
                [&text[..range.start], &text[range.end..]].concat()
            }
            Self::Repeat(from, length) => {
                let range = range(from, *length);
                [&text[..range.end], &text[range.start..]].concat()
            }
            Self::Insert(to, fragment) => {
                let to = boundary(to.index(text.len()));
                [&text[..to], fragment, &text[to..]].concat()
            }
            Self::ReplaceNumber(nth, number) => {
                let is_number = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
                let pieces: Vec<&str> = text.split_inclusive(|c: char| !c.is_ascii_digit()).collect();
                let numbers = pieces.iter().filter(|piece| is_number(piece)).count();
                let chosen = if numbers == 0 { 0 } else { nth.index(numbers) };
                let mut seen = 0;
                let replace = |piece: &&str| {
                    seen += usize::from(is_number(piece));
                    let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
                    if is_number(piece) && seen == chosen + 1 {
                        [number, rest].concat()
                    } else {
                        (*piece).to_owned()
                    }
                };
                pieces.iter().map(replace).collect()
            }
            Self::SwapLines(one, other) => {
                let mut lines: Vec<&str> = text.split('\n').collect();
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
                lines.join("\n")
            }
            Self::Cut(at) => text[..boundary(at.index(text.len()))].to_owned(),
        }
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the texts of all files of a folder with this extension.
fn texts(folder: &str, ending: &str) -> Vec<String> {
    let files =
        fs::read_dir(top().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

static SCENARIOS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folders = ["scenarios", "tests/fixtures", "tests/fixtures/bad", "tests/fixtures/unusual"];
    folders.iter().flat_map(|folder| texts(folder, "yaml")).collect()
});

/// Pastes, and the rows of the tables of published replies as they are, with their comments.
static REFUSALS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let lines = ["tests/data", "mock/tests/data"].iter().flat_map(|folder| texts(folder, "jsonl"));
    let lines = lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.chain(texts("tests/fixtures/pastes", "txt")).collect()
});

/// A form in which a reply is pasted.
type Form = fn(&str) -> Vec<u8>;

/// The forms in which replies are pasted; the first is the text itself.
const FORMS: [Form; 9] = [
    |text| text.as_bytes().to_vec(),
    |text| [b"\xff\xfe".to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
    |text| [b"\xef\xbb\xbf", text.replace('\n', "\r\n").as_bytes()].concat(),
    |text| text.lines().map(|line| format!("< {line}\n")).collect::<String>().into_bytes(),
    |text| text.lines().map(|line| format!("data: {line}\n\n")).collect::<String>().into_bytes(),
    |text| format!("Error code: 429 - {}", text.replace('"', "'").replace("null", "None")).into_bytes(),
    |text| {
        format!(
            "APIError: 429 x\n    at y {{ status: 429, headers: {{ 'retry-after': '7' }}, error: {text} }}"
        )
        .into_bytes()
    },
    |text| {
        format!("```\n$ curl x\nweb-1 | {text}\n```\nHTTP/2 503\n\n<html><title>{text}</title>").into_bytes()
    },
    |text| format!("502 All variants failed: a: {text}, b: status code: 403: {text}").into_bytes(),
];

/// The bytes that begin an encoding, a compression, a stream, an object, a head, a wait, a limit, an escape sequence or a
/// title.
const MARKS: [&[u8]; 16] = [
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"data: {",
    b"HTTP/2 429\n",
    b"retry-after: 9\n",
    b"{\"error\": ",
    b"{'a': ",
    b"[{",
    b"{a:{\"",
    b"resets at 2026-",
    b"limit 1 per ",
    b"\x1b[",
    b"<title>",
];

const SMALL: &str = "
name: small
duration: 30s
providers: { p: { models: { m: { limits: { rpm: 60, tpm: 9k }, latency: { total: 300ms }, price: { input: 1, output: 2 } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 5s, retry: { attempts: 3 } }
workload: [{ name: w, route: r, arrivals: { poisson: 90/min }, prompt: 50, completion: 50, max_tokens: 60 }]
expect: [\"success >= 50%\", \"p95 latency <= 8s in every 10s\"]
";

fn small() -> scenario::Scenario {
    scenario::parse("small.yaml", SMALL, &Overrides::default(), None).expect("a scenario")
}

static RESULTS: LazyLock<Vec<String>> = LazyLock::new(|| vec![scenarios::simulate(&small()).to_json()]);

fn small_cases() -> Vec<Case> {
    let replicas = (1..4).map(|seed| scenario::Scenario { seed, ..small() }).collect();
    let command = "quotalab sim small.yaml".to_owned();
    vec![Case { file: "small.yaml".to_owned(), text: SMALL.to_owned(), command, replicas }]
}

static BASELINES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let cases = small_cases();
    vec![Baseline::of(&cases, &regression::run(&cases, &())).to_json()]
});

/// A scenario that is expected to offer more jobs than this is parsed, but not simulated.
const MAX_JOBS: f64 = 3_000.0;

/// Checks that a text for the terminal has no control characters but line feeds.
fn check_printable(text: &str) -> Result<(), TestCaseError> {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    prop_assert!(control.is_none(), "{control:?} in {text:?}");
    Ok(())
}

fn check_time(start: Instant) -> Result<(), TestCaseError> {
    let taken = start.elapsed();
    prop_assert!(taken < MAX_TIME, "{taken:?}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measures how long an input takes")]
fn now() -> Instant {
    Instant::now()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_mutated_scenario_is_simulated_or_refused(text in mutated(&SCENARIOS)) {
        let start = now();
        let base = top().join("scenarios");
        match scenario::parse("mutated.yaml", &text, &Overrides::default(), Some(&base)) {
            Ok(scenario) => {
                let ceiling = Ceiling::of(&scenario);
                let jobs = ceiling.offered_jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
                if jobs <= MAX_JOBS {
                    let summary = drive::summarize(&scenario);
                    check_printable(&report::text::render(&summary, Style::default()))?;
                    prop_assert_eq!(&Summary::from_json(&summary.to_json()).unwrap(), &summary);
                }
            }
            Err(problems) => check_printable(&problems.to_string())?,
        }
        check_time(start)?;
    }

    #[test]
    fn a_mutated_refusal_is_explained_or_gives_an_error(text in mutated(&REFUSALS), form in prop::sample::select(FORMS.to_vec())) {
        let start = now();
        match explain::explain(&form(&text), None) {
            Ok(explained) => check_printable(&explain::text(&explained))?,
            Err(error) => check_printable(&error.to_string())?,
        }
        check_time(start)?;
    }

    /// Arbitrary bytes between a mark that is repeated and the same mark once.
    #[test]
    fn any_bytes_are_explained_or_give_an_error(
        mark in prop::sample::select(MARKS.to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..400), repeated in 1..2_000usize,
    ) {
        let start = now();
        let bytes = [mark.repeat(repeated), bytes, mark.to_vec()].concat();
        match explain::explain(&bytes, None) {
            Ok(explained) => check_printable(&explain::text(&explained))?,
            Err(error) => check_printable(&error.to_string())?,
        }
        check_time(start)?;
    }

    #[test]
    fn a_mutated_result_is_reported_or_refused(text in mutated(&RESULTS)) {
        let start = now();
        match Summary::from_json(&text) {
            Ok(summary) => {
                check_printable(&report::text::render(&summary, Style::default()))?;
                let page = report::html::render(&summary);
                prop_assert!(page.ends_with("</html>") && !page.contains('\u{1b}'), "{}", page);
                check_printable(&report::compare::text(&[("one", &summary), ("other", &summary)], Style::default()))?;
                prop_assert_eq!(&Summary::from_json(&summary.to_json()).unwrap().to_json(), &summary.to_json());
            }
            Err(error) => check_printable(&error.to_string())?,
        }
        check_time(start)?;
    }

    #[test]
    fn a_mutated_baseline_is_compared_or_refused(text in mutated(&BASELINES)) {
        let start = now();
        match Baseline::from_json(&text) {
            Ok(baseline) => {
                let cases = small_cases();
                let runs = regression::run(&cases, &());
                if baseline.mismatches(&cases).is_empty() {
                    check_printable(&regression::text(&regression::judge(&cases, &runs, Some(&baseline))))?;
                }
            }
            Err(error) => check_printable(&error)?,
        }
        check_time(start)?;
    }
}
