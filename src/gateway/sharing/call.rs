//! Calls of the script in Redis: their arguments and their answers. `quota.lua` describes both.

use super::limit::SharedLimit;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// The script. Redis keeps it by its hash, so it is sent once.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("quota.lua")));

/// A call of a script.
pub(super) trait ScriptCall: Sync {
    /// What the script answers.
    type Answer: Send;

    /// Makes the call once. It is not repeated if the answer is lost.
    fn make(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> impl Future<Output = RedisResult<Self::Answer>> + Send;
}

/// Calls a script with these keys and arguments.
pub(super) async fn invoke<T: redis::FromRedisValue>(
    script: &Script,
    keys: &[String],
    arguments: &[String],
    connection: &mut MultiplexedConnection,
) -> RedisResult<T> {
    let mut invocation = script.prepare_invoke();
    for key in keys {
        invocation.key(key);
    }
    for argument in arguments {
        invocation.arg(argument);
    }
    invocation.invoke_async(connection).await
}

/// Returns the error for an answer that the script does not give.
pub(super) fn foreign_answer() -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::UnexpectedReturnType, "an answer of another script"))
}

/// Returns a name as the hash tag of keys, the part in braces by which a cluster chooses their node: without braces of its own.
pub(super) fn hash_tag(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '{' | '}') { '_' } else { c }).collect()
}

/// The names of the keys of one quota. They have one hash tag, so a cluster keeps them on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// Returns the keys of a quota with this name.
    pub(super) fn new(name: &str) -> Self {
        Self { prefix: format!("quotalab:{{{}}}", hash_tag(name)) }
    }

    /// Returns the key of the cool-down of a model of the quota.
    pub(super) fn cool_down(&self, model: &str) -> String {
        format!("{}:cool-down:{model}", self.prefix)
    }

    fn levels(&self) -> String {
        format!("{}:levels", self.prefix)
    }

    fn leases(&self) -> String {
        format!("{}:leases", self.prefix)
    }

    fn replicas(&self) -> String {
        format!("{}:replicas", self.prefix)
    }
}

/// What the script is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Reserve,
    Settle,
    Return,
    Beat,
    Cool,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Settle => "settle",
            Self::Return => "return",
            Self::Beat => "beat",
            Self::Cool => "cool",
        }
    }
}

/// A limit in a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitArguments {
    pub(super) limit: SharedLimit,
    /// The units that are left if Redis has no level of it.
    pub(super) if_absent: i64,
    /// What they are depends on the verb: `quota.lua` describes them.
    pub(super) amounts: [i64; 2],
}

/// A call of the script.
#[derive(Clone, Debug)]
pub(super) struct Call {
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Call {
    /// Creates a call of `replica` on the quota with these keys, at the time of the server.
    pub(super) fn new(verb: Verb, keys: &Keys, replica: &str, id: &str) -> Self {
        let arguments = [verb.name(), "", replica, id, "0", "0"].map(str::to_owned).to_vec();
        Self { keys: vec![keys.levels(), keys.leases(), keys.replicas()], arguments }
    }

    /// Adds the key of the cool-down of the target.
    pub(super) fn with_cool_down(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    /// Sets the length of a cool-down, or the greatest age of the heartbeats that are counted, in milliseconds.
    pub(super) fn with_length(mut self, millis: u64) -> Self {
        self.arguments[4] = millis.to_string();
        self
    }

    /// Sets the numbers of the leases of a grant.
    pub(super) fn with_leases(mut self, numbers: &RangeInclusive<u32>) -> Self {
        self.arguments[4] = numbers.start().to_string();
        self.arguments[5] = numbers.end().to_string();
        self
    }

    /// Adds the limits.
    pub(super) fn with_limits(mut self, limits: impl Iterator<Item = LimitArguments>) -> Self {
        for LimitArguments { limit, if_absent, amounts: [first, second] } in limits {
            self.arguments.push(limit.axis.name().to_owned());
            let numbers = [limit.per_ms, limit.per_unit, limit.burst];
            self.arguments.extend(numbers.map(|number| number.to_string()));
            self.arguments.extend([if_absent, first, second].map(|number| number.to_string()));
        }
        self
    }

    /// Sets the time of the call, which is otherwise that of the server.
    #[cfg(test)]
    pub(super) fn at_ms(mut self, millis: u64) -> Self {
        self.arguments[1] = millis.to_string();
        self
    }
}

impl ScriptCall for Call {
    type Answer = Answer;

    async fn make(&self, connection: &mut MultiplexedConnection) -> RedisResult<Answer> {
        let numbers: Vec<i64> = invoke(&SCRIPT, &self.keys, &self.arguments, connection).await?;
        Answer::read(&numbers).ok_or_else(foreign_answer)
    }
}

/// What the script decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// A limit refused, or there is no such lease to settle.
    Refused,
    /// The target is in cool-down, as another replica found.
    CoolDown,
    /// Too many leases are not settled.
    TooManyLeases,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// The wait after a refusal, in milliseconds.
    pub(super) wait_ms: u64,
    /// The index of the limit that refused; `None` if none did.
    pub(super) refused_by: Option<usize>,
    /// The replicas with a recent heartbeat.
    pub(super) replicas: u32,
    /// `true` if the grant that was asked for was given.
    pub(super) is_granted: bool,
    /// The whole units that are left of each limit.
    pub(super) left: Vec<i64>,
}

impl Answer {
    fn read(numbers: &[i64]) -> Option<Self> {
        let [outcome, wait, index, replicas, granted, left @ ..] = numbers else { return None };
        Some(Self {
            outcome: match outcome {
                0 => Outcome::Refused,
                1 => Outcome::Done,
                2 => Outcome::CoolDown,
                3 => Outcome::TooManyLeases,
                _ => return None,
            },
            wait_ms: u64::try_from(*wait).ok()?,
            refused_by: usize::try_from(*index).ok()?.checked_sub(1),
            replicas: u32::try_from(*replicas).ok()?,
            is_granted: *granted == 1,
            left: left.to_vec(),
        })
    }
}
