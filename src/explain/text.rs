//! An explanation as plain text.

use super::Explanation;
use super::facts::HeaderMeaning;
use crate::engine::parse::LimitHeader;
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::units;
use provider::{Axis, Nanos};
use std::fmt::Write as _;

impl Explanation {
    /// Formats the explanation as plain text: the limit, its numbers, the wait, the headers, the advice.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.headline());
        self.write_numbers(&mut out);
        if let Some(wait) = self.failure.wait {
            let _ = writeln!(out, "\n{}", wait_sentence(wait, self.terminal));
        }
        self.write_headers(&mut out);
        out.push_str("\nWhat to do:\n");
        for sentence in &self.advice {
            let _ = writeln!(out, "  - {sentence}");
        }
        out
    }

    fn headline(&self) -> String {
        let owner = self.facts.owner;
        let owner = match &self.failure.refusal.organization {
            Some(name) => format!("{owner} {name}"),
            None => format!("the {owner}"),
        };
        let model = self.model.as_deref().unwrap_or("this model");
        let axis = self.failure.refusal.axis.map_or("rate", long_name);
        let message = self.failure.message.as_deref().unwrap_or("the reply states no reason");
        match self.failure.cause {
            LimitCause::MinuteLimit | LimitCause::DayLimit => {
                format!("The {axis} limit of {owner} on {model} is exhausted.")
            }
            LimitCause::TooLarge if self.axis.is_some() => {
                format!("The request is larger than the {axis} limit of {owner} on {model}.")
            }
            LimitCause::TooLarge => format!("The request is too long for {model}: {message}"),
            LimitCause::Overload => format!("The provider is overloaded or failing: {message}"),
            LimitCause::Auth => format!("The key was rejected: {message}"),
            LimitCause::Billing => format!("Insufficient credit, or no active plan: {message}"),
            LimitCause::NotInTier => format!("The plan of {owner} has no quota for {model}: {message}"),
            LimitCause::Concurrency => format!("Too many requests of {owner} are in flight on {model}."),
            LimitCause::Other => format!("Refused: {message}"),
        }
    }

    fn write_numbers(&self, out: &mut String) {
        let (Some(limit), Some(requested)) = (self.limit, self.requested) else { return };
        let _ = match self.used {
            Some(used) => writeln!(
                out,
                "\n  limit      {limit:>12}\n  used       {used:>12}   {:.0} % of the limit\n  requested  {requested:>12}   \
                 {} more than remained",
                used as f64 / limit.max(1) as f64 * 100.0,
                (i128::from(used) + i128::from(requested) - i128::from(limit)).max(0),
            ),
            None => writeln!(
                out,
                "\n  limit      {limit:>12}\n  requested  {requested:>12}   {:.1} × the limit",
                requested as f64 / limit.max(1) as f64,
            ),
        };
    }

    /// Writes the limits in the headers, and whether the one that refused is missing among them.
    fn write_headers(&self, out: &mut String) {
        let limited = matches!(
            self.failure.cause,
            LimitCause::MinuteLimit | LimitCause::DayLimit | LimitCause::Concurrency
        );
        if self.limits.is_empty() {
            if limited && self.facts.headers == HeaderMeaning::NoHeaders {
                out.push_str("\nThe provider sends no limit headers: count usage on the client.\n");
            }
            return;
        }
        out.push_str("\nThe limit headers:\n");
        for limit in &self.limits {
            let _ = writeln!(out, "  - {}", self.limit_sentence(limit));
        }
        let missing = |axis: &Axis| self.limits.iter().all(|limit| limit.axis != Some(*axis));
        if let Some(axis) = self.failure.refusal.axis.filter(missing) {
            let _ = writeln!(out, "  - {axis}, the limit that refused, is missing: only the body states it.");
        }
    }

    fn limit_sentence(&self, limit: &LimitHeader) -> String {
        let LimitHeader { name, axis, limit, remaining, reset } = *limit;
        let reset = match (reset, self.facts.headers) {
            (None, _) => "no reset stated".into(),
            (Some(reset), HeaderMeaning::WindowEnd) => format!("the window ends in {}", wait_text(reset)),
            (Some(reset), _) => format!("full again in {}; a request may fit earlier", wait_text(reset)),
        };
        format!("{remaining} of {limit} {} left; {reset}.", axis.map_or(name, Axis::name))
    }
}

fn wait_sentence(Wait { length, kind }: Wait, terminal: bool) -> String {
    let length = wait_text(length);
    match kind {
        WaitKind::UntilAdmitted => {
            format!(
                "Retry in {length}: this request fits then, if no other request uses the limit meanwhile."
            )
        }
        WaitKind::UntilFull => format!("The limit is full again in {length}; this request fits earlier."),
        WaitKind::UntilWindowEnds => format!("Retry in {length}, when the window ends."),
        WaitKind::Suggested => format!("Retry in {length} or later: the provider estimates this wait."),
        WaitKind::Meaningless if terminal => {
            format!("The stated wait of {length} is meaningless: waiting does not help.")
        }
        WaitKind::Meaningless => {
            format!("The stated wait of {length} is meaningless: this limit takes longer to recover.")
        }
    }
}

/// Formats a wait exactly, in units from the longest: `2h42m9.504s`.
pub(super) fn wait_text(wait: Nanos) -> String {
    units::print_duration(wait)
}

fn long_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rpm => "requests-per-minute",
        Axis::Rpd => "requests-per-day",
        Axis::Tpm => "tokens-per-minute",
        Axis::Tpd => "tokens-per-day",
        Axis::Itpm => "input-tokens-per-minute",
        Axis::Otpm => "output-tokens-per-minute",
        Axis::Ash => "audio-seconds-per-hour",
        Axis::Asd => "audio-seconds-per-day",
        Axis::Concurrency => "concurrency",
    }
}
