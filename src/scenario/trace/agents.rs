//! Traces of coding agents: JSON lines, each a session whose turns list their calls, as those of GitHub Copilot do.
//!
//! ```text
//!  {"session_id": "a", "turns": [{"llm_calls": [{"timestamp": "2026-06-01T08:00:00Z", "duration_ms": 4000, "status_code": 200,
//!                                                "tokens": {"prompt": 21000, "completion": 300, "cached": 18000}}, …]}, …]}
//! ```
//!
//! Other members, such as `tool_batches`, are ignored: the time of tools is the gap between two calls. The calls of a turn are
//! replayed one after another in the order of their times, and turns in the order of their first calls. The gap before a call is the
//! time since every call before it had ended; calls that ran at the same time have none.
//!
//! A call that failed, or that states no prompt tokens, is not replayed, since the simulated client retries by itself. The next call of the
//! turn takes its place: what the recorded client waited after the failure does not count. The duration of the last call counts even so for
//! the think time before the next turn.

use super::lines::Lines;
use super::{Recorded, SessionCounts, Trace, TraceOptions, TraceUnit, mixed_times, scaled, scaled_length};
use crate::scenario::{RecordedCall, RecordedSession, RecordedTurn, SessionTrace};
use provider::calendar::{UnixTime, parse_decimal};
use provider::random;
use provider::{Instant, Nanos, RandomStream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::io::BufRead;
use std::sync::Arc;

/// The maximum number of bytes that are read for a line.
pub(super) const MAX_LINE_BYTES: usize = 16 << 20;
/// The maximum number of calls that are kept of a file.
const MAX_CALLS: usize = 5_000_000;

/// Returns `true` if a line is an object with the member `turns`.
pub(super) fn is_session(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Detected {
        turns: Option<IgnoredAny>,
    }
    serde_json::from_str::<Detected>(line).is_ok_and(|line| line.turns.is_some())
}

/// Reads the sessions from the current line of a text.
pub(super) fn read(lines: &mut Lines<'_, impl BufRead>, options: &TraceOptions) -> Result<Trace, String> {
    let mut reader = Reader::new(options);
    loop {
        let is_first = reader.counts.sessions == 0;
        let line = serde_json::from_str::<SessionLine>(lines.content());
        // Before the first valid line, the file may not be a trace at all: the error shows none of its content.
        let line = line.map_err(|error| if is_first { String::new() } else { format!(": {error}") });
        let added = line.and_then(|line| reader.add(line).map_err(|error| format!(": {error}")));
        added.map_err(|error| {
            format!(
                ":{}: expected a session with `turns`, each with `llm_calls`, each with `timestamp`, `duration_ms` and `tokens`{error}",
                lines.number
            )
        })?;
        if reader.calls.len() > MAX_CALLS {
            return Err(format!(": more than {MAX_CALLS} calls: split the trace, or keep a smaller `rate`"));
        }
        if !lines.advance(MAX_LINE_BYTES)? {
            return reader.finish(options);
        }
    }
}

#[derive(Deserialize)]
struct SessionLine {
    turns: Vec<TurnLine>,
}

#[derive(Deserialize)]
struct TurnLine {
    llm_calls: Option<Vec<CallLine>>,
}

/// A call as written. Its values are checked by [`CallLine::parse`], whose errors show nothing of them.
#[derive(Deserialize)]
struct CallLine {
    timestamp: Option<Value>,
    duration_ms: Option<Value>,
    result: Option<Value>,
    status_code: Option<Value>,
    tokens: Option<TokensLine>,
}

#[derive(Deserialize)]
struct TokensLine {
    prompt: Option<Value>,
    completion: Option<Value>,
    cached: Option<Value>,
    cached_pct: Option<Value>,
}

/// A call as recorded.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// The time since 1970, or since whatever the numbers of the trace count from.
    at: Nanos,
    end: Nanos,
    /// Prompt, cached and completion; `None` if it is not replayed.
    tokens: Option<[u32; 3]>,
}

/// The sessions that have been read.
struct Reader {
    sessions: Vec<(Nanos, RecordedSession)>,
    turns: Vec<RecordedTurn>,
    calls: Vec<RecordedCall>,
    counts: SessionCounts,
    earliest: Nanos,
    latest: Nanos,
    /// The unit of the times so far, `None` for dates; `None` before the first.
    times: Option<Option<TraceUnit>>,
    unit: TraceUnit,
    kept_share: f64,
    stream_key: u64,
}

