//! A workload: which route its jobs take, when they arrive, how large they are.

use super::caller::PRIORITY;
use super::dist::{TIME_OR_DIST, TOKEN_COUNT, TOKENS_OR_DIST};
use super::sessions::SESSIONS;
use super::{
    Choice, Form, Kind, LENGTH, MAX_STATED_TOKENS, Map, NOT_MODELLED, NameKind, OFFSET, OFFSET_OR_DATE,
    Refused, TOKEN_DIST, choice, word,
};

pub(in crate::scenario::language) static WORKLOAD: Map = Map {
    name: "workload",
    doc: "A class of jobs.",
    example: "{name: chat, route: chat, arrivals: {poisson: 250/min}, prompt: {p50: 800, p95: 3000}}",
    words: &[
        word("name", Kind::Name(NameKind::New), "chat", "Its name in reports; every workload has its own.")
            .required(),
        word(
            "route",
            Kind::Name(NameKind::Route),
            "chat",
            "The route that its jobs take. May be absent if there is only one.",
        ),
        word(
            "client",
            Kind::Name(NameKind::Client),
            "nightly",
            "The client that handles its jobs: a name under `clients`. If absent, the client under `client`.",
        ),
        word("arrivals", Kind::Map(&ARRIVALS), "{poisson: 250/min}", "When jobs arrive."),
        word(
            "batch",
            Kind::Map(&BATCH),
            "{jobs: 250k, from: 22h, workers: 8}",
            "In place of `arrivals`: a fixed amount of work, such as documents to be processed at night.",
        ),
        word(
            "sessions",
            Kind::Map(&SESSIONS),
            "{rate: 300/h, calls: {min: 5, max: 40}, context: {first: 4k, growth: 1500}, deadline: 60s}",
            "In place of `arrivals`: jobs that depend on each other, of agents and conversations.",
        ),
        word(
            "prompt",
            TOKENS_OR_DIST,
            "{p50: 800, p95: 3000}",
            "Tokens of a prompt, rounded to a whole number from 1 to 10M. Required except with a trace, which contains its own, and with \
             `sessions`, whose `context` it is.",
        ),
        word(
            "cached_prompt",
            Kind::OneOf(&[Kind::Share { zero: true }, TOKEN_COUNT, Kind::Map(&TOKEN_DIST)]),
            "60%",
            "How much of a prompt the provider finds in its prefix cache: a share of it, or tokens, at most the whole prompt.",
        )
        .default("0%"),
        // The default is that of `model.completion`; its source is there.
        word(
            "completion",
            TOKENS_OR_DIST,
            "{p50: 200, p95: 700}",
            "Tokens of a completion, rounded to a whole number from 1 to 10M, unless `max_tokens` or the model cuts it short.",
        )
        .default("{p50: 200, p95: 700}"),
        // Measured on public traces, hardly any: 0.07 in Azure's conversations of 2023 and in Mooncake's, -0.02 in Azure's code completions.
        word(
            "correlation",
            Kind::Correlation,
            "0.6",
            "Spearman's rank correlation of the lengths of prompts and completions, before `max_tokens` or the model cuts any: 1 if the longest \
             prompt has the longest completion, and so on, -1 if it has the shortest. The distributions stay as they are. Public traces have \
             hardly any; measure yours.",
        )
        .default("0"),
        word(
            "max_tokens",
            Kind::Count { min: 1, max: MAX_STATED_TOKENS },
            "1024",
            "The `max_tokens` sent with every request. If absent, none is sent.",
        ),
        word(
            "repeats",
            Kind::Map(&REPEATS),
            "{share: 20%, zipf: 1.1, of: 5000}",
            "Jobs whose prompt is one of a fixed number of popular prompts. A cache can answer all but the first of each, as long as it keeps the reply.",
        ),
        word(
            "stream",
            Kind::Bool,
            "false",
            "Whether replies are streamed, so that the first token is seen before the last.",
        )
        .default("true"),
        word(
            "deferrable",
            Kind::Bool,
            "true",
            "Whether jobs may be moved in time: the planner may propose to move them to the hours from midnight to six.",
        )
        .default("false"),
        PRIORITY,
    ],
    forms: &[
        Form {
            requires: &[&["arrivals"]],
            allows: &["prompt", "cached_prompt", "correlation", "repeats"],
            example: "{name: chat, route: chat, arrivals: {poisson: 250/min}, prompt: {p50: 800, p95: 3000}}",
        },
        Form {
            requires: &[&["batch"]],
            allows: &["prompt", "cached_prompt", "correlation", "repeats"],
            example: "{name: documents, route: chat, batch: {jobs: 250k, workers: 8}, prompt: {p50: 800, p95: 3000}}",
        },
        Form {
            requires: &[&["sessions"]],
            allows: &[],
            example: "{name: agents, route: chat, sessions: {rate: 300/h, calls: 8, context: {first: 4k, growth: 1500}}}",
        },
    ],
    refused: &[Refused {
        word: "audio",
        why: NOT_MODELLED,
        help: "leave it out: jobs of workloads are text, and only audio that is sent to `quotalab mock` counts against `ash` and `asd`",
    }],
};

