//! Twelve worlds in which `like: recommended` is compared with an oracle that knows every limit, with the plain default client, and with
//! the programs that `like` imitates. The README has the table.

mod oracle;

use quotalab::drive;
use quotalab::record::Summary;
use quotalab::scenario::{self, IMITATIONS, Overrides, Scenario};
use std::fs;
use std::path::PathBuf;

/// Each world is run with this many seeds, and the counts are added up.
const SEEDS: u64 = 3;

/// The worlds, in the order of the README.
const WORLDS: [&str; 12] = [
    "01-two-accounts",
    "02-day-limit",
    "03-outage",
    "04-brown-out",
    "05-lying-retry-after",
    "06-keys-of-one-account",
    "07-unknown-limits",
    "08-slow-provider",
    "09-burst",
    "10-batch-with-chat",
    "11-cheap-and-dear",
    "12-all-down",
];

/// The world whose limits the client does not know.
const UNKNOWN_LIMITS: &str = "07-unknown-limits";

/// What a client does in a world, over all seeds.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    served: u64,
    attempts: u64,
    refused: u64,
}

impl Outcome {
    fn add(&mut self, Summary { jobs, attempts, .. }: &Summary) {
        self.served += jobs.succeeded;
        self.attempts += attempts.total;
        self.refused += attempts.limited;
    }

    fn refused_share(self) -> f64 {
        percent(self.refused, self.attempts)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole as f64
}

fn world(name: &str, seed: u64) -> Scenario {
    let path = PathBuf::from("tests/worlds").join(name).with_extension("yaml");
    let yaml = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
    let mut world = scenario::parse(name, &yaml, &overrides, None).unwrap_or_else(|error| panic!("{error}"));
    if name == UNKNOWN_LIMITS {
        world.targets.iter_mut().for_each(|target| target.limits.clear());
    }
    world
}

/// Returns what the client of this name does in a world.
fn outcome(name: &str, client: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in 1..=SEEDS {
        let world = world(name, seed);
        outcome.add(&drive::summarize(&scenario::with_client(&world, client).expect("a known client")));
    }
    outcome
}

/// Returns the row of a world in the table of the README, after it has checked what the table is to show.
fn row(name: &str) -> String {
    let oracle: u64 = (1..=SEEDS).map(|seed| oracle::served(&world(name, seed))).sum();
    let [recommended, default] = ["recommended", "default"].map(|client| outcome(name, client));
    let programs = IMITATIONS.iter().map(|imitation| imitation.name).filter(|name| *name != "recommended");
    let programs: Vec<_> = programs.map(|program| (program, outcome(name, program))).collect();
    // Of equal ones the first.
    let (best, best_outcome) =
        programs.iter().rev().max_by_key(|(_, outcome)| outcome.served).copied().expect("a program");
    let share = |outcome: Outcome| percent(outcome.served, oracle);
    assert!(share(recommended) >= 97.0, "{name}: {recommended:?} of {oracle}");
    assert!(
        share(recommended) <= 101.0,
        "{name}: the oracle knows less than a client, {recommended:?} of {oracle}"
    );
    assert!(
        share(best_outcome) <= share(recommended) + 1.0,
        "{name}: {best} serves {best_outcome:?}, more than {recommended:?}"
    );
    assert!(
        name == UNKNOWN_LIMITS || recommended.refused_share() < 2.0,
        "{name}: {recommended:?} wastes attempts on refusals"
    );
    let about = world(name, 1).name;
    let cell = |outcome: Outcome| format!("{:.1} % · {:.1} %", share(outcome), outcome.refused_share());
    format!("| {about} | {} | {} | {} ({best}) |", cell(recommended), cell(default), cell(best_outcome))
}

#[test]
fn the_recommended_client_does_nearly_as_well_as_an_oracle() {
    let rows: Vec<String> = WORLDS.map(row).into();
    let table = rows.join("\n");
    let readme = fs::read_to_string("README.md").expect("the README");
    assert!(readme.contains(&table), "the README has other numbers than these:\n{table}");
}
