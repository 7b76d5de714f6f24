//! A caller's request: what the engine needs of it, and its bytes, in which only the model's name is replaced for each target, and
//! the bound on the completion if the caller's budget demands a lower one.

use super::endpoint::Endpoint;
use super::prompt_size::PromptSize;
use crate::job::MAX_TOKENS;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// A request whose body was read.
#[derive(Clone, Debug)]
pub(super) struct CallerRequest {
    pub(super) endpoint: Endpoint,
    /// What the caller asks for: a route or a target.
    pub(super) model: String,
    /// The estimated tokens of the prompt.
    pub(super) prompt_tokens: u32,
    /// The bound on all its completions together; `None` if it sets none.
    pub(super) max_tokens: Option<u32>,
    /// The number of completions, at least one: those of each prompt, times the prompts.
    pub(super) choices: u32,
    body: Bytes,
    /// The place of the model's name in the body: a JSON string, or the text of a form's part.
    model_place: Range<usize>,
    /// The members that bound a completion, the one that takes precedence first.
    bounds: Vec<GivenBound>,
    is_json: bool,
}

/// A member of a request that bounds a completion.
#[derive(Clone, Debug)]
struct GivenBound {
    name: &'static str,
    /// `None` for `null`.
    tokens: Option<u64>,
    /// The place of its value in the body.
    place: Range<usize>,
}

/// A bound on each completion that is sent instead of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The most tokens.
    pub(super) tokens: u32,
    /// The name of the member if none of the caller's bounds is a number.
    pub(super) name: &'static str,
}

/// The members of a JSON request that are read. A member that is given twice is an error: two servers could read it differently.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    /// Not used, since the reply shows whether it is a stream; checked, because providers treat other values differently.
    #[serde(rename = "stream")]
    _stream: Option<bool>,
    #[serde(borrow, default, deserialize_with = "raw")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    max_output_tokens: Option<&'a RawValue>,
    n: Option<u64>,
    /// Of this number of completions `n` are returned; all are paid for.
    best_of: Option<u64>,
    #[serde(default)]
    messages: PromptSize,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(default)]
    input: PromptSize,
    #[serde(default)]
    instructions: PromptSize,
    #[serde(default)]
    tools: PromptSize,
    #[serde(default)]
    functions: PromptSize,
    #[serde(default)]
    response_format: PromptSize,
}

/// Reads a member with its place, `null` as well.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Members<'_> {
    /// Returns the members that bound a completion.
    ///
    /// # Errors
    /// If one is neither a whole number nor `null`.
    fn bounds(&self, body: &[u8]) -> Result<Vec<GivenBound>, String> {
        let members = [
            ("max_completion_tokens", self.max_completion_tokens),
            ("max_output_tokens", self.max_output_tokens),
            ("max_tokens", self.max_tokens),
        ];
        let given = members.into_iter().filter_map(|(name, raw)| Some((name, raw?.get())));
        let read = |(name, raw): (&'static str, &str)| {
            let tokens = serde_json::from_str(raw);
            let tokens = tokens.map_err(|_| format!("`{name}` has to be a whole number of tokens"))?;
            Ok(GivenBound { name, tokens, place: place(body, raw) })
        };
        given.map(read).collect()
    }
}

/// Returns the number of prompts in the member `prompt` of `/completions`, each of which gets completions of its own: a list of texts
/// or of lists of tokens has several.
fn prompts(prompt: &RawValue) -> u64 {
    let items: Vec<&RawValue> = serde_json::from_str(prompt.get()).unwrap_or_default();
    items.iter().filter(|item| item.get().starts_with(['"', '['])).count() as u64
}

/// Returns the place of a part of a body.
fn place(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    start..start + part.len()
}

