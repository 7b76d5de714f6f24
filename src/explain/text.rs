//! An explanation as plain text.

use super::Explanation;
use super::facts::HeaderMeaning;
use crate::engine::parse::{LimitHeader, ParsedFailure, Reason, Unit};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use crate::formatting::is_unprintable;
use provider::units;
use provider::{Axis, Nanos};
use std::fmt::Write as _;

impl Explanation {
    /// Formats the explanation as plain text: the limit, its numbers, the wait, the headers, the refusals in a list, the notes,
    /// the advice.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.headline());
        self.write_numbers(&mut out);
        if let Some(wait) = self.failure.wait {
            let _ = writeln!(out, "\n{}", wait_sentence(wait, self.terminal, &self.failure));
        }
        if let Some(reset) = &self.failure.reset_at {
            let at = self.resets_at.as_deref().unwrap_or(&reset.stated);
            let _ = writeln!(out, "It resets at {at}.");
        }
        self.write_allowances(&mut out);
        self.write_headers(&mut out);
        for refusal in &self.refusals {
            let _ = writeln!(out, "\nBehind it: {}", refusal.headline());
        }
        if !self.notes.is_empty() {
            out.push_str("\nNote:\n");
        }
        for note in &self.notes {
            let _ = writeln!(out, "  - {note}");
        }
        out.push_str("\nWhat to do:\n");
        for sentence in &self.advice {
            let _ = writeln!(out, "  - {sentence}");
        }
        // Messages come from the paste, and may hold anything.
        out.chars().map(|c| if c != '\n' && is_unprintable(c) { ' ' } else { c }).collect()
    }

    fn headline(&self) -> String {
        let refusal = &self.failure.refusal;
        let owner = refusal.scope.unwrap_or(self.facts.owner);
        let owner = match &refusal.organization {
            Some(name) => format!("{} {name}", self.facts.owner),
            None => format!("the {owner}"),
        };
        let model = self.model.as_deref().unwrap_or("this model");
        let name = self.limit_name();
        let message = self.failure.message.as_deref().unwrap_or("the reply states no reason");
        if let Some(sentence) = self.failure.reason.and_then(reason_sentence) {
            return format!("{sentence}: {message}");
        }
        match self.failure.cause {
            RefusalCause::ShortLimit | RefusalCause::DayLimit => {
                format!("The {name} limit of {owner} on {model} is exhausted.")
            }
            RefusalCause::Allowance => format!("The allowance of the plan is used up ({name}): {message}"),
            RefusalCause::TooLarge if self.failure.exceeds_model => {
                format!("The request is too long for {model}: {message}")
            }
            RefusalCause::TooLarge if self.axis.is_some() => {
                format!("The request is larger than the {name} limit of {owner} on {model}.")
            }
            RefusalCause::TooLarge => format!("The request is larger than the limit: {message}"),
            RefusalCause::Overload => format!("The provider is overloaded or failing: {message}"),
            RefusalCause::Auth => format!("The key was rejected: {message}"),
            RefusalCause::Billing => {
                format!("Insufficient credit, a spend limit, or no active plan: {message}")
            }
            RefusalCause::NotInTier => format!("The plan of {owner} has no quota for {model}: {message}"),
            RefusalCause::Concurrency => format!("Too many requests of {owner} are in flight on {model}."),
            RefusalCause::Other if self.answered_by == Some("proxy") => {
                format!(
                    "{} refused, a proxy in front of the provider: {message}",
                    self.server.unwrap_or("A proxy")
                )
            }
            // A provider never refuses for what the replicas of a gateway share.
            RefusalCause::Other | RefusalCause::SharedQuota | RefusalCause::SharedCoolDown => {
                format!("Refused: {message}")
            }
        }
    }

    /// Returns the name of the limit: `tokens-per-minute`, `requests over 5 hours`.
    fn limit_name(&self) -> String {
        let refusal = &self.failure.refusal;
        let unit = refusal.unit.map_or("", Unit::name).replace('_', " ");
        match (refusal.axis, refusal.window) {
            (Some(axis), _) => long_name(axis).to_owned(),
            (None, Some(window)) if unit.is_empty() => format!("{} window", in_words(window)),
            (None, Some(window)) => format!("{unit} over {}", in_words(window)),
            (None, None) if unit.is_empty() => "rate".to_owned(),
            (None, None) => unit,
        }
    }

    fn write_numbers(&self, out: &mut String) {
        let Some(limit) = self.limit else { return };
        let Some(requested) = self.requested else {
            let used = self.used.map(|used| {
                format!(
                    "\n  used       {used:>12}   {:.0} % of the limit",
                    used as f64 / limit.max(1) as f64 * 100.0
                )
            });
            let _ = writeln!(out, "\n  limit      {limit:>12}{}", used.unwrap_or_default());
            return;
        };
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
                "\n  limit      {limit:>12}\n  requested  {requested:>12}   {:.1} × the limit, {} too much",
                requested as f64 / limit.max(1) as f64,
                requested.saturating_sub(limit),
            ),
        };
    }

    /// Writes the allowances of a subscription.
    fn write_allowances(&self, out: &mut String) {
        for allowance in &self.failure.allowances {
            let (window, permille) = (in_words(allowance.window), allowance.used_permille);
            let reset = allowance
                .reset
                .map(|reset| format!("; it resets in {}", wait_text(reset)))
                .unwrap_or_default();
            let _ =
                writeln!(out, "{} % of the allowance of {window} is used{reset}.", permille as f64 / 10.0);
        }
    }

    /// Writes the limits in the headers, and whether the one that refused is missing among them.
    fn write_headers(&self, out: &mut String) {
        let limited = matches!(
            self.failure.cause,
            RefusalCause::ShortLimit
                | RefusalCause::DayLimit
                | RefusalCause::Allowance
                | RefusalCause::Concurrency
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
        let LimitHeader { name, axis, limit, remaining, reset, next } = *limit;
        let reset = match (reset, self.facts.headers) {
            _ if next.is_some() => format!("the next one fits in {}", wait_text(next.unwrap_or_default())),
            (None, _) => "no reset stated".into(),
            (Some(reset), HeaderMeaning::WindowEnd) => format!("the window ends in {}", wait_text(reset)),
            (Some(reset), _) => format!("full again in {}; a request may fit earlier", wait_text(reset)),
        };
        format!("{remaining} of {limit} {} left; {reset}.", axis.map_or(name, Axis::name))
    }
}

