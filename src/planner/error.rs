//! Why there is no plan.

/// The error of [`super::plan()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The scenario has no load.
    #[error("the scenario offers no jobs, so there is no load to multiply: give a workload a rate")]
    NothingOffered,
    /// The target is a rate, and a workload has users.
    #[error(
        "the load of a workload with users is their number, not a rate: give the target as a multiple, such as 5x"
    )]
    RateOfUsers,
    /// Months were asked for, and no day follows from the scenario's duration.
    #[error(
        "a month is priced from whole days, and the scenario does not last whole days: write `duration: 24h` or give `--for 24h`"
    )]
    NoWholeDays,
    /// An offer is bound to the calendar, and no first month was given.
    #[error(
        "an offer is available from a month of the calendar: give the first month of the plan, such as `--from 2027-01`"
    )]
    NoFirstMonth,
    /// A limit per month of the calendar can bind, and no first month was given.
    #[error(
        "a limit per month of the calendar can bind, and months have 28 to 31 days: give the first month of the plan, such as `--from 2027-01`"
    )]
    NoCalendarMonths,
    /// A limit per month of the calendar can bind, and no month can be simulated as a whole: why, with a remedy.
    #[error(
        "a limit per month of the calendar can bind, so each of the months must be simulated as a whole, but {0}; or plan without `--months`"
    )]
    MonthsNotSimulated(&'static str),
    /// The plan was interrupted before the ceiling was found; with closed workloads, before it was found as a number of users.
    #[error("interrupted before the ceiling was found")]
    Interrupted,
    /// The time was up before the ceiling was found; with closed workloads, before it was found as a number of users.
    #[error(
        "the time limit ended the plan before the ceiling was found: give it more (`--time-limit`) or a shorter run (`--for`)"
    )]
    TimeLimit,
    /// Runs that were left to other processes and are missing are needed for the ceiling.
    #[error("shards are missing without which the ceiling cannot be found")]
    MissingShards,
    /// A run was ended because of its jobs in flight.
    #[error("a run had too many jobs in flight to be judged: lower the load or the deadline")]
    TooManyJobs,
}

impl PlanError {
    /// Returns `true` if the input is wrong, `false` if the plan failed while it was made.
    #[must_use]
    pub const fn is_of_input(self) -> bool {
        matches!(
            self,
            Self::NothingOffered
                | Self::RateOfUsers
                | Self::NoWholeDays
                | Self::NoFirstMonth
                | Self::NoCalendarMonths
                | Self::MonthsNotSimulated(_)
        )
    }
}
