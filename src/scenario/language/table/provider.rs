//! A provider: its accounts and models, and its incidents.

use super::evidence::{ALLOW_RETIRED, EVIDENCE_LIST};
use super::model::{ESTIMATE_OR_RESERVE, GROWTH, LAW, MAX_GROWTH, ZONE};
use super::{Choice, Form, Kind, LENGTH, MODEL, Map, NameKind, OFFSET, OFFSET_OR_DATE, choice, word};

pub(in crate::scenario) static PROVIDER: Map = Map {
    name: "provider",
    doc: "One API: the format of its replies, the accounts you have there, the models it serves, and when it fails.",
    example: "{preset: groq-free}",
    words: &[
        word(
            "preset",
            Kind::Name(NameKind::Preset),
            "groq-free",
            "Takes limits, latencies and prices from a known provider. What is written beside it takes precedence: models and \
             their limits are merged one by one, every other word replaces the preset's.",
        ),
        word(
            "dialect",
            Kind::Choice(DIALECTS),
            "cerebras",
            "Status codes, headers and bodies of its replies.",
        )
        .default("groq"),
        word(
            "tier",
            Kind::Choice(TIERS),
            "developer",
            "The tier of the accounts: free of charge, or paid by use. It determines the text of a refusal, not the limits.",
        )
        .default("free"),
        LAW,
        ZONE,
        GROWTH,
        MAX_GROWTH,
        word(
            "reserve",
            ESTIMATE_OR_RESERVE,
            "prompt+max_tokens",
            "What a call is charged when it is admitted, for every model that does not say otherwise: an estimate, or a map. If absent, \
             as the dialect's provider does.",
        ),
        word(
            "accounts",
            Kind::NamedEntries { of: &ACCOUNT_OR_KEYS, slash: false },
            "{acme: {keys: [k1, k2]}}",
            "The organisations that own quota. If absent, one account `default` with one key `default`.",
        ),
        word(
            "base_url",
            Kind::Name(NameKind::BaseUrl),
            "https://api.groq.com/openai/v1",
            "Where `quotalab gateway` reaches the provider: the address that `/chat/completions` is appended to. Each dialect has its \
             own, except Azure, whose accounts have one each; a provider behind a proxy needs it. No simulation, plan, mock or `run` \
             sends there.",
        ),
        word(
            "models",
            Kind::NamedEntries { of: &Kind::Map(&MODEL), slash: true },
            "{gpt-oss-120b: {limits: {rpm: 1000}}}",
            "The models that it serves, by the names that requests send.",
        )
        .required_unless("preset"),
        word(
            "incidents",
            Kind::List { of: &Kind::Map(&INCIDENT), min: 0, max: usize::MAX },
            "[{at: 13h, for: 20m, fault: 503}]",
            "When it fails.",
        )
        .default("[]"),
        word(
            "answers",
            Kind::List { of: &Kind::Any, min: 0, max: MAX_ANSWERS },
            "[{prompt: weather, text: Sunny}, {sequence: [503, ok]}]",
            "What `quotalab mock` answers instead of filler: see \"Answers\" in `mock/README.md`. `recorded: FILE` names recorded exchanges; \
             the path is relative to the scenario. No simulation reads it.",
        )
        .default("[]"),
        ALLOW_RETIRED,
        EVIDENCE_LIST,
    ],
    forms: &[],
    refused: &[],
};

/// The maximum number of answers of a provider. Each of them is compared with each request.
const MAX_ANSWERS: usize = 1_000;

const DIALECTS: &[Choice] = &[
    choice("groq", "Groq, as captured in 2026"),
    choice("openai", "OpenAI's own API"),
    choice("azure", "OpenAI's models on Azure"),
    choice("anthropic", "Anthropic, native and OpenAI-compatible"),
    choice("cerebras", "Cerebras"),
    choice("mistral", "Mistral"),
    choice("deepinfra", "DeepInfra"),
    choice("together", "Together"),
    choice("fireworks", "Fireworks"),
    choice("gemini", "Gemini, native and OpenAI-compatible"),
];

const TIERS: &[Choice] = &[choice("free", "free of charge"), choice("developer", "paid by use")];

const KEYS: Kind = Kind::List { of: &NAME_OR_KEY, min: 1, max: usize::MAX };

static NAME_OR_KEY: Kind = Kind::OneOf(&[Kind::Name(NameKind::New), Kind::Map(&KEY)]);

static ACCOUNT_OR_KEYS: Kind = Kind::OneOf(&[KEYS, Kind::Map(&ACCOUNT)]);

