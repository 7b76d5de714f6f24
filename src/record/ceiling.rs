//! What the limits of a scenario allow, by arithmetic, and whether the run is short compared with their windows.

use crate::ceiling::{self, AxisCeiling, MIN_REPORTED_SHARE};
use crate::formatting::{at_seconds, rounded, seconds};
use crate::ids::TargetId;
use crate::scenario::{Family, Scenario, Start, Target};
use provider::Axis;
use provider::config::{Limit, RefillPolicy};
use serde::{Deserialize, Serialize};

/// The highest load that the limits allow, by arithmetic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CeilingSummary {
    /// Jobs per minute, in the scenario's mix, without those that are too large for every target; `None` if no limit bounds it.
    pub jobs_per_min: Option<f64>,
    /// The headroom: `jobs_per_min` ÷ the offered load of such jobs, which is the factor by which the traffic may grow in the
    /// shape that it has. `None` if no limit bounds it.
    pub multiple: Option<f64>,
    /// The ceiling of a run that begins with every limit unused, in jobs per minute, if it is higher: the first day of a new
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run_jobs_per_min: Option<f64>,
    /// The offered load in jobs per minute, on average, with the jobs that are too large for every target.
    pub offered_jobs_per_min: f64,
    /// The limit that binds; `None` if no limit does.
    pub binding: Option<TargetLimit>,
    /// The peak that bounds the load; `None` if the mean over the run does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<CeilingPeak>,
    /// The first limit that may refuse calls below the ceiling because of what calls in flight reserve, which the arithmetic
    /// does not count; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<TargetLimit>,
    /// An estimate of the ceiling if jobs go to the first target of their route that has room, so that a limit per hour or day is used
    /// up while other targets are idle. `jobs_per_min` and `multiple` are then upper bounds, which need not be reached. `None` if the
    /// estimate is above 97 % of them, or if no such limit runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<RouteOrderCeiling>,
    /// What each limit of each target allows.
    pub targets: Vec<CeilingTarget>,
}

/// The ceiling if jobs go to the first target of their route that has room: an estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteOrderCeiling {
    /// Jobs per minute, as [`CeilingSummary::jobs_per_min`].
    pub jobs_per_min: f64,
    /// As a multiple of the offered load.
    pub multiple: f64,
    /// The limit that runs out first above it.
    pub limit: TargetLimit,
}

impl RouteOrderCeiling {
    /// Returns the estimate of an analytic ceiling, rounded to the precision of results; `None` if it has none.
    #[must_use]
    pub fn of(scenario: &Scenario, ceiling: &ceiling::Ceiling) -> Option<Self> {
        ceiling.in_route_order.map(|order| Self {
            jobs_per_min: rounded(order.jobs_per_min, 6),
            multiple: rounded(order.multiple, 6),
            limit: TargetLimit::of(scenario, order.limit),
        })
    }
}

/// The intervals whose jobs bound the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingPeak {
    /// The start of the busiest interval, in seconds since the run began.
    pub from_s: f64,
    /// The length of each interval, in seconds; 0 if its jobs arrive in one instant.
    pub length_s: f64,
    /// The number of intervals.
    #[serde(default = "one")]
    pub count: u32,
    /// The expected number of jobs per interval that some target can admit, on average over the intervals.
    pub offered: f64,
    /// Of these, the number that may fail without breaking a rule on success, if all failures of the run fall into the
    /// intervals.
    #[serde(default)]
    pub may_fail: f64,
    /// The jobs of one interval that the limits admit before their deadline: (offered − may fail) times the headroom.
    pub admitted: f64,
}

/// The number of intervals in a result of an earlier version.
fn one() -> u32 {
    1
}

impl CeilingPeak {
    /// Returns the peak of a ceiling, rounded to the precision of results.
    #[must_use]
    pub fn of(ceiling: &ceiling::Ceiling) -> Option<Self> {
        ceiling.peak.map(|peak| Self {
            from_s: at_seconds(peak.from),
            length_s: seconds(peak.length),
            count: peak.count,
            offered: rounded(peak.jobs, 6),
            may_fail: rounded(peak.may_fail, 6),
            admitted: rounded((peak.jobs - peak.may_fail) * ceiling.multiple, 6),
        })
    }
}

