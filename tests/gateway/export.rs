//! Exported configurations of other gateways equal the golden files and can be parsed.

use crate::golden;
use quotalab::gateway::{ConfigFormat, export};
use quotalab::scenario::{self, Overrides, Scenario};
use serde_json::Value;

const SCENARIO: &str = "
name: export
duration: 1m
providers:
  groq: {dialect: groq, accounts: {acme: {keys: [{env: GROQ_API_KEY}, {env: GROQ_API_KEY_2}]}}, models: {openai/gpt-oss-120b: {
    price: {input: 0.15, output: 0.60}, limits: {rpm: 1000, tpm: 250k, rpd: 500k}}}}
  cerebras: {dialect: cerebras, accounts: {acme: {keys: [{file: cerebras.key}]}}, models: {gpt-oss-120b: {limits: {rpm: 300, concurrency: 20}}}}
  vllm: {dialect: openai, base_url: \"http://127.0.0.1:8000/v1\", models: {local: {}}}
  claude: {dialect: anthropic, accounts: {a: {keys: [sk-ant-written-in-the-file]}}, models: {claude-sonnet-5: {limits: {itpm: 80k, otpm: 16k}}}}
routes:
  chat:
    - {of: [groq/acme/openai/gpt-oss-120b]}
    - {of: [cerebras/acme/gpt-oss-120b, vllm/default/local], pick: round_robin}
  careful: [{of: [claude/a/claude-sonnet-5, vllm/default/local]}]
client: {deadline: 45s, attempt_timeout: 20s, retry: {attempts: 4, backoff: {base: 250ms, cap: 4s}}, eject: {after: 5, for: 30s}, pace: requests}
";

fn parsed() -> Scenario {
    let with_workload = format!(
        "{SCENARIO}workload: [{{name: w, route: chat, arrivals: {{constant: 1/min}}, prompt: 10, completion: 10}}]\n"
    );
    scenario::parse("export.yaml", &with_workload, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn litellms_file_has_the_targets_in_their_order() {
    let config = export(&parsed(), ConfigFormat::LiteLlm);
    golden::check_file("tests/golden/export/litellm.yaml", &config.text);
    assert!(config.notes.is_empty(), "the comments of the file say it");
    let read: Value = serde_yaml::from_str(&config.text).expect("YAML");
    let models = read["model_list"].as_array().expect("a list");
    let groups: Vec<_> = models.iter().filter_map(|model| model["model_name"].as_str()).collect();
    assert_eq!(groups, ["chat", "chat", "chat-step-2", "chat-step-2", "careful", "careful"]);
    assert_eq!(read["router_settings"]["fallbacks"][0]["chat"][0], "chat-step-2");
    assert_eq!(models[0]["litellm_params"]["rpm"], 500, "two keys share the quota of the account");
    assert_eq!(models[4]["litellm_params"]["order"], 1);
    assert_eq!(
        (&models[0]["litellm_params"]["timeout"], &read["router_settings"]["num_retries"]),
        (&20.into(), &1.into())
    );
}

/// LiteLLM reads YAML 1.1, in which more words than in 1.2 are no strings.
#[test]
fn names_of_routes_that_look_like_other_types_are_quoted() {
    for name in ["123", "1.5", "1e3", "true", "null", "yes", "2026-01-01", "12:30:00", "0x10", "1_000"] {
        let text = SCENARIO.replace("  chat:\n", &format!("  \"{name}\":\n"));
        let workload = format!(
            "workload: [{{name: w, route: \"{name}\", arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n"
        );
        let scenario = scenario::parse("export.yaml", &(text + &workload), &Overrides::default(), None)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let config = export(&scenario, ConfigFormat::LiteLlm).text;
        assert!(config.contains(&format!("model_name: \"{name}\"\n")), "{config}");
        let read: Value = serde_yaml::from_str(&config).expect("YAML");
        assert_eq!(read["model_list"][0]["model_name"], *name);
        assert_eq!(read["router_settings"]["fallbacks"][0][name][0], *format!("{name}-step-2"), "{config}");
    }
}

#[test]
fn portkeys_configuration_has_the_targets_in_their_order() {
    let config = export(&parsed(), ConfigFormat::Portkey);
    let notes: String = config.notes.iter().map(|note| format!("{note}\n")).collect();
    golden::check_file("tests/golden/export/portkey.json", &config.text);
    golden::check_file("tests/golden/export/portkey.txt", &notes);
    let read: Value = serde_json::from_str(&config.text).expect("JSON");
    assert_eq!(read["strategy"]["mode"], "conditional");
    let chat = &read["targets"][0];
    assert_eq!((chat["name"].as_str(), chat["strategy"]["mode"].as_str()), (Some("chat"), Some("fallback")));
    assert_eq!(chat["targets"][1]["strategy"]["mode"], "loadbalance");
    assert_eq!(chat["targets"][0]["targets"][1]["api_key"], "${GROQ_API_KEY_2}");
    assert_eq!(read["targets"][1]["targets"][0]["request_timeout"], 20_000);
}

#[test]
fn no_key_is_written() {
    for format in [ConfigFormat::LiteLlm, ConfigFormat::Portkey] {
        let config = export(&parsed(), format);
        let all = format!("{}{}", config.text, config.notes.join("\n"));
        assert!(!all.contains("written-in-the-file"), "{all}");
        assert!(all.contains("CLAUDE_A_KEY") && all.contains("CEREBRAS_ACME_KEY"), "{all}");
    }
}

/// Accounts whose names differ only in characters that environment variables cannot contain get different variables. A note
/// states that callers are not exported.
#[test]
fn every_account_has_variables_of_its_own_and_callers_are_named_as_missing() {
    let text = "
name: two
duration: 1m
providers:
  p: {dialect: openai, accounts: {a-b: {keys: [{file: one.key}]}, a_b: {keys: [{file: two.key}]}}, models: {m: {}}}
routes: {chat: [{of: [p/a-b/m]}, {of: [p/a_b/m]}]}
callers: {web: {key: {env: WEB_KEY}}}
workload: [{name: w, route: chat, arrivals: {constant: 1/min}, prompt: 10, completion: 10}]
";
    let scenario = scenario::parse("two.yaml", text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"));
    for format in [ConfigFormat::LiteLlm, ConfigFormat::Portkey] {
        let config = export(&scenario, format);
        let all = format!("{}{}", config.text, config.notes.join("\n"));
        assert!(all.contains("P_A_B_KEY") && all.contains("P_A_B_2_KEY"), "{all}");
        assert!(all.contains("no callers"), "{all}");
    }
}
