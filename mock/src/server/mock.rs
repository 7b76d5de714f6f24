//! What all connections share: the provider's machine behind one lock, the names of its accounts and models,
//! the clock, and whoever watches.

use super::fault_queue::FaultQueue;
use super::header_templates::HeaderTemplates;
use super::journal_draft::JournalDraft;
use crate::axis::Axis;
use crate::call::{Call, Truth, Usage};
use crate::config::{Config, Dialect, Latency, ModelConfig, Tier};
use crate::decision::{DecisionReport, LimitsView, Service};
use crate::dist::Dist;
use crate::fault::{ActiveFaults, ResponseFault};
use crate::journal::{self, Entry, Journal, JournalOutcome};
use crate::machine::Provider;
use crate::meter::Level;
use crate::random::{self, Stream};
use crate::time::{Instant, Nanos};
use crate::wire::{self, LimitsSnapshot, WireFormat};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The time since the run began. It may stand still; where it runs back, the last reading stays in force.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Sees what the provider does, in the order in which it does it: `at` never runs back.
///
/// Called while the provider is locked, so it must be brief and must not call the mock.
pub trait Observer {
    /// A call was decided on. `tag` is what the sender put in the truth header.
    fn ruled(&self, at: Instant, tag: Option<u64>, call: Call, ruling: &DecisionReport);
    /// An admitted call ended, served or given up by its client, and was charged this. Once per admitted call.
    fn settled(&self, at: Instant, tag: Option<u64>, call: Call, usage: Usage);
}

/// One provider, ready to be served.
pub struct Mock {
    accounts: Vec<String>,
    models: Vec<Model>,
    account_by_key: BTreeMap<String, u16>,
    model_by_name: BTreeMap<String, u16>,
    dialect: Dialect,
    tier: Tier,
    clock: Clock,
    observer: Option<Arc<dyn Observer + Send + Sync>>,
    draws: u64,
    calls: AtomicU64,
    world: Mutex<World>,
    heads: HeaderTemplates,
    control: Option<Control>,
}

/// Whether a server answers under `/_quotalab/` too: whoever reaches it there may see and change everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlPlane {
    /// It does not.
    #[default]
    Absent,
    /// It does.
    Present,
}

/// What only a mock with a control plane keeps.
struct Control {
    /// The provider as it was at the start, to return to.
    fresh: Provider,
    /// By how much the clock was advanced, in nanoseconds.
    ahead: AtomicU64,
    journal: Mutex<Journal>,
}

/// A call that was decided on.
pub(super) struct Admission {
    pub(super) ruling: DecisionReport,
    /// What headers can tell of the limits afterwards.
    pub(super) told: LimitsSnapshot,
    /// What happens to the reply on its way.
    pub(super) bend: ResponseFault,
    pub(super) era: Generation,
}

/// How often the provider had been reset when it decided on a call: a later one knows nothing of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

struct Model {
    name: String,
    completion: Dist,
    latency: Latency,
}

struct World {
    provider: Provider,
    now: Instant,
    standing: FaultQueue,
    era: Generation,
}

