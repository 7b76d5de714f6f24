//! A model: its limits and how they refill, what a call reserves, how long it takes, what it costs.

use super::dist::{TIME_OR_DIST, TOKENS_OR_DIST};
use super::evidence::{EVIDENCE_LIST, RETIRED};
use super::limits::LIMITS;
use super::{Choice, Form, Kind, MAX_CONTEXT, Map, NONE, NameKind, Word, choice, word};

pub(in crate::scenario) static MODEL: Map = Map {
    name: "model",
    doc: "One model of a provider. Every account has quota of its own for it.",
    example: "{limits: {rpm: 30, tpm: 6k}}",
    words: &[
        word(
            "family",
            Kind::Name(NameKind::New),
            "gpt-oss",
            "Models of one family draw from one quota: the limits of the first of them.",
        ),
        word(
            "limits",
            Kind::Map(&LIMITS),
            "{rpm: 30, tpm: 6k}",
            "How much an account may use. If absent, as in the preset; without a preset there are no limits.",
        )
        .default("{}"),
        word(
            "reserve",
            ESTIMATE_OR_RESERVE,
            "{estimate: prompt+max_tokens, default: 1024}",
            "What a call is charged when it is admitted. If absent, as for the provider.",
        ),
        word(
            "context",
            TOKENS_OR_NONE,
            "131072",
            "The most tokens of a prompt and `max_tokens` together; a longer call is answered with an error and not charged. Without \
             `max_tokens` the completion ends where the context does.",
        )
        .default("none"),
        word(
            "max_output",
            TOKENS_OR_NONE,
            "32k",
            "The most completion tokens that a call may ask for, and the most that one without `max_tokens` gets; at most `context`.",
        )
        .default("none"),
        word(
            "latency",
            Kind::Map(&LATENCY),
            "{first_token: 200ms, output: 300 tok/s}",
            "How long a call takes.",
        )
        .default("{}"),
        word("price", Kind::Map(&PRICE), "{input: 0.35, output: 0.75}", "What tokens cost.").default("{}"),
        // A chat completion. Median and tail lie between those of the Azure conversation trace of 2023 (129 and 451) and of the
        // Mooncake conversation trace of 2025 (350 and 698), rounded.
        word(
            "completion",
            TOKENS_OR_DIST,
            "{p50: 200, p95: 700}",
            "Completion tokens, for calls to the mock by other clients.",
        )
        .default("{p50: 200, p95: 700}"),
        RETIRED,
        EVIDENCE_LIST,
    ],
    forms: &[],
    refused: &[],
};

const TOKENS_OR_NONE: Kind = Kind::OneOf(&[Kind::Choice(NONE), Kind::Count { min: 1, max: MAX_CONTEXT }]);

/// How a limit refills, as a word of providers, of limits, and of one limit.
pub(super) const LAW: Word = word(
    "law",
    Kind::Choice(LAWS),
    "fixed",
    "How limits refill. If absent, as the dialect's provider does: `bucket`, but for `mistral` `fixed` (rpm) and \
     `sliding_counter` (tpm), and for `gemini` `calendar` in the zone `pacific` (rpd).",
);

/// The time zone of calendar days.
pub(super) const ZONE: Word = word(
    "zone",
    Kind::Choice(ZONES),
    "pacific",
    "For `law: calendar`: the time zone of midnight. If absent, `utc`. It has no effect on windows other than a day, a week and a month.",
);

/// The growth of an adaptive limit.
pub(super) const GROWTH: Word = word(
    "growth",
    GROWTH_FACTOR,
    "1.5x",
    "For `law: adaptive`: the next window's limit, as a multiple of what is used of this one; at least half of this window's \
     limit, and never below the limit that is stated. If absent, `2x`.",
);

/// The bound of an adaptive limit.
pub(super) const MAX_GROWTH: Word = word(
    "most",
    GROWTH_FACTOR,
    "20x",
    "For `law: adaptive`: the most that the limit grows to, as a multiple of the limit that it begins with. If absent, `10x`.",
);

const GROWTH_FACTOR: Kind = Kind::Multiple { min: 1.0, max: 1000.0, bare: false };

const LAWS: &[Choice] = &[
    choice("bucket", "refills continuously (token bucket); holds `burst` at most"),
    choice("fixed", "counts per window; windows follow one another from the start of the run"),
    choice(
        "first_request",
        "counts per window; a window begins with the first call that comes while none is open",
    ),
    choice("sliding_log", "counts what was admitted within the last window"),
    choice("sliding_counter", "the count of the previous window fades linearly over the current one"),
    choice(
        "calendar",
        "days, weeks (from Monday) and months count from midnight to midnight of the zone; for every other window, as `fixed`",
    ),
    choice("adaptive", "the limit of the next window follows what is used of this one"),
];

const ZONES: &[Choice] = &[choice("utc", "UTC"), choice("pacific", "the time of the US west coast")];

pub(super) const ESTIMATE_OR_RESERVE: Kind =
    Kind::OneOf(&[Kind::Choice(RESERVE_ESTIMATE), Kind::Map(&RESERVE)]);

