//! The state that all connections share: the provider model behind one lock, the names of its accounts and models, the
//! clock, the journal and the observer.

use super::admission::Decided;
use super::answers::Answers;
use super::body::MAX_BODIES_BYTES;
use super::byte_budget::ByteBudget;
use super::context::RequestContext;
use super::control_state::Control;
use super::embeddings_reply::MAX_EMBEDDINGS_BYTES;
use super::header_templates::HeaderTemplates;
use super::injected_faults::CallFacts;
use super::injected_faults::InjectedFaults;
pub(super) use super::keys::ApiKey;
use super::keys::Keys;
use super::model::Model;
use super::observer::Observer;
use super::shared_clock::{Clock, SharedClock};
use super::waiting::WaitingCalls;
use crate::calendar::Epoch;
use crate::call::{Call, Truth};
use crate::config::{Config, Dialect, Tier};
use crate::decision::{DecisionReport, HeaderLimits};
use crate::fault::ActiveFaults;
use crate::meter::LimitLevel;
use crate::provider::Provider;
use crate::random::{self, RandomStream};
use crate::time::{Instant, Nanos};
use crate::wire::{self, LimitsSnapshot, WireFormat};
use axum::http::HeaderValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The state of a mock server: one provider model, with its clock, journal and observer, and the names of its accounts and
/// models. All connections share it; [`serve`](super::serve) answers requests from it.
pub struct Mock {
    accounts: Vec<String>,
    models: Vec<Model>,
    keys: Keys,
    model_by_name: BTreeMap<String, u16>,
    dialect: Dialect,
    epoch: Epoch,
    tier: Tier, // on which the text of a refusal depends
    pub(super) clock: SharedClock,
    observer: Option<Arc<dyn Observer + Send + Sync>>,
    /// The key of the random streams from which truths are drawn.
    truth_key: u64,
    /// The number of the next request.
    pub(super) next_request_number: AtomicU64,
    pub(super) state: Mutex<LockedState>,
    header_templates: HeaderTemplates,
    /// The bytes of all JSON bodies of calls that are being read, which are bounded together.
    pub(super) bodies_bytes: ByteBudget,
    /// The bytes of all replies with embeddings, which are bounded together.
    pub(super) embeddings_bytes: ByteBudget,
    pub(super) control: Option<Control>,
    /// The factor on all latencies, as the bits of a float.
    slowdown: AtomicU64,
    /// The answers that were set.
    pub(super) answers: Answers,
}

/// The number of times that the provider has been replaced: by a reset, or because the clock went back. A call that was
/// admitted before is unknown to the provider after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation(pub(super) u64);

/// The state behind the lock: the provider model, and what must change together with it.
pub(super) struct LockedState {
    pub(super) provider: Provider,
    /// The latest instant at which the provider was used.
    pub(super) now: Instant,
    pub(super) faults: InjectedFaults,
    pub(super) generation: Generation,
    pub(super) waiting: WaitingCalls,
}

impl Mock {
    /// Creates a mock at the start of its run, without a control plane. `seed` determines the truth of calls that have no
    /// truth header.
    ///
    /// # Panics
    /// If a key belongs to two accounts, a name to two models, or [`Provider::new`] panics.
    #[must_use]
    pub fn new(
        config: &Config,
        seed: u64,
        clock: Clock,
        observer: Option<Arc<dyn Observer + Send + Sync>>,
    ) -> Self {
        Self {
            accounts: config.accounts.iter().map(|account| account.name.clone()).collect(),
            models: config.models.iter().map(Model::new).collect(),
            keys: Keys::new(&config.accounts),
            model_by_name: index("model", config.models.iter().map(|model| model.name.as_str()).zip(0..)),
            dialect: config.dialect,
            epoch: Epoch::RUN,
            tier: config.tier,
            clock: SharedClock::new(clock),
            observer,
            truth_key: random::label_key(seed, "mock call"),
            next_request_number: AtomicU64::new(0),
            state: Mutex::new(LockedState {
                provider: Provider::new(config),
                now: Instant::ZERO,
                faults: InjectedFaults::default(),
                generation: Generation::default(),
                waiting: WaitingCalls::default(),
            }),
            header_templates: HeaderTemplates::default(),
            bodies_bytes: ByteBudget::new(MAX_BODIES_BYTES),
            embeddings_bytes: ByteBudget::new(MAX_EMBEDDINGS_BYTES),
            control: None,
            slowdown: AtomicU64::new(1_f64.to_bits()),
            answers: Answers::default(),
        }
    }