impl CallerRequest {
    /// Reads the body of a request to an endpoint that takes JSON.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(super) fn from_json(endpoint: Endpoint, body: Bytes) -> Result<Self, String> {
        let members: Members<'_> = serde_json::from_slice(&body).map_err(|error| {
            let reason: String = error.to_string().chars().take(MAX_REASON_CHARACTERS).collect();
            format!("the body is not a JSON object with valid members: {reason}")
        })?;
        let missing = "the request names no model: add `\"model\"`, the name of a route or of a target";
        let raw = members.model.ok_or(missing)?.get();
        let model: Cow<'_, str> = serde_json::from_str(raw).map_err(|_| "`model` has to be a string")?;
        let model = model.into_owned();
        let model_place = place(&body, raw);
        let bounds = members.bounds(&body)?;
        let parts = [
            members.messages,
            members
                .prompt
                .map_or(Ok(PromptSize::default()), |raw| serde_json::from_str(raw.get()))
                .map_err(|_| "`prompt` has to be a text, a list of texts, or a list of tokens")?,
            members.input,
            members.instructions,
            members.tools,
            members.functions,
            members.response_format,
        ];
        let size = parts.into_iter().fold(PromptSize::default(), PromptSize::plus);
        let max = bounds.iter().find_map(|given| given.tokens);
        let prompts = members.prompt.filter(|_| endpoint == Endpoint::Completions).map_or(1, prompts).max(1);
        let of_prompt = members.n.unwrap_or(1).max(members.best_of.unwrap_or(1)).max(1);
        let choices = of_prompt.saturating_mul(prompts);
        Ok(Self {
            endpoint,
            model,
            prompt_tokens: clamped(size.tokens().max(1)),
            // Embeddings have no completion.
            max_tokens: match endpoint {
                Endpoint::Embeddings => Some(0),
                _ => max.map(|max| clamped(max.saturating_mul(choices))),
            },
            choices: clamped(choices),
            model_place,
            bounds,
            is_json: true,
            body,
        })
    }

    /// Reads a form, whose parts are separated by `boundary`.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub(super) fn from_form(endpoint: Endpoint, body: Bytes, boundary: &str) -> Result<Self, String> {
        let model_place = form_part(&body, boundary, "model")?
            .ok_or("the form has no part `model`: the name of a route or of a target")?;
        let model = std::str::from_utf8(&body[model_place.clone()]).map_err(|_| "`model` is not text")?;
        let model = model.to_owned();
        // Limits on audio count its seconds, which the gateway does not know; tokens are not what they count.
        Ok(Self {
            endpoint,
            model,
            prompt_tokens: 1,
            max_tokens: Some(0),
            choices: 1,
            body,
            model_place,
            bounds: Vec::new(),
            is_json: false,
        })
    }

    /// Returns the body as it was sent.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body with another name of the model and, if `bound` is given, with that bound on each completion.
    pub(super) fn body_for(&self, model: &str, bound: Option<Bound>) -> Bytes {
        let name = if self.is_json {
            Cow::Owned(serde_json::to_string(model).expect("invariant: a string serialises"))
        } else {
            Cow::Borrowed(model)
        };
        let bound = bound.filter(|_| self.is_json);
        if bound.is_none() && &self.body[self.model_place.clone()] == name.as_bytes() {
            return self.body.clone();
        }
        let mut edits = vec![(self.model_place.clone(), name)];
        edits.extend(bound.into_iter().flat_map(|bound| self.bound_edits(bound)));
        edits.sort_by_key(|(place, _)| place.start);
        let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
        let (mut body, mut at) = (BytesMut::with_capacity(self.body.len() + added), 0);
        for (Range { start, end }, text) in edits {
            body.extend_from_slice(&self.body[at..start]);
            body.extend_from_slice(text.as_bytes());
            at = end;
        }
        body.extend_from_slice(&self.body[at..]);
        body.freeze()
    }

    /// Returns what is replaced in the body for a bound: every larger number. If no member holds a number, it is the `null` of the
    /// member that the bound names; without that, nothing is replaced and the bound becomes the first member.
    fn bound_edits(&self, bound: Bound) -> Vec<(Range<usize>, Cow<'static, str>)> {
        let edit = |given: &GivenBound| (given.place.clone(), Cow::Owned(bound.tokens.to_string()));
        if self.bounds.iter().any(|given| given.tokens.is_some()) {
            let is_larger =
                |given: &&GivenBound| given.tokens.is_some_and(|tokens| tokens > bound.tokens.into());
            return self.bounds.iter().filter(is_larger).map(edit).collect();
        }
        if let Some(given) = self.bounds.iter().find(|given| given.name == bound.name) {
            return vec![edit(given)];
        }
        let start = self.body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        vec![(start..start, Cow::Owned(format!("\"{}\":{},", bound.name, bound.tokens)))]
    }
}

/// The most characters of an error of the JSON reader, which repeats what it has read.
const MAX_REASON_CHARACTERS: usize = 200;

/// Returns a number of tokens that the engine accepts.
fn clamped(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(MAX_TOKENS).min(MAX_TOKENS)
}

