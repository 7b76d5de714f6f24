//! The jobs that used no limit, or that the client gave up because of its budget in USD, as a sentence.

use crate::formatting::{percent, share_of};
use crate::record::UnsentJobs;

/// Says which jobs used no limit, so that the load at the providers was smaller than the one offered; `is_bounded`: the sentence
/// before states what the limits allow.
pub(super) fn sentence(unsent: UnsentJobs, is_bounded: bool) -> String {
    let UnsentJobs { offered, cached, joined, over_budget } = unsent;
    let budget = match over_budget {
        0 => String::new(),
        jobs => format!(
            " The client's budget in USD bounds the load: {} of the jobs were given up for it.",
            percent(share_of(jobs, offered).unwrap_or(0.0)),
        ),
    };
    if cached + joined == 0 {
        return budget;
    }
    let part = |jobs: u64, how: &str| {
        let share = percent(share_of(jobs, offered).unwrap_or(0.0));
        (jobs > 0).then(|| format!("{share} of the jobs {how}"))
    };
    let parts = [part(cached, "from its cache"), part(joined, "with the answer to an identical one")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let allowed =
        if is_bounded { " What the limits allow is stated for jobs that are all sent." } else { "" };
    format!(" The client answered {}: these used no limit.{allowed}{budget}", parts.join(" and "))
}
