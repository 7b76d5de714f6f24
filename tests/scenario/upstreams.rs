//! How real providers are reached: addresses and sources of keys, and the notes on them.

use super::{fixture, load, parse};
use quotalab::report::notes;
use quotalab::scenario::{self, BaseUrl, KeySource, Overrides, Scenario, Tree, language};
use std::path::Path;

/// Returns a scenario with one provider, which has these entries (YAML in flow style) in addition to its model.
fn text(provider: &str) -> String {
    format!(
        "providers: {{p: {{models: {{m: {{}}}}, {provider}}}}}\nroutes: {{r: [{{of: [p/a/m]}}]}}\n\
         workload: [{{name: w, arrivals: {{poisson: 1/s}}, prompt: 5}}]\n"
    )
}

fn base_url(scenario: &Scenario) -> Option<String> {
    scenario.upstreams[0].base_url.as_ref().map(ToString::to_string)
}

#[test]
fn an_address_and_the_sources_of_keys_are_read_and_nothing_else_is() {
    // Neither the variables nor the files exist.
    let accounts =
        "accounts: {a: [k1, {env: NO_SUCH_KEY}], b: {keys: [{file: no/such}, {file: /no/such}, {env: _2}]}}";
    let text = text(&format!("{accounts}, base_url: 'HTTPS://LLM.example.com/v1/'"));
    let folder = Path::new("some/folder");
    let scenario = scenario::parse("s.yaml", &text, &Overrides::default(), Some(folder)).unwrap();
    assert_eq!(base_url(&scenario).as_deref(), Some("https://llm.example.com/v1"));
    let keys: Vec<_> = scenario.providers[0].accounts.iter().map(|account| account.keys.clone()).collect();
    assert_eq!(keys, [vec!["k1", "NO_SUCH_KEY"], vec!["no/such", "/no/such", "_2"]]);
    let file = |path: &str| KeySource::File(path.into());
    let sources = [
        vec![KeySource::Written, KeySource::Env("NO_SUCH_KEY".into())],
        vec![file("some/folder/no/such"), file("/no/such"), KeySource::Env("_2".into())],
    ];
    assert_eq!(scenario.upstreams[0].keys, sources);
    assert!(scenario.files.iter().all(|file| !file.ends_with("no/such")), "a key is no part of the scenario");
    let written = scenario::write(&Tree::read("s.yaml", &text).unwrap());
    let again = scenario::parse("s.yaml", &written, &Overrides::default(), Some(folder)).unwrap();
    assert_eq!(again.upstreams, scenario.upstreams, "{written}");
}

#[test]
fn a_provider_without_address_and_keys_has_its_dialects_address_and_a_key_for_mocks() {
    let scenario = load("short.yaml", &[]).unwrap();
    assert_eq!((base_url(&scenario), &scenario.upstreams[0].keys), (None, &vec![vec![KeySource::Written]]));
    let providers = scenario::preset_providers("groq-free", &Overrides::default()).unwrap();
    assert_eq!(providers.upstreams, scenario.upstreams);
}

#[test]
fn presets_options_aliases_and_what_ifs_may_set_addresses_and_keys() {
    let set = [
        ("providers.groq.base_url", "http://localhost:1/x"),
        ("providers.groq.accounts.acme.keys.0", "{env: A}"),
    ];
    let scenario = load("launch-day.yaml", &set).unwrap();
    assert_eq!(base_url(&scenario).as_deref(), Some("http://localhost:1/x"));
    assert_eq!(scenario.upstreams[0].keys[0][0], KeySource::Env("A".into()));
    assert_eq!(scenario.upstreams[1].base_url, None, "the other provider is untouched");
    let text = text("accounts: {a: &k [{env: A}]}, base_url: &url https://one.example.com")
        + "what_if: [{name: elsewhere, set: {providers.p.base_url: https://two.example.com}}]\n";
    let scenario = parse(&text).unwrap();
    assert_eq!(base_url(&scenario.what_if[0].scenario).as_deref(), Some("https://two.example.com"));
    let wrong = load("launch-day.yaml", &[("providers.groq.base_url", "https://me:secret@x")]).unwrap_err();
    let wrong = wrong.to_string();
    assert!(wrong.contains("error: --set providers.groq.base_url:1:25: the address has a user"), "{wrong}");
    assert!(!wrong.contains("secret"), "{wrong}");
}

/// If two keys of a provider had the same name, a mock could not distinguish them, although a gateway would send different ones.
#[test]
fn the_name_of_a_key_is_used_once_in_a_provider_whatever_its_source() {
    for keys in ["[k, {env: k}]", "[{env: k}, {env: k}]", "[{file: k}, {env: k}]", "[{file: k}], b: [k]"] {
        let problems = parse(&text(&format!("accounts: {{a: {keys}}}"))).unwrap_err().to_string();
        assert!(problems.contains("this key is already used on line 1"), "{keys}: {problems}");
    }
}

fn notes(provider: &str) -> Vec<String> {
    notes::sentences(&parse(&text(provider)).expect("a scenario").upstream_notes())
}

