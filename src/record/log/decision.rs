//! The decision of a provider in the event log.

use super::obstacle::AxisName;
use crate::event::ProviderDecision;
use serde::{Deserialize, Serialize};

/// The decision of a provider.
#[derive(Serialize, Deserialize)]
#[serde(tag = "ruled", rename_all = "snake_case")]
pub(super) enum Decision {
    Admitted { reserved: u64 },
    Refused { axis: AxisName, requested: u64 },
    TooLong,
    Faulted,
}

impl From<ProviderDecision> for Decision {
    fn from(decision: ProviderDecision) -> Self {
        match decision {
            ProviderDecision::Admitted { reserved } => Self::Admitted { reserved },
            ProviderDecision::Refused { axis, requested } => {
                Self::Refused { axis: AxisName(axis), requested }
            }
            ProviderDecision::TooLong => Self::TooLong,
            ProviderDecision::Faulted => Self::Faulted,
        }
    }
}

impl From<Decision> for ProviderDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Admitted { reserved } => Self::Admitted { reserved },
            Decision::Refused { axis, requested } => Self::Refused { axis: axis.0, requested },
            Decision::TooLong => Self::TooLong,
            Decision::Faulted => Self::Faulted,
        }
    }
}
