//! CPU time and memory of a process, and the format of figures. Shared with the benchmark of the simulation.

use std::fs;

/// Formats figures as `median (minimum to maximum)`.
pub(crate) fn median_and_range(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let (min, max) = (figures[0], figures[figures.len() - 1]);
    format!("{:.3} ({min:.3} to {max:.3})", figures[figures.len() / 2])
}

/// Returns the CPU time in seconds of a single-threaded process (its id, or `self`). Unlike elapsed time it does not
/// depend on other load. `None` if it cannot be read, as on a system without `/proc`.
pub(crate) fn seconds_on_core(process: &str) -> Option<f64> {
    let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    Some(schedstat.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

/// Returns a memory size of a process in KiB: `VmRSS` (resident) or `VmHWM` (its peak). `None` if the system has no
/// `/proc`.
pub(crate) fn memory_kib(process: &str, size: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(size)?.strip_prefix(':'))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
