//! The baseline file: the value of every measure of every scenario, replica by replica.
//!
//! The JSON file is kept beside the scenarios and read in reviews, so it also holds the mean and the standard
//! deviation; the comparison uses only the values.

use super::measures::{MEASURES, max_value};
use super::runs::{Case, ScenarioRuns};
use crate::formatting::rounded;
use crate::stats::Moments;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name and version of the schema: the first field of every baseline.
pub const SCHEMA: &str = "quotalab/baseline/1";

/// The maximum number of replicas of a scenario.
pub const MAX_REPLICAS: usize = 1_000;

/// The content of a baseline file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    schema: String,
    /// The version of quotalab that wrote it.
    version: String,
    /// The baseline of each scenario, by its name.
    scenarios: BTreeMap<String, ScenarioBaseline>,
}

/// The baseline of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ScenarioBaseline {
    /// How long jobs arrived, in seconds.
    duration_s: f64,
    /// The seed of each replica, all different.
    pub(super) seeds: Vec<u64>,
    /// The values of each measure, by its name.
    pub(super) measures: BTreeMap<String, Sample>,
}

/// The values of one measure over the replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The mean, for readers; `None` if nothing was measured.
    mean: Option<f64>,
    /// The standard deviation, for readers; `None` if fewer than two replicas were measured.
    sd: Option<f64>,
    /// In the order of the seeds; `None` for a replica with nothing to measure.
    pub(super) values: Vec<Option<f64>>,
}

impl Baseline {
    /// Makes the baseline of `cases` from their runs. Names of cases must differ (see [`first_repeated_scenario_name`]).
    #[must_use]
    pub fn of(cases: &[Case], runs: &[ScenarioRuns]) -> Self {
        let each = cases.iter().zip(runs);
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenarios: each
                .map(|(case, runs)| (case.scenario().name.clone(), ScenarioBaseline::of(runs)))
                .collect(),
        }
    }

    /// Returns the content of the file.
    ///
    /// # Panics
    /// Does not panic: every field is serialisable.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("invariant: every field is serialisable");
        text.push('\n');
        text
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// Returns one sentence if the text is not JSON of the schema [`SCHEMA`], or if its values are inconsistent.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct SchemaOnly {
            schema: String,
        }
        let SchemaOnly { schema } =
            serde_json::from_str(text).map_err(|error| format!("not a quotalab baseline: {error}"))?;
        if schema != SCHEMA {
            return Err(format!("its schema is `{schema}`; this version reads `{SCHEMA}`"));
        }
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match baseline.scenarios.iter().find_map(|(name, scenario)| Some((name, scenario.inconsistency()?))) {
            Some((name, inconsistency)) => Err(format!("`{name}`: {inconsistency}")),
            None => Ok(baseline),
        }
    }

    /// Returns the number of replicas of a scenario, or `None` if the baseline does not contain it.
    #[must_use]
    pub fn replicas(&self, scenario: &str) -> Option<usize> {
        self.scenarios.get(scenario).map(|scenario| scenario.seeds.len())
    }

    /// Returns a sentence for each reason why `cases` cannot be compared with the baseline; empty if they can.
    #[must_use]
    pub fn mismatches(&self, cases: &[Case]) -> Vec<String> {
        let given: BTreeMap<&str, &Case> = cases.iter().map(|case| (&*case.scenario().name, case)).collect();
        let mismatch = |(name, baseline): (&String, &ScenarioBaseline)| {
            let Some(case) = given.get(name.as_str()) else {
                return Some(format!("it contains the scenario `{name}`, which was not given"));
            };
            let now = crate::formatting::seconds(case.scenario().duration);
            #[expect(clippy::float_cmp, reason = "both are rounded to the microsecond")]
            let same = now == baseline.duration_s;
            (!same).then(|| {
                format!("`{name}` ran {} s in the baseline, and would run {now} s now", baseline.duration_s)
            })
        };
        self.scenarios.iter().filter_map(mismatch).collect()
    }

    /// Returns the baseline of a scenario; `None` if there is none.
    pub(super) fn scenario(&self, name: &str) -> Option<&ScenarioBaseline> {
        self.scenarios.get(name)
    }
}

impl ScenarioBaseline {
    fn of(runs: &ScenarioRuns) -> Self {
        let sample = |index: usize| {
            let values: Vec<_> = runs.replicas.iter().map(|replica| replica.values[index]).collect();
            Sample::of(values)
        };
        let measures = MEASURES.iter().enumerate();
        Self {
            duration_s: runs.duration_s,
            seeds: runs.replicas.iter().map(|replica| replica.seed).collect(),
            measures: measures.map(|(index, measure)| (measure.name.to_owned(), sample(index))).collect(),
        }
    }

    /// Returns the first inconsistency of a baseline that was read from a file; `None` if it is consistent.
    fn inconsistency(&self) -> Option<String> {
        if self.seeds.len() < 2 {
            return Some("it has fewer than two seeds, so the noise is unknown".to_owned());
        }
        if self.seeds.len() > MAX_REPLICAS {
            return Some(format!("it has {} seeds; at most {MAX_REPLICAS} are compared", self.seeds.len()));
        }
        if self.seeds.iter().collect::<BTreeSet<_>>().len() != self.seeds.len() {
            return Some("a seed occurs twice".to_owned());
        }
        self.measures.iter().find_map(|(name, sample)| {
            let Some(measure) = MEASURES.iter().find(|measure| measure.name == name) else {
                return Some(format!("unknown measure `{name}`"));
            };
            let (values, seeds) = (sample.values.len(), self.seeds.len());
            if values != seeds {
                return Some(format!("`{name}` has {values} values for {seeds} seeds"));
            }
            let max = max_value(measure.unit);
            let absurd = sample.values.iter().flatten().find(|value| !(0.0..=max).contains(*value));
            absurd
                .map(|value| format!("`{name}` is {value}; no run has a value below 0 or above {max}"))
                .or_else(|| {
                    sample
                        .wrong_statistic()
                        .map(|which| format!("`{name}`: its {which} is not that of its values"))
                })
        })
    }
}

impl Sample {
    /// Returns the name of a statistic for readers that does not follow from the values; `None` if both do.
    fn wrong_statistic(&self) -> Option<&'static str> {
        let of_values = Self::of(self.values.clone());
        let differs = |stated: Option<f64>, expected: Option<f64>| match (stated, expected) {
            // Both are rounded to six decimal places.
            (Some(stated), Some(expected)) => (stated - expected).abs() > 2e-6 + 1e-9 * expected.abs(),
            (stated, expected) => stated != expected,
        };
        let all = [("mean", self.mean, of_values.mean), ("sd", self.sd, of_values.sd)];
        all.into_iter().find(|(_, stated, expected)| differs(*stated, *expected)).map(|(name, ..)| name)
    }

    fn of(values: Vec<Option<f64>>) -> Self {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let moments = Moments::of(&known);
        let mean = moments.map(|moments| rounded(moments.mean, 6));
        let sd = moments.filter(|_| known.len() > 1).map(|moments| rounded(libm::sqrt(moments.variance), 6));
        Self { mean, sd, values }
    }
}

/// Returns the first name that two cases share. A baseline identifies scenarios by their names.
#[must_use]
pub fn first_repeated_scenario_name(cases: &[Case]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    cases.iter().map(|case| &*case.scenario().name).find(|name| !seen.insert(*name))
}
