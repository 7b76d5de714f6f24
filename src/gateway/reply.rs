//! What callers receive: a provider's reply as it is, or an error in OpenAI's shape.

use super::Gateway;
use super::answer::Origin;
use super::decisions::{outcome_text, reason_text};
use super::headers;
use super::ledger::{Balance, ChargedCaller, Cost};
use super::request_record::RequestRecord;
use super::spending::OverBudget;
use crate::engine::parse::{BUDGET_ELSEWHERE, BUDGET_IN_USE, BUDGET_SPENT, ROUTE_ERROR};
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, JobEnd, JobOutcome, RefusalCause, WaitReason};
use crate::formatting::{count, duration, printable, seconds};
use crate::ids::{RouteId, TargetId};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use provider::server::{HeldBody, PIECE_BYTES};
use provider::{Instant, Nanos};
use serde_json::json;

/// An error of the gateway.
#[derive(Clone, Debug)]
pub(super) struct ErrorReply {
    pub(super) status: StatusCode,
    /// `error.type`, as OpenAI names it.
    pub(super) kind: &'static str,
    /// `error.code`.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// How long to wait before a retry, if that is known.
    pub(super) retry_after: Option<Nanos>,
}

impl ErrorReply {
    /// Returns an error that the caller can correct.
    pub(super) fn of_caller(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind: "invalid_request_error", code, message: message.into(), retry_after: None }
    }

    /// Renders the error.
    pub(super) fn response(&self) -> Response {
        let Self { status, kind, code, message, retry_after } = self;
        let body = json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
        let mut response = Response::new(Body::from(format!("{body}\n")));
        *response.status_mut() = *status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = retry_after {
            let (whole_seconds, millis) = (wait.0.div_ceil(Nanos::SECOND.0), wait.0.div_ceil(1_000_000));
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
        }
        response
    }
}

/// Returns the error for a `model` that is neither a route nor a target.
pub(super) fn unknown_model(model: &str, instead: &str) -> Response {
    let shown: String = printable(model).chars().take(MAX_SHOWN_CHARACTERS).collect();
    let message = format!("the model `{shown}` is neither a route nor a target of this gateway: {instead}");
    ErrorReply::of_caller(StatusCode::NOT_FOUND, "model_not_found", message).response()
}

/// Returns the error for a request that its caller may not pay for.
pub(super) fn over_budget(over: &OverBudget) -> Response {
    let OverBudget { caller: ChargedCaller { name, budget }, balance, most, least } = over;
    let (budget, Balance { day, used, held, elsewhere, day_ends_in }) = (*budget, *balance);
    let if_returned = balance.left_if_returned(budget);
    let is_elsewhere = elsewhere != Cost::ZERO;
    let may_fit = least.fits(if_returned) || is_elsewhere;
    let (cost, left) = if may_fit { (most, balance.left(budget)) } else { (least, if_returned) };
    let is_usd = cost.pico_usd > left.pico_usd;
    let usd = |cost: Cost| format!("{} USD", cost.usd());
    let tokens = |cost: Cost| format!("{} tokens", count(cost.tokens));
    let show: &dyn Fn(Cost) -> String = if is_usd { &usd } else { &tokens };
    let reserved = match held {
        Cost::ZERO => String::new(),
        held => format!(", and {} are reserved", show(held)),
    };
    let budget = format!(
        "the budget of {} per day of UTC of the caller `{name}`: {} are used{reserved}",
        show(budget),
        show(used)
    );
    // By convention waiting does not lift `insufficient_quota`.
    let (kind, code, message, retry_after) = if may_fit {
        let (end, pause) =
            if is_elsewhere { (BUDGET_ELSEWHERE, ELSEWHERE_PAUSE) } else { (BUDGET_IN_USE, Nanos::SECOND) };
        ("rate_limit_error", "budget_in_use", format!("{budget}. {end}"), pause)
    } else {
        let begins = day.end().rfc3339();
        let message = format!("{budget}. {BUDGET_SPENT} {begins}");
        ("insufficient_quota", "insufficient_quota", message, day_ends_in)
    };
    let error = ErrorReply {
        status: StatusCode::TOO_MANY_REQUESTS,
        kind,
        code,
        message,
        retry_after: Some(retry_after),
    };
    let mut response = error.response();
    let should_retry = HeaderValue::from_static(if may_fit { "true" } else { "false" });
    response.headers_mut().insert(X_SHOULD_RETRY, should_retry);
    response
}

