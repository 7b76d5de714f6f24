//! The connection to Redis: made again when it is lost, and a task that sends heartbeats, settlements and cool-downs.

use super::call::{Answer, Call, Keys, Verb};
use super::counts::Counts;
use super::pool::{GRANT_LENGTH, Pool, REPLICAS_LENGTH};
use super::{SharingError, SharingOptions};
use crate::drive::clock::Clock;
use futures_util::future::join_all;
use provider::{Instant, Nanos};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// The connection to Redis and the quotas that are shared through it.
pub(super) struct Link {
    client: Client,
    /// `host:port`, without user and password.
    address: String,
    /// Replaced by dots in errors.
    password: Option<String>,
    answer_timeout: Duration,
    clock: Clock,
    /// The name of this replica.
    replica: String,
    state: Mutex<Connection>,
    /// The connection was lost, or there are new quotas.
    changed: Notify,
    /// By name.
    pools: Mutex<BTreeMap<String, Arc<Pool>>>,
    queue: mpsc::Sender<Queued>,
    next_id: AtomicU64,
    pub(super) counts: Counts,
}

/// The connection, if there is one, and how many there were.
struct Connection {
    current: Option<MultiplexedConnection>,
    number: u64,
}

/// What is sent to Redis without waiting for it.
enum Queued {
    Call(Call),
    CoolDown { pool: Keys, key: String, until: Instant },
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects. The task of [`Self::run`] is to take the calls that wait.
    pub(super) async fn connect(
        options: &SharingOptions,
        clock: Clock,
    ) -> Result<(Arc<Self>, Waiting), SharingError> {
        let info = options.url.info();
        let (address, password) =
            (info.addr().to_string(), info.redis_settings().password().map(str::to_owned));
        let failed = |reason: String| SharingError { address: address.clone(), reason };
        let client = Client::open(info.clone()).map_err(|error| failed(error.to_string()))?;
        let (queue, waiting) = mpsc::channel(MAX_QUEUED);
        let link = Self {
            client,
            password,
            answer_timeout: options.answer_timeout,
            clock,
            replica: format!("{:016x}", options.replica),
            state: Mutex::new(Connection { current: None, number: 0 }),
            changed: Notify::new(),
            pools: Mutex::default(),
            queue,
            next_id: AtomicU64::new(0),
            counts: Counts::new(),
            address: address.clone(),
        };
        link.reconnect(START_TIMEOUT).await.map_err(failed)?;
        Ok((Arc::new(link), Waiting(waiting)))
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

    /// Returns an id that no other lease has.
    pub(super) fn new_id(&self) -> String {
        format!("{}-{:x}", self.replica, self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns `true` if Redis answered last.
    pub(super) fn is_up(&self) -> bool {
        self.state().current.is_some()
    }

    fn state(&self) -> MutexGuard<'_, Connection> {
        self.state.lock().expect("invariant: no thread panics while it holds the connection")
    }

    fn pools_by_name(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Pool>>> {
        self.pools.lock().expect("invariant: no thread panics while it holds the quotas")
    }

    /// Returns all quotas.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools_by_name().values().map(Arc::clone).collect()
    }

    /// Returns the quota with this name, which it makes if there is none.
    pub(super) fn pool(&self, name: &str, make: impl FnOnce(u32) -> Pool) -> Arc<Pool> {
        let mut pools = self.pools_by_name();
        let replicas = pools.values().map(|pool| pool.replicas()).max().unwrap_or(1);
        let pool = pools.entry(name.to_owned()).or_insert_with(|| Arc::new(make(replicas)));
        self.changed.notify_one();
        Arc::clone(pool)
    }

    /// Makes a call and waits for its answer; `None` if Redis is gone, or answers too late or with an error: then it is gone.
    pub(super) async fn ask(&self, call: &Call) -> Option<Answer> {
        self.call(call, self.answer_timeout).await
    }

    async fn call(&self, call: &Call, patience: Duration) -> Option<Answer> {
        let (mut connection, number) = {
            let state = self.state();
            (state.current.clone()?, state.number)
        };
        match timeout(patience, call.make(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => self.lose(number, &self.text_of(&error)),
            Err(_) => self.lose(number, &format!("no answer within {patience:?}")),
        }
    }

    /// Records that a connection is of no use. Logs it once.
    fn lose(&self, number: u64, reason: &str) -> Option<Answer> {
        let mut state = self.state();
        if state.number == number && state.current.take().is_some() {
            drop(state);
            self.counts.up.set(0);
            let pools = self.pools();
            // One that a request began at the end of the last outage is of no use.
            pools.iter().for_each(|pool| pool.end_outage());
            let replicas = pools.iter().map(|pool| pool.replicas()).max().unwrap_or(1);
            tracing::warn!(
                redis = self.address,
                reason,
                replicas,
                "redis is gone: this replica goes on with its share of each quota"
            );
            self.changed.notify_one();
        }
        None
    }

    /// Returns the text of an error, without the password.
    fn text_of(&self, error: &redis::RedisError) -> String {
        let text = error.to_string();
        match self.password.as_deref().filter(|password| !password.is_empty()) {
            Some(password) => text.replace(password, "…"),
            None => text,
        }
    }

    /// Sends a call some time; if too many wait it is dropped, so that what it would give back stays charged until it refills.
    pub(super) fn enqueue(&self, call: Call) {
        self.put(Queued::Call(call));
    }

    /// Lets the other replicas leave a target alone until an instant.
    pub(super) fn publish_cool_down(&self, pool: &Pool, key: &str, until: Instant) {
        self.put(Queued::CoolDown { pool: pool.keys.clone(), key: key.to_owned(), until });
    }

    fn put(&self, queued: Queued) {
        if self.queue.try_send(queued).is_err() {
            self.counts.lost.inc();
        }
    }

    /// Ends a grant once its time is over.
    pub(super) fn end_grant_later(self: &Arc<Self>, pool: &Arc<Pool>, id: String) {
        let (link, pool) = (Arc::clone(self), Arc::clone(pool));
        tokio::spawn(async move {
            sleep(Duration::from_nanos(GRANT_LENGTH.0)).await;
            let rest = pool.end_grant(link.now(), link.replica(), &id);
            rest.into_iter().for_each(|call| link.enqueue(call));
        });
    }

    /// Keeps the connection and sends what waits, for ever.
    pub(super) async fn run(&self, Waiting(mut waiting): Waiting) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut connected) = (FIRST_PAUSE, self.now());
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if !self.is_up() {
                // One that answers now and then is asked less and less often.
                if self.now().since(connected) > STEADY {
                    pause = FIRST_PAUSE;
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                if self.reconnect(RECONNECT_TIMEOUT).await.is_ok() {
                    connected = self.now();
                    tracing::info!(redis = self.address, "redis answers again: quotas are shared");
                }
                continue;
            }
            tokio::select! {
                () = self.changed.notified() => self.beat().await,
                _ = beats.tick() => self.beat().await,
                _ = waiting.recv_many(&mut batch, BATCH) => {
                    let calls = batch.drain(..).filter_map(|queued| self.call_of(queued));
                    join_all(calls.map(|call| self.send(call))).await;
                }
            }
        }
    }

    async fn send(&self, call: Call) {
        if self.call(&call, TASK_TIMEOUT).await.is_none() {
            self.counts.lost.inc();
        }
    }

    fn call_of(&self, queued: Queued) -> Option<Call> {
        match queued {
            Queued::Call(call) => Some(call),
            Queued::CoolDown { pool, key, until } => {
                let left = until.since(self.now());
                let call = Call::new(Verb::Cool, &pool, &self.replica, "").with_cool_down(&key);
                (left > Nanos::ZERO).then(|| call.with_length(left.0.div_ceil(1_000_000)))
            }
        }
    }

    /// Sends a heartbeat for every quota.
    async fn beat(&self) {
        let pools = self.pools();
        join_all(pools.iter().map(|pool| async {
            let call = pool.heartbeat((Instant::ZERO, self.now()), &self.replica, || self.new_id());
            if let Some(answer) = self.call(&call, TASK_TIMEOUT).await {
                pool.take_heartbeat(self.now(), &answer);
            }
        }))
        .await;
    }

    /// Connects. Redis decides again once it knows what every replica used without it.
    async fn reconnect(&self, patience: Duration) -> Result<(), String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = match timeout(patience, connect).await {
            Ok(connected) => connected.map_err(|error| self.text_of(&error))?,
            Err(_) => return Err(format!("no connection within {patience:?}")),
        };
        let pong: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
        pong.map_err(|error| self.text_of(&error))?;
        self.await_replicas(&connection, patience).await?;
        let mut state = self.state();
        state.number += 1;
        state.current = Some(connection);
        drop(state);
        self.pools().iter().for_each(|pool| pool.end_outage());
        self.counts.up.set(1);
        Ok(())
    }

