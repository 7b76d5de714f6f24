//! The state of an engine that drivers read, to show it or to pass it on to the engine that replaces this one.

use super::Engine;
use super::estimate::cost_of;
use super::pace_queue::cost_ahead;
use super::route::Router;
use super::spend::Fit;
use super::target::TargetState;
use crate::event::RefusalCause;
use crate::ids::{JobId, Slot, TargetId};
use crate::job::Job;
use provider::meter::Charge;
use provider::{Axis, Instant};

/// What the engine believes of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its health: whether jobs are sent to it.
    pub health: TargetHealth,
    /// The end of its cool-down, its cause and, if a limit refused, its axis; `None` if it does not cool down.
    pub cool_down: Option<(Instant, RefusalCause, Option<Axis>)>,
    /// Refusals by a limit since the last success.
    pub refusals: u32,
    /// Failures since the last success or ejection; zero while it is ejected.
    pub failures: u32,
}

/// The health of a target: whether jobs are sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHealth {
    /// Jobs are sent to it, after its cool-down if it has one.
    InUse,
    /// It failed too often. After its cool-down one probe is sent before anything else.
    Ejected,
    /// The probe is in flight: nothing else is sent.
    Probing,
}

impl Engine {
    /// Returns `true` if the engine reads what replies state about limits: if the pace or a pick needs a quota
    /// estimate.
    #[must_use]
    pub fn uses_limit_headers(&self) -> bool {
        self.router.targets.iter().any(TargetState::has_estimate)
    }

    /// Returns how many units of a limit the engine assumes used at `at`, which must not be earlier than the last input;
    /// `None` if it has no estimate of it.
    #[must_use]
    pub fn estimated_use(&self, at: Instant, target: TargetId, axis: Axis) -> Option<u64> {
        debug_assert!(at >= self.now, "law 4: time does not decrease, {at} comes after {}", self.now);
        self.router.targets[target.index()].estimated_use(at, axis)
    }

    /// Returns what the engine believes of a target at `at`.
    #[must_use]
    pub fn target_view(&self, at: Instant, target: TargetId) -> TargetView {
        self.router.targets[target.index()].view(at)
    }

    /// Takes over what the engine that this one replaces believes of a target at `at`: its cool-down, as
    /// [`TargetView::cool_down`] states it, and the used units of its limits. Neither shortens a cool-down nor lowers a use.
    pub fn adopt(
        &mut self,
        at: Instant,
        target: TargetId,
        cool_down: Option<(Instant, RefusalCause, Option<Axis>)>,
        used: impl IntoIterator<Item = (Axis, u64)>,
    ) {
        let state = self.router.target(target);
        if let Some((until, cause, axis)) = cool_down {
            state.extend_cool_down(until, cause, axis);
        }
        for (axis, used) in used {
            state.adopt_use(at, axis, used);
        }
    }

    /// Returns the earliest instant, `at` or later, at which a job may be sent to some target of its route: one that is neither
    /// in cool-down nor being probed, and whose pace and the client's budget allow the send. `None` if that instant is not known.
    #[must_use]
    pub fn opens_at(&self, at: Instant, job: &Job) -> Option<Instant> {
        self.router.opens_at(at, job).map(|opens| opens.max(at))
    }

    /// Returns the id of the job at a slot and the number of its attempts so far; `None` if the slot is vacant.
    #[must_use]
    pub fn job_at(&self, slot: Slot) -> Option<(JobId, u8)> {
        self.jobs.id_and_attempts(slot)
    }

    /// Returns the number of jobs that have arrived and not ended.
    #[must_use]
    pub fn jobs_in_flight(&self) -> usize {
        self.jobs.len()
    }
}

impl Router {
    /// Returns the earliest instant at which a job may be sent to some target of its route: one that is neither in cool-down nor being
    /// probed, whose pace allows the send after the jobs that wait for it, and that the client's budget in USD allows. `None` if that
    /// instant is not known.
    fn opens_at(&self, now: Instant, job: &Job) -> Option<Instant> {
        let (cost, targets) = (cost_of(job), &self.routes[job.route.index()]);
        let targets = targets.iter().flat_map(|cursor| &cursor.step.targets);
        let opens_at = |target: &TargetId| {
            let state = &self.targets[target.index()];
            let ahead = cost_ahead(self.pace_queues.of(*target), job).unwrap_or(Charge::ZERO);
            let (paced, _) = state.next_send_after(now, &cost, &ahead)?;
            let affordable = match self.spend.as_ref().and_then(|spend| spend.blocks(now, job, *target)) {
                None => now,
                // What attempts in flight give back comes at an unknown instant.
                Some(Fit::Later { may_return: true, .. } | Fit::Never) => return None,
                Some(Fit::Later { at, .. }) => at,
            };
            Some(state.opens_at()?.max(paced).max(affordable))
        };
        targets.filter_map(opens_at).min()
    }
}
