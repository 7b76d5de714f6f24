//! Passes a JSON body to the parser of its operation.

use super::admission::ParsedRequest;
use super::chat::{self, Text};
use super::context::{Rejection, RequestContext};
use super::parameters::member_error;
use super::request_headers::RequestHeaders;
use super::{coding, embeddings, generate_content, messages, responses, text_completion};
use crate::config::Dialect;
use crate::wire::truth::TruthHeader;
use crate::wire::{Error, Operation};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::de::Read;
use serde_json::{Deserializer, Map, Value};
use std::borrow::Cow;
use std::marker::PhantomData;

/// What parsers need besides the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestScope<'a> {
    pub(super) dialect: Dialect,
    /// The maximum of `n`, the number of completions of one prompt.
    pub(super) max_n: u32,
    /// The model, if the path names it.
    pub(super) model_in_path: Option<&'a str>,
    /// The query of the URL; empty if it has none.
    pub(super) query: &'a str,
}

/// A parsed request.
#[derive(Debug)]
pub(super) enum Request {
    /// A call that limits apply to.
    Call(ParsedRequest),
    /// A request to count tokens, which is charged to no limit.
    TokenCount {
        /// The name of the model, which may be unknown.
        model: String,
        /// The estimated number of tokens.
        tokens: u32,
    },
}

/// Parses a request whose body has been read.
///
/// # Errors
/// As [`coding::decode`], those of the operation's parser, and [`Error::Invalid`] for a malformed truth header.
pub(super) fn parse(
    context: &mut RequestContext<'_>,
    operation: Operation,
    scope: &RequestScope<'_>,
    headers: &RequestHeaders<'_>,
    body: Bytes,
) -> Result<Request, Rejection<'static>> {
    if headers.content_encoding.is_some() {
        // Kept if the body cannot be decoded, otherwise replaced below.
        context.set_fingerprint(&body);
    }
    let body = coding::decode(headers.content_encoding, body)?;
    context.set_body(&body);
    let mut request = parse_body(operation, &body, scope)?;
    if let (Request::Call(call), Some(value)) = (&mut request, headers.truth) {
        let header = TruthHeader::parse(value.to_str().unwrap_or_default());
        let header = header.map_err(|problem| invalid(problem.to_string()))?;
        call.truth = Some(header).filter(|header| context.mock.accepts_truth(header.tag));
    }
    Ok(request)
}

fn parse_body(
    operation: Operation,
    body: &[u8],
    scope: &RequestScope<'_>,
) -> Result<Request, Error<'static>> {
    let call = match operation {
        Operation::Chat => chat::parse(body, scope)?,
        Operation::TextCompletion => text_completion::parse(body, scope)?,
        Operation::Responses => responses::parse(body, scope)?,
        Operation::Embeddings => embeddings::parse(body, scope)?,
        Operation::Messages => messages::parse(body, scope)?,
        Operation::GenerateContent { stream } => generate_content::parse(body, scope, stream)?,
        Operation::CountResponses => return responses::count(body, scope),
        Operation::CountMessages => return messages::count(body, scope),
        Operation::CountContent => return generate_content::count(body, scope),
        Operation::Audio(_) => unreachable!("invariant: audio is not a JSON request"),
    };
    Ok(Request::Call(call))
}

