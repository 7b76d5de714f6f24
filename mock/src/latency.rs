//! The latency of a call: the service time is drawn from a seeded stream, the queueing time follows from the server slots
//! ([`crate::slots`]).
//!
//! ```text
//!  arrival ──queue──▶ start ──prefill──▶ first token ──decode at constant speed──▶ last token
//! ```
//!
//! A call's draws depend on its truth alone, so that two policies that send the same call get the same service time.
//! Evidence: Groq's guide to latency (2026) gives total = queue + prefill + decode + network.

use crate::call::{DrawPurpose, Truth, Usage};
use crate::config::{Latency, Service};
use crate::dist::Dist;
use crate::time::Nanos;

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
}
