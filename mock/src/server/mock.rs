//! The state that all connections share: the provider model behind one lock, the names of its accounts and models, the
//! clock, the journal and the observer.

use super::admission::Decided;
use super::body::BodyBudget;
use super::control::ControlPlane;
use super::fault_queue::FaultQueue;
use super::header_templates::HeaderTemplates;
use super::model::Model;
use super::observer::Observer;
use super::waiting::WaitingCalls;
use crate::calendar::Epoch;
use crate::call::{Call, Truth};
use crate::config::{Config, Dialect, Tier};
use crate::decision::{HeaderLimits, Service};
use crate::fault::ActiveFaults;
use crate::journal::{self, Entry, Journal};
use crate::meter::LimitLevel;
use crate::provider::Provider;
use crate::random::{self, RandomStream};
use crate::time::{Instant, Nanos};
use crate::wire::{self, LimitsSnapshot, WireFormat};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Returns the time since the start of the run. If it decreases, the provider model keeps using the latest instant.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The state of a mock server: one provider model, with its clock, journal and observer, and the names of its accounts and
/// models. All connections share it; [`serve`](super::serve) answers requests from it.
pub struct Mock {
    accounts: Vec<String>,
    models: Vec<Model>,
    account_by_key: BTreeMap<String, u16>,
    model_by_name: BTreeMap<String, u16>,
    dialect: Dialect,
    epoch: Epoch,
    tier: Tier, // on which the text of a refusal depends
    clock: Clock,
    observer: Option<Arc<dyn Observer + Send + Sync>>,
    /// The key of the random streams from which truths are drawn.
    truth_key: u64,
    /// The number of the next request.
    next_request_number: AtomicU64,
    state: Mutex<LockedState>,
    header_templates: HeaderTemplates,
    /// The bytes of all bodies that are being read, which are bounded together.
    pub(super) bodies: BodyBudget,
    control: Option<Control>,
}

/// The state that only a mock with a control plane has.
struct Control {
    /// The token that clients must send; `None` on loopback.
    token: Option<Arc<str>>,
    /// The provider at the start, for resets.
    initial: Provider,
    /// Total by which the clock was advanced, in nanoseconds.
    advanced_ns: AtomicU64,
    journal: Mutex<Journal>,
}

