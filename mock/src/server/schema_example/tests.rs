//! Values of schemas, checked by a small validator in this file that supports most of the keywords that are followed.

use super::*;
use proptest::prelude::*;
use regex::bytes::RegexBuilder;
use serde_json::json;

/// Returns the value of a schema, with members in the order of their names.
fn example_value(schema: &Value) -> Value {
    serde_json::from_str(&example_text(schema, &PropertyOrder::default())).expect("JSON")
}

/// Returns the first keyword that a value violates; `None` if it satisfies those that are checked.
fn violated(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let Value::Object(members) = schema else { return (schema == false).then(|| "false".to_owned()) };
    members.iter().find_map(|(word, bound)| {
        let holds = match word.as_str() {
            "$ref" => root
                .pointer(&bound.as_str()?[1..])
                .is_some_and(|target| violated(root, target, value).is_none()),
            "const" => bound == value,
            "enum" => bound.as_array()?.contains(value),
            "allOf" => bound.as_array()?.iter().all(|part| violated(root, part, value).is_none()),
            "anyOf" => bound.as_array()?.iter().any(|part| violated(root, part, value).is_none()),
            "oneOf" => {
                let holding = bound.as_array()?.iter().filter(|part| violated(root, part, value).is_none());
                holding.count() == 1
            }
            "type" => {
                let is = |name: &Value| match name.as_str() {
                    Some("integer") => value.is_i64() || value.is_u64(),
                    Some("number") => value.is_number(),
                    Some("string") => value.is_string(),
                    Some("boolean") => value.is_boolean(),
                    Some("null") => value.is_null(),
                    Some("array") => value.is_array(),
                    _ => value.is_object(),
                };
                bound.as_array().map_or_else(|| is(bound), |names| names.iter().any(is))
            }
            "properties" => bound.as_object()?.iter().all(|(name, property)| {
                value.get(name).is_none_or(|member| violated(root, property, member).is_none())
            }),
            "required" => {
                let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || bound.as_array()?.iter().all(has)
            }
            "minProperties" => value.as_object()?.len() as u64 >= bound.as_u64()?,
            "items" => value.as_array()?.iter().all(|item| violated(root, bound, item).is_none()),
            "minItems" => value.as_array()?.len() as u64 >= bound.as_u64()?,
            "maxItems" => value.as_array()?.len() as u64 <= bound.as_u64()?,
            "uniqueItems" => {
                let items = value.as_array()?;
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }
            "minLength" => value.as_str()?.chars().count() as u64 >= bound.as_u64()?,
            "maxLength" => value.as_str()?.chars().count() as u64 <= bound.as_u64()?,
            "pattern" => RegexBuilder::new(bound.as_str()?)
                .unicode(false)
                .build()
                .unwrap()
                .is_match(value.as_str()?.as_bytes()),
            // Decimals are read to within their last digit.
            "minimum" => value.as_f64()? >= bound.as_f64()? - 1e-12,
            "maximum" => value.as_f64()? <= bound.as_f64()? + 1e-12,
            "exclusiveMinimum" => value.as_f64() > bound.as_f64(),
            "exclusiveMaximum" => value.as_f64() < bound.as_f64(),
            "multipleOf" => (value.as_f64()? / bound.as_f64()?).fract().abs() < 1e-9,
            _ => true,
        };
        (!holds).then(|| format!("{word}: {bound} by {value}"))
    })
}

