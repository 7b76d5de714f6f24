//! Replays a recording: feeds its inputs, at their instants, into a new engine, and compares the decisions.
//!
//! A job is compared up to its first decision that differs. From there on the recording says nothing of it: there is no reply to an
//! attempt that was not sent. So the job is cancelled in the new engine, as if its caller had left, and its further inputs are
//! left out. What the others decide afterwards may follow from that.
//!
//! Timers fire at the instants at which they fired. If the new engine has a timer that the recorded one had not, which the instant
//! of the next timer in each input shows, it fires when it is due.

use super::super::{routes, shared_engine};
use super::line::{End, EngineLine, Kind, Line};
use super::names::{Names, ScenarioHashes};
use super::read::{Lines, ReadError};
use super::replayed_engine::ReplayedEngine;
use super::text::decision_text;
use crate::scenario::Scenario;
use provider::Instant;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::BufRead;

/// The most jobs in flight in a recording, far beyond what a gateway accepts.
const MAX_JOBS: usize = 100_000;

/// The most engines in a recording that have not ended.
const MAX_ENGINES: usize = 256;

/// The latest instant in a recording: a hundred years.
const MAX_AT: u64 = 100 * 366 * 86_400 * 1_000_000_000;

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The version of quotalab that recorded.
    pub(super) version: String,
    pub(super) jobs: u64,
    pub(super) decisions: u64,
    /// The engines that read a scenario which has changed since: the number of each, its beginning, and what has changed.
    pub(super) changed: Vec<(u32, Instant, Vec<&'static str>)>,
    /// Engines in all.
    pub(super) engines: u32,
    /// Jobs with a decision that differs.
    pub(super) differing: u64,
    /// The first of their differences.
    pub(super) first: Option<Difference>,
    /// The number of jobs that differ, by the kinds of their first difference: that of the recorded decision and that of the one taken
    /// now.
    pub(super) by_kind: BTreeMap<(&'static str, &'static str), u64>,
    /// Jobs whose route the scenario does not have.
    pub(super) without_route: u64,
    /// Decisions of one input that were taken in another order.
    pub(super) out_of_order: u64,
    /// Why the recording ends; `None` if it is cut off.
    pub(super) end: Option<End>,
    /// The whole lines, the first included, without the one that ends the recording.
    pub(super) lines: usize,
}

/// A decision that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) engine: u32,
    pub(super) at: Instant,
    pub(super) job: u64,
    /// In words; `None` for no decision.
    pub(super) recorded: Option<String>,
    pub(super) now: Option<String>,
}

impl Replayed {
    /// Returns `true` if every decision is as it was recorded.
    #[must_use]
    pub fn is_as_recorded(&self) -> bool {
        self.differing == 0 && self.without_route == 0 && self.out_of_order == 0
    }

