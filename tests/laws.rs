//! The laws, tested with random scenarios and from outside: on the events, not on the state of engine and provider.
//! The numbers of the laws are those in ARCHITECTURE.md.

mod ceiling;
mod clients;
mod coalescing;
mod concurrency;
mod cut;
mod fairness;
mod hedging;
mod inputs;
mod log;
mod picks;
mod queueing;
mod reference_limits;
mod replayed_load;
mod reservation;
mod spending;
mod swarm;
mod waits;

use coalescing::IdenticalJobs;
use cut::CutAnswers;
use proptest::prelude::*;
use provider::{Nanos, RandomStream};
use quotalab::drive::{self, virtual_time};
use quotalab::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome};
use quotalab::record::{Audit, Fold, Log, LogHash, Mode, Recorder, Summary};
use quotalab::scenario::{self, Arrivals, Overrides, Scenario};
use reference_limits::ReferenceLimits;
use std::collections::BTreeSet;

/// The seeds of the tapes that are the same on every machine and day. A tape is a sequence of random numbers that makes the
/// choices of a test; `swarm` turns one into a scenario, `inputs` into a sequence of engine inputs.
const FIXED_SEEDS: std::ops::Range<u64> = 0..80;
/// The length of the fixed tapes of scenarios; random ones are shorter.
const SCENARIO_TAPE_LENGTH: usize = 120;
/// The length of the fixed tapes of engine inputs; random ones are shorter.
const INPUT_TAPE_LENGTH: usize = 400;

#[test]
fn the_laws_hold_in_eighty_known_scenarios() {
    let mut served = 0;
    let mut limited = 0;
    let mut cut = 0;
    let mut seen = BTreeSet::new();
    for seed in FIXED_SEEDS {
        match examine(&tape(seed, SCENARIO_TAPE_LENGTH)) {
            Ok(Run { summary, seen: here, .. }) => {
                served += summary.attempts.ok;
                limited += summary.attempts.limited;
                cut += summary.jobs.cut;
                seen.extend(here);
            }
            Err(violations) => panic!("seed {seed}: {violations}"),
        }
        let (here, violations) = inputs::play(&tape(seed, INPUT_TAPE_LENGTH));
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
        seen.extend(here);
    }
    assert!(served > 1_000 && limited > 1_000, "both are common: {served} served, {limited} limited");
    assert!(cut > 100, "cut answers are common: {cut}");
    // A load generator is late only in a live run.
    let of_virtual_time = all_variants().into_iter().filter(|name| name != "GeneratorLag");
    let missing: Vec<_> = of_virtual_time.filter(|name| !seen.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no run meets {missing:?}");
}

/// The fixed tape of a seed.
fn tape(seed: u64, length: usize) -> Vec<u32> {
    let mut stream = RandomStream::new(seed, "swarm", 0);
    (0..length).map(|_| u32::try_from(stream.below(1 << 32)).expect("invariant: below 2^32")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_in_any_scenario(tape in prop::collection::vec(any::<u32>(), 0..SCENARIO_TAPE_LENGTH)) {
        if let Err(violations) = examine(&tape) {
            prop_assert!(false, "{}", violations);
        }
    }
}

/// Runs the scenario of a tape and checks the laws; errors include the scenario's text.
fn examine(tape: &[u32]) -> Result<Run, String> {
    let yaml = swarm::scenario(tape);
    let with_scenario = |message: String| format!("{message}\nin this scenario:\n{yaml}");
    let scenario = scenario::parse("swarm", &yaml, &Overrides::default(), None)
        .map_err(|error| with_scenario(error.to_string()))?;
    let run = Run::of(&scenario, &scenario);
    let Run { summary, violations, fingerprint, .. } = &run;
    if !violations.is_empty() {
        return Err(with_scenario(violations.join("\n")));
    }
    let jobs = &summary.jobs;
    if jobs.offered != jobs.succeeded + jobs.failed + jobs.shed || jobs.in_flight != 0 {
        return Err(with_scenario(format!("law 1: jobs are lost: {jobs:?}")));
    }
    let again = Run::of(&scenario, &scenario);
    if again.summary.to_json() != summary.to_json() || again.fingerprint != *fingerprint {
        return Err(with_scenario("law 10: a second run differs".into()));
    }
    let is_random = matches!(scenario.workloads[0].arrivals, Arrivals::Poisson(_)) && jobs.offered > 2;
    if is_random
        && Run::of(&Scenario { seed: scenario.seed + 1, ..scenario.clone() }, &scenario).fingerprint
            == *fingerprint
    {
        return Err(with_scenario("law 10: another seed gives the same run".into()));
    }
    Ok(run)
}

/// A run in virtual time, and the violations found.
struct Run {
    summary: Summary,
    violations: Vec<String>,
    fingerprint: LogHash,
    seen: BTreeSet<String>,
}

/// The names of the variants of events, reasons, decisions and failures that occurred.
#[derive(Default)]
struct SeenVariants(BTreeSet<String>);

impl SeenVariants {
    /// Adds the name of a variant.
    fn add(&mut self, variant: &impl std::fmt::Debug) {
        let text = format!("{variant:?}");
        let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        if !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }
}

impl Fold for SeenVariants {
    fn event(&mut self, event: &Event) {
        self.add(&event.kind);
        match event.kind {
            EventKind::Waiting { obstacle, .. } => self.add(&obstacle.why),
            EventKind::Decided { decision, .. } => self.add(&decision),
            EventKind::Replied { outcome: AttemptOutcome::Failed(failure), .. } => self.add(&failure),
            EventKind::Done(JobEnd {
                outcome: JobOutcome::Failed(reason) | JobOutcome::Shed(reason),
                ..
            }) => self.add(&reason),
            _ => {}
        }
    }
}

/// Returns the names of the variants of events, reasons, decisions and failures, read from the source: after a variant is added,
/// the test fails until the variant, or one of the same name in another of these enums, occurs in a run of a fixed tape.
fn all_variants() -> Vec<String> {
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
    ["EventKind", "WaitReason", "ProviderDecision", "EndReason", "AttemptFailure"]
        .into_iter()
        .flat_map(variants)
        .collect()
}

impl Run {
    /// Runs `scenario`. The first line of the log, which the fingerprint includes, describes `named`: the fingerprints of two
    /// seeds therefore differ only if their events do.
    fn of(scenario: &Scenario, named: &Scenario) -> Self {
        let log = Log::new(LogHash::default(), named).expect("a fingerprint accepts everything");
        let mut folds = (
            Audit::new(scenario, Nanos::ZERO),
            (
                ReferenceLimits::new(scenario),
                (IdenticalJobs::new(scenario), (CutAnswers::new(scenario), (SeenVariants::default(), log))),
            ),
        );
        let recorder = Recorder::without_distributions(scenario);
        let summary = drive::record(recorder, Mode::Virtual, &mut folds, |folds| {
            virtual_time::simulate(scenario, folds)
        });
        let (audit, (limits, (identical, (cut, (seen, log))))) = folds;
        let violations = audit.finish().0.into_iter().map(|violation| violation.to_string());
        let cut = cut.violations(&summary);
        Self {
            summary,
            violations: violations.chain(limits.violations).chain(identical.violations).chain(cut).collect(),
            fingerprint: log.finish().expect("a fingerprint accepts everything"),
            seen: seen.0,
        }
    }
}
