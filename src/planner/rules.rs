//! The rules that make a ceiling: the expectations that more load can break, and how near each is to it.

use crate::record::Summary;
use crate::scenario::{Expectation, Metric, Op, Scenario};

/// The rules of a ceiling.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// In the scenario's order.
    pub(super) kept: Vec<Expectation>,
    /// Why the rules are not the scenario's expectations; empty where they are.
    pub(super) notes: Vec<String>,
}

/// What holds where a scenario has no rule on success: without one, a load that is refused whole would do.
const DEFAULT_SUCCESS: f64 = 0.99;

impl Rules {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let (mut kept, left_out): (Vec<_>, Vec<_>) =
            scenario.expect.iter().cloned().partition(breaks_with_load);
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            let rules: Vec<_> = left_out.iter().map(|rule| format!("`{}`", rule.rule)).collect();
            notes.push(format!(
                "Left out of the ceiling, since these are not rules that more load breaks and less load mends: {}.",
                rules.join(", ")
            ));
        }
        if kept.iter().all(|rule| rule.metric != Metric::Success) {
            let rule = format!("success >= {} %", DEFAULT_SUCCESS * 100.0);
            notes.push(format!("The scenario does not say how many jobs may fail; assumed: `{rule}`."));
            kept.push(Expectation { rule, metric: Metric::Success, op: Op::AtLeast, value: DEFAULT_SUCCESS });
        }
        Self { kept, notes }
    }

    /// These rules without those on money.
    pub(super) fn without_cost_rules(&self) -> Self {
        let kept = self.kept.iter().filter(|rule| rule.metric != Metric::Cost).cloned().collect();
        Self { kept, notes: Vec::new() }
    }

    /// The multiple of the load at which a rule on something that follows the load is reached, judging from
    /// a run at the load itself; infinite where there is none.
    pub(super) fn reached_at(&self, present: &Summary) -> f64 {
        let each = self.kept.iter().zip(&present.expect).filter_map(|(rule, judged)| match rule.metric {
            Metric::Cost => Some(rule.value / judged.actual.filter(|cost| *cost > 0.0)?),
            Metric::Headroom => Some(judged.actual? / rule.value),
            _ => None,
        });
        each.filter(|multiple| *multiple > 0.0).fold(f64::INFINITY, f64::min)
    }

    /// How far a run judged by these rules is from breaking the nearest of them, in `-1..=1`: 1 where it is
    /// as far as it can be, 0 at the border, -1 where a rule is overrun by as much as it allows or more.
    pub(super) fn slack(&self, summary: &Summary) -> f64 {
        let each = self.kept.iter().zip(&summary.expect).map(|(rule, judged)| {
            let slack = judged.actual.map_or(1.0, |actual| rule_slack(rule, actual)).clamp(-1.0, 1.0);
            // The judgement decides the sign: it compares at the precision of results.
            if judged.pass { slack.max(0.0) } else { slack.min(-f64::MIN_POSITIVE) }
        });
        each.fold(1.0, f64::min)
    }
}

/// Whether a rule, as written, is on money: no limit, and nothing that more quota could mend.
pub(super) fn is_on_cost(rule: &str) -> bool {
    rule.starts_with("cost")
}

/// Whether a rule is one that more load breaks and less load mends.
fn breaks_with_load(rule: &Expectation) -> bool {
    match rule.metric {
        Metric::Success | Metric::Headroom => matches!(rule.op, Op::AtLeast | Op::Above),
        Metric::Percentile(..)
        | Metric::FallbackShare
        | Metric::LimitedShare
        | Metric::AttemptsPerJob
        | Metric::Cost => matches!(rule.op, Op::AtMost | Op::Below),
        Metric::Goodput => false,
    }
}

/// What is left of what a rule allows, as a share of it.
fn rule_slack(rule: &Expectation, actual: f64) -> f64 {
    let (left, allowed) = match rule.metric {
        Metric::Success => (actual - rule.value, 1.0 - rule.value),
        Metric::Headroom => (actual - rule.value, rule.value),
        _ => (rule.value - actual, rule.value),
    };
    left / allowed.max(1e-9)
}
