//! An explanation as a page of plain text.

use super::Explanation;
use super::facts::HeaderMeaning;
use crate::engine::parse::LimitHeader;
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::units;
use provider::{Axis, Nanos};
use std::fmt::Write as _;

impl Explanation {
    /// The explanation as a page of plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.headline());
        self.numbers(&mut out);
        if let Some(wait) = self.failure.wait {
            let _ = writeln!(out, "\n{}", come_back(wait, self.terminal));
        }
        self.headers(&mut out);
        out.push_str("\nWhat to do:\n");
        for sentence in &self.advice {
            let _ = writeln!(out, "  - {sentence}");
        }
        out
    }

    fn headline(&self) -> String {
        let owner = self.facts.owner;
        let whose = match &self.failure.refusal.organization {
            Some(name) => format!("{owner} {name}"),
            None => format!("the {owner}"),
        };
        let model = self.model.as_deref().unwrap_or("this model");
        let axis = self.failure.refusal.axis.map_or("rate", long_name);
        match self.failure.cause {
            LimitCause::MinuteLimit | LimitCause::DayLimit => {
                format!("The {axis} limit of {whose} on {model} is used up for now.")
            }
            LimitCause::TooLarge if self.axis.is_some() => {
                format!("The request is larger than the whole {axis} limit of {whose} on {model}.")
            }
            LimitCause::TooLarge => format!("The request is longer than {model} takes: {}", self.said()),
            LimitCause::Overload => format!("The provider is overloaded or broken: {}", self.said()),
            LimitCause::Auth => format!("The key was not accepted: {}", self.said()),
            LimitCause::Billing => format!("There is no money or no plan for it: {}", self.said()),
            LimitCause::NotInTier => format!("The plan of {whose} has no quota for {model}: {}", self.said()),
            LimitCause::Concurrency => format!("Too many requests of {whose} are in flight on {model}."),
            LimitCause::Other => format!("Refused: {}", self.said()),
        }
    }

    fn said(&self) -> &str {
        self.failure.message.as_deref().unwrap_or("the reply gives no reason")
    }

    fn numbers(&self, out: &mut String) {
        let (Some(limit), Some(requested)) = (self.limit, self.requested) else { return };
        let _ = match self.used {
            Some(used) => writeln!(
                out,
                "\n  limit      {limit:>12}\n  used       {used:>12}   {:.0} % full when you asked\n  requested  {requested:>12}   \
                 {} more than was left",
                used as f64 / limit.max(1) as f64 * 100.0,
                (i128::from(used) + i128::from(requested) - i128::from(limit)).max(0),
            ),
            None => writeln!(
                out,
                "\n  limit      {limit:>12}\n  requested  {requested:>12}   {:.1} × the limit itself",
                requested as f64 / limit.max(1) as f64,
            ),
        };
    }

    /// What a reader of the headers would miss.
    fn headers(&self, out: &mut String) {
        let limited = matches!(
            self.failure.cause,
            LimitCause::MinuteLimit | LimitCause::DayLimit | LimitCause::Concurrency
        );
        if self.stated.is_empty() {
            if limited && self.facts.headers == HeaderMeaning::Nothing {
                out.push_str("\nNo header says what is left: keep your own count.\n");
            }
            return;
        }
        out.push_str("\nWhat the headers say, and what not:\n");
        for limit in &self.stated {
            let _ = writeln!(out, "  - {}", self.stated(limit));
        }
        if let Some(axis) =
            self.failure.refusal.axis.filter(|axis| self.stated.iter().all(|limit| limit.axis != Some(*axis)))
        {
            let _ =
                writeln!(out, "  - Nothing about {axis}, the limit that refused: only the body tells of it.");
        }
    }

    fn stated(&self, limit: &LimitHeader) -> String {
        let LimitHeader { name, axis, limit, remaining, reset } = *limit;
        let when = match (reset, self.facts.headers) {
            (None, _) => "when it is free again is not said".into(),
            (Some(reset), HeaderMeaning::WindowEnd) => format!("its window ends in {}", wait_words(reset)),
            (Some(reset), _) => format!("full again (not: room again) in {}", wait_words(reset)),
        };
        format!("{remaining} of {limit} {} left; {when}.", axis.map_or(name, Axis::name))
    }
}

fn come_back(Wait { length, meaning }: Wait, terminal: bool) -> String {
    let length = wait_words(length);
    match meaning {
        WaitKind::UntilEnough => {
            format!("Come back in {length}: from then on this very request fits, if nobody else asks.")
        }
        WaitKind::UntilFull => {
            format!("In {length} the limit is wholly free again; this request fits sooner.")
        }
        WaitKind::UntilWindowEnds => {
            format!("Come back in {length}, when the window ends and the limit with it.")
        }
        WaitKind::Suggested => format!("Come back in {length} or later: it is a guess of the provider's."),
        WaitKind::Meaningless => {
            let why = if terminal { "no wait helps here" } else { "this limit takes longer" };
            format!("The reply names a wait of {length}. It means nothing: {why}.")
        }
    }
}

/// A length of time in words.
pub(super) fn wait_words(wait: Nanos) -> String {
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