pub(in crate::scenario::language) static BATCH: Map = Map {
    name: "batch",
    doc: "A fixed number of jobs. Each worker sends one, waits until it has succeeded or is given up, and takes the next 1 ms later. Jobs that no \
          worker has taken when the run ends are not offered. If no rule says by when the batch must be finished, it must be by the end of \
          the run.",
    example: "{jobs: 250k, from: 22h, workers: 8}",
    words: &[
        word("jobs", Kind::Count { min: 1, max: 100_000_000 }, "250k", "The number of jobs.").required(),
        word("from", OFFSET, "22h", "When the workers begin, from the start of the run.").default("0s"),
        word("workers", Kind::Count { min: 1, max: 1_000_000 }, "8", "The number of jobs in flight at once.")
            .required(),
    ],
    forms: &[],
    refused: &[],
};

const NO_JOBS_HINT: &str = "or remove the workload";

pub(in crate::scenario::language) static ARRIVALS: Map = Map {
    name: "arrivals",
    doc: "When jobs arrive: one of the ways below.\n\nA trace of coding agents, as GitHub Copilot's is published, has a session per line: \
          `{\"turns\": [{\"llm_calls\": [{\"timestamp\": \"2026-06-01T08:00:00Z\", \"duration_ms\": 4000, \"status_code\": 200, \"tokens\": \
          {\"prompt\": 21000, \"completion\": 300, \"cached\": 18000}}]}]}`. Its calls depend on each other, as those of \
          [`sessions`](#sessions), so slower replies delay all that follows in their session. Sessions begin at their recorded instants. A \
          turn is a task; it begins when the time has passed that its user took in the recording after the end of the turn before. The calls \
          of a turn follow one another: each is sent when the one before has ended and the time has passed in which no earlier call of the \
          recording was running, that of tools. Calls that overlap in the recording are replayed one after another without a gap. Tokens of \
          prompts, completions and cache are those recorded (`cached_pct` if `cached` is absent); a completion has at least one. A call that \
          failed (a `status_code` other than 2xx, or without one a `result` that names a failure) or states no prompt tokens is left out, \
          since the client of the scenario retries by itself: the next call of the turn takes its place. A call without `duration_ms` ends when \
          it begins. `rate` keeps a share of the sessions; `speed` divides the recorded times between calls as well. If a task fails, \
          the rest of its turn is not replayed and the user ends the session, unless `sessions` says otherwise: \
          `sessions: {arrivals: {trace: agents.jsonl}, deadline: 10m, leave: 50%}`. Files have at most 512 MiB uncompressed, and 16 MiB per session.",
    example: "{poisson: 250/min}",
    words: &[
        word("constant", Kind::Rate { zero: false }, "30/s", "Evenly spaced jobs.").hint(NO_JOBS_HINT),
        word("poisson", Kind::Rate { zero: false }, "250/min", "Independent jobs (a Poisson process).")
            .hint(NO_JOBS_HINT),
        word("gamma", Kind::Rate { zero: false }, "250/min", "Independent gaps with a gamma distribution; the larger `cv`, the burstier.")
            .hint(NO_JOBS_HINT),
        word("weibull", Kind::Rate { zero: false }, "250/min", "Independent gaps with a Weibull distribution: of the same `cv`, more long gaps and fewer very short ones than gamma gaps.")
            .hint(NO_JOBS_HINT),
        // Measured on public traces: 1.1 in Azure's conversations of 2023, 13 in its code completions.
        word(
            "cv",
            Kind::Number { min: 0.1, max: 30.0 },
            "3",
            "The coefficient of variation of the gaps: their standard deviation divided by their mean. 1 is a Poisson process; of counts over \
             long intervals, the variance is cv² times the mean. A multiple of the load keeps it.",
        )
        .hint("evenly spaced jobs are `constant`"),
        word(
            "ramp",
            Kind::List { of: &Kind::Rate { zero: true }, min: 2, max: 2 },
            "[10/min, 100/min]",
            "Independent jobs at a rate that goes from the first to the second over the duration.",
        ),
        word(
            "steps",
            Kind::List { of: &Kind::Map(&ARRIVAL_STEP), min: 1, max: usize::MAX },
            "[{at: 0s, rate: 10/min}, {at: 10m, rate: 50/min}]",
            "Independent jobs at a rate that changes at given times, in their order; before the first, none. The last rate lasts until the end of \
             the run, unless the steps repeat after `every`: then it lasts until the first step of the next period.",
        ),
        word(
            "burst",
            Kind::Count { min: 1, max: 10_000_000 },
            "100",
            "The number of jobs that arrive in one instant: first at `at`, and again after each interval `every`.",
        ),
        word(
            "at",
            OFFSET_OR_DATE,
            "9h",
            "The first burst: the time from the start of the run, or a date and time such as `2026-12-01T09:00` if `start` has a date. If absent, \
             the start; if given without `every`, the burst repeats every day.",
        ),
        word("every", LENGTH, "10m", "The time after which a burst, or all steps, repeat. Whole days keep the time of day if clocks change."),
        word(
            "users",
            Kind::Count { min: 1, max: 1_000_000 },
            "20",
            "Users. Each thinks, sends a job, waits for its reply, and thinks again (a closed workload).",
        ),
        word(
            "think",
            TIME_OR_DIST,
            "{mean: 10s}",
            "The time before the first job of a user, and between a reply and the next one; at least 1 ms.",
        ),
        word(
            "trace",
            Kind::Name(NameKind::File),
            "trace.csv",
            "A recorded trace: an Azure CSV, a BurstGPT CSV, JSON lines of Mooncake, Bailian or coding agents, or another CSV or JSON lines with \
             `columns`; plain or gzip.",
        ),
        word(
            "columns",
            Kind::Map(&TRACE_COLUMNS),
            "{time: time, prompt: prompt_tokens, completion: completion_tokens}",
            "The columns of a CSV, or the members of JSON lines, that have none of the known forms.",
        ),
        word(
            "unit",
            Kind::Choice(&[choice("s", "seconds"), choice("ms", "milliseconds")]),
            "s",
            "The unit of times that are numbers. Without it: milliseconds in the JSON lines of Mooncake and of coding agents, otherwise seconds; `check` says which.",
        ),
        word(
            "rate",
            Kind::Share { zero: false },
            "10%",
            "The share of the requests of the trace that is kept, or of its sessions.",
        )
        .default("100%"),
        word(
            "speed",
            Kind::Multiple { min: 1e-3, max: 1e6, bare: true },
            "2x",
            "How many times faster than recorded the trace is replayed.",
        )
        .default("1x"),
        // Derived from ServeGen; see `SHAPE_DAILY` and `SHAPE_EVENING` in spec/arrivals.rs.
        word(
            "shape",
            SHAPE,
            "daily",
            "Multiplies the rate by a factor for each hour or minute, day after day or week after week, of the local time of `start`; without a date the run begins on a Monday at midnight. A \
             name; factors whose mean is 1, 24 for the hours of a day, 168 for those of a week or 1440 for the minutes of a day; or weights.",
        ),
    ],
    forms: &[
        Form {
            requires: &[&["constant", "poisson", "ramp"]],
            allows: &["shape"],
            example: "{poisson: 250/min, shape: daily}",
        },
        Form {
            requires: &[&["steps"]],
            allows: &["every", "shape"],
            example: "{steps: [{at: 8h, rate: 50/min}, {at: 18h, rate: 10/min}], every: 1d}",
        },
        Form {
            requires: &[&["gamma", "weibull"], &["cv"]],
            allows: &["shape"],
            example: "{gamma: 250/min, cv: 3}",
        },
        Form { requires: &[&["burst"]], allows: &["every", "at"], example: "{burst: 100, every: 1m}" },
        Form { requires: &[&["users"], &["think"]], allows: &[], example: "{users: 20, think: 10s}" },
        Form {
            requires: &[&["trace"]],
            allows: &["rate", "speed", "columns", "unit"],
            example: "{trace: trace.csv, speed: 2x}",
        },
    ],
    refused: &[],
};

