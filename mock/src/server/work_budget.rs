//! A bound on the work that one request may cause.

use serde_json::Value;
use std::cell::Cell;

/// The number of steps that are left. A charge that does not fit uses up the rest.
#[derive(Debug)]
pub(super) struct WorkBudget {
    remaining: Cell<usize>,
}

impl WorkBudget {
    pub(super) const fn new(steps: usize) -> Self {
        Self { remaining: Cell::new(steps) }
    }

    /// Returns the steps that are left.
    pub(super) fn remaining(&self) -> usize {
        self.remaining.get()
    }

    /// Charges `steps`. Returns `false` if they do not fit: the budget is exhausted from then on.
    pub(super) fn charge(&self, steps: usize) -> bool {
        let left = self.remaining.get().checked_sub(steps);
        self.remaining.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Charges a copy of a value, as [`WorkBudget::charge`] does.
    pub(super) fn charge_copy(&self, value: &Value) -> bool {
        // If nothing is left, the size is not counted.
        !self.is_exhausted() && self.charge(value_steps(value))
    }

    /// Returns `true` if nothing is left.
    pub(super) fn is_exhausted(&self) -> bool {
        self.remaining.get() == 0
    }
}

/// Bytes of a text that count as one step.
const BYTES_PER_STEP: usize = 16;

/// Returns the steps of a copy of a text.
pub(super) const fn text_steps(bytes: usize) -> usize {
    1 + bytes / BYTES_PER_STEP
}

/// Returns the steps of a copy of a value: one for each value in it and each of its names, and more for long texts.
fn value_steps(value: &Value) -> usize {
    match value {
        Value::String(text) => text_steps(text.len()),
        Value::Array(values) => 1 + values.iter().map(value_steps).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, value)| text_steps(name.len()) + value_steps(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
