//! The faults that affect one call: those of the incidents that are active when it arrives and that a random draw selects.
//!
//! Incidents are independent and may overlap. If several of them replace the provider's decision, only the first in the
//! list does. Slowdowns and delays are combined. How other faults of one kind combine is in
//! [`ActiveFaults::add`].

mod names;

pub use names::{FaultSyntax, NAMES};

use crate::call::{DrawPurpose, Truth};
use crate::config::{Fault, Incident, WaitForm};
use crate::time::{Instant, Nanos};

/// The combined effect of all incidents that affect one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveFaults {
    /// The fault that replaces the provider's decision: an error reply, a timeout or a reset.
    pub replacement: Option<Fault>,
    /// The factor on the whole service time; 1 is normal.
    pub slowdown: f64,
    /// Delay added to the first token.
    pub first_token_delay: Nanos,
    /// The factor on the time from the first token to the last; 1 is normal.
    pub token_slowdown: f64,
    /// The reply ends early: before its first token if [`ResponseFault::body`] aborts it there, otherwise half-way.
    pub aborted: bool,
    /// The client cannot use the body: it is not JSON, is truncated, or is declared as HTML.
    pub corrupt_body: bool,
    /// The wait that a refusal announces.
    pub retry_after: RetryAfterFault,
    /// Changes to the rendered response.
    pub response: ResponseFault,
}

/// Changes to a response after the provider's decision, applied when the response is rendered. For a served call, the
/// decision already states their effect on the client ([`ActiveFaults::aborted`], [`ActiveFaults::corrupt_body`]), so a
/// simulation that does not render it needs only [`ResponseFault::no_limit_headers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFault {
    /// The defect in the body of a served call.
    pub body: Option<BodyFault>,
    /// The form of `retry-after`; `None`: whole seconds.
    pub retry_after_form: Option<WaitForm>,
    /// All `ratelimit`, `tokenlimit` and `retry-after` headers are missing.
    pub no_limit_headers: bool,
    /// The error of the provider's clock, visible in `date` and in a date in `retry-after`.
    pub clock_skew: Option<ClockSkew>,
}

/// A defect in the body of a served call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The connection is closed right after the headers.
    ResetAfterHead,
    /// The stream ends before its first token; of a whole reply only the head is sent.
    AbortBeforeToken,
    /// The JSON ends half-way; the transfer itself is complete.
    Truncated,
    /// `content-type` declares the body as HTML.
    WrongType,
}

/// The error of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSkew {
    /// The clock is ahead by this.
    Ahead(Nanos),
    /// The clock is behind by this.
    Behind(Nanos),
}

/// The wait that a refusal announces, as changed by faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfterFault {
    /// The limit's own wait.
    #[default]
    Unchanged,
    /// No wait is announced.
    Omitted,
    /// This wait, instead of the limit's own.
    Replaced(Nanos),
}

impl ActiveFaults {
    /// No fault: the normal case.
    pub const NONE: Self = Self {
        replacement: None,
        slowdown: 1.0,
        first_token_delay: Nanos::ZERO,
        token_slowdown: 1.0,
        aborted: false,
        corrupt_body: false,
        retry_after: RetryAfterFault::Unchanged,
        response: ResponseFault {
            body: None,
            retry_after_form: None,
            no_limit_headers: false,
            clock_skew: None,
        },
    };

    /// Returns the faults that affect a call with this truth at `now`; `None` if there are none. The draw depends
    /// only on the truth and on the index of the incident, so that it is the same under every client configuration.
    #[must_use]
    #[inline]
    pub fn for_call(now: Instant, incidents: &[Incident], truth: Truth) -> Option<Self> {
        if incidents.iter().any(|incident| incident.is_active(now)) {
            Self::draw_active(now, incidents, truth)
        } else {
            None
        }
    }

    #[cold]
    fn draw_active(now: Instant, incidents: &[Incident], truth: Truth) -> Option<Self> {
        let mut faults = None;
        for (index, incident) in (0..).zip(incidents) {
            debug_assert!(
                (0.0..=1.0).contains(&incident.share),
                "invariant: 0 <= share <= 1 in {incident:?}"
            );
            if incident.is_active(now)
                && truth.stream_for(DrawPurpose::Incident(index)).unit() < incident.share
            {
                faults.get_or_insert(Self::NONE).add(incident.fault);
            }
        }
        faults
    }