pub(in crate::scenario::language) static TRACE_COLUMNS: Map = Map {
    name: "columns",
    doc: "The columns of a trace in CSV, or the members of its JSON lines.",
    example: "{time: time, prompt: prompt_tokens, completion: completion_tokens}",
    words: &[
        word(
            "time",
            COLUMN,
            "time",
            "When a request was sent: a date with a time (UTC without an offset), or a number.",
        )
        .required(),
        word("prompt", COLUMN, "prompt_tokens", "The tokens of its prompt.").required(),
        word("completion", COLUMN, "completion_tokens", "The tokens of its completion.").required(),
    ],
    forms: &[],
    refused: &[],
};

const COLUMN: Kind = Kind::Text;

/// The largest factor or weight of a shape.
const FACTOR: Kind = Kind::Number { min: 0.0, max: 1e6 };

const FACTORS: Kind = Kind::List { of: &FACTOR, min: 24, max: 1_440 };

const SHAPE: Kind = Kind::OneOf(&[Kind::Choice(SHAPES), FACTORS, Kind::Map(&SHAPE_MAP)]);

const SHAPES: &[Choice] = &[
    choice(
        "daily",
        "the mean of 14 days of the trace ServeGen m-large: lowest (0.79) in the hour from 8, highest (1.14) in that from 19",
    ),
    choice(
        "evening",
        "one of these 14 days, with an evening peak: 1.69 in the hour from 19, above 1.5 until 22",
    ),
];

