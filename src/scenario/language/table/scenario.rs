//! The top level of a scenario, routes and what-ifs.

use super::{CALLER, CLIENT, Choice, Kind, Map, NameKind, OFFER, PROVIDER, WORKLOAD, choice, word};
use crate::scenario::language::MAX_DURATION;
use ::provider::Nanos;

pub(in crate::scenario) static SCENARIO: Map = Map {
    name: "scenario",
    doc: "The whole file.",
    example: "{name: first minute, providers: {…}, routes: {…}, workload: […]}",
    words: &[
        word("name", Kind::Name(NameKind::New), "launch day", "The name in reports. If absent, that of the file without its extension."),
        word("about", Kind::Text, "\"Does the evening peak hold?\"", "The question that the scenario answers, for its readers.")
            .default("\"\""),
        // Any number would do. A fixed default makes a run repeatable.
        word(
            "seed",
            Kind::Count { min: 0, max: u64::MAX },
            "7",
            "The seed of every random stream. The same scenario and seed give the same result.",
        )
        .default("1"),
        // Long enough for limits per minute to refill many times and for the use of a daily limit to show.
        word("duration", Kind::Duration { min: Nanos::SECOND, max: MAX_DURATION }, "24h", "The time over which jobs arrive. Jobs in flight at its end are finished.")
            .default("1h"),
        word(
            "start",
            Kind::OneOf(&[START_TIME, Kind::Choice(STARTS), Kind::Map(&START)]),
            "2026-12-01T08:00 Europe/Berlin",
            "When the run begins: a date and time in a time zone, or what is left then of limits whose window is longer than a minute, or a map of \
             both. With a date, the times of results are local times, shapes and whole days follow the local clock through changes of summer time, \
             and calendar limits reset at the midnights of their zone. Without one, the run begins on a Monday at midnight for shapes, and on \
             2026-11-01 at 00:00 UTC for calendar limits.",
        )
        .default("sustained"),
        word(
            "providers",
            Kind::NamedEntries { of: &Kind::Map(&PROVIDER), slash: false },
            "{groq: {preset: groq-free}}",
            "The APIs that jobs are sent to, each under a name of your choice.",
        )
        .required(),
        word(
            "routes",
            Kind::NamedEntries { of: &Kind::List { of: &Kind::Map(&STEP), min: 1, max: MAX_STEPS }, slash: true },
            "{chat: [{of: [groq/default/openai/gpt-oss-120b]}]}",
            "Where jobs go. A route is a list of steps; a step is tried if no target of the steps before it can take the job.",
        )
        .required(),
        word("client", Kind::Map(&CLIENT), "{deadline: 30s}", "How your client behaves: deadlines, retries, pacing, caching.").default("{}"),
        word(
            "clients",
            Kind::NamedEntries { of: &Kind::Map(&CLIENT), slash: false },
            "{nightly: {deadline: 8h, concurrency: 4}}",
            "Further clients, each under a name of your choice, for the workloads that name one. A client knows nothing of what the others send: not \
             of their refusals, nor of what they use of a limit. Words that are absent have their defaults, not the values under `client`.",
        ),
        word(
            "callers",
            Kind::NamedEntries { of: &Kind::Map(&CALLER), slash: false },
            "{web: {key: {env: WEB_KEY}}}",
            "Who may use `quotalab gateway`, each under a name of your choice. If given, every request needs the key of one of them. No \
             simulation, plan or run reads it.",
        ),
        word(
            "workload",
            Kind::List { of: &Kind::Map(&WORKLOAD), min: 1, max: MAX_WORKLOADS },
            "[{name: chat, arrivals: {poisson: 250/min}, prompt: 800}]",
            "The classes of jobs: when they arrive, how large they are, which route they take.",
        )
        .required(),
        word(
            "expect",
            Kind::List { of: &Kind::Rule, min: 0, max: usize::MAX },
            "[\"success >= 99%\", \"p95 latency <= 8s\"]",
            "Rules that must hold for the result. `quotalab sim`, `run` and `test` exit with 1 if one is broken or cannot be judged; \
             `quotalab plan` searches for the highest load at which they hold.",
        )
        .default("[]"),
        word(
            "what_if",
            Kind::List { of: &Kind::Map(&WHAT_IF), min: 0, max: MAX_WHAT_IFS },
            "[{name: replies are cached for a day, set: {client.cache: {entries: 10k, ttl: 24h}}}]",
            "Changes that `quotalab plan` tries besides its own.",
        )
        .default("[]"),
        word(
            "offers",
            Kind::List { of: &Kind::Map(&OFFER), min: 0, max: MAX_OFFERS },
            "[{name: developer plan, set: {providers.groq.preset: groq-developer}, fee: 200 USD/month}]",
            "What can be bought as the load grows. `quotalab plan --growth 8%/month --months 12` finds the cheapest order in which to \
             buy; nothing else reads it.",
        )
        .default("[]"),
    ],
    forms: &[],
    refused: &[],
};

