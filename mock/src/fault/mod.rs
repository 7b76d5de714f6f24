//! What goes wrong with one call: the incidents under way, and the draw that decides whom they meet.
//!
//! Incidents are independent of each other and may overlap. The first that answers in the provider's stead
//! does; the others change how the call is served, or what a refusal says.

mod word;

pub use word::{WORDS, Word};

use crate::call::{DrawPurpose, Truth};
use crate::config::{Fault, Incident, WaitForm};
use crate::time::{Instant, Nanos};

/// All that the incidents of one instant do to one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveFaults {
    /// Answers in the provider's stead: a status, a timeout or a reset.
    pub instead: Option<Fault>,
    /// How many times slower the call is served.
    pub slow: f64,
    /// How much later its first token comes.
    pub late: Nanos,
    /// How many times slower the tokens after it come.
    pub drip: f64,
    /// The reply breaks off half-way.
    pub cut: bool,
    /// The reply is not JSON.
    pub garbage: bool,
    /// What a refusal says of its wait.
    pub hint: RetryAfterFault,
    /// How the reply is bent on its way.
    pub bend: ResponseFault,
}

/// How a reply is bent on its way, whatever the ruling says: for whoever puts it on a wire. What a client makes of
/// a served call's is in the ruling already; a simulation needs it where headers are absent and where it reads words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFault {
    /// What is wrong with the body of a served call.
    pub body: Option<BodyFault>,
    /// How the wait is written, where not in whole seconds.
    pub wait: Option<WaitForm>,
    /// No header tells of limits or of waits.
    pub silent: bool,
    /// How wrong the provider's clock is.
    pub clock: Option<Skew>,
}

/// What is wrong with the body of a served call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// There is none: the connection is closed behind the head.
    HeadOnly,
    /// It breaks off before its first token.
    NoToken,
    /// Its JSON ends half-way.
    Truncated,
    /// It claims to be a page of HTML.
    WrongType,
}

/// How wrong a clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It is ahead.
    Ahead(Nanos),
    /// It is behind.
    Behind(Nanos),
}

/// What a refusal says of its wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfterFault {
    /// What the limit says.
    #[default]
    Honest,
    /// Nothing.
    Silent,
    /// This, whatever the limit says.
    Wait(Nanos),
}

impl ActiveFaults {
    /// No trouble at all: what nearly every call meets.
    pub const NONE: Self = Self {
        instead: None,
        slow: 1.0,
        late: Nanos::ZERO,
        drip: 1.0,
        cut: false,
        garbage: false,
        hint: RetryAfterFault::Honest,
        bend: ResponseFault { body: None, wait: None, silent: false, clock: None },
    };

    /// What happens at `now` to a call with this truth, if anything does. An incident meets its share of calls by a
    /// draw that only the truth and the incident's place in the list decide.
    #[must_use]
    #[inline]
    pub fn at(now: Instant, incidents: &[Incident], truth: Truth) -> Option<Self> {
        if incidents.iter().any(|incident| incident.is_on(now)) {
            Self::drawn(now, incidents, truth)
        } else {
            None
        }
    }

    #[cold]
    fn drawn(now: Instant, incidents: &[Incident], truth: Truth) -> Option<Self> {
        let mut trouble = None;
        for (index, incident) in (0..).zip(incidents) {
            if incident.is_on(now) && truth.luck(DrawPurpose::Incident(index)).unit() < incident.share {
                trouble.get_or_insert(Self::NONE).add(incident.fault);
            }
        }
        trouble
    }

