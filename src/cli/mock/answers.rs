//! `--answers FILE`: answers as the control plane accepts them, and recorded exchanges.

use super::super::{VerbError, input_error};
use crate::formatting::path_name;
use crate::input_file;
use crate::scenario::recorded;
use anyhow::anyhow;
use serde_json::{Value, json};
use std::path::Path;

/// Reads answers: a JSON list, or one JSON value per line. The lines that are recorded exchanges become one answer, the last.
///
/// # Errors
/// If the file cannot be read, or is neither, or an exchange is wrong.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, VerbError> {
    let name = path_name(path);
    let wrong = |what: String, help: &str| input_error(anyhow!("error: {name}: {what}\n  help: {help}"));
    let bytes = input_file::read(path, recorded::MAX_BYTES)
        .map_err(|error| wrong(format!("cannot be read: {error}"), "give the path of a file with answers"))?;
    let bytes = recorded::without_byte_order_mark(&bytes);
    if let Ok(Value::Array(answers)) = serde_json::from_slice(bytes) {
        return Ok(answers);
    }
    let help = r#"write one answer per line, such as {"prompt_is": "2+2", "text": "4"}, or a recorded {"request": {…}, "response": {…}}"#;
    let (mut answers, mut exchanges) = (Vec::new(), Vec::new());
    for (number, line) in recorded::lines(bytes) {
        let problem = |error| wrong(format!("line {number} is not JSON: {error}"), help);
        let answer: Value = serde_json::from_slice(line).map_err(problem)?;
        if answer.get("request").or_else(|| answer.get("response")).is_some() {
            recorded::check(number, &answer).map_err(|problem| wrong(problem, help))?;
            exchanges.push(answer);
        } else {
            answers.push(answer);
        }
    }
    if !exchanges.is_empty() {
        answers.push(json!({ "recorded": exchanges }));
    }
    Ok(answers)
}
