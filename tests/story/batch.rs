//! A batch: a fixed number of jobs that a fixed number of workers send one after the other.

use super::{parse, run, summary};
use quotalab::record::BatchResult;
use quotalab::report::{Style, text};
use quotalab::scenario::{self, Metric, Overrides};

/// Ten jobs of a second each, two at once, from the fifth second on. A worker begins its next job a millisecond after its last.
#[test]
fn two_workers_end_ten_jobs_in_five_rounds() {
    let yaml = "
duration: 1m
providers: { p: { models: { m: { latency: { total: 1s, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, batch: { jobs: 10, from: 5s, workers: 2 }, prompt: 10, completion: 10 }]";
    let sends: Vec<f64> = run(yaml).sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [5.0, 5.0, 6.001, 6.001, 7.002, 7.002, 8.003, 8.003, 9.004, 9.004]);
    let summary = summary(yaml);
    let batch = summary.workloads[0].batch.as_ref().expect("it is a batch");
    assert_eq!((batch.jobs, batch.ended, batch.finished_s), (10, 10, Some(10.004)));
    assert_eq!((batch.progress_s.len(), batch.progress_s[0], batch.progress_s[99]), (100, 6.0, 10.004));
    assert!(summary.holds(), "it is finished by the end of the run: {:#?}", summary.expect);
}

/// The same batch in a run of eight seconds: of three rounds that begin, the third ends at 8.002 s.
#[test]
fn jobs_that_end_after_the_run_did_not_end_by_its_end() {
    let summary = summary(
        "
duration: 8s
providers: { p: { models: { m: { latency: { total: 1s, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, batch: { jobs: 10, from: 5s, workers: 2 }, prompt: 10, completion: 10 }]",
    );
    let batch = summary.workloads[0].batch.as_ref().expect("it is a batch");
    assert_eq!((batch.ended, batch.ended_by_end(), batch.finished_s), (6, 4, None));
    let rule = summary.expect.iter().find(|rule| rule.metric == Some(Metric::FinishedBy)).expect("a rule");
    assert_eq!((rule.pass, rule.ended), (false, Some([4, 10])));
    assert_eq!(rule.end_of_batch(&summary.run_time()).as_deref(), Some("4 of 10 ended"));
    let report = text::render(&summary, Style::Plain);
    assert!(report.contains("w: 4 of 10 jobs ended by the end of the run; 2 workers"), "{report}");
}

fn night(route: &str, accounts: &str) -> String {
    format!(
        "
duration: 8h
start: full
providers: {{ p: {{ {accounts} models: {{ m: {{ limits: {{ tpm: 250k }}, latency: {{ total: 2s }} }} }} }} }}
routes: {{ r: [{route}] }}
client: {{ deadline: 1h, retry: {{ attempts: 100 }} }}
workload: [{{ name: nightly, batch: {{ jobs: 250k, workers: 40 }}, prompt: 600, completion: 111, max_tokens: 111 }}]
expect: [\"finished by 8h\", \"success >= 99%\"]"
    )
}

fn batch(yaml: &str) -> (BatchResult, bool) {
    let summary = summary(yaml);
    let rule = summary.expect.iter().find(|rule| rule.metric == Some(Metric::FinishedBy)).expect("a rule");
    (summary.workloads[0].batch.clone().expect("it is a batch"), rule.pass)
}

/// A limit of 250,000 tokens per minute admits 8 h · 60 · 250,000 ÷ 711 = 168,776 jobs of 711 tokens, and 351 of the full bucket.
#[test]
fn one_account_does_not_finish_the_night() {
    let (batch, in_time) = batch(&night("{ of: [p/default/m] }", ""));
    // The jobs in flight at the end of the run end after it.
    assert!((168_000..=169_127 + 40).contains(&batch.ended), "{}", batch.ended);
    assert!(batch.finished_s.is_none() && !in_time);
    assert_eq!(batch.progress_s.len() as u64, batch.ended * 100 / 250_000);
}

/// Two accounts admit 703 jobs a minute: 250,000 take 5 h 55 min by arithmetic, less what the buckets hold at the start.
#[test]
fn two_accounts_finish_in_six_hours() {
    let step = "{ pick: most_room, of: [p/a/m, p/b/m] }";
    let (batch, in_time) = batch(&night(step, "accounts: { a: [k], b: [l] },"));
    let hours = batch.finished_s.expect("it is finished") / 3_600.0;
    assert!((5.85..6.05).contains(&hours) && in_time, "{hours}");
}

/// `finished by 6h` of a batch from the 22nd hour is the sixth hour of the next day.
#[test]
fn a_batch_of_the_evening_is_due_the_next_morning() {
    let yaml = |duration: &str, rule: &str| {
        format!(
            "duration: {duration}
providers: {{ p: {{ models: {{ m: {{}} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload:
  - {{ name: nightly, batch: {{ jobs: 10, from: 22h, workers: 1 }}, prompt: 10 }}
  - {{ name: chat, arrivals: {{ poisson: 1/h }}, prompt: 10 }}
expect: [\"{rule}\", \"success >= 50%\"]"
        )
    };
    for rule in ["finished by 6h", "nightly: finished by 30h"] {
        let scenario = parse(&yaml("32h", rule));
        let rules = scenario.expect.iter().filter(|rule| rule.metric == Metric::FinishedBy);
        let rules: Vec<_> = rules.map(|rule| (rule.workload.map(|id| id.0), rule.value)).collect();
        assert_eq!(rules, [(Some(0), 30.0 * 3_600.0)], "{rule}");
    }
    let error = |duration: &str, rule: &str| {
        let read = scenario::parse("batch", &yaml(duration, rule), &Overrides::default(), None);
        read.expect_err("a wrong rule").to_string()
    };
    assert!(
        error("24h", "finished by 6h").contains("write `duration: 1d6h`"),
        "{}",
        error("24h", "finished by 6h")
    );
    let same_day = error("24h", "finished by 20h");
    assert!(same_day.contains("the batch begins at 22h, so this is 1d20h after the start"), "{same_day}");
    assert!(same_day.contains("or a time after 22h, when the batch begins, and up to 1d"), "{same_day}");
    let too_late = error("24h", "finished by 30h");
    assert!(too_late.contains("this is 1d6h after") && !too_late.contains(", so this"), "{too_late}");
    assert!(error("32h", "chat: finished by 6h").contains("`chat` is not a `batch`"));
    assert!(error("20h", "success >= 99%").contains("begins when the run has ended"));
    assert!(error("32h", "finished <= 6h").contains("unknown metric"));
}