const START_TIME: Kind = Kind::DateTime { zone: true };

pub(in crate::scenario::language) static START: Map = Map {
    name: "start",
    doc: "When the run begins, and what is left of long limits then.",
    example: "{at: 2026-12-01T08:00 Europe/Berlin, level: full}",
    words: &[
        word(
            "at",
            START_TIME,
            "2026-12-01T08:00 Europe/Berlin",
            "The date and time, and the time zone: a name of the IANA database or an offset such as `+01:00`.",
        )
        .required(),
        word("level", Kind::Choice(STARTS), "full", "What is left of limits whose window is longer than a minute.").default("sustained"),
    ],
    forms: &[],
    refused: &[],
};

const STARTS: &[Choice] = &[
    choice(
        "sustained",
        "the level at which the same traffic leaves them if it runs around the clock every day. Of a calendar limit this is what the traffic \
         uses from the start of the window (midnight, Monday or the 1st) to that of the run. Traces, ramps, batches and steps without `every` \
         end with the run: the run is repeated back to back, and the last repetition ends when the run begins. If `start` has no date and the \
         run is shorter than the window and ends before it, the run begins as if it were the last part of the window",
    ),
    choice("full", "all of them, as on the first day of a new account"),
];

/// The maximum number of workloads. Each has records of its own, and the ceiling allocates each to targets.
const MAX_WORKLOADS: usize = 256;

/// The maximum number of what-ifs. Each is read as a scenario of its own, and its ceiling is searched for.
const MAX_WHAT_IFS: usize = 64;

/// The maximum number of offers. What they can be combined to is bounded in `offers.rs`.
const MAX_OFFERS: usize = 16;

/// The maximum number of steps of a route. Events hold the number of a step in eight bits.
const MAX_STEPS: usize = 100;

pub(in crate::scenario::language) static STEP: Map = Map {
    name: "step",
    doc: "One step of a route: targets of equal rank.",
    example: "{pick: most_room, of: [groq/default/openai/gpt-oss-120b]}",
    words: &[
        word("pick", Kind::Choice(PICKS), "most_room", "Which of the targets that can take the job now takes it.").default("in_order"),
        word(
            "of",
            Kind::List { of: &Kind::Name(NameKind::Target), min: 1, max: usize::MAX },
            "[groq/default/openai/gpt-oss-120b]",
            "The targets, each written `provider/account/model`. A provider without `accounts` has one named `default`.",
        )
        .required(),
        word(
            "weights",
            Kind::List { of: &Kind::Count { min: 1, max: 1_000_000 }, min: 1, max: usize::MAX },
            "[3, 1]",
            "With `pick: weighted`, one for each target of `of`: how often it takes the job, relative to the others. A target that cannot \
             take the job takes no part, and the others share its jobs by their weights.",
        ),
    ],
    forms: &[],
    refused: &[],
};

const PICKS: &[Choice] = &[
    choice("in_order", "the first that can take the job"),
    choice("round_robin", "each in turn"),
    choice("most_room", "the one with the largest estimated share left of its tightest limit"),
    choice("weighted", "one at random, in proportion to `weights`"),
    choice("random", "one at random, each as often"),
    choice("least_busy", "the one with the fewest attempts in flight, of equal ones the first"),
    // Finagle, tower, Linkerd and Helicone; the constants are in `engine/pick/fastest.rs`.
    choice(
        "fastest",
        "of two at random the one with the lower average latency × (attempts in flight + 1); a slow reply counts at once and fades within \
         about 10s, a refusal or a failure counts as at least 5s",
    ),
    choice(
        "cheapest",
        "the one with the lowest expected price of the job, by the `price` of the models: its prompt, and the mean completion of the \
         route's answers so far, at most `max_tokens`; of equal ones the first",
    ),
];

pub(in crate::scenario::language) static WHAT_IF: Map = Map {
    name: "what_if",
    doc: "A change of the scenario that the planner tries.",
    example: "{name: replies are cached for a day, set: {client.cache: {entries: 10k, ttl: 24h}}}",
    words: &[
        word("name", Kind::Name(NameKind::New), "replies are cached for a day", "The name of the change in the plan.").required(),
        word(
            "set",
            Kind::NamedEntries { of: &Kind::Any, slash: true },
            "{client.cache: {entries: 10k, ttl: 24h}}",
            "What is changed: paths from the top of the scenario, as for `--set`, with their values. Entries of lists are numbered \
             from 0, as in `workload.0.arrivals.poisson`.",
        )
        .required(),
    ],
    forms: &[],
    refused: &[],
};
