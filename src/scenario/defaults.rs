//! What a scenario means where it is silent: every default in one place, with its reason.

use crate::scenario::resolved::{Backoff, Client, Jitter, Pace, Retry};
use provider::Nanos;
use provider::config::{Latency, Service};
use provider::dist::Dist;

/// Any number does; a fixed one makes a run repeatable without asking.
pub(super) const SEED: u64 = 1;

/// Long enough for every minute's limit to bite many times and for a daily limit to show its slope.
pub(super) const DURATION: Nanos = Nanos::HOUR;

/// How long an answer is good for: half of what Groq keeps a prompt in its own cache (two hours; docs of
/// Feb 2026), since an answer ages faster than a prompt. An assumption.
pub(super) const CACHE_TTL: Nanos = Nanos::HOUR;

/// Zipf's exponent over popular prompts: the classical one of words and queries. Web requests measured lower,
/// 0.64 to 0.83 (Breslau et al., INFOCOM 1999).
pub(super) const ZIPF: f64 = 1.0;

/// A share that is not given is all.
pub(super) const WHOLE: f64 = 1.0;

/// The client that most scripts are: Groq's Python SDK as shipped, without a cache or pacing.
pub(super) fn client() -> Client {
    Client {
        deadline: Nanos::MINUTE, // groq-python 1.7.0: timeout 60 s
        retry: Retry {
            attempts: 3, // groq-python: max_retries 2
            backoff: Backoff {
                base: Nanos::from_millis(500), // groq-python: INITIAL_RETRY_DELAY 0.5
                cap: Nanos::from_secs(8),      // groq-python: MAX_RETRY_DELAY 8.0
                jitter: Jitter::Full,          // AWS 2015: the least work of the four
            },
            obey_retry_after: true,
            budget_permille: None,
        },
        concurrency: None,
        queue: 10_000, // a bound, so that an overload ends in shed jobs and not in memory
        pace: Pace::Off,
        cache: None,
        join: false,
    }
}

/// Tokens of a completion: a chat answer. Median and tail lie within those of the Azure conversation trace
/// of 2023 (129 and 451) and of the Mooncake conversation trace of 2025 (350 and 698), rounded.
pub(super) fn completion() -> Dist {
    Dist::log_normal(200.0, 0.95, 700.0)
}

/// A model without a stated latency: the slow end of what Groq serves (queue times of 30 to 350 ms and 280
/// tokens per second for a 70B model, measured in public captures of 2025 and 2026), and no network.
pub(super) fn latency() -> Latency {
    Latency { service: service(FIRST_TOKEN, OUTPUT), network: network(), slots: None }
}

/// The seconds to the first token where only the speed is given.
pub(super) const FIRST_TOKEN: Dist = Dist::Constant(0.2);

/// The tokens per second where only the first token is given.
pub(super) const OUTPUT: f64 = 300.0;

/// Without a stated network there is none: the wire is as long as the loopback.
pub(super) fn network() -> Dist {
    Dist::Constant(0.0)
}

/// A first token, then a steady speed; reading the prompt costs nothing more.
pub(super) fn service(first_token: Dist, output: f64) -> Service {
    Service::Split { first_token, prefill: None, output }
}

/// `shape: daily`: the factor of each hour, from midnight. Derived from ServeGen (Alibaba, Apache-2.0,
/// commit f891d11, `data/language/m-large`): the request rate of all clients, averaged by hour of the day over its
/// 14 days and divided by the mean. An office day with an evening: lowest at 8, highest at 19. A single day of
/// it swings much wider than the average of fourteen; who expects a sharper peak writes 24 numbers.
pub(super) const DAILY: [f64; 24] = [
    0.994, 1.002, 0.986, 0.936, 0.908, 0.883, 0.854, 0.817, 0.788, 0.868, 1.046, 1.106, //
    0.971, 0.981, 1.047, 1.047, 1.109, 1.078, 1.040, 1.143, 1.133, 1.074, 1.103, 1.086,
];
