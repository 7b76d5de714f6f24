//! The sentences on what bounds the analytic ceiling: a peak of the traffic, or the order in which routes use their targets.

use crate::formatting::{RunTime, duration, job_rate, jobs_in, moment, number, offered_in};
use crate::record::{CeilingPeak, RouteOrderCeiling};

/// Returns the sentence on the peak that bounds the ceiling.
pub(super) fn peak(peak: &CeilingPeak, run: &RunTime) -> String {
    let CeilingPeak { from_s, length_s, count, offered, may_fail, admitted } = *peak;
    let lasts = if length_s > 0.0 { format!(" for {}", duration(length_s)) } else { String::new() };
    let failing = if may_fail > 0.0 {
        format!(", and the rules let {} fail", jobs_in(may_fail, length_s))
    } else {
        String::new()
    };
    let (from, offered) = (moment(from_s, run), offered_in(offered, length_s));
    let offered = match count {
        1 => format!("The peak from {from}{lasts} bounds the analytic ceiling: {offered} are expected then"),
        _ => format!(
            "The {count} highest peaks, the busiest from {from}{lasts}, bound the analytic ceiling: {offered} are expected on average"
        ),
    };
    let admitted = jobs_in(admitted, length_s);
    format!("{offered}, the limits admit {admitted} until their deadline{failing}.")
}

/// Says what is left of the analytic ceiling in the order of the routes, and why, without an ending.
pub(super) fn in_route_order(order: &RouteOrderCeiling) -> String {
    format!(
        "in the order of the routes about {}, {} times the load, since {} on {} is used up while other targets are idle",
        job_rate(order.jobs_per_min),
        number(order.multiple),
        order.limit.axis,
        order.limit.target
    )
}
