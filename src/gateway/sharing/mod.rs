//! Quotas, cool-downs, budgets of callers (`budgets`) and cached answers (`answers`) that several replicas of the gateway share through
//! Redis.
//!
//! ```text
//!  dispatch ── reserve ──▶ SharedQuotas ──▶ Pool (one per account and model or family)
//!                                            │ grant: a few requests without asking
//!                                            │ Redis is gone: this replica's share of each limit
//!                                            ▼
//!                                           Link ── one call per decision ──▶ Redis: quota.lua
//!  reply ──── settle ────▶ Lease ── queue ──▶┘ task: settlements, cool-downs, heartbeats, reconnects
//! ```
//!
//! The engine decides as it does alone. Before its attempt is sent, what the attempt may use is reserved here: granted, the request is
//! sent and later settled; refused, nothing is sent and the engine gets a refusal with the true wait, as from a provider.
//!
//! Invariants:
//! 1. A refused reservation changes nothing. A lease is settled once; an unknown or repeated settlement changes nothing.
//! 2. A call whose answer is lost is not made again. Only what was used without Redis is reported again, under one id, which counts once.
//! 3. Without Redis a replica admits its part of each limit, and its part of what was left according to the last answer of Redis.
//! 4. The queue of calls, the leases in Redis and the leases of a grant are bounded.
//!
//! The limits are those of the scenario, as token buckets: the refill policy of Groq and most providers. Fixed and sliding windows are shared as
//! buckets too. Concurrency is not shared.

mod answers;
mod budgets;
mod call;
mod counts;
mod heartbeat;
mod lease;
mod limit;
mod link;
mod pool;
mod reconnect;
mod replicas;
mod task;
mod url;

#[cfg(test)]
mod laws;
#[cfg(test)]
#[path = "../../../tests/fixtures/redis_server.rs"]
mod redis_server;

pub(super) use answers::{AnswerKey, FoundAnswer, SharedAnswers, SharedAnswersState};
pub(super) use budgets::SharedLedger;
pub(super) use lease::Lease;
pub use url::RedisUrl;

use crate::drive::clock::Clock;
use crate::engine::{Attempt, Reply, Wait, WaitKind, cost_of};
use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use answers::AnswerTask;
use call::Outcome;
use counts::DecidedBy;
use limit::SharedLimit;
use link::Link;
use pool::Pool;
use prometheus_client::registry::Registry;
use provider::config::TokenCounting;
use provider::{Axis, Instant, Nanos};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::AbortHandle;

/// How a gateway shares quotas.
#[derive(Clone, Debug)]
pub struct SharingOptions {
    /// Where Redis is.
    pub url: RedisUrl,
    /// The number of this replica, different from those of all others: a random one.
    pub replica: u64,
    /// How long a request waits for an answer before Redis counts as gone.
    pub answer_timeout: Duration,
}

/// How long a request waits for an answer of Redis, if nothing else is set.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(50);

/// How often [`Sharing::finish`] checks what is left to send.
const FINISH_PAUSE: Duration = Duration::from_millis(10);

/// Redis could not be reached when the gateway started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis at {address} does not answer: {reason}")]
pub struct SharingError {
    /// `host:port`, without user and password.
    pub address: String,
    /// What went wrong.
    pub reason: String,
}

/// The connection of this replica to Redis, with the quotas and budgets that are shared through it, and the task that keeps it.
#[derive(Debug)]
pub struct Sharing {
    link: Arc<Link>,
    task: AbortHandle,
    url: RedisUrl,
    answer_timeout: Duration,
    clock: Clock,
    /// Set once a scenario has a response cache.
    answers: OnceLock<AnswerTask>,
}

impl Drop for Sharing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sharing {
    /// Connects to Redis.
    ///
    /// # Errors
    /// If it cannot be reached: without it the number of replicas, and so this one's share, is unknown.
    ///
    /// # Panics
    /// If called outside an async runtime.
    pub async fn connect(options: &SharingOptions, clock: Clock) -> Result<Arc<Self>, SharingError> {
        let (link, waiting) = Link::connect(options, clock).await?;
        let run = Arc::clone(&link);
        let task = tokio::spawn(async move { run.run(waiting).await }).abort_handle();
        let SharingOptions { url, answer_timeout, .. } = options.clone();
        Ok(Arc::new(Self { link, task, url, answer_timeout, clock, answers: OnceLock::new() }))
    }

    /// Returns the address of Redis, without user and password.
    #[must_use]
    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// Waits until Redis has answered all calls that were queued, for `limit` at most. Returns `false` if it has not.
    pub async fn finish(&self, limit: Duration) -> bool {
        let is_sent = async {
            while self.link.unanswered() > 0 {
                tokio::time::sleep(FINISH_PAUSE).await;
            }
        };
        tokio::time::timeout(limit, is_sent).await.is_ok()
    }