    /// Counts a job whose decision differs: the recorded one, and the one that is taken now.
    pub(super) fn count_difference(
        &mut self,
        (engine, job): (u32, u64),
        recorded: Option<(Instant, &Kind<'_>)>,
        now: Option<(Instant, &Kind<'_>)>,
    ) {
        let name = |side: Option<(Instant, &Kind<'_>)>| side.map_or("nothing", |(_, kind)| kind.name());
        self.differing += 1;
        *self.by_kind.entry((name(recorded), name(now))).or_default() += 1;
        self.first.get_or_insert_with(|| {
            let text = |(at, kind): (Instant, &Kind<'_>)| decision_text(kind, at);
            let at = recorded.into_iter().chain(now).map(|(at, _)| at).min().unwrap_or_default();
            Difference { engine, at, job, recorded: recorded.map(text), now: now.map(text) }
        });
    }
}

/// Replays a recording with the engines of `scenario`.
///
/// # Errors
/// If the recording cannot be read, or states what no gateway records.
pub fn replay(scenario: &Scenario, input: impl BufRead) -> Result<Replayed, ReadError> {
    let (mut lines, version) = Lines::open(input)?;
    let (scenario, routes) = routes::with_targets(scenario);
    let mut replay = Replay {
        protected_routes: routes.of_scenario().count(),
        hashes: ScenarioHashes::of(&scenario),
        names: Names::of(&scenario),
        scenario,
        engines: FxHashMap::default(),
        jobs_in_flight: 0,
        found: Replayed { version, ..Replayed::default() },
    };
    while let Some(line) = lines.next()? {
        if let Kind::End { reason } = line.kind {
            replay.found.end = Some(reason);
            break;
        }
        replay.line(line).map_err(|reason| lines.error(reason))?;
    }
    replay.found.lines = lines.number.saturating_sub(1);
    Ok(replay.found)
}

struct Replay {
    scenario: Scenario,
    protected_routes: usize,
    hashes: ScenarioHashes,
    names: Names,
    /// Those that have not ended.
    engines: FxHashMap<u32, ReplayedEngine>,
    /// In the recording.
    jobs_in_flight: usize,
    found: Replayed,
}

impl Replay {
    /// Replays a line.
    fn line(&mut self, line: Line<'static>) -> Result<(), String> {
        let Line { engine: number, at_ns, due_ns, job, kind } = line;
        if at_ns > MAX_AT {
            return Err(format!("the instant {at_ns} ns is later than any of a gateway"));
        }
        let at = Instant(at_ns);
        if let Kind::Engine(line) = kind {
            return self.begin_engine(number, at, &line);
        }
        let found = &mut self.found;
        let engine =
            self.engines.get_mut(&number).ok_or_else(|| format!("engine {number} is not running"))?;
        if at < engine.last {
            return Err(format!("{at_ns} ns is earlier than the line before"));
        }
        if kind == Kind::EngineEnded {
            engine.report_unrecorded(&self.names, found);
            self.jobs_in_flight -= engine.jobs_in_flight();
            self.engines.remove(&number);
            return Ok(());
        }
        let before = engine.jobs_in_flight();
        let is_arrival = matches!(kind, Kind::Arrival { .. });
        if kind.is_input() {
            let due = due_ns.map_or(Instant::MAX, Instant);
            engine.fire_timers_before(at.min(due), &self.names, found);
            engine.report_unrecorded(&self.names, found);
            engine.last = at;
            engine.input(at, job, kind, &self.names, found)?;
        } else {
            let job = job.ok_or("a decision names its job")?;
            engine.decision((at, job), &kind, &self.names, found)?;
        }
        self.jobs_in_flight = self.jobs_in_flight + engine.jobs_in_flight() - before;
        if is_arrival && self.jobs_in_flight > MAX_JOBS {
            return Err(format!("more than {MAX_JOBS} jobs are in flight"));
        }
        Ok(())
    }

    fn begin_engine(&mut self, number: u32, at: Instant, line: &EngineLine<'_>) -> Result<(), String> {
        if number != self.found.engines {
            return Err(format!("engine {number} begins after {} others", self.found.engines));
        }
        if self.engines.len() == MAX_ENGINES {
            return Err(format!("more than {MAX_ENGINES} engines run at once"));
        }
        let ScenarioHashes { client, routes, targets } = &self.hashes;
        let parts = [
            ("client", client, &line.client),
            ("routes", routes, &line.routes),
            ("targets", targets, &line.targets),
        ];
        let changed = parts.into_iter().filter(|(_, now, then)| **now != ***then).map(|(name, ..)| name);
        let changed: Vec<&str> = changed.collect();
        // Only what is printed is kept.
        if !changed.is_empty() && self.found.changed.len() < MAX_ENGINES {
            self.found.changed.push((number, at, changed));
        }
        self.found.engines += 1;
        self.scenario.seed = line.seed;
        let engine = shared_engine::engine_of(&self.scenario, self.protected_routes);
        self.engines.insert(number, ReplayedEngine::new(number, engine, at, line.next_job));
        Ok(())
    }
}

impl Kind<'_> {
    /// Returns `true` for inputs.
    fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Arrival { .. }
                | Self::SharedAnswer { .. }
                | Self::Reply(_)
                | Self::FirstByte { .. }
                | Self::Leave
                | Self::Withdraw { .. }
                | Self::Timers
                | Self::Adopt { .. }
        )
    }
}
