//! The connections to Redis through which answers are read and written, and the queue of those that wait to be written.
//!
//! They are not the connection of the quotas: a large answer delays no reservation, and an answer that comes too late does not make
//! this replica go on alone with its part of the quotas. Answers are written through a connection of their own, so that they delay no
//! lookup.

use super::super::RedisUrl;
use super::super::call::ScriptCall as _;
use super::super::reconnect::ReconnectPause;
use super::call::{Action, Answer, Call, Outcome, StoredValue};
use super::clock::{NANOS_PER_MS, ServerClock};
use super::counts::{Counts, Write};
use super::reader::{Reader, Unanswered};
use super::value::{AnswerKey, Head, Secret, hex};
use crate::drive::clock::Clock;
use crate::gateway::answer::Answer as AnswerBytes;
use futures_util::future::join_all;
use provider::{Instant, Nanos};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// The connections, and what waits to be written.
pub(super) struct AnswerLink {
    url: RedisUrl,
    pub(super) answer_timeout: Duration,
    clock: Clock,
    state: Mutex<State>,
    /// Wakes the task: the connection was lost.
    lost: Notify,
    /// One for each answer that may be looked up at a time.
    pub(super) lookups: Arc<Semaphore>,
    /// One for each answer that may be dropped at a time.
    pub(super) forgets: Arc<Semaphore>,
    queue: mpsc::Sender<Waiting>,
    /// The number and the bytes of the answers that wait to be written, or are being written.
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    pub(super) counts: Counts,
}

/// What is known of Redis.
#[derive(Default)]
struct State {
    /// Through which answers are read; `None` while Redis is unavailable.
    reader: Option<Reader>,
    /// How many connections there were.
    number: u64,
    /// What the replicas have in common, and the clock of the server: `None` before the first connection. While Redis is unavailable it
    /// stays as it is; every heartbeat may replace both.
    agreed: Option<ServerContext>,
}

/// The secret that the replicas of a Redis share, and what this replica knows of the clock of the server.
#[derive(Clone)]
pub(super) struct ServerContext {
    pub(super) secret: Secret,
    digits: String,
    pub(super) clock: ServerClock,
}

/// An answer that waits to be written.
pub(super) struct Waiting {
    pub(super) key: AnswerKey,
    pub(super) stored: Instant,
    pub(super) ttl: Nanos,
    pub(super) answer: Arc<AnswerBytes>,
    pub(super) cut: bool,
    /// The name of its target.
    pub(super) target: Arc<str>,
}

impl fmt::Debug for AnswerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the link to the cached answers in Redis")
    }
}