/// The number of times that a provider has been reset. A call that was admitted before a reset is unknown to the provider
/// after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// The state behind the lock: the provider model, and what must change together with it.
struct LockedState {
    provider: Provider,
    /// The latest instant at which the provider was used.
    now: Instant,
    faults: FaultQueue,
    generation: Generation,
    waiting: WaitingCalls,
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
        let keys = (0..)
            .zip(&config.accounts)
            .flat_map(|(id, account)| account.keys.iter().map(move |key| (key.as_str(), id)));
        Self {
            accounts: config.accounts.iter().map(|account| account.name.clone()).collect(),
            models: config.models.iter().map(Model::new).collect(),
            account_by_key: index("key", keys),
            model_by_name: index("model", config.models.iter().map(|model| model.name.as_str()).zip(0..)),
            dialect: config.dialect,
            epoch: Epoch::RUN,
            tier: config.tier,
            clock,
            observer,
            truth_key: random::label_key(seed, "mock call"),
            next_request_number: AtomicU64::new(0),
            state: Mutex::new(LockedState {
                provider: Provider::new(config),
                now: Instant::ZERO,
                faults: FaultQueue::default(),
                generation: Generation::default(),
                waiting: WaitingCalls::default(),
            }),
            header_templates: HeaderTemplates::default(),
            bodies: BodyBudget::default(),
            control: None,
        }
    }

    /// Enables or disables the control plane.
    #[must_use]
    pub fn with_control_plane(mut self, control: ControlPlane) -> Self {
        let token = match control {
            ControlPlane::Disabled => return Self { control: None, ..self },
            ControlPlane::Enabled => None,
            ControlPlane::WithToken(token) => Some(token),
        };
        self.control = Some(Control {
            token,
            initial: self.with_state(|state, _| state.provider.clone()),
            advanced_ns: AtomicU64::new(0),
            journal: Mutex::default(),
        });
        self
    }

    /// Sets the calendar time at which the clock is zero, for dates in replies. Calendar limits keep that of a run.
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

    /// Returns the token that clients of the control plane must send, if they must.
    pub(super) fn control_token(&self) -> Option<&str> {
        self.control.as_ref()?.token.as_deref()
    }

    pub(super) const fn has_control_plane(&self) -> bool {
        self.control.is_some()
    }

    /// Calls `each` with the level of every limit of an account × model.
    pub fn for_each_level(&self, account: u16, model: u16, each: impl FnMut(LimitLevel)) {
        self.with_state(|state, now| state.provider.levels(now, account, model).for_each(each));
    }

    /// Resets every limit, the server slots, the injected faults and the journal, but not the clock. Calls in flight are
    /// served to their end and charged to no limit; those that wait for a server slot start at once.
    pub(super) fn reset(&self) {
        let Some(control) = &self.control else { return };
        self.with_state(|state, _| {
            state.provider = control.initial.clone();
            state.faults.clear();
            state.waiting.clear();
            state.generation.0 += 1;
            *control.journal() = Journal::default();
        });
    }

    /// Advances the clock. A whole reply in progress still takes the real time planned for it; a stream sends what became due.
    pub(super) fn advance(&self, by: Nanos) {
        let add = |advanced: u64| Some(advanced.saturating_add(by.0));
        if let Some(control) = &self.control {
            let _always_ok = control.advanced_ns.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        }
    }

    /// Calls `act` with the injected faults and the current instant.
    pub(super) fn with_faults<T>(&self, act: impl FnOnce(&mut FaultQueue, Instant) -> T) -> T {
        self.with_state(|state, now| act(&mut state.faults, now))
    }

    /// Reads the journal; `None` if there is none.
    pub(super) fn journal<T>(&self, read: impl FnOnce(&Journal) -> T) -> Option<T> {
        self.control.as_ref().map(|control| read(&control.journal()))
    }

    /// Returns the fingerprint of the content of an account's request; zero if there is no journal to store it.
    pub(super) fn fingerprint(&self, account: Option<u16>, content: &[u8]) -> u64 {
        if self.has_control_plane() { journal::fingerprint(account, content) } else { 0 }
    }

    /// Adds an entry to the journal, if there is one.
    pub(super) fn add_to_journal(&self, entry: Entry) {
        if let Some(control) = &self.control {
            control.journal().add(entry);
        }
    }

    /// Returns the account that has this API key.
    pub(super) fn find_account(&self, api_key: &str) -> Option<u16> {
        self.account_by_key.get(api_key).copied()
    }

    /// Returns the model with this name.
    pub(super) fn find_model(&self, name: &str) -> Option<u16> {
        let find = |name| self.model_by_name.get(name).copied();
        match self.dialect {
            // Its lists name models in this form, and it accepts both.
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

    /// Returns the sequence number of the next request, from zero.
    pub(super) fn next_request_number(&self) -> u64 {
        self.next_request_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns `true` if a truth header with this tag counts: that of the observed run, or any if no run is observed.
    pub(super) fn accepts_truth(&self, tag: u128) -> bool {
        self.observer.as_ref().is_none_or(|observer| observer.is_own(tag))
    }

    /// Draws the truth of a call that has no truth header.
    pub(super) fn draw_truth(&self, request_number: u64, model: u16, prompt_tokens: u32) -> Truth {
        let stream = RandomStream::keyed(self.truth_key, request_number);
        self.model(model).draw_truth(stream, prompt_tokens)
    }

    /// Decides on a call that arrives now.
    pub(super) fn decide(&self, call: Call, audio_seconds: u64, truth: Truth, tag: Option<u128>) -> Decided {
        self.with_state(|state, now| {
            let mut faults = state.provider.faults_at(now, truth).unwrap_or(ActiveFaults::NONE);
            state.faults.apply(now, truth, &mut faults);
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

    /// Settles a call that has been served.
    pub(super) fn settle(&self, generation: Generation, call: Call, tag: Option<u128>, service: &Service) {
        self.with_state(|state, now| {
            if state.generation == generation {
                let started = state.provider.complete(now, service);
                state.waiting.notify(started);
            }
            self.observe(|observer| observer.settled(now, tag, call, service.usage));
        });
    }

    /// Settles a call whose client disconnected before it was served.
    pub(super) fn cancel(&self, generation: Generation, call: Call, tag: Option<u128>, service: &Service) {
        self.with_state(|state, now| {
            let usage = if state.generation == generation {
                state.waiting.remove(service);
                let (usage, started) = state.provider.cancel(now, service);
                state.waiting.notify(started);
                usage
            } else {
                service.usage_until(now)
            };
            self.observe(|observer| observer.settled(now, tag, call, usage));
        });
    }

    /// Returns the time of the clock plus the time by which the control plane advanced it.
    pub(super) fn now(&self) -> Instant {
        let advanced = self.control.as_ref().map_or(0, |control| control.advanced_ns.load(Ordering::SeqCst));
        (self.clock)() + Nanos(advanced)
    }

    /// Sleeps until an instant of the mock's clock; returns at once if it has passed.
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
    fn with_state<T>(&self, act: impl FnOnce(&mut LockedState, Instant) -> T) -> T {
        let mut state = self.state();
        state.now = state.now.max(self.now());
        let now = state.now;
        act(&mut state, now)
    }

    fn state(&self) -> MutexGuard<'_, LockedState> {
        self.state.lock().expect("invariant: no thread panics while it holds the provider")
    }

    fn observe(&self, notify: impl FnOnce(&(dyn Observer + Send + Sync))) {
        if let Some(observer) = &self.observer {
            notify(observer.as_ref());
        }
    }
}

impl Control {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("invariant: no thread panics while it holds the journal")
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
