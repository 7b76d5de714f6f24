//! One shared quota as this replica sees it: what the last answer of Redis left, the grant that it may use without asking, and its
//! share while Redis is gone.

use super::Refusal;
use super::call::{Answer, Call, Keys, LimitArguments, Outcome, Verb};
use super::heartbeat::Heartbeats;
use super::limit::SharedLimit;
use super::replicas::ReplicaCount;
use crate::event::RefusalCause;
use provider::window::Bucket;
use provider::{Axis, Instant, Nanos};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

/// An amount of each axis.
pub(super) type Units = [i64; Axis::ALL.len()];

/// The quota of a model, or of a family of models, of one account.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) keys: Keys,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Arc<[SharedLimit]>,
    replicas: ReplicaCount,
    /// What the last answer left of each limit, and when; `None` before the first one.
    left: Option<(Instant, Units)>,
    /// The latest instant seen: those of different tasks come in any order.
    now: Instant,
    grant: Option<Grant>,
    /// A grant was asked for, and the answer has not come.
    is_grant_asked: bool,
    outage: Option<Outage>,
    /// What was used while Redis was gone and was not reported to it.
    unreported: Units,
    /// What was reported and not acknowledged: reported again under the same id, so that it counts once.
    report: Option<(String, Units)>,
}

/// What this replica may use without asking.
#[derive(Debug)]
struct Grant {
    id: String,
    until: Instant,
    /// The numbers of the leases that are left, for as many requests.
    leases: RangeInclusive<u32>,
    left: Units,
}

/// An outage of Redis. Of each limit this replica may use the n-th part, as a bucket in which a unit costs n units.
#[derive(Debug)]
struct Outage {
    buckets: Vec<Bucket>,
    replicas: u64,
}

impl Pool {
    /// Creates a quota of which only the number of replicas is known.
    pub(super) fn new(name: String, limits: Arc<[SharedLimit]>, replicas: u32) -> Self {
        let state = State {
            limits,
            replicas: ReplicaCount::new(replicas),
            left: None,
            now: Instant::ZERO,
            grant: None,
            is_grant_asked: false,
            outage: None,
            unreported: Units::default(),
            report: None,
        };
        Self { keys: Keys::new(&name), name, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds a quota")
    }

    /// Returns the limits.
    pub(super) fn limits(&self) -> Arc<[SharedLimit]> {
        Arc::clone(&self.state().limits)
    }

    /// Sets the limits after the scenario was read again. While Redis is gone, nothing is left of changed ones at first.
    pub(super) fn set_limits(&self, now: Instant, limits: Arc<[SharedLimit]>) {
        let mut state = self.state();
        let now = state.advance(now);
        if state.limits == limits {
            return;
        }
        if let Some(outage) = &mut state.outage {
            outage.buckets = limits.iter().map(|limit| limit.bucket_with(now, 0)).collect();
        }
        state.limits = limits;
    }

    /// Returns what a request is charged: on each axis its cost, and no more than the limit holds, because the provider
    /// decides whether a larger request is served.
    pub(super) fn charged(&self, cost: impl Fn(Axis) -> u64) -> Units {
        let mut units = Units::default();
        for limit in self.state().limits.iter() {
            units[limit.axis as usize] = signed(cost(limit.axis).min(limit.burst));
        }
        units
    }

    /// Takes a request from the grant. Returns the id of its lease; `None` if it must be asked for.
    pub(super) fn take_from_grant(&self, now: Instant, cost: &Units) -> Option<String> {
        let mut state = self.state();
        let grant = state.grant.as_mut().filter(|grant| now < grant.until)?;
        if grant.leases.is_empty() || grant.left.iter().zip(cost).any(|(left, cost)| left < cost) {
            return None;
        }
        let number = grant.leases.next()?;
        grant.left.iter_mut().zip(cost).for_each(|(left, cost)| *left -= cost);
        Some(format!("{}/{number}", grant.id))
    }

    /// Returns the call that reserves `cost` as the lease `id`, and the number of further requests that it asks a grant for.
    pub(super) fn ask(
        &self,
        now: Instant,
        cost: &Units,
        (replica, id): (&str, &str),
        key: &str,
    ) -> (Call, u32) {
        let mut state = self.state();
        let now = state.advance(now);
        let further = if state.is_grant_asked { 0 } else { state.grant_requests(cost) };
        state.is_grant_asked |= further > 0;
        let limits = state.arguments(now, |axis| {
            let cost = cost[axis as usize];
            [cost, cost.saturating_mul(further.into())]
        });
        let call = Call::new(Verb::Reserve, &self.keys, replica, id);
        (call.with_cool_down(key).with_leases(&(1..=further)).with_limits(limits.into_iter()), further)
    }

    /// Takes the answer to [`Self::ask`] at `now`, which asked at `asked` for a grant for `further` requests. Returns
    /// the call that gives the rest of an earlier grant back, if one was replaced.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn take_answer(
        &self,
        (asked, now): (Instant, Instant),
        (cost, replica, id): (&Units, &str, &str),
        further: u32,
        answer: &Answer,
    ) -> Result<Option<Call>, Refusal> {
        let mut state = self.state();
        let now = state.advance(now);
        state.learn(now, answer);
        match answer.outcome {
            Outcome::Done if answer.is_granted && further > 0 => {
                let left = cost.map(|cost| cost.saturating_mul(further.into()));
                let grant =
                    Grant { id: id.to_owned(), until: asked + GRANT_LENGTH, leases: 1..=further, left };
                let earlier = state.grant.replace(grant);
                Ok(earlier.and_then(|grant| self.rest_of(&state, now, replica, grant)))
            }
            Outcome::Done => Ok(None),
            outcome => Err(Refusal {
                cause: match outcome {
                    Outcome::CoolDown => RefusalCause::SharedCoolDown,
                    _ => RefusalCause::SharedQuota,
                },
                axis: answer.refused_by.and_then(|index| Some(state.limits.get(index)?.axis)),
                wait: Nanos(answer.wait_ms.saturating_mul(1_000_000)),
            }),
        }
    }