    /// Adds one more fault.
    pub fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Status(_)
            | Fault::Overload
            | Fault::Billing
            | Fault::NotInTier
            | Fault::Throttle(_)
            | Fault::ErrorInside
            | Fault::Timeout
            | Fault::Reset => self.instead = self.instead.or(Some(fault)),
            Fault::Slow(times) => self.slow *= times,
            Fault::CutStream => self.cut = true,
            Fault::Garbage => self.garbage = true,
            Fault::NoRetryAfter => self.hint = RetryAfterFault::Silent,
            Fault::RetryAfter(wait) => self.hint = RetryAfterFault::Wait(wait),
            Fault::RetryAfterAs(form) => self.write_wait_as(form),
            Fault::LateFirstToken(late) => self.late += late,
            Fault::Drip(times) => self.drip *= times,
            Fault::ResetAfterHead => self.spoil(BodyFault::HeadOnly),
            Fault::CutBeforeToken => self.spoil(BodyFault::NoToken),
            Fault::Truncated => self.spoil(BodyFault::Truncated),
            Fault::WrongType => self.spoil(BodyFault::WrongType),
            Fault::NoHeaders => self.bend.silent = true,
            Fault::ClockAhead(by) => self.bend.clock = Some(Skew::Ahead(by)),
            Fault::ClockBehind(by) => self.bend.clock = Some(Skew::Behind(by)),
        }
    }

    /// The first that spoils a body decides how.
    fn spoil(&mut self, how: BodyFault) {
        self.bend.body.get_or_insert(how);
        match how {
            BodyFault::HeadOnly | BodyFault::NoToken => self.cut = true,
            BodyFault::Truncated | BodyFault::WrongType => self.garbage = true,
        }
    }

    fn write_wait_as(&mut self, form: WaitForm) {
        self.bend.wait = Some(form);
        if matches!(form, WaitForm::Negative | WaitForm::Absurd) {
            self.hint = RetryAfterFault::Silent;
        }
    }

    /// How many completion tokens leave of so many before the reply breaks off, if it does.
    #[must_use]
    pub const fn leaves(&self, completion_tokens: u32) -> u32 {
        match self.bend.body {
            _ if !self.cut => completion_tokens,
            Some(BodyFault::HeadOnly | BodyFault::NoToken) => 0,
            _ => completion_tokens / 2,
        }
    }
}

impl RetryAfterFault {
    /// The wait that is announced where the limit says `honest`.
    #[must_use]
    pub fn applied(self, honest: Option<Nanos>) -> Option<Nanos> {
        match self {
            Self::Honest => honest,
            Self::Silent => None,
            Self::Wait(wait) => Some(wait),
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
    fn an_incident_begins_at_its_instant_and_is_over_at_its_end() {
        let incidents = [incident(10, 20, Fault::Status(503), 1.0)];
        let hit = |now| ActiveFaults::at(Instant(now), &incidents, Truth::default()).is_some();
        assert_eq!([9, 10, 19, 20].map(hit), [false, true, true, false]);
    }

    #[test]
    fn overlapping_incidents_add_up_and_the_first_answer_stands() {
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
        let trouble = ActiveFaults::at(Instant(0), &incidents, Truth::default());
        let hint = RetryAfterFault::Wait(Nanos(5));
        let instead = Some(Fault::Timeout);
        let all = ActiveFaults { instead, slow: 6.0, cut: true, garbage: true, hint, ..ActiveFaults::NONE };
        assert_eq!(trouble, Some(all));
        assert_eq!(ActiveFaults::at(Instant(1), &incidents, Truth::default()), None);
    }

    #[test]
    fn each_incident_meets_its_own_share_of_calls() {
        let incidents = [incident(0, 1, Fault::CutStream, 0.2), incident(0, 1, Fault::Garbage, 0.2)];
        let trouble = |draw| {
            ActiveFaults::at(Instant(0), &incidents, Truth { draw, ..Truth::default() })
                .unwrap_or(ActiveFaults::NONE)
        };
        let count = |test: fn(&ActiveFaults) -> bool| (0..10_000).map(trouble).filter(test).count();
        // The standard error of a share of 20 % is 40 calls, of 4 % it is 20.
        assert!(count(|t| t.cut).abs_diff(2000) < 120);
        assert!(count(|t| t.garbage).abs_diff(2000) < 120);
        assert!(count(|t| t.cut && t.garbage).abs_diff(400) < 60);
    }
}
