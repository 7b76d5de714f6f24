//! The baseline: what every measure of every scenario came to, replica by replica, when all was well.
//!
//! It is a JSON file that lives beside the scenarios and is read in reviews, so it says the mean and the
//! standard deviation too; the comparison itself works on the values.

use super::measure::MEASURES;
use super::noise::Moments;
use super::runs::{Case, ScenarioRuns};
use crate::formatting::rounded;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name and version of the schema: the first field of every baseline.
pub const SCHEMA: &str = "quotalab/baseline/1";

/// The content of a baseline file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    schema: String,
    /// The version of quotalab that made it.
    version: String,
    /// By the scenario's name.
    scenarios: BTreeMap<String, Reference>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reference {
    /// How long jobs arrived, in seconds.
    duration_s: f64,
    /// The seed of each replica.
    pub(super) seeds: Vec<u64>,
    /// By the name of the measure.
    pub(super) measures: BTreeMap<String, Sample>,
}

/// One measure over the replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// For readers; absent where nothing was measured.
    mean: Option<f64>,
    /// The standard deviation, for readers; absent where fewer than two replicas were measured.
    sd: Option<f64>,
    /// In the order of the seeds; `null` where there was nothing to measure.
    pub(super) values: Vec<Option<f64>>,
}

impl Baseline {
    /// The baseline that these trials make. The cases' names must differ (see [`repeated_name`]).
    #[must_use]
    pub fn of(cases: &[Case], trials: &[ScenarioRuns]) -> Self {
        let each = cases.iter().zip(trials);
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenarios: each
                .map(|(case, trial)| (case.scenario().name.clone(), Reference::of(trial)))
                .collect(),
        }
    }

    /// The content of the file.
    ///
    /// # Panics
    /// Never: a baseline holds nothing that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("string keys and plain data");
        text.push('\n');
        text
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head =
            serde_json::from_str(text).map_err(|error| format!("it is no baseline of quotalab: {error}"))?;
        if head.schema != SCHEMA {
            return Err(format!("its schema is `{}`; this version reads `{SCHEMA}`", head.schema));
        }
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match baseline.scenarios.iter().find_map(|(name, scenario)| Some((name, scenario.fault()?))) {
            Some((name, fault)) => Err(format!("`{name}`: {fault}")),
            None => Ok(baseline),
        }
    }

    /// How many replicas it has of a scenario; `None` where it has none.
    #[must_use]
    pub fn replicas(&self, scenario: &str) -> Option<usize> {
        self.scenarios.get(scenario).map(|reference| reference.seeds.len())
    }

    /// Why these cases cannot be compared with it: a sentence for each reason.
    #[must_use]
    pub fn misfits(&self, cases: &[Case]) -> Vec<String> {
        let given: BTreeMap<&str, &Case> = cases.iter().map(|case| (&*case.scenario().name, case)).collect();
        let misfit = |(name, reference): (&String, &Reference)| {
            let Some(case) = given.get(name.as_str()) else {
                return Some(format!("it knows the scenario `{name}`, which is not given"));
            };
            let now = crate::formatting::seconds(case.scenario().duration);
            #[expect(clippy::float_cmp, reason = "both are rounded to the microsecond")]
            let same = now == reference.duration_s;
            (!same)
                .then(|| format!("`{name}` ran {} s for it, and would run {now} s now", reference.duration_s))
        };
        self.scenarios.iter().filter_map(misfit).collect()
    }

    pub(super) fn get(&self, scenario: &str) -> Option<&Reference> {
        self.scenarios.get(scenario)
    }
}

impl Reference {
    fn of(trial: &ScenarioRuns) -> Self {
        let sample = |place: usize| {
            let values: Vec<_> = trial.replicas.iter().map(|replica| replica.measured[place]).collect();
            Sample::of(values)
        };
        let measures = MEASURES.iter().enumerate();
        Self {
            duration_s: trial.duration_s,
            seeds: trial.replicas.iter().map(|replica| replica.seed).collect(),
            measures: measures.map(|(place, measure)| (measure.name.to_owned(), sample(place))).collect(),
        }
    }

    /// What no baseline of ours would say.
    fn fault(&self) -> Option<String> {
        if self.seeds.len() < 2 {
            return Some("fewer than two seeds tell nothing of the noise".to_owned());
        }
        if self.seeds.iter().collect::<BTreeSet<_>>().len() != self.seeds.len() {
            return Some("a seed is there twice".to_owned());
        }
        self.measures.iter().find_map(|(name, sample)| {
            if MEASURES.iter().all(|measure| measure.name != name) {
                return Some(format!("nothing is measured under the name `{name}`"));
            }
            let (values, seeds) = (sample.values.len(), self.seeds.len());
            (values != seeds).then(|| format!("`{name}` has {values} values for {seeds} seeds"))
        })
    }
}

impl Sample {
    fn of(values: Vec<Option<f64>>) -> Self {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let moments = Moments::of(&known);
        let mean = moments.map(|moments| rounded(moments.mean, 6));
        let sd = moments.filter(|_| known.len() > 1).map(|moments| rounded(libm::sqrt(moments.variance), 6));
        Self { mean, sd, values }
    }
}

/// The first name that two cases share: a baseline tells scenarios apart by their names.
#[must_use]
pub fn repeated_name(cases: &[Case]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    cases.iter().map(|case| &*case.scenario().name).find(|name| !seen.insert(*name))
}