#[test]
fn a_value_satisfies_its_schema() {
    for schema in [
        json!({ "type": "string", "pattern": "^[A-Z]{2}\\d+$", "minLength": 9 }),
        json!({ "type": "string", "minLength": 20 }),
        json!({ "type": "string", "maxLength": 3 }),
        json!({ "type": "string", "minLength": 3, "maxLength": 3 }),
        json!({ "type": "array", "items": { "type": "integer" }, "minItems": 4, "uniqueItems": true }),
        json!({ "type": "array", "items": { "enum": ["a", "b", "c"] }, "minItems": 3, "uniqueItems": true }),
        json!({ "type": "array", "items": { "type": "string", "maxLength": 4 }, "minItems": 12, "uniqueItems": true }),
        json!({ "type": "integer", "minimum": 3, "multipleOf": 5 }),
        json!({ "type": "integer", "minimum": 1, "multipleOf": 1.5 }),
        json!({ "type": "integer", "exclusiveMinimum": 3 }),
        json!({ "type": "integer", "maximum": -7 }),
        json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
        json!({ "type": "number", "minimum": 0.25, "maximum": 0.3 }),
        json!({ "type": "number", "multipleOf": 0.5, "minimum": 1.2 }),
        json!({ "type": "object", "required": ["x"], "minProperties": 3 }),
        json!({ "type": ["null", "string"], "minLength": 2 }),
        json!({ "allOf": [{ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
                          { "properties": { "b": { "const": 1 } }, "required": ["b"] }] }),
        json!({ "minProperties": 1, "allOf": [{ "minProperties": 3 }] }),
        json!({ "anyOf": [{ "type": "integer", "minimum": 9 }, { "type": "null" }] }),
        json!({ "$defs": { "node": { "type": "object", "properties": {
                    "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } },
                    "required": ["name", "children"] } }, "$ref": "#/$defs/node" }),
        json!({ "$defs": { "tree": { "type": "object", "properties": { "next": { "$ref": "#/$defs/tree" } } } }, "$ref": "#/$defs/tree" }),
        json!({ "minimum": 4 }),
        json!({ "items": { "type": "boolean" }, "minItems": 2 }),
        json!({}),
        json!(true),
    ] {
        let value = example_value(&schema);
        assert_eq!(violated(&schema, &schema, &value), None, "{schema} got {value}");
    }
    let endless = json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" });
    assert!(example_value(&endless).is_object());
    let required = json!({ "$defs": { "a": { "properties": { "a": { "$ref": "#/$defs/a" } }, "required": ["a"] } }, "$ref": "#/$defs/a" });
    assert!(example_value(&required).is_object(), "no value satisfies it");
}

/// Returns the JSON of a schema's value, which must be made in less than ten seconds, also by a debug build.
fn made_quickly(schema: &Value) -> String {
    let start = tokio::time::Instant::now();
    let json = example_text(schema, &PropertyOrder::default());
    let (took, schema) = (start.elapsed(), schema.to_string());
    assert!(took < std::time::Duration::from_secs(10), "{took:?} for {:.200}", schema);
    json
}

/// Each of these schemas is short. Without bounds, its value would take at least 10^8 steps, or never end.
#[test]
fn a_schema_that_refers_to_itself_several_times_has_a_bounded_value() {
    let this = || json!({ "$ref": "#" });
    let twice = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }] } } });
    assert_eq!(made_quickly(&twice), "{}", "nothing is demanded");
    let chain = (0..100).map(|number| {
        let next = json!({ "$ref": format!("#/$defs/a{}", number + 1) });
        (format!("a{number}"), json!({ "allOf": [next, next], "anyOf": [next], "oneOf": [next] }))
    });
    let mut definitions = Map::from_iter(chain);
    definitions.insert("a100".to_owned(), json!({ "const": 7 }));
    assert_eq!(made_quickly(&json!({ "$ref": "#/$defs/a0", "$defs": definitions })), "7");
    for schema in [
        json!({ "properties": { "a": this(), "b": this() }, "required": ["a", "b"] }),
        json!({ "properties": { "a": this(), "b": this() } }),
        json!({ "required": ["a", "b", "c"], "additionalProperties": this() }),
        json!({ "minProperties": 10_000, "additionalProperties": this() }),
        json!({ "minItems": 10_000, "items": this() }),
        json!({ "minItems": 2, "uniqueItems": true, "items": this() }),
        json!({ "prefixItems": [this(), this(), this()] }),
        json!({ "minItems": 10_000, "items": { "minItems": 10_000, "items": { "minLength": 10_000 } } }),
        json!({ "minItems": 10_000, "items": { "const": "x".repeat(100_000) } }),
        json!({ "minItems": 10_000, "items": { "enum": [vec![0; 10_000]] } }),
        json!({ "minItems": 10_000, "items": { "pattern": "^(a|b){9000}$", "minLength": 9_000 } }),
        json!({ "minItems": 10_000, "items": { "required": ["x".repeat(100_000)] } }),
        json!({ "minItems": 10_000, "items": { "allOf": vec![true; 10_000] } }),
    ] {
        let json = made_quickly(&schema);
        assert!(json.len() < 100 << 20, "{} bytes for {:.200}", json.len(), schema.to_string());
        assert!(serde_json::from_str::<Value>(&json).is_ok());
    }
}

/// The time does not grow with the square of the number of names, also at a depth at which only the required members are made.
#[test]
fn an_object_with_many_required_members_is_made_quickly() {
    let names: Vec<String> = (0..140_000).map(|number| format!("name{number}")).collect();
    let properties: Map<String, Value> = names.iter().map(|name| (name.clone(), json!(true))).collect();
    let mut schema = json!({ "properties": properties, "required": names });
    for _ in 0..ENDING_DEPTH {
        schema = json!({ "prefixItems": [schema] });
    }
    assert!(made_quickly(&schema).contains("name139999"));
}