/// How long to wait before a retry if other gateways have what is left of a budget.
const ELSEWHERE_PAUSE: Nanos = Nanos(5_000_000_000);

/// A job that ended without a provider's reply that is passed on.
pub(super) struct Failure<'a> {
    pub(super) end: &'a JobEnd,
    /// The attempts that failed, in order.
    pub(super) failures: &'a [(TargetId, AttemptOutcome)],
    /// The earliest instant at which the job may be sent to a target of its route; `None` if that is not known.
    pub(super) opens_at: Option<Instant>,
    pub(super) now: Instant,
}

impl Failure<'_> {
    /// Renders the error: a 429 if a limit is the cause, and otherwise a 4xx or 5xx of the gateway's own.
    pub(super) fn response(&self, gateway: &Gateway, route: RouteId) -> Response {
        let reason = match self.end.outcome {
            JobOutcome::Failed(reason) | JobOutcome::Shed(reason) => reason,
            JobOutcome::Succeeded | JobOutcome::InFlight => EndReason::Cancelled,
        };
        let wait = self.opens_at.map(|at| at.since(self.now)).filter(|wait| *wait > Nanos::ZERO);
        let (status, kind, code) = self.class(reason);
        let is_temporary = matches!(status.as_u16(), 429 | 503);
        let retry_after = wait.filter(|_| is_temporary);
        let why = match code {
            "exceeds_limits" => "at every target of the route, the request exceeds a limit",
            _ => reason_text(reason),
        };
        let mut message = format!("{ROUTE_ERROR}{}`: {why}", &**gateway.routes.name(route));
        for part in self.parts(gateway) {
            message.push_str("; ");
            message.push_str(&part);
        }
        if let Some(wait) = retry_after {
            message.push_str(&format!(". No target is tried again within {}", duration(seconds(wait))));
        }
        let mut response = ErrorReply { status, kind, code, message, retry_after }.response();
        if code == "upstream_refused" {
            // The same request would be refused again.
            response.headers_mut().insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }

    /// Returns the status, type and code of the error.
    fn class(&self, reason: EndReason) -> (StatusCode, &'static str, &'static str) {
        // A 429 that does not say which limit refused has the cause `other`.
        let is_limit = |cause: RefusalCause| {
            cause.is_window_limit()
                || matches!(
                    cause,
                    RefusalCause::Concurrency
                        | RefusalCause::SharedQuota
                        | RefusalCause::SharedCoolDown
                        | RefusalCause::Other
                )
        };
        let limited = |outcome: &AttemptOutcome| matches!(outcome, AttemptOutcome::Refused { cause, .. } if is_limit(*cause));
        let obstacle_is_limit = self.end.obstacle.is_some_and(|obstacle| match obstacle.why {
            WaitReason::Pace => true,
            WaitReason::CoolDown => obstacle.cause.is_some_and(is_limit),
            WaitReason::BackOff | WaitReason::Probe | WaitReason::ClientBudget => false,
        });
        if reason == EndReason::QueueFull {
            return (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", "queue_full");
        }
        if reason == EndReason::ClientBudget {
            return (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "client_budget");
        }
        if obstacle_is_limit || self.failures.iter().any(|(_, outcome)| limited(outcome)) {
            return (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded");
        }
        let last = self.failures.last().map(|(_, outcome)| *outcome);
        match (reason, last) {
            // Nothing was sent: at each target it exceeds a limit by which the client paces.
            (EndReason::Rejected, None) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "exceeds_limits")
            }
            (EndReason::Rejected, _) => (StatusCode::BAD_GATEWAY, "upstream_error", "upstream_refused"),
            (_, Some(AttemptOutcome::Failed(AttemptFailure::Timeout))) => {
                (StatusCode::GATEWAY_TIMEOUT, "upstream_error", "upstream_timeout")
            }
            (EndReason::Deadline, _) => (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", "deadline"),
            _ => (StatusCode::BAD_GATEWAY, "upstream_error", "upstream_failed"),
        }
    }

    /// Returns what the targets answered, equal answers once, and what the job would have waited for.
    fn parts(&self, gateway: &Gateway) -> Vec<String> {
        let name = |target: TargetId| gateway.scenario.targets[target.index()].name.as_str();
        let mut parts: Vec<String> = Vec::new();
        for (target, outcome) in self.failures {
            let part = format!("{} {}", name(*target), outcome_text(*outcome));
            if !parts.contains(&part) && parts.len() < MAX_PARTS {
                parts.push(part);
            }
        }
        if let Some(obstacle) = self.end.obstacle {
            let cause = obstacle.cause.map_or("", RefusalCause::name);
            let axis = obstacle.axis.map(|axis| format!(" {axis}")).unwrap_or_default();
            let why = match obstacle.why {
                WaitReason::BackOff => "back-off after".to_owned(),
                WaitReason::CoolDown => format!("cool-down ({cause}{axis}) of"),
                WaitReason::Pace => format!("pace{axis} of"),
                WaitReason::Probe => "probe of".to_owned(),
                WaitReason::ClientBudget => "budget of the gateway's client, in USD, at".to_owned(),
            };
            parts.push(format!("the job would have waited for the {why} {}", name(obstacle.target)));
        }
        parts
    }
}

/// Returns a response with a provider's status and headers, and no body yet.
pub(super) fn passed_on(status: StatusCode, provider: HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers::to_caller(provider);
    response
}

/// Adds the gateway's own headers: the target, the attempts so far, and the time before the last of them.
pub(super) fn add_own_headers(headers: &mut HeaderMap, gateway: &Gateway, record: &RequestRecord) {
    let attempts = record.last.map_or(0, |(_, number)| number);
    headers.insert(X_QUOTALAB_ATTEMPTS, HeaderValue::from(u16::from(attempts)));
    headers.insert(X_QUOTALAB_WAITED_MS, HeaderValue::from(record.waited.0 / 1_000_000));
    if let Some(bound) = record.bound {
        headers.insert(X_QUOTALAB_MAX_TOKENS, HeaderValue::from(bound.tokens));
    }
    if let Some(name) = record.last.and_then(|(target, _)| gateway.upstreams.header_of(target)) {
        headers.insert(X_QUOTALAB_TARGET, name.clone());
    }
}

/// Adds the headers of an answer that was not given to this request: where it comes from, its target and, from the cache, its age
/// (RFC 9111, section 5.1).
pub(super) fn add_reuse_headers(
    headers: &mut HeaderMap,
    gateway: &Gateway,
    (origin, target): (Origin, TargetId),
) {
    headers.insert(X_QUOTALAB_CACHE, HeaderValue::from_static(origin.name()));
    if let Some(name) = gateway.upstreams.header_of(target) {
        headers.insert(X_QUOTALAB_TARGET, name.clone());
    }
    if let Origin::Cache(age) = origin {
        headers.insert(AGE, HeaderValue::from(age.0 / Nanos::SECOND.0));
    }
}

/// Returns a body that holds its memory until it has been sent.
pub(super) fn held_body<T: Send + Unpin + 'static>(bytes: Bytes, held: T) -> Body {
    if bytes.len() <= PIECE_BYTES {
        return Body::from(bytes);
    }
    Body::new(HeldBody::new(bytes, held))
}

