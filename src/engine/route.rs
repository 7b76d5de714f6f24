//! Where a job goes next.
//!
//! ```text
//!  steps from the first to the last; in each, the targets that
//!     may serve the job                    (not excluded by a 413, a wrong key, …)
//!     the retry budget allows              (a second attempt at one target is a retry)
//!     are not in cool-down, neither for all jobs nor for this one, and not being probed
//!     were not tried since the last wait   (a failed attempt is not repeated at once)
//!     the client's budget in USD allows    (a cheaper target may fit what is left)
//!     can be sent to now                   (pace)
//!  the first step with such a target wins; its pick (`pick`) chooses among them ──▶ send
//!  no such target ──▶ wait until the earliest instant at which there may be one,
//!                     if that is before the deadline; otherwise give up now
//! ```
//!
//! The decision covers one action. After a wait the job re-runs route selection, because other jobs may have used the
//! quota meanwhile. At its turn in the queue of a paced target it is sent there if it still can be.

use super::backoff::exponential;
use super::blockers::{BlockedBy, Blockers, TargetForJob, blocked_by};
use super::budget::Budget;
use super::cool_down_queue::{MIN_WAITS_IN_VAIN, Opening, TargetSet};
use super::job_cool_down::{JobCoolDown, JobCoolDowns};
use super::jobs::ActiveJob;
use super::pace_queue::PaceQueues;
use super::pick::{Choice, FreeTargets, MeanCompletion};
use super::reply::{Reply, ReplyClass};
use super::spend::Spend;
use super::target::TargetState;
use crate::event::{AttemptOutcome, EndReason, Obstacle, RefusalCause, WaitReason};
use crate::ids::{AttemptId, RouteId, Slot, TargetId};
use crate::job::{Job, Priority};
use crate::scenario::{Client, MAX_ROUTE_TARGETS, Pick, Retry, Route, Scenario, Step};
use provider::meter::Charge;
use provider::{Instant, Nanos, RandomStream, Usage, random};

/// A target of a job's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) target: TargetId,
    /// The step of the route that names it.
    pub(super) step: u8,
    /// Its position among all targets of the route.
    pub(super) position: u8,
}

impl Candidate {
    /// Its position in the route, as a bit.
    pub(super) const fn bit(self) -> u64 {
        1 << self.position
    }
}

/// The next action of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Send it.
    Send(Candidate),
    /// Wait until an instant that is known now.
    Wait { until: Instant, obstacle: Obstacle },
    /// Wait for its turn, which comes when the queue of `targets` has been open for `delay`. `until` is the expected instant
    /// of the turn, which comes later if the targets are probed or cool down again.
    AwaitTargets { until: Instant, obstacle: Obstacle, targets: TargetSet, delay: Nanos },
    /// Wait in the queue for the pace of this target. The turn is expected at `until`; it comes earlier if replies return quota,
    /// and later if something else takes some.
    AwaitPace { until: Instant, obstacle: Obstacle, candidate: Candidate },
    /// Wait for the client's budget in USD, until `until` at the latest; earlier if attempts in flight give back enough. `candidate`: the
    /// target at which the job costs least.
    AwaitSpend { until: Instant, obstacle: Obstacle, candidate: Candidate },
    /// Give it up.
    GiveUp(EndReason),
}

/// The routes and the state of their targets: everything that route selection reads, apart from the job.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) routes: Vec<Vec<StepCursor>>,
    /// The number of protected routes, which are the first ones: their last target in use is not ejected.
    pub(super) protected_routes: usize,
    pub(super) targets: Vec<TargetState>,
    pub(super) job_cool_downs: JobCoolDowns,
    /// The jobs that wait for the pace.
    pub(super) pace_queues: PaceQueues,
    /// The provider and the account of each target.
    accounts: Vec<(u16, u16)>,
    pub(super) budget: Budget,
    /// `None` if the client has no budget in USD.
    pub(super) spend: Option<Spend>,
    retry: Retry,
    jitter_key: u64,
    pub(super) pick_key: u64,
    /// By route, the mean completion of its answers.
    pub(super) completions: Vec<MeanCompletion>,
}

/// A step of a route, and the index of the target at which its round robin continues.
#[derive(Debug)]
pub(super) struct StepCursor {
    pub(super) step: Step,
    cursor: usize,
}

