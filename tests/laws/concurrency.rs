//! The concurrency limit that adapts itself, from outside: on the attempts in flight.

use crate::story::parse;
use proptest::prelude::*;
use provider::Instant;
use quotalab::drive::virtual_time;
use quotalab::event::{AttemptOutcome, Event, EventKind};
use quotalab::record::Fold;

/// Counts the attempts in flight and their results.
#[derive(Default)]
struct InFlight {
    now: u32,
    /// The most before `until`, and in the run.
    most: [u32; 2],
    until: Instant,
    served: u32,
    refused: u32,
}

impl Fold for InFlight {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Sent { .. } => {
                self.now += 1;
                let before = if event.at < self.until { &mut self.most[..] } else { &mut self.most[1..] };
                before.iter_mut().for_each(|most| *most = self.now.max(*most));
            }
            EventKind::Replied { outcome, .. } => {
                self.now -= 1;
                self.served += u32::from(outcome == AttemptOutcome::Ok);
                self.refused += u32::from(matches!(outcome, AttemptOutcome::Refused { .. }));
            }
            EventKind::AttemptCancelled { .. } => self.now -= 1,
            _ => {}
        }
    }
}

fn watch(yaml: &str, until: u64) -> InFlight {
    let mut in_flight = InFlight { until: Instant(until * 1_000_000_000), ..InFlight::default() };
    virtual_time::simulate(&parse(yaml), &mut in_flight);
    in_flight
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(16), failure_persistence: None, ..ProptestConfig::default() })]

    /// An idle client does not raise its limit: when its load rises after half a minute with two attempts in flight, it sends as many as
    /// it would have at first. A client that uses its limit raises it to its maximum, if nothing is refused, and never beyond.
    #[test]
    fn an_idle_client_keeps_its_limit_and_a_busy_one_reaches_the_maximum(initial in 8u32..40, more in 0u32..60) {
        let max = initial + more;
        let yaml = format!(
            "
name: idle, then busy
duration: 1m
providers: {{ p: {{ models: {{ m: {{ latency: {{ total: 2s, network: 0s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 10m, concurrency: {{ initial: {initial}, max: {max} }}, queue: 1M }}
workload:
  - {{ name: idle, route: r, arrivals: {{ constant: 1/s }}, prompt: 1, completion: 1 }}
  - {{ name: busy, route: r, arrivals: {{ steps: [{{ at: 0s, rate: 0/s }}, {{ at: 30s, rate: 500/s }}] }}, prompt: 1, completion: 1 }}"
        );
        // The first attempts of the busy time end two seconds after it has begun. Of those before, one ends within these two seconds.
        let [before, most] = watch(&yaml, 32).most;
        prop_assert!(before == initial || before == max.min(initial + 1), "{before} of {initial}");
        prop_assert_eq!(most, max);
    }

    /// Against a provider that admits `admitted` calls at once, and whatever the limit begins with, more than two thirds of the provider's
    /// concurrency is used, and few attempts are refused: some at first, then a few each time that the limit has risen beyond it, which
    /// takes about as many answers as the provider admits calls.
    #[test]
    fn it_finds_what_a_provider_admits(admitted in 2u32..60, initial in 1u32..150, seed: u64) {
        let yaml = format!(
            "
name: unknown concurrency
seed: {seed}
duration: 2m
providers: {{ p: {{ models: {{ m: {{ limits: {{ concurrency: {admitted} }}, latency: {{ total: {{ min: 500ms, max: 1500ms }}, network: 20ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 2m, queue: 1M, concurrency: {{ initial: {initial} }}, cool_down: off, retry: {{ attempts: 1 }} }}
workload: [{{ name: w, route: r, arrivals: {{ burst: 20k, every: 1h }}, prompt: 1, completion: 1 }}]"
        );
        let InFlight { served, refused, .. } = watch(&yaml, 0);
        // The provider can serve this many: one per second and call, less the network.
        let possible = f64::from(admitted) * 120.0 / 1.02;
        prop_assert!(f64::from(served) > possible * 0.66, "{served} of {possible} served, {refused} refused");
        let few = 4 * initial + 10 + 3 * served / admitted;
        prop_assert!(refused < few, "{refused} refused, {served} served");
    }
}
