//! Callers of the gateway: their keys, their priorities, and what they may spend.

use super::{Choice, KEY, Kind, Map, Word, choice, word};

pub(in crate::scenario::language) static CALLER: Map = Map {
    name: "caller",
    doc: "A program, or a group of programs, that sends requests to `quotalab gateway` with a key of its own.",
    example: "{key: {env: NIGHTLY_KEY}, priority: batch, budget: {usd: 20, tokens: 2M}}",
    words: &[
        word(
            "key",
            Kind::Map(&KEY),
            "{env: NIGHTLY_KEY}",
            "Where the API key that the caller sends is stored. Every caller has a key of its own.",
        )
        .required(),
        PRIORITY,
        word(
            "budget",
            Kind::Map(&BUDGET),
            "{usd: 20, tokens: 2M}",
            "What it may use on one day of UTC. If absent, as much as the limits allow.",
        ),
    ],
    forms: &[],
    refused: &[],
};

/// The rank of jobs among those that wait.
pub(super) const PRIORITY: Word = word(
    "priority",
    Kind::Choice(PRIORITIES),
    "batch",
    "Which jobs go first if several wait for the same thing: for `client.concurrency`, for a target in cool-down, or for the pace.",
)
.default("interactive");

const PRIORITIES: &[Choice] = &[
    choice("interactive", "before every job that is `batch`"),
    choice("batch", "when no interactive job waits for the same thing"),
];

pub(in crate::scenario::language) static BUDGET: Map = Map {
    name: "budget",
    doc: "What a caller may use on one day of UTC. If both are given, both hold.",
    example: "{usd: 20, tokens: 2M}",
    words: &[
        word(
            "usd",
            Kind::Number { min: 0.0, max: MAX_USD },
            "20",
            "US dollars, by the `price` of the models. A model without a price costs nothing.",
        ),
        word(
            "tokens",
            Kind::Count { min: 1, max: MAX_TOKENS },
            "2M",
            "Tokens of prompts and completions, cached ones included.",
        ),
    ],
    forms: &[],
    refused: &[],
};

/// The largest budget in USD. A larger one is likely a typing error.
pub(super) const MAX_USD: f64 = 1e6;

/// The largest budget in tokens. A larger one is likely a typing error.
const MAX_TOKENS: u64 = 1_000_000_000_000;
