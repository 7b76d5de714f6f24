//! Recorded exchanges with a provider: JSON lines, each with a request and its reply, which a mock answers with.

use crate::formatting::path_name;
use crate::input_file;
use provider::server::check_record;
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;

/// The maximum size of a file in bytes.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// What to write in a file with exchanges.
pub(super) const HELP: &str =
    r#"write one exchange per line: {"request": {"messages": […]}, "response": {"choices": […]}}"#;

/// Reads the exchanges of a file that a scenario names.
///
/// # Errors
/// A sentence with the file and, if a line is wrong, its number and the reason, without any of its content.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, String> {
    let in_file = |error: String| format!("{}: {error}", path_name(path));
    let file =
        input_file::open_regular(path).map_err(|error| in_file(format!("cannot be opened: {error}")))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| in_file(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(in_file(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let exchanges = lines(&bytes).map(|(number, line)| exchange(number, line)).collect::<Result<Vec<_>, _>>();
    let exchanges = exchanges.map_err(in_file)?;
    if exchanges.is_empty() { Err(in_file("it has no exchange".to_owned())) } else { Ok(exchanges) }
}

fn exchange(number: usize, line: &[u8]) -> Result<Value, String> {
    // The text of a syntax error shows nothing of the line.
    let exchange = serde_json::from_slice(line).map_err(|_| format!("line {number}: it is not JSON"))?;
    check(number, &exchange).map(|()| exchange)
}

/// Checks an exchange on this line.
///
/// # Errors
/// The number of the line and the reason.
pub(crate) fn check(number: usize, exchange: &Value) -> Result<(), String> {
    check_record(exchange).map_err(|reason| format!("line {number}: {reason}"))
}

/// Returns the lines of a file that are not blank, with their numbers from one.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}
