//! Random scenarios from the table, for property tests: what the table describes is accepted, and writing and reading it
//! again gives the same scenario.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::table::SCENARIO;
use crate::scenario::language::{Form, Kind, MAX_RATE, Map, NameKind, Required, Word, check};
use crate::scenario::write::{Entry, Tree, write};
use crate::scenario::{Overrides, parse, yaml};
use proptest::prelude::*;
use provider::units::{print_count, print_duration};
use provider::{Nanos, RandomStream};

/// Returns a random scenario. Its words and kinds fit the table; numbers may contradict each other.
fn scenario(seed: u64) -> Tree {
    Generator { stream: RandomStream::keyed(seed, 0) }.random_map(&SCENARIO)
}

/// Generates random values that the table accepts.
struct Generator {
    stream: RandomStream,
}

impl Generator {
    /// Returns a uniform number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.stream.below(bound as u64)).expect("below a usize")
    }

    /// Returns `true` with a probability of 1 ÷ `times`.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn random_map(&mut self, map: &'static Map) -> Tree {
        let chosen = self.form(map);
        let in_forms: Vec<&str> = map.forms.iter().flat_map(Form::words).collect();
        let mut entries: Vec<(&str, Tree)> = Vec::new();
        for word in map.words {
            let is_given = match word.required {
                Required::Yes | Required::Unless(_) => true,
                Required::No if word.name == "preset" => false,
                Required::No if in_forms.contains(&word.name) => chosen.contains(&word.name),
                // A workload needs a `prompt` unless it replays a trace, and no trace is drawn.
                // A model may have many limits, each of which can make the scenario invalid.
                Required::No if map.name == "limits" => self.one_in(7),
                Required::No => word.name == "prompt" || self.one_in(3),
            };
            if is_given {
                entries.push((word.name, self.word(word)));
            }
        }
        if map.name == "step" {
            // It has weights if, and only if, it picks by them.
            let is_weighted = entries.contains(&("pick", Tree::text("weighted")));
            entries.retain(|(word, _)| *word != "weights");
            entries.extend(is_weighted.then(|| ("weights", Tree::List(vec![Tree::text("3")]))));
        }
        if map.name == "workload" && entries.iter().any(|(word, _)| *word == "batch") {
            entries.retain(|(word, _)| *word != "arrivals");
        }
        if map.words.iter().any(|word| word.name == "law") {
            // Each of these words goes with one law only.
            let has_law = |law: &str| entries.contains(&("law", Tree::text(law)));
            let (is_calendar, is_adaptive) = (has_law("calendar"), has_law("adaptive"));
            entries.retain(|(word, _)| match *word {
                "zone" => is_calendar,
                "growth" | "most" => is_adaptive,
                _ => true,
            });
        }
        if self.one_in(2) {
            entries.reverse();
        }
        Tree::map(entries)
    }

    /// Returns the words of one random form.
    fn form(&mut self, map: &'static Map) -> Vec<&'static str> {
        let candidates: Vec<&Form> =
            map.forms.iter().filter(|form| form.words().all(|word| word != "trace")).collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        let form = *self.pick(&candidates);
        let mut words: Vec<&str> = form.requires.iter().map(|group| *self.pick(group)).collect();
        for word in form.allows {
            if self.one_in(2) {
                words.push(word);
            }
        }
        words
    }

    fn word(&mut self, word: &'static Word) -> Tree {
        match (&word.kind, word.name) {
            // Names that other parts of the scenario refer to are always the same.
            (Kind::NamedEntries { of, .. }, name) => {
                let key = match name {
                    "providers" => "p",
                    "accounts" => "default",
                    "models" => "m",
                    "routes" => "r",
                    _ => "client.queue", // A path, since `set` of a what-if needs one; a caller may have any name.
                };
                Tree::map([(key, self.value(of))])
            }
            // Factors whose mean is not 1 are refused.
            (Kind::OneOf(kinds), "shape") => {
                let kinds: Vec<&Kind> =
                    kinds.iter().filter(|kind| !matches!(kind, Kind::List { .. })).collect();
                let kind = *self.pick(&kinds);
                self.value(kind)
            }
            // An offer names other offers, of which there may be none, and a provider, of which only accounts can be several.
            (_, "requires" | "replaces") => Tree::List(Vec::new()),
            (Kind::Name(_), "account") => Tree::text("p"),
            (Kind::Count { max: 63, .. }, "max") => Tree::text("1"),
            // A batch begins before the run ends, and all clients have a bounded number of processes.
            (Kind::Duration { .. }, "from") => Tree::text("0s"),
            (Kind::Count { .. }, "processes") => Tree::text("3"),
            (kind, _) => self.value(kind),
        }
    }

    fn value(&mut self, kind: &'static Kind) -> Tree {
        match kind {
            Kind::Map(map) => self.random_map(map),
            Kind::OneOf(kinds) => {
                let kind = self.pick(kinds);
                self.value(kind)
            }
            // Targets and workloads may not occur twice, so a list that need not be longer has one entry.
            Kind::List { of, min, .. } => Tree::List((0..(*min).max(1)).map(|_| self.value(of)).collect()),
            Kind::NamedEntries { .. } => unreachable!("names are the value of a word"),
            Kind::Choice(choices) => Tree::text(self.pick(choices).word),
            scalar => Tree::Text(self.scalar(scalar)),
        }
    }

    fn scalar(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Name(NameKind::Route) => "r".into(),
            Kind::Name(NameKind::Client) => "default".into(),
            Kind::Name(NameKind::Target) => "p/default/m".into(),
            Kind::Name(NameKind::Variable) => (*self.pick(&["GROQ_API_KEY", "_k2"])).to_owned(),
            Kind::Name(NameKind::BaseUrl) => {
                (*self.pick(&["https://api.groq.com/openai/v1", "http://[::1]:8080/"])).to_owned()
            }
            Kind::Text | Kind::Name(_) => {
                (*self.pick(&["a", "two words", "7", "a: b", "true", "#1", "é", "- x", "null"])).to_owned()
            }
            Kind::Bool => (*self.pick(&["true", "false"])).to_owned(),
            Kind::Count { min, max } => {
                let count = self.between(*min, *max);
                if self.one_in(2) { print_count(count) } else { count.to_string() }
            }
            Kind::Duration { min, max } => print_duration(Nanos(self.between(min.0, max.0))),
            Kind::Number { min, max } => format!("{}", self.decimal(*min, *max)),
            Kind::Correlation => (*self.pick(&["0", "0.6", "-0.35", "1"])).to_owned(),
            Kind::Rate { .. } => {
                let period = *self.pick(&["s", "min", "h", "day"]);
                format!("{}/{period}", self.decimal(0.01, MAX_RATE))
            }
            Kind::Share { .. } | Kind::Permille => format!("{}%", self.decimal(0.1, 100.0)),
            Kind::Change { min, max } => format!("{}%", self.decimal(100.0 * min, 100.0 * max)),
            Kind::Speed => format!("{} tok/s", self.decimal(0.01, 1e6)),
            Kind::Multiple { min, max, .. } => format!("{}x", self.decimal(*min, *max)),
            Kind::Date => (*self.pick(&["2026", "2026-10", "2026-10-01"])).to_owned(),
            Kind::DateTime { zone: true } => {
                (*self.pick(&["2026-12-01T08:00 Europe/Berlin", "2027-03-13T00:30 -08:00"])).to_owned()
            }
            Kind::DateTime { zone: false } => "2027-12-01T08:00".into(),
            Kind::Usd { monthly } => {
                format!("{} USD{}", self.decimal(0.0, 1e6), if *monthly { "/month" } else { "" })
            }
            Kind::Months { max } => format!("{} months", self.between(1, *max)),
            Kind::Month => (*self.pick(&["month 4", "2027-03"])).to_owned(),
            Kind::Rule => {
                (*self.pick(&["success >= 99%", "p95 latency <= 8s", "cost <= 1.5 USD"])).to_owned()
            }
            Kind::Any => "5".into(),
            compound => unreachable!("{compound:?} is no scalar"),
        }
    }

    /// Returns a whole number, log-uniform over 64 bits and clamped to the range: often `max`.
    fn between(&mut self, min: u64, max: u64) -> u64 {
        let shift = self.stream.below(64);
        min + (self.stream.below(u64::MAX) >> shift).min(max - min)
    }

    /// Returns a decimal with one digit after the point.
    fn decimal(&mut self, min: f64, max: f64) -> f64 {
        let tenths = (max.min(1e4) - min) * 10.0 * self.stream.unit();
        ((min * 10.0 + tenths).ceil() / 10.0).min(max)
    }
}