/// A limit by its target and axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLimit {
    /// `provider/account/model`.
    pub target: String,
    /// The axis.
    pub axis: String,
}

impl TargetLimit {
    pub(crate) fn of(scenario: &Scenario, (target, axis): (TargetId, Axis)) -> Self {
        Self { target: scenario.targets[target.index()].name.clone(), axis: axis.name().to_owned() }
    }
}

/// What the limits of one target allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingTarget {
    /// `provider/account/model`.
    pub name: String,
    /// The family with which it shares its limits; `None` if it shares them with no other target. What a shared limit allows is for
    /// the jobs of all these targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// What each of its limits allows. Limits on axes that the jobs do not use are left out.
    pub axes: Vec<CeilingAxis>,
}

/// What one limit allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingAxis {
    /// The axis.
    pub axis: String,
    /// The quantity per window; for an adaptive limit, its initial value.
    pub limit: u64,
    /// The length of the window, if the name of the axis does not state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The highest value that an adaptive limit grows to with its use; `jobs_per_min` is computed from it. `None` for other
    /// limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows_to: Option<u64>,
    /// Jobs per minute that this limit alone would admit.
    pub jobs_per_min: f64,
}

impl CeilingTarget {
    /// Returns what the limits of every target allow, without those that bound nothing. The rates count all jobs, of which
    /// some target can serve the share `servable_share`.
    pub(crate) fn all(scenario: &Scenario, ceiling: &ceiling::Ceiling, servable_share: f64) -> Vec<Self> {
        let each = ceiling.targets.iter().map(|target| Self {
            name: scenario.targets[target.target.index()].name.clone(),
            family: Family::of(scenario, target.target.index()),
            axes: target.axes.iter().filter_map(|axis| CeilingAxis::of(axis, servable_share)).collect(),
        });
        each.collect()
    }

    /// Returns `true` if tables state its limits: they are its own, or it is the first target of a family that shares them.
    pub(crate) fn is_stated(&self) -> bool {
        self.family.as_ref().is_none_or(|family| family.is_stated_at(&self.name))
    }
}

impl CeilingAxis {
    fn of(axis: &AxisCeiling, servable_share: f64) -> Option<Self> {
        axis.jobs_per_min.is_finite().then(|| Self {
            axis: axis.axis.name().to_owned(),
            limit: axis.limit,
            window_s: axis.window.filter(|_| axis.axis.has_own_window()).map(seconds),
            grows_to: axis.grows_to,
            jobs_per_min: rounded(axis.jobs_per_min / servable_share, 6),
        })
    }
}

/// A limit whose window is half of the run or longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LongWindow {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit.
    pub axis: String,
    /// The window in seconds; 30 days for a month.
    pub window_s: f64,
    /// Whether the window is a month of the calendar, which has 28 to 31 days.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", rename = "calendar_month")]
    pub is_calendar_month: bool,
    /// The share of the limit's capacity (of a bucket: of its burst) that is used when the run begins.
    pub used_share: f64,
    /// The share that the client assumes to be used when the run begins; `None` if it differs from `used_share` by at most
    /// 0.05, if the client counts nothing as used or has no estimate, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed_share: Option<f64>,
    /// The share of the limit that the offered load uses per window; 0 in a result of an earlier version.
    #[serde(default)]
    pub offered_share: f64,
    /// The time that is left of the open window when the run begins, in seconds, if the limit counts from the start of its
    /// windows, and if the calendar determines when that window ends or the window is longer than the run, which is then its last part.
    /// `None` for other limits, with `start: full`, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_left_s: Option<f64>,
    /// `true` if the window is one of the calendar, but `start` has no date, so that the run is assumed to be the last part of a window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub window_end_assumed: bool,
    /// `true` if the calendar determines the window and traffic ends with the run, so that `used_share` is what repetitions of the run leave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub run_repeated: bool,
    /// `true` if `used_share` is what the same traffic on earlier days leaves used, `false` if the scenario says
    /// `start: full`.
    pub sustained: bool,
}