impl Router {
    /// Creates the router of a client of a scenario; no target is in cool-down.
    pub(super) fn new(scenario: &Scenario, client: &Client) -> Self {
        let steps = |route: &Route| {
            let targets: usize = route.steps.iter().map(|step| step.targets.len()).sum();
            assert!(
                targets <= MAX_ROUTE_TARGETS,
                "invariant: a route has at most {MAX_ROUTE_TARGETS} targets, found {targets}"
            );
            route.steps.iter().map(|step| StepCursor { step: step.clone(), cursor: 0 }).collect()
        };
        Self {
            routes: scenario.routes.iter().map(steps).collect(),
            protected_routes: scenario.routes.len(),
            accounts: scenario.targets.iter().map(|target| (target.provider, target.account)).collect(),
            targets: TargetState::all(scenario, client),
            job_cool_downs: JobCoolDowns::new(scenario, client.cool_down),
            pace_queues: PaceQueues::new(scenario.targets.len(), client.fair),
            budget: Budget::new(client.retry.budget_permille),
            spend: Spend::new(scenario, client),
            retry: client.retry.clone(),
            jitter_key: random::label_key(scenario.seed, "jitter"),
            pick_key: random::label_key(scenario.seed, "pick"),
            completions: vec![MeanCompletion::default(); scenario.routes.len()],
        }
    }

    /// Returns the state of a target.
    #[inline]
    pub(super) fn target(&mut self, id: TargetId) -> &mut TargetState {
        &mut self.targets[id.index()]
    }

    /// Counts an answer to a job of a route.
    #[inline]
    pub(super) fn count_answer(&mut self, route: RouteId, usage: Usage) {
        self.completions[route.index()].count(usage.completion_tokens);
    }

    /// Chooses the next action of the job at `slot`, with this `cost`.
    #[inline]
    pub(super) fn choose(
        &mut self,
        now: Instant,
        slot: Slot,
        active: &mut ActiveJob,
        cost: &Charge,
    ) -> NextAction {
        let Self { routes, targets, job_cool_downs, pace_queues, budget, spend, .. } = self;
        let (completion, key) = (self.completions[active.job.route.index()], self.pick_key);
        let job_cool_downs = job_cool_downs.of(slot);
        let route = active.job.route.index();
        let mut blockers = Blockers::default();
        let mut first_position = 0; // Of the step's targets, within the route.
        for (step_index, StepCursor { step, cursor }) in routes[route].iter_mut().enumerate() {
            let candidate = |index: usize| Candidate {
                target: step.targets[index],
                step: step_index as u8,
                position: (first_position + index) as u8,
            };
            let (first, count) =
                (if step.pick == Pick::RoundRobin { *cursor } else { 0 }, step.targets.len());
            let takes_first = count == 1 || matches!(step.pick, Pick::InOrder | Pick::RoundRobin);
            let (mut chosen, mut free) = (None, FreeTargets::default());
            for index in first..first + count {
                let index = if index < count { index } else { index - count };
                let candidate = candidate(index);
                if active.excluded & candidate.bit() != 0 {
                    continue;
                }
                let target = &targets[candidate.target.index()];
                let own = job_cool_downs.get(usize::from(candidate.position)).copied();
                let spend = spend.as_ref().and_then(|spend| spend.blocks(now, &active.job, candidate.target));
                let queues = pace_queues.of(candidate.target);
                let view = TargetForJob { state: target, own, queues, spend };
                if let Some(blocked_by) = blocked_by(now, active, candidate.bit(), cost, &view, budget) {
                    blockers.add(blocked_by, candidate);
                } else if takes_first {
                    chosen = Some(index);
                    break;
                } else {
                    free.add(index);
                }
            }
            if !free.is_empty() {
                let (job, attempts) = (&active.job, active.attempts);
                let choice = Choice { now, job, attempts, cost, step, targets, completion, key };
                chosen = Some(choice.among(free));
            }
            if let Some(index) = chosen {
                *cursor = index + 1;
                return NextAction::Send(candidate(index));
            }
            first_position += count;
        }
        self.wait_or_give_up(now, active, blockers)
    }