    /// Accepts any key that is not empty. A key that no account has counts as one of the first account.
    #[must_use]
    pub fn accepting_any_key(mut self) -> Self {
        self.keys.accept_any();
        self
    }

    /// Makes the mock share `clock`, which replaces its own. A change of the clock or a reset affects all mocks that share it.
    #[must_use]
    pub fn sharing(mut self, clock: &SharedClock) -> Arc<Self> {
        self.clock = clock.clone();
        let mock = Arc::new(self);
        clock.add(&mock);
        mock
    }

    /// Sets the calendar time at which the clock is zero, for dates in replies. Calendar limits use the epoch of their configuration, which
    /// [`Config::begin_at`] sets.
    #[must_use]
    pub fn with_epoch(self, epoch: Epoch) -> Self {
        Self { epoch, ..self }
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Sets the factor by which calls are served faster: 1 is the speed of the configuration, and 0 serves without latency. The
    /// delays of the faults `timeout` and `late_first_token` do not change. `speed` must satisfy [`is_speed`](super::is_speed).
    pub fn set_speed(&self, speed: f64) {
        let slowdown = if speed > 0.0 { 1.0 / speed } else { 0.0 };
        self.slowdown.store(slowdown.to_bits(), Ordering::Relaxed);
    }

    /// Returns the speed that [`Mock::set_speed`] sets.
    pub(super) fn speed(&self) -> f64 {
        let slowdown = self.slowdown();
        if slowdown > 0.0 { 1.0 / slowdown } else { 0.0 }
    }

    /// Returns the factor on all latencies.
    pub(super) fn slowdown(&self) -> f64 {
        f64::from_bits(self.slowdown.load(Ordering::Relaxed))
    }

    /// Calls `each` with the level of every limit of an account × model.
    pub fn for_each_level(&self, account: u16, model: u16, each: impl FnMut(LimitLevel)) {
        self.with_state(|state, now| state.provider.levels(now, account, model).for_each(each));
    }

    /// Calls `act` with the injected faults and the current instant.
    pub(super) fn with_faults<T>(&self, act: impl FnOnce(&mut InjectedFaults, Instant) -> T) -> T {
        self.with_state(|state, now| act(&mut state.faults, now))
    }

    /// Returns the account and the number of an API key.
    pub(super) fn find_key(&self, api_key: &str) -> Option<ApiKey> {
        self.keys.find(api_key)
    }

    /// Returns the model with this name.
    pub(super) fn find_model(&self, name: &str) -> Option<u16> {
        let find = |name| self.model_by_name.get(name).copied();
        match self.dialect {
            // Gemini lists models as `models/NAME` and accepts names with and without the prefix.
            Dialect::Gemini => find(name).or_else(|| find(name.strip_prefix("models/")?)),
            _ => find(name),
        }
    }

    pub(super) fn models(&self) -> &[Model] {
        &self.models
    }

    pub(super) fn account_name(&self, account: u16) -> &str {
        &self.accounts[usize::from(account)]
    }

    pub(super) fn model(&self, model: u16) -> &Model {
        &self.models[usize::from(model)]
    }

    pub(super) fn account_names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(String::as_str)
    }