#[test]
fn a_string_has_the_format_that_its_schema_names() {
    for (format, expected) in [
        ("date", "2026-11-01"),
        ("date-time", "2026-11-01T12:00:00Z"),
        ("email", "user1@example.com"),
        ("uuid", "00000000-0000-4000-8000-000000000001"),
        ("ipv4", "192.0.2.1"),
        ("unknown", "example"),
    ] {
        assert_eq!(example_value(&json!({ "type": "string", "format": format })), json!(expected));
    }
}

fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..30u64, 0..30u64).prop_map(|(least, more)| json!({ "type": "string", "minLength": least, "maxLength": least + more })),
        (-50..50i64, 0..20i64).prop_map(|(least, more)| json!({ "type": "integer", "minimum": least, "maximum": least + more })),
        (-50..50i64, 1..9i64).prop_map(|(most, step)| json!({ "type": "integer", "maximum": most, "multipleOf": step })),
        (-5.0..5.0, 0.1..2.0).prop_map(|(least, more): (f64, f64)| json!({ "type": "number", "exclusiveMinimum": least, "maximum": least + more })),
        Just(json!({ "enum": ["a", 2, null] })),
        Just(json!({ "type": "boolean" })),
        Just(json!({ "type": "string", "pattern": "^[a-f]{2,}-(x|y)$", "minLength": 7 })),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0..4u64).prop_map(|(items, least)| json!({ "type": "array", "items": items, "minItems": least })),
            prop::collection::btree_map("[a-d]", inner.clone(), 0..4).prop_map(|properties| {
                let required: Vec<_> = properties.keys().cloned().collect();
                json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
            }),
            prop::collection::vec(inner, 1..3).prop_map(|alternatives| json!({ "anyOf": alternatives })),
        ]
    })
}

proptest! {
    #[test]
    fn values_of_arbitrary_schemas_satisfy_them(schema in schemas()) {
        let value = example_value(&schema);
        prop_assert_eq!(violated(&schema, &schema, &value), None, "{} got {}", schema, value);
    }
}

/// Generates schemas that refer to themselves: through optional members, through members with other alternatives such as null, or
/// through arrays that may be empty.
fn recursive_schemas() -> impl Strategy<Value = Value> {
    let node = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let others = prop_oneof![Just(node("a")), Just(node("b")), Just(node("c"))];
    let leaf = prop_oneof![
        Just(json!({ "type": "number", "minimum": 3 })),
        Just(json!({ "type": "string" })),
        Just(json!({ "type": ["null", "boolean"] })),
    ];
    let member = prop_oneof![
        leaf.prop_map(|leaf| (leaf, true)),
        (others.clone(), any::<bool>(), any::<bool>()).prop_map(|(other, is_first, is_one)| {
            let (word, end) = (if is_one { "oneOf" } else { "anyOf" }, json!({ "type": "null" }));
            (json!({ word: if is_first { [other, end] } else { [end, other] } }), true)
        }),
        (others.clone(), others.clone()).prop_map(|(one, other)| {
            let nested = json!({ "anyOf": [other, { "type": "string" }] });
            (json!({ "anyOf": [one, nested] }), true)
        }),
        (others.clone(), 0..2usize).prop_map(|(other, least)| {
            let item = if least > 0 { json!({ "anyOf": [other, { "const": 1 }] }) } else { other };
            (json!({ "type": "array", "items": item, "minItems": least }), true)
        }),
        (others.clone(), any::<bool>()).prop_map(|(other, is_part)| {
            (if is_part { json!({ "allOf": [other] }) } else { other }, false)
        }),
    ];
    let object = prop::collection::btree_map("[a-e]", member, 1..5).prop_map(|members| {
        let required: Vec<&String> = members.iter().filter(|(_, (_, is_required))| *is_required).map(|(name, _)| name).collect();
        let properties: Map<String, Value> = members.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    });
    [object.clone(), object.clone(), object]
        .prop_map(|[a, b, c]| json!({ "$ref": "#/$defs/a", "$defs": { "a": a, "b": b, "c": c } }))
}

