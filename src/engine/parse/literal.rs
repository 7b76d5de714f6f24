//! Parses object literals as programs print them: JSON, Python dictionaries and Node's inspected objects.
//!
//! ```text
//!  {"error": {"code": null}}              JSON
//!  {'error': {'code': None, 'ok': True}}  Python; adjacent strings are one string, b'…' and u'…' are strings
//!  { error: { code: undefined } }         Node; 'a' + 'b' is one string, [Object] and Headers { … } may occur
//! ```
//!
//! Gateways put such prints into the message of their own errors, so they also occur on the wire.

use serde_json::{Map, Number, Value};

/// The maximum nesting of a literal.
const MAX_DEPTH: usize = 32;
/// The maximum number of `{` at which [`embedded`] tries to read an object, which bounds its time.
const MAX_STARTS: usize = 64;

/// An object found in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Where its text starts, in bytes.
    pub start: usize,
    /// Where its text ends, in bytes, exclusive.
    pub end: usize,
    /// The object.
    pub value: Value,
    /// `true` if the text ended inside the object. Members that may have been cut are left out, except that a string
    /// keeps its beginning, without a last word that may have been cut.
    pub cut: bool,
}

/// Returns the objects with members in a text, in order, without those inside others. `allow_cut`: the last one may lack its
/// end.
#[must_use]
pub fn embedded(text: &str, allow_cut: bool) -> Vec<Embedded> {
    let mut found = Vec::new();
    let mut from = 0;
    for _ in 0..MAX_STARTS {
        let Some(start) = text[from..].find('{').map(|at| from + at) else { break };
        match object_at(&text[start..], allow_cut) {
            Some((Value::Object(fields), length, cut)) if !fields.is_empty() => {
                from = start + length;
                found.push(Embedded { start, end: from, value: Value::Object(fields), cut });
            }
            _ => from = start + 1,
        }
    }
    found
}

/// Parses the object at the start of a text. Returns it with the length of its text and whether it was cut.
fn object_at(text: &str, allow_cut: bool) -> Option<(Value, usize, bool)> {
    let mut parser = Parser { text, at: 0, cut: false };
    let value = parser.value(0)?;
    (allow_cut || !parser.cut).then_some((value, parser.at, parser.cut))
}

/// A parser of one literal.
struct Parser<'a> {
    text: &'a str,
    /// The position of the next byte.
    at: usize,
    /// The text ended inside the literal.
    cut: bool,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, c: char) -> bool {
        let is_next = self.peek() == Some(c);
        self.at += if is_next { c.len_utf8() } else { 0 };
        is_next
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes a name such as `None`, `content-type` or `Headers`, which may be empty.
    fn word(&mut self) -> String {
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '+');
        let end = self.rest().find(|c| !is_of_word(c)).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    /// Parses a value. Returns `None` if the text is not a literal, or if a value that was cut cannot be kept.
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match self.peek() {
            None => {
                self.cut = true;
                None
            }
            Some('{') => self.object(depth),
            Some('[') => self.list(depth, '[', ']'),
            Some('(') => self.list(depth, '(', ')'),
            Some('"' | '\'' | '`') => self.strings().map(Value::String),
            Some('<') => self.opaque('<', '>'),
            Some(_) => self.named(depth),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.skip('{');
        let mut fields = Map::new();
        loop {
            self.skip_space();
            if self.skip('}') {
                break;
            }
            if self.skip(',') {
                continue;
            }
            let Some(key) = self.key() else {
                // What was read before the cut is kept.
                if self.cut {
                    break;
                }
                return None;
            };
            match self.value(depth + 1) {
                Some(value) => {
                    fields.insert(key, value);
                }
                None if !self.cut => return None,
                None => {}
            }
            if self.cut {
                break;
            }
        }
        Some(Value::Object(fields))
    }

    /// Parses a key with the colon or, in a printed map, the arrow after it.
    fn key(&mut self) -> Option<String> {
        let key = match self.peek() {
            Some('"' | '\'' | '`') => self.string()?,
            // Node prints symbols as `[Symbol(name)]`.
            Some('[') => {
                self.opaque('[', ']')?;
                "[symbol]".to_owned()
            }
            _ => self.word(),
        };
        self.skip_space();
        if self.rest().is_empty() {
            self.cut = true;
            return None;
        }
        let is_key = !key.is_empty() && (self.skip(':') || (self.skip('=') && self.skip('>')));
        is_key.then_some(key)
    }

    fn list(&mut self, depth: usize, open: char, close: char) -> Option<Value> {
        let start = self.at;
        self.skip(open);
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.skip(close) {
                break;
            }
            if self.skip(',') {
                continue;
            }
            match self.value(depth + 1) {
                Some(value) => items.push(value),
                None if self.cut => break,
                // `[Object]`, `[Circular *1]`.
                None => {
                    self.at = start;
                    return self.opaque(open, close);
                }
            }
            if self.cut {
                break;
            }
        }
        Some(Value::Array(items))
    }

    /// Skips a bracketed text that has no value, such as `[Object]`.
    fn opaque(&mut self, open: char, close: char) -> Option<Value> {
        let start = self.at;
        self.skip(open);
        let Some(end) = self.rest().find([close, '\n']) else {
            self.at = self.text.len();
            self.cut = true;
            return None;
        };
        self.at += end;
        let is_closed = self.skip(close);
        if !is_closed {
            self.at = start;
        }
        is_closed.then_some(Value::Null)
    }

    /// Parses a string and those that follow it: adjacent ones as in Python, or joined by `+` as in Node.
    fn strings(&mut self) -> Option<String> {
        let mut text = self.string()?;
        loop {
            let end = self.at;
            self.skip_space();
            if self.skip('+') {
                self.skip_space();
            }
            if self.cut || !matches!(self.peek(), Some('"' | '\'' | '`')) {
                self.at = end;
                return Some(text);
            }
            text.push_str(&self.string()?);
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.at += quote.len_utf8();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Some(text),
                '\\' => self.escape(&mut text),
                _ => text.push(c),
            }
        }
        self.cut = true;
        // The last word or number may be incomplete.
        let whole = text.trim_end_matches(|c: char| c.is_alphanumeric() || c == '.').len();
        text.truncate(whole);
        Some(text)
    }

    /// Takes the rest of an escape sequence.
    fn escape(&mut self, text: &mut String) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        let digits = match c {
            'n' => return text.push('\n'),
            't' => return text.push('\t'),
            'r' | '\n' => return,
            'u' => 4,
            'x' => 2,
            _ => return text.push(c),
        };
        let code = self.rest().get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else { return };
        self.at += digits;
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    }

    /// Parses a number, a constant, a prefixed string, or an object or call with the name of its class before it.
    fn named(&mut self, depth: usize) -> Option<Value> {
        let word = self.word();
        if self.rest().is_empty() {
            self.cut = true;
            return None;
        }
        if matches!(word.as_str(), "b" | "u" | "r" | "f") && matches!(self.peek(), Some('"' | '\'')) {
            return self.strings().map(Value::String);
        }
        let constant = match word.as_str() {
            "true" | "True" => Some(Value::Bool(true)),
            "false" | "False" => Some(Value::Bool(false)),
            "null" | "None" | "undefined" | "NaN" => Some(Value::Null),
            _ => number(&word),
        };
        if constant.is_some() || word.is_empty() {
            return constant;
        }
        self.of_class(depth)
    }

    /// Parses what follows the name of a class: `Headers { … }`, `Headers({…})`, `Map(1) { … }`.
    fn of_class(&mut self, depth: usize) -> Option<Value> {
        self.skip_space();
        if self.skip('(') {
            let inner = self.value(depth + 1);
            self.skip_space();
            self.skip(',');
            if inner.is_some() && !self.cut && !self.skip(')') {
                return None;
            }
            self.skip_space();
            if self.peek() != Some('{') {
                return inner;
            }
        }
        // `Foo [name] {`.
        if self.peek() == Some('[') {
            self.opaque('[', ']')?;
            self.skip_space();
        }
        if self.peek() == Some('{') { self.object(depth) } else { None }
    }
}

