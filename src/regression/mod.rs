//! Regression tests for CI: whether the rules of every scenario hold, and whether any measure got worse than in a baseline.
//!
//! ```text
//!  Case* ─run─▶ ScenarioRuns* ──────────────judge─▶ Outcome ─▶ text, JSON, JUnit, Markdown, annotations
//!                  └─▶ Baseline ─file─▶ Baseline ─┘
//! ```
//!
//! A rule of `expect:` is judged on the scenario's own seed, so its result is the same every time. A measure is
//! compared over several replicas ([`replica_seeds`](crate::stats::replica_seeds)) and is judged worse only if the
//! difference of the means exceeds the margin: the larger of the noise ([`compare_means`](crate::stats::compare_means))
//! and the minimum effect, the smallest change that matters (`measures::minimum_effect`). If nothing changed, a whole
//! comparison raises a false alarm with a probability of at most 1 %: that probability is divided by the number of
//! measures of all scenarios (Bonferroni correction).

mod annotations;
mod baseline;
mod compare;
mod junit;
mod markdown;
mod measures;
mod outcome;
mod runs;
mod text;

pub use annotations::annotations;
pub use baseline::{Baseline, MAX_REPLICAS, SCHEMA, first_repeated_scenario_name};
pub use compare::{ExampleReplica, MeasureChange, Verdict};
pub use junit::junit;
pub use markdown::markdown;
pub use measures::{BetterDirection, MEASURES, Measure};
pub use outcome::{Outcome, RuleOutcome, ScenarioOutcome, Status, judge};
pub use runs::{Case, ScenarioRuns, TestProgress, run};
pub use text::text;
