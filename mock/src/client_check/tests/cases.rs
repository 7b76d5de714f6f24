//! Clients as they occur in practice, and the expected verdict on each.

use super::*;
use crate::config::{Config, Limit, ModelConfig};
use crate::decision::Decision;
use crate::{Call, Provider, RandomStream, Truth};

/// A client that sends jobs and retries refused ones, against a limit of requests per minute.
#[derive(Clone, Copy)]
struct Client {
    jobs: u64,
    /// Time between the starts of two jobs.
    spacing_ms: u64,
    /// `true` if every job has a body of its own.
    distinct_bodies: bool,
    /// `true` if the body changes with each attempt of a job.
    changes_bodies: bool,
    max_attempts: u32,
    /// The pause before a retry, in per cent of the announced wait.
    wait_percent: u64,
    /// The largest random pause on top of it, besides a microsecond that is always added.
    jitter_ms: u64,
    /// `true` if it states its retry counts.
    counts: bool,
    /// The time that a served request takes.
    service_ms: u64,
}

/// A client like `with_backoff` in `mock/clients/python/test_verdict.py`, with sixty jobs at once: each makes at most six attempts, between
/// which it waits as announced and up to a second more.
const BACKOFF: Client = Client {
    jobs: 60,
    spacing_ms: 0,
    distinct_bodies: false,
    changes_bodies: false,
    max_attempts: 6,
    wait_percent: 100,
    jitter_ms: 1_000,
    counts: false,
    service_ms: 400,
};

/// One request that is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at: Instant,
    job: u64,
    attempt: u32,
}

impl Client {
    /// Returns the journal of a provider that admits `rpm` requests per minute, and the instant at which the last reply ended.
    fn journal(self, rpm: u64, seed: u64) -> (Vec<Entry>, Instant) {
        let model = ModelConfig::new("m").with_limit(Limit::rpm(rpm));
        let mut provider = Provider::new(&Config::new("p").with_account("a").with_model(model));
        let mut planned: std::collections::BTreeSet<Planned> =
            (0..self.jobs).map(|job| Planned { at: at(job * self.spacing_ms), job, attempt: 0 }).collect();
        let (mut entries, mut end) = (Vec::new(), Instant::ZERO);
        while let Some(Planned { at: now, job, attempt }) = planned.pop_first() {
            let call = Call { account: 0, model: 0, max_tokens: None };
            let decision = provider.decide(now, call, Truth::default()).decision;
            // A body differs by its job, or by its attempt as well.
            let body = u64::from(self.changes_bodies) * u64::from(attempt + 1) * 1_000
                + u64::from(self.distinct_bodies) * job;
            let number = entries.len() as u64;
            let mut entry = Entry { request_number: number, arrived_at: now, at: now, ..served(0, body) };
            let connection = OpenConnection::new(now);
            entry.connection = Some(connection.next_request());
            if self.counts {
                entry = counted(attempt, entry);
            }
            let mut ended = now + Nanos::from_millis(1);
            if let Decision::Refused(denial) = decision {
                (entry.outcome, entry.status, entry.wait) = (LIMITED, Some(429), denial.wait);
                if attempt + 1 < self.max_attempts {
                    let wait = denial.wait.unwrap_or(Nanos::ZERO).0 / 100 * self.wait_percent;
                    let jitter = RandomStream::keyed(seed, number).unit() * self.jitter_ms as f64 * 1e6;
                    planned.insert(Planned {
                        at: now + Nanos(wait) + Nanos(jitter as u64 + 1_000),
                        job,
                        attempt: attempt + 1,
                    });
                }
            } else {
                ended += Nanos::from_millis(self.service_ms);
            }
            connection.close(ended);
            entry.end = End::Replied(ended);
            end = end.max(ended);
            entries.push(entry);
        }
        (entries, end)
    }

    fn report(self, rpm: u64, seed: u64) -> ClientReport {
        let (entries, end) = self.journal(rpm, seed);
        check(&entries, end, &Bounds::default())
    }
}

