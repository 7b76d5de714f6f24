//! The provider as a state machine: it decides on every call that arrives, and settles every call that it admitted.
//!
//! ```text
//!  decide ─▶ fault? ─▶ fits the model? ─▶ fits every limit? ─▶ server slot, service time ─▶ Admitted ─▶ complete | cancel
//!              │              │                   │                                                         │
//!              ▼              ▼                   ▼                                                         ▼
//!           Faulted        TooLong             Refused                                          reservation is settled
//! ```
//!
//! The machine has no timers. The driver completes an admitted call at [`Service::done_at`], or cancels it earlier if the
//! client disconnects. If this frees a server slot for a call that waits, the machine returns that call, whose end is known
//! from then on.
//!
//! Invariants: time does not decrease; a call is charged only if it is admitted, unless the model counts refused calls;
//! every admitted call is completed or cancelled once.

mod set_level;

use crate::call::{Call, Truth, Usage};
use crate::config::{Config, Estimate, Incident, Latency, Lengths, Reserve, Settlement};
use crate::decision::{Decision, DecisionReport, Denial, HeaderLimits, HeaderRemaining, Service, Ticket};
use crate::fault::{ActiveFaults, RetryAfterFault};
use crate::meter::{LimitLevel, Meter};
use crate::slots::{ServerSlots, StartedCall};
use crate::time::{Instant, Nanos};

/// One provider, with the exact state of its limits, which a client's quota estimates approximate.
///
/// A limit of 30 requests per minute admits thirty at once, then one every two seconds:
///
/// ```
/// use provider::config::{Config, Limit, ModelConfig};
/// use provider::decision::Decision;
/// use provider::{Call, Instant, Nanos, Provider, Truth};
///
/// let model = ModelConfig::new("llama").with_limit(Limit::rpm(30));
/// let mut provider = Provider::new(&Config::new("groq").with_account("acme").with_model(model));
/// let call = Call { account: 0, model: 0, max_tokens: None };
/// let mut decide = |now| provider.decide(now, call, Truth::default()).decision;
///
/// for _ in 0..30 {
///     assert!(matches!(decide(Instant::ZERO), Decision::Admitted(_)));
/// }
/// let Decision::Refused(denial) = decide(Instant::ZERO) else { panic!("the 31st is refused") };
/// assert_eq!((denial.used, denial.wait), (30, Some(Nanos::from_secs(2))));
/// assert!(matches!(decide(Instant(1_999_999_999)), Decision::Refused(_)));
/// assert!(matches!(decide(Instant(2_000_000_000)), Decision::Admitted(_)));
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    models: Vec<Model>,
    /// One per account and model: those of the first account, then those of the second, … A family uses only the
    /// meter of its first model.
    meters: Vec<Meter>,
    incidents: Vec<Incident>,
    /// The number of calls admitted so far.
    admitted: u64,
    now: Instant,
}

/// The state and settings of a model that all accounts share.
#[derive(Clone, Debug)]
struct Model {
    /// The index of the model whose meter is used.
    meter: usize,
    lengths: Lengths,
    reserve: Reserve,
    latency: Latency,
    /// `None`: no bound on the calls served at once.
    server_slots: Option<ServerSlots>,
}