pub(in crate::scenario::language) static RESERVE: Map = Map {
    name: "reserve",
    doc: "What a call is charged on the token limits when it is admitted, and how that is settled when it ends. The estimate alone \
          may be written without the map: `reserve: prompt`. Without `reserve`, a call is charged as the dialect's provider does: \
          see mock/README.md.",
    example: "{estimate: prompt+max_tokens, default: 1024}",
    words: &[
        word("estimate", Kind::Choice(RESERVE_ESTIMATE), "prompt", "What a call is expected to use.")
            .default("prompt+max_tokens"),
        word(
            "default",
            Kind::Count { min: 0, max: u32::MAX as u64 },
            "1024",
            "Completion tokens assumed for a call without `max_tokens`.",
        )
        .default("1024"),
        word(
            "cap",
            Kind::Count { min: 0, max: u32::MAX as u64 },
            "4096",
            "The most completion tokens that are reserved. If absent, no bound.",
        ),
        word(
            "settle",
            Kind::Choice(RESERVE_SETTLE),
            "after",
            "How the reservation is settled when the call ends. If absent, `after` for `estimate: nothing`, else `refund`.",
        ),
        word(
            "cached",
            Kind::Choice(RESERVE_CACHED),
            "free",
            "How prompt tokens count that the provider finds in its prefix cache. If absent, as the dialect does: `refund` for `groq` \
             (with `settle: nothing`: `counted`), `free` for `anthropic`, else `counted`.",
        ),
        word(
            "output_weight",
            Kind::Count { min: 1, max: 1000 },
            "5",
            "How many tokens a completion token counts as against the token limits when the call has ended. At admission, each counts once.",
        )
        .default("1"),
        word("charge_refused", Kind::Bool, "true", "Whether calls that a limit refuses count as requests.")
            .default("false"),
    ],
    forms: &[],
    refused: &[],
};

const RESERVE_ESTIMATE: &[Choice] = &[
    choice("prompt+max_tokens", "the prompt and all that the call allows"),
    choice(
        "prompt+recent",
        "the prompt and the largest recent completion of the account's calls to the model, at most `max_tokens`; before the first as `prompt+max_tokens`",
    ),
    choice("prompt", "the prompt only"),
    choice("nothing", "nothing"),
];

const RESERVE_SETTLE: &[Choice] = &[
    choice("refund", "it is replaced by what was used"),
    choice("nothing", "it is not settled: it stays charged in full"),
    choice("after", "it stays, and what was used beyond it is charged at the end"),
];

const RESERVE_CACHED: &[Choice] = &[
    choice("counted", "as any other token"),
    choice("refund", "as any other at admission, and nothing once the call has ended"),
    choice("free", "nothing"),
];

// A model without a stated latency is at the slow end of what Groq serves: queue times of 30 to 350 ms and 280 tokens per
// second for a 70B model, measured in public captures of 2025 and 2026.
pub(in crate::scenario::language) static LATENCY: Map = Map {
    name: "latency",
    doc: "How long a call takes: a time to the first token and a speed, or a time for the whole reply.",
    example: "{first_token: 200ms, output: 300 tok/s}",
    words: &[
        word(
            "first_token",
            TIME_OR_DIST,
            "{p50: 180ms, p99: 900ms}",
            "From the start of service to the first token.",
        )
        .default("200ms"),
        word(
            "prefill",
            Kind::Speed,
            "23k tok/s",
            "How fast the prompt is read, added to the time to the first token. If absent, reading takes no time.",
        ),
        // Cerebras, "Prompt caching" (inference-docs.cerebras.ai): "Reusing cached blocks skips the processing phase for those
        // tokens".
        word(
            "cached_prefill",
            Kind::Speed,
            "200k tok/s",
            "How fast tokens of the prompt are read that the prefix cache has. If absent, reading them takes no time: providers skip what they \
             find there.",
        ),
        word("output", Kind::Speed, "560 tok/s", "How fast tokens after the first are written.")
            .default("300 tok/s"),
        word("total", TIME_OR_DIST, "{mean: 1s}", "The whole reply; its first token comes with the last."),
        word(
            "network",
            TIME_OR_DIST,
            "40ms",
            "The round trip between client and provider, half of it each way. If absent, that of a loopback interface: \
             0.3 ms in a simulation, and what it takes in a live run.",
        ),
        word(
            "slots",
            Kind::Count { min: 1, max: 1_000_000 },
            "12",
            "Calls served at once over all accounts; others queue. A slot is free when its call ends or the client closes the connection. If absent, no bound.",
        ),
    ],
    forms: &[
        Form {
            requires: &[],
            allows: &["first_token", "prefill", "cached_prefill", "output"],
            example: "{first_token: 200ms, output: 300 tok/s}",
        },
        Form { requires: &[&["total"]], allows: &[], example: "{total: 1s}" },
    ],
    refused: &[],
};

const USD: Kind = Kind::Number { min: 0.0, max: 1e6 };

pub(in crate::scenario::language) static PRICE: Map = Map {
    name: "price",
    doc: "What a million tokens cost, in USD.",
    example: "{input: 0.35, output: 0.75}",
    words: &[
        word("input", USD, "0.35", "Prompt tokens.").default("0"),
        word(
            "cached_input",
            USD,
            "0.07",
            "Prompt tokens found in the provider's prefix cache. If absent, as `input`.",
        ),
        word("output", USD, "0.75", "Completion tokens.").default("0"),
    ],
    forms: &[],
    refused: &[],
};