#[test]
fn a_client_that_backs_off_behaves_with_equal_and_with_different_prompts() {
    for distinct_bodies in [false, true] {
        for (service_ms, seed) in [(0, 1), (400, 2), (5_000, 3)] {
            for (max_attempts, refused) in [(60, 0), (6, 25)] {
                let client = Client { distinct_bodies, service_ms, max_attempts, ..BACKOFF };
                let report = client.report(30, seed);
                assert_eq!(report.verdict(), Verdict::Behaved, "{distinct_bodies} {service_ms}: {report}");
                assert_eq!(report.jobs.total, 60, "{report}");
                // Each round of two seconds admits one job.
                assert!(report.jobs.refused.abs_diff(refused) <= 2, "{report}");
            }
        }
    }
}

#[test]
fn a_client_that_backs_off_behaves_if_its_jobs_start_at_intervals() {
    for distinct_bodies in [false, true] {
        for spacing_ms in [1, 20, 150, 700] {
            for seed in 0..5 {
                let client = Client { distinct_bodies, spacing_ms, max_attempts: 60, ..BACKOFF };
                let report = client.report(30, seed);
                assert_eq!(
                    report.verdict(),
                    Verdict::Behaved,
                    "{distinct_bodies} {spacing_ms} {seed}: {report}"
                );
                assert_eq!((report.jobs.total, report.jobs.refused), (60, 0));
            }
        }
    }
}

#[test]
fn no_client_that_waits_as_announced_is_accused_while_it_runs() {
    for distinct_bodies in [false, true] {
        for counts in [false, true] {
            let client = Client { distinct_bodies, counts, spacing_ms: 3, ..BACKOFF };
            let (entries, _) = client.journal(30, 1);
            for kept in (0..entries.len()).step_by(7) {
                let now = entries[kept].at;
                let report = check(&entries[..kept], now, &Bounds::default());
                assert_eq!(report.counts, [0; 5], "{kept}: {report}");
            }
        }
    }
}

#[test]
fn hasty_clients_are_found_if_anything_identifies_their_jobs() {
    for (wait_percent, jitter_ms) in [(0, 500), (25, 0), (90, 50)] {
        let hasty = Client { wait_percent, jitter_ms, max_attempts: 5, ..BACKOFF };
        for identified in [Client { distinct_bodies: true, ..hasty }, Client { counts: true, ..hasty }] {
            let report = identified.report(30, 1);
            assert_eq!(report.verdict(), Verdict::Misbehaved, "{wait_percent}: {report}");
            assert!(report.counts[0] > 20, "{report}");
            assert_eq!(report.jobs.total, 60);
        }
        let equal = hasty.report(30, 1);
        assert_eq!(equal.counts, [0; 5], "perhaps separate jobs: {equal}");
        if wait_percent < 90 {
            assert_eq!(equal.verdict(), Verdict::CannotTell, "{wait_percent}: {equal}");
        }
    }
}

#[test]
fn a_load_tool_is_not_accused() {
    // Fifty workers with a connection each, on which they send three equal requests, a millisecond apart, whatever the reply.
    let worker = |worker: u64| {
        let connection = OpenConnection::new(at(worker / 10));
        (0..3).map(move |round| {
            let now = worker / 10 + 1 + round;
            let entry = if round == 0 && worker < 30 { served(now, 1) } else { refused(now, 1, 2_000) };
            let end = if entry.outcome == JournalOutcome::Served { now + 300 } else { now };
            Entry {
                request_number: worker + 50 * round,
                connection: Some(connection.next_request()),
                end: End::Replied(at(end)),
                ..entry
            }
        })
    };
    let entries: Vec<_> = (0..50).flat_map(worker).collect();
    for user_agent in ["hey/0.0.1", "oha/1.4.6", "k6/0.54.0 (https://k6.io/)", "Grafana k6/1.1.0", "mine/1"] {
        let sender = Sender { user_agent: Some(user_agent.into()), ..entries[0].sender.clone() };
        let entries: Vec<_> =
            entries.iter().map(|entry| Entry { sender: sender.clone(), ..entry.clone() }).collect();
        for now in [10, 5_000, 60_000] {
            assert_eq!(verdict(&entries, now), Verdict::CannotTell, "{user_agent}, {now}");
        }
    }
    let overloaded: Vec<_> = (0..2_000u64)
        .map(|number| Entry {
            request_number: number,
            end: End::Replied(at(number / 50 * 2 + 1)),
            ..overloaded(number / 50 * 2, 1)
        })
        .collect();
    assert_eq!(verdict(&overloaded, 60_000), Verdict::CannotTell, "fifty at a time on a 503");
}