impl RequestScope<'_> {
    /// Returns the name of the model: that in the path, or that in the body.
    ///
    /// # Errors
    /// If neither names one.
    pub(super) fn model(&self, in_body: Option<Text<'_>>) -> Result<String, Error<'static>> {
        if let Some(name) = self.model_in_path {
            return Ok(percent_decode_str(name).decode_utf8_lossy().into_owned());
        }
        let Text(name) = in_body.ok_or_else(|| match self.dialect {
            Dialect::OpenAi => invalid("you must provide a model parameter"),
            _ => invalid("'model' : property 'model' is missing"),
        })?;
        Ok(name.into_owned())
    }

    /// Returns the number of completions of one prompt.
    ///
    /// # Errors
    /// If it is zero or above the maximum.
    pub(super) fn choices(&self, n: Option<u32>) -> Result<u32, Error<'static>> {
        let most = self.max_n;
        match n.unwrap_or(1) {
            0 if self.dialect == Dialect::OpenAi => Err(member_error(
                "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
                Some("n".to_owned()),
                Some("integer_below_min_value"),
            )),
            0 => Err(invalid("'n' : number must be at least 1")),
            n if n > most && self.dialect == Dialect::OpenAi => Err(member_error(
                format!(
                    "Invalid 'n': integer above maximum value. Expected a value <= {most}, but got {n} instead."
                ),
                Some("n".to_owned()),
                Some("integer_above_max_value"),
            )),
            n if n > most => Err(invalid(format!("'n' : number must be at most {most}"))),
            n => Ok(n),
        }
    }
}

/// Parses JSON. UTF-8 is checked once for the whole body rather than for each string. A body that is not UTF-8 is still
/// parsed: only the strings that are used must be valid.
pub(super) fn parse_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error<'static>> {
    parse_json_into(body, PhantomData)
}

/// As [`parse_json`]; `seed` may be a reference to the value, so that a large one is not moved.
pub(super) fn parse_json_into<'a, S: DeserializeSeed<'a>>(
    body: &'a [u8],
    seed: S,
) -> Result<S::Value, Error<'static>> {
    fn read<'a, R: Read<'a>, S: DeserializeSeed<'a>>(
        mut json: Deserializer<R>,
        seed: S,
    ) -> serde_json::Result<S::Value> {
        let value = seed.deserialize(&mut json)?;
        json.end().map(|()| value)
    }
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => read(Deserializer::from_str(text), seed),
        Err(_) => read(Deserializer::from_slice(body), seed),
    };
    parsed.map_err(|error| invalid(error.to_string()))
}

/// The members of a JSON object, which are taken out one by one.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Parses an object.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is something else.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error<'static>> {
        parse_json(body).map(Self)
    }

    /// Takes a member; `None` if it is absent or null.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has another type.
    pub(super) fn take<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Error<'static>> {
        self.take_value(name).map(|value| from_value(name, value)).transpose()
    }

    /// Takes a string; `None` if it is absent or null.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has another type.
    pub(super) fn take_text(&mut self, name: &str) -> Result<Option<Text<'static>>, Error<'static>> {
        Ok(self.take::<String>(name)?.map(|text| Text(text.into())))
    }

    /// Takes the member with one of two names: the first that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has another type.
    pub(super) fn take_either<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &str,
        other: &str,
    ) -> Result<Option<T>, Error<'static>> {
        self.take_either_value(name, other).map(|value| from_value(name, value)).transpose()
    }

    /// Takes the member with one of two names, of any type: the first that is there.
    pub(super) fn take_either_value(&mut self, name: &str, other: &str) -> Option<Value> {
        let first = self.take_value(name);
        first.or_else(|| self.take_value(other))
    }

    /// Returns a copy of a member, which stays in place; `None` if it is absent or null.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has another type.
    pub(super) fn value<T: for<'de> Deserialize<'de>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Error<'static>> {
        self.get(name).map(|value| from_value(name, value.clone())).transpose()
    }

    /// Returns a member, which stays in place; `None` if it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns `true` if there is such a member that is not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes a member of any type; `None` if it is absent or null.
    pub(super) fn take_value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Returns the names of the members that were not taken.
    pub(super) fn rest(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// Converts a member.
///
/// # Errors
/// [`Error::Invalid`] if it has another type.
pub(super) fn from_value<T: for<'de> Deserialize<'de>>(
    name: &str,
    value: Value,
) -> Result<T, Error<'static>> {
    serde_json::from_value(value).map_err(|error| invalid(format!("'{name}' : {error}")))
}

/// Returns the error of a malformed request.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Error<'static> {
    Error::invalid(message)
}
