//! The gate of a team's CI: does every scenario still hold, and did anything get worse since the baseline?
//!
//! ```text
//!  Case* ─run─▶ ScenarioRuns* ──────────────judge─▶ Outcome ─▶ text, JSON, JUnit, Markdown, annotations
//!                  └─▶ Baseline ─file─▶ Baseline ─┘
//! ```
//!
//! A rule of `expect:` is judged on the scenario's own seed: the same every time, so it never flickers. A
//! measure is compared over several replicas ([`seeds`]), each a seed of its own, and is called worse only
//! where the difference of the means exceeds both what chance explains (`noise`) and what matters to
//! anyone (`measure`). A whole comparison with nothing changed may cry wolf once in a hundred times: the tail allowed
//! to one measure is that hundredth, divided by all the measures of all the scenarios (Bonferroni).

mod annotation;
mod baseline;
mod compare;
mod junit;
mod markdown;
mod measure;
mod noise;
mod outcome;
mod runs;
mod text;

pub use annotation::annotations;
pub use baseline::{Baseline, SCHEMA, repeated_name};
pub use compare::{Change, Evidence, Verdict};
pub use junit::junit;
pub use markdown::markdown;
pub use measure::{Better, MEASURES, Measure};
pub use outcome::{Checked, Outcome, Rule, Status, judge};
pub use runs::{Case, ScenarioRuns, run, seeds};
pub use text::text;
