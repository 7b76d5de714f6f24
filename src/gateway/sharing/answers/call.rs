//! Calls of the script in Redis: their arguments and their answers. `answers.lua` describes both.

use super::super::call::{ScriptCall, foreign_answer};
use super::value::{AnswerKey, PREFIX};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, Value};
use std::sync::LazyLock;

/// The script. Redis keeps it by its hash, so it is sent once.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("answers.lua")));

/// What the script is to do.
#[derive(Clone)]
pub(super) enum Action {
    /// Returns the secret of all replicas, which is this one if there is none.
    Agree(String),
    /// Returns a value of at most this many bytes.
    LookUp(AnswerKey, usize),
    Store(AnswerKey, StoredValue),
    /// Drops the answer for a request that arrived at this time, in milliseconds since 1970: it was stored earlier, or so little later
    /// that the clocks of the replicas may differ by it.
    Forget(AnswerKey, u64),
}

/// A value to be stored, with times in milliseconds since 1970.
#[derive(Clone)]
pub(super) struct StoredValue {
    pub(super) value: Vec<u8>,
    pub(super) stored_ms: u64,
    /// When its time to live is over.
    pub(super) over_ms: u64,
}

/// A call of the script.
#[derive(Clone)]
pub(super) struct Call {
    action: Action,
    /// The time of the call; `None` for that of the server.
    at_ms: Option<u64>,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// The time of the server, in milliseconds since 1970.
    pub(super) now_ms: u64,
    /// The secret, the value, or an error.
    pub(super) text: Vec<u8>,
}

/// What the script did or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is no answer to be returned or dropped, or it was not stored.
    Absent,
    /// It was done, or there is an answer.
    Done,
    /// There is something else, or something that is too large.
    Unreadable,
    /// The server could not write.
    WriteFailed,
}

impl Call {
    pub(super) const fn new(action: Action) -> Self {
        Self { action, at_ms: None }
    }

    /// Sets the time of the call, which is otherwise that of the server.
    #[cfg(test)]
    pub(super) const fn at_ms(mut self, millis: u64) -> Self {
        self.at_ms = Some(millis);
        self
    }
}

impl ScriptCall for Call {
    type Answer = Answer;

    async fn make(&self, connection: &mut MultiplexedConnection) -> RedisResult<Answer> {
        let at = self.at_ms.map(|millis| millis.to_string()).unwrap_or_default();
        let mut invocation = SCRIPT.prepare_invoke();
        match &self.action {
            Action::Agree(secret) => {
                invocation.key(format!("{PREFIX}secret")).arg("agree").arg(at).arg(secret)
            }
            Action::LookUp(key, max_bytes) => {
                invocation.key(key.name()).arg("look_up").arg(at).arg(*max_bytes)
            }
            Action::Store(key, StoredValue { value, stored_ms, over_ms }) => {
                invocation.key(key.name()).arg("store").arg(at).arg(*stored_ms).arg(*over_ms).arg(&value[..])
            }
            Action::Forget(key, ms) => invocation.key(key.name()).arg("forget").arg(at).arg(*ms),
        };
        Answer::read(invocation.invoke_async(connection).await?).ok_or_else(foreign_answer)
    }
}

impl Answer {
    fn read(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [Value::Int(outcome), Value::Int(now), Value::BulkString(text)] =
            <[Value; 3]>::try_from(parts).ok()?
        else {
            return None;
        };
        let outcome = match outcome {
            0 => Outcome::Absent,
            1 => Outcome::Done,
            2 => Outcome::Unreadable,
            3 => Outcome::WriteFailed,
            _ => return None,
        };
        Some(Self { outcome, now_ms: u64::try_from(now).ok()?, text })
    }
}
