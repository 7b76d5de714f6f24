//! Properties of the reader: no text makes it panic, and every scenario that it accepts is sound.

use super::{fixture, load, parse};
use proptest::prelude::*;
use provider::Nanos;
use quotalab::scenario::{self, Arrivals, Overrides, Scenario};
use std::fs;

/// However many mistakes a text has, the report of all of them is bounded, and each message is short.
#[test]
fn a_megabyte_of_mistakes_has_short_messages() {
    let words: String = (0..40_000).map(|number| format!("w{number}: 1, ")).collect();
    let targets: String = (0..15_000).map(|number| format!("small/default/n{number}, ")).collect();
    let models: String = (0..15_000).map(|number| format!("m{number}: {{}}, ")).collect();
    let hostile = [
        format!("{{{words}}}"),
        words.replace(", ", "\n"),
        format!("seed: {}", "9".repeat(1_000_000)),
        format!("{}: 1", "k".repeat(1_000_000)),
        format!("providers: {{small: {{models: {{{models}}}}}}}\nroutes: {{r: [{{of: [{targets}]}}]}}"),
        "- ".repeat(500_000),
        "[".repeat(1_000_000),
        "{a: ".repeat(250_000),
        "&a ".repeat(300_000),
        "\n".repeat(1_000_000),
    ];
    for text in hostile {
        let problems = parse(&text).expect_err("the text is no scenario");
        let printed = problems.to_string();
        assert!(printed.len() < 300_000, "{} bytes for {:.20}", printed.len(), text);
        assert!(problems.iter().all(|problem| problem.what.len() < 2_000 && problem.help.len() < 2_000));
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn yaml_like_noise_is_refused_or_sound(words in prop::collection::vec(noise(), 0..60)) {
        if let Ok(scenario) = parse(&words.concat()) {
            assert_sound(&scenario);
        }
    }

    #[test]
    fn a_mutated_scenario_is_refused_or_sound(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, noise()), 1..4),
        every_word: bool,
    ) {
        let file = if every_word { "every-word.yaml" } else { "launch-day.yaml" };
        let mut text = fs::read_to_string(fixture(file)).unwrap();
        for (at, removed, inserted) in edits {
            let at = char_boundary(&text, at.index(text.len()));
            let end = char_boundary(&text, (at + removed).min(text.len()));
            text.replace_range(at..end, &inserted);
        }
        match scenario::parse("text.yaml", &text, &Overrides::default(), fixture(file).parent()) {
            Ok(scenario) => assert_sound(&scenario),
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
    }

    #[test]
    fn no_override_makes_the_reader_panic(path in "[a-z.0-9/]{0,30}", value in "\\PC{0,30}") {
        if let Ok(scenario) = load("launch-day.yaml", &[(&path, &value)]) {
            assert_sound(&scenario);
        }
    }
}

/// Returns the last character boundary up to a byte.
fn char_boundary(text: &str, byte: usize) -> usize {
    (0..=byte).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Generates fragments of YAML and of the language.
fn noise() -> impl Strategy<Value = String> {
    let fragments = [
        "",
        " ",
        "\n",
        "\n  ",
        "\t",
        ":",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "&a ",
        "*a",
        "!t ",
        "\"",
        "'",
        "|",
        ">",
        "?",
        "---\n",
        "null",
        "0",
        "-1",
        "9999999999999999999999",
        "1e9",
        "NaN",
        "0%",
        "100%",
        "1s",
        "0s",
        "5/min",
        "0/s",
        "rpm",
        "limits",
        "k",
        "M",
        "é",
        "\u{feff}",
        "\r\n",
        "providers:",
        "routes:",
        "workload:",
        "none",
        "x/y/z",
        "base_url: https://",
        "{env: A}",
        "{file: ",
    ];
    prop::sample::select(fragments.to_vec()).prop_map(str::to_owned)
}

/// Asserts what every resolved scenario guarantees.
fn assert_sound(scenario: &Scenario) {
    assert!(scenario.duration > Nanos::ZERO && !scenario.workloads.is_empty() && !scenario.routes.is_empty());
    assert_eq!(scenario.upstreams.len(), scenario.providers.len());
    for (provider, upstream) in scenario.providers.iter().zip(&scenario.upstreams) {
        let keys: Vec<usize> = provider.accounts.iter().map(|account| account.keys.len()).collect();
        assert_eq!(upstream.keys.iter().map(Vec::len).collect::<Vec<_>>(), keys, "each key has a source");
        assert!(!provider.accounts.is_empty() && !provider.models.is_empty());
        assert!(provider.accounts.iter().all(|account| !account.keys.is_empty()));
        let limits = provider.models.iter().flat_map(|model| &model.limits);
        assert!(limits.clone().all(|limit| limit.amount > 0 && limit.burst > 0));
        assert!(provider.models.iter().all(|model| model.limits.is_sorted_by_key(|limit| limit.axis)));
        assert!(provider.incidents.iter().all(|incident| incident.at < incident.until));
        assert!(provider.incidents.iter().all(|incident| (0.0..=1.0).contains(&incident.share)));
    }
    for target in &scenario.targets {
        let provider = &scenario.providers[usize::from(target.provider)];
        let account = &provider.accounts[usize::from(target.account)];
        let model = &provider.models[usize::from(target.model)];
        assert_eq!(target.name, format!("{}/{}/{}", provider.name, account.name, model.name));
    }
    for route in &scenario.routes {
        assert!(!route.steps.is_empty());
        for step in &route.steps {
            assert!(!step.targets.is_empty());
            assert!(step.targets.iter().all(|id| id.index() < scenario.targets.len()));
        }
    }
    assert!(
        scenario.default_client().retry.attempts >= 1 && scenario.default_client().deadline > Nanos::ZERO
    );
    assert!(scenario.default_client().retry.backoff.base <= scenario.default_client().retry.backoff.cap);
    for workload in &scenario.workloads {
        assert!(workload.route.index() < scenario.routes.len());
        for dist in [&workload.prompt, &workload.completion] {
            assert!(dist.mean().is_finite() && dist.quantile(0.5) >= 0.0, "{dist:?}");
        }
        // Finite and positive if the workload offers jobs: its rates, users or rows.
        let amounts = match &workload.arrivals {
            Arrivals::Constant(rate) | Arrivals::Poisson(rate) => vec![*rate],
            Arrivals::Renewal { rate, cv, .. } => vec![*rate, *cv],
            Arrivals::Ramp(from, to) => vec![from + to],
            Arrivals::Steps { steps, every } => {
                assert!(every.is_none_or(|every| {
                    steps.iter().all(|(at, _)| *at < provider::Instant::ZERO + every)
                }));
                assert_eq!(steps[0].0, provider::Instant::ZERO);
                assert!(steps.is_sorted_by(|a, b| a.0 < b.0));
                vec![steps.iter().map(|(_, rate)| rate).sum()]
            }
            Arrivals::Burst { jobs, every, .. } => vec![f64::from(*jobs) / every.as_secs_f64()],
            Arrivals::Users { users, .. } => vec![f64::from(*users)],
            Arrivals::Batch { jobs, workers, .. } => vec![f64::from(*jobs), f64::from(*workers)],
            Arrivals::Trace { rows, .. } => vec![rows.len() as f64],
        };
        assert!(amounts.iter().all(|amount| amount.is_finite() && *amount > 0.0), "{:?}", workload.arrivals);
    }
    assert!(scenario.expect.iter().all(|rule| rule.value.is_finite()));
    assert!(scenario.describe().contains(&scenario.name));
}
