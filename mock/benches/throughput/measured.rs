//! What the benchmarks read of a process, and how they print figures: shared with those of the simulation.

use std::fs;

/// `median (least to most)`.
pub(crate) fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    format!("{:.3} ({least:.3} to {most:.3})", figures[figures.len() / 2])
}

/// How long a process of one thread (its number, or `self`) has been on a core, which a busy machine does not stretch as
/// it does the clock; `None` where the system has no `/proc`.
pub(crate) fn seconds_on_core(process: &str) -> Option<f64> {
    let nanos = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    Some(nanos.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

/// A size of the memory of a process in KiB: `VmRSS`, now, or `VmHWM`, at its peak; `None` as above.
pub(crate) fn memory_kib(process: &str, size: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(size)?.strip_prefix(':'))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