    /// Adds one more fault. Slowdowns multiply and delays add up. Of several replacements the first counts, of several
    /// waits, forms of `retry-after` or clock errors the last. Of several body defects the first determines the text of the
    /// body; but every one that cuts it or corrupts it does so.
    pub fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Status(_)
            | Fault::Overload
            | Fault::Billing
            | Fault::NotInTier
            | Fault::Throttle(_)
            | Fault::ErrorInside
            | Fault::Timeout
            | Fault::Reset => self.replacement = self.replacement.or(Some(fault)),
            Fault::Slow(factor) => self.slowdown *= factor,
            Fault::CutStream => self.aborted = true,
            Fault::Garbage => self.corrupt_body = true,
            Fault::NoRetryAfter => self.retry_after = RetryAfterFault::Omitted,
            Fault::RetryAfter(wait) => self.retry_after = RetryAfterFault::Replaced(wait),
            Fault::RetryAfterAs(form) => self.add_retry_after_form(form),
            Fault::LateFirstToken(delay) => self.first_token_delay += delay,
            Fault::SlowTokens(factor) => self.token_slowdown *= factor,
            Fault::ResetAfterHead => self.add_body_fault(BodyFault::ResetAfterHead),
            Fault::AbortBeforeToken => self.add_body_fault(BodyFault::AbortBeforeToken),
            Fault::Truncated => self.add_body_fault(BodyFault::Truncated),
            Fault::WrongType => self.add_body_fault(BodyFault::WrongType),
            Fault::NoLimitHeaders => self.response.no_limit_headers = true,
            Fault::ClockAhead(by) => self.response.clock_skew = Some(ClockSkew::Ahead(by)),
            Fault::ClockBehind(by) => self.response.clock_skew = Some(ClockSkew::Behind(by)),
        }
    }

    fn add_body_fault(&mut self, fault: BodyFault) {
        self.response.body.get_or_insert(fault);
        match fault {
            BodyFault::ResetAfterHead | BodyFault::AbortBeforeToken => self.aborted = true,
            BodyFault::Truncated | BodyFault::WrongType => self.corrupt_body = true,
        }
    }

    fn add_retry_after_form(&mut self, form: WaitForm) {
        self.response.retry_after_form = Some(form);
        // These forms state no usable wait, so no other header states one either, unless a later fault replaces the wait.
        if matches!(form, WaitForm::Negative | WaitForm::Absurd) {
            self.retry_after = RetryAfterFault::Omitted;
        }
    }

    /// Returns the fault that replaces the provider's decision. A throttle has the wait as the other faults change it; if they
    /// omit the wait, a plain status 429 is returned instead.
    #[must_use]
    pub fn replacing_decision(&self) -> Option<Fault> {
        match self.replacement? {
            Fault::Throttle(wait) => {
                Some(self.retry_after.apply(Some(wait)).map_or(Fault::Status(429), Fault::Throttle))
            }
            fault => Some(fault),
        }
    }

    /// Returns how many of `completion_tokens` are sent before the reply is aborted; all of them if it is not.
    #[must_use]
    pub const fn tokens_sent(&self, completion_tokens: u32) -> u32 {
        match self.response.body {
            _ if !self.aborted => completion_tokens,
            Some(BodyFault::ResetAfterHead | BodyFault::AbortBeforeToken) => 0,
            _ => completion_tokens / 2,
        }
    }
}

impl RetryAfterFault {
    /// Returns the wait to announce, given the limit's own `wait`.
    #[must_use]
    pub fn apply(self, wait: Option<Nanos>) -> Option<Nanos> {
        match self {
            Self::Unchanged => wait,
            Self::Omitted => None,
            Self::Replaced(wait) => Some(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(at: u64, until: u64, fault: Fault, share: f64) -> Incident {
        Incident { at: Instant(at), until: Instant(until), fault, share }
    }

    #[test]
    fn an_incident_is_active_from_its_start_until_just_before_its_end() {
        let incidents = [incident(10, 20, Fault::Status(503), 1.0)];
        let hit = |now| ActiveFaults::for_call(Instant(now), &incidents, Truth::default()).is_some();
        assert_eq!([9, 10, 19, 20].map(hit), [false, true, true, false]);
    }

    #[test]
    fn overlapping_faults_combine_and_the_first_replacement_wins() {
        let faults = [
            Fault::Slow(2.0),
            Fault::Timeout,
            Fault::Slow(3.0),
            Fault::Reset,
            Fault::CutStream,
            Fault::Garbage,
            Fault::NoRetryAfter,
            Fault::RetryAfter(Nanos(5)),
        ];
        let incidents = faults.map(|fault| incident(0, 1, fault, 1.0));
        let expected = ActiveFaults {
            replacement: Some(Fault::Timeout),
            slowdown: 6.0,
            aborted: true,
            corrupt_body: true,
            retry_after: RetryAfterFault::Replaced(Nanos(5)),
            ..ActiveFaults::NONE
        };
        assert_eq!(ActiveFaults::for_call(Instant(0), &incidents, Truth::default()), Some(expected));
        assert_eq!(ActiveFaults::for_call(Instant(1), &incidents, Truth::default()), None);
    }

    #[test]
    fn each_incident_affects_its_own_share_of_calls_independently() {
        let incidents = [incident(0, 1, Fault::CutStream, 0.2), incident(0, 1, Fault::Garbage, 0.2)];
        let faults = |draw| {
            ActiveFaults::for_call(Instant(0), &incidents, Truth { draw, ..Truth::default() })
                .unwrap_or(ActiveFaults::NONE)
        };
        let count = |test: fn(&ActiveFaults) -> bool| (0..10_000).map(faults).filter(test).count();
        // The standard error of a share of 20 % is 40 calls, of 4 % it is 20.
        assert!(count(|faults| faults.aborted).abs_diff(2000) < 120);
        assert!(count(|faults| faults.corrupt_body).abs_diff(2000) < 120);
        assert!(count(|faults| faults.aborted && faults.corrupt_body).abs_diff(400) < 60);
    }
}
