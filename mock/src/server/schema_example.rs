//! A JSON text that satisfies a JSON Schema.
//!
//! These keywords are followed: `$ref` within the schema, `const`, `enum`, `allOf`, one alternative of `anyOf` and `oneOf`,
//! `type`, `nullable`; `properties`, `required`, `minProperties`, and `additionalProperties` for members that these demand;
//! `propertyOrdering`; `items`, `prefixItems`, `minItems`, `maxItems`, `uniqueItems`; `minLength`, `maxLength`, `pattern`,
//! `format`; `minimum`, `maximum`, both exclusive ones, `multipleOf`. Others (`not`, `if`, `contains`, `patternProperties`, …) are
//! ignored, so the value may violate them. The value of a schema that contradicts itself violates it, too.
//!
//! Members come in the order of `properties`, as models write them. Normally the first alternative is taken and every optional
//! member is written. Deep in a value, the alternative that ends soonest is taken (`ending.rs`) and optional members are left
//! out.

mod ending;
mod number;
mod property_order;

pub(super) use property_order::PropertyOrder;

use super::pattern_example::example_of_pattern;
use super::work_budget::{WorkBudget, text_steps};
use number::number;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The depth from which on values end as soon as they can, since a schema may refer to itself: only required members are written.
const ENDING_DEPTH: usize = 6;
/// If fewer steps than this are left, all further values end as soon as they can, so that the values that were begun can be
/// completed.
const STEPS_TO_END: usize = MAX_STEPS / 2;
/// The depth at which every value is `null`.
const MAX_DEPTH: usize = 60;
/// Maximum number of items, members or characters that a minimum asks for. A larger minimum is not satisfied.
const MAX_SIZE: u64 = 10_000;
/// Maximum number of steps for one value, as [`WorkBudget`] counts them: less than a second. Further values are `null`.
const MAX_STEPS: usize = 300_000;
/// Maximum number of steps of the search for alternatives that end soonest. After that, the first alternative is taken.
const MAX_SEARCH_STEPS: usize = 100_000;

/// The text of strings that the schema does not fix.
const FILLER: &str = "example";

/// Returns the JSON text of a value that satisfies a schema as far as the module follows it, with the members of objects in `order`.
pub(super) fn example_text(schema: &Value, order: &PropertyOrder) -> String {
    let (budget, search) = (WorkBudget::new(MAX_STEPS), WorkBudget::new(MAX_SEARCH_STEPS));
    let mut text = String::new();
    Example { root: schema, order, budget, search }.write(&mut text, schema, 0, 0);
    text
}

struct Example<'s> {
    /// The whole schema, in which references are looked up.
    root: &'s Value,
    order: &'s PropertyOrder,
    budget: WorkBudget,
    /// The steps that are left for searches of alternatives.
    search: WorkBudget,
}

