//! The table as JSON Schema (draft 2020-12), for editors that check and complete scenarios.
//!
//! A validator receives a YAML scalar as a string, a number or a boolean, so every kind accepts the JSON types that its
//! texts become: `rpm: 1000` is an integer, `rpm: 14.4k` a string. Ranges apply to numbers, patterns to strings.

use super::rule::COMPARISONS;
use super::{Choice, Form, Kind, Map, NameKind, Required, SCENARIO, Word};
use crate::scenario::resolved::Metric;
use provider::presets::PRESETS;
use serde_json::{Map as Object, Value, json};

/// Returns the schema of a scenario.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Object::new();
    define(&SCENARIO, &mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "quotalab scenario",
        "description": "A scenario of quotalab. Every word is explained in docs/scenario.md.",
        "$ref": reference(&SCENARIO),
        "$defs": definitions,
    })
}

fn reference(map: &Map) -> String {
    format!("#/$defs/{}", map.name)
}

/// Adds the definitions of a map and of all maps inside it.
fn define(map: &'static Map, definitions: &mut Object<String, Value>) {
    if definitions.contains_key(map.name) {
        return;
    }
    definitions.insert(map.name.to_owned(), Value::Null);
    let properties: Object<String, Value> =
        map.words.iter().map(|word| (word.name.to_owned(), property(word, definitions))).collect();
    let mut schema = json!({
        "type": "object",
        "description": map.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    let always = map.words.iter().filter(|word| word.required == Required::Yes);
    let required: Vec<&str> = always.map(|word| word.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let mut conditions: Vec<Value> = Vec::new();
    for word in map.words {
        if let Required::Unless(other) = word.required {
            conditions.push(json!({ "anyOf": [{ "required": [word.name] }, { "required": [other] }] }));
        }
    }
    if !map.forms.is_empty() {
        let forms: Vec<Value> = map.forms.iter().map(|form| self::form(map, form)).collect();
        conditions.push(json!({ "oneOf": forms }));
    }
    if !conditions.is_empty() {
        schema["allOf"] = json!(conditions);
    }
    definitions.insert(map.name.to_owned(), schema);
}

/// Returns the schema of a form: one word of each group is given, and no word of another form.
fn form(map: &Map, form: &Form) -> Value {
    let group = |group: &&'static [&'static str]| {
        let one: Vec<Value> = group.iter().map(|word| json!({ "required": [word] })).collect();
        json!({ "oneOf": one })
    };
    let foreign = map.forms.iter().flat_map(Form::words).filter(|word| form.words().all(|own| own != *word));
    let foreign: Object<String, Value> = foreign.map(|word| (word.to_owned(), json!(false))).collect();
    let groups: Vec<Value> = form.requires.iter().map(group).collect();
    match groups.is_empty() {
        true => json!({ "properties": foreign }),
        false => json!({ "allOf": groups, "properties": foreign }),
    }
}

fn property(word: &'static Word, definitions: &mut Object<String, Value>) -> Value {
    let mut schema = kind(&word.kind, definitions);
    schema["description"] = json!(word.doc);
    schema["examples"] = json!([json_of(word.example)]);
    if let Some(default) = word.default {
        schema["default"] = json_of(default);
    }
    schema
}

/// Converts YAML of the table to JSON; text that is not YAML becomes a string.
fn json_of(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap_or_else(|_| json!(yaml))
}

fn kind(kind: &'static Kind, definitions: &mut Object<String, Value>) -> Value {
    match kind {
        Kind::List { of, min, max } => {
            let mut schema = json!({ "type": "array", "items": self::kind(of, definitions) });
            if *min > 0 {
                schema["minItems"] = json!(min);
            }
            if *max < usize::MAX {
                schema["maxItems"] = json!(max);
            }
            schema
        }
        Kind::NamedEntries { of, slash } => {
            let pattern = if *slash { r"\S" } else { r"^[^/]*[^/\s][^/]*$" };
            json!({
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "pattern": pattern },
                "additionalProperties": self::kind(of, definitions),
            })
        }
        Kind::Map(map) => {
            define(map, definitions);
            json!({ "$ref": reference(map) })
        }
        Kind::OneOf(kinds) => {
            let kinds: Vec<Value> = kinds.iter().map(|kind| self::kind(kind, definitions)).collect();
            json!({ "anyOf": kinds })
        }
        Kind::Any => json!({ "not": { "type": "null" } }),
        scalar => self::scalar(scalar),
    }
}

fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Name(NameKind::Preset) => {
            let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
            json!({ "enum": names })
        }
        Kind::Name(NameKind::Target) => json!({ "type": "string", "pattern": "^[^/]+/[^/]+/.+$" }),
        Kind::Name(NameKind::Variable) => text("[A-Za-z_][A-Za-z0-9_]*"),
        Kind::Name(NameKind::BaseUrl) => base_url(),
        Kind::Name(_) => json!({ "type": ["string", "number", "boolean"], "pattern": r"\S" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Count { min, max } => number("integer", json!(min), json!(max), &format!("{DECIMAL}[kM]?")),
        Kind::Number { min, max } => number("number", json!(min), json!(max), DECIMAL),
        Kind::Correlation => number("number", json!(-1), json!(1), &format!("-?{DECIMAL}")),
        Kind::Duration { min, .. } => text(&duration(min.0 > 0)),
        Kind::Rate { zero } => text(&format!("{}[kM]?\\s*/\\s*(s|min|h|day)", decimal(*zero))),
        Kind::Share { zero } => text(&share(*zero)),
        Kind::Permille => text(&share(true)),
        Kind::Change { .. } => text(&format!(r"[+-]?{DECIMAL}\s*%")),
        Kind::Speed => text(&format!("{}[kM]?\\s*tok/s", decimal(false))),
        Kind::Multiple { min, max, bare: true } => {
            number("number", json!(min), json!(max), &format!("{}x?", decimal(false)))
        }
        Kind::Multiple { bare: false, .. } => text(&format!("{}x", decimal(false))),
        Kind::Date => json!({ "type": ["string", "integer"], "pattern": DATE }),
        Kind::DateTime { zone } => text(&format!("{DATE_TIME}{}", if *zone { r"\s+\S+" } else { "" })),
        Kind::Usd { monthly: true } => text(&format!(r"{DECIMAL}\s*USD\s*/\s*month")),
        Kind::Usd { monthly: false } => text(&format!(r"{DECIMAL}\s*USD")),
        Kind::Months { .. } => text(r"[1-9][0-9]*\s*months?"),
        Kind::Month => text(r"(month\s+[1-9][0-9]*|[0-9]{4}-(0[1-9]|1[0-2]))"),
        Kind::Rule => rule(),
        Kind::Choice(choices) => choice(choices),
        compound => unreachable!("invariant: {compound:?} is a kind of scalars"),
    }
}

/// Digits, grouped by `_`, with decimals.
const DECIMAL: &str = r"[0-9]+(_[0-9]+)*(\.[0-9]+(_[0-9]+)*)?";

/// A year, a month or a day.
const DATE: &str = r"^\s*[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?\s*$";

/// A date with a time of day.
const DATE_TIME: &str = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}\S*";

