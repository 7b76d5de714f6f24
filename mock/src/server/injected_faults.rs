//! Faults that the control plane injects while the server runs. Each may be limited to a number of requests, a share of
//! them, and a duration.

use crate::call::{DrawPurpose, Truth};
use crate::config::Fault;
use crate::fault::ActiveFaults;
use crate::time::Instant;
use serde_json::Value;

/// The injected faults that have not ended, in the order in which they were added. All of them act at once.
#[derive(Debug, Default)]
pub(super) struct InjectedFaults {
    faults: Vec<InjectedFault>,
    /// The id of the next fault.
    next_id: u32,
}

/// One injected fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InjectedFault {
    /// The value of the member `fault` or `sequence` of the request that injected it.
    pub(super) spec: Value,
    /// Its steps: each further request takes the next one, after the last the first again. `None` leaves a request unchanged. The
    /// list is not empty.
    pub(super) sequence: Vec<Option<Fault>>,
    /// The requests that it may affect.
    pub(super) scope: Scope,
    /// The number of further requests in its scope and share that pass before the first one takes a step.
    pub(super) skip: u64,
    /// The number of requests so far that took a step, including those that it left unchanged.
    pub(super) steps_taken: u64,
    /// The number of further requests that take a step; `None` if it is not bounded.
    pub(super) remaining: Option<u64>,
    /// The share of the requests in its scope that it selects, in `0..=1`. Each of them passes ([`InjectedFault::skip`]) or takes
    /// a step.
    pub(super) share: f64,
    /// Its end, exclusive.
    pub(super) until: Instant,
    /// Identifies it in the control plane's replies; also the key of its random draws.
    pub(super) id: u32,
}

/// What a fault or an answer depends on besides the time, the draw and the prompt of the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallFacts<'a> {
    pub(super) account: u16,
    pub(super) model: u16,
    pub(super) path: &'a str,
}

/// The requests that a fault may affect or that an answer is for. A member that is `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) account: Option<u16>,
    pub(super) model: Option<u16>,
    /// The path, or a prefix of paths followed by `*`.
    pub(super) path: Option<String>,
}

impl Scope {
    pub(super) fn contains(&self, facts: CallFacts<'_>) -> bool {
        let matches_path = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => facts.path.starts_with(start),
            None => facts.path == pattern,
        };
        self.account.is_none_or(|account| account == facts.account)
            && self.model.is_none_or(|model| model == facts.model)
            && self.path.as_ref().is_none_or(matches_path)
    }
}

/// Maximum number of injected faults that have not ended.
pub(super) const MAX_FAULTS: usize = 64;

impl InjectedFaults {
    /// Adds a fault under the next id. Returns it, or `None` if there are [`MAX_FAULTS`] already.
    pub(super) fn add(&mut self, fault: InjectedFault, now: Instant) -> Option<&InjectedFault> {
        self.remove_ended(now);
        if self.faults.len() >= MAX_FAULTS {
            return None;
        }
        self.faults.push(InjectedFault { id: self.next_id, ..fault });
        self.next_id = self.next_id.wrapping_add(1);
        self.faults.last()
    }

