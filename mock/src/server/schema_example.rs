//! A JSON value that satisfies a JSON Schema.
//!
//! These keywords are followed: `$ref` within the schema, `const`, `enum`, `allOf`, the first alternative of `anyOf` and
//! `oneOf`, `type`; `properties`, `required`, `minProperties`, and `additionalProperties` for members that these demand;
//! `items`, `prefixItems`, `minItems`, `maxItems`, `uniqueItems`; `minLength`, `maxLength`, `pattern`, `format`; `minimum`,
//! `maximum`, both exclusive ones, `multipleOf`. Others (`not`, `if`, `contains`, `patternProperties`, …) are ignored, so the
//! value may violate them; so may one of a schema that contradicts itself.

use super::pattern_example::example_of_pattern;
use super::work_budget::{WorkBudget, text_size};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The depth from which on only required members are made, since a schema may refer to itself.
const MAX_OPTIONAL_DEPTH: usize = 6;
/// The depth at which every value is `null`.
const MAX_DEPTH: usize = 60;
/// Maximum number of items, members or characters that a minimum asks for. A larger minimum is not satisfied.
const MAX_SIZE: u64 = 10_000;
/// Maximum number of steps for one value, as [`WorkBudget`] counts them: less than a second. Further values are `null`.
const MAX_STEPS: usize = 300_000;

/// The text of strings that the schema does not fix.
const FILLER: &str = "example";

/// Returns a value that satisfies a schema as far as the module follows it.
pub(super) fn example_value(schema: &Value) -> Value {
    Example { root: schema, budget: WorkBudget::new(MAX_STEPS) }.value(schema, 0, 0)
}

struct Example<'s> {
    /// The whole schema, in which references are looked up.
    root: &'s Value,
    budget: WorkBudget,
}

