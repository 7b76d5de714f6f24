//! The events written down, one JSON object per line, schema `quotalab/events/1`.
//!
//! The first line names the schema, the scenario and the seed; every other line is one event with `at_ns`,
//! `job` and `kind`, times in whole nanoseconds since the run began. Nothing in it depends on the machine or
//! on the hour, so the same text, or the same [`Chain`] over it, means that two runs were the same run.

use super::Fold;
use super::names::{REASONS, failure_name};
use crate::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, RecordedDecision, WaitReason};
use crate::scenario::Scenario;
use provider::{Axis, Usage};
use std::io::{self, Write};

/// The name and version of the schema: in the first line of every log.
const SCHEMA: &str = "quotalab/events/1";

/// Writes events as JSON lines.
#[derive(Debug)]
pub struct Log<W> {
    out: W,
    /// The first error met; nothing is written after it.
    error: Option<io::Error>,
}

impl<W: Write> Log<W> {
    /// Begins the log of a run of `scenario` with its header. `out` should be buffered.
    ///
    /// # Errors
    /// Where the header cannot be written.
    pub fn new(mut out: W, scenario: &Scenario) -> io::Result<Self> {
        let header =
            serde_json::json!({ "schema": SCHEMA, "scenario": scenario.name, "seed": scenario.seed });
        writeln!(out, "{header}")?;
        Ok(Self { out, error: None })
    }

    /// Flushes the log and hands back what it was written to.
    ///
    /// # Errors
    /// The first error that any line met.
    pub fn finish(mut self) -> io::Result<W> {
        self.error.take().map_or_else(|| self.out.flush(), Err)?;
        Ok(self.out)
    }
}

impl<W: Write> Fold for Log<W> {
    fn event(&mut self, event: &Event) {
        if self.error.is_none() {
            self.error = line(&mut self.out, event).err();
        }
    }
}

/// A running hash of whatever is written to it (FNV-1a, 64 bits): the fingerprint of a run, where a [`Log`]
/// writes to it. See Fowler, Noll and Vo, draft-eastlake-fnv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub u64);

