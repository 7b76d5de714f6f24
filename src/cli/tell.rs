//! The two ways out: results to stdout, everything said besides to stderr.
//!
//! A reader that stops reading (`| head`) is no error: what it did not want is not written.

use super::{VerbError, failed};
use std::io::{self, Write as _};

/// Writes a result to stdout.
pub(super) fn show(text: &str) -> Result<(), VerbError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Says something on stderr, a line at a time; where nobody can hear it, there is nobody to tell.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