/// Returns the pattern of a decimal, which must be above zero unless `zero`.
fn decimal(zero: bool) -> String {
    let above = if zero { "" } else { r"(?=[0-9_.]*[1-9])" };
    format!("{above}{DECIMAL}")
}

/// Returns the pattern of a duration, with units from the longest to the shortest.
fn duration(above_zero: bool) -> String {
    let above = if above_zero { "(?=.*[1-9])" } else { "" };
    let part = |unit: &str| format!("({DECIMAL}\\s*{unit}\\s*)?");
    let parts: String = ["d", "h", "m", "s", "ms", "us"].map(part).concat();
    format!("(?=.){above}{parts}")
}

/// Returns the schema of the address of an API: the part of what `BaseUrl::parse` checks that patterns can express.
fn base_url() -> Value {
    let mut schema =
        text(r"[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[^\s?#]*)?");
    schema["not"] = json!({ "pattern": r"/chat/completions/*\s*$" });
    schema
}

fn share(zero: bool) -> String {
    let above = if zero { "" } else { "(?=[0-9_.]*[1-9])" };
    format!(r"{above}(100(\.0+)?|[0-9]{{1,2}}(\.[0-9]+)?)\s*%")
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!(r"^\s*{pattern}\s*$") })
}

fn number(kind: &str, min: Value, max: Value, pattern: &str) -> Value {
    json!({
        "type": [kind, "string"],
        "minimum": min,
        "maximum": max,
        "pattern": format!(r"^\s*{pattern}\s*$"),
    })
}

fn choice(choices: &[Choice]) -> Value {
    let one = |choice: &Choice| {
        // A validator receives a word of digits, such as a status, as an integer.
        let number = choice.word.parse::<u64>().ok().map(|number| json!(number));
        let words: Vec<Value> = [json!(choice.word)].into_iter().chain(number).collect();
        json!({ "enum": words, "description": choice.doc })
    };
    let known: Vec<Value> = choices.iter().map(one).collect();
    json!({ "anyOf": known })
}

/// The pattern of the optional window, such as `in every 5m`, after the value of a rule whose metric is measured per job.
const EVERY: &str = r"(\s+(in\s+)?every\s+\S.*)?";

/// Returns the schema of a rule, one pattern per metric: its name, a comparison, and a value in its unit.
fn rule() -> Value {
    let ops = COMPARISONS.map(|(op, _)| op).join("|");
    let rule = |metric: Metric| {
        let value = match metric {
            Metric::Success
            | Metric::TaskSuccess
            | Metric::FallbackShare
            | Metric::CutShare
            | Metric::LimitedShare => share(true),
            Metric::Goodput => format!("{DECIMAL}[kM]?\\s*/\\s*(s|min|h|day)"),
            Metric::Percentile(..) => duration(false),
            Metric::Cost => format!("{DECIMAL}\\s*USD"),
            Metric::AttemptsPerJob => DECIMAL.to_owned(),
            Metric::Headroom => format!("{DECIMAL}x?"),
            Metric::FinishedBy => {
                return text(&format!("([^:<>=]+:\\s*)?finished\\s+by\\s+{}", duration(false)));
            }
        };
        let name = metric.to_string().replace(' ', r"\s+");
        let of_jobs = metric.is_measured_per_job();
        let (workload, every) = if of_jobs { (r"([^:<>=]+:\s*)?", EVERY) } else { ("", "") };
        text(&format!("{workload}{name}\\s*({ops})\\s*{value}{every}"))
    };
    json!({ "anyOf": Metric::all().map(rule).collect::<Vec<_>>() })
}
