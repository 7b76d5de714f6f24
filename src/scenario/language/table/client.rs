//! The client. By default it has the attempts, the back-off and the timeout of Groq's Python SDK, but not its jitter, and
//! neither a cache nor pacing. The reasons for the other numbers are at their rows.

use super::hedge::{HEDGE, HEDGE_OFF};
use super::{Choice, Form, Kind, LENGTH, Map, NONE, choice, word};
use crate::scenario::imitation::IMITATIONS;

pub(in crate::scenario) static CLIENT: Map = Map {
    name: "client",
    doc: "How your client behaves.",
    example: "{deadline: 30s}",
    words: &[
        // groq-python 1.7.0: timeout 60 s.
        word("deadline", LENGTH, "30s", "The longest time that a job may take from its arrival; then it is given up.")
            .default("1m"),
        word(
            "like",
            Kind::Choice(&LIKE),
            "openai-python",
            "Takes the retries of a known program, or what quotalab recommends. Any key beside it, and any key of `retry` and of its `backoff`, overrides what the program does.",
        ),
        word(
            "processes",
            Kind::Count { min: 1, max: MAX_PROCESSES },
            "8",
            "Processes of this client. Each has connections, queue, cool-downs, estimates and cache of its own and shares nothing with the others; the \
             jobs of a workload go to them in turn. `quotalab gateway` is one process.",
        )
        .default("1"),
        word(
            "cool_down",
            Kind::Choice(COOL_DOWNS),
            "per_job",
            "Which jobs stop sending to a target after a refusal, for the wait that the reply states. If it states none, `per_target` uses \
             `backoff` without jitter.",
        )
        .default("per_target"),
        word(
            "retry",
            Kind::Map(&RETRY),
            "{attempts: 3, backoff: {base: 500ms, cap: 8s}}",
            "When and how often a job is tried again.",
        )
        .default("{}"),
        // SDKs have a timeout for an attempt and none for the job with its retries; gateways (LiteLLM, Envoy) have both.
        // Here the SDK's number bounds the job.
        word(
            "attempt_timeout",
            Kind::OneOf(&[Kind::Choice(NONE), Kind::Share { zero: false }, LENGTH]),
            "10s",
            "The longest time that an attempt may take, or its share of `deadline`; then it is cancelled and counts as failed. `none`: until the deadline.",
        )
        .default("none"),
        word(
            "hedge",
            Kind::OneOf(&[Kind::Choice(HEDGE_OFF), Kind::Map(&HEDGE)]),
            "{after: 800ms}",
            "When a job whose attempt has not answered gets a second attempt at another target beside it, from quota that is not needed otherwise.",
        )
        .default("off"),
        word(
            "eject",
            Kind::OneOf(&[Kind::Choice(EJECT_OFF), Kind::Map(&EJECT)]),
            "{after: 5, for: 30s}",
            "When a target that fails is ejected, that is, put in cool-down. The last target of a route that is not in cool-down is \
             never ejected. After an ejection one attempt goes first, as a probe.",
        )
        .default("{}"),
        word(
            "concurrency",
            Kind::OneOf(&[Kind::Choice(CONCURRENCIES), ATTEMPTS_AT_ONCE, Kind::Map(&ADAPTIVE)]),
            "64",
            "Attempts in flight at once, over all targets.",
        )
        .default("none"),
        // Bounded, so that with a `concurrency` an overload sheds jobs instead of filling the memory.
        word(
            "queue",
            Kind::Count { min: 0, max: 100_000_000 },
            "500",
            "Jobs that may wait until fewer than `concurrency` attempts are in flight; a further job is given up. Without `concurrency` none waits for that.",
        )
        .default("10k"),
        word(
            "fair",
            Kind::Choice(FAIRNESS),
            "tokens",
            "How workloads, in the gateway callers, share what their jobs of one priority wait for: the attempts of `concurrency`, places in a full \
             `queue`, and the sends of `pace`. All have the same weight; a workload that has not waited gets no credit for it. Who tries first after \
             a cool-down is still decided by `backoff` and its jitter.",
        )
        .default("off"),
        word(
            "pace",
            PACE_OR_GAP,
            "tokens",
            "How sends to a target are spread over time. A job that would wait for the pace for more than half of its time is given up if its \
             answer would probably come after its deadline: the quota serves a later one.",
        )
        .default("off"),
        word(
            "cache",
            Kind::OneOf(&[Kind::Choice(CACHE_OFF), Kind::Map(&CACHE)]),
            "{entries: 10k, ttl: 1h}",
            "A cache of replies to identical prompts.",
        )
        .default("off"),
        word(
            "join",
            Kind::Bool,
            "true",
            "Whether identical jobs in flight are coalesced: one is sent, all get its reply.",
        )
        .default("false"),
        word(
            "estimate",
            Kind::OneOf(&[Kind::Choice(EXACT), Kind::Map(&ESTIMATE)]),
            "{bias: -20%, spread: 10%}",
            "How far the client's count of the tokens of prompts, by which it paces and chooses targets, is from the provider's. A reply corrects \
             what was counted for its job.",
        )
        .default("exact"),
        super::spending::BUDGET_WORD,
    ],
    forms: &[],
    refused: &[],
};

