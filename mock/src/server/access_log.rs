//! The access log: one line for each request of the journal that has ended. A line begins with arrival, method, path and
//! status; `key=value` fields follow, and `disconnected` if the client disconnected before the end of the reply, or `timed_out` if the
//! fault `timeout` left it without a reply.

use super::Mock;
use crate::journal::{End, Entry, JournalOutcome};
use std::fmt::{self, Write as _};

impl Mock {
    /// Passes the line of a request to the access log, if there is one.
    pub(super) fn log_access(&self, entry: &Entry) {
        if let Some(log) = self.control.as_ref().and_then(|control| control.access_log.as_ref()) {
            log(&self.line(entry).unwrap_or_default());
        }
    }

    fn line(&self, entry: &Entry) -> Result<String, fmt::Error> {
        let mut line = String::new();
        let (method, path) =
            entry.method_and_path.as_ref().map_or(("-", "-"), |(method, path)| (&**method, &**path));
        write!(line, "{} {method} {path}", entry.arrived_at)?;
        match entry.status {
            Some(status) => write!(line, " {status}")?,
            None => line.push_str(" -"),
        }
        if let (Some(account), Some(key)) = (entry.sender.account, entry.sender.key) {
            write!(line, " account={} key={}", self.account_name(account), u32::from(key) + 1)?;
        }
        if let Some(model) = entry.model {
            write!(line, " model={}", self.model(model).name)?;
        }
        write!(line, " outcome={}", entry.outcome.name())?;
        if let JournalOutcome::RateLimited { axis, .. } = entry.outcome {
            write!(line, " axis={}", axis.name())?;
        }
        if let Some(wait) = entry.wait {
            write!(line, " wait={wait}")?;
        }
        write!(line, " bytes={} tokens={}", entry.request_bytes, entry.charged_tokens.unwrap_or_default())?;
        if let Some(ended_at) = entry.end.at() {
            write!(line, " time={}", ended_at.since(entry.arrived_at))?;
        }
        match entry.end {
            End::Disconnected(_) => line.push_str(" disconnected"),
            End::TimedOut(_) => line.push_str(" timed_out"),
            End::InProgress | End::Replied(_) => {}
        }
        Ok(line)
    }
}