fn wait_sentence(Wait { length, kind }: Wait, terminal: bool, failure: &ParsedFailure) -> String {
    let length = wait_text(length);
    match kind {
        WaitKind::UntilAdmitted => {
            format!(
                "Retry in {length}: this request fits then, if no other request uses the limit meanwhile."
            )
        }
        WaitKind::UntilFull if failure.cause == RefusalCause::Allowance => {
            format!("Retry in {length} at the latest: a request may fit sooner.")
        }
        WaitKind::UntilFull => format!("The limit is full again in {length}; a request may fit earlier."),
        WaitKind::UntilWindowEnds => format!("Retry in {length}, when the window ends."),
        WaitKind::Suggested => {
            format!("Retry in {length} or later: the reply states this wait without saying what it is for.")
        }
        WaitKind::Meaningless if terminal => {
            format!("The stated wait of {length} is meaningless: waiting does not help.")
        }
        WaitKind::Meaningless => {
            format!("The stated wait of {length} is meaningless: this limit takes longer to recover.")
        }
    }
}

/// Returns the beginning of the headline for a reason; `None` if the headline for the cause is used instead.
const fn reason_sentence(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::ModelWithdrawn => "The model was withdrawn",
        Reason::ModelUnknown => "The model does not exist, or the account has no access to it",
        Reason::AccountRestricted => "The account is restricted",
        Reason::UnknownPath => "No endpoint has this path",
        Reason::OutputRejected => "The model's answer was rejected",
        Reason::ClientBlocked => "The client was refused",
        Reason::CallerBudgetSpent => "The budget of this caller at its gateway does not pay for the request",
        Reason::CallerBudgetInUse => {
            "The budget of this caller at its gateway is reserved for its other requests"
        }
        Reason::CallerBudgetElsewhere => {
            "Other replicas of the gateway have shares of what is left of the budget of this caller"
        }
        Reason::RouteIsLimited => {
            "At every target of the gateway's route a limit stands in the way of the request"
        }
        Reason::RouteIsBusy => "The gateway could not serve the request in time",
        Reason::RouteIsTooSmall => "The request exceeds a limit at every target of the gateway's route",
        Reason::WorkerFull => return None,
    })
}

/// Formats a wait for people, rounded up: milliseconds below a second, tenths of a second below a minute, then whole
/// seconds: `31.1s`, `45m37s`.
pub(super) fn wait_text(wait: Nanos) -> String {
    let step = match wait {
        wait if wait < Nanos::SECOND => Nanos(1_000_000),
        wait if wait < Nanos::MINUTE => Nanos(100_000_000),
        _ => Nanos::SECOND,
    };
    let rounded = wait.0.div_ceil(step.0).saturating_mul(step.0);
    units::print_duration(Nanos(rounded))
}

/// Formats the length of a window: `5 hours`, `30 days`, `1 minute`.
pub(super) fn in_words(window: Nanos) -> String {
    let units =
        [(Nanos::DAY, "day"), (Nanos::HOUR, "hour"), (Nanos::MINUTE, "minute"), (Nanos::SECOND, "second")];
    let whole = units.into_iter().find(|(unit, _)| window.0 >= unit.0 && window.0.is_multiple_of(unit.0));
    match whole {
        Some((unit, name)) if window == unit => format!("1 {name}"),
        Some((unit, name)) => format!("{} {name}s", window.0 / unit.0),
        None => units::print_duration(window),
    }
}

/// Formats a window as it follows "per": `minute`, `5 hours`.
pub(super) fn period(window: Nanos) -> String {
    let words = in_words(window);
    words.strip_prefix("1 ").map(str::to_owned).unwrap_or(words)
}

fn long_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rps => "requests-per-second",
        Axis::Rpm => "requests-per-minute",
        Axis::Rph => "requests-per-hour",
        Axis::Rpd => "requests-per-day",
        Axis::Rpw => "requests-per-week",
        Axis::RpMonth => "requests-per-month",
        Axis::Requests => "requests",
        Axis::Tps => "tokens-per-second",
        Axis::Tpm => "tokens-per-minute",
        Axis::Tph => "tokens-per-hour",
        Axis::Tpd => "tokens-per-day",
        Axis::Tpw => "tokens-per-week",
        Axis::TpMonth => "tokens-per-month",
        Axis::Tokens => "tokens",
        Axis::Itpm => "input-tokens-per-minute",
        Axis::Uitpm => "uncached-input-tokens-per-minute",
        Axis::Otpm => "output-tokens-per-minute",
        Axis::Ash => "audio-seconds-per-hour",
        Axis::Asd => "audio-seconds-per-day",
        Axis::Concurrency => "concurrency",
    }
}
