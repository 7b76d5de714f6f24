//! Finds the alternative of a schema whose values end soonest, so that the value of a schema that refers to itself ends.

use super::{ALTERNATIVES, Example, array_length, type_of};
use serde_json::Value;
use std::collections::BTreeSet;

/// Maximum number of levels that are searched. If no alternative ends within them, the first is taken.
const MAX_LEVELS: usize = 12;

/// Returns `true` if the keywords of a schema, without those of its other parts, allow `null` besides other types.
pub(super) fn may_be_null(schema: &Value) -> bool {
    let named = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // OpenAPI's and Gemini's keyword.
    schema["nullable"] == true || named.into_iter().any(|name| name.eq_ignore_ascii_case("null"))
}

impl Example<'_> {
    /// Returns the index of the alternative whose values can end in the fewest levels; the first of them, if there are several.
    pub(super) fn ending_soonest(&self, alternatives: &[Value]) -> usize {
        let ends = |levels: usize| alternatives.iter().position(|schema| self.ends_within(schema, levels));
        (0..=MAX_LEVELS).find_map(ends).unwrap_or(0)
    }

    /// Returns `true` if a schema has a value of at most this many levels below its own. Only required members and the minimum
    /// number of items are considered.
    fn ends_within(&self, schema: &Value, levels: usize) -> bool {
        let (mut known, mut open) = (BTreeSet::new(), vec![schema]);
        let mut parts: Vec<&Value> = Vec::new();
        while let Some(schema) = open.pop() {
            if !self.search.charge(1) {
                return false;
            }
            let Value::Object(members) = schema else { continue };
            if known.insert(std::ptr::from_ref(members)) {
                parts.push(schema);
                let all = schema["allOf"].as_array().into_iter().flatten();
                open.extend(self.referenced(members).into_iter().chain(all));
            }
        }
        let is_fixed = |part: &&Value| part.get("const").is_some() || part.get("enum").is_some();
        parts.iter().any(is_fixed) || parts.iter().all(|part| self.part_ends_within(part, &parts, levels))
    }

    /// Returns `true` if a part of a schema lets its value end within this many levels. `parts` are all parts of the schema,
    /// which may have the schemas of members that this part requires.
    fn part_ends_within(&self, part: &Value, parts: &[&Value], levels: usize) -> bool {
        let below = |schema: &Value| levels > 0 && self.ends_within(schema, levels - 1);
        let has_ending = |word: &str| {
            let alternatives = part[word].as_array().filter(|alternatives| !alternatives.is_empty());
            alternatives.is_none_or(|alternatives| alternatives.iter().any(below))
        };
        if !ALTERNATIVES.into_iter().all(has_ending) {
            return false;
        }
        let stated = |name: &str| parts.iter().find_map(|part| part["properties"].get(name));
        let additional = || parts.iter().find_map(|part| part.get("additionalProperties"));
        let property = |name: &str| stated(name).or_else(additional);
        let required = part["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match type_of(part) {
            _ if may_be_null(part) => true,
            "object" => required.into_iter().all(|name| property(name).is_none_or(below)),
            "array" => {
                let prefix = part["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
                let items = part.get("items").filter(|_| array_length(part) > prefix.len());
                prefix.iter().chain(items).all(below)
            }
            _ => true,
        }
    }
}
