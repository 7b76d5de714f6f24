//! Queueing theory against the concurrency cap: c places, exponential service and Poisson arrivals are the
//! M/M/c queue, whose mean wait Erlang wrote down in 1917.

use provider::Instant;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::record::Fold;
use quotalab::scenario::{self, Overrides, Scenario};

const LOAD: f64 = 0.8;
const REPLICAS: u64 = 40;

/// `c` places, served in a second on average, at four fifths of what they can serve.
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
    scenario::parse("queue", &yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Erlang's C: the chance that all `c` places are taken, for `a` = arrival rate × mean service.
fn erlang_c(c: u32, a: f64) -> f64 {
    // B by its recursion, then C from B.
    let b = (1..=c).fold(1.0, |b, n| a * b / (f64::from(n) + a * b));
    let c = f64::from(c);
    c * b / (c - a * (1.0 - b))
}

/// Counts heads over time, and asks each job in the end how long it was there.
#[derive(Default)]
struct Heads {
    now: Instant,
    in_system: u128,
    in_line: u128,
    /// The areas under the two, in jobs × nanoseconds.
    system_area: u128,
    line_area: u128,
    /// The sums of what the jobs tell.
    latencies: u128,
    queues: u128,
    /// Of the jobs after the warm-up: how many, and their time in line in seconds.
    after: Instant,
    jobs: f64,
    waited: f64,
}

impl Fold for Heads {
    fn event(&mut self, event: &Event) {
        let passed = u128::from(event.at.since(self.now).0);
        self.system_area += passed * self.in_system;
        self.line_area += passed * self.in_line;
        self.now = event.at;
        match event.kind {
            EventKind::Arrived { .. } => self.in_system += 1,
            EventKind::Queued { waiting } => {
                self.in_line += 1;
                assert_eq!(self.in_line, u128::from(waiting), "the line is as long as the event says");
            }
            // Who is sent when the line is not empty comes from its head: first come, first served.
            EventKind::Sent { .. } => self.in_line = self.in_line.saturating_sub(1),
            EventKind::Done(ending) => {
                self.in_system -= 1;
                self.latencies += u128::from(event.at.since(ending.scheduled).0);
                self.queues += u128::from(ending.queue.0);
                if ending.scheduled >= self.after {
                    self.jobs += 1.0;
                    self.waited += ending.queue.as_secs_f64();
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_concurrency_cap_is_erlangs_queue() {
    for c in [1, 2, 5, 10] {
        let expected = erlang_c(c, LOAD * f64::from(c)) / (f64::from(c) * (1.0 - LOAD));
        let means: Vec<f64> = (0..REPLICAS)
            .map(|seed| {
                // Seeds of their own, so that one unlucky replica does not speak for every c.
                let scenario = scenario(c, u64::from(c) * 1_000 + seed);
                // A tenth of the run is many times longer than the queue remembers.
                let mut heads = Heads { after: Instant(scenario.duration.0 / 10), ..Heads::default() };
                virtual_time::simulate(&scenario, &mut heads);
                heads.waited / heads.jobs
            })
            .collect();
        let runs = REPLICAS as f64;
        let mean = means.iter().sum::<f64>() / runs;
        let variance = means.iter().map(|each| (each - mean) * (each - mean)).sum::<f64>() / (runs - 1.0);
        let error = (variance / runs).sqrt();
        println!("M/M/{c}: {mean:.4} s in line, Erlang says {expected:.4}, standard error {error:.4}");
        assert!(error < 0.05 * expected, "M/M/{c}: too few jobs to tell");
        assert!(
            (mean - expected).abs() <= 3.0 * error,
            "M/M/{c}: {mean} s in line, not {expected} ± {error}"
        );
    }
}

#[test]
fn heads_counted_over_time_are_the_times_told_by_the_jobs() {
    for c in [1, 3, 10] {
        let scenario = scenario(c, 99);
        let mut heads = Heads::default();
        virtual_time::simulate(&scenario, &mut heads);
        // Little's law for a run that begins and ends empty: the area under the number of jobs is the sum of
        // their times, to the nanosecond.
        assert_eq!((heads.in_system, heads.in_line), (0, 0));
        assert_eq!(heads.system_area, heads.latencies);
        assert_eq!(heads.line_area, heads.queues);
        assert!(heads.queues > 0);
    }
}

#[test]
fn erlangs_c_is_right_where_it_is_known() {
    // M/M/1: the chance to wait is the load. M/M/2 at a = 1: 1/3 (Kleinrock, Queueing Systems I, 3.5).
    assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
    assert!((erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
}