    /// Adds the faults that affect a call to `active`, and decrements their remaining numbers of requests.
    pub(super) fn apply(
        &mut self,
        now: Instant,
        facts: CallFacts<'_>,
        truth: Truth,
        active: &mut ActiveFaults,
    ) {
        if self.faults.is_empty() {
            return;
        }
        self.remove_ended(now);
        for fault in self.faults.iter_mut().filter(|fault| fault.scope.contains(facts)) {
            if truth.stream_for(DrawPurpose::InjectedFault(fault.id)).unit() >= fault.share {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            let step = usize::try_from(fault.steps_taken).unwrap_or(usize::MAX) % fault.sequence.len();
            fault.steps_taken += 1;
            fault.remaining = fault.remaining.map(|remaining| remaining - 1);
            if let Some(fault) = fault.sequence[step] {
                active.add(fault);
            }
        }
    }

    /// Returns the faults that have not ended.
    pub(super) fn not_ended(&mut self, now: Instant) -> &[InjectedFault] {
        self.remove_ended(now);
        &self.faults
    }

    /// Removes all faults.
    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    fn remove_ended(&mut self, now: Instant) {
        self.faults.retain(|fault| now < fault.until && fault.remaining != Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(remaining: Option<u64>, share: f64, until: Instant) -> InjectedFault {
        InjectedFault {
            spec: Value::Null,
            sequence: vec![Some(Fault::Status(503))],
            scope: Scope::default(),
            skip: 0,
            steps_taken: 0,
            remaining,
            share,
            until,
            id: 0,
        }
    }

    /// Returns the number of these calls that are affected.
    fn affected(faults: &mut InjectedFaults, calls: impl Iterator<Item = (Instant, u64)>) -> usize {
        let is_affected = |&(now, draw): &(Instant, u64)| {
            let mut active = ActiveFaults::NONE;
            let facts = CallFacts { account: 0, model: 1, path: "/v1/chat/completions" };
            faults.apply(now, facts, Truth { draw, ..Truth::default() }, &mut active);
            active != ActiveFaults::NONE
        };
        calls.filter(is_affected).count()
    }

    #[test]
    fn a_fault_ends_by_count_by_time_and_by_clear() {
        let mut faults = InjectedFaults::default();
        faults.add(fault(Some(3), 1.0, Instant::MAX), Instant::ZERO).unwrap();
        assert_eq!(affected(&mut faults, (0..10).map(|draw| (Instant(draw), draw))), 3);
        faults.add(fault(None, 1.0, Instant(10)), Instant::ZERO).unwrap();
        assert_eq!(affected(&mut faults, (0..20).map(|draw| (Instant(draw), draw))), 10);
        assert!(faults.not_ended(Instant(10)).is_empty(), "an ended fault is removed");
        faults.add(fault(None, 1.0, Instant::MAX), Instant::ZERO).unwrap();
        faults.clear();
        assert_eq!(affected(&mut faults, [(Instant::ZERO, 1)].into_iter()), 0);
    }

    #[test]
    fn a_share_of_calls_is_affected_and_only_those_are_counted() {
        let mut faults = InjectedFaults::default();
        faults.add(fault(Some(300), 0.2, Instant::MAX), Instant::ZERO).unwrap();
        let calls = |range: std::ops::Range<u64>| range.map(|draw| (Instant::ZERO, draw));
        // Of 1,000 calls 200 are affected on average, with a standard deviation of 13.
        let first = affected(&mut faults, calls(0..1_000));
        assert!(first.abs_diff(200) < 52);
        assert_eq!(first + affected(&mut faults, calls(1_000..10_000)), 300);
        assert!(faults.not_ended(Instant::ZERO).is_empty());
    }

    #[test]
    fn a_scope_a_number_and_a_sequence_select_the_calls() {
        let affected_of = |fault: InjectedFault| -> Vec<u64> {
            let mut faults = InjectedFaults::default();
            faults.add(fault, Instant::ZERO).unwrap();
            (0..7).filter(|draw| affected(&mut faults, [(Instant::ZERO, *draw)].into_iter()) == 1).collect()
        };
        let all = fault(None, 1.0, Instant::MAX);
        let scoped = |account, model, path: &str| InjectedFault {
            scope: Scope { account, model, path: Some(path.to_owned()) },
            ..all.clone()
        };
        for path in ["/v1/chat/completions", "/v1/*", "*"] {
            assert_eq!(affected_of(scoped(Some(0), Some(1), path)).len(), 7, "{path}");
        }
        for other in [scoped(Some(1), None, "*"), scoped(None, Some(0), "*"), scoped(None, None, "/v1/chat")]
        {
            assert!(affected_of(other.clone()).is_empty(), "{other:?}");
        }
        let third = InjectedFault { skip: 2, remaining: Some(1), ..all.clone() };
        assert_eq!(affected_of(third), [2]);
        let sequence = vec![Some(Fault::Status(503)), Some(Fault::Status(429)), None];
        let twice = InjectedFault { sequence: sequence.clone(), remaining: Some(6), ..all.clone() };
        assert_eq!(affected_of(twice), [0, 1, 3, 4]);
        let endless = InjectedFault { sequence, ..all };
        assert_eq!(affected_of(endless), [0, 1, 3, 4, 6]);
    }

    #[test]
    fn the_number_of_faults_is_bounded() {
        let mut faults = InjectedFaults::default();
        for id in 0..MAX_FAULTS {
            assert_eq!(faults.add(fault(None, 1.0, Instant(5)), Instant::ZERO).unwrap().id as usize, id);
        }
        assert_eq!(faults.add(fault(None, 1.0, Instant(5)), Instant::ZERO), None);
        assert!(faults.add(fault(None, 1.0, Instant(9)), Instant(5)).is_some(), "ended faults are replaced");
    }
}
