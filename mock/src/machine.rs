//! The provider as a machine: calls arrive and depart, rulings come out, and nothing happens between.
//!
//! ```text
//!  arrive ─▶ fault? ─▶ fits? ─▶ meter: room on every axis? ─▶ slot, service time ─▶ Admitted (Service, Ticket) ─▶ depart | cancel
//!              │         │               │                                                                        │
//!              ▼         ▼               ▼                                                                        ▼
//!           Faulted   TooLong         Refused                                                        settled to what was used
//! ```
//!
//! A call's whole schedule is known when it arrives, so the machine needs no clock of its own: whoever drives
//! it hands the ticket back when [`Service::done_at`] has come, or earlier where the client goes away.

use crate::call::{Call, Truth, Usage};
use crate::config::{Config, Estimate, Incident, Latency, Lengths, Reserve};
use crate::decision::{Decision, DecisionReport, Denial, LimitsView, Remaining, Service, Ticket};
use crate::fault::ActiveFaults;
use crate::latency::{ServiceTime, Slots};
use crate::meter::{Level, Meter};
use crate::time::{Instant, Nanos};

/// One provider: the truth that a client's beliefs are about.
///
/// A limit of 30 requests per minute lets thirty through at once, then one every two seconds:
///
/// ```
/// use provider::config::{self, AccountConfig, Config, Latency, Limit, ModelConfig};
/// use provider::dist::Dist;
/// use provider::decision::Decision;
/// use provider::{Axis, Call, Instant, Nanos, Provider, Truth};
///
/// let at_once = Latency {
///     service: config::Service::Total(Dist::Constant(0.0)),
///     network: Dist::Constant(0.0),
///     slots: None,
/// };
/// let mut provider = Provider::new(&Config {
///     name: "groq".into(),
///     dialect: config::Dialect::Groq,
///     tier: config::Tier::Free,
///     accounts: vec![AccountConfig { name: "acme".into(), keys: vec!["k1".into()] }],
///     models: vec![ModelConfig {
///         name: "llama".into(),
///         limits: vec![Limit::new(Axis::Rpm, 30)],
///         lengths: config::Lengths::default(),
///         reserve: config::Reserve::default(),
///         latency: at_once,
///         price: config::Price::default(),
///         family: None,
///         completion: Dist::Constant(100.0),
///     }],
///     incidents: vec![],
/// });
/// let call = Call { account: 0, model: 0, max_tokens: None };
/// let mut ask = |now| provider.arrive(now, call, Truth::default()).verdict;
///
/// for _ in 0..30 {
///     assert!(matches!(ask(Instant::ZERO), Decision::Admitted(_)));
/// }
/// let Decision::Refused(denial) = ask(Instant::ZERO) else { panic!("the 31st is refused") };
/// assert_eq!((denial.axis, denial.used, denial.wait), (Axis::Rpm, 30, Some(Nanos::from_secs(2))));
/// assert!(matches!(ask(Instant(1_999_999_999)), Decision::Refused(_)));
/// assert!(matches!(ask(Instant(2_000_000_000)), Decision::Admitted(_)));
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    models: Vec<Model>,
    /// One per account and model: those of the first account, then those of the second, … Of a family, only the
    /// first model's is used.
    meters: Vec<Meter>,
    incidents: Vec<Incident>,
    now: Instant,
}

/// What is the same for all accounts of a model.
#[derive(Clone, Debug)]
struct Model {
    /// The model whose meter it draws from.
    meter: usize,
    lengths: Lengths,
    reserve: Reserve,
    latency: Latency,
    /// `None`: no bound.
    slots: Option<Slots>,
}

