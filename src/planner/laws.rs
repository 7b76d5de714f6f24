//! A law of the planner: no change of the client raises the ceiling above what the limits sustain.

use super::catalogue::changes;
use super::change::Change;
use super::plan::ChangeKind;
use super::rules::Rules;
use super::run_count::RunCount;
use super::runner::Runner;
use crate::ceiling::Ceiling;
use crate::scenario::{self, Overrides};

/// Daily limits, under which an hour of traffic is simulated.
const DAY_LIMITS: [&str; 3] = [
    "tpd: 3600k",
    "tpd: {limit: 3600k, law: sliding_log}",
    "rpd: {limit: 7200, law: calendar, zone: pacific}",
];

/// No change of the client makes a short run hold more than the limits that it uses sustain: both the provider's limits and
/// the client's quota estimates begin the run with the levels after days of the same traffic, not with full limits.
#[test]
fn no_change_of_the_client_holds_more_than_the_limits_sustain() {
    for limit in DAY_LIMITS {
        let yaml = format!(
            "duration: 1h
providers: {{ p: {{ dialect: openai, models: {{ m: {{ limits: {{ {limit} }}, latency: {{ total: 900ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, arrivals: {{ constant: 4/min }}, prompt: 500, completion: 200 }}]"
        );
        let scenario = scenario::parse("day", &yaml, &Overrides::default(), None).expect("a valid scenario");
        let (rules, count) = (Rules::of(&scenario), RunCount::new(&()));
        let runner = Runner::new(&rules, &count);
        // Other kinds of changes raise the limits themselves, and need more simulated days.
        let changes = changes(&scenario).into_iter().filter(|change| change.kind == ChangeKind::Client);
        let changes: Vec<Change> = changes.collect();
        let unchanged = std::iter::once(("nothing", scenario.clone()));
        let changed = changes.iter().map(|change| (change.name.as_str(), Change::all(&scenario, [change])));
        for (name, changed) in unchanged.chain(changed) {
            let sustained = Ceiling::of(&changed).multiple;
            let run = runner.run(&changed, 1.1 * sustained, 0).expect("the time is not up");
            assert!(
                !run.holds(),
                "{limit}, {name}: holds {:.2} times the load, sustained {sustained:.2}",
                run.multiple
            );
        }
    }
}
