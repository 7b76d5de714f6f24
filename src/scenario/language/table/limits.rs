//! The words of `limits`: the axes, and one limit on each.

use super::model::{GROWTH, LAW, MAX_GROWTH, ZONE};
use super::{Kind, LENGTH, Map, NONE, Refused, Word, word};

const LIMIT_ON_AXIS: Kind =
    Kind::OneOf(&[Kind::Choice(NONE), Kind::Count { min: 1, max: MAX_LIMIT }, Kind::Map(&LIMIT)]);

const LIMIT_IN_FLIGHT: Kind =
    Kind::OneOf(&[Kind::Choice(NONE), Kind::Count { min: 1, max: MAX_LIMIT }, Kind::Map(&CONCURRENCY)]);

/// The largest limit. With a larger one the refill policies could exceed the range of exact integers.
const MAX_LIMIT: u64 = 1_000_000_000_000;

const LIMIT_PER_WINDOW: Kind = Kind::OneOf(&[Kind::Choice(NONE), Kind::Map(&WINDOW_LIMIT)]);

const fn axis(name: &'static str, example: &'static str, doc: &'static str) -> Word {
    word(name, LIMIT_ON_AXIS, example, doc).hint(NO_LIMIT)
}

const NO_LIMIT: &str = "for no limit leave the word out, or write `none` if a preset has one; for a model that may not be used leave the model out";

pub(in crate::scenario::language) static LIMITS: Map = Map {
    name: "limits",
    doc: "What an account may use of a model. A limit is a number, a map with more about it, or `none` to remove a preset's. A \
          limit that is absent is that of the preset, if there is one.",
    example: "{rpm: 30, tpm: 6k}",
    words: &[
        LAW,
        ZONE,
        GROWTH,
        MAX_GROWTH,
        axis("rps", "5", "Requests per second."),
        axis("rpm", "30", "Requests per minute."),
        axis("rph", "900", "Requests per hour."),
        axis("rpd", "14.4k", "Requests per day."),
        axis("rpw", "5k", "Requests per week."),
        axis("rpmonth", "1k", "Requests per month: 30 days, except for `law: calendar`."),
        word(
            "requests",
            LIMIT_PER_WINDOW,
            "{limit: 500, per: 5h, law: first_request}",
            "Requests per window of another length, beside the limits above.",
        )
        .hint(NO_LIMIT),
        axis("tps", "10k", "Tokens of prompt and completion per second."),
        axis("tpm", "6k", "Tokens of prompt and completion per minute."),
        axis("tph", "1M", "Tokens of prompt and completion per hour."),
        axis("tpd", "500k", "Tokens of prompt and completion per day."),
        axis("tpw", "20M", "Tokens of prompt and completion per week."),
        axis(
            "tpmonth",
            "1000M",
            "Tokens of prompt and completion per month: 30 days, except for `law: calendar`.",
        ),
        word(
            "tokens",
            LIMIT_PER_WINDOW,
            "{limit: 2M, per: 5h, law: first_request}",
            "Tokens of prompt and completion per window of another length, beside the limits above.",
        )
        .hint(NO_LIMIT),
        axis("itpm", "7k", "Input tokens per minute."),
        axis(
            "uitpm",
            "900k",
            "Input tokens per minute, without those that are found in the prefix cache, whatever `reserve.cached` says. They are \
             reserved as the prompt is, and settled with it.",
        ),
        axis("otpm", "1k", "Output tokens per minute."),
        axis("ash", "7.2k", "Seconds of audio per hour."),
        axis("asd", "28.8k", "Seconds of audio per day."),
        word("concurrency", LIMIT_IN_FLIGHT, "8", "Requests in flight at once.").hint(NO_LIMIT),
    ],
    forms: &[],
    refused: &[],
};

pub(in crate::scenario::language) static LIMIT: Map = Map {
    name: "limit",
    doc: "One limit and how it refills. An absent word has the value that all limits of the model have, or else that of the provider.",
    example: "{limit: 30, law: fixed}",
    words: &[AMOUNT, LAW, ZONE, GROWTH, MAX_GROWTH, BURST],
    forms: &[],
    refused: &[Refused {
        word: "per",
        why: "has no meaning for a limit whose name states its window",
        help: "use `requests` or `tokens` for another window, beside or instead of this limit: `requests: {limit: 100, per: 10s}`",
    }],
};

pub(in crate::scenario::language) static WINDOW_LIMIT: Map = Map {
    name: "window_limit",
    doc: "A limit per window of any length, and how it refills. An absent word has the value that all limits of the model have, or \
          else that of the provider.",
    example: "{limit: 500, per: 5h, law: first_request}",
    words: &[
        AMOUNT,
        word(
            "per",
            LENGTH,
            "5h",
            "The length of the window; not one that another limit is named after, such as a minute (`rpm`, `tpm`).",
        )
        .required(),
        LAW,
        ZONE,
        GROWTH,
        MAX_GROWTH,
        BURST,
    ],
    forms: &[],
    refused: &[],
};

const AMOUNT: Word =
    word("limit", Kind::Count { min: 1, max: MAX_LIMIT }, "30", "How much is admitted per window.")
        .required()
        .hint(NO_LIMIT);

const BURST: Word = word(
    "burst",
    Kind::Count { min: 1, max: MAX_LIMIT },
    "100",
    "For `law: bucket`: how much a full bucket holds. If absent, as much as `limit`; for the rpm of `azure`, if no `law` is \
     given, what refills in a second, at least 1.",
);

const HAS_NO_WINDOW: &str =
    "has no meaning for `concurrency`, which counts requests in flight and has no window";
const WRITE_CONCURRENCY: &str = "write `concurrency: 8`";

pub(in crate::scenario::language) static CONCURRENCY: Map = Map {
    name: "concurrency",
    doc: "The limit on requests in flight, written as a map.",
    example: "{limit: 8}",
    words: &[word("limit", Kind::Count { min: 1, max: MAX_LIMIT }, "8", "Requests in flight at once.")
        .required()
        .hint(NO_LIMIT)],
    forms: &[],
    refused: &[
        Refused { word: "law", why: HAS_NO_WINDOW, help: WRITE_CONCURRENCY },
        Refused { word: "zone", why: HAS_NO_WINDOW, help: WRITE_CONCURRENCY },
        Refused { word: "growth", why: HAS_NO_WINDOW, help: WRITE_CONCURRENCY },
        Refused { word: "most", why: HAS_NO_WINDOW, help: WRITE_CONCURRENCY },
        Refused { word: "burst", why: HAS_NO_WINDOW, help: WRITE_CONCURRENCY },
    ],
};
