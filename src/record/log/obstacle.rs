//! The members of a line that state what a job waits for.

use crate::event::{Obstacle, RefusalCause, WaitReason};
use crate::ids::TargetId;
use provider::Axis;
use serde::{Deserialize, Serialize};

/// What a job waits for; its target by number, or by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObstacleFields<T = u16> {
    why: WaitReason,
    pub(crate) target: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    axis: Option<AxisName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<RefusalCause>,
}

impl<T> ObstacleFields<T> {
    /// Returns the fields of an obstacle; `target` converts its target to a number or a name.
    pub(crate) fn new(
        Obstacle { target: id, why, axis, cause }: Obstacle,
        target: impl FnOnce(TargetId) -> T,
    ) -> Self {
        Self { why, target: target(id), axis: axis.map(AxisName), cause }
    }
}

impl From<Obstacle> for ObstacleFields {
    fn from(obstacle: Obstacle) -> Self {
        Self::new(obstacle, |target| target.0)
    }
}

impl From<ObstacleFields> for Obstacle {
    fn from(ObstacleFields { why, target, axis, cause }: ObstacleFields) -> Self {
        Self { target: TargetId(target), why, axis: axis.map(|name| name.0), cause }
    }
}

/// An axis by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub(crate) struct AxisName(pub(crate) Axis);

impl From<AxisName> for &'static str {
    fn from(axis: AxisName) -> Self {
        axis.0.name()
    }
}

impl TryFrom<String> for AxisName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Axis::from_name(&name).map(Self).ok_or_else(|| format!("unknown axis `{name}`"))
    }
}
