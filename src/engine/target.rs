//! The engine's state of each target: its cool-down, its health, and when the pace allows the next send.
//!
//! A target *cools down* for one of four reasons:
//!
//! * It is rate limited: until the instant that its reply named or, if it named no usable one, for an exponential back-off that
//!   grows with the number of consecutive refusals. This does not apply if the client does not obey `retry-after`, or if
//!   cool-downs are per job.
//! * It fails, and its reply names a wait: until that wait ends, ejected or not.
//! * It is *ejected*: after [`Eject::after`] consecutive failures, or at once if its account must pay, for
//!   [`Eject::duration`], unless it is the last target of a route that is in use (Envoy's panic threshold): sending to a
//!   failing target is better than sending nowhere.
//! * It is *parked* with its account, for as long as the reply that shows that the account is out of use calls for.
//!
//! *Consecutive* failures and refusals are those since the last success: a refusal does not reset the count of failures, nor
//! a failure that of refusals. The end of an ejection resets that of failures.
//!
//! ```text
//!             `after` consecutive failures            the next attempt is sent
//!  InUse ───────────────────────────────▶ Ejected ─────────────────────────▶ Probing
//!    ▲                                       ▲        (after the cool-down)     │
//!    │                                       └───────────── it fails ───────────┤
//!    └──────────────────────────────────────────────────── it is answered ──────┘
//! ```
//!
//! During a probe nothing else is sent. The results of attempts that were sent before the ejection do not end it
//! and do not count as failures; a wait that they name may still extend the cool-down.
//!
//! A cool-down after a refusal ends without a probe. Measured in saturated runs (1.5 times the load that a bucket
//! allows, 20 ms of network latency): a probe saves 12 to 98 % of the refusals and costs at most 1.5 % of the goodput
//! as long as the bucket holds what refills during one answer. Where it does not, the others wait while the bucket is
//! full: with answers of 60 s on a bucket of one minute a fifth of the goodput is lost, with answers of 5 s on a bucket
//! of one second four fifths. A client cannot know which case it is in.

use super::answer_time::AnswerTime;
use super::estimate::QuotaEstimate;
use super::jobs::ActiveJob;
use super::pick::PeakEwma;
use super::reply::{AttemptEnd, Reply};
use super::view::{TargetHealth, TargetView};
use crate::event::RefusalCause;
use crate::ids::AttemptId;
use crate::job::Priority;
use crate::scenario::{Client, Eject, Pace, Pick, Scenario, TokenPrices};
use provider::config::TokenCounting;
use provider::meter::Charge;
use provider::{Axis, Instant, Nanos, Usage};

/// One target as the engine sees it.
#[derive(Clone, Debug)]
pub(super) struct TargetState {
    /// Nothing is sent before this instant (law 8).
    cool_down_until: Instant,
    /// The cause of the last cool-down and, if a limit refused, its axis.
    cool_down_cause: (RefusalCause, Option<Axis>),
    /// Refusals by a limit since the last success.
    refusals: u32,
    health: Health,
    /// The numbers of jobs that wait for the end of its cool-down, by priority.
    awaited: [u32; 2],
    /// `None`: failures do not eject it.
    eject: Option<Eject>,
    pace: Pace,
    /// With [`Pace::Gap`]: the earliest instant of the next send.
    next_send: Instant,
    /// `None` if neither the pace, nor hedges, nor any pick read it.
    estimate: Option<QuotaEstimate>,
    /// How cached prompt tokens count against its limits, according to its documentation.
    counting: TokenCounting,
    /// Attempts sent and not ended.
    in_flight: u32,
    /// `None` if no pick reads it.
    latency: Option<PeakEwma>,
    /// Zero without a pace, which alone reads it.
    answer_time: AnswerTime,
    prices: TokenPrices,
}

/// The state of a target with respect to ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Jobs are sent to it. `failures` is the number of its failures since the last success or ejection.
    InUse { failures: u32 },
    /// It cools down, or has cooled down; the next attempt is a probe.
    Ejected,
    /// The probe is in flight.
    Probing(AttemptId),
}