proptest! {
    #[test]
    fn a_random_scenario_passes_the_check_against_the_table(seed: u64) {
        let text = write(&scenario(seed));
        let diagnostics = Diagnostics::default();
        let node = yaml::read(&diagnostics, diagnostics.add_source("x", &text), &text, 0).expect("YAML");
        check(&SCENARIO, &node, &diagnostics);
        prop_assert!(diagnostics.problems().is_none(), "{}\n{text}", diagnostics.problems().expect("some"));
    }

    #[test]
    fn a_random_scenario_with_comments_round_trips(seed: u64) {
        let read = |text: &str| parse("x.yaml", text, &Overrides::default(), None);
        let text = write(&scenario(seed));
        let Tree::Map(mut entries) = Tree::read("x", &text).expect("YAML") else { panic!("a map") };
        entries.iter_mut().for_each(|Entry { comment, .. }| *comment = "a comment: with # YAML syntax".into());
        let again = write(&Tree::Map(entries));
        match (read(&text), read(&again)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(format!("{one:?}"), format!("{other:?}"), "{}", again),
            (one, other) => prop_assert_eq!(one.is_ok(), other.is_ok(), "{}\n{}", text, again),
        }
    }
}

#[test]
fn more_than_one_in_twenty_random_scenarios_are_valid() {
    let read = |seed| parse("x.yaml", &write(&scenario(seed)), &Overrides::default(), None);
    let valid = (0..200).filter(|seed| read(*seed).is_ok()).count();
    assert!(valid > 10, "{valid} of 200");
}