impl Example<'_> {
    /// Writes a value. If the schema allows it, two `variant`s give different numbers, strings, booleans or elements of `enum`;
    /// `variant` has no effect on arrays and objects.
    fn write(&self, text: &mut String, schema: &Value, variant: usize, depth: usize) {
        if depth >= MAX_DEPTH {
            return text.push_str(NULL);
        }
        let ends_soon = depth >= ENDING_DEPTH || self.budget.remaining() < STEPS_TO_END;
        let merged = self.merged(schema, ends_soon);
        let schema = &*merged;
        if self.budget.is_exhausted() {
            return text.push_str(NULL); // The merged schema may lack parts.
        }
        if let Some(value) = schema.get("const") {
            return self.copy(text, value);
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return self.copy(text, &values[variant % values.len()]);
        }
        if ends_soon && ending::may_be_null(schema) {
            return text.push_str(NULL);
        }
        match type_of(schema) {
            "string" => self.string(text, schema, variant),
            "integer" => push(text, &number(schema, variant, true)),
            "number" => push(text, &number(schema, variant, false)),
            "boolean" => push(text, &(variant % 2 == 1).into()),
            "null" => text.push_str(NULL),
            "array" => self.array(text, schema, depth),
            _ => self.object(text, schema, depth, ends_soon),
        }
    }

    fn copy(&self, text: &mut String, value: &Value) {
        if self.budget.charge_copy(value) { push(text, value) } else { text.push_str(NULL) }
    }

    /// Returns a schema with its reference resolved, and its `allOf` and one of its alternatives merged into it: the first, or if
    /// `ends_soon` the one whose values end soonest. The names of its properties in their order are added as `propertyOrdering`.
    fn merged<'v>(&'v self, schema: &'v Value, ends_soon: bool) -> Cow<'v, Value> {
        let parts = self.parts(schema, ends_soon);
        if parts.len() < 2 {
            return Cow::Borrowed(schema);
        }
        let (mut merged, mut order) = (Map::new(), Vec::new());
        for part in parts {
            self.merge(&mut merged, part);
            if !self.budget.is_exhausted() {
                order.extend(self.order.of(part).into_iter().map(|name| Value::String(name.to_owned())));
            }
        }
        if !order.is_empty() {
            merged.insert("propertyOrdering".to_owned(), order.into());
        }
        Cow::Owned(merged.into())
    }

    /// Returns the schemas that hold together with a schema, each once: itself, the one to which it refers, those of its
    /// `allOf` and one of its alternatives, each followed by its own.
    fn parts<'v>(&'v self, schema: &'v Value, ends_soon: bool) -> Vec<&'v Map<String, Value>> {
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
            let all = members.get("allOf").and_then(Value::as_array).into_iter().flatten();
            let one = ALTERNATIVES.into_iter().filter_map(|word| {
                let alternatives = members.get(word)?.as_array()?;
                let index = if ends_soon { self.ending_soonest(alternatives) } else { 0 };
                alternatives.get(index)
            });
            let start = open.len();
            open.extend(self.referenced(members).into_iter().chain(all).chain(one));
            open[start..].reverse(); // The last one is followed first.
        }
        parts
    }

    /// Returns the schema to which a schema refers.
    fn referenced(&self, members: &Map<String, Value>) -> Option<&Value> {
        let pointer = members.get("$ref").and_then(Value::as_str)?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    /// Adds the keywords of `others` to `members`. If both have a bound, the stricter is kept. Properties and required names are
    /// joined. For any other keyword that both have, the value of `members` is kept.
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

    fn array(&self, text: &mut String, schema: &Value, depth: usize) {
        let prefix = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        let count = array_length(schema);
        if !self.budget.charge(count) {
            return text.push_str(NULL);
        }
        let is_unique = schema["uniqueItems"] == true;
        text.push('[');
        for index in 0..count {
            if index > 0 {
                text.push(',');
            }
            let item = prefix.get(index).unwrap_or(&schema["items"]);
            self.write(text, item, if is_unique { index } else { 0 }, depth + 1);
        }
        text.push(']');
    }

    fn object(&self, text: &mut String, schema: &Value, depth: usize, ends_soon: bool) {
        let required = || schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let properties = schema["properties"].as_object();
        let least = usize::try_from(schema["minProperties"].as_u64().unwrap_or(0).min(MAX_SIZE)).unwrap_or(0);
        let names = required().chain(properties.into_iter().flatten().map(|(name, _)| name.as_str()));
        if !self.budget.charge(1 + least + names.map(|name| text_steps(name.len())).sum::<usize>()) {
            return text.push_str(NULL);
        }
        let is_required: BTreeSet<&str> = required().collect();
        let known = self.order.of_schema(schema);
        // Optional members are written unless the value ends soon; then only as many as `minProperties` demands.
        let optional = known.iter().filter(|name| !is_required.contains(**name)).count();
        let wanted = if ends_soon { least.saturating_sub(is_required.len()).min(optional) } else { optional };
        let mut members = Members { example: self, text, schema, depth, written: BTreeSet::new() };
        members.text.push('{');
        let mut left = wanted;
        for name in known {
            let is_written = is_required.contains(name) || left > 0;
            left -= usize::from(is_written && !is_required.contains(name));
            if is_written {
                members.write(name);
            }
        }
        required().for_each(|name| members.write(name));
        for number in 0..least {
            if members.written.len() >= least {
                break;
            }
            members.write(&format!("{FILLER}{number}"));
        }
        members.text.push('}');
    }

    /// Writes a string that matches the pattern of a schema (and has its minimum length, if repetition makes it long enough),
    /// otherwise one of its format, and otherwise one of its length.
    fn string(&self, text: &mut String, schema: &Value, variant: usize) {
        let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0).min(MAX_SIZE)).unwrap_or(0);
        if !self.budget.charge(text_steps(least)) {
            return text.push_str(NULL);
        }
        let pattern = schema["pattern"].as_str();
        let matching = pattern.and_then(|pattern| example_of_pattern(pattern, least, variant, &self.budget));
        let formatted = || schema["format"].as_str().and_then(|format| of_format(format, variant));
        let string = matching.or_else(formatted).unwrap_or_else(|| of_length(schema, least, variant));
        push(text, &string.into());
    }
}

/// Writes the members of an object, each once.
struct Members<'m, 's> {
    example: &'m Example<'s>,
    text: &'m mut String,
    schema: &'m Value,
    depth: usize,
    /// The names of the members that were written.
    written: BTreeSet<String>,
}

impl Members<'_, '_> {
    fn write(&mut self, name: &str) {
        if !self.written.insert(name.to_owned()) {
            return;
        }
        if self.written.len() > 1 {
            self.text.push(',');
        }
        push(self.text, &name.into());
        self.text.push(':');
        let property = self.schema["properties"].get(name).unwrap_or(&self.schema["additionalProperties"]);
        self.example.write(self.text, property, 0, self.depth + 1);
    }
}

/// The keywords with alternatives, of which one is taken.
const ALTERNATIVES: [&str; 2] = ["anyOf", "oneOf"];
const NULL: &str = "null";

/// Appends the JSON text of a value.
fn push(text: &mut String, value: &Value) {
    write!(text, "{value}").expect("invariant: a string takes any text");
}

/// Returns the number of items that an array has.
fn array_length(schema: &Value) -> usize {
    let prefix = schema["prefixItems"].as_array().map_or(0, Vec::len);
    let least = schema["minItems"].as_u64().unwrap_or(0).min(MAX_SIZE);
    let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
    usize::try_from(least.max(prefix as u64).min(most)).unwrap_or(0)
}

/// The names of types. Gemini writes them in upper case.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Returns the type of a schema's value: the type that it names, or the first of several that is not null; if it names none, the
/// type to which its keywords belong.
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

/// Returns a text of at least `least` characters, and at most `maxLength` unless the digits of `variant` need more.
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

#[cfg(test)]
mod tests;