impl Provider {
    /// Creates a provider at the start of the run: every server slot is free, and every limit is unused, except for
    /// [`Config::start_levels`].
    ///
    /// # Panics
    /// If a model has zero server slots, if a start level names an account or a model that does not exist, or if there are
    /// more than 65,535 accounts or models.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (accounts, models) = (config.accounts.len(), config.models.len());
        let indexed = accounts <= usize::from(u16::MAX) && models <= usize::from(u16::MAX);
        assert!(indexed, "invariant: 16-bit indices, found {accounts} accounts and {models} models");
        let meters = config.models.iter().map(|model| Meter::new(&model.limits)).collect::<Vec<_>>();
        let mut provider = Self {
            models: (0..config.models.len()).map(|model| Model::new(config, model)).collect(),
            meters: config.accounts.iter().flat_map(|_| meters.iter().cloned()).collect(),
            incidents: config.incidents.clone(),
            admitted: 0,
            now: Instant::ZERO,
        };
        for level in &config.start_levels {
            let index = provider.meter_index(level.account, level.model);
            provider.meters[index].set_start_level(level.axis, level.used);
        }
        provider
    }

    /// Decides on a call that arrives at `now`, with the faults of the configured incidents.
    ///
    /// # Panics
    /// If the account or the model is out of range; the same holds for all methods below.
    pub fn decide(&mut self, now: Instant, call: Call, truth: Truth) -> DecisionReport {
        let faults = self.faults_at(now, truth);
        self.decide_with_faults(now, call, 0, truth, faults.as_ref().unwrap_or(&ActiveFaults::NONE))
    }

    /// Decides on a call with `audio_seconds` of audio, with these faults instead of those of the configured incidents.
    pub fn decide_with_faults(
        &mut self,
        now: Instant,
        call: Call,
        audio_seconds: u64,
        truth: Truth,
        faults: &ActiveFaults,
    ) -> DecisionReport {
        let decision = self.decide_without_header_limits(now, call, audio_seconds, truth, faults);
        let limits = if faults.response.no_limit_headers {
            HeaderLimits::default()
        } else {
            self.header_limits(now, call.account, call.model)
        };
        DecisionReport { decision, limits }
    }

    /// Returns the faults of the configured incidents that affect a call that arrives at `now`; `None` if there are none.
    #[must_use]
    #[inline]
    pub fn faults_at(&self, now: Instant, truth: Truth) -> Option<ActiveFaults> {
        ActiveFaults::for_call(now, &self.incidents, truth)
    }

    /// Returns the decision of [`Provider::decide_with_faults`] without the limits for headers.
    #[inline]
    pub fn decide_without_header_limits(
        &mut self,
        now: Instant,
        call: Call,
        audio_seconds: u64,
        truth: Truth,
        faults: &ActiveFaults,
    ) -> Decision {
        let index = self.advance_meter_to(now, call.account, call.model);
        let (meter, model) = (&mut self.meters[index], &mut self.models[usize::from(call.model)]);
        match (faults.replacing_decision(), model.lengths.check(call, truth)) {
            (Some(fault), _) => Decision::Faulted(fault),
            (None, Err(too_long)) => Decision::TooLong(too_long),
            (None, Ok(())) => {
                let reserved = model.reserve.reserved(call, truth, meter.recent_completions());
                match meter.admit(reserved, audio_seconds) {
                    Ok(()) => {
                        let ticket = Ticket::new(self.admitted, call, reserved, now);
                        self.admitted += 1;
                        Decision::Admitted(model.serve(ticket, call, truth, faults))
                    }
                    Err(denial) => {
                        let charged = model
                            .reserve
                            .charge_refused
                            .then(|| meter.charge_refused(reserved, audio_seconds));
                        let denial = charged.unwrap_or(denial);
                        Decision::Refused(Denial {
                            wait: faults.retry_after.apply(denial.wait),
                            wait_replaced: faults.retry_after != RetryAfterFault::Unchanged,
                            ..denial
                        })
                    }
                }
            }
        }
    }

    /// Completes an admitted call that has been served: settles its reservation and frees its server slot. Must be called
    /// once per ticket, unless [`Provider::cancel`] is. Returns the call that starts in the slot; `None` if none waits.
    ///
    /// A driver on a real clock reports the end late; the slot counts as free from [`Service::done_at`] on.
    #[inline]
    pub fn complete(&mut self, now: Instant, service: &Service) -> Option<StartedCall> {
        self.end_call(now, service, service.usage)
    }

    /// Cancels an admitted call whose client disconnected; returns the usage until now, and the call that starts in its
    /// server slot. A call that waited for a slot has used nothing, so its whole reservation is returned if the model
    /// settles to the usage, and only the request stays charged.
    pub fn cancel(&mut self, now: Instant, service: &Service) -> (Usage, Option<StartedCall>) {
        let used = service.usage_until(now);
        (used, self.end_call(now, service, used))
    }

    fn end_call(&mut self, now: Instant, service: &Service, used: Usage) -> Option<StartedCall> {
        let ticket = service.ticket;
        debug_assert!(now >= ticket.at, "invariant: ends at {now}, arrived at {}", ticket.at);
        debug_assert!(ticket.number < self.admitted, "invariant: only admitted calls end, found {ticket:?}");
        let index = self.advance_meter_to(now, ticket.account, ticket.model);
        let (meter, model) = (&mut self.meters[index], &mut self.models[usize::from(ticket.model)]);
        let reserve = model.reserve;
        if meter.has_reservation(ticket.number) {
            meter.settle(ticket.at, ticket.reserved(), reserve.counting().counted(used), reserve.settlement);
        } else {
            meter.release();
        }
        if reserve.estimate == Estimate::PromptAndRecent && service.started_at.is_some() {
            meter.record_completion(used);
        }
        let freed_at = service.done_at().map_or(now, |done_at| done_at.min(now));
        model.server_slots.as_mut()?.leave(ticket.number, freed_at)
    }

    /// Returns the tokens that an admitted call is charged after it has used `used`, by a limit on prompt and completion together.
    #[must_use]
    pub fn charged_tokens(&self, service: &Service, used: Usage) -> u64 {
        let (ticket, reserve) = (service.ticket, self.models[usize::from(service.ticket.model)].reserve);
        let (reserved, used) = (ticket.reserved(), reserve.counting().counted(used));
        match reserve.settlement {
            Settlement::ToUsage => used.total(),
            Settlement::KeepReservation => reserved.total(),
            Settlement::ChargeExcess => reserved.total().max(used.total()),
        }
    }

    /// Returns the one-way network delays to the provider and back for a call with this truth.
    #[must_use]
    #[inline]
    pub fn network_delays(&self, model: u16, truth: Truth) -> (Nanos, Nanos) {
        self.models[usize::from(model)].latency.network_delays(truth)
    }

    /// Returns the limits that response headers state at `now`.
    pub fn header_limits(&mut self, now: Instant, account: u16, model: u16) -> HeaderLimits {
        let index = self.advance_meter_to(now, account, model);
        self.meters[index].header_limits()
    }

    /// Returns the remaining units of [`Provider::header_limits`], as of the last time that the meter of this
    /// account and model was advanced.
    #[must_use]
    pub fn header_remaining(&self, account: u16, model: u16) -> HeaderRemaining {
        self.meters[self.meter_index(account, model)].header_remaining()
    }

    /// Returns the level of each limit at `now`, in the order of the configuration.
    pub fn levels(&mut self, now: Instant, account: u16, model: u16) -> impl Iterator<Item = LimitLevel> {
        let index = self.advance_meter_to(now, account, model);
        self.meters[index].levels()
    }

    /// Advances one meter to `now`; returns its index.
    #[inline]
    fn advance_meter_to(&mut self, now: Instant, account: u16, model: u16) -> usize {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        self.now = now;
        let index = self.meter_index(account, model);
        self.meters[index].advance_to(now);
        index
    }

    #[inline]
    fn meter_index(&self, account: u16, model: u16) -> usize {
        let (model, models) = (usize::from(model), self.models.len());
        assert!(model < models, "invariant: a model of the provider, found {model} of {models}");
        usize::from(account) * models + self.models[model].meter
    }
}

