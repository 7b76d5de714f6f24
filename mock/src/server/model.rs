//! What the server knows about a model besides its limits.

use crate::call::Truth;
use crate::config::{Latency, ModelConfig};
use crate::dist::Dist;
use crate::random::RandomStream;
use crate::time::Nanos;
use crate::wire;

/// The name of a model, and the distributions of its calls.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    /// As in [`wire::Context::system_fingerprint`].
    pub(super) system_fingerprint: String,
    completion: Dist,
    latency: Latency,
}

impl Model {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let ModelConfig { name, completion, latency, .. } = config;
        Self {
            name: name.clone(),
            system_fingerprint: wire::system_fingerprint(name),
            completion: completion.clone(),
            latency: latency.clone(),
        }
    }

    /// Draws the truth of a call that has no truth header.
    pub(super) fn draw_truth(&self, mut stream: RandomStream, prompt_tokens: u32) -> Truth {
        let completion = self.completion.sample(&mut stream);
        // A sample is not negative, and a float-to-int cast saturates.
        let completion_tokens = libm::round(completion) as u32;
        Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw: stream.next_u64() }
    }

    /// Returns the network delays to add to a call: to the provider, and back to the client.
    pub(super) fn network_delays(&self, truth: Truth) -> (Nanos, Nanos) {
        self.latency.added_network_delays(truth)
    }
}