    pub(super) fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }

    /// Returns the wire formats of the dialect, one for each API that the provider offers.
    pub(super) fn formats(&self) -> &'static [&'static dyn WireFormat] {
        wire::formats(self.dialect)
    }

    pub(super) const fn header_templates(&self) -> &HeaderTemplates {
        &self.header_templates
    }

    pub(super) const fn tier(&self) -> Tier {
        self.tier
    }

    /// Returns the sequence number of a new request. Numbers start at zero, again after a reset, and are not repeated in between.
    pub(super) fn next_request_number(&self) -> u64 {
        self.next_request_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns `true` if a truth header with this tag is used: that of the observed run, or any if no run is observed.
    pub(super) fn accepts_truth(&self, tag: u128) -> bool {
        self.observer.as_ref().is_none_or(|observer| observer.is_own(tag))
    }

    /// Draws the truth of a call that has no truth header.
    pub(super) fn draw_truth(&self, request_number: u64, model: u16, prompt_tokens: u32) -> Truth {
        let stream = RandomStream::keyed(self.truth_key, request_number);
        self.model(model).draw_truth(stream, prompt_tokens)
    }

    /// Returns the network delays to add to a call: to the provider, and back to the client.
    pub(super) fn network_delays(&self, model: u16, truth: Truth) -> (Nanos, Nanos) {
        let (uplink, downlink) = self.model(model).network_delays(truth);
        let scaled = |delay: Nanos| match self.slowdown() {
            1.0 => delay,
            slowdown => Nanos::from_secs_f64(delay.as_secs_f64() * slowdown),
        };
        (scaled(uplink), scaled(downlink))
    }

    /// Decides on a call that arrives now.
    pub(super) fn decide(
        &self,
        call: Call,
        audio_seconds: u64,
        truth: Truth,
        tag: Option<u128>,
        context: &RequestContext<'_>,
    ) -> Decided {
        let facts = CallFacts { account: call.account, model: call.model, path: context.path() };
        self.with_state(|state, now| {
            let mut faults = state.provider.faults_at(now, truth).unwrap_or(ActiveFaults::NONE);
            state.faults.apply(now, facts, truth, &mut faults);
            if let Some(fault) = context.answer_effect.fault {
                faults.add(fault);
            }
            faults.slowdown *= self.slowdown();
            let report = state.provider.decide_with_faults(now, call, audio_seconds, truth, &faults);
            self.observe(|observer| observer.decided(now, tag, call, &report));
            let snapshot = self.snapshot(state, now, report.limits, call);
            let start_receiver = state.waiting.add(&report.decision);
            Decided { report, snapshot, fault: faults.response, generation: state.generation, start_receiver }
        })
    }

    /// Returns the limits as the reply to a call can report them now.
    pub(super) fn limits_snapshot(&self, call: Call) -> LimitsSnapshot {
        self.with_state(|state, now| {
            let limits = state.provider.header_limits(now, call.account, call.model);
            self.snapshot(state, now, limits, call)
        })
    }

    /// Returns a snapshot of `limits`, with the level of every limited axis except for Groq, whose headers need none.
    fn snapshot(
        &self,
        state: &mut LockedState,
        now: Instant,
        limits: HeaderLimits,
        call: Call,
    ) -> LimitsSnapshot {
        let snapshot = LimitsSnapshot::new(now, limits);
        match self.dialect {
            Dialect::Groq => snapshot,
            _ => snapshot.with_levels(state.provider.levels(now, call.account, call.model)),
        }
    }

    /// Returns the present instant of the clock.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Sleeps until an instant of the mock's clock; returns at once if it has passed. The duration is computed at the start: a
    /// change of the clock meanwhile does not affect it.
    pub(super) async fn sleep_until(&self, until: Instant) {
        self.sleep(until.since(self.now())).await;
    }

    /// Sleeps for a real duration; returns at once if it is zero.
    pub(super) async fn sleep(&self, duration: Nanos) {
        if duration > Nanos::ZERO {
            tokio::time::sleep(std::time::Duration::from_nanos(duration.0)).await;
        }
    }

    /// Calls `act` with the locked state and the current instant. The clock is read inside the lock, so that instants never
    /// decrease for the provider model.
    pub(super) fn with_state<T>(&self, act: impl FnOnce(&mut LockedState, Instant) -> T) -> T {
        let mut state = self.state();
        state.now = state.now.max(self.now());
        let now = state.now;
        act(&mut state, now)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LockedState> {
        self.state.lock().expect("invariant: no thread panics while it holds the provider")
    }

    /// Returns what the observer states in the reply to a call.
    pub(super) fn observer_header(&self, tag: Option<u128>, report: &DecisionReport) -> Option<HeaderValue> {
        let stated = self.observer.as_ref()?.reply_header(tag, report)?;
        Some(HeaderValue::try_from(stated).expect("invariant: an observer states visible characters"))
    }

    pub(super) fn observe(&self, notify: impl FnOnce(&(dyn Observer + Send + Sync))) {
        if let Some(observer) = &self.observer {
            notify(observer.as_ref());
        }
    }
}

/// Maps names to ids.
///
/// # Panics
/// If a name has two ids.
fn index<'a>(kind: &str, names: impl Iterator<Item = (&'a str, u16)>) -> BTreeMap<String, u16> {
    let mut index = BTreeMap::new();
    for (name, id) in names {
        let previous = index.insert(name.to_owned(), id);
        assert!(previous.is_none_or(|previous| previous == id), "the {kind} {name} is listed twice");
    }
    index
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<_> = self.model_names().collect();
        f.debug_struct("Mock")
            .field("accounts", &self.accounts)
            .field("models", &models)
            .finish_non_exhaustive()
    }
}