impl Model {
    fn new(provider: &Config, model: usize) -> Self {
        let config = &provider.models[model];
        let server_slots = config.latency.slots.map(ServerSlots::new);
        Self {
            meter: provider.meter_of(model),
            lengths: config.lengths,
            reserve: config.reserve,
            latency: config.latency.clone(),
            server_slots,
        }
    }

    /// Returns the service of an admitted call. An aborted reply ends when its last token is sent.
    fn serve(&mut self, ticket: Ticket, call: Call, truth: Truth, faults: &ActiveFaults) -> Service {
        let mut usage = truth.usage(self.lengths.completion_cap(call, truth));
        let at_max_tokens = usage.completion_tokens < truth.completion_tokens;
        usage.completion_tokens = faults.tokens_sent(usage.completion_tokens);
        let time = self.latency.service_time(truth, usage, faults.slowdown);
        let time = time.with_part_faults(faults.first_token_delay, faults.token_slowdown);
        let started_at = match &mut self.server_slots {
            Some(server_slots) => server_slots.enter(ticket.number, ticket.at),
            None => Some(ticket.at),
        };
        Service {
            ticket,
            started_at,
            time,
            usage,
            at_max_tokens,
            aborted: faults.aborted,
            corrupt_body: faults.corrupt_body,
        }
    }
}

