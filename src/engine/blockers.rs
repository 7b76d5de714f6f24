//! Why a job cannot be sent to the targets of its route now, and when that may end.

use super::budget::Budget;
use super::job_cool_down::JobCoolDown;
use super::jobs::ActiveJob;
use super::pace_queue::{TargetQueues, cost_ahead};
use super::route::Candidate;
use super::spend::Fit;
use super::target::TargetState;
use crate::event::{Obstacle, RefusalCause, WaitReason};
use crate::ids::TargetId;
use provider::meter::Charge;
use provider::{Axis, Instant};

/// Why a job cannot be sent to a target now.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockedBy {
    /// The retry budget is empty.
    Budget,
    /// The target is in cool-down until this instant.
    CoolDown(Instant, (RefusalCause, Option<Axis>)),
    /// The target is in cool-down for this job only.
    JobCoolDown(JobCoolDown),
    /// The target was ejected, and a probe is in flight.
    Probe,
    /// The job is a batch job, and an interactive job waits for the target. The cool-down may be over, but not the back-off that
    /// the interactive job adds to it. The end of that back-off is not known here, so the batch job decides again after a
    /// back-off of its own.
    Awaited,
    /// The job has tried the target since its last wait.
    JustTried,
    /// The pace allows the send from this instant on. The axis is the one on which it fits last, if a limit delays it.
    Pace(Instant, Option<Axis>),
    /// The known limits can never hold the job.
    TooLarge,
    /// The client's budget in USD does not allow the send.
    Spend(Fit),
}

/// What blocked the targets of a route, with the earliest end of each kind that ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blockers {
    pub(super) budget: bool,
    pub(super) just_tried: Option<Obstacle>,
    pub(super) probe: Option<Obstacle>,
    pub(super) cool_down: Option<(Instant, Obstacle)>,
    /// `true` if a target is in cool-down for this job only.
    pub(super) job_cool_down: bool,
    pub(super) pace: Option<(Instant, Obstacle, Candidate)>,
    /// The wait for the client's budget in USD, at the target at which the job costs least.
    pub(super) spend: Option<SpendWait>,
    /// `true` if a target costs more than a whole window of that budget.
    pub(super) unaffordable: bool,
    /// Targets in cool-down or being probed, as a bit set of their positions in the route.
    pub(super) closed: u64,
}

/// A wait for the client's budget in USD.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpendWait {
    /// The end of the window.
    pub(super) at: Instant,
    /// Attempts in flight may give back enough before.
    pub(super) may_return: bool,
    /// The most that the job can cost there, in picodollars.
    cost: u64,
    pub(super) obstacle: Obstacle,
    pub(super) candidate: Candidate,
}

impl Blockers {
    /// Records what blocks the job's send to a candidate.
    pub(super) fn add(&mut self, blocked_by: BlockedBy, candidate: Candidate) {
        let target = candidate.target;
        let plain = |why| Obstacle { target, why, axis: None, cause: None };
        match blocked_by {
            BlockedBy::Budget => self.budget = true,
            BlockedBy::JustTried | BlockedBy::Awaited => {
                self.just_tried.get_or_insert(plain(WaitReason::BackOff));
            }
            BlockedBy::Probe => {
                self.closed |= candidate.bit();
                self.probe.get_or_insert(plain(WaitReason::Probe));
            }
            BlockedBy::CoolDown(until, cause) => {
                self.closed |= candidate.bit();
                self.add_cool_down(until, cause, target);
            }
            BlockedBy::JobCoolDown(JobCoolDown { until, cause }) => {
                self.job_cool_down = true;
                self.add_cool_down(until, cause, target);
            }
            BlockedBy::Pace(at, axis) => {
                if self.pace.is_none_or(|(earliest, ..)| at < earliest) {
                    self.pace = Some((at, Obstacle { axis, ..plain(WaitReason::Pace) }, candidate));
                }
            }
            BlockedBy::Spend(Fit::Later { at, may_return, cost }) => {
                if self.spend.is_none_or(|least| cost < least.cost) {
                    let obstacle = plain(WaitReason::ClientBudget);
                    self.spend = Some(SpendWait { at, may_return, cost, obstacle, candidate });
                }
            }
            BlockedBy::Spend(Fit::Never) => self.unaffordable = true,
            BlockedBy::TooLarge => {}
        }
    }

    /// Keeps the cool-down that ends first.
    fn add_cool_down(
        &mut self,
        until: Instant,
        (cause, axis): (RefusalCause, Option<Axis>),
        target: TargetId,
    ) {
        if self.cool_down.is_none_or(|(earliest, _)| until < earliest) {
            let obstacle = Obstacle { target, why: WaitReason::CoolDown, axis, cause: Some(cause) };
            self.cool_down = Some((until, obstacle));
        }
    }
}

/// A target as one job sees it.
pub(super) struct TargetForJob<'a> {
    pub(super) state: &'a TargetState,
    /// The job's own cool-down, which may have ended; `None` if the client keeps none.
    pub(super) own: Option<JobCoolDown>,
    /// The jobs that wait for its pace.
    pub(super) queues: &'a TargetQueues,
    /// Why the client's budget in USD does not allow the send; `None` if it does.
    pub(super) spend: Option<Fit>,
}

/// Returns what blocks a send of the job to a target now; `None` if it can be sent.
pub(super) fn blocked_by(
    now: Instant,
    active: &ActiveJob,
    bit: u64,
    cost: &Charge,
    target: &TargetForJob<'_>,
    budget: &Budget,
) -> Option<BlockedBy> {
    let TargetForJob { state: target, own, queues, spend } = target;
    if active.tried & bit != 0 && !budget.allows() {
        return Some(BlockedBy::Budget);
    }
    if let Some(until) = target.cool_down_end(now) {
        return Some(BlockedBy::CoolDown(until, target.cool_down_cause()));
    }
    if let Some(own) = own.filter(|own| own.until > now) {
        return Some(BlockedBy::JobCoolDown(own));
    }
    if target.is_probing() {
        return Some(BlockedBy::Probe);
    }
    if target.yields(active.job.priority) {
        return Some(BlockedBy::Awaited);
    }
    if active.tried_this_round & bit != 0 {
        return Some(BlockedBy::JustTried);
    }
    if let Some(fit) = spend {
        return Some(BlockedBy::Spend(*fit));
    }
    if let Some(ahead) = cost_ahead(queues, &active.job) {
        // The job goes after those that already wait, even if it would fit now because it is smaller.
        return Some(match target.next_send_after(now, cost, &ahead) {
            None => BlockedBy::TooLarge,
            Some((at, axis)) => BlockedBy::Pace(at, axis),
        });
    }
    match target.next_send_at(now, cost) {
        None => Some(BlockedBy::TooLarge),
        Some((at, axis)) if at > now => Some(BlockedBy::Pace(at, axis)),
        Some(_) => None,
    }
}
