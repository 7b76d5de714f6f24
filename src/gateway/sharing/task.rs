//! The task that keeps the connection to Redis, and sends heartbeats, settlements and cool-downs.

use super::call::{Call, ScriptCall, Verb};
use super::heartbeat::Heartbeats;
use super::link::{CallQueue, Link, Queued, RECONNECT_TIMEOUT};
use super::reconnect::ReconnectPause;
use super::replicas::REPLICA_TIMEOUT;
use futures_util::future::join_all;
use provider::{Instant, Nanos};
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

impl Link {
    /// Keeps the connection and sends what waits, for ever.
    pub(super) async fn run(&self, CallQueue(mut waiting): CallQueue) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut connected) = (ReconnectPause::new(), self.now());
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if !self.is_up() {
                sleep(pause.after(self.now().since(connected))).await;
                if self.reconnect(RECONNECT_TIMEOUT).await.is_ok() {
                    connected = self.now();
                    tracing::info!(
                        redis = self.address(),
                        "redis answers again: quotas and budgets are shared"
                    );
                }
                continue;
            }
            tokio::select! {
                () = self.changed.notified() => self.beat().await,
                _ = beats.tick() => self.beat().await,
                count = waiting.recv_many(&mut batch, BATCH) => {
                    join_all(batch.drain(..).map(|queued| self.send(queued))).await;
                    self.queued.fetch_sub(count, Ordering::Relaxed);
                }
            }
        }
    }

    async fn send(&self, queued: Queued) {
        let is_answered = match &queued {
            Queued::Call(call) => self.call(call, TASK_TIMEOUT).await.is_some(),
            Queued::CoolDown { pool, key, until } => {
                let left = until.since(self.now());
                let call = Call::new(Verb::Cool, pool, self.replica(), "").with_cool_down(key);
                let call = call.with_length(left.0.div_ceil(1_000_000));
                left == Nanos::ZERO || self.call(&call, TASK_TIMEOUT).await.is_some()
            }
            Queued::BudgetSettlement { budget, settlement } => {
                let call = budget.settlement(self.replica(), settlement);
                let answer = self.call(&call, TASK_TIMEOUT).await;
                answer.iter().for_each(|answer| budget.take_answer(self.now(), answer));
                answer.is_some()
            }
        };
        if !is_answered {
            self.put_back(match queued {
                // Redis may have settled it.
                Queued::BudgetSettlement { budget, settlement } => {
                    Queued::BudgetSettlement { budget, settlement: settlement.repeated() }
                }
                other => other,
            });
        }
    }

    /// Sends a heartbeat for every quota and every budget, and the settlements that were kept.
    async fn beat(&self) {
        let (pools, budgets) = (self.pools.all(), self.budgets.all());
        tokio::join!(self.beat_each(&pools), self.beat_each(&budgets));
        for budget in budgets {
            let kept = budget.take_kept_settlements();
            let count = kept.len();
            self.queued.fetch_add(count, Ordering::Relaxed);
            join_all(kept.into_iter().map(|settlement| {
                self.send(Queued::BudgetSettlement { budget: Arc::clone(&budget), settlement })
            }))
            .await;
            self.queued.fetch_sub(count, Ordering::Relaxed);
        }
    }

    async fn beat_each<T: Heartbeats>(&self, shared: &[Arc<T>]) {
        join_all(shared.iter().map(|shared| async {
            let call = shared.heartbeat((Instant::ZERO, self.now()), self.replica(), &|| self.new_id());
            if let Some(answer) = self.call(&call, TASK_TIMEOUT).await {
                shared.take_heartbeat(self.now(), &answer);
            }
        }))
        .await;
    }

    /// Reports to Redis what was used without it, until all replicas that were known before have reported too or are gone. Meanwhile this
    /// replica decides alone: otherwise the first one to return could use what the others have used and not reported yet.
    pub(super) async fn await_replicas(
        &self,
        connection: &MultiplexedConnection,
        time_limit: Duration,
    ) -> Result<(), String> {
        let begun = self.now();
        loop {
            let (pools, budgets) = (self.pools.all(), self.budgets.all());
            let (quotas, budgets) = tokio::join!(
                self.return_to(&pools, connection, (begun, time_limit)),
                self.return_to(&budgets, connection, (begun, time_limit))
            );
            if quotas? & budgets? || self.now().since(begun) > REPLICA_TIMEOUT {
                return Ok(());
            }
            sleep(RETURN_PAUSE).await;
        }
    }

    /// Reports to Redis what was used without it. Returns `true` if every replica has done so since `begun`.
    async fn return_to<T: Heartbeats>(
        &self,
        shared: &[Arc<T>],
        connection: &MultiplexedConnection,
        (begun, time_limit): (Instant, Duration),
    ) -> Result<bool, String> {
        let reports = shared.iter().map(|shared| {
            let mut connection = connection.clone();
            async move {
                let call = shared.heartbeat((begun, self.now()), self.replica(), &|| self.new_id());
                let answer = timeout(time_limit, call.make(&mut connection)).await;
                let answer = answer.map_err(|_| format!("no answer within {time_limit:?}"))?;
                let answer = answer.map_err(|error| self.text_of(&error))?;
                Ok::<bool, String>(shared.take_return(self.now(), &answer))
            }
        });
        let are_back = join_all(reports).await.into_iter().collect::<Result<Vec<bool>, String>>()?;
        Ok(are_back.into_iter().all(|is_back| is_back))
    }
}

/// The time between heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// The most calls that are sent at once.
const BATCH: usize = 64;

/// How long a call may take if no request waits for its answer.
const TASK_TIMEOUT: Duration = Duration::from_secs(1);

/// How often Redis is asked whether all replicas are back.
const RETURN_PAUSE: Duration = Duration::from_millis(100);
