//! The errors of gRPC, as Google's clients print them.
//!
//! ```text
//!  Go      rpc error: code = ResourceExhausted desc = Resource exhausted. Please try again later.
//!  Python  <_InactiveRpcError of RPC that terminated with: status = StatusCode.RESOURCE_EXHAUSTED details = "…"
//!  Java    io.grpc.StatusRuntimeException: RESOURCE_EXHAUSTED: Quota exceeded for …
//!  Rust    status: ResourceExhausted, message: "…"      code: ResourceExhausted, message: "…"
//! ```

use super::PastedReply;
use super::bodies::body;

/// Returns the reply in an error of gRPC; `None` if the text is none, or if the code says nothing about a reply.
pub(super) fn of(text: &str) -> Option<PastedReply> {
    let (rest, end) = FORMS.iter().find_map(|(mark, message, end)| {
        let (_, rest) = text.split_once(mark)?;
        Some((rest, (*message, *end)))
    })?;
    let code = rest.split(|c: char| !c.is_ascii_alphabetic() && c != '_').next()?;
    let code = code.replace('_', "").to_ascii_lowercase();
    let (_, status) = STATUSES.iter().find(|(name, _)| *name == code)?;
    let (message, end) = end;
    let after = rest.split_once(message)?.1;
    let stated = after.split(end).next().unwrap_or(after).trim();
    (!stated.is_empty()).then(|| PastedReply { status: Some(*status), ..body(stated) })
}

/// What stands before the code, between the code and the message, and after the message.
const FORMS: [(&str, &str, char); 5] = [
    ("rpc error: code = ", " desc = ", '\n'),
    ("StatusCode.", "details = \"", '"'),
    ("StatusRuntimeException: ", ": ", '\n'),
    ("status: ", ", message: \"", '"'),
    ("code: ", ", message: \"", '"'),
];

/// The codes, in lower case without `_`, and the HTTP statuses to which Google maps them (`google/rpc/code.proto`).
const STATUSES: [(&str, u16); 11] = [
    ("resourceexhausted", 429),
    ("unavailable", 503),
    ("internal", 500),
    ("deadlineexceeded", 504),
    ("unauthenticated", 401),
    ("permissiondenied", 403),
    ("notfound", 404),
    ("invalidargument", 400),
    ("failedprecondition", 400),
    ("aborted", 409),
    ("unknown", 500),
];
