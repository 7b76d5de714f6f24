//! Log probabilities of the tokens of a completion, in OpenAI's shape (documented). The mock has no model, so all tokens are
//! equally probable.

use super::filler;
use serde::Serialize;

/// The member `logprobs` of a choice.
#[derive(Debug, Serialize)]
pub(super) struct Logprobs {
    content: Vec<TokenLogprob>,
    refusal: (),
}

#[derive(Debug, Serialize)]
struct TokenLogprob {
    token: &'static str,
    logprob: f64,
    bytes: &'static [u8],
    top_logprobs: [(); 0],
}

/// Returns the log probabilities of filler text.
pub(super) fn of_filler(seed: u64, tokens: u32) -> Logprobs {
    let token = |index| {
        let token = filler::token(seed, index);
        TokenLogprob { token, logprob: LOGPROB, bytes: token.as_bytes(), top_logprobs: [] }
    };
    Logprobs { content: (0..tokens).map(token).collect(), refusal: () }
}

/// The natural logarithm of the probability of each token: about 0.9.
const LOGPROB: f64 = -0.1;
