//! The dialects held to what providers really sent (`captures`), to the rules by which they count (`laws`), and to
//! what they have in `common`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod captures;
mod common;
mod laws;

use provider::config::{Dialect, Fault, Tier};
use provider::decision::{Decision, DecisionReport, Denial, LimitsView, Service, Ticket, announced_wait};
use provider::meter::Level;
use provider::wire::{self, Context, Finish, LimitsSnapshot, Reply, Said, WireFormat};
use provider::{Axis, Instant, Nanos, Usage};

/// One call as a voice is told of it.
#[derive(Clone, Debug)]
struct Case {
    verdict: Decision,
    levels: Vec<Level>,
    model: String,
    tier: Tier,
    arrived: Instant,
    at: Instant,
}

impl Case {
    fn new(verdict: Decision) -> Self {
        let (model, levels) = ("a-model".to_owned(), Vec::new());
        Self { verdict, levels, model, tier: Tier::Free, arrived: Instant::ZERO, at: Instant::ZERO }
    }

    fn told(&self) -> LimitsSnapshot {
        LimitsSnapshot::new(self.arrived, LimitsView::default()).with(self.levels.iter().copied())
    }

    fn context(&self) -> Context<'_> {
        let (model, tier, at) = (self.model.as_str(), self.tier, self.at);
        Context { model, account: "***", tier, number: 7, at, finish: Finish::Stop, said: Said::Words }
    }

    /// What is sent; nothing where a fault answers nothing.
    fn sent(&self, voice: &dyn WireFormat) -> Option<Reply> {
        let ruling = DecisionReport { decision: self.verdict, limits: LimitsView::default() };
        voice.reply(&ruling, &self.told(), &self.context())
    }

    fn render(&self, voice: &dyn WireFormat) -> Reply {
        self.sent(voice).expect("it is answered")
    }
}

/// Every voice, with its dialect.
fn voices() -> impl Iterator<Item = (Dialect, &'static dyn WireFormat)> {
    Dialect::ALL
        .into_iter()
        .flat_map(|dialect| wire::voices(dialect).iter().map(move |voice| (dialect, *voice)))
}

fn faulted(fault: Fault) -> Case {
    Case::new(Decision::Faulted(fault))
}

fn refused(denial: Denial) -> Case {
    Case::new(Decision::Refused(denial))
}

/// A service that took a second in line, two to the first token and three to the end.
fn served(prompt_tokens: u32, completion_tokens: u32) -> Case {
    let at = |secs| Instant(Nanos::from_secs(secs).0);
    Case::new(Decision::Admitted(Service {
        ticket: Ticket { account: 0, model: 0, prompt_tokens, completion_tokens, at: at(0) },
        started_at: at(1),
        first_token_at: at(3),
        done_at: at(6),
        usage: Usage { prompt_tokens, completion_tokens, cached_tokens: 0 },
        cut: false,
        garbage: false,
    }))
}

/// A refusal as a bucket would have it.
fn denial(axis: Axis, limit: u64, used: i64, requested: u64) -> Denial {
    let wait = axis.window().map(|window| announced_wait(limit, used, requested, window));
    Denial { axis, limit, used, requested, wait, oversize: requested > limit }
}

fn level(axis: Axis, limit: u64, remaining: i64) -> Level {
    Level { axis, limit, burst: limit, remaining }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.value(name)
}
