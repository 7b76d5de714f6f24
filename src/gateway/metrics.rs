//! Metrics in the text format of OpenMetrics, with the names of OpenTelemetry's semantic conventions for generative AI (1.38, as
//! Prometheus writes them) where these have one, and `quotalab_gateway_…` for the rest.
//!
//! | family | labels |
//! |---|---|
//! | `gen_ai_server_request_duration_seconds` | operation, request model (route or target), error type |
//! | `gen_ai_server_time_to_first_token_seconds` | operation, request model |
//! | `gen_ai_client_operation_duration_seconds` | operation, provider, request model (the provider's), error type |
//! | `gen_ai_client_token_usage` | operation, provider, request model, token type |
//! | `quotalab_gateway_attempts_total` | target, outcome |
//! | `quotalab_gateway_fallbacks_total` | |
//! | `quotalab_gateway_requests_in_flight` | |
//! | `quotalab_gateway_cool_down_seconds`, `quotalab_gateway_token_ratio` | target; written when they are read |
//! | `quotalab_gateway_caller_…`, `quotalab_gateway_cache_…` | `caller_metrics.rs`, `cache_metrics.rs` |
//! | `quotalab_gateway_sharing_…` | only if replicas share quotas: `sharing/counts.rs`, `sharing/answers/counts.rs` |

use super::Gateway;
use super::cache_metrics::{CacheMetrics, register_usage};
use super::caller_metrics::{CallerMetrics, register_balances};
use super::endpoint::Endpoint;
use super::server::Current;
use crate::event::{AttemptFailure, AttemptOutcome, Event, EventKind, JobOutcome};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use provider::{Nanos, Usage};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

/// The metrics of a gateway.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    first_tokens: Family<FirstTokenLabels, Histogram, fn() -> Histogram>,
    attempts: Family<AttemptLabels, Histogram, fn() -> Histogram>,
    tokens: Family<TokenLabels, Histogram, fn() -> Histogram>,
    outcomes: Family<OutcomeLabels, Counter>,
    fallbacks: Counter,
    in_flight: Gauge,
    /// The metrics of callers.
    pub(super) callers: CallerMetrics,
    /// Those of the response cache and of coalescing.
    pub(super) cache: CacheMetrics,
}

/// Counts the events of one engine.
#[derive(Debug)]
pub(super) struct CountedEvents {
    metrics: Arc<Metrics>,
    /// The names of the targets.
    targets: Vec<Text>,
}

/// The value of a label, or another name, that is cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Text(pub(super) Arc<str>);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_request_model: Text,
    error_type: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FirstTokenLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_request_model: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Text,
    gen_ai_request_model: Text,
    error_type: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Text,
    gen_ai_request_model: Text,
    gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    target: Text,
    outcome: Cow<'static, str>,
}

/// Returns a label's value.
pub(super) fn text(text: &str) -> Text {
    Text(text.into())
}

/// The buckets that the conventions recommend for times, in seconds.
fn times() -> Histogram {
    Histogram::new([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92])
}

/// The buckets that the conventions recommend for numbers of tokens.
fn token_counts() -> Histogram {
    Histogram::new((0..14).map(|power| 4f64.powi(power)))
}

