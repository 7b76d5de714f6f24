//! What clients, gateways and proxies show of a refusal, and how systems save it: encodings, compression, several replies.

use super::{assert_members, check, explained, one, paste};
use flate2::Compression;
use flate2::write::GzEncoder;
use quotalab::explain::{ExplainError, Explanation, explain};
use serde_json::json;
use std::io::Write as _;

#[test]
fn errors_of_accounts_models_and_paths_are_distinguished_from_limits() {
    check(
        "e1-groq-spend-limit",
        &[json!({ "provider": "groq", "cause": "billing", "terminal": true, "status": 400 })],
        &["spend limit"],
        &["back off"],
    );
    check(
        "e1-gemini-depleted",
        &[json!({ "provider": "gemini", "cause": "billing", "terminal": true })],
        &["balance"],
        &["back off"],
    );
    check(
        "e2-restricted",
        &[json!({ "provider": "groq", "cause": "auth", "terminal": true })],
        &["The account is restricted", "support"],
        &["Check the key"],
    );
    check(
        "e2-decommissioned",
        &[json!({ "provider": "groq", "cause": "other", "terminal": true, "model": "llama3-70b-8192" })],
        &["The model was withdrawn", "Change the model"],
        &[],
    );
    check(
        "e2-json-validate",
        &[json!({ "provider": "groq", "cause": "other" })],
        &["answer was rejected"],
        &[],
    );
    check(
        "e2-unknown-url",
        &[json!({ "provider": "groq", "cause": "other", "status": 404, "terminal": true })],
        &["No endpoint has this path", "base URL"],
        &[],
    );
}