impl Provider {
    /// A provider at the start of the run: every limit unused, every slot free.
    ///
    /// # Panics
    /// Where a model has no slots at all (`Some(0)`).
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let meters = config.models.iter().map(|model| Meter::new(&model.limits)).collect::<Vec<_>>();
        Self {
            models: (0..config.models.len()).map(|model| Model::new(config, model)).collect(),
            meters: config.accounts.iter().flat_map(|_| meters.iter().cloned()).collect(),
            incidents: config.incidents.clone(),
            now: Instant::ZERO,
        }
    }

    /// Decides on a call that reaches the provider now, and tells of the limits afterwards.
    ///
    /// # Panics
    /// Here and below, where the account or the model is not one of the configuration.
    pub fn arrive(&mut self, now: Instant, call: Call, truth: Truth) -> DecisionReport {
        let trouble = self.trouble(now, truth);
        self.arrive_with_faults(now, call, 0, truth, trouble.as_ref().unwrap_or(&ActiveFaults::NONE))
    }

    /// The same with so many seconds of audio and amid this trouble, whatever the scenario has in store.
    pub fn arrive_with_faults(
        &mut self,
        now: Instant,
        call: Call,
        audio_seconds: u64,
        truth: Truth,
        trouble: &ActiveFaults,
    ) -> DecisionReport {
        let verdict = self.decide_with_faults(now, call, audio_seconds, truth, trouble);
        let limits = if trouble.bend.silent {
            LimitsView::default()
        } else {
            self.limits(now, call.account, call.model)
        };
        DecisionReport { verdict, limits }
    }

    /// What the scenario has in store for a call that reaches the provider now, if anything.
    #[must_use]
    #[inline]
    pub fn trouble(&self, now: Instant, truth: Truth) -> Option<ActiveFaults> {
        ActiveFaults::at(now, &self.incidents, truth)
    }

    /// What [`Provider::arrive_with_faults`] decides, for those who do not care for headers.
    #[inline]
    pub fn decide_with_faults(
        &mut self,
        now: Instant,
        call: Call,
        audio_seconds: u64,
        truth: Truth,
        trouble: &ActiveFaults,
    ) -> Decision {
        let index = self.advance(now, call.account, call.model);
        let (meter, model) = (&mut self.meters[index], &mut self.models[usize::from(call.model)]);
        match (trouble.instead, model.lengths.check(call, truth)) {
            (Some(fault), _) => Decision::Faulted(fault),
            (None, Err(too_long)) => Decision::TooLong(too_long),
            (None, Ok(())) => {
                let asked = model.reserve.tokens(call, truth, meter.recent());
                match meter.admit(asked, audio_seconds) {
                    Ok(()) => {
                        Decision::Admitted(model.serve(Ticket::new(call, asked, now), call, truth, trouble))
                    }
                    Err(denial) => {
                        let charged =
                            model.reserve.charge_refused.then(|| meter.charge_refused(asked, audio_seconds));
                        let denial = charged.unwrap_or(denial);
                        Decision::Refused(Denial { wait: trouble.hint.applied(denial.wait), ..denial })
                    }
                }
            }
        }
    }

    /// Ends an admitted call: its reservation is settled as its model has it. Once per ticket.
    pub fn depart(&mut self, now: Instant, ticket: Ticket, used: Usage) {
        let index = self.advance(now, ticket.account, ticket.model);
        let (meter, reserve) = (&mut self.meters[index], self.models[usize::from(ticket.model)].reserve);
        meter.settle(ticket.at, ticket.reserved(), reserve.cached.counted(used), reserve.settle);
        if reserve.estimate == Estimate::PromptAndRecent {
            meter.note(used);
        }
    }

    /// Ends an admitted call whose client went away, in place of [`Provider::depart`]; returns what it used
    /// until now. Its slot stays taken until the planned end: the calls behind it were promised their starts.
    pub fn cancel(&mut self, now: Instant, service: &Service) -> Usage {
        let used = service.used_by(now);
        self.depart(now, service.ticket, used);
        used
    }

    /// How long the network takes to the provider and back for a call with this truth.
    #[must_use]
    #[inline]
    pub fn network(&self, model: u16, truth: Truth) -> (Nanos, Nanos) {
        self.models[usize::from(model)].latency.network(truth)
    }

    /// What response headers tell of the limits now.
    pub fn limits(&mut self, now: Instant, account: u16, model: u16) -> LimitsView {
        let index = self.advance(now, account, model);
        self.meters[index].view()
    }

    /// What [`Provider::limits`] told, without the lengths of time, when a call of this account for this model was last
    /// ruled on or settled.
    #[must_use]
    pub fn remaining(&self, account: u16, model: u16) -> Remaining {
        self.meters[self.meter(account, model)].remaining()
    }

    /// How full each limit is now, in the order of the configuration.
    pub fn levels(&mut self, now: Instant, account: u16, model: u16) -> impl Iterator<Item = Level> {
        let index = self.advance(now, account, model);
        self.meters[index].levels()
    }

    /// Moves time on and rolls one meter to it; returns where that meter is.
    #[inline]
    fn advance(&mut self, now: Instant, account: u16, model: u16) -> usize {
        debug_assert!(now >= self.now, "time never runs back: {now} after {}", self.now);
        self.now = now;
        let index = self.meter(account, model);
        self.meters[index].roll(now);
        index
    }

    /// Where the meter of an account for a model is.
    #[inline]
    fn meter(&self, account: u16, model: u16) -> usize {
        let (model, models) = (usize::from(model), self.models.len());
        assert!(model < models, "model {model} of {models}");
        usize::from(account) * models + self.models[model].meter
    }
}

