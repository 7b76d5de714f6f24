//! The table as a page for readers: docs/scenario.md.

use super::rule::{METRICS, TIMES};
use super::table::{
    ACCOUNT, ADAPTIVE, ARRIVAL_STEP, ARRIVALS, BACKOFF, BATCH, BUDGET, CACHE, CALLER, CLIENT, CONCURRENCY,
    COUNT_DIST, EJECT, ESTIMATE, EVIDENCE, FAULT, HEDGE, INCIDENT, JITTER, KEY, LATENCY, LIMIT, LIMITS,
    MODEL, OFFER, PACE, PRICE, PROVIDER, REPEATS, RESERVE, RETRY, SCENARIO, SESSION_CONTEXT, SESSIONS,
    SHAPE_MAP, SPENDING, START, STATED_WAIT, STEP, TIME_DIST, TOKEN_DIST, TRACE_COLUMNS, WHAT_IF,
    WINDOW_LIMIT, WORKLOAD,
};
use super::{Choice, Kind, Map, Required, Word};
use crate::scenario::resolved::Metric;
use provider::presets::{LEFT_OUT, PRESETS};
use std::fmt::Write as _;

/// The maps of the language in reading order, by chapter.
pub(super) const CHAPTERS: [(&str, &[&Map]); 9] = [
    ("The file", &[&SCENARIO, &START]),
    ("Providers", &[&PROVIDER, &ACCOUNT, &KEY, &INCIDENT, &FAULT]),
    (
        "Models",
        &[&MODEL, &LIMITS, &LIMIT, &WINDOW_LIMIT, &CONCURRENCY, &RESERVE, &LATENCY, &PRICE, &EVIDENCE],
    ),
    ("Routes", &[&STEP]),
    (
        "The client",
        &[
            &CLIENT,
            &RETRY,
            &STATED_WAIT,
            &BACKOFF,
            &JITTER,
            &HEDGE,
            &EJECT,
            &ADAPTIVE,
            &PACE,
            &CACHE,
            &ESTIMATE,
            &SPENDING,
        ],
    ),
    ("Callers of the gateway", &[&CALLER, &BUDGET]),
    (
        "Workloads",
        &[
            &WORKLOAD,
            &ARRIVALS,
            &BATCH,
            &TRACE_COLUMNS,
            &SHAPE_MAP,
            &ARRIVAL_STEP,
            &REPEATS,
            &SESSIONS,
            &SESSION_CONTEXT,
            &TOKEN_DIST,
            &TIME_DIST,
            &COUNT_DIST,
        ],
    ),
    ("What-ifs", &[&WHAT_IF]),
    ("Offers", &[&OFFER]),
];

/// The maximum number of words that a cell of a table lists.
const MAX_IN_CELL: usize = 6;

/// Returns the page in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut explained = Vec::new();
    for (title, maps) in CHAPTERS {
        append(&mut page, &format!("\n## {title}\n"));
        for map in maps {
            append(&mut page, &self::map(map, &mut explained));
        }
        match title {
            "The file" => append(&mut page, &rules_section()),
            "Providers" => append(&mut page, &presets_section()),
            _ => {}
        }
    }
    page
}

fn append(page: &mut String, text: &str) {
    page.write_str(text).expect("invariant: writing to a String does not fail");
}

/// Formats one map. The words of a choice are explained once: `explained` holds the lists that are on the page already.
fn map(map: &'static Map, explained: &mut Vec<String>) -> String {
    let mut text = format!("\n### `{}`\n\n{}\n\n", map.name, map.doc);
    append(&mut text, &format!("```yaml\n{}\n```\n\n", map.example));
    append(&mut text, "| word | value | default | meaning | example |\n|---|---|---|---|---|\n");
    for word in map.words {
        append(&mut text, &row(word));
    }
    if !map.forms.is_empty() {
        let examples: Vec<String> = map.forms.iter().map(|form| format!("`{}`", form.example)).collect();
        append(&mut text, &format!("\nOne of these forms: {}.\n", examples.join(", ")));
    }
    for word in map.words {
        let Some(choices) = choices(&word.kind) else { continue };
        let list: String =
            choices.iter().map(|choice| format!("* `{}`: {}\n", choice.word, choice.doc)).collect();
        if explained.contains(&list) {
            continue;
        }
        append(&mut text, &format!("\nThe words of `{}`:\n\n{list}", word.name));
        explained.push(list);
    }
    text
}

fn row(word: &'static Word) -> String {
    let default = match (word.required, word.default) {
        (Required::Yes, _) => "required".into(),
        (Required::Unless(other), _) => format!("required without `{other}`"),
        (Required::No, Some("\"\"" | "[]")) => "empty".into(),
        (Required::No, Some("{}")) => "the defaults of its words".into(),
        (Required::No, Some(default)) => format!("`{default}`"),
        (Required::No, None) => String::new(),
    };
    let cells = [format!("`{}`", word.name), cell(&word.kind), default, word.doc.to_owned()];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} | `{}` |\n", cells.join(" | "), word.example)
}

