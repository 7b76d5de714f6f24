//! The budget of a client in USD.

use super::caller::MAX_USD;
use super::{Kind, Map, Word, word};

/// What a client may spend.
pub(super) const BUDGET_WORD: Word = word(
    "budget",
    Kind::Map(&SPENDING),
    "{usd_per_hour: 5, usd_per_day: 60}",
    "What the client may spend by the `price` of the models, all its processes together: each has an equal share. If absent, no bound.",
);

pub(in crate::scenario::language) static SPENDING: Map = Map {
    name: "client's budget",
    doc: "What a client may spend in each hour and in each day of local time, which passes from the start of the run if that has no date. If both are given, \
          both hold. A send reserves the most that it can cost: its prompt and `max_tokens` or, without it, the longest completion of the model: `max_output`, the whole `context`, or 1,024 tokens. If that does \
          not fit what is left, the job goes to another target of its route that it fits; if there is none, it waits for what answers give back and \
          for the end of the window, or is given up (`client_budget`) if its deadline is before that. An attempt counts when it is sent. \
          One that times out, is cancelled or breaks off counts with the most that it can cost, because the client does not learn what it cost; \
          refusals and error replies cost nothing. More than the budget is spent only if the client counts too few tokens of prompts (`estimate`), or \
          if a model that states neither `max_output` nor `context` answers a job without `max_tokens`. Targets without `price` are free.",
    example: "{usd_per_hour: 5, usd_per_day: 60}",
    words: &[
        word("usd_per_hour", AMOUNT, "5", "US dollars in each hour."),
        word("usd_per_day", AMOUNT, "60", "US dollars in each day, which ends at midnight."),
    ],
    forms: &[],
    refused: &[],
};

/// At least a millionth of a dollar, and at most what the budget of a caller may be.
const AMOUNT: Kind = Kind::Number { min: 1e-6, max: MAX_USD };
