//! Recorded exchanges with a provider: JSON lines, each with a request and its reply, which a mock answers with.

use crate::formatting::path_name;
use crate::input_file;
use provider::server::check_record;
use serde_json::Value;
use std::path::Path;

/// The maximum size of a file in bytes.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// The remedy for a file without valid exchanges: what to write in it.
pub(super) const HELP: &str =
    r#"write one exchange per line: {"request": {"messages": […]}, "response": {"choices": […]}}"#;

/// Reads the exchanges of a file that a scenario names.
///
/// # Errors
/// Returns a sentence with the file and, if a line is invalid, its number and the reason, without any of its content.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, String> {
    let in_file = |error: String| format!("{}: {error}", path_name(path));
    let file =
        input_file::open_regular(path).map_err(|error| in_file(format!("cannot be opened: {error}")))?;
    let bytes = input_file::read_within(file, MAX_BYTES)
        .map_err(|error| in_file(format!("cannot be read: {error}")))?;
    let exchanges = lines(&bytes).map(|(number, line)| exchange(number, line)).collect::<Result<Vec<_>, _>>();
    let exchanges = exchanges.map_err(in_file)?;
    if exchanges.is_empty() {
        Err(in_file("the file contains no exchanges".to_owned()))
    } else {
        Ok(exchanges)
    }
}

fn exchange(number: usize, line: &[u8]) -> Result<Value, String> {
    // The parser's own message is dropped, so that the error shows none of the line.
    let exchange = serde_json::from_slice(line).map_err(|_| format!("line {number}: not JSON"))?;
    check(number, &exchange).map(|()| exchange)
}

/// Checks an exchange on this line.
///
/// # Errors
/// The number of the line and the reason.
pub(crate) fn check(number: usize, exchange: &Value) -> Result<(), String> {
    check_record(exchange).map_err(|reason| format!("line {number}: {reason}"))
}

/// Returns the bytes of a file without the byte order mark that some programs write at its start.
pub(crate) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// Returns the lines of a file that are not blank, with their numbers from one.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let bytes = without_byte_order_mark(bytes);
    (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}
