//! Length limits: a call is refused for its length exactly if it does not fit, and such a refusal is not charged.

use crate::config;
use proptest::prelude::*;
use provider::config::{Dialect, Lengths, Limit, Reserve};
use provider::decision::Decision;
use provider::length::{LengthLimit, PromptCap};
use provider::{Axis, Call, Instant, Provider, Truth};

fn bound() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(prop_oneof![1..300u32, Just(u32::MAX)])
}

proptest! {
    /// In every dialect and for all limits: length is checked before quota.
    #[test]
    fn a_call_is_too_long_exactly_if_it_does_not_fit_the_model(
        context in bound(), max_output in bound(), prompt_tokens in 1..300u32, completion_tokens in 0..300u32,
        max_tokens in prop::option::of(1..300u32), dialect in prop::sample::select(Dialect::ALL.to_vec()), is_limit_used_up: bool,
    ) {
        let lengths = Lengths { context, max_output };
        let mut config = config(1, vec![Limit::new(Axis::Rpm, 1), Limit::new(Axis::Tpm, 10_000)], Reserve::default());
        config.dialect = dialect;
        config.models[0].lengths = lengths;
        let mut provider = Provider::new(&config);
        let call = Call { account: 0, model: 0, max_tokens };
        if is_limit_used_up {
            provider.decide(Instant::ZERO, Call { max_tokens: Some(1), ..call }, Truth::default());
        }
        let before: Vec<_> = provider.levels(Instant::ZERO, 0, 0).collect();
        let decision = provider.decide(Instant::ZERO, call, Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw: 0 }).decision;
        let exceeds_max_output = max_tokens.zip(max_output).is_some_and(|(requested, max)| requested > max);
        let exceeds_context = context.is_some_and(|context| prompt_tokens + max_tokens.unwrap_or(0) > context);
        let fits = PromptCap::Tokens(prompt_tokens) <= lengths.prompt_cap(max_tokens);
        prop_assert_eq!(fits, !exceeds_max_output && !exceeds_context);
        match decision {
            Decision::TooLong(too_long) => {
                prop_assert!(!fits);
                prop_assert_eq!(too_long.violated, if exceeds_max_output { LengthLimit::Output } else { LengthLimit::Context });
                prop_assert!(too_long.requested() > u64::from(too_long.limit_tokens));
                prop_assert_eq!(provider.levels(Instant::ZERO, 0, 0).collect::<Vec<_>>(), before, "a refusal is not charged");
            }
            Decision::Admitted(service) => {
                prop_assert!(fits && !is_limit_used_up);
                let sent = service.usage.completion_tokens;
                prop_assert!(max_output.is_none_or(|max| sent <= max), "{sent}");
                prop_assert!(context.is_none_or(|context| prompt_tokens + sent <= context), "{sent}");
                let bounds = [max_tokens, max_output, context.map(|context| context - prompt_tokens)];
                let bound = bounds.into_iter().flatten().min().unwrap_or(u32::MAX);
                prop_assert!(sent == completion_tokens.min(bound), "it ends at the lowest bound and not before");
            }
            Decision::Refused(_) => prop_assert!(fits && is_limit_used_up),
            Decision::Faulted(_) => unreachable!("no incidents"),
        }
    }
}