#[test]
fn parallel_requests_are_no_retries_of_each_other() {
    // The connections were opened before the first refusal.
    let entries: Vec<_> = (0..32u64)
        .map(|number| {
            let entry = if number < 30 { served(10 + number, 1) } else { refused(10 + number, 1, 2_000) };
            Entry { connection: Some(OpenConnection::new(at(9)).next_request()), ..entry }
        })
        .collect();
    assert_eq!(verdict(&entries, 50), Verdict::NotYetKnown);
    let report = check(&entries, at(90_000), &Bounds::default());
    assert_eq!((report.verdict(), report.jobs.refused, report.jobs.total), (Verdict::Behaved, 2, 32));
}

/// Requests one after another on one connection.
fn one_after_another(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let connection = OpenConnection::new(Instant::ZERO);
    let on = |entry| Entry { connection: Some(connection.next_request()), ..entry };
    entries.into_iter().map(on).collect()
}

#[test]
fn retries_with_changed_bodies_within_a_wait_are_found() {
    for gap in [1, 60, 74, 400] {
        for tries in [4, 5, 20] {
            let tries = one_after_another((0..tries).map(|number| refused(number * gap, number, 30_000)));
            let report = check(&tries, at(20 * gap), &Bounds::default());
            assert_eq!(report.verdict(), Verdict::Misbehaved, "{gap}: {report}");
            assert_eq!(report.counts[0], tries.len() as u64 - 1, "{report}");
        }
    }
    // The first job uses up the limit; the second one is refused, and served after its wait.
    let obedient = Client { jobs: 2, changes_bodies: true, distinct_bodies: true, ..BACKOFF };
    let (entries, end) = obedient.journal(1, 0);
    assert!(entries.iter().any(|entry| entry.outcome == LIMITED), "a retry follows a refusal");
    let report = check(&entries, end + Nanos::HOUR, &Bounds::default());
    assert_eq!(report.verdict(), Verdict::Behaved, "each waited as announced: {report}");
}

#[test]
fn concurrent_jobs_that_wait_as_announced_are_no_series() {
    // Ten jobs with a request each on one connection, all refused, and retried when their wait is over.
    let jobs = || (0..10u64).map(|job| refused(job * 50, job, 2_000));
    let retried = jobs().chain((0..10u64).map(|job| served(job * 50 + 2_100 + job * 11, job)));
    let report = check(&one_after_another(retried), at(9_000), &Bounds::default());
    assert_eq!(report.verdict(), Verdict::Behaved, "{report}");
    // Two connections: the client does several things at a time.
    let connections = [0, 1].map(|_| OpenConnection::new(Instant::ZERO));
    let on_two = jobs().zip(connections.iter().cycle());
    let on_two: Vec<_> = on_two
        .map(|(entry, connection)| Entry { connection: Some(connection.next_request()), ..entry })
        .collect();
    assert_eq!(verdict(&on_two, 500), Verdict::NotYetKnown);
}

#[test]
fn forty_tries_on_an_overload_are_hammering() {
    for gap in [1, 20, 150, 290, 900] {
        for distinct_bodies in [false, true] {
            let tries = one_after_another(
                (0..40).map(|number| overloaded(number * gap, u64::from(distinct_bodies) * number)),
            );
            let report = check(&tries, at(40 * gap), &Bounds::default());
            assert_eq!(report.verdict(), Verdict::Misbehaved, "{gap}: {report}");
            assert_eq!(report.counts, [0, 0, 1, 0, 0], "{gap}: {report}");
        }
    }
    let patient = one_after_another((0..40).map(|number| overloaded(number * 2_000, 1)));
    assert_eq!(verdict(&patient, 900_000), Verdict::Behaved);
}

