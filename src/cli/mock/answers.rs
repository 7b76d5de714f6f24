//! `--answers FILE`: recorded answers.

use super::super::{VerbError, input_error};
use crate::formatting::path_name;
use crate::input_file;
use anyhow::anyhow;
use serde_json::Value;
use std::path::Path;

/// Maximum size of the file in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Reads answers: a JSON list, or one JSON value per line.
///
/// # Errors
/// If the file cannot be read, or is neither.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, VerbError> {
    let name = path_name(path);
    let wrong = |what: String, help: &str| input_error(anyhow!("error: {name}: {what}\n  help: {help}"));
    let bytes = input_file::read(path, MAX_BYTES)
        .map_err(|error| wrong(format!("cannot be read: {error}"), "give the path of a file with answers"))?;
    if let Ok(Value::Array(answers)) = serde_json::from_slice(&bytes) {
        return Ok(answers);
    }
    let lines =
        (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let answer = |(number, line): (usize, &[u8])| {
        let problem = |error| {
            wrong(
                format!("line {number} is not JSON: {error}"),
                r#"write one answer per line, such as {"prompt_is": "2+2", "text": "4"}"#,
            )
        };
        serde_json::from_slice(line).map_err(problem)
    };
    lines.map(answer).collect()
}
