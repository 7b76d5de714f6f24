//! Queueing theory against the client's own `concurrency` (not a provider's limit): at most c attempts in flight, exponential service
//! times and Poisson arrivals are the M/M/c queue. Its mean wait is given by Erlang's C formula (1917).

use crate::story::parse;
use provider::Instant;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::record::Fold;
use quotalab::scenario::Scenario;

/// Offered load as a share of the capacity.
const LOAD: f64 = 0.8;
const REPLICAS: u64 = 40;

/// A client with at most `c` attempts in flight, a mean service time of 1 s, and arrivals at [`LOAD`] of the capacity.
fn scenario(c: u32, seed: u64) -> Scenario {
    let yaml = format!(
        "
name: M/M/{c}
seed: {seed}
duration: {}s
providers: {{ p: {{ models: {{ m: {{ latency: {{ total: {{ mean: 1s }}, network: 0s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 100h, retry: {{ attempts: 1 }}, concurrency: {c}, queue: 1M }}
workload: [{{ name: w, route: r, arrivals: {{ poisson: {:.1}/s }}, prompt: 1, completion: 1 }}]
",
        40_000 / c,
        LOAD * f64::from(c)
    );
    parse(&yaml)
}

/// Erlang's C: the probability that an arrival waits, for `a` = arrival rate × mean service time.
fn erlang_c(c: u32, a: f64) -> f64 {
    // Erlang's B by recursion, then C from B.
    let b = (1..=c).fold(1.0, |b, n| a * b / (f64::from(n) + a * b));
    let c = f64::from(c);
    c * b / (c - a * (1.0 - b))
}

/// Integrates the number of jobs over time, and sums the times that the jobs report.
#[derive(Default)]
struct Population {
    now: Instant,
    in_system: u128,
    in_queue: u128,
    /// The integrals of both over time, in jobs × nanoseconds.
    system_area: u128,
    queue_area: u128,
    /// Sums over all jobs, in nanoseconds.
    latencies: u128,
    queue_times: u128,
    /// The end of the warm-up.
    warm_up_end: Instant,
    /// Of the jobs scheduled after the warm-up: their number, and the sum of their times in the queue in seconds.
    jobs: f64,
    queue_times_s: f64,
}

impl Fold for Population {
    fn event(&mut self, event: &Event) {
        let passed = u128::from(event.at.since(self.now).0);
        self.system_area += passed * self.in_system;
        self.queue_area += passed * self.in_queue;
        self.now = event.at;
        match event.kind {
            EventKind::Arrived { .. } => self.in_system += 1,
            EventKind::Queued { waiting } => {
                self.in_queue += 1;
                assert_eq!(self.in_queue, u128::from(waiting), "the event states the length of the queue");
            }
            // First come, first served: if the queue is not empty, the job that is sent was its first.
            EventKind::Sent { .. } => self.in_queue = self.in_queue.saturating_sub(1),
            EventKind::Done(end) => {
                self.in_system -= 1;
                self.latencies += u128::from(event.at.since(end.scheduled).0);
                self.queue_times += u128::from(end.queue.0);
                if end.scheduled >= self.warm_up_end {
                    self.jobs += 1.0;
                    self.queue_times_s += end.queue.as_secs_f64();
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_mean_wait_at_the_clients_concurrency_is_erlangs() {
    for c in [1, 2, 5, 10] {
        let expected = erlang_c(c, LOAD * f64::from(c)) / (f64::from(c) * (1.0 - LOAD));
        let means: Vec<f64> = (0..REPLICAS)
            .map(|seed| {
                // Different seeds for each c, so that the estimates are independent.
                let scenario = scenario(c, u64::from(c) * 1_000 + seed);
                // The warm-up, a tenth of the run, is many times longer than the queue's correlation time.
                let warm_up_end = Instant(scenario.duration.0 / 10);
                let mut population = Population { warm_up_end, ..Population::default() };
                virtual_time::simulate(&scenario, &mut population);
                population.queue_times_s / population.jobs
            })
            .collect();
        let runs = REPLICAS as f64;
        let mean = means.iter().sum::<f64>() / runs;
        let variance = means.iter().map(|each| (each - mean) * (each - mean)).sum::<f64>() / (runs - 1.0);
        let error = (variance / runs).sqrt();
        println!("M/M/{c}: mean wait {mean:.4} s, expected {expected:.4} s, standard error {error:.4} s");
        assert!(error < 0.05 * expected, "M/M/{c}: too few jobs");
        assert!(
            (mean - expected).abs() <= 3.0 * error,
            "M/M/{c}: mean wait {mean} s, expected {expected} ± {error} s"
        );
    }
}

#[test]
fn littles_law_holds_exactly() {
    for c in [1, 3, 10] {
        let scenario = scenario(c, 99);
        let mut population = Population::default();
        virtual_time::simulate(&scenario, &mut population);
        // The run begins and ends empty, so the integral of the number of jobs equals the sum of their times, to the
        // nanosecond.
        assert_eq!((population.in_system, population.in_queue), (0, 0));
        assert_eq!(population.system_area, population.latencies);
        assert_eq!(population.queue_area, population.queue_times);
        assert!(population.queue_times > 0);
    }
}

#[test]
fn erlangs_c_matches_known_values() {
    // M/M/1: the probability of a wait is the load. M/M/2 at a = 1: 1/3 (Kleinrock, Queueing Systems I, 3.5).
    assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
    assert!((erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
}
