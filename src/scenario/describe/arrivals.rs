//! Describes when jobs arrive.

use super::{dist, seconds};
use crate::scenario::resolved::{Arrivals, GapDist};
use provider::Nanos;
use provider::units::{print_count, print_duration, print_number, print_rate};

pub(super) fn arrivals(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Constant(rate) => format!("{} evenly spaced", print_rate(*rate)),
        Arrivals::Poisson(rate) => format!("{} at random", print_rate(*rate)),
        Arrivals::Renewal { rate, gaps, cv } => {
            let name = match gaps {
                GapDist::Gamma => "gamma",
                GapDist::Weibull => "Weibull",
            };
            format!("{} at random with {name} gaps of cv {}", print_rate(*rate), print_number(*cv))
        }
        Arrivals::Ramp(from, to) => format!("from {} to {} at random", print_rate(*from), print_rate(*to)),
        Arrivals::Steps { steps, every } => {
            let step = |(at, rate): &(provider::Instant, f64)| {
                format!("{} from {}", print_rate(*rate), print_duration(Nanos(at.0)))
            };
            let again = every.map(|every| format!("; the same every {}", print_duration(every)));
            steps.iter().map(step).collect::<Vec<_>>().join(", ") + &again.unwrap_or_default()
        }
        Arrivals::Burst { jobs, at, every } => {
            let first = match at.0 {
                0 => String::new(),
                at => format!(", the first after {}", print_duration(Nanos(at))),
            };
            format!("{} at once, every {}{first}", print_count((*jobs).into()), print_duration(*every))
        }
        Arrivals::Users { users, think } => {
            format!("{} users, each thinking for {}", print_count((*users).into()), dist(think, &seconds))
        }
        Arrivals::Batch { jobs, from, workers } => format!(
            "a batch of {} from {}, {} at once",
            print_count((*jobs).into()),
            print_duration(Nanos(from.0)),
            print_count((*workers).into())
        ),
        Arrivals::Trace { rows, .. } => format!("{} recorded requests", rows.len()),
    }
}
