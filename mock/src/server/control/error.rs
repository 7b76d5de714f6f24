//! Errors of the control plane, which state the problem and what to send instead, and the extractors that report them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The rejection of a request to the control plane.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// What to send instead.
    pub(super) help: String,
}

impl Error {
    /// Creates an error with status 400.
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), help: help.into() }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let error = json!({ "error": { "message": self.message, "help": self.help } });
        (self.status, Json(error)).into_response()
    }
}

/// The JSON body or the query of a request.
pub(super) trait Input: DeserializeOwned {
    /// What to send, for [`Error::help`].
    const HELP: &str;
    /// Creates the input for a request with an empty body; `None` if a body is required.
    const EMPTY: Option<fn() -> Self> = None;
}

/// Extracts a JSON value from the body, whatever its content type: [`super::guard`] has checked that no HTML form can have sent
/// the request.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: Input, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| Error {
            status: rejection.status(),
            ..Error::new(rejection.body_text(), T::HELP)
        })?;
        if let (true, Some(empty)) = (body.is_empty(), T::EMPTY) {
            return Ok(Self(empty()));
        }
        match Json::from_bytes(&body) {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Error::new(shortened(&rejection.body_text()), T::HELP)),
        }
    }
}

/// Extracts the query of the URL.
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: Input, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Error::new(shortened(&rejection.body_text()), T::HELP)),
        }
    }
}

/// Returns a text to quote in an error: its first 200 characters, and `…` if it is longer.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