pub(in crate::scenario::language) static ACCOUNT: Map = Map {
    name: "account",
    doc: "One organisation. Its keys share its quota. The list of keys may be written without the map: `acme: [k1, k2]`.",
    example: "{keys: [k1, k2]}",
    words: &[
        word(
            "keys",
            KEYS,
            "[k1, k2]",
            "The keys, each with a name of its own in the provider. A name alone is a key for mocks, which accept it as it is; the key \
             of a real provider does not belong in the scenario: a map says where it is.",
        )
        .required(),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static KEY: Map = Map {
    name: "key",
    doc: "Where the key of a real provider, or of a caller of the gateway, is. Only `quotalab gateway` reads it; a mock accepts the name \
          of the variable, or the path as written here, in place of a provider's.",
    example: "{env: GROQ_API_KEY}",
    words: &[
        word("env", Kind::Name(NameKind::Variable), "GROQ_API_KEY", "In this environment variable."),
        word(
            "file",
            Kind::Name(NameKind::File),
            "secrets/groq",
            "In this file, which contains only the key; surrounding whitespace is ignored; the path is relative to the scenario.",
        ),
    ],
    forms: &[
        Form { requires: &[&["env"]], allows: &[], example: "{env: GROQ_API_KEY}" },
        Form { requires: &[&["file"]], allows: &[], example: "{file: secrets/groq}" },
    ],
    refused: &[],
};

pub(in crate::scenario::language) static INCIDENT: Map = Map {
    name: "incident",
    doc: "A period in which a fault affects calls. Incidents may overlap.",
    example: "{at: 13h, for: 20m, fault: 503}",
    words: &[
        word(
            "at",
            OFFSET_OR_DATE,
            "13h",
            "When it begins: from the start of the run, or a date and time such as `2026-12-01T13:00` if `start` has a date.",
        )
        .required(),
        word("for", LENGTH, "20m", "How long it lasts.").required(),
        word("fault", FAULT_NAME_OR_MAP, "503", "What happens: a status, a word, or a map with a number.")
            .required(),
        word(
            "share",
            Kind::Share { zero: true },
            "20%",
            "The share of calls that it affects, drawn at random.",
        )
        .default("100%"),
    ],
    forms: &[],
    refused: &[],
};

const FAULT_NAME_OR_MAP: Kind = Kind::OneOf(&[Kind::Choice(FAULTS), Kind::Map(&FAULT)]);

const FAULTS: &[Choice] = &[
    choice("500", "status 500"),
    choice("502", "status 502"),
    choice("503", "status 503"),
    choice("504", "status 504"),
    choice("498", "status 498, Groq's \"flex capacity exceeded\""),
    choice("529", "status 529, Anthropic's \"overloaded\""),
    choice("429", "status 429"),
    choice("400", "status 400"),
    choice("401", "status 401"),
    choice("403", "status 403"),
    choice("404", "status 404"),
    choice("overload", "out of capacity, with the status and body of the dialect"),
    choice("billing", "credit used up, likewise"),
    choice("not_in_tier", "model not in the plan, likewise"),
    choice("timeout", "no reply"),
    choice("reset", "the connection is closed before the reply"),
    choice("cut_stream", "the reply ends half-way"),
    choice("garbage", "status 200 and a body that is not JSON"),
    choice("no_retry_after", "429s state no wait, neither in a header nor in the message"),
    choice("fractional_wait", "`retry-after` is a fraction of seconds"),
    choice("dated_wait", "`retry-after` is a date"),
    choice("negative_wait", "`retry-after` is negative, and nothing else states the wait"),
    choice("absurd_wait", "`retry-after` exceeds 64 bits, and nothing else states the wait"),
    choice("error_inside", "status 200 and an error in the body"),
    choice("reset_after_head", "the connection is closed after the head of the reply"),
    choice("cut_before_token", "the reply ends before its first token"),
    choice("truncated", "the JSON of the reply ends half-way"),
    choice("wrong_type", "the reply claims to be HTML"),
    choice("no_headers", "replies carry no headers about limits or waits"),
];

/// A factor by which a fault makes something slower.
const FACTOR: Kind = Kind::Multiple { min: 1e-3, max: 1e6, bare: false };

pub(in crate::scenario) static FAULT: Map = Map {
    name: "fault",
    doc: "A fault with a number.",
    example: "{slow: 4x}",
    words: &[
        word("slow", FACTOR, "4x", "Calls take this many times as long."),
        word(
            "drip",
            FACTOR,
            "10x",
            "Tokens after the first arrive this many times slower; no effect on a model with `latency.total`.",
        ),
        word("retry_after", OFFSET, "3600s", "429s state this wait instead of the true one."),
        word("throttle", OFFSET, "30s", "Calls are refused with a 429 that names no limit, and this wait."),
        word("late_first_token", OFFSET, "5s", "The first token comes this much later."),
        word("clock_ahead", OFFSET, "90s", "Dates in headers are this much ahead."),
        word("clock_behind", OFFSET, "90s", "Dates in headers are this much behind."),
    ],
    forms: &[
        Form { requires: &[&["slow"]], allows: &[], example: "{slow: 4x}" },
        Form { requires: &[&["drip"]], allows: &[], example: "{drip: 10x}" },
        Form { requires: &[&["retry_after"]], allows: &[], example: "{retry_after: 3600s}" },
        Form { requires: &[&["throttle"]], allows: &[], example: "{throttle: 30s}" },
        Form { requires: &[&["late_first_token"]], allows: &[], example: "{late_first_token: 5s}" },
        Form { requires: &[&["clock_ahead"]], allows: &[], example: "{clock_ahead: 90s}" },
        Form { requires: &[&["clock_behind"]], allows: &[], example: "{clock_behind: 90s}" },
    ],
    refused: &[],
};