/// Returns the place of the content of the only part of a form with this name (RFC 7578); an error if there are several, since two
/// servers could read different ones, or if the form is malformed.
fn form_part(body: &[u8], boundary: &str, name: &str) -> Result<Option<Range<usize>>, String> {
    let malformed = || "the form is malformed".to_owned();
    let delimiter = format!("--{boundary}");
    let line = format!("\r\n{delimiter}");
    let mut at = find(body, delimiter.as_bytes(), 0).ok_or_else(malformed)? + delimiter.len();
    let mut found = None;
    while !body[at..].starts_with(b"--") {
        let head_start = at + body[at..].strip_prefix(b"\r\n").map(|_| 2).ok_or_else(malformed)?;
        let head_end = find(body, b"\r\n\r\n", head_start).ok_or_else(malformed)?;
        let start = head_end + 4;
        let end = find(body, line.as_bytes(), start).ok_or_else(malformed)?;
        if part_name(&body[head_start..head_end]).is_some_and(|part| part == name.as_bytes())
            && found.replace(start..end).is_some()
        {
            return Err(format!("the form has several parts `{name}`"));
        }
        at = end + line.len();
    }
    Ok(found)
}

/// Returns the name of a part from its head, quoted or not.
fn part_name(head: &[u8]) -> Option<&[u8]> {
    let key = b"name=";
    // `filename=…` ends like it.
    let is_name = |at: &usize| *at == 0 || matches!(head[at - 1], b' ' | b';' | b'\t');
    let mut starts = (0..head.len())
        .filter(|at| head[*at..].get(..key.len()).is_some_and(|word| word.eq_ignore_ascii_case(key)));
    let value = &head[starts.find(is_name)? + key.len()..];
    let (value, end): (&[u8], &[u8]) = match value.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b"\""),
        None => (value, b"; \t\r"),
    };
    let length = value.iter().position(|byte| end.contains(byte)).unwrap_or(value.len());
    Some(&value[..length])
}