impl Model {
    fn new(provider: &Config, model: usize) -> Self {
        let config = &provider.models[model];
        let slots = config.latency.slots.map(Slots::new);
        Self {
            meter: provider.meter_of(model),
            lengths: config.lengths,
            reserve: config.reserve,
            latency: config.latency.clone(),
            slots,
        }
    }

    /// The schedule of an admitted call. A reply that is cut breaks off after half of its completion tokens,
    /// rounded down, when the last of them leaves.
    fn serve(&mut self, ticket: Ticket, call: Call, truth: Truth, trouble: &ActiveFaults) -> Service {
        let mut usage = truth.usage(self.lengths.answer(call, truth));
        usage.completion_tokens = trouble.leaves(usage.completion_tokens);
        let ServiceTime { first_token, rest } =
            self.latency.service(truth, usage, trouble.slow).troubled(trouble.late, trouble.drip);
        let started_at = match &mut self.slots {
            Some(slots) => slots.take(ticket.at, first_token + rest),
            None => ticket.at,
        };
        let first_token_at = started_at + first_token;
        Service {
            ticket,
            started_at,
            first_token_at,
            done_at: first_token_at + rest,
            usage,
            cut: trouble.cut,
            garbage: trouble.garbage,
        }
    }
}

impl Ticket {
    /// The reservation of what a call asked for.
    fn new(call: Call, asked: Usage, at: Instant) -> Self {
        let Usage { prompt_tokens, completion_tokens, .. } = asked;
        Self { account: call.account, model: call.model, prompt_tokens, completion_tokens, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;
    use crate::config::{self, AccountConfig, Dialect, Fault, Limit, ModelConfig, Price, Tier};
    use crate::dist::Dist;

    /// One account and one model that writes its first token after a second, then ten per second.
    fn provider(limits: Vec<Limit>, slots: Option<u32>, faults: &[Fault]) -> Provider {
        let first_token = Dist::Constant(1.0);
        let service = config::Service::Split { first_token, prefill: None, output: 10.0 };
        let incident = |&fault| Incident { at: Instant::ZERO, until: Instant::MAX, fault, share: 1.0 };
        Provider::new(&Config {
            name: "p".into(),
            dialect: Dialect::Groq,
            tier: Tier::Free,
            accounts: vec![AccountConfig { name: "a".into(), keys: vec!["k".into()] }],
            models: vec![ModelConfig {
                name: "m".into(),
                limits,
                lengths: Lengths::default(),
                reserve: Reserve::default(),
                latency: Latency { service, network: Dist::Constant(0.0), slots },
                price: Price::default(),
                family: None,
                completion: Dist::Constant(1.0),
            }],
            incidents: faults.iter().map(incident).collect(),
        })
    }

    const CALL: Call = Call { account: 0, model: 0, max_tokens: Some(100) };
    const TRUTH: Truth = Truth { prompt_tokens: 50, completion_tokens: 21, cached_tokens: 0, draw: 1 };

    fn admitted(ruling: DecisionReport) -> Service {
        match ruling.verdict {
            Decision::Admitted(service) => service,
            other => panic!("not admitted: {other:?}"),
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Nanos::from_millis(millis)
    }

    #[test]
    fn a_client_that_goes_away_pays_for_what_was_written() {
        for (left_at, written) in [(0, 0), (999, 0), (1000, 1), (1050, 1), (1500, 6), (2999, 20), (3000, 21)]
        {
            let mut provider = provider(vec![Limit::new(Axis::Tpd, 1000)], None, &[]);
            let service = admitted(provider.arrive(Instant::ZERO, CALL, TRUTH));
            assert_eq!((service.first_token_at, service.done_at), (at(1000), at(3000)));
            let used = provider.cancel(at(left_at), &service);
            assert_eq!(
                used,
                Usage { prompt_tokens: 50, completion_tokens: written, cached_tokens: 0 },
                "at {left_at} ms"
            );
            let level = provider.levels(at(left_at), 0, 0).next().unwrap();
            assert_eq!(level.remaining, 1000 - 50 - i64::from(written), "at {left_at} ms");
        }
    }

    #[test]
    fn a_cut_reply_has_half_the_tokens_and_ends_with_them() {
        let mut provider = provider(vec![], None, &[Fault::CutStream, Fault::Slow(2.0)]);
        let service = admitted(provider.arrive(Instant::ZERO, CALL, TRUTH));
        assert!(service.cut && !service.garbage);
        assert_eq!(service.usage.completion_tokens, 10);
        assert_eq!((service.first_token_at, service.done_at), (at(2000), at(3800)));
    }

    #[test]
    fn a_fault_answers_without_a_charge_and_without_a_slot() {
        let limits = vec![Limit::new(Axis::Rpm, 1), Limit::new(Axis::Rpd, 10)];
        let mut down = provider(limits.clone(), Some(1), &[Fault::Status(503)]);
        for _ in 0..5 {
            let ruling = down.arrive(Instant::ZERO, CALL, TRUTH);
            assert_eq!(ruling.verdict, Decision::Faulted(Fault::Status(503)));
            assert_eq!(ruling.limits.requests.unwrap().remaining, 10);
        }
        down.incidents.clear();
        assert_eq!(admitted(down.arrive(Instant::ZERO, CALL, TRUTH)).started_at, Instant::ZERO);
    }

    #[test]
    fn a_fault_can_hide_a_refusals_wait_or_lie_about_it() {
        for (faults, wait) in [
            (&[][..], Some(Nanos::MINUTE)),
            (&[Fault::NoRetryAfter], None),
            (&[Fault::RetryAfter(Nanos::HOUR)], Some(Nanos::HOUR)),
        ] {
            let mut provider = provider(vec![Limit::new(Axis::Rpm, 1)], None, faults);
            admitted(provider.arrive(Instant::ZERO, CALL, TRUTH));
            let Decision::Refused(denial) = provider.arrive(Instant::ZERO, CALL, TRUTH).verdict else {
                panic!("the second call finds the bucket empty")
            };
            assert_eq!(denial.wait, wait);
        }
    }

    #[test]
    fn only_admitted_calls_take_a_slot_and_the_others_stand_in_line() {
        let mut provider = provider(vec![Limit::new(Axis::Rpm, 2)], Some(1), &[]);
        let starts = [0, 0].map(|now| admitted(provider.arrive(at(now), CALL, TRUTH)).started_at);
        assert_eq!(starts, [at(0), at(3000)]);
        assert!(matches!(provider.arrive(at(0), CALL, TRUTH).verdict, Decision::Refused(_)));
        assert_eq!(admitted(provider.arrive(at(30_000), CALL, TRUTH)).started_at, at(30_000));
    }
}
