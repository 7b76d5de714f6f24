//! The event log: the bytes of every kind of line, and a reader whose errors name the line.

use super::launch_scenario;
use super::toy_model::{RunConditions, simulate};
use provider::{Axis, Instant, Nanos, Usage};
use quotalab::event::{
    AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, HedgeUse, JobEnd, JobOutcome, Obstacle,
    ProviderDecision, RefusalCause, WaitReason,
};
use quotalab::ids::{AttemptId, EngineId, JobId, TargetId, WorkloadId};
use quotalab::record::{Fold, Log, log};
use std::collections::BTreeSet;

const HEADER: &str = r#"{"scenario":"launch day","schema":"quotalab/events/1","seed":7}"#;
const ATTEMPT: AttemptId = AttemptId(3);
const TARGET: TargetId = TargetId(1);
const AT: Instant = Instant(9);

fn end(outcome: JobOutcome) -> JobEnd {
    let served = outcome == JobOutcome::Succeeded;
    JobEnd {
        attempts: 2,
        step: served.then_some(1),
        queue: Nanos(1),
        wait: Nanos(2),
        service: Nanos(3),
        failed_attempts: Nanos(4),
        first_token: served.then_some(Nanos(5)),
        ..super::job_end(outcome, Instant(8))
    }
}

/// Returns every kind of event with the end of its line in the log, from the kind on. Jobs arrive before they end.
fn lines() -> Vec<(EventKind, &'static str)> {
    let (mut lines, mut job) = (attempt_lines(), job_lines());
    lines.append(&mut job);
    lines
}