    /// Returns a wait until the earliest instant at which a target may be free again, if there is one before the
    /// deadline; otherwise the reason to give up.
    #[cold]
    fn wait_or_give_up(&mut self, now: Instant, active: &mut ActiveJob, blockers: Blockers) -> NextAction {
        let mut backoff = active.backoff;
        let is_at_cap = backoff.is_at_cap(&self.retry.backoff);
        let mut stream = self.jitter(&active.job, backoff.rounds());
        let delay = backoff.next(&self.retry.backoff, &self.retry.stated_wait, &mut stream);
        // The reply to a probe arrives at an unknown instant, so the job decides again after a back-off.
        let back_offs = [blockers.just_tried, blockers.probe]
            .map(|obstacle| Some((now + delay.total(), obstacle?, None)));
        let after_stated = |(until, obstacle)| (until + delay.after_stated, obstacle, None);
        let cool_down = blockers.cool_down.map(after_stated);
        let pace = blockers.pace.map(|(at, obstacle, candidate)| (at, obstacle, Some(candidate)));
        let spend = blockers.spend.map(|wait| (wait.at, wait.obstacle, None));
        let waits = back_offs.into_iter().chain([cool_down, pace, spend]).flatten();
        let Some((until, obstacle, paced)) = waits.min_by_key(|(until, ..)| *until) else {
            return NextAction::GiveUp(match blockers {
                Blockers { budget: true, .. } => EndReason::RetryBudget,
                Blockers { unaffordable: true, .. } => EndReason::ClientBudget,
                _ => EndReason::Rejected,
            });
        };
        let is_late = until >= active.deadline;
        if let Some(wait) = blockers.spend
            && (obstacle.why == WaitReason::ClientBudget || (is_late && wait.may_return))
        {
            return wait.action(active);
        }
        active.obstacle = Some(obstacle);
        if is_late || paced.is_some_and(|by| self.comes_too_late(until, by.target, active)) {
            return NextAction::GiveUp(EndReason::Deadline);
        }
        if obstacle.why != WaitReason::Pace {
            active.backoff = backoff;
        }
        // A back-off, a pace and a cool-down of this job alone end at an instant that is known now: a timer suffices.
        let awaits_targets =
            blockers.just_tried.is_none() && blockers.pace.is_none() && !blockers.job_cool_down;
        let awaits_targets = awaits_targets && blockers.spend.is_none();
        if awaits_targets && is_at_cap && active.waits_in_vain >= MIN_WAITS_IN_VAIN {
            let (route, positions, or_budget) = (active.job.route, blockers.closed, blockers.budget);
            let targets = TargetSet { route, positions, or_budget };
            let delay = if obstacle.why == WaitReason::Probe { delay.total() } else { delay.after_stated };
            return NextAction::AwaitTargets { until, obstacle, targets, delay };
        }
        match paced {
            Some(candidate) => NextAction::AwaitPace { until, obstacle, candidate },
            None => NextAction::Wait { until, obstacle },
        }
    }

    /// Returns when one of these targets can be sent to again, or the retry budget allows a retry if jobs wait for that as
    /// well.
    pub(super) fn opens(&self, now: Instant, set: TargetSet) -> Opening {
        if set.or_budget && self.budget.allows() {
            return Opening { at: now, is_earliest: true };
        }
        let instants =
            || targets_of(&self.routes, set).map(|(_, target)| self.targets[target.index()].opens_at());
        let at = instants().flatten().min().unwrap_or(Instant::MAX);
        Opening { at, is_earliest: instants().all(|at| at.is_some()) }
    }

    /// Counts a job that begins to wait for these targets.
    pub(super) fn begin_await(&mut self, set: TargetSet, priority: Priority) {
        let Self { routes, targets, .. } = self;
        targets_of(routes, set).for_each(|(_, target)| targets[target.index()].begin_await(priority));
    }

    /// Counts a job that waits for these targets no longer.
    pub(super) fn end_await(&mut self, set: TargetSet, priority: Priority) {
        let Self { routes, targets, .. } = self;
        targets_of(routes, set).for_each(|(_, target)| targets[target.index()].end_await(priority));
    }

    /// Returns the obstacle of a job that waits for these targets; `None` if one of them is neither in cool-down nor being
    /// probed.
    pub(super) fn obstacle(&self, now: Instant, set: TargetSet) -> Option<Obstacle> {
        let mut blockers = Blockers::default();
        for (position, target) in targets_of(&self.routes, set) {
            let state = &self.targets[target.index()];
            let candidate = Candidate { target, step: 0, position };
            match state.cool_down_end(now) {
                Some(until) => blockers.add(BlockedBy::CoolDown(until, state.cool_down_cause()), candidate),
                None if state.is_probing() => blockers.add(BlockedBy::Probe, candidate),
                None => return None,
            }
        }
        blockers.cool_down.map(|(_, obstacle)| obstacle).or(blockers.probe)
    }

    /// Returns the random stream of the job's n-th back-off, from zero. It depends on the seed, the job and `n` only.
    fn jitter(&self, job: &Job, n: u32) -> RandomStream {
        RandomStream::keyed(self.jitter_key, random::mix(job.id.0) ^ u64::from(n))
    }