impl Ticket {
    fn new(number: u64, call: Call, reserved: Usage, at: Instant) -> Self {
        let Usage { prompt_tokens, completion_tokens, .. } = reserved;
        Self { number, account: call.account, model: call.model, prompt_tokens, completion_tokens, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Fault, Limit, ModelConfig};
    use crate::dist::Dist;

    /// One account and one model with the first token after a second, then ten tokens per second.
    fn provider(limits: &[Limit], slots: Option<u32>, faults: &[Fault]) -> Provider {
        let first_token = Dist::Constant(1.0);
        let service = config::ServiceTimeDist::Split {
            before_prefill: first_token,
            prefill_speed: None,
            cached_prefill_speed: None,
            decode_speed: 10.0,
        };
        let model = ModelConfig {
            limits: limits.to_vec(),
            latency: Latency::new(service).with_slots(slots),
            ..ModelConfig::default()
        };
        let config = Config::new("p").with_account("a").with_model(model);
        Provider::new(&faults.iter().fold(config, |config, fault| config.with_fault(*fault)))
    }

    const CALL: Call = Call { account: 0, model: 0, max_tokens: Some(100) };
    const TRUTH: Truth = Truth { prompt_tokens: 50, completion_tokens: 21, cached_tokens: 0, draw: 1 };

    fn admitted(report: DecisionReport) -> Service {
        match report.decision {
            Decision::Admitted(service) => service,
            other => panic!("not admitted: {other:?}"),
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Nanos::from_millis(millis)
    }

    #[test]
    fn a_cancelled_call_is_charged_for_the_tokens_sent_until_then() {
        for (cancelled_at, sent) in
            [(0, 0), (999, 0), (1000, 1), (1050, 1), (1500, 6), (2999, 20), (3000, 21)]
        {
            let mut provider = provider(&[Limit::tpd(1000)], None, &[]);
            let service = admitted(provider.decide(Instant::ZERO, CALL, TRUTH));
            assert_eq!((service.first_token_at(), service.done_at()), (Some(at(1000)), Some(at(3000))));
            let (used, _) = provider.cancel(at(cancelled_at), &service);
            assert_eq!(
                used,
                Usage { prompt_tokens: 50, completion_tokens: sent, cached_tokens: 0 },
                "at {cancelled_at} ms"
            );
            let level = provider.levels(at(cancelled_at), 0, 0).next().unwrap();
            assert_eq!(level.remaining, 1000 - 50 - i64::from(sent), "at {cancelled_at} ms");
        }
    }

    #[test]
    fn an_aborted_reply_has_half_the_tokens_and_ends_with_the_last_of_them() {
        let mut provider = provider(&[], None, &[Fault::CutStream, Fault::Slow(2.0)]);
        let service = admitted(provider.decide(Instant::ZERO, CALL, TRUTH));
        assert!(service.aborted && !service.corrupt_body);
        assert_eq!(service.usage.completion_tokens, 10);
        assert_eq!((service.first_token_at(), service.done_at()), (Some(at(2000)), Some(at(3800))));
    }

    #[test]
    fn a_replaced_decision_takes_neither_quota_nor_a_server_slot() {
        let mut down = provider(&[Limit::rpm(1), Limit::rpd(10)], Some(1), &[Fault::Status(503)]);
        for _ in 0..5 {
            let report = down.decide(Instant::ZERO, CALL, TRUTH);
            assert_eq!(report.decision, Decision::Faulted(Fault::Status(503)));
            assert_eq!(report.limits.requests.unwrap().remaining, 10);
        }
        down.incidents.clear();
        assert_eq!(admitted(down.decide(Instant::ZERO, CALL, TRUTH)).started_at, Some(Instant::ZERO));
    }

    #[test]
    fn a_fault_can_omit_or_replace_the_announced_wait() {
        for (faults, wait) in [
            (&[][..], Some(Nanos::MINUTE)),
            (&[Fault::NoRetryAfter], None),
            (&[Fault::RetryAfter(Nanos::HOUR)], Some(Nanos::HOUR)),
        ] {
            let mut provider = provider(&[Limit::rpm(1)], None, faults);
            admitted(provider.decide(Instant::ZERO, CALL, TRUTH));
            let Decision::Refused(denial) = provider.decide(Instant::ZERO, CALL, TRUTH).decision else {
                panic!("the second call is refused")
            };
            assert_eq!(denial.wait, wait);
        }
    }

    #[test]
    fn admitted_calls_queue_for_server_slots_and_refused_ones_take_none() {
        let mut provider = provider(&[Limit::rpm(2)], Some(1), &[]);
        let [first, second] = [0, 0].map(|now| admitted(provider.decide(at(now), CALL, TRUTH)));
        assert_eq!((first.started_at, second.started_at), (Some(at(0)), None));
        assert!(matches!(provider.decide(at(0), CALL, TRUTH).decision, Decision::Refused(_)));
        let started = provider.complete(at(3000), &first);
        assert_eq!(started, Some(StartedCall { ticket_number: second.ticket.number, at: at(3000) }));
        let second = Service { started_at: Some(at(3000)), ..second };
        assert_eq!(provider.complete(at(6000), &second), None);
        assert_eq!(admitted(provider.decide(at(30_000), CALL, TRUTH)).started_at, Some(at(30_000)));
    }

    #[test]
    fn cancelling_a_call_frees_its_server_slot() {
        let mut provider = provider(&[], Some(1), &[]);
        let [first, second] = [0, 0].map(|now| admitted(provider.decide(at(now), CALL, TRUTH)));
        let (_, started) = provider.cancel(at(500), &first);
        assert_eq!(started, Some(StartedCall { ticket_number: second.ticket.number, at: at(500) }));
    }

    #[test]
    fn a_call_that_never_started_is_charged_its_request_and_no_token() {
        let mut provider = provider(&[Limit::tpd(1000), Limit::rpd(10)], Some(1), &[]);
        let [_, queued] = [0, 0].map(|now| admitted(provider.decide(at(now), CALL, TRUTH)));
        assert_eq!(provider.cancel(at(0), &queued), (Usage::default(), None));
        let levels: Vec<_> = provider.levels(at(0), 0, 0).map(|level| level.remaining).collect();
        assert_eq!(levels, [1000 - 150, 8], "what is left after the first reservation and two requests");
    }
}
