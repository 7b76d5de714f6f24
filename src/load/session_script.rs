//! What sessions do: drawn from distributions, or as recorded.

use super::requests::{tokens, tokens_from};
use crate::job::MAX_TOKENS;
use crate::scenario::{
    DrawnSessions, MAX_FAN_OUT, MAX_STEPS, MAX_TURNS, RecordedCall, RecordedTurn, SessionTrace, whole,
};
use provider::dist::Dist;
use provider::random::mix;
use provider::{Nanos, RandomStream};

/// What the sessions of a workload do.
#[derive(Clone, Debug)]
pub(super) enum Script {
    Drawn(Box<Drawn>),
    Recorded(SessionTrace),
}

/// Sessions that are drawn.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) sessions: DrawnSessions,
    pub(super) completion: Dist,
    pub(super) max_tokens: u32,
    pub(super) keys: Keys,
}

/// The keys of random streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) session: u64,
    pub(super) turn: u64,
    pub(super) think: u64,
    pub(super) step: u64,
    pub(super) tool: u64,
    pub(super) call: u64,
}

/// A step of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The key of the random streams of the session.
    pub(super) key: u64,
    /// The number of the session, in the order in which they begin, from 0.
    pub(super) session: u64,
    /// The number of the turn in the session, from 0.
    pub(super) turn: u32,
    /// The steps before the turn.
    pub(super) steps_before: u32,
    /// The number of the step in the turn, from 0.
    pub(super) step: u32,
}

/// What a session has sent before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// The tokens of the next prompt.
    pub(super) next: u64,
    /// The tokens of the prompt before.
    pub(super) before: u64,
}

/// The tokens of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTokens {
    pub(super) prompt: u32,
    pub(super) cached: u32,
    pub(super) completion: u32,
    /// Those by which the context grows.
    pub(super) growth: u64,
}

impl Place {
    /// Returns the key of the random streams of the step.
    fn step_key(&self) -> u64 {
        self.key.wrapping_add(u64::from(self.steps_before + self.step))
    }

    /// Returns the key of the random streams of the turn.
    pub(super) fn turn_key(&self) -> u64 {
        self.key.wrapping_add(u64::from(self.turn))
    }
}

impl Script {
    /// Returns the key of a session's random streams. `session_key` is that of the workload's sessions.
    pub(super) fn key(&self, session_key: u64, session: u64) -> u64 {
        let number = match self {
            Self::Drawn(_) => session,
            Self::Recorded(trace) => trace.sessions[index(session)].id,
        };
        mix(session_key.wrapping_add(number))
    }

    /// Returns the number of turns of a session, and the tokens of its first prompt if its context grows from them.
    pub(super) fn begin(&self, place: &Place) -> (u32, u64) {
        match self {
            Self::Drawn(drawn) => {
                let mut stream = RandomStream::keyed(drawn.keys.session, place.key);
                let turns = whole(drawn.sessions.turns.sample(&mut stream), MAX_TURNS);
                (turns, u64::from(tokens(drawn.sessions.first.sample(&mut stream))))
            }
            Self::Recorded(trace) => (trace.sessions[index(place.session)].turns, 0),
        }
    }

    /// Returns the number of steps of the turn.
    pub(super) fn steps(&self, place: &Place) -> u32 {
        match self {
            Self::Drawn(drawn) => {
                let mut stream = RandomStream::keyed(drawn.keys.turn, place.turn_key());
                whole(drawn.sessions.calls.sample(&mut stream), MAX_STEPS)
            }
            Self::Recorded(trace) => recorded_turn(trace, place).calls,
        }
    }

    /// Returns the number of calls of the step.
    pub(super) fn fan_out(&self, place: &Place) -> u32 {
        match self {
            Self::Drawn(drawn) => {
                let mut stream = RandomStream::keyed(drawn.keys.step, place.step_key());
                whole(drawn.sessions.fan_out.sample(&mut stream), MAX_FAN_OUT)
            }
            Self::Recorded(_) => 1,
        }
    }

    /// Returns the tokens of a call of the step.
    pub(super) fn tokens(&self, place: &Place, fingerprint: u64, context: Context) -> CallTokens {
        match self {
            Self::Drawn(drawn) => drawn.tokens(fingerprint, context),
            Self::Recorded(trace) => {
                let call = recorded_call(trace, place);
                let prompt = call.prompt_tokens.clamp(1, MAX_TOKENS);
                CallTokens {
                    prompt,
                    cached: call.cached_tokens.min(prompt),
                    completion: call.completion_tokens.clamp(1, MAX_TOKENS),
                    growth: 0,
                }
            }
        }
    }

    /// Returns the time between the end of the step and the next step of its turn.
    pub(super) fn tool_time(&self, place: &Place) -> Nanos {
        match self {
            Self::Drawn(drawn) => {
                let mut stream = RandomStream::keyed(drawn.keys.tool, place.step_key());
                Nanos::from_secs_f64(drawn.sessions.tool_time.sample(&mut stream))
            }
            Self::Recorded(trace) => recorded_call(trace, &Place { step: place.step + 1, ..*place }).gap,
        }
    }

    /// Returns the time between the end of the turn and the next turn of its session.
    pub(super) fn think(&self, place: &Place) -> Nanos {
        match self {
            Self::Drawn(drawn) => {
                let mut stream = RandomStream::keyed(drawn.keys.think, place.turn_key());
                Nanos::from_secs_f64(drawn.sessions.think.sample(&mut stream))
            }
            Self::Recorded(trace) => recorded_turn(trace, &Place { turn: place.turn + 1, ..*place }).think,
        }
    }
}

impl Drawn {
    fn tokens(&self, fingerprint: u64, context: Context) -> CallTokens {
        let mut stream = RandomStream::keyed(self.keys.call, fingerprint);
        let completion = tokens(self.completion.sample(&mut stream));
        let growth = tokens_from(0.0, self.sessions.growth.sample(&mut stream));
        let prompt = at_most(context.next);
        let found = self.sessions.cached * f64::from(at_most(context.before));
        CallTokens {
            prompt,
            cached: tokens_from(0.0, found).min(prompt),
            completion,
            growth: u64::from(completion.min(self.max_tokens)) + u64::from(growth),
        }
    }
}

fn recorded_turn<'t>(trace: &'t SessionTrace, place: &Place) -> &'t RecordedTurn {
    trace.turn(&trace.sessions[index(place.session)], place.turn)
}

fn recorded_call<'t>(trace: &'t SessionTrace, place: &Place) -> &'t RecordedCall {
    trace.call(recorded_turn(trace, place), place.step)
}

/// Converts the number of a recorded session.
fn index(session: u64) -> usize {
    usize::try_from(session).expect("invariant: a recorded session is in memory")
}

/// Returns a number of tokens, at most [`MAX_TOKENS`].
fn at_most(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(MAX_TOKENS).min(MAX_TOKENS)
}
