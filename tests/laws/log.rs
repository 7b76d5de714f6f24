//! The event log of a random scenario reads back as the events that were written.

use super::{SCENARIO_TAPE_LENGTH, swarm, tape};
use crate::story::{Recording, parse};
use quotalab::drive::virtual_time;
use quotalab::event::Event;
use quotalab::record::{Log, log};

#[test]
fn an_event_log_reads_back_as_it_was_written() {
    let mut events = 0;
    for seed in 0..40 {
        let scenario = parse(&swarm::scenario(&tape(seed, SCENARIO_TAPE_LENGTH)));
        let mut folds = (Recording::default(), Log::new(Vec::new(), &scenario).unwrap());
        virtual_time::simulate(&scenario, &mut folds);
        let text = folds.1.finish().unwrap();
        let read = log::read(text.as_slice()).unwrap();
        assert_eq!((read.scenario(), read.seed()), (scenario.name.as_str(), scenario.seed));
        let read: Vec<Event> = read.map(Result::unwrap).collect();
        assert_eq!(read, folds.0.0, "seed {seed}");
        events += read.len();
    }
    assert!(events > 1_000, "{events}");
}