impl AnswerLink {
    /// Returns a link without a connection. [`Self::run`] connects.
    pub(super) fn new(url: RedisUrl, answer_timeout: Duration, clock: Clock) -> (Arc<Self>, WriteQueue) {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let link = Self {
            url,
            answer_timeout,
            clock,
            state: Mutex::default(),
            lost: Notify::new(),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            forgets: Arc::new(Semaphore::new(MAX_FORGETS)),
            queue,
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            counts: Counts::default(),
        };
        (Arc::new(link), WriteQueue(waiting))
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Sets what the replicas agree on.
    #[cfg(test)]
    pub(super) fn set_agreed(&self, digits: &str, clock: ServerClock) {
        let secret = Secret::parse(digits).expect("32 bytes");
        self.state().agreed = Some(ServerContext { secret, digits: digits.to_owned(), clock });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds the state")
    }

    /// Returns what the replicas agree on; `None` before the first connection.
    pub(super) fn agreed(&self) -> Option<ServerContext> {
        self.state().agreed.clone()
    }

    /// Returns the number of answers that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Makes a call for a request that waits, if there is a permit for it. After an error, and if the connection was closed, Redis is
    /// unavailable at once.
    pub(super) async fn ask(
        self: &Arc<Self>,
        permits: &Arc<Semaphore>,
        action: Action,
    ) -> Result<Answer, Unanswered> {
        let (reader, number) = {
            let state = self.state();
            (state.reader.clone().ok_or(Unanswered::Unavailable)?, state.number)
        };
        if reader.is_slow() {
            return Err(Unanswered::Unavailable);
        }
        let permit = Arc::clone(permits).try_acquire_owned().map_err(|_| Unanswered::TooMany)?;
        let (request, answer) = oneshot::channel();
        let link = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = reader.call(action, link.answer_timeout, request).await {
                link.lose(number, &link.url.text_of(&error));
            }
            drop(permit);
        });
        answer.await.map_err(|_| Unanswered::Unavailable)
    }

    /// Records that a connection was lost, and logs it, once.
    fn lose(&self, number: u64, reason: &str) {
        let mut state = self.state();
        if state.number == number && state.reader.take().is_some() {
            drop(state);
            self.counts.up.set(0);
            tracing::warn!(reason, "redis does not answer: cached answers are not shared");
            self.lost.notify_one();
        }
    }

    fn is_current(&self, number: u64) -> bool {
        let state = self.state();
        state.number == number && state.reader.is_some()
    }

    /// Queues an answer to be written. If too many wait it is dropped.
    pub(super) fn enqueue(&self, waiting: Waiting) {
        let bytes = waiting.bytes();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_WAITING_BYTES || self.queue.try_send(waiting).is_err() {
            self.take_out(bytes);
            self.counts.written(Write::Dropped);
        }
    }

    fn take_out(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Keeps the connections and writes what waits, for ever.
    pub(super) async fn run(&self, WriteQueue(mut queue): WriteQueue) {
        let (mut pause, mut is_logged) = (ReconnectPause::new(), false);
        loop {
            let begun = self.now();
            match self.connect().await {
                Ok((writer, number)) => {
                    if is_logged {
                        tracing::info!("redis answers again: cached answers are shared");
                    }
                    self.serve(writer, number, &mut queue).await;
                    // The loss of the connection was logged.
                    is_logged = true;
                }
                Err(reason) if !is_logged => {
                    tracing::warn!(reason, "cached answers are not shared through redis");
                    is_logged = true;
                }
                Err(_) => {}
            }
            sleep(pause.after(self.now().since(begun))).await;
        }
    }

    /// Connects twice, and agrees with the other replicas. Returns the connection through which answers are written, and the number
    /// of the connection.
    async fn connect(&self) -> Result<(MultiplexedConnection, u64), String> {
        let text_of = |error: redis::RedisError| self.url.text_of(&error);
        let client = Client::open(self.url.info().clone()).map_err(text_of)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(WRITE_TIMEOUT));
        let connect = || async {
            let connected = client.get_multiplexed_async_connection_with_config(&config);
            let connected = timeout(CONNECT_TIMEOUT, connected).await;
            connected.map_err(|_| format!("no connection within {CONNECT_TIMEOUT:?}"))?.map_err(text_of)
        };
        let (reader, mut writer) = (connect().await?, connect().await?);
        let agreed = timeout(CONNECT_TIMEOUT, self.agree(&mut writer)).await;
        agreed.map_err(|_| format!("no answer within {CONNECT_TIMEOUT:?}"))??;
        let mut state = self.state();
        state.number += 1;
        state.reader = Some(Reader::new(reader));
        let number = state.number;
        drop(state);
        self.counts.up.set(1);
        Ok((writer, number))
    }

    /// Agrees with the other replicas: proposes the secret that this one has, and takes the one that is there.
    async fn agree(&self, writer: &mut MultiplexedConnection) -> Result<(), String> {
        let known = self.agreed();
        let proposal = match &known {
            Some(agreed) => agreed.digits.clone(),
            None => new_secret().ok_or("the system has no random numbers")?,
        };
        let asked = self.now();
        let answer = Call::new(Action::Agree(proposal)).make(writer).await;
        let answer = answer.map_err(|error| self.url.text_of(&error))?;
        let text = String::from_utf8_lossy(&answer.text).into_owned();
        let secret = match answer.outcome {
            Outcome::Done => Secret::parse(&text).ok_or("an answer of another script")?,
            _ => return Err(text),
        };
        let past = known.map(|agreed| agreed.clock);
        let clock = ServerClock::new(past, (asked, self.now()), answer.now_ms);
        self.state().agreed = Some(ServerContext { secret, digits: text, clock });
        Ok(())
    }

    /// Writes what waits until the connection is lost.
    async fn serve(
        &self,
        mut writer: MultiplexedConnection,
        number: u64,
        queue: &mut mpsc::Receiver<Waiting>,
    ) {
        let mut heartbeats = interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        while self.is_current(number) {
            tokio::select! {
                () = self.lost.notified() => {}
                _ = heartbeats.tick() => match timeout(WRITE_TIMEOUT, self.agree(&mut writer)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => self.lose(number, &reason),
                    Err(_) => self.lose(number, &format!("no answer within {WRITE_TIMEOUT:?}")),
                },
                _ = queue.recv_many(&mut batch, BATCH) => {
                    join_all(batch.drain(..).map(|waiting| self.write(&writer, number, waiting))).await;
                }
            }
        }
    }

    /// Writes an answer. It is not written again if that fails.
    async fn write(&self, writer: &MultiplexedConnection, number: u64, waiting: Waiting) {
        let bytes = waiting.bytes();
        let result = match self.agreed().and_then(|agreed| waiting.into_action(&agreed)) {
            Some(action) => {
                let (mut writer, call) = (writer.clone(), Call::new(action));
                match timeout(WRITE_TIMEOUT, call.make(&mut writer)).await {
                    Ok(Ok(Answer { outcome: Outcome::Done, .. })) => Write::Stored,
                    Ok(Ok(Answer { outcome: Outcome::Absent, .. })) => Write::Outdated,
                    Ok(Ok(_)) => Write::Failed,
                    Ok(Err(error)) => {
                        self.lose(number, &self.url.text_of(&error));
                        Write::Failed
                    }
                    Err(_) => {
                        self.lose(number, &format!("no answer within {WRITE_TIMEOUT:?}"));
                        Write::Failed
                    }
                }
            }
            None => Write::Failed,
        };
        self.take_out(bytes);
        self.counts.written(result);
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.answer.body.len()
    }

    /// Returns what is to be done to write it; `None` if a header of it is no text.
    pub(super) fn into_action(self, agreed: &ServerContext) -> Option<Action> {
        let Self { key, stored, ttl, answer, cut, target } = self;
        let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            Some((name.as_str().to_owned().into(), value.to_str().ok()?.to_owned().into()))
        };
        let headers = answer.headers.iter().map(header).collect::<Option<_>>()?;
        let head = Head { target: (&*target).into(), cut, headers };
        let stored_ms = agreed.clock.ms_at(stored);
        let over_ms = stored_ms.saturating_add(ttl.0 / NANOS_PER_MS).min(MAX_MS);
        let value = agreed.secret.encode(&key, stored_ms, (&head, &answer.body))?;
        Some(Action::Store(key, StoredValue { value, stored_ms, over_ms }))
    }
}

/// Returns the hexadecimal digits of a random secret; `None` if the system has no random numbers.
fn new_secret() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

/// The queue of answers that wait to be written.
pub(super) struct WriteQueue(mpsc::Receiver<Waiting>);

#[cfg(test)]
impl WriteQueue {
    /// Takes the next answer out of the queue, if one waits.
    pub(super) fn try_take(&mut self) -> Option<Waiting> {
        self.0.try_recv().ok()
    }
}

/// The most answers that wait to be written.
const MAX_WAITING: usize = 1024;

/// The most bytes that they may have together.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// The most answers that are looked up at a time: each may have [`crate::gateway::answer::MAX_ANSWER_BYTES`].
pub(super) const MAX_LOOKUPS: usize = 32;

/// The most answers that are dropped at a time.
pub(super) const MAX_FORGETS: usize = 64;

/// The most answers that are written at once.
const BATCH: usize = 8;

/// The time between heartbeats, in which the replicas agree.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long each step of a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The latest time that the script computes with, in milliseconds since 1970.
const MAX_MS: u64 = 1 << 45;
