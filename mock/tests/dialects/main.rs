//! Tests of the dialects: against published replies (`captures`), against the rules by which they compute and print numbers
//! (`laws`), and of what they have in `common`.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod captures;
mod common;
mod laws;

use provider::calendar::Epoch;
use provider::config::{Dialect, Fault, Tier};
use provider::decision::{Decision, DecisionReport, Denial, HeaderLimits, Service, Ticket, announced_wait};
use provider::latency::ServiceTime;
use provider::meter::LimitLevel;
use provider::wire::{self, Content, Context, Finish, LimitsSnapshot, Reply, ReplyShape, WireFormat};
use provider::{Axis, Instant, Nanos, Usage};

/// The input of a wire format for one call.
#[derive(Clone, Debug)]
struct Case {
    decision: Decision,
    levels: Vec<LimitLevel>,
    model: String,
    tier: Tier,
    arrived: Instant,
    at: Instant,
}

impl Case {
    fn new(decision: Decision) -> Self {
        let (model, levels) = ("a-model".to_owned(), Vec::new());
        Self { decision, levels, model, tier: Tier::Free, arrived: Instant::ZERO, at: Instant::ZERO }
    }

    fn snapshot(&self) -> LimitsSnapshot {
        LimitsSnapshot::new(self.arrived, HeaderLimits::default()).with_levels(self.levels.iter().copied())
    }

    fn context(&self) -> Context<'_> {
        let (model, tier, at) = (self.model.as_str(), self.tier, self.at);
        let (finish, content) = (Finish::Stop, Content::Filler);
        let (epoch, shape) = (Epoch::RUN, ReplyShape::PLAIN);
        Context {
            model,
            system_fingerprint: "fp_0",
            account: "***",
            tier,
            number: 7,
            at,
            epoch,
            finish,
            content,
            shape,
        }
    }

    /// Renders the reply; `None` if a fault sends none.
    fn reply(&self, format: &dyn WireFormat) -> Option<Reply> {
        let report = DecisionReport { decision: self.decision, limits: HeaderLimits::default() };
        format.reply(&report, &self.snapshot(), &self.context())
    }

    fn render(&self, format: &dyn WireFormat) -> Reply {
        self.reply(format).expect("a reply is sent")
    }
}

/// Iterates over all wire formats, with their dialects.
fn formats() -> impl Iterator<Item = (Dialect, &'static dyn WireFormat)> {
    Dialect::ALL
        .into_iter()
        .flat_map(|dialect| wire::formats(dialect).iter().map(move |format| (dialect, *format)))
}

fn faulted(fault: Fault) -> Case {
    Case::new(Decision::Faulted(fault))
}

fn refused(denial: Denial) -> Case {
    Case::new(Decision::Refused(denial))
}

/// Returns the case of a served call: one second in the queue, two to the first token, and three to the last.
fn served(prompt_tokens: u32, completion_tokens: u32) -> Case {
    let at = |secs| Instant(Nanos::from_secs(secs).0);
    Case::new(Decision::Admitted(Service {
        ticket: Ticket { number: 0, account: 0, model: 0, prompt_tokens, completion_tokens, at: at(0) },
        started_at: Some(at(1)),
        time: ServiceTime { first_token: Nanos::from_secs(2), decode: Nanos::from_secs(3) },
        usage: Usage { prompt_tokens, completion_tokens, cached_tokens: 0 },
        aborted: false,
        at_max_tokens: false,
        corrupt_body: false,
    }))
}

/// Returns a denial by a bucket with these numbers.
fn denial(axis: Axis, limit: u64, used: i64, requested: u64) -> Denial {
    let wait = axis.window_length().map(|window| announced_wait(limit, used, requested, window));
    Denial { wait, ..Denial::new(axis, limit, used, requested) }
}

fn level(axis: Axis, limit: u64, remaining: i64) -> LimitLevel {
    LimitLevel {
        axis,
        window: axis.window_length(),
        limit,
        capacity: limit,
        remaining,
        least_remaining: Some(remaining),
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.value(name)
}
