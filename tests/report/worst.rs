//! The worst jobs: the right ones, with their whole story, in memory that was set at the start.

use super::launch_plan;
use super::world::{Weather, play};
use proptest::prelude::*;
use provider::{Instant, Nanos};
use quotalab::event::{EndReason, Event, EventKind, JobEnd, JobOutcome, WaitReason};
use quotalab::ids::{ClassId, JobId};
use quotalab::record::{Fold, JobTrace, SlowJobs};
use std::collections::BTreeMap;

/// What every job of a run took, learnt in unbounded memory.
#[derive(Default)]
struct All {
    succeeded: BTreeMap<u64, Nanos>,
    lost: Vec<(u64, JobOutcome)>,
}

impl Fold for All {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Done(JobEnd { outcome: JobOutcome::Succeeded, scheduled, .. }) => {
                self.succeeded.insert(event.job.0, event.at.since(scheduled));
            }
            EventKind::Done(JobEnd { outcome: verdict, .. }) => self.lost.push((event.job.0, verdict)),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Law: the jobs told are the slowest of all, and every story runs from arrival to end in order of time.
    #[test]
    fn the_slowest_jobs_are_told(seed in 0u64..1_000, per_min in 10.0f64..60.0) {
        let mut scenario = launch_plan(per_min);
        scenario.seed = seed;
        scenario.duration = Nanos::from_secs(1_800);
        let mut folds = (SlowJobs::new(), All::default());
        play(&scenario, &Weather { per_min, swing: 0.5, incident: 600.0..700.0 }, &mut folds);
        let stories = folds.0.stories(&scenario);
        let (slowest, lost): (Vec<&JobTrace>, Vec<&JobTrace>) = stories.iter().partition(|s| s.verdict == "succeeded");
        let mut longest: Vec<f64> = folds.1.succeeded.values().map(|length| length.as_secs_f64()).collect();
        longest.sort_by(|a, b| b.total_cmp(a));
        longest.truncate(10);
        prop_assert_eq!(slowest.len(), longest.len());
        for (story, length) in slowest.iter().zip(longest) {
            prop_assert!((story.latency_s - length).abs() < 1e-5);
        }
        let first = folds.1.lost.first().map(|(job, _)| *job);
        prop_assert_eq!(lost.first().map(|story| story.job), first);
        prop_assert!(lost.len() <= 10);
        for story in &stories {
            prop_assert_eq!(&story.moments[0].what, "arrives");
            prop_assert!(story.moments.windows(2).all(|pair| pair[0].at_s <= pair[1].at_s));
            prop_assert_eq!(story.moments.last().unwrap().at_s, story.latency_s);
            let sent = story.moments.iter().filter(|moment| moment.what.starts_with("attempt ")).count();
            prop_assert_eq!(sent, usize::from(story.attempts));
        }
    }
}

fn event(fold: &mut SlowJobs, second: u64, job: u64, kind: EventKind) {
    fold.event(&Event { at: Instant::ZERO + Nanos::from_secs(second), job: JobId(job), kind });
}

fn arrives(fold: &mut SlowJobs, second: u64, job: u64) {
    let scheduled = Instant::ZERO + Nanos::from_secs(second);
    event(
        fold,
        second,
        job,
        EventKind::Arrived {
            class: ClassId(0),
            scheduled,
            deadline: None,
            prompt_tokens: 9,
            max_tokens: None,
        },
    );
}

fn ends(fold: &mut SlowJobs, scheduled: u64, second: u64, job: u64, verdict: JobOutcome) {
    let zero = Nanos::ZERO;
    let ending = JobEnd {
        outcome: verdict,
        class: ClassId(0),
        scheduled: Instant::ZERO + Nanos::from_secs(scheduled),
        attempts: 0,
        step: None,
        queue: zero,
        wait: zero,
        service: zero,
        lost: zero,
        first_token: None,
    };
    event(fold, second, job, EventKind::Done(ending));
}

#[test]
fn where_two_jobs_meet_in_one_place_the_older_is_followed() {
    let scenario = launch_plan(1.0);
    let mut worst = SlowJobs::new();
    arrives(&mut worst, 0, 0);
    arrives(&mut worst, 1, 4_096);
    ends(&mut worst, 1, 90, 4_096, JobOutcome::Succeeded);
    ends(&mut worst, 0, 99, 0, JobOutcome::Succeeded);
    arrives(&mut worst, 100, 8_192);
    ends(&mut worst, 100, 101, 8_192, JobOutcome::Succeeded);
    let told: Vec<_> = worst.stories(&scenario).iter().map(|story| (story.job, story.latency_s)).collect();
    assert_eq!(told, [(0, 99.0), (8_192, 1.0)]);
}

#[test]
fn a_long_story_loses_its_middle_and_says_so() {
    let scenario = launch_plan(1.0);
    let mut worst = SlowJobs::new();
    arrives(&mut worst, 0, 0);
    for second in 1..=40 {
        let until = Instant::ZERO + Nanos::from_secs(second + 1);
        event(&mut worst, second, 0, EventKind::Waiting { until, why: WaitReason::BackOff });
    }
    ends(&mut worst, 0, 41, 0, JobOutcome::Failed(EndReason::Deadline));
    let story = worst.stories(&scenario).remove(0);
    let words: Vec<_> = story.moments.iter().map(|moment| moment.what.as_str()).collect();
    assert_eq!(words[..2], ["arrives", "backs off until 2 s"]);
    assert_eq!(words[12], "(17 moments are left out)");
    assert_eq!(words[words.len() - 2..], ["backs off until 41 s", "failed: deadline"]);
    assert_eq!(story.moments.len(), 26, "24 moments, what was left out, and the end");
}

#[test]
fn no_reason_for_failing_crowds_out_the_others() {
    let scenario = launch_plan(1.0);
    let mut worst = SlowJobs::new();
    for job in 0..50 {
        arrives(&mut worst, job, job);
        ends(&mut worst, job, job, job, JobOutcome::Failed(EndReason::Attempts));
    }
    arrives(&mut worst, 60, 60);
    ends(&mut worst, 60, 60, 60, JobOutcome::Shed(EndReason::QueueFull));
    let told: Vec<_> = worst.stories(&scenario).iter().map(|story| story.job).collect();
    assert_eq!(told, [0, 1, 2, 60]);
}