impl Metrics {
    /// Returns metrics that have counted nothing.
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::new_with_constructor(times),
            first_tokens: Family::new_with_constructor(times),
            attempts: Family::new_with_constructor(times),
            tokens: Family::new_with_constructor(token_counts),
            outcomes: Family::default(),
            fallbacks: Counter::default(),
            in_flight: Gauge::default(),
            callers: CallerMetrics::default(),
            cache: CacheMetrics::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "gen_ai_server_request_duration",
            "From the arrival of a request to the end of its reply",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register_with_unit(
            "gen_ai_server_time_to_first_token",
            "From the arrival of a request to the first token of its answer",
            Unit::Seconds,
            self.first_tokens.clone(),
        );
        registry.register_with_unit(
            "gen_ai_client_operation_duration",
            "Attempts at providers; of a stream up to its first token",
            Unit::Seconds,
            self.attempts.clone(),
        );
        registry.register("gen_ai_client_token_usage", "Tokens that replies state", self.tokens.clone());
        registry.register("quotalab_gateway_attempts", "Attempts by their outcome", self.outcomes.clone());
        registry.register(
            "quotalab_gateway_fallbacks",
            "Jobs that went on to a later step of their route",
            self.fallbacks.clone(),
        );
        registry.register(
            "quotalab_gateway_requests_in_flight",
            "Requests that have not ended",
            self.in_flight.clone(),
        );
        self.callers.register(registry);
        self.cache.register(registry);
        self
    }

    /// Counts a request that has arrived.
    pub(super) fn count_arrival(&self) {
        self.in_flight.inc();
    }

    /// Counts a request that has ended.
    pub(super) fn count_end(&self) {
        self.in_flight.dec();
    }

    /// Records how a request ended.
    pub(super) fn record_outcome(
        &self,
        endpoint: Endpoint,
        route: &Text,
        (status, outcome): (u16, JobOutcome),
        took: Nanos,
    ) {
        let error_type = match outcome {
            JobOutcome::Succeeded => Cow::Borrowed(""),
            // The status of a stream that broke off is that of its beginning.
            _ if status < 400 => Cow::Borrowed("interrupted"),
            _ => Cow::Owned(status.to_string()),
        };
        let labels = RequestLabels {
            gen_ai_operation_name: endpoint.operation_name(),
            gen_ai_request_model: route.clone(),
            error_type,
        };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Records the time to the first token of an answer.
    pub(super) fn first_token(&self, endpoint: Endpoint, route: &Text, after: Nanos) {
        let labels = FirstTokenLabels {
            gen_ai_operation_name: endpoint.operation_name(),
            gen_ai_request_model: route.clone(),
        };
        self.first_tokens.get_or_create(&labels).observe(after.as_secs_f64());
    }

    /// Records an attempt at a model of a provider.
    pub(super) fn attempt(
        &self,
        endpoint: Endpoint,
        (provider, model): (&Text, &Text),
        outcome: AttemptOutcome,
        took: Nanos,
    ) {
        let labels = AttemptLabels {
            gen_ai_operation_name: endpoint.operation_name(),
            gen_ai_provider_name: provider.clone(),
            gen_ai_request_model: model.clone(),
            error_type: if outcome == AttemptOutcome::Ok { Cow::Borrowed("") } else { name_of(outcome) },
        };
        self.attempts.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Records the usage of an answer.
    pub(super) fn tokens(&self, endpoint: Endpoint, (provider, model): (&Text, &Text), usage: Usage) {
        let both = [("input", usage.prompt_tokens), ("output", usage.completion_tokens)];
        for (gen_ai_token_type, tokens) in both {
            let labels = TokenLabels {
                gen_ai_operation_name: endpoint.operation_name(),
                gen_ai_provider_name: provider.clone(),
                gen_ai_request_model: model.clone(),
                gen_ai_token_type,
            };
            self.tokens.get_or_create(&labels).observe(f64::from(tokens));
        }
    }
}

impl CountedEvents {
    /// Counts the events of an engine whose targets have these names.
    pub(super) fn new<'a>(metrics: Arc<Metrics>, targets: impl Iterator<Item = &'a str>) -> Self {
        Self { metrics, targets: targets.map(text).collect() }
    }

    /// Counts an event.
    pub(super) fn count(&self, event: &Event) {
        let (target, outcome) = match event.kind {
            EventKind::Replied { target, outcome, .. } => (target, name_of(outcome)),
            EventKind::AttemptCancelled { target, .. } => (target, "cancelled".into()),
            EventKind::FellBack { .. } => {
                self.metrics.fallbacks.inc();
                return;
            }
            _ => return,
        };
        let labels = OutcomeLabels { target: self.targets[target.index()].clone(), outcome };
        self.metrics.outcomes.get_or_create(&labels).inc();
    }
}

/// Returns the name of an outcome as a label.
fn name_of(outcome: AttemptOutcome) -> Cow<'static, str> {
    match outcome {
        AttemptOutcome::Ok => "ok".into(),
        AttemptOutcome::Refused { cause, .. } => cause.name().into(),
        AttemptOutcome::Failed(AttemptFailure::Status(status)) => status.to_string().into(),
        AttemptOutcome::Failed(AttemptFailure::Connection) => "connection".into(),
        AttemptOutcome::Failed(AttemptFailure::Timeout) => "timeout".into(),
        AttemptOutcome::Failed(AttemptFailure::Garbage) => "unreadable".into(),
        AttemptOutcome::Failed(AttemptFailure::Local(failure)) => failure.name().into(),
    }
}

/// Renders the metrics.
pub(super) async fn render(State(current): State<Arc<Current>>) -> Response {
    let gateway = current.get();
    let mut out = String::new();
    if encode(&mut out, &gateway.metrics.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    // The other registries are made now. Their families come before the end marker.
    let sharing = gateway.shared_quotas.as_ref().map(|shared_quotas| shared_quotas.sharing().registry());
    for registry in std::iter::once(gauge_registry(&gateway)).chain(sharing) {
        let end = "# EOF\n";
        out.truncate(out.strip_suffix(end).map_or(out.len(), str::len));
        if encode(&mut out, &registry).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], out).into_response()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    target: Text,
}

/// Returns the gauges that are set when they are read: of the targets, the callers and the response cache.
fn gauge_registry(gateway: &Gateway) -> Registry {
    let cool_downs = Family::<TargetLabels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let ratios = Family::<TargetLabels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let (now, views) = gateway.engine.views(gateway.scenario.target_ids());
    for (id, view) in gateway.scenario.target_ids().zip(views) {
        let labels = TargetLabels { target: text(&gateway.scenario.targets[id.index()].name) };
        let left = view.cool_down.map_or(Nanos::ZERO, |(until, _, _)| until.since(now));
        cool_downs.get_or_create(&labels).set(left.as_secs_f64());
        ratios.get_or_create(&labels).set(gateway.ratios.of(id));
    }
    let mut registry = Registry::default();
    registry.register_with_unit(
        "quotalab_gateway_cool_down",
        "What is left of the cool-down of a target",
        Unit::Seconds,
        cool_downs,
    );
    registry.register(
        "quotalab_gateway_token_ratio",
        "Tokens of prompts that a target counts for one that is estimated",
        ratios,
    );
    register_balances(gateway, &mut registry);
    register_usage(gateway, &mut registry);
    registry
}
