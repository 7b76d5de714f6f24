//! Where a job goes next, on a page.
//!
//! ```text
//!  steps from the first to the last; in each, the targets that
//!     can serve the job at all                      (not barred by a 413, a wrong key, …)
//!     may be tried under the retry budget           (a second try of the same target costs)
//!     do not rest                                   (cool-down)
//!     were not tried since the job last slept       (a failure is not repeated at once)
//!     have a turn now                               (pace)
//!  the first step with any such target wins, its pick chooses among them ──▶ send
//!  none anywhere ──▶ sleep until the earliest instant at which one could be sent to,
//!                    if that lies before the deadline; else give up at once
//! ```
//!
//! Nothing here looks ahead further than one move: whoever wakes decides anew, because by then others
//! may have taken the room.

use super::budget::Budget;
use super::jobs::ActiveJob;
use super::target::TargetState;
use crate::event::{EndReason, WaitReason};
use crate::ids::TargetId;
use crate::job::Job;
use crate::scenario::{Backoff, MAX_ROUTE_TARGETS, Pick, Route, Scenario, Step};
use provider::meter::Charge;
use provider::{Instant, Stream, random};

/// A place on a route that a job can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The target.
    pub(super) target: TargetId,
    /// The step that names it.
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

/// The next move of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Send.
    Send(Candidate),
    /// Sleep; `book` is the paced turn it sleeps for.
    Sleep { until: Instant, why: WaitReason, book: Option<Candidate> },
    /// Give up.
    GiveUp(EndReason),
}

/// Everything a decision reads, apart from the job itself.
#[derive(Debug)]
pub(super) struct Router {
    routes: Vec<Vec<StepCursor>>,
    pub(super) targets: Vec<TargetState>,
    pub(super) budget: Budget,
    backoff: Backoff,
    jitter_key: u64,
}

/// A step of a route, and where its round robin goes on.
#[derive(Debug)]
struct StepCursor {
    step: Step,
    cursor: usize,
}

/// WaitReason a target cannot be sent to now.
#[derive(Clone, Copy, Debug)]
enum BlockedBy {
    /// The retry budget is empty.
    Budget,
    /// It rests until then.
    Cools(Instant),
    /// It was tried since the job last slept.
    JustTried,
    /// Its pace has a turn then.
    Paced(Instant),
    /// Its known limits can never hold the job.
    TooLarge,
}

/// The obstacles met on the way through a route: the earliest of each kind that time removes.
#[derive(Clone, Copy, Debug, Default)]
struct Blockers {
    budget: bool,
    just_tried: bool,
    cools: Option<Instant>,
    paced: Option<(Instant, Candidate)>,
}

impl Blockers {
    fn note(&mut self, obstacle: BlockedBy, place: Candidate) {
        match obstacle {
            BlockedBy::Budget => self.budget = true,
            BlockedBy::JustTried => self.just_tried = true,
            BlockedBy::Cools(until) => {
                self.cools = Some(self.cools.map_or(until, |earliest| earliest.min(until)));
            }
            BlockedBy::Paced(turn) => {
                if self.paced.is_none_or(|(earliest, _)| turn < earliest) {
                    self.paced = Some((turn, place));
                }
            }
            BlockedBy::TooLarge => {}
        }
    }
}

