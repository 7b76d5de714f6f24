//! A gateway without sockets, whose answers are looked up and written by a test.

use super::{KEYS, REPLICAS};
use crate::drive::clock::Clock;
use crate::engine::Engine;
use crate::gateway::actions::Actions;
use crate::gateway::endpoint::Endpoint;
use crate::gateway::headers::PassedHeaders;
use crate::gateway::metrics::{CountedEvents, Metrics};
use crate::gateway::recording::RecordedEngine;
use crate::gateway::request_key::{Identity, KeyHasher, Reuse};
use crate::gateway::response_cache::ResponseCache;
use crate::gateway::sharing::RedisUrl;
use crate::gateway::sharing::answers::clock::ServerClock;
use crate::gateway::sharing::answers::link::{AnswerLink, WriteQueue};
use crate::gateway::sharing::answers::{SharedAnswers, scope_of};
use crate::ids::Slot;
use crate::scenario::{self, Overrides, Scenario};
use hyper::header::HeaderMap;
use provider::{Instant, Nanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The times to live of the replicas differ, in seconds, as after a reload of some.
pub(super) const TTLS: [u64; REPLICAS] = [1, 2, 3];

/// How much the replicas underestimate the clock of the server, in milliseconds.
const CLOCK_ERRORS: [u64; REPLICAS] = [0, 3, 7];

/// The time of the server at the beginning, in milliseconds since 1970: so late that the server itself expires nothing.
pub(in super::super) const BEGINNING_MS: u64 = 5_000_000_000_000;

/// A gateway without sockets.
pub(super) struct Replica {
    pub(super) engine: RecordedEngine,
    pub(super) actions: Actions,
    hasher: KeyHasher,
    pub(super) answers: SharedAnswers,
    pub(super) queue: WriteQueue,
    /// By tag: the key of the request, whether it accepts an earlier answer, and when it was submitted.
    pub(super) jobs: BTreeMap<usize, (usize, Reuse, Instant)>,
    /// Attempts in flight.
    pub(super) attempts: Vec<(Slot, crate::engine::Attempt)>,
    /// By key: when a request last dropped the answers before it.
    pub(super) refreshed: [Option<Instant>; KEYS],
}

impl Replica {
    pub(super) fn new(number: usize) -> Self {
        let ttl = TTLS[number];
        let scenario = scenario_with(ttl);
        let url = RedisUrl::parse("redis://127.0.0.1:1").expect("a URL");
        let (link, queue) = AnswerLink::new(url, std::time::Duration::ZERO, Clock::start());
        let lagging =
            ServerClock::new(None, (Instant::ZERO, Instant::ZERO), BEGINNING_MS - CLOCK_ERRORS[number]);
        link.set_agreed(&"a".repeat(64), lagging);
        let answers = answers_of(link, (&scenario, Nanos::from_secs(ttl)));
        let mut hasher = KeyHasher::new().expect("random numbers");
        hasher.share(answers.clone());
        let counted = CountedEvents::new(Arc::new(Metrics::new()), ["p/a/m"].into_iter());
        let mut actions = Actions::new(0, counted, Some(ResponseCache::new(Some(Nanos::from_secs(ttl)))));
        actions.shared_answers = Some(answers.clone());
        let engine = RecordedEngine::new(Engine::new(&scenario));
        let (jobs, attempts, refreshed) = (BTreeMap::new(), Vec::new(), [None; KEYS]);
        Self { engine, actions, hasher, answers, queue, jobs, attempts, refreshed }
    }

    pub(super) fn identity(&self, key: usize, reuse: Reuse) -> Option<Identity> {
        let body = format!("{{\"k\":{key}}}");
        let headers = PassedHeaders::of(&HeaderMap::new());
        self.hasher.identity((Endpoint::Chat, body.as_bytes()), &headers, (None, reuse))
    }
}

/// Returns a scenario whose answers live for some seconds.
pub(in super::super) fn scenario_with(ttl: u64) -> Scenario {
    let text = format!(
        "name: laws\nproviders: {{p: {{dialect: openai, accounts: {{a: {{keys: [k]}}}}, models: {{m: {{}}}}}}}}\nroutes: {{r: [{{of: [p/a/m]}}]}}\n\
             duration: 1m\nworkload: [{{name: w, route: r, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n\
             client: {{deadline: 1h, cache: {{entries: 2, ttl: {ttl}s}}, join: true, retry: {{attempts: 1}}, eject: off, cool_down: off}}\n"
    );
    scenario::parse("laws.yaml", &text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Returns the shared answers of a scenario through a link.
pub(in super::super) fn answers_of(
    link: Arc<AnswerLink>,
    (scenario, ttl): (&Scenario, Nanos),
) -> SharedAnswers {
    let scope = Arc::new(scope_of(scenario, &[]));
    SharedAnswers { _sharing: None, link, ttl, scope, targets: Arc::new(["p/a/m".into()]) }
}