#[test]
fn notes_say_what_a_gateway_would_not_send_or_not_safely() {
    let fine = [
        "accounts: {a: [k1]}",
        "accounts: {a: [{env: A}, {file: b}]}, base_url: https://llm.example.com",
        "accounts: {a: [k1]}, base_url: 'http://127.0.0.1:8080'",
        "accounts: {a: [k1]}, base_url: 'http://[::1]:8080'",
        "accounts: {a: [k1]}, base_url: 'http://mock.localhost'",
        "accounts: {a: [{file: secrets/sk-proj-key}]}",
    ];
    for provider in fine {
        assert_eq!(notes(provider), [""; 0], "{provider}");
    }
    let written = notes("accounts: {a: [k1, {env: A}], b: [k2]}, base_url: https://llm.example.com/v1");
    assert_eq!(
        written,
        [
            "2 of the 3 keys of p are written in the scenario, which is for mocks: `quotalab gateway` sends such keys to loopback \
          addresses only, not to https://llm.example.com/v1; write `{env: NAME}`"
        ]
    );
    let assumed = load("short.yaml", &[("providers.p.base_url", "https://llm.example.com")]).unwrap();
    assert_eq!(
        notes::sentences(&assumed.upstream_notes()),
        [
            "p has only the assumed key `default`, which is for mocks: `quotalab gateway` sends it to loopback addresses only, not to \
          https://llm.example.com; write `accounts: {default: [{env: NAME}]}`"
        ]
    );
    assert_eq!(
        notes("accounts: {a: [{env: A}]}, base_url: http://llm.example.com"),
        [
            "keys and prompts travel unencrypted to http://llm.example.com (p); write `https://` if it is offered"
        ]
    );
    assert_eq!(
        notes("accounts: {a: [k1, gsk_1234567890abcdef]}"),
        [
            "the key `gsk_************…` of p is written in the scenario and looks like a real one; write `{env: NAME}`, and revoke what \
          others may have read"
        ]
    );
    assert_eq!(
        notes("accounts: {a: [sk-12345, {env: gsk_12345}]}"),
        [
            "2 keys of p, the first of which is `sk-*****`, are written in the scenario and look like real ones; write `{env: NAME}`, \
          and revoke what others may have read"
        ]
    );
}

/// The notes concern only the gateway, so results do not state them.
#[test]
fn results_do_not_depend_on_how_a_real_provider_is_reached() {
    let plain = parse(&text("accounts: {a: [k1]}")).unwrap();
    let reached = parse(&text("accounts: {a: [gsk_12345678]}, base_url: http://llm.example.com")).unwrap();
    assert_eq!(reached.upstream_notes().len(), 3);
    assert_eq!(reached.notes, plain.notes);
}

#[test]
fn check_says_where_a_gateway_sends_and_which_keys_it_reads() {
    let line = |provider: &str| {
        let described = parse(&text(provider)).unwrap().describe();
        described.lines().find(|line| line.contains("  a gateway ")).map(|line| line.trim().to_owned())
    };
    for (provider, expected) in [
        ("accounts: {a: [k1]}", None),
        (
            "accounts: {a: [k1]}, base_url: 'http://localhost:80/'",
            Some("a gateway reaches it at http://localhost"),
        ),
        (
            "accounts: {a: [k1, {env: A}], b: [{env: B}, {file: c/d}]}",
            Some(
                "a gateway reaches it at the address of its dialect; keys in the environment: A, B; keys in files: c/d",
            ),
        ),
        (
            "accounts: {a: [{env: A}]}, dialect: azure",
            Some("a gateway needs its `base_url`; keys in the environment: A"),
        ),
        (
            "accounts: {a: [{env: gsk_12345678}]}",
            Some("a gateway reaches it at the address of its dialect; keys in the environment: gsk_********"),
        ),
    ] {
        assert_eq!(line(provider).as_deref(), expected, "{provider}");
    }
}

/// The pattern of the schema accepts some addresses that the reader refuses, but it refuses none that the reader accepts.
#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema = language::schema();
    let matches = |pattern: &serde_json::Value, text: &str| {
        let pattern = pattern.as_str().expect("a pattern");
        let pattern = regex::bytes::RegexBuilder::new(pattern).unicode(false).build().expect("a pattern");
        pattern.is_match(text.as_bytes())
    };
    let address = &schema["$defs"]["provider"]["properties"]["base_url"];
    let accepts =
        |text: &str| matches(&address["pattern"], text) && !matches(&address["not"]["pattern"], text);
    for text in [
        "https://api.groq.com/openai/v1",
        " HTTP://A.b:80// ",
        "http://llm_proxy:4000",
        "http://127.0.0.1",
        "https://[2001:db8::1]:8443/v1",
        "https://[::ffff:1.2.3.4]",
        "https://a.b/x@y/%7E(1)",
        "https://a.b/chat/completions/v1",
    ] {
        assert!(BaseUrl::parse(text.trim()).is_ok() && accepts(text), "{text}");
    }
    for text in [
        "",
        "a.b/v1",
        "ftp://a.b",
        "https://",
        "https://me:you@a.b",
        "https://a.b?x",
        "https://a.b/#x",
        "https://a.b/c d",
        "http://::1",
        "http://a.b:",
        "http://a.b:x",
        "https://a.b/v1/chat/completions",
        "https://a.b/chat/completions//",
    ] {
        assert!(BaseUrl::parse(text).is_err() && !accepts(text), "{text}");
    }
    let key = &schema["$defs"]["key"];
    let env = &key["properties"]["env"]["pattern"];
    for (name, is_valid) in
        [("GROQ_API_KEY", true), ("_k2", true), ("k", true), ("2K", false), ("A-B", false), ("", false)]
    {
        assert_eq!(matches(env, name), is_valid, "{name}");
        assert_eq!(
            parse(&text(&format!("accounts: {{a: [{{env: '{name}'}}]}}"))).is_ok(),
            is_valid,
            "{name}"
        );
    }
    assert_eq!(key["additionalProperties"], false);
    assert_eq!(key["allOf"][0]["oneOf"].as_array().map(Vec::len), Some(2), "one of `env` and `file`");
    let keys = &schema["$defs"]["account"]["properties"]["keys"]["items"]["anyOf"];
    assert_eq!(keys[1]["$ref"], "#/$defs/key");
    assert!(fixture("bad/upstream.yaml").exists(), "tests/schema.py refuses it");
}