    /// Returns the metrics of the sharing.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = self.link.counts.registry(&self.link);
        if let Some(answers) = self.answers.get() {
            answers.register(&mut registry);
        }
        registry
    }
}

/// The shared quotas of the targets of a scenario.
#[derive(Clone, Debug)]
pub(super) struct SharedQuotas {
    sharing: Arc<Sharing>,
    /// By target.
    targets: Arc<[SharedQuota]>,
}

#[derive(Debug)]
struct SharedQuota {
    pool: Arc<Pool>,
    /// The key of the target's cool-down.
    cool_down: String,
    counting: TokenCounting,
}

/// A reservation that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    cause: RefusalCause,
    /// The limit that refused, if one did.
    axis: Option<Axis>,
    /// The wait until it would be admitted if no other replica used anything.
    wait: Nanos,
}

impl Refusal {
    /// Returns the refusal as the reply of a provider.
    pub(super) fn reply(&self, now: Instant) -> Reply {
        let &Self { cause, axis, wait } = self;
        Reply {
            outcome: AttemptOutcome::Refused { axis, cause },
            wait: Some(Wait { length: wait, kind: WaitKind::UntilAdmitted }),
            header_wait: Some(wait),
            ..Reply::failed(now, AttemptFailure::Connection)
        }
    }
}

impl SharedQuotas {
    /// Returns the shared quotas of a scenario's targets. Targets of one account whose models are of one family share a quota.
    pub(super) fn new(sharing: &Arc<Sharing>, scenario: &Scenario) -> Self {
        let link = &sharing.link;
        let quota_of = |target: &crate::scenario::Target| {
            let provider = &scenario.providers[usize::from(target.provider)];
            let account = &provider.accounts[usize::from(target.account)].name;
            let model = usize::from(target.model);
            let owner = &provider.models[provider.meter_of(model)].name;
            let name = format!("{}/{account}/{owner}", provider.name);
            let limits: Arc<[SharedLimit]> = target.limits.iter().filter_map(SharedLimit::new).collect();
            let pool = link.pool(&name, |replicas| Pool::new(name.clone(), Arc::clone(&limits), replicas));
            pool.set_limits(link.now(), limits);
            let cool_down = pool.keys.cool_down(&provider.models[model].name);
            SharedQuota { pool, cool_down, counting: target.counting }
        };
        Self { sharing: Arc::clone(sharing), targets: scenario.targets.iter().map(quota_of).collect() }
    }

    pub(super) fn sharing(&self) -> &Arc<Sharing> {
        &self.sharing
    }

    /// Reserves what an attempt may use.
    ///
    /// # Errors
    /// The refusal.
    pub(super) async fn reserve(&self, attempt: &Attempt) -> Result<Lease, Refusal> {
        let SharedQuota { pool, cool_down, counting } = &self.targets[attempt.target.index()];
        let link = &self.sharing.link;
        let cost = cost_of(&attempt.job);
        let charged = pool.charged(|axis| cost.units_on(axis));
        let owners = (link, pool);
        let asked = link.now();
        if let Some(id) = pool.take_from_grant(asked, &charged) {
            link.counts.decided(DecidedBy::Grant);
            return Ok(Lease::asked(owners, id, charged, *counting, 0));
        }
        if link.is_up() {
            let id = link.new_id();
            let (call, further) = pool.ask(asked, &charged, (link.replica(), &id), cool_down);
            let mut lease = Lease::asked(owners, id.clone(), charged, *counting, further);
            if let Some(answer) = link.ask(&call).await {
                lease.record_answer(answer.outcome == Outcome::Done);
                let times = (asked, link.now());
                let taken = pool.take_answer(times, (&charged, link.replica(), &id), further, &answer);
                let is_given = taken.is_ok();
                link.counts.decided(if is_given { DecidedBy::Shared } else { DecidedBy::Refused });
                taken?.into_iter().for_each(|call| link.enqueue(call));
                if answer.is_granted && further > 0 {
                    link.end_grant_later(pool, id);
                }
                return Ok(lease);
            }
        }
        let decided = pool.decide_alone(link.now(), &charged);
        let is_given = decided.is_ok();
        link.counts.decided(if is_given { DecidedBy::Alone } else { DecidedBy::RefusedAlone });
        decided.map(|()| Lease::alone(owners, charged, *counting))
    }

    /// Publishes a cool-down to the other replicas, unless it came from them.
    pub(super) fn publish_cool_down(&self, target: TargetId, until: Instant, cause: RefusalCause) {
        if !matches!(cause, RefusalCause::SharedQuota | RefusalCause::SharedCoolDown) {
            let SharedQuota { pool, cool_down, .. } = &self.targets[target.index()];
            self.sharing.link.publish_cool_down(pool, cool_down, until);
        }
    }
}
