//! Stories: small scenarios run in virtual time, told as a timeline that can be read. Each tactic of the
//! engine has the story that teaches it; the laws behind them are hunted in `laws.rs`.

mod cache;
mod cached;
mod cool_down;
mod deadline;
mod fallback;
mod joining;
mod length;
mod pacing;
mod queue;
mod routing;

use provider::{Axis, Instant};
use quotalab::drive::virtual_time;
use quotalab::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, RecordedDecision};
use quotalab::record::{Audit, Fold};
use quotalab::scenario::{self, Overrides, Scenario};

/// What happened in a scenario.
pub(crate) struct Story {
    pub(crate) scenario: Scenario,
    pub(crate) events: Vec<Event>,
}

/// Keeps every event.
#[derive(Default)]
struct Keep(Vec<Event>);

impl Fold for Keep {
    fn event(&mut self, event: &Event) {
        self.0.push(*event);
    }
}

/// Runs a scenario in virtual time; every story also passes the audit.
pub(crate) fn tell(yaml: &str) -> Story {
    let scenario =
        scenario::parse("story", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    let mut folds = (Keep::default(), Audit::new(&scenario, provider::Nanos::ZERO));
    virtual_time::simulate(&scenario, &mut folds);
    let (violations, _) = folds.1.finish();
    assert!(violations.is_empty(), "the laws hold in every story: {violations:#?}");
    Story { scenario, events: folds.0.0 }
}

impl Story {
    /// What the client did and saw, one line an event.
    pub(crate) fn timeline(&self) -> String {
        let lines = self.events.iter().filter_map(|event| {
            let what = self.words(&event.kind)?;
            Some(format!("{} {}: {what}\n", event.at, event.job))
        });
        lines.collect()
    }

    fn words(&self, kind: &EventKind) -> Option<String> {
        let name = |target: &quotalab::ids::TargetId| &self.scenario.targets[target.index()].name;
        Some(match kind {
            EventKind::Arrived { .. } => "arrives".into(),
            EventKind::Queued { waiting } => format!("stands in line as number {waiting}"),
            EventKind::Waiting { until, why } => format!("sleeps until {until} ({why:?})"),
            EventKind::Sent { target, number, .. } => format!("try {number} to {}", name(target)),
            EventKind::Decided { .. } | EventKind::Settled { .. } => return None,
            EventKind::Replied { target, outcome, .. } => match outcome {
                AttemptOutcome::Ok => format!("{} answers", name(target)),
                AttemptOutcome::Limited { axis, cause } => {
                    format!("{} refuses ({})", name(target), axis.map_or(cause.name(), Axis::name))
                }
                AttemptOutcome::Failed(failure) => format!("{} fails ({failure:?})", name(target)),
            },
            EventKind::Abandoned { target, .. } => format!("gives up on {}", name(target)),
            EventKind::CooledDown { target, until, cause } => {
                format!("{} rests until {until} ({})", name(target), cause.name())
            }
            EventKind::FellBack { from, to } => format!("falls back from step {from} to {to}"),
            EventKind::CacheHit => "is answered from the cache".into(),
            EventKind::Coalesced { leader } => format!("joins {leader}"),
            EventKind::Promoted { leader } => format!("takes over from {leader}"),
            EventKind::Done(JobEnd { verdict, .. }) => format!("{verdict:?}"),
        })
    }

    /// The verdicts, in the order in which jobs ended.
    pub(crate) fn verdicts(&self) -> Vec<JobOutcome> {
        self.endings().map(|(_, ending)| ending.verdict).collect()
    }

    /// When each job ended, and how.
    pub(crate) fn endings(&self) -> impl Iterator<Item = (Instant, &JobEnd)> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Done(ending) => Some((event.at, ending)),
            _ => None,
        })
    }

    /// When attempts were sent, and where to.
    pub(crate) fn sends(&self) -> Vec<(f64, &str)> {
        let sent = |event: &Event| match event.kind {
            EventKind::Sent { target, .. } => {
                Some((event.at.as_secs_f64(), self.scenario.targets[target.index()].name.as_str()))
            }
            _ => None,
        };
        self.events.iter().filter_map(sent).collect()
    }

    /// How many attempts the providers refused.
    pub(crate) fn refused(&self) -> usize {
        let refused = |event: &&Event| {
            matches!(event.kind, EventKind::Decided { ruled: RecordedDecision::Refused { .. }, .. })
        };
        self.events.iter().filter(refused).count()
    }
}

/// Compares a timeline with what is written in a test, indented as the test is.
#[track_caller]
pub(crate) fn assert_timeline(story: &Story, expected: &str) {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let told = story.timeline();
    assert!(told == expected, "the story went otherwise:\n{told}");
}
