//! What each limit was charged over time, as a share of what it allows in that time. The strips, the heat map and the
//! table of the heat map all use this.
//!
//! A limit of 6,000 tokens a minute allows 60,000 in ten minutes, whatever its refill policy and burst. So a burst may be
//! charged more than 100 % in a step, and a limit that is full at the end may have been charged little in its last hour.
//! An adaptive limit counts with its mean over the run. A limit whose window is longer than the run is spread over the run:
//! a short run may use the whole of a limit per day.

use super::facts;
use crate::record::{ChargeSum, Fill, Limit, Summary, within};
use crate::scenario::Family;
use provider::Axis;
use std::ops::Range;

/// The heat map has fewer columns than this, so that it has one per hour of a day.
const MAX_COLUMNS: usize = 25;
/// Round lengths of a column, in seconds; longer ones are whole days.
const ROUND: [f64; 19] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    HOUR,
    2.0 * HOUR,
    3.0 * HOUR,
    4.0 * HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    24.0 * HOUR,
];
const HOUR: f64 = 3_600.0;

/// One limit of one target over time.
#[derive(Clone, Copy)]
pub(super) struct Row<'s> {
    pub(super) target: &'s str,
    pub(super) axis: &'s str,
    /// The largest share in use at a sample in each step.
    pub(super) levels: &'s [f64],
    limit: Option<&'s Limit>,
    /// The family that shares the limit, of which `target` is the first target; `None` if no family shares it.
    family: Option<&'s Family>,
    /// The use of the limits of all targets.
    fills: &'s [Fill],
    step_s: f64,
    /// When arrivals ended.
    duration_s: f64,
    /// When the last event happened, but no earlier than the end of the arrivals.
    end_s: f64,
}

/// Returns every limit that was sampled, one that a family shares once, by target, then in the order of [`Axis::ALL`].
pub(super) fn rows(summary: &Summary) -> Vec<Row<'_>> {
    let order = |axis: &str| Axis::ALL.into_iter().position(|known| known.name() == axis);
    let end_s = summary.duration_s.max(summary.ended_s);
    let mut rows = Vec::new();
    for (place, fill) in summary.series.fill.iter().enumerate() {
        let target = summary.targets.get(place).filter(|target| target.name == fill.target);
        let family = target.and_then(|target| target.family.as_ref());
        if family.is_some_and(|family| !family.is_stated_at(&fill.target)) {
            continue;
        }
        let before = rows.len();
        rows.extend(fill.axes.iter().filter(|(_, levels)| !levels.is_empty()).map(|(axis, levels)| Row {
            target: &fill.target,
            axis,
            levels,
            limit: target.and_then(|target| target.limits.iter().find(|limit| limit.axis == *axis)),
            family,
            fills: &summary.series.fill,
            step_s: summary.series.step_s,
            duration_s: summary.duration_s,
            end_s,
        }));
        rows[before..].sort_by_key(|row: &Row<'_>| order(row.axis));
    }
    rows
}

