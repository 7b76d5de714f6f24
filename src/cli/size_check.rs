//! Checks the estimated size of a run before it begins.

use super::{VerbError, input_error};
use crate::drive::RunSize;
use crate::formatting::{duration, number};
use anyhow::anyhow;
use clap::Args;

/// The most jobs of a run that is begun without `--yes`.
const MAX_JOBS: f64 = 100e6;
/// The most bytes of memory of a run that is begun without `--yes`; fewer if the system allows this process less.
const MAX_BYTES: f64 = 2e9;
/// The share of the address space allowed to this process that a run may use.
const ADDRESS_SPACE_SHARE: f64 = 0.7;

/// The option that confirms a large run.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct SizeCheck {
    /// Begin even if the estimate exceeds 100 million jobs or 2 GB of memory
    #[arg(long)]
    pub(super) yes: bool,
}

impl SizeCheck {
    /// Checks the estimated size of what is about to run.
    ///
    /// # Errors
    /// If it exceeds [`MAX_JOBS`] or [`MAX_BYTES`] and was not confirmed, or exceeds what `ulimit -v` allows, which `--yes` does not
    /// override.
    pub(super) fn check(self, size: &RunSize) -> Result<(), VerbError> {
        self.check_within(size, allowed_bytes())
    }

    fn check_within(self, size: &RunSize, allowed: f64) -> Result<(), VerbError> {
        let max_bytes = MAX_BYTES.min(allowed);
        // Written so that an infinite load, and the NaN that follows from it, is not within these bounds.
        let is_within = size.jobs <= MAX_JOBS && size.bytes <= max_bytes;
        let is_confirmed = self.yes && (allowed.is_infinite() || size.bytes <= allowed);
        if is_within || is_confirmed {
            return Ok(());
        }
        let confirm = if self.yes {
            "or allow more memory (`ulimit -v`), which `--yes` does not"
        } else {
            "or confirm with `--yes`"
        };
        Err(input_error(anyhow!(
            "error: the run is too large, by estimate {}; the maximum is 100 million jobs and {} of memory\n  \
             help: lower the load, the duration (`--for`) or the deadline, {confirm}",
            describe(size),
            memory(max_bytes)
        )))
    }

    /// Returns the argument that confirms the run, after a space; empty if it was not given.
    pub(super) const fn to_argument(self) -> &'static str {
        if self.yes { " --yes" } else { "" }
    }
}

/// Returns the most bytes that the estimate may state: a share of the address space of this process (`ulimit -v`), infinite if
/// that is unlimited.
fn allowed_bytes() -> f64 {
    #[cfg(unix)]
    let allowed = rustix::process::getrlimit(rustix::process::Resource::As).current;
    #[cfg(not(unix))]
    let allowed: Option<u64> = None;
    allowed.map_or(f64::INFINITY, |bytes| bytes as f64 * ADDRESS_SPACE_SHARE)
}

/// Returns the size in words: jobs, events, memory and time.
fn describe(size: &RunSize) -> String {
    let RunSize { jobs, in_flight, events, bytes, seconds } = *size;
    format!(
        "{} jobs ({} in flight at once), {} events, {} of memory and {} on one core",
        amount(jobs),
        amount(in_flight),
        amount(events),
        memory(bytes),
        time(seconds)
    )
}

/// The names of large numbers.
const LARGE: [(f64, &str); 3] = [(1e12, " trillion"), (1e9, " billion"), (1e6, " million")];
/// The names of units of memory.
const MEMORY: [(f64, &str); 3] = [(1e12, " TB"), (1e9, " GB"), (1e6, " MB")];
/// Larger values are not printed: they exceed any machine.
const MAX_PRINTED: f64 = 1e18;

fn amount(value: f64) -> String {
    in_units(value, &LARGE)
}

fn memory(bytes: f64) -> String {
    if bytes < MAX_PRINTED { in_units(bytes, &MEMORY) } else { "over 10^18 bytes".to_owned() }
}

/// Formats a value in the largest unit in which it is at least one.
fn in_units(value: f64, units: &[(f64, &str)]) -> String {
    let (unit, name) = units.iter().find(|(unit, _)| value >= *unit).copied().unwrap_or((1.0, ""));
    if value < MAX_PRINTED { format!("{}{name}", number(value / unit)) } else { "over 10^18".to_owned() }
}

fn time(seconds: f64) -> String {
    if seconds < MAX_PRINTED { duration(seconds) } else { "over 10^18 s".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_run_must_be_confirmed_and_its_size_is_described() {
        let size = |jobs, bytes| RunSize { jobs, bytes, in_flight: 4e3, events: 6e10, seconds: 6e3 };
        assert!(SizeCheck { yes: false }.check_within(&size(1e8, 2e9), f64::INFINITY).is_ok());
        assert!(SizeCheck { yes: true }.check_within(&size(1e12, 2e12), f64::INFINITY).is_ok());
        assert!(SizeCheck { yes: true }.check_within(&size(1e12, 9e8), 1e9).is_ok());
        assert!(SizeCheck { yes: true }.check_within(&size(1e3, 1.1e9), 1e9).is_err(), "no address space");
        assert!(SizeCheck { yes: false }.check_within(&size(1e3, 1.1e9), 1e9).is_err());
        for (jobs, bytes) in [(1.1e8, 1e6), (1e3, 2.1e9), (f64::INFINITY, 1e6), (1e3, f64::NAN)] {
            let checked = SizeCheck { yes: false }.check_within(&size(jobs, bytes), f64::INFINITY);
            assert!(checked.is_err(), "{jobs} {bytes}");
        }
        assert_eq!(
            describe(&size(1e10, 3.7e12)),
            "10 billion jobs (4,000 in flight at once), 60 billion events, 3.7 TB of memory and 1 h 40 min on one core"
        );
        let infinite = RunSize { jobs: f64::INFINITY, bytes: f64::NAN, ..size(0.0, 0.0) };
        assert!(describe(&infinite).starts_with("over 10^18 jobs"), "{}", describe(&infinite));
    }
}
