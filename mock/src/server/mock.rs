//! What all connections share: the provider's machine behind one lock, the names of its accounts and models,
//! the clock, and whoever watches.

use crate::axis::Axis;
use crate::call::{Call, Truth, Usage};
use crate::config::{Config, Dialect, Tier};
use crate::dist::Dist;
use crate::machine::Provider;
use crate::rng::{self, Stream};
use crate::ruling::{Ruling, Service};
use crate::time::{Instant, Nanos};
use crate::wire::{self, Told, Voice};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The time since the run began. It may stand still; where it runs back, the last reading stays in force.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Sees what the provider does, in the order in which it does it: `at` never runs back.
///
/// Called while the provider is locked, so it must be brief and must not call the mock.
pub trait Observer {
    /// A call was decided on. `tag` is what the sender put in the truth header.
    fn ruled(&self, at: Instant, tag: Option<u64>, call: Call, ruling: &Ruling);
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
}

struct Model {
    name: String,
    completion: Dist,
}

struct World {
    provider: Provider,
    now: Instant,
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
        let models = config
            .models
            .iter()
            .map(|model| Model { name: model.name.clone(), completion: model.completion.clone() });
        Self {
            accounts: config.accounts.iter().map(|account| account.name.clone()).collect(),
            models: models.collect(),
            account_by_key: index("key", keys),
            model_by_name: index("model", config.models.iter().map(|model| model.name.as_str()).zip(0..)),
            dialect: config.dialect,
            tier: config.tier,
            clock,
            observer,
            draws: rng::key(seed, "mock call"),
            calls: AtomicU64::new(0),
            world: Mutex::new(World { provider: Provider::new(config), now: Instant::ZERO }),
        }
    }

    /// Calls `each` with every limit of an account × model and the share of it that is used now.
    pub fn levels(&self, account: u16, model: u16, mut each: impl FnMut(Axis, f64)) {
        self.with_world(|world, now| {
            for level in world.provider.levels(now, account, model) {
                each(level.axis, level.used_share());
            }
        });
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

    pub(super) fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }

    /// How the provider speaks, at each kind of endpoint that it has.
    pub(super) fn voices(&self) -> &'static [&'static dyn Voice] {
        wire::voices(self.dialect)
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
        Truth { prompt_tokens, completion_tokens: tokens(completion), draw: stream.bits() }
    }

    /// How long the network takes to the provider and back.
    pub(super) fn network(&self, model: u16, truth: Truth) -> (Nanos, Nanos) {
        self.with_world(|world, _| world.provider.network(model, truth))
    }

    /// Decides on a call that has arrived; with what the headers can tell afterwards.
    pub(super) fn arrive(&self, call: Call, truth: Truth, tag: Option<u64>) -> (Ruling, Told) {
        self.with_world(|world, now| {
            let ruling = world.provider.arrive(now, call, truth);
            self.observe(|observer| observer.ruled(now, tag, call, &ruling));
            (ruling, self.tell(world, Told::new(now, ruling.limits), call))
        })
    }

    /// What the headers can tell of the limits now.
    pub(super) fn told(&self, call: Call) -> Told {
        self.with_world(|world, now| {
            let limits = world.provider.limits(now, call.account, call.model);
            self.tell(world, Told::new(now, limits), call)
        })
    }

    /// Adds every level; Groq tells nothing but what is in a ruling.
    fn tell(&self, world: &mut World, told: Told, call: Call) -> Told {
        match self.dialect {
            Dialect::Groq => told,
            _ => told.with(world.provider.levels(told.at, call.account, call.model)),
        }
    }

    /// Ends a call that was served to its end.
    pub(super) fn depart(&self, call: Call, tag: Option<u64>, service: &Service) {
        self.with_world(|world, now| {
            world.provider.depart(now, service.ticket, service.usage);
            self.observe(|observer| observer.settled(now, tag, call, service.usage));
        });
    }

    /// Ends a call whose client went away.
    pub(super) fn cancel(&self, call: Call, tag: Option<u64>, service: &Service) {
        self.with_world(|world, now| {
            let usage = world.provider.cancel(now, service);
            self.observe(|observer| observer.settled(now, tag, call, usage));
        });
    }

    /// The time now.
    pub(super) fn now(&self) -> Instant {
        (self.clock)()
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
        let mut world = self.world.lock().expect("nothing panics while it holds the provider");
        world.now = world.now.max(self.now());
        let now = world.now;
        act(&mut world, now)
    }

    fn observe(&self, tell: impl FnOnce(&(dyn Observer + Send + Sync))) {
        if let Some(observer) = &self.observer {
            tell(observer.as_ref());
        }
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
