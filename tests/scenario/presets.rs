//! The presets: each is complete, runs, and states where its numbers come from.

use super::parse;
use provider::Axis;
use quotalab::scenario;

#[test]
fn every_number_of_a_preset_has_evidence() {
    for (name, _) in provider::presets::PRESETS {
        let preset = scenario::preset_evidence(name).unwrap();
        for model in &preset.models {
            for number in &model.numbers {
                assert!(
                    !number.evidence.is_empty(),
                    "{name}: {} of {} has no evidence",
                    number.word,
                    model.model
                );
            }
            let stated = |word: &str| model.numbers.iter().any(|number| number.word == word);
            assert!(model.numbers.iter().any(|number| Axis::from_name(&number.word).is_some()), "{name}");
            if name.starts_with("groq") {
                assert_eq!(["rpm", "context", "output"].map(stated), [true; 3], "{name}: {}", model.model);
            }
        }
        let has_retired = preset.models.iter().any(|model| model.retired.is_some());
        assert_eq!(has_retired, name.starts_with("groq"), "{name}");
    }
}

#[test]
fn every_preset_is_a_complete_provider() {
    for (name, _) in provider::presets::PRESETS {
        let config = scenario::preset(name).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!config.models.is_empty() && config.accounts.len() == 1, "{name}");
        for model in &config.models {
            assert!(!model.limits.is_empty(), "{name}: {} has no limits", model.name);
            let text = format!(
                "duration: 2m\nstart: full\nproviders: {{ p: {{ preset: {name}, allow_retired: true }} }}\n\
                 routes: {{ r: [ {{ of: [p/default/{}] }} ] }}\n\
                 workload: [ {{ name: w, route: r, arrivals: {{ constant: 1/min }}, prompt: 100, completion: 10, max_tokens: 10 }} ]\n",
                model.name
            );
            let scenario = parse(&text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
            let summary = crate::scenarios::simulate(&scenario);
            assert_eq!(summary.jobs.succeeded, summary.jobs.offered, "{name}: {}", model.name);
        }
    }
    let problems = scenario::preset("groq-developr").unwrap_err();
    assert!(problems.to_string().contains("did you mean `groq-developer`"), "{problems}");
}