pub(in crate::scenario::language) static SHAPE_MAP: Map = Map {
    name: "shape",
    doc: "The traffic of each hour or minute relative to the others: percentages, counts, any numbers. They are divided by their mean, so \
          the rate stays the mean of the day or week. No name is fitted to a week: of the public traces that were at hand, none is longer than \
          two weeks, and none states its days of the week.",
    example: "{weights: [1, 1, 1, 1, 1, 1, 2, 4, 6, 6, 6, 5, 4, 5, 6, 6, 5, 4, 4, 6, 8, 7, 4, 2]}",
    words: &[
        word(
            "weights",
            FACTORS,
            "[1, 1, 1, 1, 1, 1, 2, 4, 6, 6, 6, 5, 4, 5, 6, 6, 5, 4, 4, 6, 8, 7, 4, 2]",
            "24 for the hours from midnight, 168 for the hours from Monday's midnight, or 1440 for the minutes from midnight.",
        )
        .required(),
        word(
            "minutes",
            Kind::List { of: &FACTOR, min: 60, max: 60 },
            "[5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
            "60 weights for the minutes of each hour, with weights of hours. If absent, all minutes of an hour are equal.",
        ),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static ARRIVAL_STEP: Map = Map {
    name: "arrivals.steps",
    doc: "A change of the rate.",
    example: "{at: 10m, rate: 50/min}",
    words: &[
        word("at", OFFSET, "10m", "When, from the start of the run; later than the step before.").required(),
        word("rate", Kind::Rate { zero: true }, "50/min", "The rate from then on.").required(),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static REPEATS: Map = Map {
    name: "repeats",
    doc: "Jobs whose prompt is one of a fixed number of popular prompts.",
    example: "{share: 20%, zipf: 1.1, of: 5000}",
    words: &[
        word("share", Kind::Share { zero: true }, "20%", "The share of jobs with a popular prompt.")
            .required(),
        // The classical exponent of words and queries. Web requests measured lower: 0.64 to 0.83 (Breslau et al.,
        // INFOCOM 1999).
        word(
            "zipf",
            Kind::Number { min: 0.0, max: 10.0 },
            "1.1",
            "The exponent of Zipf's law over the popular prompts; 0 is uniform.",
        )
        .default("1"),
        word("of", Kind::Count { min: 1, max: 1_000_000 }, "5000", "The number of popular prompts.")
            .required(),
    ],
    forms: &[],
    refused: &[],
};
