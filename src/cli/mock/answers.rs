//! `--answers FILE`: answers as the control plane accepts them, and recorded exchanges.

use super::super::{VerbError, input_error};
use crate::drive::local::Mocks;
use crate::formatting::path_name;
use crate::input_file;
use crate::scenario::recorded;
use anyhow::anyhow;
use serde_json::{Value, json};
use std::path::Path;

/// What to write in a file with answers.
const HELP: &str = r#"write one answer per line, such as {"prompt_is": "2+2", "text": "4"}, or a recorded {"request": {…}, "response": {…}}"#;

/// An answer of a file.
#[derive(Debug)]
pub(super) struct FileAnswer {
    /// The file and the line, or in a list the number of the answer. Of recorded exchanges only the file, since they were checked
    /// when they were read.
    place: String,
    pub(super) answer: Value,
}

/// Reads answers: a JSON list, or one JSON value per line. The lines that are recorded exchanges become one answer, the last.
///
/// # Errors
/// If the file cannot be read, is neither a list nor lines of JSON, or has no answer, or if an exchange is wrong. A syntax
/// error is reported with the number of its line, without any of its content.
pub(super) fn read(path: &Path) -> Result<Vec<FileAnswer>, VerbError> {
    let name = path_name(path);
    let wrong = |what: String, help: &str| input_error(anyhow!("error: {name}: {what}\n  help: {help}"));
    let bytes = input_file::read(path, recorded::MAX_BYTES)
        .map_err(|error| wrong(format!("cannot be read: {error}"), "give the path of a file with answers"))?;
    let bytes = recorded::without_byte_order_mark(&bytes);
    let not_json = |line: usize| wrong(format!("line {line}: not JSON"), HELP);
    let mut answers = Vec::new();
    if bytes.trim_ascii_start().starts_with(b"[") {
        let list: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| not_json(error.line()))?;
        let placed = (1..).zip(list).map(|(number, answer): (usize, _)| FileAnswer {
            place: format!("{name}: answer {number}"),
            answer,
        });
        answers.extend(placed);
    } else {
        let mut exchanges = Vec::new();
        for (number, line) in recorded::lines(bytes) {
            let answer: Value = serde_json::from_slice(line).map_err(|_| not_json(number))?;
            if answer.get("request").or_else(|| answer.get("response")).is_some() {
                recorded::check(number, &answer).map_err(|problem| wrong(problem, HELP))?;
                exchanges.push(answer);
            } else {
                answers.push(FileAnswer { place: format!("{name}: line {number}"), answer });
            }
        }
        if !exchanges.is_empty() {
            answers.push(FileAnswer { place: name.clone(), answer: json!({ "recorded": exchanges }) });
        }
    }
    if answers.is_empty() { Err(wrong("it has no answer".to_owned(), HELP)) } else { Ok(answers) }
}

/// Sets the answers of a scenario's providers, and after these the answers of a file, for every provider.
///
/// # Errors
/// The first answer that is wrong, with its place if it is in the file.
pub(super) fn set(
    mocks: &Mocks,
    of_providers: &[Vec<Value>],
    of_file: Vec<FileAnswer>,
) -> Result<(), VerbError> {
    let wrong = |place: &str, (what, help)| input_error(anyhow!("error: {place}: {what}\n  help: {help}"));
    mocks
        .set_answers(of_providers)
        .map_err(|problem: (String, String)| wrong("an answer is wrong", problem))?;
    for FileAnswer { place, answer } in of_file {
        let for_each = vec![vec![answer]; of_providers.len()];
        mocks.set_answers(&for_each).map_err(|problem| wrong(&place, problem))?;
    }
    Ok(())
}
