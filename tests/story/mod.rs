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
use quotalab::drive::virt;
use quotalab::event::{Ending, Event, Kind, Outcome, Ruled, Verdict};
use quotalab::record::{Audit, Fold};
use quotalab::scenario::{self, Overrides, Plan};

/// What happened in a scenario.
pub(crate) struct Story {
    pub(crate) plan: Plan,
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
    let plan =
        scenario::parse("story", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    let mut folds = (Keep::default(), Audit::new(&plan, provider::Nanos::ZERO));
    virt::simulate(&plan, &mut folds);
    let (violations, _) = folds.1.finish();
    assert!(violations.is_empty(), "the laws hold in every story: {violations:#?}");
    Story { plan, events: folds.0.0 }
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

    fn words(&self, kind: &Kind) -> Option<String> {
        let name = |target: &quotalab::ids::TargetId| &self.plan.targets[target.index()].name;
        Some(match kind {
            Kind::Arrived { .. } => "arrives".into(),
            Kind::Queued { waiting } => format!("stands in line as number {waiting}"),
            Kind::Waiting { until, why } => format!("sleeps until {until} ({why:?})"),
            Kind::Sent { target, number, .. } => format!("try {number} to {}", name(target)),
            Kind::Ruled { .. } | Kind::Settled { .. } => return None,
            Kind::Replied { target, outcome, .. } => match outcome {
                Outcome::Ok => format!("{} answers", name(target)),
                Outcome::Limited { axis, cause } => {
                    format!("{} refuses ({})", name(target), axis.map_or(cause.name(), Axis::name))
                }
                Outcome::Failed(failure) => format!("{} fails ({failure:?})", name(target)),
            },
            Kind::Abandoned { target, .. } => format!("gives up on {}", name(target)),
            Kind::CooledDown { target, until, cause } => {
                format!("{} rests until {until} ({})", name(target), cause.name())
            }
            Kind::FellBack { from, to } => format!("falls back from step {from} to {to}"),
            Kind::CacheHit => "is answered from the cache".into(),
            Kind::Joined { leader } => format!("joins {leader}"),
            Kind::TookOver { leader } => format!("takes over from {leader}"),
            Kind::Done(Ending { verdict, .. }) => format!("{verdict:?}"),
        })
    }

    /// The verdicts, in the order in which jobs ended.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.endings().map(|(_, ending)| ending.verdict).collect()
    }

    /// When each job ended, and how.
    pub(crate) fn endings(&self) -> impl Iterator<Item = (Instant, &Ending)> {
        self.events.iter().filter_map(|event| match &event.kind {
            Kind::Done(ending) => Some((event.at, ending)),
            _ => None,
        })
    }

    /// When attempts were sent, and where to.
    pub(crate) fn sends(&self) -> Vec<(f64, &str)> {
        let sent = |event: &Event| match event.kind {
            Kind::Sent { target, .. } => {
                Some((event.at.as_secs_f64(), self.plan.targets[target.index()].name.as_str()))
            }
            _ => None,
        };
        self.events.iter().filter_map(sent).collect()
    }

    /// How many attempts the providers refused.
    pub(crate) fn refused(&self) -> usize {
        let refused = |event: &&Event| matches!(event.kind, Kind::Ruled { ruled: Ruled::Refused { .. }, .. });
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