/// Returns the words of a choice that are explained on the page; `None` if the kind has none, or if its only word is `none` or
/// `off`, which needs no explanation.
fn choices(kind: &Kind) -> Option<&'static [Choice]> {
    match kind {
        Kind::Choice([Choice { word: "none" | "off", .. }]) => None,
        Kind::Choice(choices) => Some(choices),
        Kind::OneOf(kinds) => kinds.iter().find_map(choices),
        _ => None,
    }
}

/// Formats a kind for a cell of a table.
fn cell(kind: &'static Kind) -> String {
    match kind {
        Kind::Choice(choices) if choices.len() > MAX_IN_CELL => "a word of the list below".into(),
        Kind::Map(map) => format!("[`{}`](#{})", map.name, map.name.replace('.', "")),
        Kind::NamedEntries { of, .. } => format!("names, each with {}", cell(of)),
        Kind::List { of: Kind::Rule, .. } => "a list of [rules](#rules)".into(),
        Kind::List { of, min, max } => {
            let count = match (*min, *max) {
                (low, high) if low == high => format!("a list of {low}"),
                (0, usize::MAX) => "a list".into(),
                (low, usize::MAX) => format!("a list of {low} or more"),
                (low, high) => format!("a list of {low} to {high}"),
            };
            format!("{count}, each {}", cell(of))
        }
        Kind::OneOf(kinds) => kinds.iter().map(cell).collect::<Vec<_>>().join("; or "),
        scalar => scalar.describe(),
    }
}

fn presets_section() -> String {
    let presets: Vec<String> = PRESETS.iter().map(|(name, _)| format!("`{name}`")).collect();
    let files = "their files, with the evidence for every number, are in `mock/presets/`";
    format!("\nThe presets are {}; {files}. {LEFT_OUT}\n", presets.join(", "))
}

fn rules_section() -> String {
    let mut text = String::from(
        "\n### Rules\n\nA rule of `expect` is a metric, a comparison (`>=`, `<=`, `>`, `<`, `==`) and a value: \
         `p95 latency <= 8s`. With a workload before it \
         (`chat: success >= 99%`) it is judged for the jobs of that workload; without one it is judged for each, except goodput \
         and what is measured for the run as a whole (limited share, cost, headroom). With `in every 5m` or `every day` after it \
         the rule must hold in each window of that length from the start of the run on, to which jobs belong by their arrival; \
         with a date, whole days are days of local time, of 23 or 25 hours when the clocks change; windows with so few jobs that \
         a single failure would break the rule are left out, unless the run has only one. If no rule is on success, `success >= 99%` is judged.\n\n| metric | meaning | example |\n|---|---|---|\n",
    );
    for (metric, doc, example) in METRICS {
        append(&mut text, &format!("| `{metric}` | {doc} | `{example}` |\n"));
    }
    for (time, doc, example) in TIMES {
        let names = Metric::all().filter(|metric| matches!(metric, Metric::Percentile(_, of) if *of == time));
        let names: Vec<String> = names.map(|metric| format!("`{metric}`")).collect();
        append(&mut text, &format!("| {} | {doc} | `{example}` |\n", names.join(", ")));
    }
    text
}

const INTRODUCTION: &str = "\
# The scenario language

A scenario is a YAML file that says which APIs you call and what they allow, how your client behaves, and which jobs arrive.
This page lists every word. It is generated from the table that also checks scenarios, so it is complete.

To have an editor complete and check scenarios, write the schema to a file and name it in the first line of a scenario:

```sh
quotalab schema > scenario.schema.json
```

```yaml
# yaml-language-server: $schema=scenario.schema.json
```

A small scenario:

```yaml
name: first minute
duration: 10m
providers:
  groq: { preset: groq-free }
routes:
  chat: [{ of: [groq/default/openai/gpt-oss-120b] }]
workload:
  - { name: chat, arrivals: { poisson: 20/min }, prompt: { p50: 800, p95: 3000 } }
expect: [\"success >= 99%\"]
```

`quotalab check FILE` reports every problem of a scenario at once, each with its line and what to write instead.
`--set PATH=VALUE` changes a word for one run: `--set client.retry.attempts=2`.

## How quantities are written

| quantity | examples | notes |
|---|---|---|
| whole number | `6000`, `10_000`, `400k`, `1.5M` | `k` is a thousand, `M` a million |
| duration | `250ms`, `90s`, `5m`, `1h30m`, `1d` | always with a unit |
| rate | `30/s`, `250/min`, `5/h`, `1000/day` | jobs per second, minute, hour or day |
| share | `20%`, `99.5%` | always with `%` |
| speed | `560 tok/s`, `23k tok/s` | tokens per second |
| multiple | `4x`, `1.5x` | |
| money | `150 USD` | |

Where a number of tokens or a time is random, a map gives its distribution: [`tokens`](#tokens), [`time`](#time).

Anchors and aliases of YAML may be used; tags, merge keys (`<<`) and several documents in a file may not.
";
