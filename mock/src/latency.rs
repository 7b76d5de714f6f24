//! The latency of a call: the service time is drawn from a seeded stream, the queueing time follows from the server slots.
//!
//! ```text
//!  arrival ──queue──▶ started_at ──prefill──▶ first_token_at ──decode at constant speed──▶ done_at
//! ```
//!
//! A call's draws depend on its truth alone, so that two policies that send the same call get the same service time.
//! Evidence: Groq's guide to latency (2026) gives total = queue + prefill + decode + network.

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
    pub decode: Nanos,
}

impl ServiceTime {
    /// Delays the first token by `delay`, and multiplies the time from the first token to the last by `slowdown`.
    #[must_use]
    pub fn with_faults(self, delay: Nanos, slowdown: f64) -> Self {
        // The usual factor of one must not round through a float.
        let decode = if slowdown == 1.0 {
            self.decode
        } else {
            Nanos::from_secs_f64(self.decode.as_secs_f64() * slowdown)
        };
        Self { first_token: self.first_token + delay, decode }
    }
}

impl Latency {
    /// Returns the service time of a call with this truth and usage, multiplied by `slowdown`.
    #[must_use]
    pub fn service_time(&self, truth: Truth, usage: Usage, slowdown: f64) -> ServiceTime {
        debug_assert!(slowdown > 0.0, "invariant: a slowdown is positive, found {slowdown}");
        let mut stream = truth.stream_for(DrawPurpose::Service);
        let (first_token, decode) = match &self.service {
            Service::Split { first_token, prefill, output } => {
                let prompt = prefill.map_or(0.0, |speed| f64::from(usage.prompt_tokens) / speed);
                let after_first = f64::from(usage.completion_tokens.saturating_sub(1));
                (first_token.sample(&mut stream) + prompt, after_first / output)
            }
            Service::Total(total) => (total.sample(&mut stream), 0.0),
        };
        ServiceTime {
            first_token: Nanos::from_secs_f64(first_token * slowdown),
            decode: Nanos::from_secs_f64(decode * slowdown),
        }
    }

    /// Returns the network delays to the provider and back: half of one round trip each.
    #[must_use]
    pub fn network(&self, truth: Truth) -> (Nanos, Nanos) {
        let seconds = match &self.network {
            Dist::Constant(0.0) => return (Nanos::ZERO, Nanos::ZERO), // The most frequent case.
            Dist::Constant(seconds) => *seconds, // Creating a stream costs as much as a draw.
            dist => dist.sample(&mut truth.stream_for(DrawPurpose::Network)),
        };
        let round_trip = Nanos::from_secs_f64(seconds);
        let there = Nanos(round_trip.0 / 2);
        (there, round_trip - there)
    }
}

/// A queue in front of `count` server slots, first come, first served. A server slot serves one call at a time.
///
/// The service time is known on arrival, and hence the server slot (the first one to become free) and the start. This is
/// an exact queue with `count` servers that needs no events of its own.
#[derive(Clone, Debug)]
pub struct ServerSlots {
    count: u32,
    /// When each server slot used so far becomes free, the earliest on top.
    free_at: BinaryHeap<Reverse<Instant>>,
}

impl ServerSlots {
    /// Creates `count` free server slots.
    ///
    /// # Panics
    /// If `count` is zero.
    #[must_use]
    pub fn new(count: u32) -> Self {
        assert!(count > 0, "invariant: a model has at least one server slot");
        Self { count, free_at: BinaryHeap::new() }
    }

    /// Assigns the server slot that is free first for `duration`; returns the start. `now` must not decrease between calls.
    pub fn assign(&mut self, now: Instant, duration: Nanos) -> Instant {
        debug_assert!(
            self.free_at.len() <= self.count as usize,
            "invariant: no more server slots than {}",
            self.count
        );
        let all_used = self.free_at.len() >= self.count as usize;
        if let Some(mut earliest) = self.free_at.peek_mut()
            && (all_used || earliest.0 <= now)
        {
            let start = earliest.0.max(now);
            *earliest = Reverse(start + duration);
            return start;
        }
        self.free_at.push(Reverse(now + duration));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(slowdown: f64, completion_tokens: u32) -> ServiceTime {
        let service =
            Service::Split { first_token: Dist::Constant(0.25), prefill: Some(1000.0), output: 100.0 };
        let latency = Latency::new(service);
        let usage = Usage { prompt_tokens: 500, completion_tokens, cached_tokens: 0 };
        latency.service_time(Truth::default(), usage, slowdown)
    }

    #[test]
    fn the_first_token_follows_the_prefill_and_the_others_come_at_constant_speed() {
        let expected = |first_token, decode| ServiceTime {
            first_token: Nanos::from_millis(first_token),
            decode: Nanos::from_millis(decode),
        };
        assert_eq!(split(1.0, 201), expected(750, 2000));
        assert_eq!(split(4.0, 201), expected(3000, 8000));
        assert_eq!(split(1.0, 1), expected(750, 0));
        assert_eq!(split(1.0, 0), expected(750, 0));
    }

    #[test]
    fn both_ways_together_are_one_round_trip() {
        let latency = Latency::default().with_network(Dist::Exponential(0.03));
        for draw in 0..100 {
            let truth = Truth { draw, ..Truth::default() };
            let (there, back) = latency.network(truth);
            assert!(back.0 - there.0 <= 1 && there > Nanos::ZERO);
            assert_eq!(latency.network(truth), (there, back), "the same truth gives the same delays");
        }
    }

    #[test]
    fn a_third_call_starts_when_the_first_of_two_server_slots_becomes_free() {
        let mut slots = ServerSlots::new(2);
        let starts = [(0, 10), (1, 4), (2, 5), (3, 1), (20, 1)]
            .map(|(now, duration)| slots.assign(Instant(now), Nanos(duration)));
        assert_eq!(starts, [0, 1, 5, 10, 20].map(Instant));
    }

    #[test]
    fn unused_server_slots_take_no_memory() {
        let mut slots = ServerSlots::new(u32::MAX);
        for call in 0..1000 {
            slots.assign(Instant(call * 10), Nanos(25));
        }
        assert_eq!(slots.free_at.len(), 3);
    }
}
