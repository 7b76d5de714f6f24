//! Renders the published replies from their situations and compares them with the originals, except those of the class `other`,
//! which the dialect does not render. The count of every class is asserted, so that no row can be lost or moved to a weaker class
//! unnoticed. Run with `--nocapture` to print the counts and the rows that are not exact.

use crate::{Case, denial, faulted, header, level, refused, served};
use provider::calendar::Epoch;
use provider::config::{Dialect, Fault, Tier};
use provider::decision::{Decision, Denial};
use provider::length::{LengthLimit, TooLong};
use provider::wire::{self, Error, Reply, WireFormat};
use provider::{Axis, Instant, Nanos};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// One published reply; the data file documents the fields.
#[derive(serde::Deserialize)]
struct Row {
    dialect: String,
    class: String,
    #[serde(default)]
    why: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Box<RawValue>>,
    #[serde(default)]
    situation: Situation,
}

/// The input of a wire format that leads to the published reply.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Situation {
    /// The index of the wire format among those of the dialect.
    format: usize,
    denied: Option<Denied>,
    /// `wrong key`, `overload`, `billing` or a status.
    fault: Option<String>,
    /// The tokens of the prompt, and the limit of the context.
    too_long: Option<[u32; 2]>,
    /// The limit and the remaining units, by axis.
    levels: BTreeMap<String, [i64; 2]>,
    /// The tokens of the prompt and of the completion.
    usage: Option<[u32; 2]>,
    model: Option<String>,
    tier: Option<String>,
    /// The time of day at which the request arrived; that of the reply if it is absent.
    arrived: Option<String>,
    /// The time of day of the reply; midnight if it is absent.
    at: Option<String>,
    /// JSON pointers to the members of the body that agree, in the class `form`.
    same: Vec<String>,
    /// Names of headers that differ, in the class `partial`.
    except: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Denied {
    axis: String,
    limit: u64,
    used: i64,
    requested: u64,
    wait: Option<f64>,
}

impl Row {
    fn format(&self) -> &'static dyn WireFormat {
        let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.name() == self.dialect);
        wire::formats(dialect.expect("a known dialect"))[self.situation.format]
    }

    /// Renders the reply from the situation alone.
    fn render(&self) -> Reply {
        let Situation { denied, fault, too_long, levels, usage, model, tier, arrived, at, .. } =
            &self.situation;
        let mut case = match (denied, fault.as_deref()) {
            (Some(denied), None) => refused(denied.denial()),
            (None, Some("wrong key")) => {
                return self.format().request_error(&Error::InvalidKey, 7, Instant::ZERO, Epoch::RUN);
            }
            (None, Some("overload")) => faulted(Fault::Overload),
            (None, Some("billing")) => faulted(Fault::Billing),
            (None, Some(status)) => faulted(Fault::Status(status.parse().unwrap())),
            (None, None) if too_long.is_some() => {
                let [prompt_tokens, limit] = too_long.unwrap_or_default();
                Case::new(Decision::TooLong(TooLong {
                    violated: LengthLimit::Context,
                    limit_tokens: limit,
                    prompt_tokens,
                    max_tokens: None,
                }))
            }
            (None, None) => {
                let [prompt, completion] = usage.unwrap_or_default();
                served(prompt, completion)
            }
            (Some(_), Some(_)) => panic!("a reply has one cause"),
        };
        case.levels = levels
            .iter()
            .map(|(axis, [limit, left])| {
                level(Axis::from_name(axis).unwrap(), u64::try_from(*limit).unwrap(), *left)
            })
            .collect();
        case.model = model.clone().unwrap_or_default();
        case.tier = if tier.as_deref() == Some("developer") { Tier::Developer } else { Tier::Free };
        case.at = at.as_deref().map_or(Instant::ZERO, time_of_day);
        case.arrived = arrived.as_deref().map_or(case.at, time_of_day);
        case.render(self.format())
    }

    /// Compares the headers that are not in `except`. Dates are moved to the first day of a run.
    fn compare_headers(&self, reply: &Reply) {
        for (name, value) in &self.headers {
            if self.situation.except.contains(name) {
                assert!(
                    self.class == "partial",
                    "invariant: only a partial row excepts headers, found: {name}"
                );
                continue;
            }
            let value = match value.split_once('T') {
                Some((_, time)) if name.ends_with("-reset") => format!("2026-11-01T{time}"),
                _ => value.clone(),
            };
            assert_eq!(header(reply, name), Some(value.as_str()), "{}: {name}", self.dialect);
        }
    }
}

