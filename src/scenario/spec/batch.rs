//! `batch`: a fixed number of jobs, of which a fixed number is in flight at once.

use crate::scenario::language::Fields;
use crate::scenario::resolved::Arrivals;
use provider::Instant;

/// Builds `batch`; `None` if it is invalid, which has been reported.
pub(super) fn batch(fields: &Fields) -> Option<Arrivals> {
    Some(Arrivals::Batch {
        jobs: fields.count("jobs")?,
        from: Instant(fields.duration("from")?.0),
        workers: fields.count("workers")?,
    })
}
