//! The evidence for the numbers of a provider and of its models, and when a model was retired.

use super::{Choice, Kind, Map, Word, choice, word};

const EVIDENCES: Kind = Kind::List { of: &Kind::Map(&EVIDENCE), min: 0, max: usize::MAX };

/// The sources of numbers, as a word of providers and of models.
pub(super) const EVIDENCE_LIST: Word = word(
    "evidence",
    EVIDENCES,
    "[{of: [limits], certainty: documented, date: 2026-10-01, source: rate limits page}]",
    "Where the numbers come from; `quotalab presets` prints it for the presets. The evidence of a model takes \
     precedence over that of its provider.",
)
.default("[]");

/// The retirement of a model, as a word of models.
pub(super) const RETIRED: Word = word(
    "retired",
    Kind::Date,
    "2026-10-01",
    "The date since which the provider no longer offers the model. Routes may name it only with `allow_retired: true` at the provider.",
);

/// The permission to use retired models, as a word of providers.
pub(super) const ALLOW_RETIRED: Word = word(
    "allow_retired",
    Kind::Bool,
    "true",
    "Whether routes may name models that are retired, for example to repeat an old run.",
)
.default("false");

pub(in crate::scenario::language) static EVIDENCE: Map = Map {
    name: "evidence",
    doc: "The source of some numbers.",
    example: "{of: [limits], certainty: documented, date: 2026-10-01, source: rate limits page}",
    words: &[
        word(
            "of",
            Kind::List { of: &Kind::Choice(SUBJECTS), min: 1, max: usize::MAX },
            "[rpm, tpm]",
            "The words whose numbers it supports. `limits` stands for all of them.",
        )
        .required(),
        word("certainty", Kind::Choice(CERTAINTIES), "documented", "How certain the numbers are.").required(),
        word("date", Kind::Date, "2026-10-01", "The date for which it holds.").required(),
        word("source", Kind::Text, "rate limits page", "Where it was read, or how it was derived.")
            .required(),
    ],
    forms: &[],
    refused: &[],
};

const CERTAINTIES: &[Choice] = &[
    choice("documented", "the provider's own pages state it"),
    choice("captured", "literal headers or messages that users published show it"),
    choice("reported", "a third party measured it or saw it on a page that is not public"),
    choice("assumed", "not stated anywhere; the source says what it was derived from"),
];

const SUBJECTS: &[Choice] = &[
    choice("limits", "all limits"),
    choice("rps", "the limit"),
    choice("rpm", "the limit"),
    choice("rph", "the limit"),
    choice("rpd", "the limit"),
    choice("rpw", "the limit"),
    choice("rpmonth", "the limit"),
    choice("requests", "the limit"),
    choice("tps", "the limit"),
    choice("tpm", "the limit"),
    choice("tph", "the limit"),
    choice("tpd", "the limit"),
    choice("tpw", "the limit"),
    choice("tpmonth", "the limit"),
    choice("tokens", "the limit"),
    choice("itpm", "the limit"),
    choice("uitpm", "the limit"),
    choice("otpm", "the limit"),
    choice("ash", "the limit"),
    choice("asd", "the limit"),
    choice("concurrency", "the limit"),
    choice("context", "the length"),
    choice("max_output", "the length"),
    choice("reserve", "what a call reserves"),
    choice("first_token", "the time to the first token"),
    choice("prefill", "the speed of reading the prompt"),
    choice("output", "the speed of writing"),
    choice("total", "the whole time"),
    choice("network", "the round trip"),
    choice("slots", "the server slots"),
    choice("price", "the price of input and output"),
    choice("cached_input", "the price of cached input"),
];