/// The maximum number of processes of a client: as many as a run may have engines ([`crate::scenario::MAX_ENGINES`]).
const MAX_PROCESSES: u64 = crate::scenario::MAX_ENGINES as u64;
const ATTEMPTS_AT_ONCE: Kind = Kind::Count { min: 1, max: 10_000_000 };

const CONCURRENCIES: &[Choice] = &[
    choice("none", "no bound"),
    choice(
        "adaptive",
        "a bound that adapts itself to refusals, for limits that are not known: the same as `{}`",
    ),
];

pub(in crate::scenario::language) static ADAPTIVE: Map = Map {
    name: "adaptive",
    doc: "A bound on the attempts in flight that adapts itself. It rises with answers while at least half of it is in use: by one with each until the first refusal, \
          later by one for as many answers as itself. A refusal by a limit per minute or on concurrency, an overload or a timeout lowers it to \
          70 % of the attempts in flight; those of attempts that were sent before do not lower it again.",
    example: "{initial: 20, min: 1, max: 200}",
    // The numbers of failsafe-go's adaptive limiter.
    words: &[
        word("initial", ATTEMPTS_AT_ONCE, "10", "What it begins with; from `min` to `max`.").default("20"),
        word("min", ATTEMPTS_AT_ONCE, "2", "The lowest.").default("1"),
        word("max", ATTEMPTS_AT_ONCE, "500", "The highest.").default("200"),
    ],
    forms: &[],
    refused: &[],
};

const COOL_DOWNS: &[Choice] = &[
    choice("per_target", "every job of the client, as in a gateway that remembers refusals"),
    choice("per_job", "only the job that was refused, as in an SDK; another job is sent at once"),
    choice("off", "no job: the back-off alone applies, as with `obey_retry_after: false`"),
];

static LIKE: [Choice; IMITATIONS.len()] = {
    let mut choices = [choice("", ""); IMITATIONS.len()];
    let mut index = 0;
    while index < IMITATIONS.len() {
        choices[index] = choice(IMITATIONS[index].name, IMITATIONS[index].program);
        index += 1;
    }
    choices
};

const CACHE_OFF: &[Choice] = &[choice("off", "no cache")];

const EJECT_OFF: &[Choice] = &[choice("off", "no target is ejected, as in a plain SDK")];

