//! Arrivals, and the traces that they are read from.

use super::WorkloadResolver;
use crate::scenario::Note;
use crate::scenario::resolved::{Arrivals, CachedPrompt, SessionContent, Sessions, Workload};
use crate::scenario::spec::{ArrivalsSpec, SessionsSpec, TraceSpec, WorkloadSpec};
use crate::scenario::trace::{Trace, TraceOptions};
use std::path::{Path, PathBuf};

/// The remedy for a file that is not a trace.
const TRACE_HELP: &str = "give the path of an Azure CSV, a BurstGPT CSV, or JSON lines of Mooncake or of coding agents, relative to the \
     scenario, or name the three columns of another CSV or of JSON lines: \
     `columns: {time: time, prompt: prompt_tokens, completion: completion_tokens}`";

/// Returns the paths of the traces of workloads.
pub(super) fn trace_files(workloads: &[WorkloadSpec], base_dir: Option<&Path>) -> Vec<PathBuf> {
    let path = |workload: &WorkloadSpec| {
        let of_sessions = workload.sessions.as_ref().and_then(|sessions| sessions.arrivals.as_ref());
        match workload.arrivals.as_ref().or(of_sessions) {
            Some(ArrivalsSpec::Trace(trace)) => Some(base_dir?.join(&trace.file.text)),
            _ => None,
        }
    };
    workloads.iter().filter_map(path).collect()
}

impl WorkloadResolver<'_> {
    /// Returns the arrivals of a workload without `sessions`, and the sessions if they are a trace of them: their users have no
    /// deadline, and end the session when a task did not succeed. `None` if they are invalid, which has been reported.
    pub(super) fn arrivals(
        &self,
        spec: Option<ArrivalsSpec>,
        cached_prompt: &CachedPrompt,
    ) -> Option<(Arrivals, Option<Sessions>)> {
        let trace = match spec? {
            ArrivalsSpec::Known(arrivals) => return Some((arrivals, None)),
            ArrivalsSpec::Trace(trace) => trace,
        };
        let (arrivals, content) = self.trace(&trace)?;
        if content.is_some() && *cached_prompt != CachedPrompt::NOTHING {
            let what = "`cached_prompt` does not go with this trace";
            let help =
                "leave it out: the trace contains the tokens of its prompts that were found in a cache";
            self.diagnostics.report_at(&trace.file.at, what, help);
        }
        let sessions = content.map(|content| Sessions { content, deadline: None, leave: 1.0 });
        Some((arrivals, sessions))
    }

    /// Returns when sessions begin, and what they do; `None` if they are invalid, which has been reported.
    pub(super) fn sessions(&self, spec: SessionsSpec) -> Option<(Arrivals, Sessions)> {
        let SessionsSpec { drawn, deadline, leave, arrivals, shape: _ } = spec;
        let (arrivals, content) = match arrivals? {
            ArrivalsSpec::Known(arrivals) => (arrivals, SessionContent::Drawn(drawn?)),
            ArrivalsSpec::Trace(trace) => self.session_trace(&trace)?,
        };
        Some((arrivals, Sessions { content, deadline, leave }))
    }

    fn session_trace(&self, spec: &TraceSpec) -> Option<(Arrivals, SessionContent)> {
        let (arrivals, content) = self.trace(spec)?;
        if content.is_none() {
            let what = "this trace has no sessions: its requests do not depend on each other";
            let help = "write `arrivals: {trace: …}` in place of `sessions`, or give the sessions another form of `arrivals`";
            self.diagnostics.report_at(&spec.file.at, what, help);
        }
        Some((arrivals, content?))
    }

    fn trace(&self, spec: &TraceSpec) -> Option<(Arrivals, Option<SessionContent>)> {
        let report = |what: String, help: &str| {
            self.diagnostics.report_at(&spec.file.at, what, help);
            None
        };
        let Some(base_dir) = self.base_dir else {
            let what = "paths of traces are relative to the scenario file, and this scenario has none";
            return report(what.into(), "save the scenario to a file");
        };
        let options = TraceOptions {
            columns: spec.columns.clone(),
            unit: spec.unit,
            kept_share: spec.rate,
            speed: spec.speed,
            seed: self.seed,
            end: Some(self.duration),
        };
        match self.traces.read(&base_dir.join(&spec.file.text), &options) {
            Ok(trace) if trace.rows.is_empty() => {
                let of_trace = if trace.sessions.is_some() { "session" } else { "request" };
                report(
                    format!("`rate` keeps no {of_trace} of this trace within the duration"),
                    "keep a larger `rate`, or run for longer",
                )
            }
            Ok(Trace { rows, recorded, sessions }) => {
                Some((Arrivals::Trace { rows, recorded }, sessions.map(SessionContent::Recorded)))
            }
            Err(error) => report(error, TRACE_HELP),
        }
    }
}

/// Returns a note on what a workload replays of its trace; `None` if it has none.
pub(super) fn trace_note(workload: &Workload) -> Option<Note> {
    let Arrivals::Trace { rows, recorded } = &workload.arrivals else { return None };
    let name = workload.name.clone();
    if let Some(trace) = workload.recorded_sessions() {
        return Some(Note::SessionTrace {
            workload: name,
            replayed: trace.sessions.len() as u64,
            replayed_calls: trace.number_of_calls(),
            recorded: trace.counts.sessions,
            recorded_calls: trace.counts.calls,
            length_s: trace.counts.length.as_secs_f64(),
            unit: trace.counts.unit,
            dropped_by_rate: trace.counts.dropped_by_rate,
            after_end: trace.counts.after_end,
            failed_calls: trace.counts.failed_calls,
            empty: trace.counts.empty,
            overlapping: trace.counts.overlapping,
        });
    }
    Some(Note::Trace {
        workload: name,
        replayed: rows.len() as u64,
        recorded: recorded.rows,
        length_s: recorded.length.as_secs_f64(),
        unit: recorded.unit,
        dropped_by_rate: recorded.dropped_by_rate,
        after_end: recorded.after_end,
        without_completion: recorded.without_completion,
    })
}
