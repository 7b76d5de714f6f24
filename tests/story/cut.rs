//! Answers that are cut at `max_tokens`: counted per workload, reported in the first sentence, and judged if a rule asks for it.

use super::{parse, run, summary};
use provider::config::Dialect;
use quotalab::drive;
use quotalab::ids::WorkloadId;
use quotalab::report::{self, Style};

/// A chat whose answers have 200 to 500 tokens, and `max_tokens: max`.
fn chat(max: u32, more: &str) -> String {
    format!(
        "
duration: 10m
providers: {{ p: {{ models: {{ m: {{ latency: {{ first_token: 500ms, output: 100 tok/s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ {more} }}
workload:
  - {{ name: chat, route: r, arrivals: {{ constant: 60/min }}, prompt: 100, completion: {{ min: 200, max: 500 }}, max_tokens: {max}, \
      repeats: {{ share: 50%, of: 20 }} }}
"
    )
}

#[test]
fn a_bound_below_every_answer_cuts_all_of_them_and_the_first_line_says_so() {
    let [whole, cut] = [600, 100].map(|max| summary(&chat(max, "")));
    assert!(cut.latency_s.p95 < whole.latency_s.p95, "the latency of incomplete answers is lower");
    assert_eq!((whole.jobs.cut, whole.workloads[0].cut), (0, 0));
    assert_eq!((cut.jobs.succeeded, cut.jobs.cut, cut.workloads[0].cut), (600, 600, 600));
    let sentence = "All 600 answers were cut at max_tokens 100; tokens, latency and cost are those of incomplete answers. \
         No expectation is about cut answers (`cut share <= 1%` would be).";
    assert_eq!(report::verdict::sentences(&cut)[0], sentence);
    assert!(report::html::render(&cut).contains("All 600 answers were cut at max_tokens 100"));
    let text = report::text::render(&cut, Style::default());
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with(sentence) && words.contains("600 with a cut answer (100 %)"), "{text}");
    assert!(!report::text::render(&whole, Style::default()).contains("cut answer"));
    assert!(cut.holds(), "what no rule mentions is not judged");
}

#[test]
fn a_rule_judges_the_share_of_cut_answers_per_workload_and_window() {
    let rule = |rule: &str| summary(&format!("{}expect: ['{rule}']\n", chat(350, "")));
    let broken = rule("cut share <= 1%");
    assert!(!broken.holds());
    let share = broken.workloads[0].cut as f64 / broken.workloads[0].succeeded as f64;
    assert!((0.4..0.6).contains(&share), "{share}");
    assert!((broken.expect[0].actual.unwrap() - share).abs() < 1e-6);
    assert!(rule("cut share <= 70%").holds());
    let windows = rule("chat: cut share <= 1% in every 5m");
    assert!(windows.expect[0].actual.unwrap() >= share && windows.expect[0].at_s.is_some());
    let sentence = &report::verdict::sentences(&broken)[0];
    assert!(
        sentence.ends_with("of incomplete answers."),
        "no hint at a rule that the scenario has: {sentence}"
    );
    assert!(sentence.starts_with(&format!("{} of 600 answers (", broken.jobs.cut)), "{sentence}");
}

#[test]
fn an_answer_from_the_cache_or_of_a_leader_is_cut_like_the_first() {
    let alone = summary(&chat(350, "")).jobs.cut;
    for policy in ["cache: { entries: 100, ttl: 1h }", "join: true"] {
        let shared = summary(&chat(350, policy));
        assert!(shared.jobs.cached + shared.jobs.joined > 0, "{policy}");
        assert_eq!((shared.jobs.succeeded, shared.jobs.cut), (600, alone), "{policy}: the same answers");
    }
}

#[test]
fn the_description_states_the_share_of_cut_answers_without_a_run() {
    for (max, expected) in
        [(100, "cuts every answer"), (350, "cuts 49.8% of the answers"), (500, "max_tokens 500\n")]
    {
        let scenario = parse(&chat(max, ""));
        assert!(scenario.describe().contains(expected), "{}", scenario.describe());
    }
    let model = chat(350, "").replace("max_tokens: 350, ", "").replace("m: {", "m: { max_output: 350,");
    let scenario = parse(&model);
    assert!(scenario.describe().contains("the longest completion of the model cuts 49.8% of the answers"));
    let (share, measured) = (scenario.cut_share(&scenario.workloads[0]).unwrap(), summary(&model));
    assert!((share - measured.jobs.cut as f64 / 600.0).abs() < 0.08, "{share}");
    assert!(report::verdict::sentences(&measured)[0].contains("cut at the longest completion of the model"));
}

/// Without `max_tokens` a model ends an answer at its longest completion, or where its context is full. The sentence names what can
/// have ended the answers that are counted.
#[test]
fn the_sentence_names_the_bounds_that_end_the_counted_answers() {
    let sentence = |bounds: &str| {
        let yaml =
            chat(350, "").replace("max_tokens: 350, ", "").replace("m: {", &format!("m: {{ {bounds},"));
        let measured = summary(&yaml);
        // Prompts have 100 tokens, so each bound ends every answer of more than 350.
        assert!((200..400).contains(&measured.jobs.cut), "{}", measured.jobs.cut);
        let read = quotalab::record::Summary::from_json(&measured.to_json()).unwrap();
        report::verdict::sentences(&read)[0].clone()
    };
    let says = |bounds: &str, at: &str| {
        let sentence = sentence(bounds);
        assert!(sentence.contains(&format!(" were cut at {at}; tokens")), "{bounds}: {sentence}");
    };
    says("max_output: 350", "the longest completion of the model");
    says("context: 450", "the end of the model's context");
    says("max_output: 400, context: 450", "the longest completion of the model or the end of its context");
}

#[test]
fn several_workloads_are_named_with_their_own_bounds() {
    let batch = "  - { name: batch, route: r, arrivals: { constant: 6/min }, prompt: 100, completion: 400, max_tokens: 300 }\n";
    let whole = "  - { name: whole, route: r, arrivals: { constant: 6/min }, prompt: 100, completion: 40, max_tokens: 300 }\n";
    let summary = summary(&format!("{}{batch}{whole}", chat(350, "")));
    let cut: Vec<u64> = summary.workloads.iter().map(|workload| workload.cut).collect();
    assert_eq!((cut[1], cut[2], summary.jobs.cut), (60, 0, cut[0] + 60));
    let sentence = &report::verdict::sentences(&summary)[0];
    let chat = format!("Answers were cut: {} of 600 answers (", cut[0]);
    assert!(sentence.starts_with(&chat), "{sentence}");
    assert!(
        sentence.contains("of chat at max_tokens 350, all 60 answers of batch at max_tokens 300;"),
        "{sentence}"
    );
}

/// Groq's replies are built directly in virtual time; those of other dialects are rendered and parsed.
#[test]
fn a_reply_through_another_dialect_is_cut_alike() {
    let cut = [Dialect::Groq, Dialect::OpenAi, Dialect::Anthropic].map(|dialect| {
        let mut scenario = parse(&chat(350, "retry: { attempts: 3 }"));
        scenario.providers[0].dialect = dialect;
        drive::summarize(&scenario).workloads[usize::from(WorkloadId(0).0)].cut
    });
    assert!(cut[0] > 0 && cut.iter().all(|count| *count == cut[0]), "{cut:?}");
    assert!(run(&chat(100, "")).ends().all(|(_, end)| end.cut));
}
