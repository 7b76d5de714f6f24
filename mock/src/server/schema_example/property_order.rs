//! The order of the properties of schemas, read from the body of a request: parsed values do not keep it.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The names of the members of every object called `properties` in a body, in their order. If two of these objects have the same
/// names, the order of the first applies to both.
#[derive(Debug, Default)]
pub(in crate::server) struct PropertyOrder(BTreeMap<BTreeSet<String>, Vec<String>>);

impl PropertyOrder {
    /// Reads the order from the body of a request; empty if it is not JSON.
    pub(in crate::server) fn of_body(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Returns the names of the properties that a part of a schema states, in their order.
    pub(super) fn of<'v>(&'v self, part: &'v Map<String, Value>) -> Vec<&'v str> {
        let Some(Value::Object(properties)) = part.get("properties") else { return Vec::new() };
        // Gemini's keyword, which the merged parts of a schema have as well.
        let stated = part.get("propertyOrdering").and_then(Value::as_array).into_iter().flatten();
        let stated = stated.filter_map(Value::as_str).filter(|name| properties.contains_key(*name));
        let read = self.0.get(&properties.keys().cloned().collect()).into_iter().flatten();
        let mut known = BTreeSet::new();
        let names = stated.chain(read.map(String::as_str)).chain(properties.keys().map(String::as_str));
        names.filter(|name| known.insert(*name)).collect()
    }

    /// Returns the names of the properties of a schema, in their order.
    pub(super) fn of_schema<'v>(&'v self, schema: &'v Value) -> Vec<&'v str> {
        schema.as_object().map_or_else(Vec::new, |part| self.of(part))
    }
}

impl<'de> Deserialize<'de> for PropertyOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut order = Self::default();
        Reader { order: &mut order, are_properties: false }.deserialize(deserializer)?;
        Ok(order)
    }
}

/// Reads one value.
struct Reader<'o> {
    order: &'o mut PropertyOrder,
    /// `true` if the value is called `properties`.
    are_properties: bool,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Reader { order: self.order, are_properties: name == "properties" })?;
            if self.are_properties {
                names.push(name);
            }
        }
        if self.are_properties {
            self.order.0.entry(names.iter().cloned().collect()).or_insert(names);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Reader { order: self.order, are_properties: false })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}
