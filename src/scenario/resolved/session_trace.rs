//! Recorded sessions: which calls depend on which, how long users and tools took between them, and their tokens.

use super::TraceRow;
use crate::job::MAX_TOKENS;
use crate::scenario::trace::SessionCounts;
use provider::{Instant, Nanos};
use std::sync::Arc;

/// The recorded sessions of a workload. Clones share them.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionTrace {
    /// The sessions in the order in which they begin. At a multiple of the load, a session can occur several times.
    pub sessions: Arc<Vec<RecordedSession>>,
    /// The turns of all sessions; those of one session follow one another.
    pub turns: Arc<Vec<RecordedTurn>>,
    /// The calls of all turns; those of one turn follow one another.
    pub calls: Arc<Vec<RecordedCall>>,
    /// What the file contains, and what of it is left out.
    pub counts: SessionCounts,
}

/// One recorded session, after `rate` and `speed` of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSession {
    /// When it begins, from the start of the run.
    pub at: Instant,
    /// A number that no other session of the trace has, nor another copy of this one.
    pub id: u64,
    /// The index of its first turn.
    pub first_turn: u32,
    /// The number of its turns, at least 1.
    pub turns: u32,
}

/// One turn of a recorded session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedTurn {
    /// The time from the end of the turn before to its first call; zero for the first turn of a session.
    pub think: Nanos,
    /// The index of its first call.
    pub first_call: u32,
    /// The number of its calls, at least 1.
    pub calls: u32,
}

/// One call of a recorded turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// The time from the end of the call before to this one; zero for the first call of a turn.
    pub gap: Nanos,
    /// When it was sent, from the beginning of its session.
    pub since_begin: Nanos,
    /// Its prompt tokens, at least 1.
    pub prompt_tokens: u32,
    /// Those of them that were found in a cache.
    pub cached_tokens: u32,
    /// Its completion tokens as recorded; its job has at least one.
    pub completion_tokens: u32,
}

impl SessionTrace {
    /// Returns a turn of a session, counted from 0.
    ///
    /// # Panics
    /// If the session has fewer turns.
    #[must_use]
    pub fn turn(&self, session: &RecordedSession, number: u32) -> &RecordedTurn {
        assert!(number < session.turns, "invariant: turn {number} of {} turns", session.turns);
        &self.turns[(session.first_turn + number) as usize]
    }

    /// Returns a call of a turn, counted from 0.
    ///
    /// # Panics
    /// If the turn has fewer calls.
    #[must_use]
    pub fn call(&self, turn: &RecordedTurn, number: u32) -> &RecordedCall {
        assert!(number < turn.calls, "invariant: call {number} of {} calls", turn.calls);
        &self.calls[(turn.first_call + number) as usize]
    }

    /// Iterates over the calls of a session.
    fn calls_of(&self, session: &RecordedSession) -> &[RecordedCall] {
        let first = self.turn(session, 0).first_call as usize;
        let last = self.turn(session, session.turns - 1);
        &self.calls[first..(last.first_call + last.calls) as usize]
    }

    /// Returns the number of calls of all sessions.
    #[must_use]
    pub fn number_of_calls(&self) -> u64 {
        self.sessions.iter().map(|session| self.calls_of(session).len() as u64).sum()
    }

    /// Returns the mean number of calls of a turn.
    #[must_use]
    pub fn calls_per_task(&self) -> f64 {
        let turns: u64 = self.sessions.iter().map(|session| u64::from(session.turns)).sum();
        self.number_of_calls() as f64 / turns.max(1) as f64
    }

    /// Returns the share of all prompt tokens that was found in a cache.
    #[must_use]
    pub fn cached_share(&self) -> f64 {
        let calls = || self.sessions.iter().flat_map(|session| self.calls_of(session));
        let prompts: u64 = calls().map(|call| u64::from(call.prompt_tokens)).sum();
        let cached: u64 = calls().map(|call| u64::from(call.cached_tokens)).sum();
        cached as f64 / prompts.max(1) as f64
    }

    /// Returns the calls that were sent before `end`, at their recorded instants and in their order. A session replays them at other
    /// instants if replies take longer or shorter than recorded.
    #[must_use]
    pub fn rows(&self, end: Instant) -> Vec<TraceRow> {
        let row = |session: &RecordedSession, call: &RecordedCall| TraceRow {
            at: session.at + call.since_begin,
            prompt_tokens: call.prompt_tokens,
            completion_tokens: call.completion_tokens,
        };
        let sessions = self.sessions.iter();
        let mut rows: Vec<TraceRow> = sessions
            .flat_map(|session| self.calls_of(session).iter().map(|call| row(session, call)))
            .filter(|row| row.at < end)
            .collect();
        rows.sort_by_key(|row| row.at);
        rows
    }

    /// Scales all prompts by `share`, in `(0, 1]`, and what is found of them in a cache.
    pub(crate) fn shorten_prompts(&mut self, share: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "smaller than a u32")]
        let shorter = |tokens: u32| (f64::from(tokens) * share) as u32;
        let calls = self.calls.iter().map(|call| {
            let prompt_tokens = shorter(call.prompt_tokens).clamp(1, MAX_TOKENS);
            let cached_tokens = shorter(call.cached_tokens).min(prompt_tokens);
            RecordedCall { prompt_tokens, cached_tokens, ..*call }
        });
        self.calls = Arc::new(calls.collect());
    }
}
