//! The connection to Redis, and the queue of what is sent. `task` reconnects, and sends it.

use super::budgets::{Settlement, SharedBudget};
use super::call::{Call, Keys, ScriptCall};
use super::counts::Counts;
use super::heartbeat::{ByName, Heartbeats};
use super::pool::{GRANT_LENGTH, Pool};
use super::{RedisUrl, SharingError, SharingOptions};
use crate::drive::clock::Clock;
use provider::Instant;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

/// The connection to Redis, and the quotas and budgets that are shared through it.
pub(super) struct Link {
    client: Client,
    /// `host:port`, without user and password.
    address: String,
    url: RedisUrl,
    answer_timeout: Duration,
    clock: Clock,
    /// The name of this replica.
    replica: String,
    state: Mutex<Connection>,
    /// Wakes the task: the connection was lost or made, or a quota or budget was asked for.
    pub(super) changed: Notify,
    pub(super) pools: ByName<Pool>,
    /// By the name of the caller.
    pub(super) budgets: ByName<SharedBudget>,
    queue: mpsc::Sender<Queued>,
    /// The calls that were put into the queue and whose answers have not come.
    pub(super) queued: AtomicUsize,
    next_id: AtomicU64,
    pub(super) counts: Counts,
}

/// The connection to Redis.
struct Connection {
    /// `None` while Redis is gone.
    current: Option<MultiplexedConnection>,
    /// How many connections there were.
    number: u64,
}

