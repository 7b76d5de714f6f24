//! `reserve`: what admission takes a call to use, and what becomes of it.

use crate::scenario::value::{Value, whole};
use provider::config::{CachedTokens, Estimate, Reserve, Settle};

/// A word for the estimate, or a map with everything; `None` where it is wrong. What is not said of cached tokens is as
/// `usual` for the dialect.
pub(super) fn reserve(value: &Value, usual: CachedTokens) -> Option<Reserve> {
    if !value.is_map() {
        return estimate(value).map(|estimate| Reserve { cached: usual, ..Reserve::of(estimate) });
    }
    let mut fields = value.fields("{estimate: prompt+max_tokens, default: 1024}")?;
    let estimate = fields.get("estimate").and_then(|value| estimate(&value)).unwrap_or_default();
    let silent = Reserve::of(estimate);
    let of_completions = fields.given(&["default", "cap"]);
    let absent = fields.parse("default", whole(0, u32::MAX));
    let cap = fields.parse("cap", whole(0, u32::MAX));
    let settle = fields.get("settle").and_then(|value| settle(&value));
    // What is never settled gives nothing back.
    let usual = if (settle, usual) == (Some(Settle::Nothing), CachedTokens::Refunded) {
        CachedTokens::Counted
    } else {
        usual
    };
    let written = fields.get("cached");
    let cached = written.as_ref().and_then(cached);
    if let (Some(Settle::Nothing), Some(CachedTokens::Refunded), Some(value)) = (settle, cached, written) {
        value.wrong("what is never settled cannot be refunded", "use `cached: free`, or another `settle`");
    }
    let charge_refused = fields.get("charge_refused").and_then(|value| value.yes_or_no());
    if let (Estimate::Prompt | Estimate::Nothing, [word, ..]) = (estimate, &of_completions[..]) {
        fields.value.wrong(
            format!("`{word}` is about completions, and of those nothing is reserved"),
            "leave it out, or use `estimate: prompt+max_tokens`",
        );
    }
    if (estimate, settle) == (Estimate::Nothing, Some(Settle::Nothing)) {
        fields
            .value
            .wrong("no token would ever be charged", "use `settle: after`, or leave the token limits out");
    }
    fields.done();
    Some(Reserve {
        estimate,
        default_max_tokens: absent.unwrap_or(silent.default_max_tokens),
        max_completion_tokens: cap.unwrap_or(silent.max_completion_tokens),
        settle: settle.unwrap_or(silent.settle),
        cached: cached.unwrap_or(usual),
        charge_refused: charge_refused.unwrap_or(silent.charge_refused),
    })
}

fn estimate(value: &Value) -> Option<Estimate> {
    value.one_of(&[
        ("prompt+max_tokens", Estimate::PromptAndMaxTokens),
        ("prompt+recent", Estimate::PromptAndRecent),
        ("prompt", Estimate::Prompt),
        ("nothing", Estimate::Nothing),
    ])
}

fn cached(value: &Value) -> Option<CachedTokens> {
    value.one_of(&[
        ("counted", CachedTokens::Counted),
        ("refund", CachedTokens::Refunded),
        ("free", CachedTokens::Free),
    ])
}

fn settle(value: &Value) -> Option<Settle> {
    value.one_of(&[("refund", Settle::Refund), ("nothing", Settle::Nothing), ("after", Settle::After)])
}
