//! The worst window of each workload: the one in which the smallest share of its jobs succeeded.

use super::parse;
use quotalab::drive;
use quotalab::event::{Event, EventKind, JobOutcome};
use quotalab::record::{Finding, Fold, Mode, Recorder, Summary, WorstWindow};
use quotalab::report::verdict;
use quotalab::scenario::Scenario;

/// A run of six hours whose limit suffices for its mean rate, but not for the three minutes from 03:20.
fn peak(seed: u64) -> Scenario {
    parse(&format!(
        "
seed: {seed}
duration: 6h
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 300 }}, latency: {{ total: 500ms }} }} }} }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
client: {{ deadline: 20s, retry: {{ attempts: 3 }} }}
workload:
  - name: w
    route: r
    arrivals: {{ steps: [{{at: 0s, rate: 100/min}}, {{at: 200m, rate: 840/min}}, {{at: 203m, rate: 100/min}}] }}
    prompt: 100
    completion: 20
expect: ['success >= 80%']"
    ))
}

/// For every job the instant for which it was scheduled and, if it succeeded, its latency, in seconds.
#[derive(Default)]
struct Jobs(Vec<(f64, Option<f64>)>);

impl Fold for Jobs {
    fn event(&mut self, event: &Event) {
        if let EventKind::Done(end) = event.kind {
            let latency = event.at.since(end.scheduled).as_secs_f64();
            let succeeded = end.outcome == JobOutcome::Succeeded;
            self.0.push((end.scheduled.as_secs_f64(), succeeded.then_some(latency)));
        }
    }
}

fn run(scenario: &Scenario) -> (Summary, Jobs) {
    let mut jobs = Jobs::default();
    let summary = drive::record(Recorder::new(scenario), Mode::Virtual, &mut jobs, |folds| {
        drive::virtual_time::simulate(scenario, folds)
    });
    (summary, jobs)
}

fn worst(summary: &Summary, workload: usize) -> &WorstWindow {
    summary.workloads[workload].worst_window.as_ref().expect("a run with many jobs has a worst window")
}

#[test]
fn the_worst_window_is_the_one_that_the_jobs_show() {
    for seed in 1..4 {
        let (summary, Jobs(jobs)) = run(&peak(seed));
        let worst = worst(&summary, 0);
        let jobs_and_successes = |from: f64| {
            let of_window: Vec<_> =
                jobs.iter().filter(|(at, _)| (from..from + worst.length_s).contains(at)).collect();
            let served = of_window.iter().filter(|(_, latency)| latency.is_some()).count();
            (of_window.len(), served)
        };
        assert_eq!(jobs_and_successes(worst.from_s), (worst.jobs as usize, worst.succeeded as usize));
        let windows =
            (0..).map(|window| f64::from(window) * worst.length_s).take_while(|from| *from < 21_600.0);
        let shares = windows.map(|from| {
            let (jobs, served) = jobs_and_successes(from);
            served as f64 / jobs as f64
        });
        let least = shares.fold(1.0, f64::min);
        assert!((worst.succeeded as f64 / worst.jobs as f64 - least).abs() < 1e-12, "{worst:?} {least}");
        let mut latencies: Vec<f64> = jobs
            .iter()
            .filter(|(at, _)| (worst.from_s..worst.from_s + worst.length_s).contains(at))
            .filter_map(|(_, latency)| *latency)
            .collect();
        latencies.sort_by(f64::total_cmp);
        let exact = latencies[(latencies.len() * 95).div_ceil(100) - 1];
        assert!((worst.p95_s.unwrap() / exact - 1.0).abs() < 0.02, "{worst:?} {exact}");
    }
}

#[test]
fn a_peak_that_the_mean_hides_is_in_the_first_sentences() {
    let (summary, _) = run(&peak(1));
    assert!(summary.holds(), "the run as a whole passes the rule");
    let worst = worst(&summary, 0);
    assert!((12_000.0..12_180.0).contains(&worst.from_s), "within the three minutes: {worst:?}");
    let refused = worst.refused_by.as_ref().expect("the limit refuses then");
    assert_eq!((refused.target.as_str(), refused.axis.as_str()), ("p/default/m", "rpm"));
    let sentences = verdict::sentences(&summary);
    let sentence =
        sentences.iter().position(|sentence| sentence.starts_with("Worst from 03:2")).expect("a sentence");
    assert!(
        sentence < 4 && sentences[sentence].contains("while rpm on p/default/m refused"),
        "{sentences:?}"
    );
}

#[test]
fn each_workload_is_shown_by_itself() {
    let scenario = parse(
        "
duration: 1h
providers: { groq: { preset: groq-developer } }
routes: { r: [ { of: [groq/default/openai/gpt-oss-120b] } ] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload:
  - { name: b, route: r, arrivals: { users: 8, think: 0s }, prompt: 700, completion: 10, max_tokens: 20 }
  - { name: chat, route: r, arrivals: { poisson: 6/min }, prompt: 4500, completion: 350, max_tokens: 800 }
",
    );
    let (summary, _) = run(&scenario);
    let of = |name: &str| {
        let is_it = |finding: &&Finding| matches!(finding, Finding::WorkloadOutcome { workload, .. } if workload == name);
        summary.findings.iter().find(is_it).expect("a finding per workload")
    };
    let Finding::WorkloadOutcome { offered, succeeded, .. } = of("chat") else { unreachable!() };
    assert!(*succeeded < offered / 2, "{succeeded} of {offered}");
    assert!(matches!(of("b"), Finding::WorkloadOutcome { .. }));
}

#[test]
fn short_runs_and_rare_jobs_have_no_worst_window() {
    let with = |duration: &str, rate: &str| {
        run(&parse(&format!(
            "
duration: {duration}
providers: {{ p: {{ models: {{ m: {{}} }} }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
workload: [ {{ name: w, route: r, arrivals: {{ poisson: {rate} }}, prompt: 10, completion: 2 }} ]
"
        )))
        .0
    };
    assert_eq!(with("2m", "600/min").workloads[0].worst_window, None, "a run of two windows");
    assert_eq!(with("24h", "150/day").workloads[0].worst_window, None, "no window has enough jobs");
}