    /// Reports to Redis what was used without it until all replicas that were known before have done so, or are gone. Meanwhile this one
    /// goes on alone: else the first to come back would use what the others have used already.
    async fn await_replicas(
        &self,
        connection: &MultiplexedConnection,
        patience: Duration,
    ) -> Result<(), String> {
        let begun = self.now();
        loop {
            let pools = self.pools();
            let reports = pools.iter().map(|pool| {
                let mut connection = connection.clone();
                async move {
                    let call = pool.heartbeat((begun, self.now()), &self.replica, || self.new_id());
                    let answer = timeout(patience, call.make(&mut connection)).await;
                    let answer = answer.map_err(|_| format!("no answer within {patience:?}"))?;
                    let answer = answer.map_err(|error| self.text_of(&error))?;
                    Ok::<bool, String>(pool.take_return(self.now(), &answer))
                }
            });
            let are_back = join_all(reports).await.into_iter().collect::<Result<Vec<bool>, String>>()?;
            if are_back.iter().all(|is_back| *is_back) || self.now().since(begun) > REPLICAS_LENGTH {
                return Ok(());
            }
            sleep(RETURN_PAUSE).await;
        }
    }
}

/// The calls that wait.
pub(super) struct Waiting(mpsc::Receiver<Queued>);

/// How often Redis hears of this replica, and this replica of what is left of each quota.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// The most calls that wait.
const MAX_QUEUED: usize = 4096;

/// The most calls that are sent at once.
const BATCH: usize = 64;

/// How long the first connection may take.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a later one may take.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long calls may take for whose answers no request waits.
const TASK_TIMEOUT: Duration = Duration::from_secs(1);

/// The first pause before Redis is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How often Redis is asked whether all replicas are back.
const RETURN_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause before Redis is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection that lasted so long was a good one.
const STEADY: Nanos = Nanos(10_000_000_000);
