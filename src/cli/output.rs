//! The two output streams: results on stdout, everything else on stderr.
//!
//! A closed stdout (`| head`) is not an error: the rest of the result is dropped.

use super::{VerbError, run_error};
use crate::formatting::printable;
use crate::report::Style;
use std::io::{self, IsTerminal as _, Write as _};

/// Writes a result to stdout.
///
/// # Errors
/// If stdout cannot be written, except if its reader has closed it.
pub(super) fn print(text: &str) -> Result<(), VerbError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(run_error(error)),
        _ => Ok(()),
    }
}

/// Writes a result to stdout with unprintable characters replaced by blanks, because names in it may contain anything.
///
/// # Errors
/// As [`print`].
pub(super) fn print_plain(text: &str) -> Result<(), VerbError> {
    print(&plain_lines(text))
}

/// Writes lines to stderr, unprintable characters replaced. A failure is ignored: there is no other place to report it.
pub(super) fn print_to_stderr(lines: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain_lines(lines));
}

/// Replaces unprintable characters except line feeds.
fn plain_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Returns the style of text on stdout: colours on a terminal unless `NO_COLOR` is set (no-color.org), else plain text.
pub(super) fn style() -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !no_color { Style::Colour } else { Style::Plain }
}