impl Default for Chain {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Chain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(out: &mut impl Write, event: &Event) -> io::Result<()> {
    write!(out, r#"{{"at_ns":{},"job":{},"kind":"#, event.at.0, event.job.0)?;
    match event.kind {
        EventKind::Arrived { class, scheduled, deadline, prompt_tokens, max_tokens } => {
            let (class, scheduled) = (class.0, scheduled.0);
            write!(
                out,
                r#""arrived","class":{class},"scheduled_ns":{scheduled},"prompt_tokens":{prompt_tokens}"#
            )?;
            deadline.map_or(Ok(()), |at| write!(out, r#","deadline_ns":{}"#, at.0))?;
            max_tokens.map_or(Ok(()), |tokens| write!(out, r#","max_tokens":{tokens}"#))
        }
        EventKind::Queued { waiting } => write!(out, r#""queued","waiting":{waiting}"#),
        EventKind::Waiting { until, why } => {
            let why = match why {
                WaitReason::BackOff => "back_off",
                WaitReason::CoolDown => "cool_down",
                WaitReason::Pace => "pace",
            };
            write!(out, r#""waiting","until_ns":{},"why":"{why}""#, until.0)
        }
        EventKind::Sent { attempt, target, step, number } => {
            write!(
                out,
                r#""sent","attempt":{},"target":{},"step":{step},"number":{number}"#,
                attempt.0, target.0
            )
        }
        EventKind::Decided { attempt, target, decision } => {
            write!(out, r#""ruled","attempt":{},"target":{},"ruled":"#, attempt.0, target.0)?;
            ruling(out, decision)
        }
        EventKind::Settled { attempt, target, usage } => {
            write!(out, r#""settled","attempt":{},"target":{}"#, attempt.0, target.0)?;
            tokens(out, usage)
        }
        EventKind::FirstByte { attempt, target } => {
            write!(out, r#""first_byte","attempt":{},"target":{}"#, attempt.0, target.0)
        }
        EventKind::Replied { attempt, target, outcome, usage } => {
            write!(out, r#""replied","attempt":{},"target":{},"outcome":"#, attempt.0, target.0)?;
            reply(out, outcome)?;
            tokens(out, usage)
        }
        EventKind::Abandoned { attempt, target } => {
            write!(out, r#""abandoned","attempt":{},"target":{}"#, attempt.0, target.0)
        }
        EventKind::CooledDown { target, until, cause } => {
            let (target, until) = (target.0, until.0);
            write!(out, r#""cooled_down","target":{target},"until_ns":{until},"cause":"{}""#, cause.name())
        }
        EventKind::FellBack { from, to } => write!(out, r#""fell_back","from":{from},"to":{to}"#),
        EventKind::CacheHit => write!(out, r#""cache_hit""#),
        EventKind::Coalesced { leader } => write!(out, r#""joined","leader":{}"#, leader.0),
        EventKind::Promoted { leader, attempt } => {
            write!(out, r#""took_over","leader":{}"#, leader.0)?;
            attempt.map_or(Ok(()), |attempt| write!(out, r#","attempt":{}"#, attempt.0))
        }
        EventKind::Done(ending) => done(out, &ending),
    }?;
    writeln!(out, "}}")
}

fn ruling(out: &mut impl Write, ruled: RecordedDecision) -> io::Result<()> {
    match ruled {
        RecordedDecision::Admitted { reserved } => write!(out, r#""admitted","reserved":{reserved}"#),
        RecordedDecision::Refused { axis, requested } => {
            write!(out, r#""refused","axis":"{axis}","requested":{requested}"#)
        }
        RecordedDecision::TooLong => write!(out, r#""too_long""#),
        RecordedDecision::Faulted => write!(out, r#""faulted""#),
    }
}

fn reply(out: &mut impl Write, outcome: AttemptOutcome) -> io::Result<()> {
    match outcome {
        AttemptOutcome::Ok => write!(out, r#""ok""#),
        AttemptOutcome::Limited { axis, cause } => {
            write!(out, r#""limited","cause":"{}""#, cause.name())?;
            axis.map_or(Ok(()), |axis: Axis| write!(out, r#","axis":"{axis}""#))
        }
        AttemptOutcome::Failed(failure) => write!(out, r#""failed","failure":"{}""#, failure_name(failure)),
    }
}

fn tokens(out: &mut impl Write, usage: Usage) -> io::Result<()> {
    let Usage { prompt_tokens, cached_tokens, completion_tokens } = usage;
    write!(out, r#","prompt_tokens":{prompt_tokens}"#)?;
    if cached_tokens > 0 {
        write!(out, r#","cached_tokens":{cached_tokens}"#)?;
    }
    write!(out, r#","completion_tokens":{completion_tokens}"#)
}

fn done(out: &mut impl Write, ending: &JobEnd) -> io::Result<()> {
    let (verdict, reason) = match ending.outcome {
        JobOutcome::Succeeded => ("succeeded", None),
        JobOutcome::Failed(reason) => ("failed", Some(reason)),
        JobOutcome::Shed(reason) => ("shed", Some(reason)),
        JobOutcome::InFlight => ("in_flight", None),
    };
    write!(out, r#""done","verdict":"{verdict}","attempts":{}"#, ending.attempts)?;
    if let Some(reason) = reason {
        write!(out, r#","reason":"{}""#, REASONS[reason as usize].1)?;
    }
    if let Some(step) = ending.step {
        write!(out, r#","step":{step}"#)?;
    }
    let JobEnd { queue, wait, service, lost, .. } = ending;
    write!(
        out,
        r#","queue_ns":{},"wait_ns":{},"service_ns":{},"lost_ns":{}"#,
        queue.0, wait.0, service.0, lost.0
    )?;
    ending.first_token.map_or(Ok(()), |first| write!(out, r#","first_token_ns":{}"#, first.0))
}
