//! The latency of a call: the service time is drawn from a seeded stream, the queueing time follows from the server slots
//! ([`crate::slots`]).
//!
//! ```text
//!  arrival ──queue──▶ start ──prefill──▶ first token ──decode at constant speed──▶ last token
//! ```
//!
//! A call's draws depend on its ground truth alone, so that the same call has the same service time under two client
//! configurations. Evidence: Groq's guide to latency (2026) gives total = queue + prefill + decode + network.

use crate::call::{DrawPurpose, Truth, Usage};
use crate::config::{Latency, ServiceTimeDist};
use crate::dist::Dist;
use crate::time::Nanos;

/// The parts of a service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    /// From the start of service to the first token, including the prefill.
    pub first_token: Nanos,
    /// From the first token to the last.
    pub decode: Nanos,
}

impl ServiceTime {
    /// Applies the faults of single parts: delays the first token by `first_token_delay`, and multiplies the time from the
    /// first token to the last by `token_slowdown`.
    #[must_use]
    pub fn with_part_faults(self, first_token_delay: Nanos, token_slowdown: f64) -> Self {
        // The usual factor of one must not round through a float.
        let decode = if token_slowdown == 1.0 {
            self.decode
        } else {
            Nanos::from_secs_f64(self.decode.as_secs_f64() * token_slowdown)
        };
        Self { first_token: self.first_token + first_token_delay, decode }
    }
}

impl Latency {
    /// Returns the service time of a call with this truth and usage, both parts multiplied by `slowdown`.
    #[must_use]
    pub fn service_time(&self, truth: Truth, usage: Usage, slowdown: f64) -> ServiceTime {
        debug_assert!(slowdown >= 0.0, "invariant: a slowdown is not negative, found {slowdown}");
        let mut stream = truth.stream_for(DrawPurpose::Service);
        let (first_token, decode) = match &self.service {
            ServiceTimeDist::Split { before_prefill, prefill_speed, cached_prefill_speed, decode_speed } => {
                let seconds =
                    |tokens: u32, speed: &Option<f64>| speed.map_or(0.0, |speed| f64::from(tokens) / speed);
                let prefill = seconds(usage.prompt_tokens - usage.cached_tokens, prefill_speed)
                    + seconds(usage.cached_tokens, cached_prefill_speed);
                let tokens_after_first = f64::from(usage.completion_tokens.saturating_sub(1));
                (before_prefill.sample(&mut stream) + prefill, tokens_after_first / decode_speed)
            }
            ServiceTimeDist::Total(total) => (total.sample(&mut stream), 0.0),
        };
        ServiceTime {
            first_token: Nanos::from_secs_f64(first_token * slowdown),
            decode: Nanos::from_secs_f64(decode * slowdown),
        }
    }

    /// Returns the one-way network delays of a simulated call, to the provider and back: half of one round trip each.
    #[must_use]
    pub fn network_delays(&self, truth: Truth) -> (Nanos, Nanos) {
        let round_trip = match &self.round_trip {
            None => LOOPBACK_ROUND_TRIP,
            Some(dist) => sample_round_trip(dist, truth),
        };
        let there = Nanos(round_trip.0 / 2);
        (there, round_trip - there)
    }

    /// Returns the one-way network delays that a mock on a loopback interface adds to those of the interface itself, to
    /// the provider and back: zero unless a round trip is configured.
    #[must_use]
    pub fn added_network_delays(&self, truth: Truth) -> (Nanos, Nanos) {
        if self.round_trip.is_some() { self.network_delays(truth) } else { (Nanos::ZERO, Nanos::ZERO) }
    }

    /// Returns the mean round trip in seconds.
    #[must_use]
    pub fn mean_round_trip_seconds(&self) -> f64 {
        self.round_trip.as_ref().map_or_else(|| LOOPBACK_ROUND_TRIP.as_secs_f64(), Dist::mean)
    }
}

fn sample_round_trip(seconds: &Dist, truth: Truth) -> Nanos {
    let seconds = match seconds {
        Dist::Constant(seconds) => *seconds, // Saves creating a stream, which costs as much as a draw.
        dist => dist.sample(&mut truth.stream_for(DrawPurpose::Network)),
    };
    Nanos::from_secs_f64(seconds)
}

/// The round trip of a request and its reply over a loopback interface, from the instant at which the client sends the
/// request to the instant at which it has parsed the reply, without service time.
///
/// Measured with `quotalab run` against a model with `total: 0s`: 1,000 requests of 50 prompt tokens at 50 per second, whose
/// median latency less the median lag of the load generator was 0.27 to 0.29 ms in three runs (2 cores, Linux, 2026-11-28).
pub const LOOPBACK_ROUND_TRIP: Nanos = Nanos(300_000);

#[cfg(test)]
mod tests {
    use super::*;

    fn split_service_time(slowdown: f64, completion_tokens: u32) -> ServiceTime {
        let service = ServiceTimeDist::Split {
            before_prefill: Dist::Constant(0.25),
            prefill_speed: Some(1000.0),
            cached_prefill_speed: None,
            decode_speed: 100.0,
        };
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
        assert_eq!(split_service_time(1.0, 201), expected(750, 2000));
        assert_eq!(split_service_time(4.0, 201), expected(3000, 8000));
        assert_eq!(split_service_time(1.0, 1), expected(750, 0));
        assert_eq!(split_service_time(1.0, 0), expected(750, 0));
    }

    /// Cached tokens are read at a speed of their own, or not at all; each cached token saves the difference.
    #[test]
    fn cached_tokens_are_read_at_their_own_speed() {
        let first_token = |cached_prefill_speed, cached_tokens| {
            let service = ServiceTimeDist::Split {
                before_prefill: Dist::Constant(0.25),
                prefill_speed: Some(1000.0),
                cached_prefill_speed,
                decode_speed: 100.0,
            };
            let usage = Usage { prompt_tokens: 500, completion_tokens: 1, cached_tokens };
            Latency::new(service).service_time(Truth::default(), usage, 1.0).first_token
        };
        let speeds = [None, Some(4000.0), Some(1000.0)];
        let of = |cached| speeds.map(|speed| first_token(speed, cached));
        assert_eq!(of(0), [750, 750, 750].map(Nanos::from_millis));
        assert_eq!(of(400), [350, 450, 750].map(Nanos::from_millis));
        assert_eq!(of(500), [250, 375, 750].map(Nanos::from_millis));
    }

    #[test]
    fn a_mock_adds_no_delay_if_no_round_trip_is_configured() {
        let loopback = Latency::default();
        let configured = Latency::default().with_round_trip(Dist::Constant(0.02));
        let (there, back) = loopback.network_delays(Truth::default());
        assert_eq!(there + back, LOOPBACK_ROUND_TRIP);
        assert_eq!(loopback.added_network_delays(Truth::default()), (Nanos::ZERO, Nanos::ZERO));
        assert_eq!(
            configured.added_network_delays(Truth::default()),
            configured.network_delays(Truth::default())
        );
    }

    #[test]
    fn each_way_takes_half_of_the_round_trip_of_its_truth() {
        let latency = Latency::default().with_round_trip(Dist::Exponential(0.03));
        for draw in 0..100 {
            let truth = Truth { draw, ..Truth::default() };
            let (there, back) = latency.network_delays(truth);
            assert!(back.0 - there.0 <= 1 && there > Nanos::ZERO);
            assert_eq!(latency.network_delays(truth), (there, back), "the same truth gives the same delays");
        }
    }
}
