//! The keys that a mock accepts, and what is printed of them.

use super::super::{SHORT, arg, quotalab, scratch};
use super::{Mock, ask_at, start_json, terminate};
use serde_json::json;
use std::fs;
use std::path::Path;

/// The keys of real providers are not needed: neither the variable nor the file exists.
#[test]
fn a_mock_accepts_the_name_of_a_key_and_prints_it() {
    let folder = scratch("named-keys");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT)).expect("a scenario");
    let accounts = "  p:\n    base_url: https://llm.example.com/v1\n    accounts: {default: [{env: NO_SUCH_KEY}, {file: no/such}, k3]}\n";
    let file = folder.join("s.yaml");
    fs::write(&file, text.replace("  p:\n", accounts)).expect("written");
    let file = arg(&file);
    let simulated = quotalab(&["sim", file, "--json", "--out", arg(&folder.join("out"))]);
    let mut same = quotalab(&["sim", SHORT, "--json", "--out", arg(&folder.join("same"))]).json();
    let result = simulated.json();
    assert!(result["jobs"]["offered"].as_u64() > Some(0), "{result}");
    for member in ["file", "reproduce"] {
        same[member] = result[member].clone();
    }
    assert_eq!(result, same, "how a real provider is reached changes nothing");

    let (child, announced) = start_json(&[file, "--speed", "0", "--set", "providers.p.models.m.limits={}"]);
    assert_eq!(announced["providers"][0]["accounts"][0]["keys"], json!(["NO_SUCH_KEY", "no/such", "k3"]));
    assert_eq!(announced["environment"]["GROQ_API_KEY"], "NO_SUCH_KEY");
    let statuses = ["NO_SUCH_KEY", "no/such", "k3", "other"].map(|key| ask_at(&announced, key).status());
    assert_eq!(statuses, [200, 200, 200, 401]);
    terminate(child);

    let mock = Mock::start(&[file]);
    assert_eq!(mock.key, "NO_SUCH_KEY", "the first of the account");
    assert!(mock.command.contains("Bearer NO_SUCH_KEY"), "{}", mock.command);
    assert_eq!(mock.run_command().status(), 200);
}

/// Output is likely to be logged, so a key with the prefix of a known provider is not printed, although the mock accepts it.
#[test]
fn a_key_that_looks_like_a_real_one_is_served_and_printed_masked() {
    let keys = "providers.p.accounts={default: [gsk_plain-secret, k2]}";
    let (child, announced) =
        start_json(&[SHORT, "--set", keys, "--set", "providers.p.models.m.limits={}", "--speed", "0"]);
    assert_eq!(announced["providers"][0]["accounts"][0]["keys"], json!(["gsk_************", "k2"]));
    assert!(!announced.to_string().contains("plain-secret"), "{announced}");
    assert_eq!(ask_at(&announced, "gsk_plain-secret").status(), 200);
    assert!(!terminate(child).contains("plain-secret"));
    let run =
        ["mock", SHORT, "--set", keys, "--exec", "--", "sh", "-c", "test $GROQ_API_KEY = gsk_plain-secret"];
    assert_eq!(quotalab(&run).code, 0, "a command receives it as it is");
    // The name of this environment variable is a key, by mistake, so it is not printed.
    let mock = Mock::start(&[SHORT, "--set", "providers.p.accounts={default: [{env: gsk_plain_secret}]}"]);
    assert_eq!(mock.key, "1 key of the scenario");
    assert!(mock.command.contains("Bearer KEY"), "{}", mock.command);
}
