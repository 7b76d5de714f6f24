//! The normal form of a request for a chat completion. Requests with the same form are equivalent, whatever client sent them.

use crate::journal::fingerprint;
use serde_json::{Map, Value};

/// The parts of a request that must equal those of a recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordedRequest {
    /// The messages and the tools as JSON, whose members are in alphabetical order.
    pub(super) text: String,
    /// For each message, the fingerprint of the part of the conversation that ends with it.
    pub(super) prefixes: Vec<u64>,
}

impl RecordedRequest {
    /// Returns the normal form of the body of a request.
    ///
    /// The form does not contain the model, the ids of tool calls, or members other than `messages` and `tools`. Of each message
    /// it contains the role, the name, the content and the calls. The role `developer` becomes `system`, and a content with a
    /// single text part becomes that text. Arguments are compared as JSON, and the order of the tools is ignored.
    ///
    /// # Errors
    /// The reason why it is not a request for a chat completion.
    pub(super) fn new(body: &Value) -> Result<Self, &'static str> {
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or("the request has no `messages`")?;
        let (mut all, mut prefixes) = (Vec::new(), Vec::new());
        let mut conversation = 0_u64;
        for message in messages {
            let message =
                normal_message(message).ok_or("a message of the request is not an object with a `role`")?;
            let message = message.to_string();
            let bytes = [&conversation.to_le_bytes(), message.as_bytes()].concat();
            conversation = fingerprint(None, &bytes);
            prefixes.push(conversation);
            all.push(message);
        }
        let mut tools: Vec<String> = match &body["tools"] {
            Value::Array(tools) => tools.iter().map(|tool| without_nulls(tool).to_string()).collect(),
            _ => Vec::new(),
        };
        tools.sort_unstable();
        Ok(Self { text: format!("[{}]{}", all.join(","), tools.join(",")), prefixes })
    }
}

/// Returns the normal form of a message; `None` if it is not an object with a role.
fn normal_message(message: &Value) -> Option<Value> {
    let role = match message["role"].as_str()? {
        "developer" => "system",
        role => role,
    };
    let mut normal = Map::new();
    normal.insert("role".to_owned(), role.into());
    let mut insert = |name: &str, value: Value| {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_empty {
            normal.insert(name.to_owned(), value);
        }
    };
    insert("name", message["name"].clone());
    insert("content", normal_content(&message["content"]));
    let calls = message["tool_calls"].as_array().map(|calls| calls.iter().map(normal_call).collect());
    insert("tool_calls", calls.unwrap_or_default());
    insert(
        "function_call",
        Some(&message["function_call"]).filter(|call| call.is_object()).map(normal_call).unwrap_or_default(),
    );
    Some(Value::Object(normal))
}

fn normal_content(content: &Value) -> Value {
    match content.as_array().map(Vec::as_slice) {
        Some([part]) if part["type"] == "text" && part["text"].is_string() => part["text"].clone(),
        _ => without_nulls(content),
    }
}

/// Returns the normal form of a tool call: the name of its function, and its arguments.
fn normal_call(call: &Value) -> Value {
    let function = call.get("function").unwrap_or(call);
    let arguments = match &function["arguments"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        arguments => arguments.clone(),
    };
    Value::Array(vec![function["name"].clone(), arguments])
}

/// Returns a copy of a value without members that are null: some clients send null where others omit the member.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equivalent_requests_have_the_same_form() {
        let form = |messages: Value, tools: Value| {
            RecordedRequest::new(&json!({ "model": "m", "messages": messages, "tools": tools })).unwrap().text
        };
        let tool = |name: &str| json!({ "type": "function", "function": { "name": name, "strict": null } });
        let call = |id: &str, arguments: &str| {
            json!({ "role": "assistant", "content": null, "refusal": null,
                "tool_calls": [{ "id": id, "type": "function", "function": { "name": "f", "arguments": arguments } }] })
        };
        let result = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "1" });
        for (one, other) in [
            (
                json!([{ "role": "user", "content": "a" }]),
                json!([{ "content": [{ "type": "text", "text": "a" }], "role": "user" }]),
            ),
            (
                json!([{ "role": "system", "content": "a" }]),
                json!([{ "role": "developer", "content": "a", "name": null }]),
            ),
            (
                json!([call("x", r#"{"a":1,"b":2}"#), result("x")]),
                json!([call("y", r#"{ "b": 2, "a": 1 }"#), result("y")]),
            ),
        ] {
            assert_eq!(
                form(one.clone(), json!([tool("f"), tool("g")])),
                form(other.clone(), json!([tool("g"), tool("f")]))
            );
            assert_ne!(form(one, json!([tool("f")])), form(other, Value::Null), "tools count");
        }
        let user = |content: Value| form(json!([{ "role": "user", "content": content }]), Value::Null);
        let texts = [user(json!("a")), user(json!("a ")), user(json!("A"))];
        assert!(texts[0] != texts[1] && texts[0] != texts[2], "texts are compared exactly");
        assert_ne!(
            form(json!([call("x", "{}")]), Value::Null),
            form(json!([call("x", r#"{"a":1}"#)]), Value::Null)
        );
        assert!(RecordedRequest::new(&json!({ "messages": [] })).is_err());
        assert!(RecordedRequest::new(&json!({ "messages": ["a"] })).is_err());
    }

    #[test]
    fn a_conversation_shares_the_prefixes_of_a_shorter_one() {
        let of = |texts: &[&str]| {
            let messages: Vec<_> =
                texts.iter().map(|text| json!({ "role": "user", "content": text })).collect();
            RecordedRequest::new(&json!({ "messages": messages })).unwrap().prefixes
        };
        assert_eq!(of(&["a", "b"])[..1], of(&["a"]));
        assert_ne!(of(&["a", "b"])[1], of(&["b", "b"])[1]);
    }
}