/// Parses a number as JSON does, with the underscores that Node prints in large ones.
fn number(word: &str) -> Option<Value> {
    let word = word.replace('_', "");
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    serde_json::from_str::<Number>(&word).ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_of_printing_gives_the_same_object() {
        let expected = json!({ "error": { "message": "it's 'x'", "code": null, "n": 3, "ok": true } });
        for text in [
            r#"{"error":{"message":"it's 'x'","code":null,"n":3,"ok":true}}"#,
            r#"{'error': {'message': "it's 'x'", 'code': None, 'n': 3, 'ok': True}}"#,
            r"{'error': {'message': 'it\'s \x27x\x27', 'code': None, 'n': 3, 'ok': True,},}",
            "{\n  error: {\n    message: \"it's \" +\n      \"'x'\",\n    code: undefined,\n    n: 3,\n    ok: true\n  }\n}",
            r#"{'error': {'message': "it's " "'x'", 'code': None, 'n': 3, 'ok': True}}"#,
            r#"Response { error: APIError { message: `it's 'x'`, code: null, n: 3, ok: true } }"#,
        ] {
            let start = text.find('{').unwrap();
            assert_eq!(embedded(text, false)[0].value, expected, "{text}");
            assert_eq!((embedded(text, false)[0].start, embedded(text, false)[0].end), (start, text.len()));
        }
        assert_eq!(
            embedded(
                "{ a: [Object], h: Headers(1) { 'retry-after': '7' }, b: b'x', [Symbol(k)]: [Circular *1] }",
                false
            )[0]
            .value,
            json!({ "a": null, "h": { "retry-after": "7" }, "b": "x", "[symbol]": null })
        );
    }

    #[test]
    fn objects_are_found_anywhere_in_a_text() {
        let found = embedded("a {x} b: {'n': 1}, c: {\"n\": 2} {", true);
        let numbers: Vec<_> = found.iter().filter_map(|found| found.value["n"].as_u64()).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(embedded(" {'a': [1, 2.5, -3]} ", false)[0].value, json!({ "a": [1, 2.5, -3] }));
        for text in ["", "{", "hello", "{'a' 1}", "{'a': 1"] {
            assert!(embedded(text, false).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_cut_object_keeps_what_is_complete() {
        let cut = |text: &str| {
            let found = embedded(text, true);
            assert!(found[0].cut);
            found[0].value.clone()
        };
        assert_eq!(
            cut("{'error': {'message': 'Limit 6000, Requested 7591,"),
            json!({ "error": { "message": "Limit 6000, Requested 7591," } })
        );
        assert_eq!(
            cut("{'message': 'Limit 6000, Requested 75"),
            json!({ "message": "Limit 6000, Requested " })
        );
        assert_eq!(cut(r#"{"message": "in 45m36.2"#), json!({ "message": "in " }));
        assert_eq!(cut(r#"{"code": "x", "retry_after": 1"#), json!({ "code": "x" }));
        assert!(embedded("{'a': 'b', 'c': 'd", false).is_empty());
    }
}
