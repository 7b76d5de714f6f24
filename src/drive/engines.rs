//! The engines of a run: one per process of every client. They share nothing. Each job goes to the engine that it names, and each reply to
//! the engine that sent the attempt.

use crate::engine::{Driver, Engine, Reply};
use crate::ids::{AttemptId, EngineId, Slot, Tag, TargetId};
use crate::job::Job;
use crate::scenario::Scenario;
use provider::{Axis, Instant};

/// The engines of a run.
#[derive(Debug)]
pub(super) struct Engines {
    engines: Vec<Engine>,
    timers: EarliestTimer,
}

impl Engines {
    /// Creates the engines of a run of `scenario`.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let clients = scenario.engines();
        let engine = |(number, client): (u16, &crate::ids::ClientId)| {
            let engine = Engine::of_client(scenario, &scenario.clients[client.index()]);
            engine.as_one_of(EngineId(number), clients.len())
        };
        let engines: Vec<Engine> = (0..).zip(&clients).map(engine).collect();
        Self { timers: EarliestTimer::new(engines.len()), engines }
    }

    /// Returns `true` if an engine reads what replies state about limits.
    pub(super) fn use_limit_headers(&self) -> bool {
        self.engines.iter().any(Engine::uses_limit_headers)
    }

    /// Returns the instant of the earliest timer of all engines; [`Instant::MAX`] if none is set.
    #[inline]
    pub(super) fn poll_timeout(&self) -> Instant {
        match &self.engines[..] {
            [engine] => engine.poll_timeout(),
            _ => self.timers.earliest().0,
        }
    }

    /// Fires the timers that are due at `now` of the engine with the earliest timer. Others that are due then stay the earliest.
    #[inline]
    pub(super) fn handle_timeout(&mut self, driver: &mut impl Driver, now: Instant) {
        let id = self.timers.earliest().1;
        self.engines[id.index()].handle_timeout(driver, now);
        self.update_timer(id);
    }

    /// Passes a job to its engine.
    #[inline]
    pub(super) fn submit(&mut self, driver: &mut impl Driver, now: Instant, job: Job, tag: Tag) {
        self.engines[job.engine.index()].submit(driver, now, job, tag);
        self.update_timer(job.engine);
    }

    /// Passes the reply to an attempt to the engine that sent it.
    #[inline(always)] // So that the reply is written once, where the engine reads it.
    pub(super) fn handle_reply(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        (id, slot, attempt): (EngineId, Slot, AttemptId),
        reply: &Reply,
    ) {
        self.engines[id.index()].handle_reply(driver, now, slot, attempt, reply);
        self.update_timer(id);
    }

    /// Passes the arrival of the first token of an answer to the engine that sent the attempt.
    pub(super) fn handle_first_token(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        (id, slot, attempt): (EngineId, Slot, AttemptId),
    ) {
        self.engines[id.index()].handle_first_token(driver, now, slot, attempt);
        self.update_timer(id);
    }

    /// Ends the jobs in flight of every engine.
    pub(super) fn end_run(&mut self, driver: &mut impl Driver, now: Instant) {
        self.engines.iter_mut().for_each(|engine| engine.end_run(driver, now));
    }

    /// Returns how many units of a limit the engines assume used at `at`: the most that one of them assumes, since none knows of the others.
    /// `None` if none has an estimate of it.
    pub(super) fn estimated_use(&self, at: Instant, target: TargetId, axis: Axis) -> Option<u64> {
        self.engines.iter().filter_map(|engine| engine.estimated_use(at, target, axis)).max()
    }

    #[inline]
    fn update_timer(&mut self, id: EngineId) {
        if self.engines.len() > 1 {
            self.timers.set(id, self.engines[id.index()].poll_timeout());
        }
    }
}

/// The earliest of the timers of several engines: a binary tree, in which every node has the earlier of the two below it. An update takes a
/// step per level; of equal instants the first engine's counts.
#[derive(Debug)]
struct EarliestTimer {
    /// The root is node 1, the nodes below `n` are `2n` and `2n + 1`, the leaves are the last half.
    nodes: Vec<(Instant, EngineId)>,
}

impl EarliestTimer {
    /// Creates the tree of `engines` engines, at least 1, without a timer.
    fn new(engines: usize) -> Self {
        let leaves = engines.max(1).next_power_of_two();
        let mut tree = Self { nodes: vec![(Instant::MAX, EngineId(0)); 2 * leaves] };
        (0..).zip(&mut tree.nodes[leaves..]).for_each(|(number, leaf)| leaf.1 = EngineId(number));
        for node in (1..leaves).rev() {
            tree.nodes[node] = tree.nodes[2 * node].min(tree.nodes[2 * node + 1]);
        }
        tree
    }

    /// Returns the earliest timer and its engine.
    #[inline]
    fn earliest(&self) -> (Instant, EngineId) {
        self.nodes[1]
    }

    /// Sets the timer of an engine.
    fn set(&mut self, id: EngineId, at: Instant) {
        let mut node = self.nodes.len() / 2 + id.index();
        self.nodes[node].0 = at;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: the earliest timer is that of a search over all of them.
        #[test]
        fn the_earliest_timer_is_that_of_a_search_over_all(
            engines in 1usize..20,
            updates in prop::collection::vec((0u16..20, 0u64..50), 1..100),
        ) {
            let mut tree = EarliestTimer::new(engines);
            let mut timers = vec![Instant::MAX; engines];
            for (id, at) in updates.into_iter().filter(|(id, _)| usize::from(*id) < engines) {
                let at = if at == 0 { Instant::MAX } else { Instant(at) };
                tree.set(EngineId(id), at);
                timers[usize::from(id)] = at;
                let earliest = (0..).map(EngineId).zip(&timers).map(|(id, at)| (*at, id)).min();
                prop_assert_eq!(Some(tree.earliest()), earliest);
            }
        }
    }
}