impl Router {
    /// The routes of a scenario, every target rested.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let legs = |route: &Route| {
            let targets: usize = route.steps.iter().map(|step| step.targets.len()).sum();
            assert!(
                targets <= MAX_ROUTE_TARGETS,
                "a plan has at most {MAX_ROUTE_TARGETS} targets on a route"
            );
            route.steps.iter().map(|step| StepCursor { step: step.clone(), cursor: 0 }).collect()
        };
        Self {
            routes: scenario.routes.iter().map(legs).collect(),
            targets: TargetState::all(scenario),
            budget: Budget::new(scenario.client.retry.budget_permille),
            backoff: scenario.client.retry.backoff,
            jitter_key: random::key(scenario.seed, "jitter"),
        }
    }

    /// Decides where a job with this `need` goes.
    #[inline]
    pub(super) fn choose(&mut self, now: Instant, work: &mut ActiveJob, need: &Charge) -> NextAction {
        let Self { routes, targets, budget, .. } = self;
        let route = work.job.route.index();
        let mut obstacles = Blockers::default();
        let mut position = 0;
        for (index, StepCursor { step, cursor }) in routes[route].iter_mut().enumerate() {
            let turn = |place: usize| Candidate {
                target: step.targets[place],
                step: index as u8,
                position: (position + place) as u8,
            };
            let (first, places) =
                (if step.pick == Pick::RoundRobin { *cursor } else { 0 }, step.targets.len());
            let mut best: Option<(f64, usize)> = None;
            for place in first..first + places {
                let place = if place < places { place } else { place - places };
                let turn = turn(place);
                if work.barred & turn.bit() != 0 {
                    continue;
                }
                let state = &targets[turn.target.index()];
                if let Some(obstacle) = obstacle(now, work, turn.bit(), need, state, budget) {
                    obstacles.note(obstacle, turn);
                } else if step.pick == Pick::MostRoom {
                    let room = state.room(now, need);
                    best = best.filter(|(most, _)| *most >= room).or(Some((room, place)));
                } else {
                    best = Some((0.0, place));
                    break;
                }
            }
            if let Some((_, place)) = best {
                *cursor = place + 1;
                return NextAction::Send(turn(place));
            }
            position += step.targets.len();
        }
        self.wait(now, work, obstacles)
    }

    /// The earliest instant worth waking at, if it lies before the deadline.
    #[cold]
    fn wait(&mut self, now: Instant, work: &mut ActiveJob, obstacles: Blockers) -> NextAction {
        let mut backoffs = work.backoffs;
        let delay = backoffs.next(&self.backoff, &mut self.jitter(&work.job, backoffs.rounds()));
        let back_off = obstacles.just_tried.then(|| (now + delay.whole(), WaitReason::BackOff, None));
        let cool_down = obstacles.cools.map(|until| (until + delay.spread, WaitReason::CoolDown, None));
        let paced = obstacles.paced.map(|(turn, place)| (turn, WaitReason::Pace, Some(place)));
        let earliest = [back_off, cool_down, paced].into_iter().flatten().min_by_key(|(until, ..)| *until);
        let Some((until, why, book)) = earliest else {
            return NextAction::GiveUp(if obstacles.budget {
                EndReason::RetryBudget
            } else {
                EndReason::Rejected
            });
        };
        if until >= work.deadline {
            return NextAction::GiveUp(EndReason::Deadline);
        }
        if why != WaitReason::Pace {
            work.backoffs = backoffs;
        }
        NextAction::Sleep { until, why, book }
    }

    /// Chance for the job's n-th wait: the same whatever else happens in the run.
    fn jitter(&self, job: &Job, n: u32) -> Stream {
        Stream::keyed(self.jitter_key, random::mix(job.id.0) ^ u64::from(n))
    }

    /// The back-off that a target without a better word rests for after so many refusals in a row.
    pub(super) fn default_cool_down(&self, refusals: u32) -> provider::Nanos {
        super::backoff::exponential(&self.backoff, refusals)
    }
}

/// What keeps a job from being sent to a target now.
fn obstacle(
    now: Instant,
    work: &ActiveJob,
    bit: u64,
    need: &Charge,
    state: &TargetState,
    budget: &Budget,
) -> Option<BlockedBy> {
    if work.tried & bit != 0 && !budget.allows() {
        return Some(BlockedBy::Budget);
    }
    if state.cool_until > now {
        return Some(BlockedBy::Cools(state.cool_until));
    }
    if work.tried_this_round & bit != 0 {
        return Some(BlockedBy::JustTried);
    }
    match state.next_send_at(now, need) {
        None => Some(BlockedBy::TooLarge),
        Some(turn) if turn > now => Some(BlockedBy::Paced(turn)),
        Some(_) => None,
    }
}