impl Row<'_> {
    /// Returns the largest share in use at a sample of the run.
    pub(super) fn peak(&self) -> f64 {
        self.level(0..self.levels.len())
    }

    /// Returns the largest share in use at a sample during `steps`.
    pub(super) fn level(&self, steps: Range<usize>) -> f64 {
        within(self.levels, steps).iter().copied().fold(0.0, f64::max)
    }

    /// Returns what was charged during `steps` ÷ what the limit allows in them; `None` if it was not counted, or if the limit
    /// allows nothing.
    pub(super) fn share(&self, steps: Range<usize>) -> Option<f64> {
        let limit = self.limit?;
        let charged = self.charged(steps.clone())?;
        let window_s = limit.window_s.map_or(1.0, |window_s| window_s.min(self.duration_s.max(1.0)));
        let amount = limit.mean.unwrap_or(as_f64(limit.limit));
        let allowed = amount * self.seconds(steps) / window_s;
        (allowed > 0.0).then(|| charged / allowed)
    }

    /// Returns what was charged during `steps`: calls, tokens, or seconds of calls in flight; `None` for audio, which is not
    /// counted.
    pub(super) fn charged(&self, steps: Range<usize>) -> Option<f64> {
        let each = self.sharing().map(|fill| fill.charged.sum(steps.clone()));
        each.reduce(ChargeSum::plus)?.on(Axis::from_name(self.axis)?)
    }

    /// Returns the name of the target, with the family that shares the limit.
    pub(super) fn target_text(&self) -> String {
        facts::with_family(self.target, self.family)
    }

    /// Returns the use of the targets that share the limit.
    fn sharing(&self) -> impl Iterator<Item = &Fill> {
        self.fills.iter().filter(|fill| match self.family {
            Some(family) => family.targets.contains(&fill.target),
            None => fill.target == self.target,
        })
    }

    /// Returns the attempts that it refused during `steps`.
    pub(super) fn refused(&self, steps: Range<usize>) -> u64 {
        let of_target = |fill: &Fill| {
            let counts = fill.refused.get(self.axis);
            counts.map_or(0, |counts| within(counts, steps.clone()).iter().sum())
        };
        self.sharing().map(of_target).sum()
    }

    /// Returns the length of `steps` in seconds; the last step of a run may be short.
    #[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
    fn seconds(&self, steps: Range<usize>) -> f64 {
        let (from, to) = (steps.start as f64 * self.step_s, steps.end as f64 * self.step_s);
        (to.min(self.end_s) - from).max(0.0)
    }
}

/// Columns of the heat map: ranges of steps of one length, round if a round one fits. The last may be shorter, and also takes
/// what came after the end of the arrivals unless that took so long that it has columns of its own.
pub(super) struct Columns {
    pub(super) length_s: f64,
    pub(super) steps: Vec<Range<usize>>,
}

impl Columns {
    /// Returns the columns of a run; at least one step is covered.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a series has a few hundred steps"
    )]
    pub(super) fn of(summary: &Summary) -> Self {
        let (step_s, all) = (summary.series.step_s, summary.series.offered.len());
        let planned = (libm::ceil(summary.duration_s / step_s - 1e-9) as usize).clamp(1, all.max(1));
        // A long drain gets columns of its own.
        let covered = if all > planned + planned / 4 { all } else { planned };
        let fits = |length: f64| {
            let steps = libm::round(length / step_s);
            (steps >= 1.0
                && (steps * step_s - length).abs() < 1e-6
                && covered.div_ceil(steps as usize) < MAX_COLUMNS)
                .then_some(steps as usize)
        };
        let days = (2..400).map(|days| f64::from(days) * 24.0 * HOUR);
        let each = ROUND.into_iter().chain(days).find_map(fits).unwrap_or(covered.div_ceil(MAX_COLUMNS - 1));
        let mut steps: Vec<_> =
            (0..covered).step_by(each.max(1)).map(|from| from..(from + each).min(covered)).collect();
        if let Some(last) = steps.last_mut() {
            last.end = last.end.max(all);
        }
        Self { length_s: each as f64 * step_s, steps }
    }
}

/// Returns at most `most` of the values, those of the largest weight, in their own order; of equal ones the first.
pub(super) fn largest<T>(values: Vec<T>, most: usize, weight: impl Fn(&T) -> f64) -> Vec<T> {
    let mut ranked: Vec<(usize, T)> = values.into_iter().enumerate().collect();
    ranked.sort_by(|(_, one), (_, other)| weight(other).total_cmp(&weight(one)));
    ranked.truncate(most);
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, value)| value).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive;
    use crate::scenario::{self, Overrides};
    use proptest::prelude::*;
    use provider::Nanos;

    const SCENARIO: &str = "
name: usage
duration: 1h
providers:
  groq:
    dialect: groq
    accounts: { acme: {keys: [k1]} }
    models:
      small:
        limits: { rpm: 20, tpm: 20k, tpd: 1M, concurrency: 4 }
        # Without a network every attempt that is sent is decided on: none is cancelled on its way.
        latency: { total: {mean: 2s}, network: 0s }
routes:
  chat: [{ of: [groq/acme/small] }]
workload:
  - { name: chat, route: chat, arrivals: { poisson: 25/min }, prompt: 500, completion: 200, max_tokens: 300 }
