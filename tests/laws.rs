//! The laws, hunted with random scenarios and checked from outside: nothing here trusts what the machines
//! say of themselves. Each law has the number that the list of laws gives it.

mod ceiling;
mod ledger;
mod queueing;
mod swarm;

use ledger::Ledgers;
use proptest::prelude::*;
use provider::{Nanos, Stream};
use quotalab::ceiling::Ceiling;
use quotalab::drive::virt;
use quotalab::record::{Audit, Chain, End, Log, Mode, Recorder, Summary};
use quotalab::scenario::{self, Arrivals, Overrides, Plan};

/// Scenarios that are the same on every machine and day.
const FIXED: std::ops::Range<u64> = 0..40;
/// The length of their tapes.
const CHOICES: usize = 120;

#[test]
fn the_laws_hold_in_forty_known_scenarios() {
    let mut admitted = 0;
    let mut refused = 0;
    for seed in FIXED {
        let mut stream = Stream::new(seed, "swarm", 0);
        let tape: Vec<u32> = (0..CHOICES).map(|_| u32::try_from(stream.below(1 << 32)).unwrap()).collect();
        match examine(&tape) {
            Ok(summary) => {
                admitted += summary.attempts.ok;
                refused += summary.attempts.limited;
            }
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    assert!(admitted > 1_000 && refused > 1_000, "the swarm meets room and walls: {admitted}, {refused}");
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
fn examine(tape: &[u32]) -> Result<Summary, String> {
    let yaml = swarm::scenario(tape);
    let told = |what: String| format!("{what}\nin this scenario:\n{yaml}");
    let plan = scenario::parse("swarm", &yaml, &Overrides::default(), None)
        .map_err(|wrong| told(wrong.to_string()))?;
    let run = Run::of(&plan, &plan);
    let Run { summary, broken, chain } = &run;
    if !broken.is_empty() {
        return Err(told(broken.join("\n")));
    }
    let jobs = &summary.jobs;
    if jobs.offered != jobs.succeeded + jobs.failed + jobs.shed || jobs.in_flight != 0 {
        return Err(told(format!("law 1: jobs are lost: {jobs:?}")));
    }
    let again = Run::of(&plan, &plan);
    if again.summary.to_json() != summary.to_json() || again.chain != *chain {
        return Err(told("law 10: a second run is another run".into()));
    }
    let by_chance = matches!(plan.workloads[0].arrivals, Arrivals::Poisson(_)) && jobs.offered > 2;
    if by_chance && Run::of(&Plan { seed: plan.seed + 1, ..plan.clone() }, &plan).chain == *chain {
        return Err(told("law 10: another seed is the same run".into()));
    }
    Ok(run.summary)
}

/// A run in virtual time, and all that is wrong with it.
struct Run {
    summary: Summary,
    broken: Vec<String>,
    chain: Chain,
}

impl Run {
    /// `named` is the plan that the log names in its first line, whatever seed is run.
    fn of(plan: &Plan, named: &Plan) -> Self {
        let log = Log::new(Chain::default(), named).expect("a chain takes everything");
        let mut folds = (Recorder::new(plan), (Audit::new(plan, Nanos::ZERO), (Ledgers::new(plan), log)));
        let at = virt::simulate(plan, &mut folds);
        let (recorder, (audit, (ledgers, log))) = folds;
        let end = End {
            at,
            mode: Mode::Virtual,
            scheduled: None,
            ceiling: Ceiling::of(plan),
            reproduce: String::new(),
            notes: Vec::new(),
        };
        let violations = audit.finish().0.into_iter().map(|violation| violation.to_string());
        Self {
            summary: recorder.finish(end),
            broken: violations.chain(ledgers.broken).collect(),
            chain: log.finish().expect("a chain takes everything"),
        }
    }
}