impl TargetState {
    /// Returns the state of every target of the scenario for one of its clients: not in cool-down.
    pub(super) fn all(scenario: &Scenario, client: &Client) -> Vec<Self> {
        let has_pick =
            |pick| scenario.routes.iter().flat_map(|route| &route.steps).any(|step| step.pick == pick);
        let (has_latency, has_most_room) = (has_pick(Pick::Fastest), has_pick(Pick::MostRoom));
        let has_estimate =
            has_most_room || client.hedge.is_some() || matches!(client.pace, Pace::Requests | Pace::Tokens);
        let target = |target: &crate::scenario::Target| Self {
            cool_down_until: Instant::ZERO,
            cool_down_cause: (RefusalCause::Other, None),
            refusals: 0,
            awaited: [0; 2],
            health: Health::InUse { failures: 0 },
            eject: client.eject,
            pace: client.pace,
            next_send: Instant::ZERO,
            estimate: has_estimate.then(|| QuotaEstimate::new(&target.limits)),
            counting: target.counting,
            in_flight: 0,
            latency: has_latency.then(PeakEwma::default),
            answer_time: AnswerTime::default(),
            prices: TokenPrices::of(target.price),
        };
        scenario.targets.iter().map(target).collect()
    }

    /// Returns `true` if the target has a quota estimate.
    pub(super) fn has_estimate(&self) -> bool {
        self.estimate.is_some()
    }

    /// Returns the end of the cool-down if it lies after `now`.
    #[inline]
    pub(super) fn cool_down_end(&self, now: Instant) -> Option<Instant> {
        (self.cool_down_until > now).then_some(self.cool_down_until)
    }

    /// Counts a job that begins to wait for the end of the cool-down.
    pub(super) fn begin_await(&mut self, priority: Priority) {
        self.awaited[priority as usize] += 1;
    }

    /// Counts a job that waits no longer.
    pub(super) fn end_await(&mut self, priority: Priority) {
        let awaited = &mut self.awaited[priority as usize];
        assert!(*awaited > 0, "invariant: a job that waits no longer was counted");
        *awaited -= 1;
    }

    /// Returns `true` if a job of this priority may not be sent, because one of a higher priority waits for the end of the
    /// cool-down.
    #[inline]
    pub(super) fn yields(&self, priority: Priority) -> bool {
        priority == Priority::Batch && self.awaited[Priority::Interactive as usize] > 0
    }

