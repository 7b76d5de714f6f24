//! Stories: small scenarios in virtual time, each with one thing to show. Where the order of events matters, they are compared
//! with a readable timeline; elsewhere outcomes, sends or results are checked. Every policy of the engine has one that
//! demonstrates it; the laws behind them are tested with random scenarios in `laws.rs`.

mod batch;
mod billing;
mod cache;
mod calendar_levels;
mod clients;
mod clock;
mod coalescing;
mod concurrency;
mod cool_down;
mod correlation;
mod cut;
mod days;
mod deadline;
mod decisions;
mod drain;
mod early_end;
mod ejection;
mod fairness;
mod fallback;
mod headroom;
mod hedging;
mod incident_refusals;
mod length;
mod limit_windows;
mod network;
mod pacing;
mod picks;
mod prefix_cache;
mod queue;
mod renewal;
mod route_order;
mod routing;
mod rules;
mod session_trace;
mod sessions;
mod slots;
mod spending;
mod start;
mod worst_window;

use provider::dist::Dist;
use provider::{Axis, Instant};
use quotalab::drive::{self, virtual_time};
use quotalab::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, ProviderDecision};
use quotalab::record::{Audit, Fold, Summary};
use quotalab::scenario::{self, Overrides, Scenario};

/// A scenario and its events.
pub(crate) struct Story {
    pub(crate) scenario: Scenario,
    pub(crate) events: Vec<Event>,
}

/// Records every event.
#[derive(Default)]
pub(crate) struct Recording(pub(crate) Vec<Event>);

impl Fold for Recording {
    fn event(&mut self, event: &Event) {
        self.0.push(*event);
    }
}

/// Runs a scenario in virtual time, from full limits whatever its `start`, and checks that it passes the audit. Messages take
/// no time unless the scenario has a `network`, so that the instants of a timeline are round.
pub(crate) fn run(yaml: &str) -> Story {
    let mut scenario = parse(yaml);
    for model in scenario.providers.iter_mut().flat_map(|provider| &mut provider.models) {
        model.latency.round_trip.get_or_insert(Dist::Constant(0.0));
    }
    simulate(scenario)
}

/// Runs a scenario as [`run`] does; over the default network unless the scenario has one.
pub(crate) fn run_with_network(yaml: &str) -> Story {
    simulate(parse(yaml))
}

pub(crate) fn parse(yaml: &str) -> Scenario {
    scenario::parse("story", yaml, &Overrides::default(), None)
        .unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// Returns the summary of a scenario in virtual time, over the default network and from the levels of its `start`.
pub(crate) fn summary(yaml: &str) -> Summary {
    drive::summarize(&parse(yaml))
}

fn simulate(scenario: Scenario) -> Story {
    let mut folds = (Recording::default(), Audit::new(&scenario, provider::Nanos::ZERO));
    virtual_time::simulate(&scenario, &mut folds);
    let (violations, _) = folds.1.finish();
    assert!(violations.is_empty(), "{violations:#?}");
    Story { scenario, events: folds.0.0 }
}

impl Story {
    /// The events that the client sees, one per line.
    pub(crate) fn timeline(&self) -> String {
        let lines = self.events.iter().filter_map(|event| {
            let text = self.describe(&event.kind)?;
            Some(format!("{} {}: {text}\n", event.at, event.job))
        });
        lines.collect()
    }

    fn describe(&self, kind: &EventKind) -> Option<String> {
        let name = |target: &quotalab::ids::TargetId| &self.scenario.targets[target.index()].name;
        Some(match kind {
            EventKind::Arrived { .. } => "arrives".into(),
            EventKind::Queued { waiting } => format!("queued, {waiting} waiting"),
            EventKind::Waiting { until, obstacle, may_extend } => {
                let least = if *may_extend { "at least " } else { "" };
                format!("waits until {least}{until} ({:?})", obstacle.why)
            }
            EventKind::Sent { target, number, .. } => format!("attempt {number} to {}", name(target)),
            EventKind::Decided { .. } | EventKind::Settled { .. } => return None,
            EventKind::Replied { target, outcome, .. } => match outcome {
                AttemptOutcome::Ok => format!("{} serves it", name(target)),
                AttemptOutcome::Refused { axis, cause } => {
                    format!("{} refuses ({})", name(target), axis.map_or(cause.name(), Axis::name))
                }
                AttemptOutcome::Failed(failure) => format!("{} fails ({failure:?})", name(target)),
            },
            EventKind::AttemptCancelled { target, .. } => format!("attempt to {} cancelled", name(target)),
            EventKind::CoolDownBegan { target, until, cause } => {
                format!("{} cools down until {until} ({})", name(target), cause.name())
            }
            EventKind::Hedged { .. } => "hedged".into(),
            EventKind::FellBack { from, to } => format!("falls back from step {from} to {to}"),
            EventKind::CacheHit => "served from the cache".into(),
            EventKind::Coalesced { leader } => format!("follows {leader}"),
            EventKind::Promoted { leader, .. } => format!("promoted after {leader}"),
            EventKind::Done(JobEnd { outcome, .. }) => format!("{outcome:?}"),
            EventKind::FirstByte { target, .. } => format!("first byte from {}", name(target)),
            EventKind::Task(_) => return None,
        })
    }

    /// The outcomes, in the order in which jobs ended.
    pub(crate) fn outcomes(&self) -> Vec<JobOutcome> {
        self.ends().map(|(_, end)| end.outcome).collect()
    }

    /// The number of jobs that succeeded.
    pub(crate) fn succeeded(&self) -> usize {
        self.outcomes().iter().filter(|outcome| **outcome == JobOutcome::Succeeded).count()
    }

    /// The ends of all jobs, with their instants.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (Instant, &JobEnd)> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Done(end) => Some((event.at, end)),
            _ => None,
        })
    }

    /// The instants in seconds at which attempts are sent, and the names of their targets.
    pub(crate) fn sends(&self) -> Vec<(f64, &str)> {
        let sent = |event: &Event| match event.kind {
            EventKind::Sent { target, .. } => {
                Some((event.at.as_secs_f64(), self.scenario.targets[target.index()].name.as_str()))
            }
            _ => None,
        };
        self.events.iter().filter_map(sent).collect()
    }

    /// The number of attempts that the provider refused by a limit, whatever became of the reply.
    pub(crate) fn refused_by_a_limit(&self) -> usize {
        let refused = |event: &&Event| {
            matches!(event.kind, EventKind::Decided { decision: ProviderDecision::Refused { .. }, .. })
        };
        self.events.iter().filter(refused).count()
    }
}

/// Asserts that the timeline is `expected`; indentation is ignored.
#[track_caller]
pub(crate) fn assert_timeline(story: &Story, expected: &str) {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let actual = story.timeline();
    assert!(actual == expected, "another timeline:\n{actual}");
}