impl Mock {
    /// A provider at the start of its run. `seed` decides the completions of calls that bring no truth.
    ///
    /// # Panics
    /// Where a key belongs to two accounts, a name to two models, or [`Provider::new`] panics.
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
        let models = config.models.iter().map(|ModelConfig { name, completion, latency, .. }| Model {
            name: name.clone(),
            completion: completion.clone(),
            latency: latency.clone(),
        });
        Self {
            accounts: config.accounts.iter().map(|account| account.name.clone()).collect(),
            models: models.collect(),
            account_by_key: index("key", keys),
            model_by_name: index("model", config.models.iter().map(|model| model.name.as_str()).zip(0..)),
            dialect: config.dialect,
            tier: config.tier,
            clock,
            observer,
            draws: random::key(seed, "mock call"),
            calls: AtomicU64::new(0),
            world: Mutex::new(World {
                provider: Provider::new(config),
                now: Instant::ZERO,
                standing: FaultQueue::default(),
                era: Generation::default(),
            }),
            heads: HeaderTemplates::default(),
            control: None,
        }
    }

    /// The same with a control plane, or without.
    #[must_use]
    pub fn with(mut self, control: ControlPlane) -> Self {
        self.control = match control {
            ControlPlane::Absent => None,
            ControlPlane::Present => Some(Control {
                fresh: self.with_world(|world, _| world.provider.clone()),
                ahead: AtomicU64::new(0),
                journal: Mutex::default(),
            }),
        };
        self
    }

    /// Whether there is a control plane.
    pub(super) const fn is_controlled(&self) -> bool {
        self.control.is_some()
    }

    /// Calls `each` with every limit of an account × model and the share of it that is used now.
    pub fn levels(&self, account: u16, model: u16, mut each: impl FnMut(Axis, f64)) {
        self.each_level(account, model, |level| each(level.axis, level.used_share()));
    }

    pub(super) fn each_level(&self, account: u16, model: u16, each: impl FnMut(Level)) {
        self.with_world(|world, now| world.provider.levels(now, account, model).for_each(each));
    }

    /// Returns every limit to its start, lifts the faults that were asked for and empties the journal. Calls under
    /// way are served to their end, and charged to nobody. The clock goes on.
    pub(super) fn reset(&self) {
        let Some(control) = &self.control else { return };
        self.with_world(|world, _| {
            world.provider = control.fresh.clone();
            world.standing.clear();
            world.era.0 += 1;
            *control.journal() = Journal::default();
        });
    }

    /// Moves the clock on, for what is decided from now on; whoever sleeps already sleeps as long as planned.
    pub(super) fn advance(&self, by: Nanos) {
        let add = |ahead: u64| Some(ahead.saturating_add(by.0));
        if let Some(control) = &self.control {
            // Always some, so it always succeeds.
            let _before = control.ahead.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        }
    }

    /// Looks at, or changes, the faults that were asked for.
    pub(super) fn standing<T>(&self, act: impl FnOnce(&mut FaultQueue, Instant) -> T) -> T {
        self.with_world(|world, now| act(&mut world.standing, now))
    }

    /// Looks at the journal; nothing where none is kept.
    pub(super) fn journal<T>(&self, look: impl FnOnce(&Journal) -> T) -> Option<T> {
        self.control.as_ref().map(|control| look(&control.journal()))
    }

    /// The fingerprint of what an account sent; only a mock with a journal has a use for it.
    pub(super) fn fingerprint(&self, account: Option<u16>, sent: &[u8]) -> u64 {
        if self.is_controlled() { journal::fingerprint(account, sent) } else { 0 }
    }

    /// Writes into the journal, where there is one, what became of a request that was decided on at this instant.
    pub(super) fn note(
        &self,
        at: Instant,
        slip: JournalDraft,
        decision: JournalOutcome,
        status: Option<u16>,
        wait: Option<Nanos>,
    ) {
        let Some(control) = &self.control else { return };
        let JournalDraft { number, account, model, stream, fingerprint } = slip;
        let entry = Entry { number, at, account, model, stream, fingerprint, decision, status, wait };
        control.journal().add(entry);
    }

    /// The account a key belongs to.
    pub(super) fn account(&self, key: &str) -> Option<u16> {
        self.account_by_key.get(key).copied()
    }

    /// The model of this name.
    pub(super) fn model(&self, name: &str) -> Option<u16> {
        self.model_by_name.get(name).copied()
    }

    pub(super) fn account_name(&self, account: u16) -> &str {
        &self.accounts[usize::from(account)]
    }

    pub(super) fn model_name(&self, model: u16) -> &str {
        &self.models[usize::from(model)].name
    }

    pub(super) fn account_names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(String::as_str)
    }

    pub(super) fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }

    /// How the provider speaks, at each kind of endpoint that it has.
    pub(super) fn voices(&self) -> &'static [&'static dyn WireFormat] {
        wire::voices(self.dialect)
    }

    pub(super) const fn heads(&self) -> &HeaderTemplates {
        &self.heads
    }

    pub(super) const fn tier(&self) -> Tier {
        self.tier
    }

    /// The number of the next request; from zero.
    pub(super) fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// What the world draws for a call that brings no truth of its own.
    pub(super) fn draw(&self, number: u64, model: u16, prompt_tokens: u32) -> Truth {
        let mut stream = Stream::keyed(self.draws, number);
        let completion = self.models[usize::from(model)].completion.sample(&mut stream);
        Truth {
            prompt_tokens,
            completion_tokens: tokens(completion),
            cached_tokens: 0,
            draw: stream.next_u64(),
        }
    }

    /// How long the network takes to the provider and back.
    pub(super) fn network(&self, model: u16, truth: Truth) -> (Nanos, Nanos) {
        self.models[usize::from(model)].latency.network(truth)
    }

    /// Decides on a call that has arrived.
    pub(super) fn arrive(&self, call: Call, audio_seconds: u64, truth: Truth, tag: Option<u64>) -> Admission {
        self.with_world(|world, now| {
            let mut trouble = world.provider.faults_at(now, truth).unwrap_or(ActiveFaults::NONE);
            world.standing.meet(now, truth, &mut trouble);
            let ruling = world.provider.arrive_with_faults(now, call, audio_seconds, truth, &trouble);
            self.observe(|observer| observer.ruled(now, tag, call, &ruling));
            let told = self.tell(world, now, ruling.limits, call);
            Admission { ruling, told, bend: trouble.response, era: world.era }
        })
    }

    /// What the headers can tell of the limits now.
    pub(super) fn told(&self, call: Call) -> LimitsSnapshot {
        self.with_world(|world, now| {
            let limits = world.provider.limits(now, call.account, call.model);
            self.tell(world, now, limits, call)
        })
    }

    /// Adds every level; Groq tells nothing but what is in a ruling.
    fn tell(&self, world: &mut World, now: Instant, limits: LimitsView, call: Call) -> LimitsSnapshot {
        let told = LimitsSnapshot::new(now, limits);
        match self.dialect {
            Dialect::Groq => told,
            _ => told.with(world.provider.levels(now, call.account, call.model)),
        }
    }

    /// Ends a call that was served to its end.
    pub(super) fn depart(&self, era: Generation, call: Call, tag: Option<u64>, service: &Service) {
        self.with_world(|world, now| {
            if world.era == era {
                world.provider.depart(now, service.ticket, service.usage);
            }
            self.observe(|observer| observer.settled(now, tag, call, service.usage));
        });
    }

    /// Ends a call whose client went away.
    pub(super) fn cancel(&self, era: Generation, call: Call, tag: Option<u64>, service: &Service) {
        self.with_world(|world, now| {
            let usage =
                if world.era == era { world.provider.cancel(now, service) } else { service.used_by(now) };
            self.observe(|observer| observer.settled(now, tag, call, usage));
        });
    }

    /// The time now.
    pub(super) fn now(&self) -> Instant {
        let ahead = self.control.as_ref().map_or(0, |control| control.ahead.load(Ordering::SeqCst));
        (self.clock)() + Nanos(ahead)
    }

    /// Sleeps from now until an instant; returns at once where it has come.
    pub(super) async fn sleep_until(&self, until: Instant) {
        self.sleep(until.since(self.now())).await;
    }

    /// Sleeps for a length of time; returns at once where it is none.
    pub(super) async fn sleep(&self, length: Nanos) {
        if length > Nanos::ZERO {
            tokio::time::sleep(std::time::Duration::from_nanos(length.0)).await;
        }
    }

    /// The clock is read inside the lock, so that what the machine sees never runs back.
    fn with_world<T>(&self, act: impl FnOnce(&mut World, Instant) -> T) -> T {
        let mut world = self.world();
        world.now = world.now.max(self.now());
        let now = world.now;
        act(&mut world, now)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nothing panics while it holds the provider")
    }

    fn observe(&self, tell: impl FnOnce(&(dyn Observer + Send + Sync))) {
        if let Some(observer) = &self.observer {
            tell(observer.as_ref());
        }
    }
}

impl Control {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("nothing panics while it holds the journal")
    }
}

/// A whole number of tokens; a draw is not negative, and a float-to-int cast saturates.
fn tokens(drawn: f64) -> u32 {
    libm::round(drawn) as u32
}

/// The index of names that each belong to one place.
fn index<'a>(what: &str, names: impl Iterator<Item = (&'a str, u16)>) -> BTreeMap<String, u16> {
    let mut index = BTreeMap::new();
    for (name, place) in names {
        let before = index.insert(name.to_owned(), place);
        assert!(before.is_none_or(|before| before == place), "the {what} {name} is listed twice");
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
