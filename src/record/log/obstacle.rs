//! The members of a line that state what a job waits for.

use crate::event::{LimitCause, Obstacle, WaitReason};
use crate::ids::TargetId;
use provider::Axis;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct ObstacleFields {
    why: WaitReason,
    target: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    axis: Option<AxisName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<LimitCause>,
}

impl From<Obstacle> for ObstacleFields {
    fn from(Obstacle { target, why, axis, cause }: Obstacle) -> Self {
        Self { why, target: target.0, axis: axis.map(AxisName), cause }
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