#[test]
fn a_refused_job_may_be_retried_until_its_wait_and_ten_seconds_are_over() {
    let asked = |entries: &[Entry], now| {
        let report = check(entries, at(now), &Bounds::default());
        (report.verdict(), report.jobs.refused, report.jobs.may_be_retried)
    };
    let once = [refused(0, 1, 2_000)];
    assert_eq!(asked(&once, 0), (Verdict::NotYetKnown, 1, 1));
    assert_eq!(asked(&once, 12_000), (Verdict::NotYetKnown, 1, 1));
    assert_eq!(asked(&once, 12_001), (Verdict::Misbehaved, 1, 0));
    let twice = [refused(0, 1, 2_000), refused(2_000, 1, 2_000)];
    assert_eq!(asked(&twice, 2_000), (Verdict::NotYetKnown, 1, 1));
    let long = [refused(0, 1, 3_600_000)];
    assert_eq!(asked(&long, 60_000), (Verdict::NotYetKnown, 1, 1));
    assert_eq!(asked(&long, 80_000), (Verdict::Behaved, 1, 0), "an hour need not be waited for");
    let failed = [overloaded(0, 1)];
    assert_eq!(asked(&failed, 5_000), (Verdict::NotYetKnown, 0, 1));
    assert_eq!(asked(&failed, 90_000), (Verdict::Behaved, 0, 0));
}

#[test]
fn keys_are_judged_on_their_own() {
    let of = |key: u16, entries: Vec<Entry>| {
        let sender = Sender { account: Some(0), key: Some(key), user_agent: None };
        entries.into_iter().map(move |entry| Entry { sender: sender.clone(), ..entry })
    };
    let hasty = counted_all([refused(0, 1, 2_000), refused(1_000, 1, 2_000), refused(1_500, 1, 2_000)]);
    let obedient = counted_all([refused(1, 1, 2_000), served(2_600, 1)]);
    let entries: Vec<_> = of(0, hasty).chain(of(1, obedient)).collect();
    let by_key = check_by_key(&entries, at(3_000), &Bounds::default());
    let by_key: Vec<_> = by_key
        .iter()
        .map(|((_, key), report)| (key.unwrap(), report.verdict(), report.jobs.refused))
        .collect();
    assert_eq!(by_key, [(0, Verdict::Misbehaved, 1), (1, Verdict::Behaved, 0)]);
    let all = check(&entries, at(3_000), &Bounds::default());
    assert_eq!((all.verdict(), all.jobs.refused, all.jobs.total), (Verdict::Misbehaved, 1, 2));
    assert_eq!(all.findings[0].key, Some(0));
}

#[test]
fn a_client_that_disconnects_may_retry() {
    let timed_out = Entry { end: End::Disconnected(at(1_000)), ..served(0, 1) };
    let entries = counted_all([timed_out, served(1_500, 1)]);
    let report = check(&entries, at(2_000), &Bounds::default());
    assert_eq!((report.verdict(), report.jobs.total, report.jobs.served), (Verdict::Behaved, 1, 1));
    let in_progress = Entry { end: End::InProgress, ..served(0, 1) };
    let report = check(&[in_progress, served(10, 1)], at(20), &Bounds::default());
    assert_eq!((report.jobs.total, report.jobs.in_progress, report.jobs.served), (2, 1, 1));
}

#[test]
fn a_retry_after_a_timer_has_overflowed_is_too_early() {
    // Node's timers hold 2^31 − 1 ms; a longer one fires after a millisecond.
    let wait = 30 * 24 * 3_600_000;
    let entries = counted_all([refused(0, 1, wait), refused(1, 1, wait), refused(3, 1, wait)]);
    let report = check(&entries, at(10), &Bounds::default());
    assert_eq!((report.verdict(), report.counts[0]), (Verdict::Misbehaved, 2), "{report}");
}

#[test]
fn ten_thousand_equal_requests_are_judged() {
    let entries: Vec<_> =
        (0..10_000u64).map(|number| Entry { request_number: number, ..refused(number, 1, 60_000) }).collect();
    let report = check(&entries, at(10_000), &Bounds::default());
    assert_eq!(report.attempts, 10_000);
}