pub(super) fn ceiling_of(scenario: &Scenario) -> CeilingSummary {
    let ceiling = ceiling::Ceiling::of(scenario);
    // JSON has no infinity: an unbounded number is left out.
    let finite = |value: f64| value.is_finite().then(|| rounded(value, 6));
    CeilingSummary {
        jobs_per_min: finite(ceiling.jobs_per_min),
        multiple: finite(ceiling.multiple),
        first_run_jobs_per_min: ceiling.higher_first_run().and_then(|first| finite(first.jobs_per_min)),
        offered_jobs_per_min: rounded(ceiling.offered_jobs_per_min, 6),
        binding: ceiling.binding.map(|limit| TargetLimit::of(scenario, limit)),
        peak: CeilingPeak::of(&ceiling),
        uncounted: ceiling.uncounted.map(|limit| TargetLimit::of(scenario, limit)),
        in_route_order: RouteOrderCeiling::of(scenario, &ceiling),
        targets: CeilingTarget::all(scenario, &ceiling, 1.0),
    }
}

impl LongWindow {
    /// Returns the limit, of those with a window longer than [`Start::SHORT_WINDOW`] and at least half of a run of `scenario`,
    /// of which the offered load uses the largest share; `None` if it uses less than [`MIN_REPORTED_SHARE`] of each.
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let is_long = |limit: &Limit| {
            limit
                .window
                .is_some_and(|window| window > Start::SHORT_WINDOW && window.0 >= scenario.duration.0 / 2)
        };
        let (target, limit, offered_share) = ceiling::offered_shares(scenario, is_long)
            .into_iter()
            .filter(|(.., share)| *share >= MIN_REPORTED_SHARE)
            .max_by(|one, other| one.2.total_cmp(&other.2))?;
        let used_share = rounded(used_share(scenario, target, &limit), 3);
        let sustained = scenario.start.has_history(&limit);
        let open = ceiling::open_window(&limit, &scenario.clock, scenario.duration).filter(|_| sustained);
        let has_period = matches!(limit.refill, RefillPolicy::Calendar(_)) && limit.axis.period().is_some();
        Some(Self {
            target: scenario.targets[target.index()].name.clone(),
            axis: limit.axis.name().to_owned(),
            window_s: seconds(limit.window?),
            is_calendar_month: limit.is_per_calendar_month(),
            used_share,
            assumed_share: assumed_share(&scenario.targets[target.index()], limit.axis)
                .filter(|assumed| (assumed - used_share).abs() > MIN_REPORTED_DIFFERENCE),
            offered_share: rounded(offered_share, 3),
            window_left_s: open.map(|open| seconds(open.left)),
            window_end_assumed: has_period && open.is_some_and(|open| open.passed.is_none()),
            run_repeated: scenario.has_traffic_that_ends() && open.is_some_and(|open| open.passed.is_some()),
            sustained,
        })
    }
}

/// A smaller difference between the used share of a limit and what the client assumes is not reported.
const MIN_REPORTED_DIFFERENCE: f64 = 0.05;

/// Returns the share of a limit's capacity that the client assumes used when the run begins; `None` if it assumes none.
#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
fn assumed_share(target: &Target, axis: Axis) -> Option<f64> {
    let known = target.limits.iter().find(|known| known.axis == axis && known.used > 0)?;
    Some(rounded(known.used as f64 / known.burst.max(1) as f64, 3))
}

/// Returns the share of a limit's capacity that is used when the run begins.
#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
fn used_share(scenario: &Scenario, target: TargetId, limit: &Limit) -> f64 {
    let used = used_at_start(scenario, &scenario.targets[target.index()], limit);
    used as f64 / limit.capacity().max(1) as f64
}

/// Returns the units of a limit that are used when the run begins.
pub(super) fn used_at_start(scenario: &Scenario, target: &Target, limit: &Limit) -> u64 {
    let config = &scenario.providers[usize::from(target.provider)];
    let meter = |model: u16| config.meter_of(usize::from(model));
    let level = config.start_levels.iter().find(|level| {
        level.account == target.account
            && level.axis == limit.axis
            && meter(level.model) == meter(target.model)
    });
    level.map_or(0, |level| level.used)
}
