//! What a run of the planner is made of, and what it results in. A run is a pure function of its request, so a result may come
//! from any process.

use super::outage::OutageRecord;
use super::rules::Rules;
use crate::record::Summary;
use crate::scenario::Scenario;
use provider::Instant;
use ring::digest;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// A run to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunRequest<'a> {
    /// The scenario with its changes, before its load is multiplied.
    pub(super) scenario: &'a Scenario,
    /// The multiple of its load; positive and finite.
    pub(super) multiple: f64,
    /// 0 for the scenario's own seed.
    pub(super) replica: u32,
    pub(super) kind: RunKind,
    /// The rules by which it is judged.
    pub(super) rules: &'a Rules,
    /// The names of the changes; the run does not depend on them.
    pub(super) changes: &'a [String],
}

/// How far a run goes, and what is recorded of it besides its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunKind {
    /// To its end.
    Whole,
    /// Until its verdict is certain.
    Verdict,
    /// To its end, with a record of the jobs that arrive during an outage.
    Outage {
        /// When it begins.
        from: Instant,
        /// When it ends.
        until: Instant,
    },
}

/// The result of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunOutput {
    pub(super) summary: Summary,
    /// The record of the outage, if the run is of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outage: Option<OutageRecord>,
}

/// Identifies a run by everything on which its result depends, the same in every process of one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(String);

impl RunRequest<'_> {
    /// Returns the identifier of the run.
    pub(super) fn id(&self) -> RunId {
        // The debug form of a scenario contains everything on which its runs depend.
        let run = (self.multiple.to_bits(), self.replica, self.kind);
        RunId(fingerprint(format_args!("{:?} {run:?} {:?}", self.scenario, self.rules.kept)))
    }
}

/// Returns the first half of the SHA-256 of a text, in hexadecimal digits.
pub(super) fn fingerprint(text: fmt::Arguments<'_>) -> String {
    struct Digest(digest::Context);
    impl fmt::Write for Digest {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut digest = Digest(digest::Context::new(&digest::SHA256));
    digest.write_fmt(text).expect("invariant: a digest takes any text");
    let bytes = digest.0.finish();
    bytes.as_ref()[..16].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: a string takes any text");
        text
    })
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