proptest! {
    /// Law: the value of a schema ends if any of its values can, even if the schema refers to itself in every first alternative.
    #[test]
    fn values_of_schemas_that_refer_to_themselves_end_and_satisfy_them(schema in recursive_schemas()) {
        let value = example_value(&schema);
        prop_assert_eq!(violated(&schema, &schema, &value), None, "{} got {}", schema, value);
    }
}

#[test]
fn values_of_linked_lists_and_other_recursive_schemas_end() {
    let node = json!({ "type": "object", "required": ["value", "next"], "properties": {
        "value": { "type": "number" }, "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] } } });
    let schema = json!({ "$ref": "#/$defs/node", "$defs": { "node": node } });
    let value = example_value(&schema);
    assert_eq!(violated(&schema, &schema, &value), None, "{value}");
    assert!(value["next"]["next"].is_object(), "not at once: {value}");
    let deep = json!({ "$defs": { "a": { "type": ["object", "null"], "required": ["a"], "properties": { "a": { "$ref": "#/$defs/a" } } } }, "$ref": "#/$defs/a" });
    assert_eq!(violated(&deep, &deep, &example_value(&deep)), None, "a type may be null");
    let least = json!({ "$defs": { "a": { "type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
        "x": { "type": "integer" }, "a": { "anyOf": [{ "$ref": "#/$defs/a" }, { "type": "null" }] } } } }, "$ref": "#/$defs/a" });
    assert_eq!(
        violated(&least, &least, &example_value(&least)),
        None,
        "members that are demanded are made of known ones"
    );
}

/// A schema may refer to itself so often that six levels of its value would be too large: it still has a value that satisfies it.
#[test]
fn the_value_of_a_wide_schema_that_refers_to_itself_ends() {
    let members = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|name| (name.to_owned(), json!({ "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] })));
    let mut properties = Map::from_iter(members);
    properties.insert("value".to_owned(), json!({ "type": "number", "minimum": 1 }));
    let node = json!({ "type": "object", "properties": properties, "required": ["value", "a", "b"], "additionalProperties": false });
    let schema = json!({ "$ref": "#/$defs/node", "$defs": { "node": node } });
    let value = serde_json::from_str(&made_quickly(&schema)).unwrap();
    assert_eq!(violated(&schema, &schema, &value), None);
}

/// Members come in the order in which the body of the request has the properties, also those of merged schemas.
#[test]
fn members_have_the_order_of_the_properties() {
    let text = |body: &str| {
        let schema: Value = serde_json::from_str(body).unwrap();
        example_text(&schema, &PropertyOrder::of_body(body.as_bytes()))
    };
    let properties = r#"{"zebra": {"type": "boolean"}, "mid": {"properties": {"y": {"const": 1}, "x": {"const": 2}}}, "apple": {"const": 3}}"#;
    let expected = r#"{"zebra":false,"mid":{"y":1,"x":2},"apple":3}"#;
    assert_eq!(text(&format!(r#"{{"type": "object", "properties": {properties}}}"#)), expected);
    assert_eq!(
        text(&format!(
            r##"{{"$ref": "#/$defs/a", "$defs": {{"a": {{"properties": {properties}, "required": ["apple", "zebra"]}}}}}}"##
        )),
        expected
    );
    let merged = r#"{"allOf": [{"properties": {"b": {"const": 1}, "a": {"const": 2}}}, {"properties": {"0": {"const": 3}, "a": {}}}]}"#;
    assert_eq!(text(merged), r#"{"b":1,"a":2,"0":3}"#);
    assert_eq!(
        text(r#"{"properties": {"a": {"const": 1}, "b": {"const": 2}}, "propertyOrdering": ["b"]}"#),
        r#"{"b":2,"a":1}"#
    );
    assert_eq!(text(r#"{"properties": {"b": {"const": 1}}, "required": ["z", "b"]}"#), r#"{"b":1,"z":{}}"#);
    assert_eq!(
        example_text(&json!({ "properties": { "b": {}, "a": {} } }), &PropertyOrder::of_body(b"no JSON")),
        r#"{"a":{},"b":{}}"#
    );
}

/// Gemini's schemas have their types in upper case.
#[test]
fn types_in_upper_case_are_read_like_those_in_lower_case() {
    let schema = json!({ "type": "OBJECT", "properties": { "city": { "type": "STRING" }, "days": { "type": "INTEGER", "minimum": 2 } },
        "required": ["city", "days"] });
    let example = example_value(&schema);
    assert!(example["city"].is_string() && example["days"].as_i64() >= Some(2), "{example}");
    assert!(example_value(&json!({ "type": ["NULL", "BOOLEAN"] })).is_boolean());
}
