//! How long calls stand in line for a slot, against Erlang's formula: Poisson arrivals, exponential service.

use super::config;
use super::erlang::{batch_means, erlang_c};
use provider::config::{Estimate, Latency, Reserve, Service};
use provider::decision::Decision;
use provider::dist::Dist;
use provider::{Call, Instant, Nanos, Provider, Stream, Truth};

const BATCHES: usize = 40;
/// Calls per batch. At 80 % the line forgets within some hundred services.
const LENGTH: usize = 15_000;
const BUSY: f64 = 0.8;

/// Holds the mean wait of `slots` slots against `C / (cμ − λ)` with μ = 1 per second, to three standard errors
/// of the batch means.
fn holds(slots: u32) {
    let mut config = config(1, vec![], Reserve::of(Estimate::Prompt));
    config.models[0].latency = Latency {
        service: Service::Total(Dist::Exponential(1.0)),
        network: Dist::Constant(0.0),
        slots: Some(slots),
    };
    let mut provider = Provider::new(&config);
    let mut stream = Stream::new(2026, "arrivals", u64::from(slots));
    let load = BUSY * f64::from(slots);
    let gap = Dist::Exponential(1.0 / load);
    let (mut now, mut draw) = (Instant::ZERO, 0);
    let (wait, error) = batch_means(BATCHES, LENGTH, || {
        now += Nanos::from_secs_f64(gap.sample(&mut stream));
        draw += 1;
        let call = Call { account: 0, model: 0, max_tokens: None };
        match provider.arrive(now, call, Truth { draw, ..Truth::default() }).verdict {
            Decision::Admitted(service) => service.started_at.since(now).as_secs_f64(),
            other => panic!("nothing limits these calls: {other:?}"),
        }
    });
    let expected = erlang_c(slots, load) / (f64::from(slots) - load);
    assert!((wait - expected).abs() <= 3.0 * error, "{slots} slots: {wait} s, not {expected} ± {error}");
}

#[test]
fn one_slot_is_an_m_m_1() {
    holds(1);
}

#[test]
fn several_slots_are_an_m_m_c() {
    for slots in [2, 5, 10] {
        holds(slots);
    }
}