impl Denied {
    fn denial(&self) -> Denial {
        let axis = Axis::from_name(&self.axis).expect("a known axis");
        let denial = denial(axis, self.limit, self.used, self.requested);
        Denial { wait: self.wait.map(Nanos::from_secs_f64).or(denial.wait), ..denial }
    }
}

fn rows() -> impl Iterator<Item = Row> {
    include_str!("../data/dialects.jsonl")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

/// Parses a time such as `06:14:23.570239952` on the first day of a run.
fn time_of_day(text: &str) -> Instant {
    let nanos = text.splitn(3, ':').fold(0, |sum, part| {
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        let fraction: u64 = format!("{fraction:0<9}").parse().unwrap();
        sum * 60 + whole.parse::<u64>().unwrap() * Nanos::SECOND.0 + fraction
    });
    Instant(nanos)
}

/// Removes the request id: it differs from reply to reply, and many rows were published without it.
fn without_request_id(body: &str) -> String {
    body.split_once(r#","request_id":"#).map_or_else(|| body.to_owned(), |(before, _)| format!("{before}}}"))
}

/// Removes the array in which Gemini's OpenAI-compatible endpoint wraps an error. Gemini's rows were captured at its native
/// endpoint, which sends no array.
fn unwrapped(body: &str) -> &str {
    body.strip_prefix('[').and_then(|body| body.strip_suffix(']')).unwrap_or(body)
}

#[test]
fn published_replies_are_reproduced_to_the_degree_of_their_class() {
    let mut counts = BTreeMap::new();
    for row in rows() {
        *counts.entry((row.dialect.clone(), row.class.clone())).or_insert(0) += 1;
        if !row.why.is_empty() {
            println!("{:10} {:9} {}", row.dialect, row.class, row.why);
        }
        if row.class == "other" {
            continue;
        }
        let reply = row.render();
        assert_eq!(reply.status, row.status, "{}", reply.body);
        row.compare_headers(&reply);
        let Some(body) = row.body.as_ref().map(|body| body.get()) else { continue };
        let ours = reply.body.trim_end();
        match row.class.as_str() {
            "exact" => assert_eq!(without_request_id(unwrapped(ours)), without_request_id(body)),
            "fragment" => {
                let quoted: Value = serde_json::from_str(body).unwrap();
                let quoted =
                    quoted.as_str().or_else(|| quoted["error"]["message"].as_str()).unwrap().to_owned();
                let ours: Value = serde_json::from_str(ours).unwrap();
                assert!(ours["error"]["message"].as_str().unwrap().starts_with(&quoted), "{ours}\n{quoted}");
            }
            "form" => {
                assert!(!row.situation.same.is_empty(), "a form has at least one member that agrees");
                let theirs: Value = serde_json::from_str(body).unwrap();
                let theirs = if ours.starts_with('[') { Value::Array(vec![theirs]) } else { theirs };
                let ours: Value = serde_json::from_str(ours).unwrap();
                for pointer in &row.situation.same {
                    assert!(theirs.pointer(pointer).is_some(), "{pointer} in {theirs}");
                    assert_eq!(ours.pointer(pointer), theirs.pointer(pointer), "{pointer}");
                }
            }
            class => panic!("{class} has no body"),
        }
    }
    println!("{counts:?}");
    let expected = [
        ("anthropic", "exact", 8),
        ("anthropic", "form", 2),
        ("anthropic", "other", 3),
        ("anthropic", "partial", 3),
        ("azure", "exact", 4),
        ("azure", "fragment", 1),
        ("azure", "other", 1),
        ("cerebras", "exact", 3),
        ("deepinfra", "exact", 2),
        ("deepinfra", "form", 1),
        ("deepinfra", "other", 1),
        ("fireworks", "exact", 1),
        ("fireworks", "fragment", 1),
        ("fireworks", "other", 2),
        ("gemini", "exact", 3),
        ("gemini", "form", 3),
        ("mistral", "exact", 6),
        ("mistral", "other", 3),
        ("mistral", "partial", 2),
        ("openai", "exact", 15),
        ("openai", "form", 1),
        ("openai", "fragment", 1),
        ("together", "exact", 3),
        ("together", "form", 2),
        ("together", "other", 1),
    ];
    let expected = expected.map(|(dialect, class, count)| ((dialect.to_owned(), class.to_owned()), count));
    assert_eq!(counts, BTreeMap::from(expected));
}