    /// Records that the answer about a grant has come, or never will.
    pub(super) fn end_asking_for_grant(&self) {
        self.state().is_grant_asked = false;
    }

    /// Ends a grant, unless it was replaced. Returns the call that gives its rest back.
    pub(super) fn end_grant(&self, now: Instant, replica: &str, id: &str) -> Option<Call> {
        let mut state = self.state();
        let now = state.advance(now);
        let grant = state.grant.take_if(|grant| grant.id == id)?;
        self.rest_of(&state, now, replica, grant)
    }

    fn rest_of(&self, state: &State, now: Instant, replica: &str, grant: Grant) -> Option<Call> {
        let limits = state.arguments(now, |axis| [grant.left[axis as usize], 0]);
        let call = Call::new(Verb::Return, &self.keys, replica, &grant.id).with_leases(&grant.leases);
        (!limits.is_empty()).then(|| call.with_limits(limits.into_iter()))
    }

    /// Returns the call that gives back all of a grant of which it is not known whether it was given.
    pub(super) fn unanswered_grant(
        &self,
        now: Instant,
        replica: &str,
        (id, further): (&str, u32),
        cost: &Units,
    ) -> Option<Call> {
        let left = cost.map(|cost| cost.saturating_mul(further.into()));
        let grant = Grant { id: id.to_owned(), until: now, leases: 1..=further, left };
        let mut state = self.state();
        let now = state.advance(now);
        self.rest_of(&state, now, replica, grant)
    }

    /// Returns the call that replaces what a lease reserved by what was used; `None` if there is nothing to settle.
    pub(super) fn settlement(
        &self,
        now: Instant,
        (replica, id): (&str, &str),
        reserved: &Units,
        used: &Units,
    ) -> Option<Call> {
        let mut state = self.state();
        let now = state.advance(now);
        let limits = state.arguments(now, |axis| [reserved[axis as usize], used[axis as usize]]);
        let call = Call::new(Verb::Settle, &self.keys, replica, id);
        (!limits.is_empty()).then(|| call.with_limits(limits.into_iter()))
    }

    /// Decides without Redis on a request: by this replica's share of each limit.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn decide_alone(&self, now: Instant, cost: &Units) -> Result<(), Refusal> {
        let mut state = self.state();
        let now = state.advance(now);
        let State { limits, replicas, left, outage, unreported, .. } = &mut *state;
        // Before the first answer nothing is known to be left.
        let (at, left) = left.unwrap_or((now, Units::default()));
        let outage = outage.get_or_insert_with(|| Outage {
            buckets: limits.iter().map(|limit| limit.bucket_with(at, left[limit.axis as usize])).collect(),
            replicas: u64::from(replicas.get()),
        });
        let mut refused: Option<(Instant, Axis)> = None;
        for (limit, bucket) in limits.iter().zip(&outage.buckets) {
            // The share may be smaller than a request, which then waits until it is full.
            let needed = unsigned(cost[limit.axis as usize]).saturating_mul(outage.replicas).min(limit.burst);
            let at = bucket.earliest_admission(now, needed).unwrap_or(Instant::MAX);
            if at > refused.map_or(now, |(at, _)| at) {
                refused = Some((at, limit.axis));
            }
        }
        if let Some((at, axis)) = refused {
            return Err(Refusal { cause: RefusalCause::SharedQuota, axis: Some(axis), wait: at.since(now) });
        }
        for (limit, bucket) in limits.iter().zip(&mut outage.buckets) {
            let cost = cost[limit.axis as usize];
            bucket.charge(now, unsigned(cost).saturating_mul(outage.replicas));
            unreported[limit.axis as usize] = unreported[limit.axis as usize].saturating_add(cost);
        }
        Ok(())
    }

    /// Replaces what [`Self::decide_alone`] charged by what was used.
    pub(super) fn settle_alone(&self, now: Instant, reserved: &Units, used: &Units) {
        let mut state = self.state();
        let now = state.advance(now);
        let State { limits, outage, unreported, .. } = &mut *state;
        for (index, limit) in limits.iter().enumerate() {
            let axis = limit.axis as usize;
            unreported[axis] = unreported[axis].saturating_add(used[axis].saturating_sub(reserved[axis]));
            if let Some(Outage { buckets, replicas }) = outage {
                let weighed = |units: i64| unsigned(units).saturating_mul(*replicas);
                buckets[index].settle(now, weighed(reserved[axis]), weighed(used[axis]));
            }
        }
    }
}

