//! The name of a limit's window in messages: `minute`, `5 hours`.

use crate::time::Nanos;
use std::borrow::Cow;

/// Returns what follows `per` in a message. A window that has no name is a number of the longest unit of which it is a whole
/// number.
pub(super) fn window_name(window: Nanos) -> Cow<'static, str> {
    const NAMES: [(Nanos, &str); 6] = [
        (Nanos::MONTH, "month"),
        (Nanos::WEEK, "week"),
        (Nanos::DAY, "day"),
        (Nanos::HOUR, "hour"),
        (Nanos::MINUTE, "minute"),
        (Nanos::SECOND, "second"),
    ];
    match NAMES.iter().find(|(length, _)| *length == window) {
        Some((_, name)) => Cow::Borrowed(name),
        None => {
            let units = NAMES.iter().skip(2);
            let whole =
                units.clone().find(|(length, _)| window.0 >= length.0 && window.0.is_multiple_of(length.0));
            match whole {
                Some((length, name)) => Cow::Owned(format!("{} {name}s", window.0 / length.0)),
                None => Cow::Owned(format!("{} ms", window.0 / 1_000_000)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_name_is_a_number_of_units() {
        for (window, name) in [
            (Nanos::SECOND, "second"),
            (Nanos::WEEK, "week"),
            (Nanos::HOUR * 5, "5 hours"),
            (Nanos::SECOND * 10, "10 seconds"),
            (Nanos::MINUTE * 90, "90 minutes"),
            (Nanos::DAY * 3, "3 days"),
            (Nanos::from_millis(1_500), "1500 ms"),
        ] {
            assert_eq!(window_name(window), name);
        }
    }
}