impl Example<'_> {
    /// Returns a value. Numbers, strings and elements of `enum` of two `variant`s differ if the schema allows it; `variant` has
    /// no effect on arrays and objects.
    fn value(&self, schema: &Value, variant: usize, depth: usize) -> Value {
        if depth >= MAX_DEPTH {
            return Value::Null;
        }
        let merged = self.merged(schema);
        let schema = &*merged;
        if self.budget.is_exhausted() {
            return Value::Null; // The schema may lack parts.
        }
        if let Some(value) = schema.get("const") {
            return self.copy(value);
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return self.copy(&values[variant % values.len()]);
        }
        match type_of(schema) {
            "string" => self.string(schema, variant),
            "integer" => number(schema, variant, true),
            "number" => number(schema, variant, false),
            "boolean" => (variant % 2 == 1).into(),
            "null" => Value::Null,
            "array" => self.array(schema, depth),
            _ => self.object(schema, depth),
        }
    }

    fn copy(&self, value: &Value) -> Value {
        if self.budget.charge_copy(value) { value.clone() } else { Value::Null }
    }

    /// Returns a schema with its reference resolved, and its `allOf` and the first of its alternatives merged into it.
    fn merged<'v>(&'v self, schema: &'v Value) -> Cow<'v, Value> {
        let parts = self.parts(schema);
        if parts.len() < 2 {
            return Cow::Borrowed(schema);
        }
        let mut merged = Map::new();
        parts.into_iter().for_each(|part| self.merge(&mut merged, part));
        Cow::Owned(merged.into())
    }

    /// Returns the schemas that hold together with a schema, each once: itself, the one to which it refers, those of its
    /// `allOf` and the first of its alternatives, each followed by its own.
    fn parts<'v>(&'v self, schema: &'v Value) -> Vec<&'v Map<String, Value>> {
        let (mut parts, mut known, mut open) = (Vec::new(), BTreeSet::new(), vec![schema]);
        while let Some(schema) = open.pop() {
            if !self.budget.charge(1) {
                break;
            }
            let Value::Object(members) = schema else { continue };
            if !known.insert(std::ptr::from_ref(members)) {
                continue;
            }
            parts.push(members);
            let pointer =
                members.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            let target = pointer.and_then(|pointer| self.root.pointer(pointer));
            let all = members.get("allOf").and_then(Value::as_array).into_iter().flatten();
            let first =
                ["anyOf", "oneOf"].into_iter().filter_map(|word| members.get(word)?.as_array()?.first());
            let start = open.len();
            open.extend(target.into_iter().chain(all).chain(first));
            open[start..].reverse(); // The last one is followed first.
        }
        parts
    }

    /// Adds the keywords of `others`. Of a bound that both have, the stricter counts; properties and required names are joined;
    /// of any other keyword the one of `members` counts.
    fn merge(&self, members: &mut Map<String, Value>, others: &Map<String, Value>) {
        for (word, value) in others {
            // Definitions are looked up in the whole schema.
            if matches!(word.as_str(), "$defs" | "definitions") || !self.budget.charge_copy(value) {
                continue;
            }
            match (members.get_mut(word), word.as_str(), value) {
                (None, ..) => drop(members.insert(word.clone(), value.clone())),
                (Some(Value::Object(known)), "properties", Value::Object(more)) => {
                    for (name, property) in more {
                        match (known.get_mut(name), property) {
                            (Some(Value::Object(present)), Value::Object(property)) => {
                                self.merge(present, property)
                            }
                            (Some(_), _) => {}
                            (None, _) => drop(known.insert(name.clone(), property.clone())),
                        }
                    }
                }
                (Some(Value::Array(known)), "required", Value::Array(more)) => known.extend_from_slice(more),
                (
                    Some(known),
                    "minLength" | "minItems" | "minProperties" | "minimum" | "exclusiveMinimum",
                    more,
                ) if more.as_f64() > known.as_f64() => {
                    *known = more.clone();
                }
                (Some(known), "maxLength" | "maxItems" | "maximum" | "exclusiveMaximum", more)
                    if more.as_f64() < known.as_f64() =>
                {
                    *known = more.clone();
                }
                _ => {}
            }
        }
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let prefix = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        let least = schema["minItems"].as_u64().unwrap_or(0).min(MAX_SIZE);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        let count = usize::try_from(least.max(prefix.len() as u64).min(most)).unwrap_or(0);
        if !self.budget.charge(count) {
            return Value::Null;
        }
        let is_unique = schema["uniqueItems"] == true;
        let item = |index: usize| {
            let item = prefix.get(index).unwrap_or(&schema["items"]);
            self.value(item, if is_unique { index } else { 0 }, depth + 1)
        };
        (0..count).map(item).collect()
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = || schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let properties = || schema["properties"].as_object().into_iter().flatten();
        let least = usize::try_from(schema["minProperties"].as_u64().unwrap_or(0).min(MAX_SIZE)).unwrap_or(0);
        let names = required().chain(properties().map(|(name, _)| name.as_str()));
        if !self.budget.charge(1 + least + names.map(|name| text_size(name.len())).sum::<usize>()) {
            return Value::Null;
        }
        let is_required: BTreeSet<&str> = required().collect();
        let mut object = Map::new();
        for (name, property) in properties() {
            if depth < MAX_OPTIONAL_DEPTH || is_required.contains(name.as_str()) {
                object.insert(name.clone(), self.value(property, 0, depth + 1));
            }
        }
        let additional = &schema["additionalProperties"];
        for name in required() {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), self.value(additional, 0, depth + 1));
            }
        }
        for number in 0..least {
            if object.len() >= least {
                break;
            }
            object.insert(format!("{FILLER}{number}"), self.value(additional, 0, depth + 1));
        }
        Value::Object(object)
    }

    /// Returns a string with the pattern of a schema (and its least length, if repetition makes it long enough), or else with its
    /// format, or else with its length.
    fn string(&self, schema: &Value, variant: usize) -> Value {
        let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0).min(MAX_SIZE)).unwrap_or(0);
        if !self.budget.charge(text_size(least)) {
            return Value::Null;
        }
        let pattern = schema["pattern"].as_str();
        let matching = pattern.and_then(|pattern| example_of_pattern(pattern, least, variant, &self.budget));
        let formatted = || schema["format"].as_str().and_then(|format| of_format(format, variant));
        let text = matching.or_else(formatted).unwrap_or_else(|| of_length(schema, least, variant));
        text.into()
    }
}

