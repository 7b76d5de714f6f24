//! What the server knows about a model besides its limits.

use crate::calendar::Epoch;
use crate::call::{Call, Truth};
use crate::config::{Latency, Lengths, ModelConfig};
use crate::dist::Dist;
use crate::random::RandomStream;
use crate::time::{Instant, Nanos};
use crate::wire;

/// The name of a model, and the distributions of its calls.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    /// As in [`wire::Context::system_fingerprint`].
    pub(super) system_fingerprint: String,
    completion: Dist,
    latency: Latency,
    lengths: Lengths,
}

impl Model {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let ModelConfig { name, completion, latency, lengths, .. } = config;
        Self {
            name: name.clone(),
            system_fingerprint: wire::system_fingerprint(name),
            completion: completion.clone(),
            latency: latency.clone(),
            lengths: *lengths,
        }
    }

    /// Returns the model as lists of models describe it.
    pub(super) fn info(&self, epoch: Epoch) -> wire::Model<'_> {
        wire::Model { id: &self.name, lengths: self.lengths, created: epoch.time_at(Instant::ZERO) }
    }

    /// Draws the truth of a call that has no truth header.
    pub(super) fn draw_truth(&self, mut stream: RandomStream, prompt_tokens: u32) -> Truth {
        let completion = self.completion.sample(&mut stream);
        // A sample is not negative, and a float-to-int cast saturates.
        let completion_tokens = libm::round(completion) as u32;
        Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw: stream.next_u64() }
    }

    /// Multiplies the completion of a call by the number of its choices. Providers apply the length limits of the model to each
    /// choice, but the provider model applies them to the sum: `max_tokens` is therefore multiplied only as far as the result
    /// fits.
    pub(super) fn multiply(&self, choices: u32, call: &mut Call, truth: &mut Truth) {
        truth.completion_tokens =
            truth.completion_tokens.min(call.max_tokens.unwrap_or(u32::MAX)).saturating_mul(choices);
        let Some(max_of_one) = call.max_tokens else { return };
        if self.lengths.check(*call, *truth).is_ok() {
            let after_prompt =
                self.lengths.context.map(|context| context.saturating_sub(truth.prompt_tokens));
            let bounds = [Some(max_of_one.saturating_mul(choices)), self.lengths.max_output, after_prompt];
            call.max_tokens = bounds.into_iter().flatten().min();
        }
    }

    /// Returns the network delays to add to a call: to the provider, and back to the client.
    pub(super) fn network_delays(&self, truth: Truth) -> (Nanos, Nanos) {
        self.latency.added_network_delays(truth)
    }
}