impl Heartbeats for Pool {
    type Call = Call;

    /// Returns the heartbeat, which reports what was used without Redis. `id` makes the id of a new report.
    fn heartbeat(&self, (since, now): (Instant, Instant), replica: &str, id: &dyn Fn() -> String) -> Call {
        let mut state = self.state();
        let now = state.advance(now);
        let state = &mut *state;
        if state.report.is_none() && state.unreported != Units::default() {
            state.report = Some((id(), std::mem::take(&mut state.unreported)));
        }
        let nothing = (String::new(), Units::default());
        let (id, used) = state.report.as_ref().unwrap_or(&nothing);
        let limits = state.arguments(now, |axis| [used[axis as usize], 0]);
        let recent = now.since(since).0 / 1_000_000;
        Call::new(Verb::Beat, &self.keys, replica, id).with_length(recent).with_limits(limits.into_iter())
    }

    fn take_heartbeat(&self, now: Instant, answer: &Answer) {
        let mut state = self.state();
        let now = state.advance(now);
        state.report = None;
        state.learn(now, answer);
    }

    fn take_return(&self, now: Instant, answer: &Answer) -> bool {
        let mut state = self.state();
        let now = state.advance(now);
        state.report = None;
        let are_back = state.replicas.take_return(now, answer.replicas);
        state.learn(now, answer);
        are_back
    }

    fn end_outage(&self) {
        self.state().outage = None;
    }

    fn replicas(&self) -> u32 {
        self.state().replicas.get()
    }
}

impl State {
    /// Returns the arguments of a call with the amounts on each axis. A quota of which nothing is known is full.
    fn arguments(&self, now: Instant, amounts: impl Fn(Axis) -> [i64; 2]) -> Vec<LimitArguments> {
        let argument = |limit: &SharedLimit| LimitArguments {
            limit: *limit,
            if_absent: self.left.map_or(signed(limit.burst), |(at, left)| {
                limit.bucket_with(at, left[limit.axis as usize]).remaining(now)
            }),
            amounts: amounts(limit.axis),
        };
        self.limits.iter().map(argument).collect()
    }

    /// Returns `now`, or the latest instant seen if that is later.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns the number of further requests like one that costs `cost` that a grant is to hold: about as many as the limits
    /// admit during its length; zero if they are too few to be worth it.
    fn grant_requests(&self, cost: &Units) -> u32 {
        let most = self.limits.iter().fold(u64::from(MAX_GRANT_REQUESTS), |most, limit| {
            let cost = unsigned(cost[limit.axis as usize]);
            if cost == 0 {
                return most;
            }
            let admitted = if limit.is_short() { limit.refill_within(GRANT_LENGTH) / cost } else { most };
            most.min(admitted).min(limit.burst / MIN_GRANTS_IN_BURST / cost)
        });
        u32::try_from(most).ok().filter(|most| *most >= MIN_GRANT_REQUESTS).unwrap_or(0)
    }

    fn learn(&mut self, now: Instant, answer: &Answer) {
        self.replicas.learn(now, answer.replicas);
        if answer.left.len() == self.limits.len() {
            let mut units = Units::default();
            for (limit, left) in self.limits.iter().zip(&answer.left) {
                units[limit.axis as usize] = *left;
            }
            self.left = Some((now, units));
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn unsigned(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0)
}

/// How long a grant is used. During this time its rest is not available to other replicas.
pub(super) const GRANT_LENGTH: Nanos = Nanos(100_000_000);

/// A grant for fewer requests saves too little.
const MIN_GRANT_REQUESTS: u32 = 4;

/// The most requests of a grant.
const MAX_GRANT_REQUESTS: u32 = 64;

/// What a limit holds ÷ the largest grant.
const MIN_GRANTS_IN_BURST: u64 = 100;
