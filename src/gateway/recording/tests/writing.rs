//! Recordings that end before the gateway: no request waits for them, and their last line says why.

use super::*;
use crate::gateway::recording::writer::QUEUE;
use std::sync::mpsc::{Receiver, channel};

/// A file that blocks until it is let go.
struct Stuck {
    wait: Mutex<Receiver<()>>,
    file: Memory,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The first line is written by the thread that begins the recording.
        if !self.file.text().is_empty() {
            let _ = self.wait.lock().expect("no panic").recv();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Stuck {
    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.file.cut_to(length)
    }
}

/// Records jobs that are each answered, a second apart.
fn record(recording: &Recording, scenario: &Scenario, jobs: u64) {
    let (scenario, routes) = routes::with_targets(scenario);
    let mut engine = RecordedEngine::new(shared_engine::engine_of(&scenario, routes.of_scenario().count()));
    engine.record_to(recording.clone(), (&scenario, Instant::ZERO, 0));
    let mut driver = Jobs::default();
    for id in 0..jobs {
        let now = Instant::ZERO + Nanos::from_secs(id);
        let job = Job {
            id: JobId(id),
            workload: WorkloadId(1),
            engine: crate::ids::EngineId::default(),
            route: RouteId(1),
            scheduled: now,
            priority: Priority::Interactive,
            flow: FlowId::default(),
            deadline: None,
            prompt_tokens: 10,
            max_tokens: Some(20),
            fingerprint: id,
        };
        engine.submit(&mut driver, now, job, Tag(id as usize));
        let (_, (slot, attempt, _)) = driver.attempts.pop_first().expect("it is sent at once");
        engine.handle_reply(&mut driver, now, slot, attempt, &reply(0, 0, now));
    }
}

#[test]
fn a_disk_that_is_stuck_delays_no_request_and_ends_the_recording() {
    let scenario = scenario(CLIENTS[0]);
    let (let_go, wait) = channel();
    let file = Memory::new(usize::MAX);
    let stuck = Stuck { wait: Mutex::new(wait), file: file.clone() };
    let recording = Recording::start(stuck, u64::MAX, Clock::start()).expect("a thread");
    let jobs = QUEUE as u64;
    record(&recording, &scenario, jobs);
    assert!(!recording.finish(Duration::ZERO), "its last line waits for the disk");
    drop(let_go);
    assert!(recording.finish(Duration::from_secs(60)));
    let found = replayed(&scenario, &file.text());
    assert!(found.is_as_recorded() && found.jobs > 1_000 && found.jobs < jobs, "{}", found.text());
    assert!(found.text().contains("lines came faster than they could be written"), "{}", found.text());
}

#[test]
fn a_recording_stays_within_its_size() {
    let scenario = scenario(CLIENTS[0]);
    let file = Memory::new(usize::MAX);
    let recording = Recording::start(file.clone(), 20_000, Clock::start()).expect("a thread");
    record(&recording, &scenario, 1_000);
    assert!(recording.finish(Duration::from_secs(60)));
    let text = file.text();
    assert!((15_000..=20_000).contains(&text.len()), "{}", text.len());
    let found = replayed(&scenario, &text);
    assert!(found.is_as_recorded() && found.jobs > 10, "{}", found.text());
    assert!(found.text().contains("it had reached its size"), "{}", found.text());
}

#[test]
fn on_a_full_disk_the_last_line_takes_the_place_of_others() {
    let scenario = scenario(CLIENTS[0]);
    let file = Memory::new(30_000);
    let recording = Recording::start(file.clone(), u64::MAX, Clock::start()).expect("a thread");
    record(&recording, &scenario, 1_000);
    assert!(recording.finish(Duration::from_secs(60)));
    let found = replayed(&scenario, &file.text());
    assert!(found.is_as_recorded(), "{}", found.text());
    assert!(found.text().contains("the file could not be written"), "{}", found.text());
}

#[test]
fn the_documentation_names_every_kind_of_line() {
    let page = include_str!("../../../../docs/gateway.md");
    let names = [
        "engine",
        "arrival",
        "reply",
        "first_byte",
        "leave",
        "withdraw",
        "timers",
        "adopt",
        "queued",
        "waiting",
        "sent",
        "timed_out",
        "cancelled",
        "cooled_down",
        "fell_back",
        "cache_hit",
        "coalesced",
        "promoted",
        "done",
        "engine_ended",
        "end",
    ];
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "`{name}`");
    }
}
