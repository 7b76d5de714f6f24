//! How long a call takes: its own time by seeded draws, the time in line by a queue of slots.
//!
//! ```text
//!  arrival ──line──▶ started ──first token──▶ first_token_at ──the rest at a steady speed──▶ done
//! ```
//!
//! A call's luck depends on its truth alone, never on what else happens, so that two policies that send
//! the same call meet the same service. Groq's own account: total = queue + prefill + decode + network (its guide to latency, 2026).

use crate::call::{DrawPurpose, Truth, Usage};
use crate::config::{Latency, Service};
use crate::dist::Dist;
use crate::time::{Instant, Nanos};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The parts of a service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    /// From the start of service to the first token.
    pub first_token: Nanos,
    /// From the first token to the last.
    pub rest: Nanos,
}

impl ServiceTime {
    /// The same with a first token that comes later, and a rest that takes so many times longer.
    #[must_use]
    pub fn troubled(self, late: Nanos, drip: f64) -> Self {
        // Nearly always one, and then not a nanosecond is lost to a float.
        let rest = if drip == 1.0 { self.rest } else { Nanos::from_secs_f64(self.rest.as_secs_f64() * drip) };
        Self { first_token: self.first_token + late, rest }
    }
}

impl Latency {
    /// How long the service of a call with this truth takes that writes `usage`, `slow` times slower than usual.
    #[must_use]
    pub fn service(&self, truth: Truth, usage: Usage, slow: f64) -> ServiceTime {
        let mut luck = truth.luck(DrawPurpose::Service);
        let (first_token, rest) = match &self.service {
            Service::Split { first_token, prefill, output } => {
                let prompt = prefill.map_or(0.0, |speed| f64::from(usage.prompt_tokens) / speed);
                let after_the_first = f64::from(usage.completion_tokens.saturating_sub(1));
                (first_token.sample(&mut luck) + prompt, after_the_first / output)
            }
            Service::Total(total) => (total.sample(&mut luck), 0.0),
        };
        ServiceTime {
            first_token: Nanos::from_secs_f64(first_token * slow),
            rest: Nanos::from_secs_f64(rest * slow),
        }
    }

    /// How long the network takes there and back: half of one round trip each.
    #[must_use]
    pub fn network(&self, truth: Truth) -> (Nanos, Nanos) {
        let seconds = match &self.network {
            Dist::Constant(0.0) => return (Nanos::ZERO, Nanos::ZERO), // Nearly always.
            Dist::Constant(seconds) => *seconds, // A stream that nobody draws from costs as much as a draw.
            law => law.sample(&mut truth.luck(DrawPurpose::Network)),
        };
        let round_trip = Nanos::from_secs_f64(seconds);
        let there = Nanos(round_trip.0 / 2);
        (there, round_trip - there)
    }
}

/// A line before `count` slots, served in order of arrival.
///
/// The length of a service is known when its call arrives, so the slot that it will get and the start are too:
/// the one that is free first. That is an exact queue with so many servers, without an event of its own.
#[derive(Clone, Debug)]
pub struct Slots {
    count: u32,
    /// When each slot that was ever taken is free again, the earliest on top.
    free_at: BinaryHeap<Reverse<Instant>>,
}

impl Slots {
    /// Free slots.
    ///
    /// # Panics
    /// Where there are none: no call would ever end.
    #[must_use]
    pub fn new(count: u32) -> Self {
        assert!(count > 0, "a model without slots serves nobody");
        Self { count, free_at: BinaryHeap::new() }
    }

    /// Takes the slot that is free first, for `length`; returns the start. Calls come in order of time.
    pub fn take(&mut self, now: Instant, length: Nanos) -> Instant {
        let all_seen = self.free_at.len() >= self.count as usize;
        if let Some(mut earliest) = self.free_at.peek_mut()
            && (all_seen || earliest.0 <= now)
        {
            let start = earliest.0.max(now);
            *earliest = Reverse(start + length);
            return start;
        }
        self.free_at.push(Reverse(now + length));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(slow: f64, completion_tokens: u32) -> ServiceTime {
        let service =
            Service::Split { first_token: Dist::Constant(0.25), prefill: Some(1000.0), output: 100.0 };
        let latency = Latency { service, network: Dist::Constant(0.0), slots: None };
        let usage = Usage { prompt_tokens: 500, completion_tokens, cached_tokens: 0 };
        latency.service(Truth::default(), usage, slow)
    }

    #[test]
    fn the_first_token_waits_for_the_prompt_and_the_others_follow_at_a_steady_speed() {
        let stretch = |first_token, rest| ServiceTime {
            first_token: Nanos::from_millis(first_token),
            rest: Nanos::from_millis(rest),
        };
        assert_eq!(split(1.0, 201), stretch(750, 2000));
        assert_eq!(split(4.0, 201), stretch(3000, 8000));
        assert_eq!(split(1.0, 1), stretch(750, 0));
        assert_eq!(split(1.0, 0), stretch(750, 0));
    }

    #[test]
    fn two_ways_make_one_round_trip() {
        let service = Service::Total(Dist::Constant(1.0));
        let latency = Latency { service, network: Dist::Exponential(0.03), slots: None };
        for draw in 0..100 {
            let truth = Truth { draw, ..Truth::default() };
            let (there, back) = latency.network(truth);
            assert!(back.0 - there.0 <= 1 && there > Nanos::ZERO);
            assert_eq!(latency.network(truth), (there, back), "the same truth has the same luck");
        }
    }

    #[test]
    fn two_slots_serve_two_and_the_third_starts_when_the_first_ends() {
        let mut slots = Slots::new(2);
        let starts = [(0, 10), (1, 4), (2, 5), (3, 1), (20, 1)]
            .map(|(now, length)| slots.take(Instant(now), Nanos(length)));
        assert_eq!(starts, [0, 1, 5, 10, 20].map(Instant));
    }

    #[test]
    fn slots_that_are_never_needed_take_no_memory() {
        let mut slots = Slots::new(u32::MAX);
        for call in 0..1000 {
            slots.take(Instant(call * 10), Nanos(25));
        }
        assert_eq!(slots.free_at.len(), 3);
    }
}
