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
use super::target::TargetState;
use super::work::Work;
use crate::event::{Reason, Why};
use crate::ids::TargetId;
use crate::job::Job;
use crate::scenario::{Backoff, Pick, Plan, ROUTE_TARGETS_MAX, Route, Step};
use provider::meter::Bill;
use provider::{Instant, Stream, rng};

/// A place on a route that a job can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The target.
    pub(super) target: TargetId,
    /// The step that names it.
    pub(super) step: u8,
    /// Its position among all targets of the route.
    pub(super) position: u8,
}

impl Turn {
    /// Its position in the route, as a bit.
    pub(super) const fn bit(self) -> u64 {
        1 << self.position
    }
}

/// The next move of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Send.
    Send(Turn),
    /// Sleep; `book` is the paced turn it sleeps for.
    Sleep { until: Instant, why: Why, book: Option<Turn> },
    /// Give up.
    GiveUp(Reason),
}

/// Everything a decision reads, apart from the job itself.
#[derive(Debug)]
pub(super) struct Router {
    routes: Vec<Vec<Leg>>,
    pub(super) targets: Vec<TargetState>,
    pub(super) budget: Budget,
    backoff: Backoff,
    jitter_key: u64,
}

/// A step of a route, and where its round robin goes on.
#[derive(Debug)]
struct Leg {
    step: Step,
    cursor: usize,
}

/// Why a target cannot be sent to now.
#[derive(Clone, Copy, Debug)]
enum Obstacle {
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
struct Obstacles {
    budget: bool,
    just_tried: bool,
    cools: Option<Instant>,
    paced: Option<(Instant, Turn)>,
}

impl Obstacles {
    fn note(&mut self, obstacle: Obstacle, place: Turn) {
        match obstacle {
            Obstacle::Budget => self.budget = true,
            Obstacle::JustTried => self.just_tried = true,
            Obstacle::Cools(until) => {
                self.cools = Some(self.cools.map_or(until, |earliest| earliest.min(until)));
            }
            Obstacle::Paced(turn) => {
                if self.paced.is_none_or(|(earliest, _)| turn < earliest) {
                    self.paced = Some((turn, place));
                }
            }
            Obstacle::TooLarge => {}
        }
    }
}

impl Router {
    /// The routes of a plan, every target rested.
    pub(super) fn new(plan: &Plan) -> Self {
        let legs = |route: &Route| {
            let targets: usize = route.steps.iter().map(|step| step.targets.len()).sum();
            assert!(
                targets <= ROUTE_TARGETS_MAX,
                "a plan has at most {ROUTE_TARGETS_MAX} targets on a route"
            );
            route.steps.iter().map(|step| Leg { step: step.clone(), cursor: 0 }).collect()
        };
        Self {
            routes: plan.routes.iter().map(legs).collect(),
            targets: TargetState::all(plan),
            budget: Budget::new(plan.client.retry.budget_permille),
            backoff: plan.client.retry.backoff,
            jitter_key: rng::key(plan.seed, "jitter"),
        }
    }

    /// Decides where a job with this `need` goes.
    #[inline]
    pub(super) fn choose(&mut self, now: Instant, work: &mut Work, need: &Bill) -> Move {
        let Self { routes, targets, budget, .. } = self;
        let route = work.job.route.index();
        let mut obstacles = Obstacles::default();
        let mut position = 0;
        for (index, Leg { step, cursor }) in routes[route].iter_mut().enumerate() {
            let turn = |place: usize| Turn {
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
                return Move::Send(turn(place));
            }
            position += step.targets.len();
        }
        self.wait(now, work, obstacles)
    }

    /// The earliest instant worth waking at, if it lies before the deadline.
    #[cold]
    fn wait(&mut self, now: Instant, work: &mut Work, obstacles: Obstacles) -> Move {
        let mut backoffs = work.backoffs;
        let delay = backoffs.next(&self.backoff, &mut self.jitter(&work.job, backoffs.rounds()));
        let back_off = obstacles.just_tried.then(|| (now + delay.whole(), Why::BackOff, None));
        let cool_down = obstacles.cools.map(|until| (until + delay.spread, Why::CoolDown, None));
        let paced = obstacles.paced.map(|(turn, place)| (turn, Why::Pace, Some(place)));
        let earliest = [back_off, cool_down, paced].into_iter().flatten().min_by_key(|(until, ..)| *until);
        let Some((until, why, book)) = earliest else {
            return Move::GiveUp(if obstacles.budget { Reason::RetryBudget } else { Reason::Rejected });
        };
        if until >= work.deadline {
            return Move::GiveUp(Reason::Deadline);
        }
        if why != Why::Pace {
            work.backoffs = backoffs;
        }
        Move::Sleep { until, why, book }
    }

    /// Chance for the job's n-th wait: the same whatever else happens in the run.
    fn jitter(&self, job: &Job, n: u32) -> Stream {
        Stream::keyed(self.jitter_key, rng::mix(job.id.0) ^ u64::from(n))
    }

    /// The back-off that a target without a better word rests for after so many refusals in a row.
    pub(super) fn rest_unasked(&self, refusals: u32) -> provider::Nanos {
        super::backoff::exponential(&self.backoff, refusals)
    }
}

/// What keeps a job from being sent to a target now.
fn obstacle(
    now: Instant,
    work: &Work,
    bit: u64,
    need: &Bill,
    state: &TargetState,
    budget: &Budget,
) -> Option<Obstacle> {
    if work.tried & bit != 0 && !budget.allows() {
        return Some(Obstacle::Budget);
    }
    if state.cool_until > now {
        return Some(Obstacle::Cools(state.cool_until));
    }
    if work.tried_this_round & bit != 0 {
        return Some(Obstacle::JustTried);
    }
    match state.turn(now, need) {
        None => Some(Obstacle::TooLarge),
        Some(turn) if turn > now => Some(Obstacle::Paced(turn)),
        Some(_) => None,
    }
}
