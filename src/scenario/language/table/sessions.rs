//! Sessions: dependent calls of agents and of conversations.

use super::dist::{MAX, MEDIAN, MIN, QUANTILE, TIME_OR_DIST, TOKENS_OR_DIST, VALUES, WEIGHT, WEIGHTS};
use super::workload::ARRIVALS;
use super::{Form, Kind, LENGTH, Map, word};
use crate::scenario::resolved::{MAX_FAN_OUT, MAX_STEPS, MAX_TURNS};

pub(in crate::scenario::language) static SESSIONS: Map = Map {
    name: "sessions",
    doc: "Calls that depend on each other: the work of agents, and conversations. A session has turns. A turn is a *task*, what its user \
          waits for. A task has steps, one after another; a step is a call, or several at once, of which the next step awaits the last. \
          Every call sends the whole context again. A task succeeds if all its calls do; a prompt that exceeds the `context` of the model \
          fails like any other call. If a call is given up, the other calls of its step end first, and the task fails. At the deadline of \
          the task its calls in flight are cancelled, as the provider charges cancelled calls, and no further one is sent: the user has \
          left. No turn begins after the duration of the scenario, but tasks that have begun go on to their end. Calls are jobs: \
          `client.deadline` is for each call. A trace of coding agents contains its sessions: `{arrivals: {trace: agents.jsonl}, deadline: 10m}`; \
          see [`arrivals`](#arrivals).",
    example: "{rate: 300/h, calls: {min: 5, max: 40}, context: {first: 4k, growth: 1500}, deadline: 60s}",
    words: &[
        word("rate", Kind::Rate { zero: false }, "300/h", "Independent sessions (a Poisson process)."),
        word(
            "arrivals",
            Kind::Map(&ARRIVALS),
            "{poisson: 300/h, shape: daily}",
            "When sessions begin. Each of `users` begins the next session when the last has ended. A trace must be one of coding agents, whose \
             sessions are replayed; only `deadline` and `leave` go with it.",
        ),
        word("turns", COUNTS_OR_DIST, "{mean: 4}", "Turns of a session, at least 1.").default("1"),
        word(
            "think",
            TIME_OR_DIST,
            "{mean: 30s}",
            "The time between the end of a task and the next turn of its session.",
        )
        .default("0s"),
        word("calls", COUNTS_OR_DIST, "{min: 5, max: 40}", "Steps of a turn, one after another, at least 1.")
            .default("1"),
        word("fan_out", COUNTS_OR_DIST, "{values: [1, 3], weights: [4, 1]}", "Calls of a step, all at once, at least 1.")
            .default("1"),
        word(
            "tool_time",
            TIME_OR_DIST,
            "{p50: 400ms, p95: 3s}",
            "The time between the end of a step and the next step of its turn: that of the slowest tool.",
        )
        .default("0s"),
        word("context", Kind::Map(&SESSION_CONTEXT), "{first: 4k, growth: 1500}", "The prompts. Required except with a trace."),
        word(
            "cached",
            Kind::Share { zero: true },
            "85%",
            "How much of the prompt of the step before the provider finds in its prefix cache; of the first prompt of a session, nothing.",
        )
        .default("0%"),
        word(
            "deadline",
            LENGTH,
            "60s",
            "The time after which the user of a task leaves. If absent, users wait as long as it takes.",
        ),
        word(
            "leave",
            Kind::Share { zero: true },
            "50%",
            "The share of users who end the session when a task failed or reached its deadline. The others think and begin the next turn, with \
             the context of the last step that succeeded.",
        )
        .default("100%"),
    ],
    forms: &[
        Form { requires: &[&["rate"], &["context"]], allows: &[], example: "{rate: 300/h, context: {first: 4k, growth: 1500}}" },
        Form {
            requires: &[&["arrivals"]],
            allows: &["context"],
            example: "{arrivals: {poisson: 300/h, shape: daily}, context: {first: 4k, growth: 1500}}",
        },
    ],
    refused: &[],
};

pub(in crate::scenario::language) static SESSION_CONTEXT: Map = Map {
    name: "sessions.context",
    doc: "The prompts of a session. After each step the context is longer by the completions of its calls, at most `max_tokens` each, and \
          by the growth of each call.",
    example: "{first: 4k, growth: {p50: 800, p95: 6000}}",
    words: &[
        word("first", TOKENS_OR_DIST, "4k", "Tokens of the first prompt, at least 1.").required(),
        word(
            "growth",
            TOKENS_OR_DIST,
            "{p50: 800, p95: 6000}",
            "Tokens that each call adds besides its completion: the results of tools, or what the user writes.",
        )
        .default("0"),
    ],
    forms: &[],
    refused: &[],
};

/// A count from 1, or a distribution of counts.
const COUNTS_OR_DIST: Kind = Kind::OneOf(&[COUNT, Kind::Map(&COUNT_DIST)]);
const COUNT: Kind = Kind::Count { min: 1, max: MAX_COUNT };
/// The largest of the bounds of turns, steps and calls. Samples are clamped to the bound of their word.
const MAX_COUNT: u64 = 1_000;
const _: () = assert!(
    MAX_TURNS as u64 == MAX_COUNT && MAX_STEPS as u64 == MAX_COUNT && MAX_FAN_OUT as u64 <= MAX_COUNT
);

pub(in crate::scenario::language) static COUNT_DIST: Map = Map {
    name: "count",
    doc: "A random number of turns or calls, rounded to a whole number from 1: turns and steps to at most 1,000, calls at once to at most 100. A \
          number alone is a constant.",
    example: "{min: 5, max: 40}",
    words: &[
        word("p50", COUNT, "6", MEDIAN),
        word("p90", COUNT, "15", QUANTILE),
        word("p95", COUNT, "20", QUANTILE),
        word("p99", COUNT, "40", QUANTILE),
        word("mean", COUNT, "8", "The mean of an exponential distribution, before it is rounded."),
        word("min", COUNT, "5", MIN),
        word("max", COUNT, "40", MAX),
        word("values", Kind::List { of: &COUNT, min: 1, max: usize::MAX }, "[1, 3]", VALUES),
        word("weights", WEIGHTS, "[4, 1]", WEIGHT),
    ],
    forms: &[
        Form { requires: &[&["p50"], &["p90", "p95", "p99"]], allows: &[], example: "{p50: 6, p95: 20}" },
        Form { requires: &[&["mean"]], allows: &[], example: "{mean: 8}" },
        Form { requires: &[&["min"], &["max"]], allows: &[], example: "{min: 5, max: 40}" },
        Form { requires: &[&["values"]], allows: &["weights"], example: "{values: [1, 3], weights: [4, 1]}" },
    ],
    refused: &[],
};