pub(in crate::scenario::language) static EJECT: Map = Map {
    name: "eject",
    doc: "When a target that fails is ejected, that is, put in cool-down.",
    example: "{after: 5, for: 30s}",
    words: &[
        // Five is the number of Envoy's outlier detection and of Finagle's failure accrual.
        word(
            "after",
            Kind::Count { min: 1, max: 1_000 },
            "3",
            "Failures in a row that eject it; one, if its account must pay.",
        )
        .default("5"),
        // Envoy: base_ejection_time 30 s.
        word("for", LENGTH, "10s", "The length of its cool-down.").default("30s"),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static RETRY: Map = Map {
    name: "retry",
    doc: "When and how often a job is tried again.",
    example: "{attempts: 3, backoff: {base: 500ms, cap: 8s}}",
    words: &[
        // groq-python: max_retries 2.
        word("attempts", Kind::Count { min: 1, max: 100 }, "5", "Attempts per job in all, over all targets.")
            .default("3"),
        word(
            "backoff",
            Kind::Map(&BACKOFF),
            "{base: 1s, cap: 30s, jitter: full}",
            "The wait before the next attempt.",
        )
        .default("{}"),
        word(
            "obey_retry_after",
            Kind::Bool,
            "false",
            "Whether the wait that a reply states (`retry-after`) replaces the client's own.",
        )
        .default("true"),
        word(
            "stated_wait",
            Kind::Map(&STATED_WAIT),
            "{longest: 60s, jitter: 500ms}",
            "Which of the waits that replies state are obeyed, and how they are spread.",
        )
        .default("{}"),
        word(
            "budget",
            Kind::OneOf(&[Kind::Choice(NONE), Kind::Permille]),
            "20%",
            "The retry budget: the retries that each job adds to it. It holds at most 100 and is full when a run begins. `none` for no \
             bound. The first attempt of a job at a further target is not a retry.",
        )
        .default("none"),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static STATED_WAIT: Map = Map {
    name: "stated_wait",
    doc: "How a wait that a reply states is obeyed, if `obey_retry_after` is not `false`.",
    example: "{longest: 60s, jitter: 500ms}",
    words: &[
        word(
            "from",
            Kind::Choice(&[
                choice("reply", "the most precise statement of the reply: its message or its headers"),
                choice("headers", "only `retry-after` and `retry-after-ms`, as SDKs do"),
            ]),
            "headers",
            "Where the wait is read.",
        )
        .default("reply"),
        word(
            "longest",
            Kind::OneOf(&[Kind::Choice(NONE), LENGTH]),
            "60s",
            "A longer wait is not obeyed: the back-off applies instead. `none`: every wait is obeyed.",
        )
        .default("none"),
        word(
            "jitter",
            Kind::OneOf(&[Kind::Choice(AS_BACKOFF), LENGTH]),
            "500ms",
            "A random length up to this is added, since a stated wait must not be shortened.",
        )
        .default("backoff"),
    ],
    forms: &[],
    refused: &[],
};

const AS_BACKOFF: &[Choice] =
    &[choice("backoff", "the random part of the back-off"), choice("none", "nothing is added")];

pub(in crate::scenario::language) static BACKOFF: Map = Map {
    name: "backoff",
    doc: "The wait before a retry: `base` before the first, doubled before each further one, at most `cap`, then spread by `jitter`. `decorrelated` has a rule of its own.",
    example: "{base: 1s, cap: 30s, jitter: full}",
    words: &[
        // groq-python: INITIAL_RETRY_DELAY 0.5, MAX_RETRY_DELAY 8.0.
        word("base", LENGTH, "1s", "The first wait.").default("500ms"),
        word("cap", LENGTH, "30s", "The longest wait; at least `base`, which it equals if it is absent and `base` is longer than 8s.").default("8s"),
        // AWS 2015 (see `Jitter`): the fewest calls of the four.
        word(
            "jitter",
            Kind::OneOf(&[Kind::Choice(JITTERS), Kind::Map(&JITTER)]),
            "full",
            "How the wait is spread at random.",
        )
        .default("full"),
    ],
    forms: &[],
    refused: &[],
};

const JITTERS: &[Choice] = &[
    choice("none", "the wait itself"),
    choice("full", "between zero and the wait"),
    choice("equal", "between half the wait and the wait"),
    choice("decorrelated", "between `base` and three times the last wait, at most `cap`"),
];

pub(in crate::scenario::language) static JITTER: Map = Map {
    name: "jitter",
    doc: "How a wait is spread at random around its length.",
    example: "{shorten: 25%}",
    words: &[
        word(
            "shorten",
            Kind::Permille,
            "25%",
            "Shorter by up to this share of the wait (the SDKs of OpenAI and Groq: 25 %).",
        ),
        word("add", LENGTH, "750ms", "Longer by up to this length, also beyond `cap` (LiteLLM: 750 ms)."),
        word(
            "around",
            Kind::Permille,
            "20%",
            "Shorter or longer by up to this share of the wait, at most `cap` (Bifrost: 20 %).",
        ),
    ],
    forms: &[
        Form { requires: &[&["shorten"]], allows: &[], example: "{shorten: 25%}" },
        Form { requires: &[&["add"]], allows: &[], example: "{add: 750ms}" },
        Form { requires: &[&["around"]], allows: &[], example: "{around: 20%}" },
    ],
    refused: &[],
};

const PACE_OR_GAP: Kind = Kind::OneOf(&[Kind::Choice(PACES), Kind::Map(&PACE)]);

const PACES: &[Choice] = &[
    choice("off", "at once"),
    choice("requests", "as the known request limits refill"),
    choice("tokens", "as the known request and token limits refill"),
];

const FAIRNESS: &[Choice] = &[
    choice("off", "first in, first out"),
    choice("requests", "each that waits gets as many requests"),
    choice("tokens", "each that waits gets as many tokens, by the client's estimate"),
];

pub(in crate::scenario::language) static PACE: Map = Map {
    name: "pace",
    doc: "A fixed gap between sends to the same target.",
    example: "{gap: 100ms}",
    words: &[word("gap", LENGTH, "100ms", "The shortest time between two sends.").required()],
    forms: &[],
    refused: &[],
};

const EXACT: &[Choice] = &[choice("exact", "it counts as the provider does")];

pub(in crate::scenario::language) static ESTIMATE: Map = Map {
    name: "estimate",
    doc: "How far the client's count of the tokens of prompts is from the provider's: the true number × (1 + `bias`) × a lognormal error with mean 1, the same for identical prompts.",
    example: "{bias: -20%, spread: 10%}",
    words: &[
        word(
            "bias",
            Kind::Change { min: -0.9, max: 4.0 },
            "-20%",
            "How much too high, or with `-` too low, it is on average.",
        )
        .default("0%"),
        word(
            "spread",
            Kind::Share { zero: true },
            "10%",
            "How far single counts are from that: their standard deviation as a share of their mean.",
        )
        .default("0%"),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static CACHE: Map = Map {
    name: "cache",
    doc: "A cache of replies to identical prompts.",
    example: "{entries: 10k, ttl: 1h}",
    words: &[
        word(
            "entries",
            Kind::Count { min: 1, max: 100_000_000 },
            "10k",
            "Replies kept; the least recently used is dropped first.",
        )
        .required(),
        // Half of the time for which Groq keeps a prompt in its own cache (two hours; docs of Feb 2026), since a reply becomes
        // outdated sooner than a prompt. An assumption.
        word("ttl", LENGTH, "24h", "How long a reply is used.").default("1h"),
    ],
    forms: &[],
    refused: &[],
};