/// Returns the error for a body that there is no memory for.
pub(super) fn no_memory() -> ErrorReply {
    ErrorReply {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: "overloaded_error",
        code: "memory",
        message: "the bodies of other requests take all the memory that the gateway allows them".to_owned(),
        retry_after: None,
    }
}

/// The attempts so far: on the response of every request that became a job.
pub(super) const X_QUOTALAB_ATTEMPTS: HeaderName = HeaderName::from_static("x-quotalab-attempts");

const X_QUOTALAB_WAITED_MS: HeaderName = HeaderName::from_static("x-quotalab-waited-ms");

const X_QUOTALAB_MAX_TOKENS: HeaderName = HeaderName::from_static("x-quotalab-max-tokens");

/// Where the answer comes from if it was not given to this request: `hit` or `coalesced`.
const X_QUOTALAB_CACHE: HeaderName = HeaderName::from_static("x-quotalab-cache");

const X_QUOTALAB_TARGET: HeaderName = HeaderName::from_static("x-quotalab-target");

/// Tells SDKs whether to retry. Those of OpenAI and Anthropic read it; without it they retry a 429 and a 5xx.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The most failures that an error lists.
const MAX_PARTS: usize = 8;

/// The most characters of a caller's text in an error.
pub(super) const MAX_SHOWN_CHARACTERS: usize = 80;
