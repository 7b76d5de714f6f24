//! A daily window of the Pacific time zone, checked against a list of clock changes: it counts what was admitted on the
//! same local date.

use proptest::prelude::*;
use provider::config::{Limit, RefillPolicy};
use provider::window::Window;
use provider::{Instant, Nanos, Zone};

const HOUR: u64 = Nanos::HOUR.0;

/// Clock changes (back, forward, back) in hours since the run began: 2026-11-01 9:00, 2027-03-14 10:00 and 2027-11-07
/// 9:00 UTC.
const CHANGES: [u64; 3] = [9, 133 * 24 + 10, 371 * 24 + 9];

/// Returns the local date in California as a day number.
fn date(at: Instant) -> u64 {
    let changes = CHANGES.iter().filter(|change| at.0 >= **change * HOUR).count();
    let hours_behind_utc = [7, 8][changes % 2];
    (at.0 + (24 - hours_behind_utc) * HOUR) / (24 * HOUR)
}

/// An instant near one of the changes, or anywhere in between.
fn start() -> impl Strategy<Value = Instant> {
    let near = (prop::sample::select(&CHANGES), 0..72 * HOUR)
        .prop_map(|(change, after)| Instant((change * HOUR).saturating_sub(36 * HOUR) + after));
    prop_oneof![4 => near, 1 => (0..370 * 24 * HOUR).prop_map(Instant)]
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..HOUR, 0..30 * HOUR, Just(24 * HOUR), Just(25 * HOUR - 1)]
}

proptest! {
    #[test]
    fn a_daily_window_admits_its_limit_per_local_date_and_again_from_midnight(
        limit in 1_u64..20, start in start(), requests in prop::collection::vec((gap(), 0_u64..10), 1..40),
    ) {
        let refill = RefillPolicy::Calendar(Zone::Pacific);
        let mut window = Window::new(&Limit::rpd(limit).with_refill(refill));
        let mut admitted: Vec<(Instant, u64)> = vec![];
        let mut now = start;
        for (gap, amount) in requests {
            now += Nanos(gap);
            window.advance_to(now);
            let today = admitted.iter().filter(|(at, _)| date(*at) == date(now));
            let fits = today.map(|(_, amount)| amount).sum::<u64>() + amount <= limit;
            prop_assert_eq!(window.admits(now, amount), fits, "{} at {}", amount, now);
            if fits {
                window.charge(now, amount);
                admitted.push((now, amount));
                prop_assert_eq!(window.earliest_admission(now, 0), Some(now));
            } else if let Some(admission) = window.earliest_admission(now, amount) {
                prop_assert_eq!([date(Instant(admission.0 - 1)), date(admission)], [date(now), date(now) + 1]);
            } else {
                prop_assert!(amount > limit);
            }
        }
    }
}

#[test]
fn local_days_with_a_clock_change_have_25_or_23_hours() {
    assert_eq!([6, 7, 31, 32].map(|hour| date(Instant(hour * HOUR))), [0, 1, 1, 2]);
    let spring = 133 * 24;
    assert_eq!([7, 8, 30, 31].map(|hour| date(Instant((spring + hour) * HOUR)) - 132), [1, 2, 2, 3]);
}