#[test]
fn a_pasted_status_is_used() {
    check(
        "e3-status-429",
        &[json!({ "cause": "other", "status": 429, "terminal": false })],
        &["Back off exponentially"],
        &["If its status"],
    );
    check(
        "e3-status-400",
        &[json!({ "cause": "other", "status": 400, "terminal": true })],
        &["Change the request"],
        &["If its status"],
    );
    check(
        "e3-status-404",
        &[json!({ "cause": "other", "status": 404, "terminal": true })],
        &["Check the URL"],
        &["If its status"],
    );
    let unknown = one(r#"{"error":{"message":"No."}}"#);
    assert_members(&unknown, &json!({ "cause": "other", "status": null, "terminal": false }), "no status");
    assert!(unknown["advice"][0].as_str().unwrap().contains("If its status"));
}

#[test]
fn a_reply_of_a_proxy_is_not_explained_by_keys_or_quotas() {
    check(
        "e4-cloudflare-1010",
        &[json!({ "answered_by": "proxy", "server": "Cloudflare", "cause": "other", "terminal": true })],
        &["user agent"],
        &["Check the key"],
    );
    for (name, server, wait) in [
        ("e5-nginx", "nginx", 5.0),
        ("e5-kong", "Kong", 21.0),
        ("e5-apim", "Azure API Management", 31.0),
        ("e5-cloudflare-1015", "Cloudflare", 10.0),
    ] {
        let expected = json!({ "answered_by": "proxy", "server": server, "cause": "other", "wait_s": wait, "wait_meaning": "suggested", "terminal": false });
        check(
            name,
            &[expected],
            &["a proxy in front of the provider"],
            &["this request fits", "shares this quota"],
        );
    }
}

#[test]
fn a_refusal_that_a_gateway_passes_on_is_read() {
    check(
        "e6-litellm-headers",
        &[
            json!({ "provider": "openai", "answered_by": "gateway", "server": "LiteLLM", "axis": "tpm", "wait_s": 12.0, "wait_meaning": "until_enough" }),
        ],
        &["passes on a refusal of openai", "10 of 30000 tpm left"],
        &[],
    );
    let text = String::from_utf8(paste("e6-litellm-headers")).unwrap();
    let (head, _) = text.split_once("\n\n").unwrap();
    let bare = one(format!("{head}\n\n{{\"error\":{{\"message\":\"Rate limited\"}}}}"));
    assert_members(&bare, &json!({ "wait_s": 12.0, "answered_by": "gateway" }), "headers alone");
}

#[test]
fn the_values_in_a_truncated_reply_are_read() {
    check(
        "e7-cut-json",
        &[
            json!({ "provider": "groq", "cause": "day_limit", "axis": "tpd", "limit": 100_000, "used": 98_894, "requested": 4_273, "wait_s": null }),
        ],
        &["ends in the middle"],
        &[],
    );
}

#[test]
fn azures_reset_of_a_daily_request_limit_is_read() {
    check(
        "e8-azure-reset",
        &[
            json!({ "provider": "azure", "cause": "day_limit", "axis": "rpd", "limit": 50, "wait_s": 1_728.0 }),
        ],
        &["28m48s", "requests-per-day"],
        &["per-minute"],
    );
    let alone = "HTTP/1.1 429 Too Many Requests\nx-ratelimit-reset-requests: 1728\napim-request-id: 0\n\n{\"error\":{\"code\":\"429\",\"message\":\"Requests have exceeded call rate limit of your tier.\"}}";
    let explained = one(alone);
    assert_members(&explained, &json!({ "wait_s": 1_728.0, "wait_meaning": "suggested" }), "alone");
    assert!(explained["notes"].to_string().contains("has no unit"), "{explained}");
}

#[test]
fn printed_waits_are_rounded_up() {
    check("e9-nanoseconds", &[json!({ "wait_s": 31.012383874 })], &["31.1s"], &["31.012"]);
}

/// Seven pastes in the encodings of Windows, with the line ends of each system.
#[test]
fn a_paste_has_the_same_explanation_in_every_encoding() {
    for name in [
        "b15-dump",
        "b13a-anthropic-headers",
        "b04-zai",
        "b06-codex-log",
        "b12-gateway-list",
        "b02-github-models",
        "e5-nginx",
    ] {
        let bytes = paste(name);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let expected: Vec<Explanation> = explained(&bytes);
        let crlf = text.replace('\n', "\r\n");
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for (encoding, bytes) in [
            ("CRLF", crlf.clone().into_bytes()),
            ("UTF-8 with BOM", [b"\xef\xbb\xbf", crlf.as_bytes()].concat()),
            ("UTF-16LE", [b"\xff\xfe", &little(&crlf)[..]].concat()),
            ("UTF-16BE", [b"\xfe\xff", &big(&text)[..]].concat()),
            ("UTF-16LE without BOM", little(&text)),
        ] {
            assert_eq!(explained(&bytes), expected, "{name} as {encoding}");
        }
    }
    assert_eq!(explained(paste("b15-curl-v")), explained(paste("b15-dump")));
}

#[test]
fn a_compressed_body_is_decompressed_or_reported_as_compressed() {
    let bytes = paste("b15-dump");
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let whole = [head.as_bytes(), b"\ncontent-encoding: gzip\n\n", &compressed].concat();
    let explained = one(&whole);
    assert_members(&explained, &json!({ "axis": "rpm", "wait_s": 7.0 }), "gzip");
    assert!(explained["notes"].to_string().contains("compressed"));
    assert_eq!(one(&compressed)["axis"], json!("rpm"), "the body alone");
    for bytes in [&b"\x1f\x8b\x08\x00\x00"[..], b"\x28\xb5\x2f\xfd\x00"] {
        let error = explain(bytes, None).unwrap_err();
        assert!(matches!(error, ExplainError::Compressed(_)), "{error}");
    }
}

#[test]
fn each_reply_of_several_is_explained() {
    let names = ["b15-dump", "b13a-anthropic-headers", "e5-kong", "b10-python-billing"];
    let together: Vec<u8> = names.iter().flat_map(|name| [paste(name), b"\n".to_vec()].concat()).collect();
    let apart: Vec<_> = names.iter().map(|name| one(paste(name))).collect();
    let found: Vec<_> = explained(together).iter().map(|one| serde_json::to_value(one).unwrap()).collect();
    assert_eq!(found, apart);
}
