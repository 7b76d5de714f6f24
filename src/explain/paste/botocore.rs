//! The exceptions of AWS's client for Python, as it and the command line of AWS print them.
//!
//! ```text
//!  botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when calling the InvokeModel operation
//!  (reached max retries: 4): Too many requests, please wait before trying again.
//! ```

use super::PastedReply;
use super::bodies::body;
use serde_json::json;

/// Returns the reply of the last exception in a text without the lines of a stack; `None` if it has none. The number of retries is the
/// client's, not the reply's.
pub(super) fn of(text: &str) -> Option<PastedReply> {
    let start = text.rfind(START)?;
    let (code, rest) = text[start + START.len()..].split_once(") when calling the ")?;
    let (operation, rest) = rest.split_once(" operation")?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    let rest = rest.trim_start();
    let message = match rest.strip_prefix('(') {
        Some(retries) => retries.split_once("): ")?.1,
        None => rest.strip_prefix(": ")?,
    };
    if !is_name(code) || !is_name(operation) || message.trim().is_empty() {
        return None;
    }
    // The code of an error inside a stream begins in lower case.
    let code = code[..1].to_ascii_uppercase() + &code[1..];
    let message = message.lines().next().unwrap_or_default().trim();
    Some(body(&json!({ "message": message, "type": code }).to_string()))
}

/// The beginning of the message of every such exception.
const START: &str = "An error occurred (";
