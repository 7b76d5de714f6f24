//! The virtual driver: a loop over the next event, without ticks. A simulated day takes as long as its events take to
//! process.

use super::world::World;
use crate::engine::Engine;
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::Instant;

/// Runs a scenario in virtual time and passes every event to `fold`. Returns the instant of the last event.
pub fn simulate(scenario: &Scenario, fold: &mut impl Fold) -> Instant {
    simulate_load(scenario, Load::new(scenario), fold)
}

/// Runs a scenario as [`simulate`] does, with a load that was prepared before.
pub fn simulate_load(scenario: &Scenario, load: Load, fold: &mut impl Fold) -> Instant {
    let engine = Engine::new(scenario);
    let world = World::new(scenario, load, engine.uses_limit_headers(), fold);
    run(engine, world)
}

fn run<F: Fold>(mut engine: Engine, mut world: World<'_, F>) -> Instant {
    let mut now = Instant::ZERO;
    loop {
        if world.is_done() {
            engine.end_run(&mut world, now);
            return now;
        }
        let timer = engine.poll_timeout();
        let event = world.next_event_at();
        let arrival = world.next_arrival_at();
        let next = timer.min(event).min(arrival);
        if next == Instant::MAX {
            debug_assert_eq!(engine.jobs_in_flight(), 0, "law 1: every job ends");
            return now;
        }
        debug_assert!(next >= now, "law 4: time does not decrease, {next} comes after {now}");
        now = next;
        world.sample_until(now);
        // At one instant: timers, then replies, then arrivals.
        if timer == now {
            engine.handle_timeout(&mut world, now);
        } else if event == now {
            if let Some((slot, attempt, reply)) = world.process_next(now) {
                engine.handle_reply(&mut world, now, slot, attempt, &reply);
            }
        } else if let Some((job, tag)) = world.next_arrival() {
            engine.submit(&mut world, now, job, tag);
        }
    }
}
