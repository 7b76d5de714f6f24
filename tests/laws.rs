//! The laws, hunted with random scenarios and checked from outside: nothing here trusts what the machines
//! say of themselves. Each law has the number that the list of laws gives it.

mod ceiling;
mod joining;
mod ledger;
mod log;
mod queueing;
mod swarm;

use joining::Twins;
use ledger::Ledgers;
use proptest::prelude::*;
use provider::{Nanos, Stream};
use quotalab::drive::{self, virtual_time};
use quotalab::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome};
use quotalab::record::{Audit, Fingerprint, Fold, Log, Mode, Recorder, Summary};
use quotalab::scenario::{self, Arrivals, Overrides, Scenario};
use std::collections::BTreeSet;

/// Scenarios that are the same on every machine and day.
const FIXED: std::ops::Range<u64> = 0..80;
/// The length of their tapes.
const CHOICES: usize = 120;

#[test]
fn the_laws_hold_in_eighty_known_scenarios() {
    let mut admitted = 0;
    let mut refused = 0;
    let mut met = BTreeSet::new();
    for seed in FIXED {
        let mut stream = Stream::new(seed, "swarm", 0);
        let tape: Vec<u32> = (0..CHOICES).map(|_| u32::try_from(stream.below(1 << 32)).unwrap()).collect();
        match examine(&tape) {
            Ok(Run { summary, met: here, .. }) => {
                admitted += summary.attempts.ok;
                refused += summary.attempts.limited;
                met.extend(here);
            }
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    assert!(admitted > 1_000 && refused > 1_000, "the swarm meets room and walls: {admitted}, {refused}");
    let missing: Vec<_> = everything().into_iter().filter(|word| !met.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "the swarm never meets {missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_in_any_scenario(tape in prop::collection::vec(any::<u32>(), 0..CHOICES)) {
        if let Err(what) = examine(&tape) {
            prop_assert!(false, "{}", what);
        }
    }
}

/// Runs the scenario of a tape and holds it to the laws; what is wrong comes with the scenario's text.
fn examine(tape: &[u32]) -> Result<Run, String> {
    let yaml = swarm::scenario(tape);
    let told = |what: String| format!("{what}\nin this scenario:\n{yaml}");
    let scenario = scenario::parse("swarm", &yaml, &Overrides::default(), None)
        .map_err(|wrong| told(wrong.to_string()))?;
    let run = Run::of(&scenario, &scenario);
    let Run { summary, broken, fingerprint, .. } = &run;
    if !broken.is_empty() {
        return Err(told(broken.join("\n")));
    }
    let jobs = &summary.jobs;
    if jobs.offered != jobs.succeeded + jobs.failed + jobs.shed || jobs.in_flight != 0 {
        return Err(told(format!("law 1: jobs are lost: {jobs:?}")));
    }
    let again = Run::of(&scenario, &scenario);
    if again.summary.to_json() != summary.to_json() || again.fingerprint != *fingerprint {
        return Err(told("law 10: a second run is another run".into()));
    }
    let by_chance = matches!(scenario.workloads[0].arrivals, Arrivals::Poisson(_)) && jobs.offered > 2;
    if by_chance
        && Run::of(&Scenario { seed: scenario.seed + 1, ..scenario.clone() }, &scenario).fingerprint
            == *fingerprint
    {
        return Err(told("law 10: another seed is the same run".into()));
    }
    Ok(run)
}

/// A run in virtual time, and all that is wrong with it.
struct Run {
    summary: Summary,
    broken: Vec<String>,
    fingerprint: Fingerprint,
    met: BTreeSet<String>,
}

/// Which kinds of events, reasons and rulings there were.
#[derive(Default)]
struct Met(BTreeSet<String>);

impl Met {
    /// Notes the name of a variant.
    fn note(&mut self, variant: &impl std::fmt::Debug) {
        let text = format!("{variant:?}");
        let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        if !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }
}

impl Fold for Met {
    fn event(&mut self, event: &Event) {
        self.note(&event.kind);
        match event.kind {
            EventKind::Waiting { why, .. } => self.note(&why),
            EventKind::Decided { ruled, .. } => self.note(&ruled),
            EventKind::Replied { outcome: AttemptOutcome::Failed(failure), .. } => self.note(&failure),
            EventKind::Done(JobEnd {
                verdict: JobOutcome::Failed(reason) | JobOutcome::Shed(reason),
                ..
            }) => self.note(&reason),
            _ => {}
        }
    }
}

/// The names of all variants that a run in virtual time can meet, read from the source: a new one is missed
/// here until the swarm meets it.
fn everything() -> Vec<String> {
    let source = include_str!("../src/event.rs");
    let variants = |of: &str| {
        let body =
            source.split(&format!("pub enum {of} {{")).nth(1).and_then(|rest| rest.split("\n}").next());
        let lines = body.expect("an enum of the events").lines().filter_map(|line| line.strip_prefix("    "));
        let names = lines.filter(|line| line.starts_with(char::is_uppercase));
        names
            .map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(line).to_owned())
            .collect::<Vec<_>>()
    };
    let all = ["EventKind", "WaitReason", "RecordedDecision", "EndReason", "AttemptFailure"]
        .into_iter()
        .flat_map(variants);
    // A deadline abandons an attempt: only a live driver could time one out by itself.
    all.filter(|name| name != "Timeout").collect()
}

impl Run {
    /// `named` is the plan that the log names in its first line, whatever seed is run.
    fn of(scenario: &Scenario, named: &Scenario) -> Self {
        let log = Log::new(Fingerprint::default(), named).expect("a fingerprint takes everything");
        let mut folds = (
            Audit::new(scenario, Nanos::ZERO),
            (Ledgers::new(scenario), (Twins::new(scenario), (Met::default(), log))),
        );
        let summary =
            drive::record(Recorder::without_distributions(scenario), Mode::Virtual, &mut folds, |folds| {
                virtual_time::simulate(scenario, folds)
            });
        let (audit, (ledgers, (twins, (met, log)))) = folds;
        let violations = audit.finish().0.into_iter().map(|violation| violation.to_string());
        Self {
            summary,
            broken: violations.chain(ledgers.broken).chain(twins.broken).collect(),
            fingerprint: log.finish().expect("a fingerprint takes everything"),
            met: met.0,
        }
    }
}
