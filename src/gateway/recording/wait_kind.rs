//! The kinds of waits by their names, as lines have them.

use crate::engine::WaitKind;
use serde::{Deserialize, Serialize};

/// The kind of a wait by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub(super) struct WaitKindName(pub(super) WaitKind);

const WAIT_KINDS: [WaitKind; 5] = [
    WaitKind::UntilAdmitted,
    WaitKind::UntilFull,
    WaitKind::UntilWindowEnds,
    WaitKind::Suggested,
    WaitKind::Meaningless,
];

impl From<WaitKindName> for &'static str {
    fn from(kind: WaitKindName) -> Self {
        kind.0.name()
    }
}

impl TryFrom<String> for WaitKindName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = WAIT_KINDS.into_iter().find(|kind| kind.name() == name);
        known.map(Self).ok_or_else(|| format!("unknown kind of wait `{name}`"))
    }
}