fn attempt_lines() -> Vec<(EventKind, &'static str)> {
    let usage = Usage { prompt_tokens: 7, completion_tokens: 5, cached_tokens: 0 };
    let decided = |decision| EventKind::Decided { attempt: ATTEMPT, target: TARGET, decision };
    let replied = |outcome, usage| EventKind::Replied { attempt: ATTEMPT, target: TARGET, outcome, usage };
    let limited = |axis| AttemptOutcome::Refused { axis, cause: RefusalCause::DayLimit };
    let failed = |failure| replied(AttemptOutcome::Failed(failure), Usage::default());
    vec![
        (
            decided(ProviderDecision::Admitted { reserved: 12 }),
            r#""ruled","attempt":3,"target":1,"ruled":"admitted","reserved":12"#,
        ),
        (
            decided(ProviderDecision::Refused { axis: Axis::Tpm, requested: 12 }),
            r#""ruled","attempt":3,"target":1,"ruled":"refused","axis":"tpm","requested":12"#,
        ),
        (decided(ProviderDecision::TooLong), r#""ruled","attempt":3,"target":1,"ruled":"too_long""#),
        (decided(ProviderDecision::Faulted), r#""ruled","attempt":3,"target":1,"ruled":"faulted""#),
        (
            EventKind::Settled { attempt: ATTEMPT, target: TARGET, workload: WorkloadId(0), usage },
            r#""settled","attempt":3,"target":1,"prompt_tokens":7,"completion_tokens":5"#,
        ),
        (
            replied(AttemptOutcome::Ok, Usage { cached_tokens: 4, ..usage }),
            r#""replied","attempt":3,"target":1,"outcome":"ok","prompt_tokens":7,"cached_tokens":4,"completion_tokens":5"#,
        ),
        (
            replied(limited(Some(Axis::Rpd)), Usage::default()),
            r#""replied","attempt":3,"target":1,"outcome":"limited","cause":"day_limit","axis":"rpd","prompt_tokens":0,"completion_tokens":0"#,
        ),
        (
            replied(limited(None), Usage::default()),
            r#""replied","attempt":3,"target":1,"outcome":"limited","cause":"day_limit","prompt_tokens":0,"completion_tokens":0"#,
        ),
        (
            failed(AttemptFailure::Status(503)),
            r#""replied","attempt":3,"target":1,"outcome":"failed","failure":"status_503","prompt_tokens":0,"completion_tokens":0"#,
        ),
        (
            failed(AttemptFailure::Timeout),
            r#""replied","attempt":3,"target":1,"outcome":"failed","failure":"timeout","prompt_tokens":0,"completion_tokens":0"#,
        ),
        (
            EventKind::AttemptCancelled { attempt: ATTEMPT, target: TARGET },
            r#""abandoned","attempt":3,"target":1"#,
        ),
        (
            EventKind::CoolDownBegan { target: TARGET, until: Instant(99), cause: RefusalCause::ShortLimit },
            r#""cooled_down","target":1,"until_ns":99,"cause":"minute_limit""#,
        ),
        (EventKind::Hedged { attempt: AttemptId(4), beside: ATTEMPT }, r#""hedged","attempt":4,"beside":3"#),
        (EventKind::FirstByte { attempt: ATTEMPT, target: TARGET }, r#""first_byte","attempt":3,"target":1"#),
    ]
}

fn job_lines() -> Vec<(EventKind, &'static str)> {
    let arrived = |max_tokens: Option<u32>| EventKind::Arrived {
        workload: WorkloadId(0),
        engine: EngineId::default(),
        scheduled: Instant(8),
        deadline: max_tokens.map(|_| Instant(80)),
        prompt_tokens: 7,
        max_tokens,
    };
    let done = |outcome| EventKind::Done(end(outcome));
    let first = (
        arrived(Some(6)),
        r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7,"deadline_ns":80,"max_tokens":6"#,
    );
    let ends = vec![
        (
            done(JobOutcome::Succeeded),
            r#""done","verdict":"succeeded","attempts":2,"step":1,"queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4,"first_token_ns":5"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            EventKind::Done(JobEnd { cut: true, ..end(JobOutcome::Succeeded) }),
            r#""done","verdict":"succeeded","attempts":2,"step":1,"queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4,"first_token_ns":5,"cut":true"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            EventKind::Done(JobEnd { hedge: HedgeUse::Won, ..end(JobOutcome::Succeeded) }),
            r#""done","verdict":"succeeded","attempts":2,"hedge":"won","step":1,"queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4,"first_token_ns":5"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            done(JobOutcome::Shed(EndReason::QueueFull)),
            r#""done","verdict":"shed","attempts":2,"reason":"queue_full","queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            done(JobOutcome::Shed(EndReason::Cancelled)),
            r#""done","verdict":"shed","attempts":2,"reason":"cancelled","queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            done(JobOutcome::Failed(EndReason::Interrupted)),
            r#""done","verdict":"failed","attempts":2,"reason":"interrupted","queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4"#,
        ),
        (arrived(None), r#""arrived","class":0,"scheduled_ns":8,"prompt_tokens":7"#),
        (
            done(JobOutcome::InFlight),
            r#""done","verdict":"in_flight","attempts":2,"queue_ns":1,"wait_ns":2,"service_ns":3,"lost_ns":4"#,
        ),
    ];
    [vec![first], course_lines(), ends].concat()
}

/// Returns the lines of what happens to a job between its arrival and its end.
fn course_lines() -> Vec<(EventKind, &'static str)> {
    vec![
        (EventKind::Queued { waiting: 2 }, r#""queued","waiting":2"#),
        (
            EventKind::Waiting {
                until: Instant(99),
                obstacle: Obstacle {
                    axis: Some(Axis::Tpm),
                    cause: Some(RefusalCause::ShortLimit),
                    ..super::obstacle(WaitReason::CoolDown)
                },
                may_extend: false,
            },
            r#""waiting","until_ns":99,"why":"cool_down","target":0,"axis":"tpm","cause":"minute_limit""#,
        ),
        (
            EventKind::Waiting {
                until: Instant(99),
                obstacle: super::obstacle(WaitReason::Probe),
                may_extend: true,
            },
            r#""waiting","until_ns":99,"why":"probe","target":0,"may_extend":true"#,
        ),
        (
            EventKind::Sent { attempt: ATTEMPT, target: TARGET, step: 0, number: 1 },
            r#""sent","attempt":3,"target":1,"step":0,"number":1"#,
        ),
        (EventKind::FellBack { from: 0, to: 1 }, r#""fell_back","from":0,"to":1"#),
        (EventKind::CacheHit, r#""cache_hit""#),
        (EventKind::Coalesced { leader: JobId(2) }, r#""joined","leader":2"#),
        (EventKind::Promoted { leader: JobId(2), attempt: None }, r#""took_over","leader":2"#),
        (
            EventKind::Promoted { leader: JobId(2), attempt: Some(ATTEMPT) },
            r#""took_over","leader":2,"attempt":3"#,
        ),
    ]
}

#[test]
fn every_kind_of_event_has_its_line_and_is_read_from_it() {
    let mut log = Log::new(Vec::new(), &launch_scenario(1.0)).unwrap();
    let events: Vec<_> =
        lines().iter().map(|(kind, _)| Event { at: AT, job: JobId(4), kind: *kind }).collect();
    events.iter().for_each(|event| log.event(event));
    let text = String::from_utf8(log.finish().unwrap()).unwrap();
    let expected =
        lines().iter().map(|(_, line)| format!(r#"{{"at_ns":9,"job":4,"kind":{line}}}"#)).collect::<Vec<_>>();
    assert_eq!(text.lines().next(), Some(HEADER));
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), expected);
    let read: Vec<_> = log::read(text.as_bytes()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, events);
}

#[test]
fn a_log_ends_with_the_last_line_that_fits() {
    let write = |max_bytes| {
        let mut log = Log::bounded(Vec::new(), &launch_scenario(1.0), max_bytes).unwrap();
        for (kind, _) in lines() {
            log.event(&Event { at: AT, job: JobId(4), kind });
        }
        (log.is_cut(), log.finish().unwrap())
    };
    let (is_cut, whole) = write(u64::MAX);
    assert!(!is_cut && whole.ends_with(b"}\n"));
    assert_eq!(write(whole.len() as u64), (false, whole.clone()));
    let (is_cut, short) = write(whole.len() as u64 - 1);
    assert!(is_cut && short.ends_with(b"}\n") && short.len() < whole.len() && whole.starts_with(&short));
    assert!(write(200).1.len() <= 200);
}

#[test]
fn the_log_of_a_day_is_in_order_of_time() {
    let scenario = launch_scenario(14.0);
    let mut log = Log::new(Vec::new(), &scenario).unwrap();
    let conditions = RunConditions { per_min: 14.0, swing: 0.8, incident: 46_800.0..48_000.0 };
    simulate(&scenario, &conditions, &mut log);
    let text = log.finish().unwrap();
    let events: Vec<_> = log::read(text.as_slice()).unwrap().map(Result::unwrap).collect();
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let kinds: BTreeSet<_> = lines.map(|line| line["kind"].as_str().unwrap().to_owned()).collect();
    let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
    assert_eq!(kinds, ["arrived", "done", "fell_back", "replied", "ruled", "sent", "settled", "waiting"]);
}

#[test]
fn an_error_names_its_line_and_ends_the_log() {
    let arrived = r#"{"at_ns":0,"job":4,"kind":"arrived","class":0,"scheduled_ns":0,"prompt_tokens":1}"#;
    let replied = r#"{"at_ns":0,"job":4,"kind":"replied","attempt":0,"target":0,"outcome":"failed","failure":"x","prompt_tokens":0,"completion_tokens":0}"#;
    let refused = r#"{"at_ns":0,"job":4,"kind":"ruled","attempt":0,"target":0,"ruled":"refused","axis":"x","requested":1}"#;
    let done = r#"{"at_ns":0,"job":4,"kind":"done","verdict":"failed","attempts":0,"queue_ns":0,"wait_ns":0,"service_ns":0,"lost_ns":0}"#;
    for (lines, expected) in [
        (vec!["{"], "line 2 of the event log: EOF"),
        (
            vec![arrived, r#"{"at_ns":0,"job":4,"kind":"vanished"}"#],
            "line 3 of the event log: unknown variant",
        ),
        (vec![arrived, replied], "line 3 of the event log: unknown failure `x`"),
        (vec![arrived, refused], "line 3 of the event log: unknown axis `x`"),
        (vec![done], "line 2 of the event log: job 4 ends but never arrived"),
        (vec![arrived, done], "line 3 of the event log: `reason` belongs to"),
    ] {
        let text = [&[HEADER], lines.as_slice(), &[arrived]].concat().join("\n");
        let mut events = log::read(text.as_bytes()).unwrap();
        let error = events.find_map(Result::err).expect("an error").to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(events.next().is_none(), "nothing is read after an error");
    }
    let other = HEADER.replace("events/1", "events/9");
    for (text, expected) in
        [("", "line 1 of the event log: not a header"), (&other, "line 1 of the event log: schema")]
    {
        let error = log::read(text.as_bytes()).expect_err("no header").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