";

    fn run(seed: u64, duration: Nanos) -> Summary {
        let overrides = Overrides { seed: Some(seed), duration: Some(duration), ..Overrides::default() };
        let scenario = scenario::parse("usage.yaml", SCENARIO, &overrides, None).unwrap();
        drive::summarize(&scenario)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Law: the columns cover the run without gap or overlap, and their charges and refusals add up to the run's.
        #[test]
        fn the_columns_add_up_to_the_run(seed in 0u64..1_000, seconds in 1u64..40_000) {
            let summary = run(seed, Nanos::from_secs(seconds));
            let columns = Columns::of(&summary);
            let all = summary.series.offered.len();
            prop_assert!(columns.steps.len() < MAX_COLUMNS);
            prop_assert_eq!((columns.steps[0].start, columns.steps.last().unwrap().end), (0, all));
            prop_assert!(columns.steps.windows(2).all(|pair| pair[0].end == pair[1].start));
            let target = &summary.targets[0];
            for row in rows(&summary) {
                let sum: f64 = columns.steps.iter().filter_map(|steps| row.charged(steps.clone())).sum();
                let whole = match row.axis {
                    "rpm" => as_f64(target.ok + target.failed),
                    // Nothing is measured if no job arrived.
                    "concurrency" => {
                        let share = target.utilisation.get("concurrency").copied().unwrap_or(0.0);
                        share * 4.0 * summary.ended_s
                    }
                    _ => as_f64(target.tokens.prompt + target.tokens.completion),
                };
                prop_assert!((sum - whole).abs() <= whole * 1e-3 + 0.2, "{}: {sum} of {whole}", row.axis);
                let refused: u64 = columns.steps.iter().map(|steps| row.refused(steps.clone())).sum();
                prop_assert_eq!(refused, target.limited_by.get(row.axis).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn largest_keeps_the_order_of_the_values_and_the_first_of_equal_ones() {
        let weight = |value: &u32| f64::from(*value);
        assert_eq!(largest(vec![0, 3, 0, 1, 2], 3, weight), [3, 1, 2]);
        assert_eq!(largest(vec![0, 0, 5], 2, weight), [0, 5]);
        assert_eq!(largest(vec![1, 2], 3, weight), [1, 2]);
    }

    /// The steps and the run count the same charges, also of a provider that never settles: it keeps what calls reserve.
    #[test]
    fn the_charges_over_time_add_up_to_those_that_the_text_states() {
        for dialect in ["groq", "azure"] {
            let yaml = SCENARIO.replace("dialect: groq", &format!("dialect: {dialect}"));
            let scenario = scenario::parse("usage.yaml", &yaml, &Overrides::default(), None).unwrap();
            let summary = drive::summarize(&scenario);
            let (target, all) = (&summary.targets[0], 0..summary.series.offered.len());
            let tpm = rows(&summary).into_iter().find(|row| row.axis == "tpm").unwrap();
            // A bucket of 20,000 a minute holds one minute's worth when the run begins.
            let admissible = 20_000.0 * (summary.ended_s.max(3_600.0) / 60.0 + 1.0);
            let text = target.utilisation["tpm"] * admissible;
            let charged = tpm.charged(all).unwrap();
            assert!((charged / text - 1.0).abs() < 0.01, "{dialect}: {charged} of {text}");
            let used = as_f64(target.tokens.prompt + target.tokens.completion);
            // A call reserves 800 tokens and uses 700.
            let expected = if dialect == "azure" { 1.1..1.3 } else { 0.999..1.001 };
            assert!(expected.contains(&(charged / used)), "{dialect}: {charged} charged, {used} used");
        }
    }

    /// Two models of a family and one of no family, in turn: the rows of the family's limits occur once, with the charges of both
    /// models, and the text says so.
    #[test]
    fn the_limits_of_a_family_are_stated_once_with_the_use_of_all_its_models() {
        let model =
            "{ family: f, limits: { rpm: 40, tpm: 40k }, latency: { total: {mean: 2s}, network: 0s } }";
        let small = "      small:\n        limits: { rpm: 20, tpm: 20k, tpd: 1M, concurrency: 4 }\n";
        assert!(SCENARIO.contains(small));
        let (from, to) = (SCENARIO.find("      small:").unwrap(), SCENARIO.find("routes:").unwrap());
        let yaml = format!(
            "{}      one: {model}\n      two: {model}\n      own: {}\n{}",
            &SCENARIO[..from],
            model.replace("family: f, ", ""),
            SCENARIO[to..].replace(
                "[{ of: [groq/acme/small] }]",
                "[{ pick: round_robin, of: [groq/acme/one, groq/acme/two, groq/acme/own] }]"
            )
        );
        let scenario = scenario::parse("family.yaml", &yaml, &Overrides::default(), None).unwrap();
        let summary = drive::summarize(&scenario);
        let all = 0..summary.series.offered.len();
        let shown: Vec<(&str, &str)> = rows(&summary).iter().map(|row| (row.target, row.axis)).collect();
        let expected = ["groq/acme/one", "groq/acme/own"].map(|name| [(name, "rpm"), (name, "tpm")]);
        assert_eq!(shown, expected.concat());
        let [one, two, own] = [0, 1, 2].map(|target| &summary.targets[target]);
        let calls = |targets: &[&crate::record::Target]| targets.iter().map(|target| target.ok).sum::<u64>();
        let charged: Vec<f64> = rows(&summary).iter().filter_map(|row| row.charged(all.clone())).collect();
        assert!((charged[0] - as_f64(calls(&[one, two]))).abs() < 0.5, "{charged:?}");
        assert!((charged[2] - as_f64(calls(&[own]))).abs() < 0.5, "{charged:?}");
        // 40 a minute for an hour, and a full bucket.
        assert!((one.utilisation["rpm"] - as_f64(calls(&[one, two])) / 2_440.0).abs() < 0.01, "{one:?}");
        assert_eq!(one.utilisation, two.utilisation);
        let text = crate::report::text::render(&summary, crate::report::Style::Plain);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("shares its limits with groq/acme/two: what follows is of the family f"),
            "{text}"
        );
        assert!(text.contains("shares the limits of groq/acme/one, of the family f"), "{text}");
        assert_eq!(text.matches("40 per min").count(), 2, "{text}");
        assert!(crate::report::html::render(&summary).contains("groq/acme/one (family f)"));
    }

    /// Fifteen jobs at once, every seven hours: the samples miss them, and the largest share in use is known from the charges.
    #[test]
    fn the_fullest_instant_of_a_limit_is_not_missed_between_samples() {
        let burst = SCENARIO
            .replace("duration: 1h", "duration: 24h")
            .replace("poisson: 25/min", "burst: 15, every: 7h")
            .replace("rpm: 20, tpm: 20k, tpd: 1M, concurrency: 4", "rpm: 20, tpm: 20k, concurrency: 40");
        for law in ["bucket", "fixed", "sliding_log", "sliding_counter"] {
            let yaml = burst.replace("dialect: groq", &format!("dialect: groq\n    law: {law}"));
            let scenario = scenario::parse("burst.yaml", &yaml, &Overrides::default(), None).unwrap();
            let summary = drive::summarize(&scenario);
            let peak = &summary.targets[0].peak;
            // 800 tokens are reserved for each.
            assert_eq!((peak["rpm"], peak["tpm"], peak["concurrency"]), (0.75, 0.6, 0.375), "{law}");
            let sampled = rows(&summary).iter().find(|row| row.axis == "concurrency").unwrap().peak();
            assert!(sampled < 0.375, "{law}: the samples miss nothing, {sampled}");
        }
    }

    #[test]
    fn shares_are_of_what_the_limit_allows_in_that_time() {
        let summary = run(7, Nanos::from_secs(3_600));
        let all = 0..summary.series.offered.len();
        let share =
            |axis: &str| rows(&summary).into_iter().find(|row| row.axis == axis).unwrap().share(all.clone());
        let target = &summary.targets[0];
        let tokens = as_f64(target.tokens.prompt + target.tokens.completion);
        let minutes = summary.ended_s.max(3_600.0) / 60.0;
        assert!((share("tpm").unwrap() - tokens / (20_000.0 * minutes)).abs() < 1e-3);
        // A day limit is spread over a shorter run.
        assert!((share("tpd").unwrap() - tokens / 1e6).abs() < 1e-2);
    }
}
