//! The virtual driver: a loop over the next event, without ticks. A simulated day takes as long as its events take to
//! process.

use super::engines::Engines;
use super::world::{Arrived, World};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::dist::Dist;
use provider::{Instant, Nanos, RandomStream};

/// Runs a scenario in virtual time and passes every event to `fold`. Returns the instant of the last of them.
pub fn simulate(scenario: &Scenario, fold: &mut impl Fold) -> Instant {
    simulate_load(scenario, Load::new(scenario), fold)
}

/// Runs a scenario as [`simulate`] does, with a load that was prepared before.
pub fn simulate_load(scenario: &Scenario, load: Load, fold: &mut impl Fold) -> Instant {
    let mut engines = Engines::new(scenario);
    let mut world = World::new(scenario, load, engines.use_limit_headers(), fold);
    let ended = run(&mut engines, &mut world, &mut Punctual);
    world.report_most_used(ended);
    ended
}

/// Runs a scenario as [`simulate`] does, with a client that acts late: every time that a timer of its engine is due, it fires
/// after a delay in seconds that is drawn from `wake_lag`, together with the timers that have become due by then.
pub(super) fn simulate_with_wake_lag(scenario: &Scenario, wake_lag: &Dist, fold: &mut impl Fold) -> Instant {
    let mut engines = Engines::new(scenario);
    let mut world = World::new(scenario, Load::new(scenario), engines.use_limit_headers(), fold);
    let ended = run(&mut engines, &mut world, &mut Late::new(wake_lag, scenario.seed));
    world.report_most_used(ended);
    ended
}

/// Runs a scenario as [`simulate`] does, and then takes every sample of the limits that is due at or before `until`, without the
/// highest use of each limit at the end. Returns the engines as the run leaves them, and the later of `until` and the last event.
pub(super) fn simulate_and_sample(
    scenario: &Scenario,
    until: Instant,
    fold: &mut impl Fold,
) -> (Engines, Instant) {
    let mut engines = Engines::new(scenario);
    let mut world = World::new(scenario, Load::new(scenario), engines.use_limit_headers(), fold);
    let ended = run(&mut engines, &mut world, &mut Punctual);
    if ended < until {
        world.sample_until(until);
    }
    (engines, ended.max(until))
}

/// Determines when a client fires its timers.
trait TimerDelay {
    /// Returns the instant at which the client fires a timer that is due at `at`.
    fn fires_at(&self, at: Instant) -> Instant;

    /// Draws the delay of the next timer.
    fn fired(&mut self);
}

/// Fires timers when they are due.
struct Punctual;

impl TimerDelay for Punctual {
    #[inline(always)]
    fn fires_at(&self, at: Instant) -> Instant {
        at
    }

    #[inline(always)]
    fn fired(&mut self) {}
}

/// Fires timers after a random delay.
struct Late<'a> {
    /// In seconds.
    delays: &'a Dist,
    stream: RandomStream,
    /// The delay of the next timer.
    next: Nanos,
}

impl<'a> Late<'a> {
    fn new(delays: &'a Dist, seed: u64) -> Self {
        let mut late = Self { delays, stream: RandomStream::new(seed, "wake-up lag", 0), next: Nanos::ZERO };
        late.fired();
        late
    }
}

impl TimerDelay for Late<'_> {
    fn fires_at(&self, at: Instant) -> Instant {
        if at == Instant::MAX { at } else { at + self.next }
    }

    fn fired(&mut self) {
        self.next = Nanos::from_secs_f64(self.delays.sample(&mut self.stream));
    }
}

fn run<F: Fold>(engines: &mut Engines, world: &mut World<'_, F>, delay: &mut impl TimerDelay) -> Instant {
    let mut now = Instant::ZERO;
    loop {
        if world.is_done() {
            engines.end_run(world, now);
            return now;
        }
        let timer = delay.fires_at(engines.poll_timeout());
        let arrival = world.next_arrival_at();
        // Only events of cancelled attempts can still be scheduled then, and they change nothing.
        if arrival == Instant::MAX && world.jobs_in_flight() == 0 {
            return now;
        }
        // Until an engine has an input, the timers and the next arrival stay as they are.
        let mut has_input = false;
        while !has_input && !world.is_done() {
            let event = world.next_event_at();
            let next = timer.min(event).min(arrival);
            assert!(
                next < Instant::MAX,
                "law 1: every job ends, found {} that never do",
                world.jobs_in_flight()
            );
            debug_assert!(next >= now, "law 4: time does not decrease, {next} comes after {now}");
            now = next;
            world.sample_until(now);
            // At one instant: timers, then requests and replies on the network, then arrivals.
            has_input = true;
            if timer == now {
                engines.handle_timeout(world, now);
                delay.fired();
            } else if event == now {
                let arrived = world.process_next(now);
                has_input = arrived.is_some();
                match arrived {
                    Some(Arrived::Reply(flight_index)) => {
                        let sent_as = world.sent_as(flight_index);
                        let reply = world.take_reply(now, flight_index);
                        engines.handle_reply(world, now, sent_as, &reply);
                    }
                    Some(Arrived::FirstToken(flight_index)) => {
                        engines.handle_first_token(world, now, world.sent_as(flight_index));
                    }
                    None => {}
                }
            } else if let Some((job, tag)) = world.next_arrival(now) {
                engines.submit(world, now, job, tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Mode, Recorder, RunEnd};
    use crate::scenario::{self, Overrides};

    #[test]
    fn a_run_with_too_many_jobs_in_flight_is_ended() {
        let yaml = "duration: 60s
providers: { p: { models: { m: { limits: { rpm: 6 } } } } }
routes: { r: [ { of: [p/default/m] } ] }
client: { deadline: 1h, retry: { attempts: 5 } }
workload: [ { name: w, arrivals: { constant: 100/s }, prompt: 10, max_tokens: 10 } ]";
        let scenario =
            scenario::parse("waiting", yaml, &Overrides::default(), None).expect("a valid scenario");
        let mut engines = Engines::new(&scenario);
        let mut recorder = Recorder::new(&scenario);
        let load = Load::new(&scenario);
        let mut world = World::new(&scenario, load, engines.use_limit_headers(), &mut recorder);
        world.max_jobs = 1_000;
        let at = run(&mut engines, &mut world, &mut Punctual);
        let end = RunEnd { at, mode: Mode::Virtual, scheduled: None, interrupted: true };
        let summary = recorder.finish(end);
        // Of 100 jobs per second, about seven are served in all.
        assert_eq!(summary.jobs.in_flight, 1_000);
        assert!((9.9..10.3).contains(&summary.duration_s) && summary.planned_s == Some(60.0), "{at:?}");
    }
}
