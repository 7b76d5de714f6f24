//! Paths that clients request by mistake: with superfluous slashes, or served by no endpoint.

use crate::wire::{Endpoint, Operation, Task, WireFormat};
use std::borrow::Cow;

/// Returns the path without repeated slashes and without one at its end. Base URLs that end with a slash cause both. The path is
/// borrowed if it has neither.
pub(super) fn normalised(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && (path.len() <= 1 || !path.ends_with('/')) {
        return Cow::Borrowed(path);
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// The header of a reply to a request whose path was normalised.
pub(super) const NOTE_HEADER: &str = "x-quotalab-note";

/// The value of [`NOTE_HEADER`].
pub(super) const NORMALISED_NOTE: &str =
    "served although the path has superfluous slashes; the provider would answer 404";

/// Returns `true` if a path is `/health` below the base of a format or below a leading part of a base, or is the path that
/// clients request to open a connection early ([`WireFormat::warming_path`]).
pub(super) fn is_health(formats: &[&'static dyn WireFormat], path: &str) -> bool {
    if formats.iter().any(|format| format.warming_path() == Some(path)) {
        return true;
    }
    let Some(prefix) = path.strip_suffix("/health") else { return false };
    let is_prefix =
        |base: &str| base.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    formats.iter().any(|format| is_prefix(format.base()))
}

/// Returns the hint for a path that the mock does not serve: the likely mistake, and the paths that it serves. The text has no
/// characters that JSON escapes, because the bases and paths of the dialects have none.
pub(super) fn hint(formats: &[&'static dyn WireFormat], path: &str) -> String {
    let compatible = formats[0];
    let base = compatible.base();
    let mut hint = String::new();
    if let Some(rest) = path.strip_prefix(base).filter(|rest| rest.starts_with(base)) {
        let served = formats.iter().any(|format| format.endpoint(rest).is_some());
        if served {
            hint.push_str(&format!(
                "This client adds {base} itself: set its base URL to the address without {base}. "
            ));
        }
    } else if formats.iter().any(|format| format.endpoint(&format!("{base}{path}")).is_some()) {
        hint.push_str(&format!("The base URL lacks {base}. "));
    }
    hint.push_str("The mock serves ");
    hint.push_str(&served(formats).join(", "));
    hint
}

/// Returns the methods and paths of the calls that limits apply to, and of the list of models.
fn served(formats: &[&'static dyn WireFormat]) -> Vec<String> {
    let mut served = Vec::new();
    for format in formats {
        let base = format.base();
        for path in OPERATIONS.iter().filter_map(|operation| operation.compatible_path()) {
            let path = format!("{base}{path}");
            if matches!(format.endpoint(&path), Some(Endpoint::Operation(..))) {
                served.push(format!("POST {path}"));
            }
        }
        let path = format.path("MODEL");
        if !served.iter().any(|known| known.ends_with(&path)) {
            served.push(format!("POST {path}"));
        }
    }
    served.push(format!("GET {}/models", formats[0].base()));
    served
}

/// The operations of the OpenAI-compatible API that limits apply to.
const OPERATIONS: [Operation; 6] = [
    Operation::Chat,
    Operation::Responses,
    Operation::TextCompletion,
    Operation::Embeddings,
    Operation::Audio(Task::Transcribe),
    Operation::Audio(Task::Translate),
];

/// Adds a hint to the body of an error, as a further member of its JSON object; the provider's own members stay unchanged. If the
/// body has no JSON object, appends the hint.
pub(super) fn add_hint(body: &mut String, hint: &str) {
    match body.rfind('}') {
        // The hint has no characters that JSON escapes.
        Some(end) => body.insert_str(end, &format!(r#","{HINT_MEMBER}":"{hint}""#)),
        None => body.push_str(&format!("{hint}\n")),
    }
}

/// The name of the member with the hint.
const HINT_MEMBER: &str = "quotalab_hint";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;
    use crate::wire;

    #[test]
    fn slashes_are_normalised() {
        for (path, expected) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1//chat/completions", "/v1/chat/completions"),
            ("//v1/chat///completions//", "/v1/chat/completions"),
            ("/v1/models/", "/v1/models"),
            ("/", "/"),
            ("//", "/"),
            ("", ""),
        ] {
            assert_eq!(normalised(path), expected, "{path}");
            assert_eq!(matches!(normalised(path), Cow::Borrowed(_)), path == expected, "{path}");
        }
    }

    #[test]
    fn a_hint_names_the_mistake_and_what_is_served() {
        let groq = wire::formats(Dialect::Groq);
        assert!(hint(groq, "/openai/v1/openai/v1/chat/completions").contains("adds /openai/v1 itself"));
        assert!(hint(groq, "/chat/completions").contains("lacks /openai/v1"));
        let other = hint(groq, "/v9/x");
        assert!(
            !other.contains("lacks")
                && other.contains("POST /openai/v1/chat/completions, POST /openai/v1/responses")
        );
        let anthropic = hint(wire::formats(Dialect::Anthropic), "/v1/x");
        assert!(anthropic.contains("POST /v1/messages"), "{anthropic}");
    }

    #[test]
    fn a_hint_is_a_member_beside_the_error() {
        for (body, expected) in [
            (r#"{"error":{"message":"m"}}"#, r#"{"error":{"message":"m"},"quotalab_hint":"h"}"#),
            (r#"[{"error":{"code":404}}]"#, r#"[{"error":{"code":404},"quotalab_hint":"h"}]"#),
            ("{\"message\":\"}\"}\n", "{\"message\":\"}\",\"quotalab_hint\":\"h\"}\n"),
            ("no JSON", "no JSONh\n"),
        ] {
            let mut body = body.to_owned();
            add_hint(&mut body, "h");
            assert_eq!(body, expected);
        }
    }
}