/// The names of types. Gemini writes them in upper case.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Returns the type of a schema's value: the one that it names, the first that is not null of several, or the one to which its
/// keywords belong.
fn type_of(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => {
            let names = || names.iter().filter_map(Value::as_str);
            names().find(|name| !name.eq_ignore_ascii_case("null")).or_else(|| names().next())
        }
        _ => None,
    };
    let named =
        named.map(|name| TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name));
    let has = |words: &[&str]| words.iter().any(|word| schema.get(word).is_some());
    named.unwrap_or_else(|| {
        if has(&["items", "prefixItems", "minItems", "uniqueItems"]) {
            "array"
        } else if has(&["pattern", "format", "minLength", "maxLength"]) {
            "string"
        } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            "number"
        } else {
            "object"
        }
    })
}

/// Returns a text of at least `least` characters, and not more than the schema allows unless the digits of `variant` need more.
fn of_length(schema: &Value, least: usize, variant: usize) -> String {
    let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let suffix = if variant == 0 { String::new() } else { variant.to_string() };
    let room = most.saturating_sub(suffix.len());
    let mut text: String = FILLER.chars().take(room).collect::<String>() + &suffix;
    text.extend(FILLER.chars().cycle().take(least.saturating_sub(text.chars().count())));
    text
}

/// Returns a string of a format of JSON Schema; `None` if the format is unknown.
fn of_format(format: &str, variant: usize) -> Option<String> {
    let number = variant % 28 + 1;
    Some(match format {
        "date" => format!("2026-11-{number:02}"),
        "time" => format!("12:00:{number:02}Z"),
        "date-time" => format!("2026-11-{number:02}T12:00:00Z"),
        "duration" => format!("PT{number}S"),
        "email" | "idn-email" => format!("user{number}@example.com"),
        "hostname" | "idn-hostname" => format!("host{number}.example.com"),
        "ipv4" => format!("192.0.2.{number}"),
        "ipv6" => format!("2001:db8::{number}"),
        "uri" | "iri" | "url" => format!("https://example.com/{number}"),
        "uri-reference" | "iri-reference" => format!("/example/{number}"),
        "uuid" => format!("00000000-0000-4000-8000-{number:012}"),
        "json-pointer" => format!("/example/{number}"),
        "regex" => "^example$".to_owned(),
        _ => return None,
    })
}

/// Returns a number within the bounds of a schema if it finds one; large `variant`s may exceed them.
fn number(schema: &Value, variant: usize, is_whole: bool) -> Value {
    let step = schema["multipleOf"].as_f64().filter(|step| *step > 0.0);
    let step = match step {
        Some(step) if is_whole => {
            let multiples = (1..=1000).map(|times| step * f64::from(times));
            multiples.into_iter().find(|multiple| multiple.fract() == 0.0).or(Some(1.0))
        }
        None if is_whole => Some(1.0),
        step => step,
    };
    let bound = |word: &str| schema[word].as_f64();
    // Draft 4 has booleans that make the bound exclusive.
    let excludes =
        |word: &str, of: &str| (schema[word] == true).then(|| bound(of)).flatten().or_else(|| bound(word));
    let above = excludes("exclusiveMinimum", "minimum");
    let below = excludes("exclusiveMaximum", "maximum");
    let least = [bound("minimum"), above].into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
    let most = [bound("maximum"), below].into_iter().flatten().fold(f64::INFINITY, f64::min);
    let fits = |value: f64| {
        value >= least
            && value <= most
            && above.is_none_or(|above| value > above)
            && below.is_none_or(|below| value < below)
    };
    let start = if least > 0.0 {
        least
    } else if most < 0.0 {
        most
    } else {
        0.0
    };
    let value = match step {
        Some(step) => {
            let first = if most < 0.0 { (start / step).floor() } else { (start / step).ceil() };
            let direction = if most < 0.0 { -1.0 } else { 1.0 };
            (0..3)
                .map(|more| (first + direction * f64::from(more)) * step)
                .find(|value| fits(*value))
                .unwrap_or(start)
                + direction * step * variant as f64
        }
        None => {
            let candidates = [start, start + 1.0, start - 1.0, f64::midpoint(least, most)];
            let value = candidates.into_iter().find(|value| fits(*value)).unwrap_or(start);
            let next = value + variant as f64;
            if fits(next) {
                next
            } else {
                value + (most.min(value + 1.0) - value) * (variant as f64 / (variant as f64 + 1.0))
            }
        }
    };
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or(0.into(), Value::Number)
}

#[cfg(test)]
mod tests;
