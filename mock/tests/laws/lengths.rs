//! Length: what fits is never refused for it, what does not always is, and nobody is charged for what was refused.

use crate::config;
use proptest::prelude::*;
use provider::config::{Dialect, Lengths, Limit, Reserve};
use provider::decision::Decision;
use provider::length::Bound;
use provider::{Axis, Call, Instant, Provider, Truth};

fn bound() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(prop_oneof![1..300u32, Just(u32::MAX)])
}

proptest! {
    /// In every dialect, and whatever the limits: the model is asked first.
    #[test]
    fn what_fits_is_let_in_and_what_does_not_never_is(
        context in bound(), max_output in bound(), prompt_tokens in 1..300u32, completion_tokens in 0..300u32,
        max_tokens in prop::option::of(1..300u32), dialect in prop::sample::select(Dialect::ALL.to_vec()), full: bool,
    ) {
        let lengths = Lengths { context, max_output };
        let mut config = config(1, vec![Limit::new(Axis::Rpm, 1), Limit::new(Axis::Tpm, 10_000)], Reserve::default());
        config.dialect = dialect;
        config.models[0].lengths = lengths;
        let mut provider = Provider::new(&config);
        let call = Call { account: 0, model: 0, max_tokens };
        if full {
            provider.arrive(Instant::ZERO, Call { max_tokens: Some(1), ..call }, Truth::default());
        }
        let before: Vec<_> = provider.levels(Instant::ZERO, 0, 0).collect();
        let verdict = provider.arrive(Instant::ZERO, call, Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw: 0 }).verdict;
        let asks_too_much = max_tokens.zip(max_output).is_some_and(|(asked, most)| asked > most);
        let overflows = context.is_some_and(|context| prompt_tokens + max_tokens.unwrap_or(0) > context);
        let fits = lengths.longest_prompt(max_tokens).is_some_and(|longest| prompt_tokens <= longest);
        prop_assert_eq!(fits, !asks_too_much && !overflows);
        match verdict {
            Decision::TooLong(too_long) => {
                prop_assert!(!fits);
                prop_assert_eq!(too_long.bound, if asks_too_much { Bound::Output } else { Bound::Context });
                prop_assert!(too_long.requested() > u64::from(too_long.limit));
                prop_assert_eq!(provider.levels(Instant::ZERO, 0, 0).collect::<Vec<_>>(), before, "nothing is charged");
            }
            Decision::Admitted(service) => {
                prop_assert!(fits && (!full || context.is_none_or(|context| context < 2)));
                let written = service.usage.completion_tokens;
                prop_assert!(max_output.is_none_or(|most| written <= most), "{written}");
                prop_assert!(context.is_none_or(|context| prompt_tokens + written <= context), "{written}");
                let least = [max_tokens, max_output, context.map(|context| context - prompt_tokens)];
                let cut = least.into_iter().flatten().min().unwrap_or(u32::MAX);
                prop_assert!(written == completion_tokens.min(cut), "it ends where a bound is, and nowhere before");
            }
            Decision::Refused(_) => prop_assert!(fits && full),
            Decision::Faulted(_) => unreachable!("no incidents"),
        }
    }
}