/// What is sent to Redis while no request waits for the answer.
pub(super) enum Queued {
    Call(Call),
    CoolDown { pool: Keys, key: String, until: Instant },
    BudgetSettlement { budget: Arc<SharedBudget>, settlement: Settlement },
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects. [`Self::run`] sends what is put into the queue.
    pub(super) async fn connect(
        options: &SharingOptions,
        clock: Clock,
    ) -> Result<(Arc<Self>, CallQueue), SharingError> {
        let info = options.url.info();
        let address = info.addr().to_string();
        let failed = |reason: String| SharingError { address: address.clone(), reason };
        let client = Client::open(info.clone()).map_err(|error| failed(error.to_string()))?;
        let (queue, waiting) = mpsc::channel(MAX_QUEUED);
        let link = Self {
            client,
            url: options.url.clone(),
            answer_timeout: options.answer_timeout,
            clock,
            replica: format!("{:016x}", options.replica),
            state: Mutex::new(Connection { current: None, number: 0 }),
            changed: Notify::new(),
            pools: ByName::new(),
            budgets: ByName::new(),
            queue,
            queued: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            counts: Counts::default(),
            address: address.clone(),
        };
        link.reconnect(START_TIMEOUT).await.map_err(failed)?;
        Ok((Arc::new(link), CallQueue(waiting)))
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn replica(&self) -> &str {
        &self.replica
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Returns an id that no other lease, grant or report of any replica has.
    pub(super) fn new_id(&self) -> String {
        format!("{}-{:x}", self.replica, self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns `true` if there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.state().current.is_some()
    }

    /// Returns the number of the connection that was lost; `None` while there is a connection.
    pub(super) fn lost_connection(&self) -> Option<u64> {
        let state = self.state();
        state.current.is_none().then_some(state.number)
    }

    fn state(&self) -> MutexGuard<'_, Connection> {
        self.state.lock().expect("invariant: no thread panics while it holds the connection")
    }

    /// Returns the largest number of replicas that Redis has named.
    fn replicas(&self) -> u32 {
        self.pools.replicas().max(self.budgets.replicas()).unwrap_or(1)
    }

    /// Returns the quota with this name, which `make` creates from the number of replicas if there is none.
    pub(super) fn pool(&self, name: &str, make: impl FnOnce(u32) -> Pool) -> Arc<Pool> {
        self.shared(&self.pools, name, make)
    }

    /// Returns the budget of a caller, which `make` creates from the number of replicas if there is none.
    pub(super) fn budget(&self, name: &str, make: impl FnOnce(u32) -> SharedBudget) -> Arc<SharedBudget> {
        self.shared(&self.budgets, name, make)
    }

    fn shared<T: Heartbeats>(&self, all: &ByName<T>, name: &str, make: impl FnOnce(u32) -> T) -> Arc<T> {
        let replicas = self.replicas();
        let shared = all.get_or_make(name, || make(replicas));
        self.changed.notify_one();
        shared
    }

    /// Makes a call and waits for its answer; `None` if Redis is gone, or answers too late or with an error: then it is gone.
    pub(super) async fn ask<C: ScriptCall>(&self, call: &C) -> Option<C::Answer> {
        self.call(call, self.answer_timeout).await
    }

    pub(super) async fn call<C: ScriptCall>(&self, call: &C, time_limit: Duration) -> Option<C::Answer> {
        let (mut connection, number) = {
            let state = self.state();
            (state.current.clone()?, state.number)
        };
        match timeout(time_limit, call.make(&mut connection)).await {
            // An answer that comes after the connection was lost is not used: this replica decides alone by what it knew then.
            Ok(Ok(answer)) => Some(answer).filter(|_| self.is_current(number)),
            Ok(Err(error)) => {
                self.lose(number, &self.text_of(&error));
                None
            }
            Err(_) => {
                self.lose(number, &format!("no answer within {time_limit:?}"));
                None
            }
        }
    }

    fn is_current(&self, number: u64) -> bool {
        let state = self.state();
        state.number == number && state.current.is_some()
    }

    /// Records that a connection was lost, and logs it, once.
    fn lose(&self, number: u64, reason: &str) {
        let mut state = self.state();
        if state.number == number && state.current.take().is_some() {
            drop(state);
            self.counts.up.set(0);
            // A request that was decided on alone just as Redis came back may have begun an outage, which does not count what was used
            // since.
            self.end_outages();
            let replicas = self.replicas();
            tracing::warn!(
                redis = self.address,
                reason,
                replicas,
                "redis does not answer: this replica continues with its share of each quota and budget"
            );
            self.changed.notify_one();
        }
    }

    fn end_outages(&self) {
        self.pools.end_outage();
        self.budgets.end_outage();
    }

    /// Returns the text of an error, without the password.
    pub(super) fn text_of(&self, error: &redis::RedisError) -> String {
        self.url.text_of(error)
    }

    /// Queues a call. If too many wait it is dropped: the quota keeps what was reserved until it refills.
    pub(super) fn enqueue(&self, call: Call) {
        self.put(Queued::Call(call));
    }

    /// Queues a cool-down of a target, which holds for the other replicas until an instant.
    pub(super) fn publish_cool_down(&self, pool: &Pool, key: &str, until: Instant) {
        self.put(Queued::CoolDown { pool: pool.keys.clone(), key: key.to_owned(), until });
    }

    /// Queues the settlement of what an attempt has used of its caller's budget. It is kept until Redis has answered, unless too many
    /// are kept.
    pub(super) fn enqueue_settlement(&self, budget: &Arc<SharedBudget>, settlement: Settlement) {
        self.put(Queued::BudgetSettlement { budget: Arc::clone(budget), settlement });
    }

    fn put(&self, queued: Queued) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(queued) | TrySendError::Closed(queued)) = self.queue.try_send(queued) {
            self.put_back(queued);
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Keeps the settlement of a budget for a later heartbeat, unless too many are kept. Anything else is lost.
    pub(super) fn put_back(&self, queued: Queued) {
        let is_kept = match queued {
            Queued::BudgetSettlement { budget, settlement } => budget.put_back(settlement),
            Queued::Call(_) | Queued::CoolDown { .. } => false,
        };
        if !is_kept {
            self.counts.lost.inc();
        }
    }

    /// Returns the number of calls that wait to be sent, or whose answers have not come.
    pub(super) fn unanswered(&self) -> usize {
        let kept: usize = self.budgets.all().iter().map(|budget| budget.kept_settlements()).sum();
        self.queued.load(Ordering::Relaxed) + kept
    }

    /// Ends a grant after [`GRANT_LENGTH`].
    pub(super) fn end_grant_later(self: &Arc<Self>, pool: &Arc<Pool>, id: String) {
        let (link, pool) = (Arc::clone(self), Arc::clone(pool));
        tokio::spawn(async move {
            sleep(Duration::from_nanos(GRANT_LENGTH.0)).await;
            let rest = pool.end_grant(link.now(), link.replica(), &id);
            rest.into_iter().for_each(|call| link.enqueue(call));
        });
    }

    /// Connects. Redis decides again once it knows what every replica used without it.
    pub(super) async fn reconnect(&self, time_limit: Duration) -> Result<(), String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(time_limit))
            .set_response_timeout(Some(time_limit));
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = match timeout(time_limit, connect).await {
            Ok(connected) => connected.map_err(|error| self.text_of(&error))?,
            Err(_) => return Err(format!("no connection within {time_limit:?}")),
        };
        let pong: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
        pong.map_err(|error| self.text_of(&error))?;
        self.await_replicas(&connection, time_limit).await?;
        let mut state = self.state();
        state.number += 1;
        state.current = Some(connection);
        drop(state);
        self.end_outages();
        self.counts.up.set(1);
        // Settlements may wait to be sent.
        self.changed.notify_one();
        Ok(())
    }
}

/// The queue of calls that wait to be sent.
pub(super) struct CallQueue(pub(super) mpsc::Receiver<Queued>);

/// The most calls that wait.
const MAX_QUEUED: usize = 4096;

/// How long each step of the first connection may take.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// How long each step of a later one may take.
pub(super) const RECONNECT_TIMEOUT: Duration = Duration::from_secs(1);