    /// Puts a target in cool-down after a reply that did not serve the job at `slot`, if the reply calls for it. Returns the end
    /// of the cool-down that this reply calls for, with its cause, even if an earlier reply has set a longer one, which is kept.
    /// Returns `None` if the reply calls for no cool-down that holds for all jobs.
    #[cold] // Kept out of the path of jobs that are served.
    pub(super) fn cool_down(
        &mut self,
        now: Instant,
        slot: Slot,
        candidate: Candidate,
        attempt: AttemptId,
        reply: &Reply,
    ) -> Option<(Instant, RefusalCause)> {
        let (target, class) = (candidate.target, reply.class());
        if class == ReplyClass::NotSent {
            self.target(target).cancel_probe(attempt);
            return None;
        }
        let mut named = reply.obeyed_wait(&self.retry).map(|wait| now + wait);
        let (failed, cause, axis) = match (class, reply.outcome) {
            (ReplyClass::Unhealthy, _) => (true, RefusalCause::Overload, None),
            (_, AttemptOutcome::Refused { cause, axis }) => {
                (matches!(cause, RefusalCause::Auth | RefusalCause::Billing), cause, axis)
            }
            _ => (false, RefusalCause::Other, None),
        };
        let is_last = failed && self.is_last_in_use(now, target);
        let per_job = self.job_cool_downs.are_kept();
        if let Some(until) = named.take_if(|_| per_job) {
            self.job_cool_downs.set(slot, candidate.position, JobCoolDown { until, cause: (cause, axis) });
        }
        let Self { targets, retry, .. } = self;
        let target_state = &mut targets[target.index()];
        let ejected = match (failed, cause) {
            (false, _) => None,
            (true, RefusalCause::Billing) => target_state.count_lasting_failure(now, attempt, is_last),
            (true, _) => target_state.count_failure(now, attempt, is_last),
        };
        if !failed {
            target_state.end_probe(attempt);
        }
        let until = match class {
            ReplyClass::RateLimited if retry.obey_retry_after && !per_job => {
                let refusals = target_state.count_refusal();
                named.or_else(|| Some(now + exponential(&retry.backoff, refusals)))
            }
            ReplyClass::Unhealthy => ejected.into_iter().chain(named).max(),
            _ => ejected,
        };
        let until = until.filter(|until| *until > now)?;
        let end = target_state.extend_cool_down(until, cause, axis);
        debug_assert_eq!(target_state.cool_down_end(now), Some(end), "law 8: the target is in cool-down");
        Some((until, cause))
    }

    /// Parks the other targets of an account whose target went into cool-down because the account itself is out of use: it
    /// must pay, or its allowance is used up. Returns those whose cool-down this begins or extends. If the
    /// account must pay, a target that is the only one in use on a protected route stays in use.
    #[cold]
    pub(super) fn park_account(
        &mut self,
        now: Instant,
        target: TargetId,
        until: Instant,
        cause: RefusalCause,
    ) -> Vec<TargetId> {
        if !matches!(cause, RefusalCause::Billing | RefusalCause::Allowance) {
            return Vec::new();
        }
        let account = self.accounts[target.index()];
        let mut parked = Vec::new();
        for (index, other) in (0..self.accounts.len()).zip((0..).map(TargetId)) {
            if other == target || self.accounts[index] != account {
                continue;
            }
            let is_open = self.targets[index].cool_down_end(now).is_none_or(|end| end < until);
            let is_needed = cause == RefusalCause::Billing && self.is_last_in_use(now, other);
            if is_open && !is_needed {
                self.targets[index].extend_cool_down(until, cause, None);
                parked.push(other);
            }
        }
        parked
    }

    /// Returns `true` if the target is on a protected route on which no other target is in use.
    fn is_last_in_use(&self, now: Instant, target: TargetId) -> bool {
        self.routes.iter().take(self.protected_routes).any(|steps| {
            let all = || steps.iter().flat_map(|cursor| &cursor.step.targets);
            let in_use = |other: &TargetId| self.targets[other.index()].is_in_use(now);
            all().any(|one| *one == target) && !all().any(|other| *other != target && in_use(other))
        })
    }
}

/// Returns the targets of a set, with their positions in the route.
fn targets_of(routes: &[Vec<StepCursor>], set: TargetSet) -> impl Iterator<Item = (u8, TargetId)> {
    let all = routes[set.route.index()].iter().flat_map(|cursor| &cursor.step.targets);
    let numbered = (0..).zip(all.copied());
    numbered.filter(move |(position, _)| set.positions >> position & 1 != 0)
}