fn find(text: &[u8], word: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(text.get(from..)?, word).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<CallerRequest, String> {
        CallerRequest::from_json(Endpoint::Chat, Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn only_the_name_of_the_model_is_replaced() {
        let body = r#" {"x": 1e400,"messages" : [{"role":"user","content":"12345678"}], "model" : "ch\u0061t" ,"y":"\ud83d\ude00"}"#;
        let request = read(body).expect("a request");
        assert_eq!((request.model.as_str(), request.prompt_tokens), ("chat", 3));
        let expected = body.replace(r#""ch\u0061t""#, r#""a \"b\"""#);
        assert_eq!(request.body_for("a \"b\"", None), expected);
    }

    #[test]
    fn bounds_on_the_completion_are_read_under_each_of_their_names() {
        for (members, expected) in [
            ("", None),
            (r#","max_tokens":7"#, Some(7)),
            (r#","max_completion_tokens":8,"max_tokens":7"#, Some(8)),
            (r#","max_output_tokens":9"#, Some(9)),
            (r#","max_tokens":7,"n":3"#, Some(21)),
            (r#","max_tokens":18446744073709551615,"n":2"#, Some(MAX_TOKENS)),
            (r#","max_tokens":null"#, None),
        ] {
            let request = read(&format!(r#"{{"model":"chat"{members}}}"#)).expect("a request");
            assert_eq!(request.max_tokens, expected, "{members}");
        }
    }

    #[test]
    fn a_bound_is_lowered_where_it_is_written_and_added_where_it_is_not() {
        let bound = Bound { tokens: 9, name: "max_completion_tokens" };
        for (members, expected) in [
            (r#","max_tokens": 700"#, r#","max_tokens": 9"#),
            (r#","max_completion_tokens":8,"max_tokens":70"#, r#","max_completion_tokens":8,"max_tokens":9"#),
            (r#","max_completion_tokens" :null"#, r#","max_completion_tokens" :9"#),
        ] {
            let request = read(&format!(r#"{{"model":"chat"{members}}}"#)).expect("a request");
            assert_eq!(request.body_for("m", Some(bound)), format!(r#"{{"model":"m"{expected}}}"#));
        }
        for members in ["", r#","max_tokens":null"#] {
            let request = read(&format!(r#" {{"model":"chat"{members}}}"#)).expect("a request");
            let expected = format!(r#" {{"max_completion_tokens":9,"model":"chat"{members}}}"#);
            assert_eq!(request.body_for("chat", Some(bound)), expected);
            read(&expected).expect("it is read again");
        }
        let form = CallerRequest::from_form(Endpoint::Transcriptions, FORM.into(), "B").expect("a form");
        assert_eq!(form.body_for("whisper", Some(bound)), FORM);
    }

    #[test]
    fn completions_that_are_not_returned_count_as_well() {
        let request = read(r#"{"model":"chat","max_tokens":7,"n":2,"best_of":5}"#).expect("a request");
        assert_eq!((request.choices, request.max_tokens), (5, Some(35)));
    }

    #[test]
    fn each_prompt_of_a_list_has_completions_of_its_own() {
        for (prompt, expected) in [
            (r#""a""#, 1),
            ("null", 1),
            ("[]", 1),
            (r#"["a"]"#, 1),
            (r#"["a", "b","c"]"#, 3),
            ("[1, 2, 3]", 1),
            ("[[1, 2], [3]]", 2),
        ] {
            let body = format!(r#"{{"model":"chat","max_tokens":7,"n":2,"prompt":{prompt}}}"#);
            let of = |endpoint| CallerRequest::from_json(endpoint, body.clone().into()).expect("a request");
            let request = of(Endpoint::Completions);
            assert_eq!(
                (request.choices, request.max_tokens),
                (2 * expected, Some(14 * expected)),
                "{prompt}"
            );
            assert_eq!(of(Endpoint::Chat).choices, 2, "{prompt}");
        }
    }

    #[test]
    fn a_malformed_or_ambiguous_request_is_an_error() {
        for (body, word) in [
            ("", "JSON"),
            ("[]", "JSON"),
            ("{}", "model"),
            (r#"{"model":7}"#, "string"),
            (r#"{"model":"a","model":"b"}"#, "duplicate"),
            (r#"{"model":"a","stream":true,"stream":false}"#, "duplicate"),
            (r#"{"model":"a"} {}"#, "JSON"),
            (r#"{"model":"a","max_tokens":7.5}"#, "max_tokens"),
            (r#"{"model":"a","max_tokens":7,"max_tokens":8}"#, "duplicate"),
            (r#"{"model":"a","stream":"yes"}"#, "JSON"),
        ] {
            let problem = read(body).unwrap_err();
            assert!(problem.contains(word), "{body}: {problem}");
        }
        let deep = format!(r#"{{"model":"a","messages":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&deep).is_err());
    }

    const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"name=x\"\r\n\r\nRIFF\r\n\r\n--A\r\n--B\r\n\
        Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--B\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--B--\r\n";

    #[test]
    fn the_model_of_a_form_is_replaced() {
        let request = CallerRequest::from_form(Endpoint::Transcriptions, FORM.into(), "B").expect("a form");
        assert_eq!(request.model, "whisper");
        assert_eq!(request.body_for("whisper-large-v3", None), FORM.replace("whisper", "whisper-large-v3"));
        assert!(CallerRequest::from_form(Endpoint::Transcriptions, FORM.into(), "C").is_err());
        for second in ["name=\"model\"", "name=model", "NAME=\"model\""] {
            let part = format!("--B\r\nContent-Disposition: form-data; {second}\r\n\r\nother\r\n--B--\r\n");
            let form = FORM.replace("--B--\r\n", &part);
            let problem = CallerRequest::from_form(Endpoint::Transcriptions, form.into(), "B").unwrap_err();
            assert!(problem.contains("several parts `model`"), "{second}: {problem}");
        }
    }

    proptest! {
        /// Whatever the bytes are, reading ends, and what is read has its model in place.
        #[test]
        fn forms_of_any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop::sample::select(b"-B\r\n\"=name mode;l".to_vec()), 0..200)) {
            let body = Bytes::from([b"--B\r\n".to_vec(), bytes].concat());
            if let Ok(request) = CallerRequest::from_form(Endpoint::Transcriptions, body.clone(), "B") {
                prop_assert_eq!(request.body_for(&request.model, None), body);
            }
        }

        #[test]
        fn the_body_for_its_own_model_is_the_body(name in ".{0,20}", before in "[ \t\n]{0,3}") {
            let body = format!("{{{before}\"model\":{}}}", serde_json::to_string(&name).unwrap());
            let request = read(&body).expect("a request");
            prop_assert_eq!(&request.model, &name);
            prop_assert_eq!(request.body_for(&name, None), body);
        }
    }
}
