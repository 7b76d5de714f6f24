//! The result of a replay as text.

use super::line::{DoneLine, End, Kind};
use super::names::Names;
use super::replay::{Difference, Replayed};
use crate::event::Event;
use crate::formatting::{count, duration, plural, printable, seconds};
use crate::gateway::decisions::reason_text;
use crate::record::log::verdict::Verdict;
use provider::Instant;
use std::fmt::Write as _;

/// The most kinds of differences that are listed.
const MAX_KINDS: usize = 12;

impl Kind<'_> {
    /// Returns the name of a line's kind, as it is in the file.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::EngineEnded => "engine_ended",
            Self::End { .. } => "end",
            Self::Arrival { .. } => "arrival",
            Self::SharedAnswer { .. } => "shared_answer",
            Self::Reply(_) => "reply",
            Self::FirstByte { .. } => "first_byte",
            Self::Leave => "leave",
            Self::Withdraw { .. } => "withdraw",
            Self::Timers => "timers",
            Self::Adopt { .. } => "adopt",
            Self::Queued { .. } => "queued",
            Self::Waiting { .. } => "waiting",
            Self::Sent { .. } => "sent",
            Self::TimedOut { .. } => "timed_out",
            Self::Cancelled { .. } => "cancelled",
            Self::CooledDown { .. } => "cooled_down",
            Self::FellBack { .. } => "fell_back",
            Self::CacheHit => "cache_hit",
            Self::Coalesced { .. } => "coalesced",
            Self::Promoted { .. } => "promoted",
            Self::Done(_) => "done",
        }
    }
}

/// Returns a decision, which was taken at `at`, in words.
pub(super) fn decision_text(kind: &Kind<'_>, at: Instant) -> String {
    let length = |until_ns: u64| duration(seconds(Instant(until_ns).since(at)));
    match kind {
        Kind::Queued { waiting } => format!("waits for a free attempt, {waiting} in the queue"),
        Kind::Waiting { until_ns, obstacle, .. } => {
            format!("waits {} for {}", length(*until_ns), obstacle.target)
        }
        Kind::Sent { attempt, target, step } => {
            format!("attempt {attempt} goes to {target} (step {})", u16::from(*step) + 1)
        }
        Kind::TimedOut { target } => format!("the attempt at {target} takes too long"),
        Kind::Cancelled { target } => format!("the attempt at {target} is cancelled"),
        Kind::CooledDown { target, until_ns, cause } => {
            format!("{target} cools down for {}: {}", length(*until_ns), cause.name())
        }
        Kind::FellBack { from, to } => {
            format!("falls back from step {} to step {}", u16::from(*from) + 1, u16::from(*to) + 1)
        }
        Kind::Done(end) => end_text(end),
        other => other.name().replace('_', " "),
    }
}

/// Returns an event in words that is a decision of a recording: neither an arrival nor a first byte.
pub(in crate::gateway) fn event_text(event: &Event, names: &Names) -> String {
    decision_text(&Kind::of_event(event, names), event.at)
}

fn end_text(end: &DoneLine<'_>) -> String {
    let why = end.reason.map_or("", reason_text);
    match end.verdict {
        Verdict::Succeeded => "is answered".to_owned(),
        Verdict::Failed => format!("fails: {why}"),
        Verdict::Shed => format!("is given up before any attempt: {why}"),
        Verdict::InFlight => "is in flight at the end".to_owned(),
    }
}

impl Replayed {
    /// Returns what the replay found, in lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let this = env!("CARGO_PKG_VERSION");
        if self.version != this {
            let _ = writeln!(
                out,
                "recorded by quotalab {}, replayed by {this}: decisions may differ",
                printable(&self.version)
            );
        }
        self.write_changes(&mut out);
        let all = format!("{}, {}", plural(self.jobs, "job"), plural(self.decisions, "decision"));
        if self.is_as_recorded() {
            let _ = writeln!(out, "{all}: all as recorded");
        } else {
            let _ = writeln!(out, "{all}");
            self.write_differences(&mut out);
        }
        let _ = writeln!(out, "{}", self.end_text());
        out
    }

    /// Writes what has changed in the scenario.
    fn write_changes(&self, out: &mut String) {
        for (engine, at, parts) in &self.changed {
            let parts = parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
            let since = if self.engines == 1 {
                String::new()
            } else {
                format!(" by engine {engine}, which began at {}", moment(*at))
            };
            let _ = writeln!(out, "the scenario has changed since it was recorded{since}: {parts}");
        }
    }

    fn write_differences(&self, out: &mut String) {
        if self.without_route > 0 {
            let jobs = plural(self.without_route, "job");
            let _ = writeln!(out, "{jobs} left out: the scenario does not have their route");
        }
        if self.out_of_order > 0 {
            let decisions = plural(self.out_of_order, "decision");
            let _ = writeln!(out, "{decisions} of several jobs at one instant in another order");
        }
        let Some(first) = &self.first else { return };
        let _ = writeln!(out, "{} decided otherwise; the first:", plural(self.differing, "job"));
        let Difference { engine, at, job, recorded, now } = first;
        let engine = if self.engines == 1 { String::new() } else { format!("engine {engine}, ") };
        let _ = writeln!(out, "  {engine}{}, job {job}", moment(*at));
        let side = |decision: &Option<String>| {
            decision.as_deref().map_or_else(|| "nothing at this instant".to_owned(), printable)
        };
        let _ = writeln!(out, "    recorded: {}", side(recorded));
        let _ = writeln!(out, "    now:      {}", side(now));
        let _ = writeln!(out, "  by the first decision of each job that differs:");
        let mut kinds: Vec<_> = self.by_kind.iter().collect();
        kinds.sort_by_key(|(_, jobs)| std::cmp::Reverse(**jobs));
        for ((recorded, now), jobs) in kinds.iter().take(MAX_KINDS) {
            let now = if recorded == now { "otherwise" } else { now };
            let _ = writeln!(out, "    {:>7}  recorded {recorded}, now {now}", count(**jobs));
        }
        let _ = writeln!(
            out,
            "  The first is certain. A job is left out from its first difference on, because there is no reply to an attempt that was\n  not sent; what other jobs decide afterwards may follow from that."
        );
    }

    /// Returns how the recording ends.
    fn end_text(&self) -> String {
        let lines = plural(self.lines as u64, "line");
        match self.end {
            Some(End::GatewayEnded) => "the recording is complete".to_owned(),
            Some(End::Size) => format!("the recording ends after {lines}: it had reached its size"),
            Some(End::Overflow) => {
                format!("the recording ends after {lines}: lines came faster than they could be written")
            }
            Some(End::WriteError) => {
                format!("the recording ends after {lines}: the file could not be written")
            }
            None => format!("the recording is cut off after {lines}, as if the gateway had been killed"),
        }
    }
}

/// Returns an instant as seconds since the gateway started.
fn moment(at: Instant) -> String {
    format!("{:.6} s", at.as_secs_f64())
}