impl Reader {
    fn new(options: &TraceOptions) -> Self {
        Self {
            sessions: Vec::new(),
            turns: Vec::new(),
            calls: Vec::new(),
            counts: SessionCounts::default(),
            earliest: Nanos::MAX,
            latest: Nanos::ZERO,
            times: None,
            unit: options.unit.unwrap_or(TraceUnit::Milliseconds),
            kept_share: options.kept_share,
            stream_key: random::label_key(options.seed, "trace"),
        }
    }

    /// Adds a session, or only counts it if it is not kept. An error names the call, and shows none of its values.
    fn add(&mut self, line: SessionLine) -> Result<(), String> {
        let mut turns = Vec::with_capacity(line.turns.len());
        for (number, turn) in (1u32..).zip(line.turns) {
            let mut calls = Vec::new();
            for (call_number, call) in (1u32..).zip(turn.llm_calls.unwrap_or_default()) {
                let call = self.parse(&call);
                calls.push(call.map_err(|error| format!("turn {number}, call {call_number}: {error}"))?);
            }
            calls.sort_by_key(|call: &Call| call.at);
            turns.extend((!calls.is_empty()).then_some(calls));
        }
        turns.sort_by_key(|calls| calls[0].at);
        self.counts.calls += turns.iter().map(|calls| calls.len() as u64).sum::<u64>();
        let number = self.counts.sessions;
        self.counts.sessions += 1;
        let (first_turn, first_call) = (self.turns.len(), self.calls.len());
        self.add_turns(&turns);
        if self.turns.len() == first_turn {
            self.counts.empty += 1;
        } else if RandomStream::keyed(self.stream_key, number).unit() < self.kept_share {
            let session = RecordedSession {
                at: Instant::ZERO, // set by `finish`
                id: number,
                first_turn: index(first_turn),
                turns: index(self.turns.len() - first_turn),
            };
            self.sessions.push((turns[0][0].at, session));
        } else {
            self.counts.dropped_by_rate += 1;
            self.turns.truncate(first_turn);
            self.calls.truncate(first_call);
        }
        Ok(())
    }

    /// Parses a call and its time.
    fn parse(&mut self, line: &CallLine) -> Result<Call, String> {
        let (at, unit) = match &line.timestamp {
            Some(Value::Number(number)) => {
                (parse_decimal(&number.to_string(), self.unit.length()), Some(self.unit))
            }
            Some(Value::String(text)) => {
                (UnixTime::parse_utc(text).map(|time| time.since(UnixTime::EPOCH)), None)
            }
            _ => (None, None),
        };
        let at = at.ok_or("`timestamp` is neither a date with a time nor a number")?;
        if self.times.is_some_and(|before| before.is_some() != unit.is_some()) {
            return Err(mixed_times(unit));
        }
        self.times = Some(unit);
        let duration = match &line.duration_ms {
            None | Some(Value::Null) => Some(Nanos::ZERO),
            Some(Value::Number(number)) => {
                parse_decimal(&number.to_string(), TraceUnit::Milliseconds.length())
            }
            Some(_) => None,
        };
        let duration = duration.ok_or("`duration_ms` is not a number of milliseconds")?;
        let end = at.0.checked_add(duration.0).ok_or("`duration_ms` is too large")?;
        Ok(Call { at, end: Nanos(end), tokens: line.tokens()? })
    }

    /// Adds the turns of a session, of which none is without calls; turns of which no call is replayed are left out.
    fn add_turns(&mut self, turns: &[Vec<Call>]) {
        let Some(begin) = turns.first().map(|calls| calls[0].at) else { return };
        // When all calls so far have ended, and the place of the failed calls since the last that is replayed.
        let (mut busy_until, mut place) = (begin, None);
        let first_turn = self.turns.len();
        for calls in turns {
            let first_call = self.calls.len();
            for call in calls {
                self.earliest = self.earliest.min(call.at);
                self.latest = self.latest.max(call.at);
                let own = (Nanos(call.at.0.saturating_sub(busy_until.0)), call.at);
                let is_overlapping = call.at < busy_until;
                busy_until = busy_until.max(call.end);
                let (gap, at) = place.take().unwrap_or(own);
                let Some([prompt_tokens, cached_tokens, completion_tokens]) = call.tokens else {
                    self.counts.failed_calls += 1;
                    place = Some((gap, at));
                    continue;
                };
                self.counts.overlapping += u64::from(is_overlapping);
                let since_begin = Nanos(at.0 - begin.0);
                self.calls.push(RecordedCall {
                    gap,
                    since_begin,
                    prompt_tokens,
                    cached_tokens,
                    completion_tokens,
                });
            }
            let Some(first) = self.calls.get_mut(first_call) else { continue };
            // Failed calls at the end of a turn are followed by the time in which its user thinks.
            place = None;
            let think = if self.turns.len() == first_turn { Nanos::ZERO } else { first.gap };
            first.gap = Nanos::ZERO;
            if self.turns.len() == first_turn {
                first.since_begin = Nanos::ZERO;
            }
            let calls = index(self.calls.len() - first_call);
            self.turns.push(RecordedTurn { think, first_call: index(first_call), calls });
        }
    }