    /// Returns `true` if a job waits for the end of its cool-down.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited != [0; 2]
    }

    /// Returns `true` if this share of each of its limits, in thousandths, is left after a job of this cost; `false` if no limit with a
    /// window is known.
    pub(super) fn has_spare(&self, now: Instant, cost: &Charge, permille: u32) -> bool {
        self.estimate
            .as_ref()
            .is_some_and(|estimate| estimate.has_spare(now, (cost, self.in_flight), permille))
    }

    /// Returns the health, the cool-down and the counts of the target at `now`.
    pub(super) fn view(&self, now: Instant) -> TargetView {
        let (cause, axis) = self.cool_down_cause;
        let (health, failures) = match self.health {
            Health::InUse { failures } => (TargetHealth::InUse, failures),
            Health::Ejected => (TargetHealth::Ejected, 0),
            Health::Probing(_) => (TargetHealth::Probing, 0),
        };
        let cool_down = self.cool_down_end(now).map(|until| (until, cause, axis));
        TargetView { health, cool_down, refusals: self.refusals, failures }
    }

    /// Returns the cause of the last cool-down and, if a limit refused, its axis.
    pub(super) const fn cool_down_cause(&self) -> (RefusalCause, Option<Axis>) {
        self.cool_down_cause
    }

    /// Returns `true` if a probe is in flight: nothing else is sent meanwhile.
    #[inline]
    pub(super) const fn is_probing(&self) -> bool {
        matches!(self.health, Health::Probing(_))
    }

    /// Returns the instant from which the target is neither in cool-down nor being probed, which may be past; `None` if a
    /// probe is in flight.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        (!self.is_probing()).then_some(self.cool_down_until)
    }

    /// Returns `true` if jobs are sent to the target: it is neither in cool-down nor to be probed.
    pub(super) fn is_in_use(&self, now: Instant) -> bool {
        self.cool_down_until <= now && matches!(self.health, Health::InUse { .. })
    }

    /// Returns the earliest instant at which the pace allows the job to be sent, and the axis of the limit that delays it, if
    /// one does; `None` if the known limits can never hold it.
    pub(super) fn next_send_at(&self, now: Instant, cost: &Charge) -> Option<(Instant, Option<Axis>)> {
        self.next_send_after(now, cost, &Charge::ZERO)
    }

    /// Returns what [`Self::next_send_at`] will return once jobs that cost `ahead` together have been sent.
    pub(super) fn next_send_after(
        &self,
        now: Instant,
        cost: &Charge,
        ahead: &Charge,
    ) -> Option<(Instant, Option<Axis>)> {
        match (self.pace, &self.estimate) {
            (Pace::Gap(gap), _) => {
                let jobs = ahead.units_on(Axis::Rpm);
                Some((self.next_send.max(now) + Nanos(gap.0.saturating_mul(jobs)), None))
            }
            (Pace::Requests, Some(estimate)) => estimate.ready_at(now, (cost, ahead), Axis::counts_requests),
            (Pace::Tokens, Some(estimate)) => estimate.ready_at(now, (cost, ahead), |_| true),
            _ => Some((now, None)),
        }
    }

    /// Reserves the send that [`Self::next_send_at`] allows now.
    pub(super) fn reserve(&mut self, now: Instant, cost: &Charge) {
        if let Pace::Gap(gap) = self.pace {
            self.next_send = self.next_send.max(now) + gap;
        }
        if let Some(estimate) = &mut self.estimate {
            estimate.reserve(now, cost);
        }
    }

    /// Replaces what was reserved for a send by what it used; `used` is `None` if it was not charged.
    pub(super) fn settle(&mut self, now: Instant, cost: &Charge, used: Option<Usage>) {
        if let Some(estimate) = &mut self.estimate {
            estimate.settle(now, cost, used.map(|used| self.counting.counted(used)));
        }
    }

    /// Updates the quota estimate from a reply.
    pub(super) fn update_estimate(&mut self, now: Instant, reply: &Reply) {
        if let Some(estimate) = &mut self.estimate {
            estimate.update(now, reply);
        }
    }

    /// Raises the estimated use of a limit to `used`, the estimate of another engine. A higher estimate is kept.
    pub(super) fn adopt_use(&mut self, now: Instant, axis: Axis, used: u64) {
        if let Some(estimate) = &mut self.estimate {
            estimate.adopt(now, axis, used);
        }
    }

    /// Returns the estimated used units of a limit; `None` without an estimate of it.
    pub(super) fn estimated_use(&self, now: Instant, axis: Axis) -> Option<u64> {
        self.estimate.as_ref()?.used(now, axis)
    }

    /// Returns the estimated share of the tightest limit that is left after the job, comparable between targets; zero
    /// without an estimate.
    pub(super) fn room(&self, now: Instant, cost: &Charge) -> f64 {
        self.estimate.as_ref().map_or(0.0, |estimate| estimate.room(now, cost))
    }

    /// Returns the number of attempts in flight.
    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Returns its load for the pick `fastest`, which needs it: zero without an average latency.
    pub(super) fn load(&self, now: Instant) -> f64 {
        self.latency.map_or(0.0, |latency| latency.load(now, self.in_flight))
    }

    /// Returns `true` if the answer to a job that is sent at `at` would probably come after its deadline. Never in the first half of
    /// the job's time: if answers differ much in length, jobs of a burst would be given up that can all be served.
    pub(super) fn answers_late(&self, at: Instant, active: &ActiveJob) -> bool {
        let half = Nanos(active.deadline.since(active.job.scheduled).0 / 2);
        at + self.answer_time.long().min(half) > active.deadline
    }

    /// Returns what tokens cost.
    pub(super) const fn prices(&self) -> TokenPrices {
        self.prices
    }

    /// Records that an attempt has ended `took` after it was sent.
    #[inline]
    pub(super) fn end_attempt(&mut self, now: Instant, took: Nanos, end: AttemptEnd) {
        assert!(self.in_flight > 0, "invariant: an attempt that ends at a target was sent to it");
        self.in_flight -= 1;
        if self.pace != Pace::Off {
            match end {
                AttemptEnd::Served => self.answer_time.count(took),
                AttemptEnd::Failed | AttemptEnd::Unknown => self.answer_time.count_unanswered(took),
            }
        }
        if let Some(latency) = &mut self.latency {
            match end {
                AttemptEnd::Served => latency.served(now, took),
                AttemptEnd::Failed => latency.failed(now, took),
                AttemptEnd::Unknown => latency.cancelled(now, took),
            }
        }
    }

    /// Records that an attempt is sent. The first one after an ejection is the probe.
    #[inline]
    pub(super) fn begin_attempt(&mut self, attempt: AttemptId) {
        self.in_flight += 1;
        assert!(!self.is_probing(), "invariant: nothing is sent during a probe, found {:?}", self.health);
        if self.health == Health::Ejected {
            self.health = Health::Probing(attempt);
        }
    }

    /// Records a success, which resets the counts of refusals and failures, and ends the ejection if `attempt` is the probe.
    #[inline]
    pub(super) fn count_success(&mut self, attempt: AttemptId) {
        self.refusals = 0;
        match &mut self.health {
            Health::InUse { failures } => *failures = 0,
            Health::Ejected | Health::Probing(_) => self.end_probe(attempt),
        }
    }

    /// Ends the ejection if `attempt` is the probe: the target has answered, though perhaps with a refusal.
    pub(super) fn end_probe(&mut self, attempt: AttemptId) {
        if self.health == Health::Probing(attempt) {
            self.health = Health::InUse { failures: 0 };
        }
    }

    /// Returns to [`Health::Ejected`] if the probe is `attempt`, which its caller cancelled or which was not sent: the next
    /// attempt is the probe.
    pub(super) fn cancel_probe(&mut self, attempt: AttemptId) {
        if self.health == Health::Probing(attempt) {
            self.health = Health::Ejected;
        }
    }

    /// Counts a refusal by a limit. Returns the number of refusals before it since the last success.
    pub(super) fn count_refusal(&mut self) -> u32 {
        let before = self.refusals;
        self.refusals = self.refusals.saturating_add(1);
        before
    }

    /// Counts a failure. Returns the end of the cool-down that it calls for, if it ejects the target. `is_last`: no
    /// other target is in use on some route, so there is no cool-down; a failed probe is then followed by the next one.
    pub(super) fn count_failure(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        is_last: bool,
    ) -> Option<Instant> {
        let Eject { after, duration } = self.eject?;
        match &mut self.health {
            Health::InUse { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < after || is_last {
                    return None;
                }
            }
            Health::Probing(probe) if *probe == attempt => {}
            // It was sent before the ejection.
            Health::Ejected | Health::Probing(_) => return None,
        }
        self.health = Health::Ejected;
        (!is_last).then(|| now + duration)
    }

    /// Counts a failure that every further attempt would repeat, such as that of an account that must pay: it ejects the
    /// target at once. Arguments and result are those of [`Self::count_failure`].
    pub(super) fn count_lasting_failure(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        is_last: bool,
    ) -> Option<Instant> {
        let after = self.eject?.after;
        if let Health::InUse { failures } = &mut self.health {
            *failures = (*failures).max(after.saturating_sub(1));
        }
        self.count_failure(now, attempt, is_last)
    }

    /// Returns the end of the last cool-down, which may be over, and its cause.
    pub(super) const fn cool_down(&self) -> (Instant, RefusalCause) {
        (self.cool_down_until, self.cool_down_cause.0)
    }

    /// Extends the cool-down to `until`; a later end set before is kept, with its cause. Returns the end.
    pub(super) fn extend_cool_down(
        &mut self,
        until: Instant,
        cause: RefusalCause,
        axis: Option<Axis>,
    ) -> Instant {
        if until > self.cool_down_until {
            self.cool_down_until = until;
            self.cool_down_cause = (cause, axis);
        }
        self.cool_down_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EJECT: Eject = Eject { after: 5, duration: Nanos::from_secs(30) };
    const NOW: Instant = Instant(7);

    fn healthy() -> TargetState {
        TargetState {
            cool_down_until: Instant::ZERO,
            cool_down_cause: (RefusalCause::Other, None),
            refusals: 0,
            awaited: [0; 2],
            health: Health::InUse { failures: 0 },
            eject: Some(EJECT),
            pace: Pace::Off,
            next_send: Instant::ZERO,
            estimate: None,
            counting: TokenCounting::default(),
            in_flight: 0,
            latency: None,
            answer_time: AnswerTime::default(),
            prices: TokenPrices::default(),
        }
    }

    fn ejected() -> TargetState {
        let mut target = healthy();
        assert_eq!((0..4).find_map(|id| target.count_failure(NOW, AttemptId(id), false)), None);
        assert_eq!(target.count_failure(NOW, AttemptId(4), false), Some(NOW + EJECT.duration));
        target
    }

    #[test]
    fn five_failures_in_a_row_eject_and_a_success_resets_the_count() {
        let mut target = healthy();
        assert_eq!((0..4).find_map(|id| target.count_failure(NOW, AttemptId(id), false)), None);
        target.count_success(AttemptId(4));
        assert_eq!((5..9).find_map(|id| target.count_failure(NOW, AttemptId(id), false)), None);
        assert_eq!(target.count_failure(NOW, AttemptId(9), false), Some(NOW + EJECT.duration));
        assert!(!target.is_in_use(NOW));
    }

    #[test]
    fn the_last_target_in_use_is_not_ejected() {
        let mut target = healthy();
        assert_eq!((0..99).find_map(|id| target.count_failure(NOW, AttemptId(id), true)), None);
        assert!(target.is_in_use(NOW));
        assert_eq!(target.count_failure(NOW, AttemptId(99), false), Some(NOW + EJECT.duration));
    }

    #[test]
    fn only_the_probe_ends_or_repeats_an_ejection() {
        let mut target = ejected();
        assert_eq!(target.count_failure(NOW, AttemptId(5), false), None, "it was sent before the ejection");
        target.count_success(AttemptId(6));
        assert_eq!(target.health, Health::Ejected);
        target.begin_attempt(AttemptId(7));
        assert!(target.is_probing());
        assert_eq!(target.count_failure(NOW, AttemptId(6), false), None);
        assert_eq!(target.count_failure(NOW, AttemptId(7), false), Some(NOW + EJECT.duration));
        target.begin_attempt(AttemptId(8));
        assert_eq!(target.count_failure(NOW, AttemptId(8), true), None);
        target.begin_attempt(AttemptId(9));
        target.cancel_probe(AttemptId(9));
        target.begin_attempt(AttemptId(10));
        target.end_probe(AttemptId(10));
        assert!(target.is_in_use(NOW), "one answer ends the ejection");
    }

    #[test]
    fn without_ejection_no_number_of_failures_matters() {
        let mut target = TargetState { eject: None, ..healthy() };
        assert_eq!((0..99).find_map(|id| target.count_failure(NOW, AttemptId(id), false)), None);
    }

    #[test]
    fn a_lasting_failure_ejects_at_once() {
        let mut target = healthy();
        assert_eq!(target.count_lasting_failure(NOW, AttemptId(0), true), None, "the last in use");
        let mut target = healthy();
        assert_eq!(target.count_lasting_failure(NOW, AttemptId(0), false), Some(NOW + EJECT.duration));
        assert!(!target.is_in_use(NOW));
    }

    #[test]
    fn a_shorter_cool_down_does_not_end_a_longer_one() {
        let mut target = healthy();
        target.extend_cool_down(Instant(90), RefusalCause::Overload, None);
        assert_eq!(target.extend_cool_down(Instant(50), RefusalCause::ShortLimit, None), Instant(90));
        assert_eq!(target.cool_down_cause(), (RefusalCause::Overload, None));
    }
}