    /// Returns the sessions in the order in which they begin, relative to the earliest call of the file and scaled by the speed.
    fn finish(mut self, options: &TraceOptions) -> Result<Trace, String> {
        if self.counts.empty == self.counts.sessions {
            return Err(": the trace contains no call that succeeded and states its prompt tokens".to_owned());
        }
        self.sessions.sort_by_key(|(at, _)| *at); // stable: sessions of one instant keep their order
        let (earliest, speed) = (self.earliest, options.speed);
        let session = |(at, session): (Nanos, RecordedSession)| RecordedSession {
            at: scaled(Nanos(at.0 - earliest.0), speed),
            ..session
        };
        let mut sessions: Vec<RecordedSession> = self.sessions.into_iter().map(session).collect();
        let end = options.end.map_or(Instant::MAX, |end| Instant::ZERO + end);
        let kept = sessions.len();
        sessions.truncate(sessions.partition_point(|session| session.at < end));
        self.turns.iter_mut().for_each(|turn| turn.think = scaled_length(turn.think, speed));
        for call in &mut self.calls {
            call.gap = scaled_length(call.gap, speed);
            call.since_begin = scaled_length(call.since_begin, speed);
        }
        let counts = SessionCounts {
            length: Nanos(self.latest.0 - self.earliest.0),
            unit: self.times.flatten(),
            after_end: (kept - sessions.len()) as u64,
            ..self.counts
        };
        let recorded =
            Recorded { rows: counts.calls, length: counts.length, unit: counts.unit, ..Recorded::default() };
        let trace = SessionTrace {
            sessions: Arc::new(sessions),
            turns: Arc::new(self.turns),
            calls: Arc::new(self.calls),
            counts,
        };
        Ok(Trace { rows: Arc::new(trace.rows(end)), recorded, sessions: Some(trace) })
    }
}

impl CallLine {
    /// Returns the prompt, cached and completion tokens; `None` if the call failed or states no prompt tokens.
    fn tokens(&self) -> Result<Option<[u32; 3]>, String> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let prompt = whole(tokens.prompt.as_ref(), "prompt")?;
        let completion = whole(tokens.completion.as_ref(), "completion")?.unwrap_or(0);
        let cached = whole(tokens.cached.as_ref(), "cached")?;
        let has_failed = self.has_failed()?;
        let Some(prompt) = prompt.filter(|tokens| *tokens > 0 && !has_failed) else { return Ok(None) };
        let by_share = || {
            let percent = tokens.cached_pct.as_ref().and_then(Value::as_f64).unwrap_or(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let tokens = libm::round(f64::from(prompt) * percent / 100.0) as u32;
            tokens
        };
        Ok(Some([prompt, cached.unwrap_or_else(by_share).min(prompt), completion]))
    }

    /// Returns `true` if the status is not 2xx or, without one, if the result names a failure.
    fn has_failed(&self) -> Result<bool, String> {
        let status = match &self.status_code {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.parse().map_err(|_| "`status_code` is not a number")?),
            Some(other) => Some(other.as_f64().ok_or("`status_code` is not a number")?),
        };
        let names_failure = || {
            let result = self.result.as_ref().and_then(Value::as_str).unwrap_or_default().to_lowercase();
            ["fail", "error", "cancel", "timeout"].iter().any(|word| result.contains(word))
        };
        Ok(status.map_or_else(names_failure, |status: f64| !(200.0..300.0).contains(&status)))
    }
}

/// Returns a whole number of tokens; `None` if it is absent. Numbers such as `12.0` are whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range of u32")]
fn whole(value: Option<&Value>, name: &str) -> Result<Option<u32>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_f64().filter(|number| (0.0..=f64::from(u32::MAX)).contains(number));
    let number = number.filter(|number| libm::trunc(*number) == *number);
    number
        .map(|number| Some(number as u32))
        .ok_or_else(|| format!("`tokens.{name}` is not a whole number of tokens"))
}

/// Converts a number of calls or turns.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("invariant: a line and MAX_CALLS bound the calls")
}
