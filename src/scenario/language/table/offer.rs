//! What can be bought as the load grows.

use super::{Kind, Map, NameKind, word};

pub(in crate::scenario::language) static OFFER: Map = Map {
    name: "offer",
    doc: "Something that can be bought: a higher tier, an account, another provider. What is used is paid at the `price` of the models; \
          an offer adds what is paid whether it is used or not.",
    example: "{name: developer plan, set: {providers.groq.preset: groq-developer}, fee: 200 USD/month, setup: 50 USD, commitment: 3 months, \
              from: month 2}",
    words: &[
        word("name", Kind::Name(NameKind::New), "developer plan", "The name of the offer in the plan.").required(),
        word(
            "set",
            Kind::NamedEntries { of: &Kind::Any, slash: true },
            "{providers.groq.preset: groq-developer}",
            "What is changed as long as it is owned: paths and values as in `what_if`. If several offers set the same path, the one \
             that is written last is in force.",
        )
        .required_unless("account"),
        word(
            "account",
            Kind::Name(NameKind::New),
            "groq",
            "The name of a provider of which this is one more account. It is added beside the other accounts in every step that uses \
             the provider, with the same models.",
        ),
        word("fee", Kind::Usd { monthly: true }, "200 USD/month", "What it costs in every month in which it is owned.").default("0 USD/month"),
        word("setup", Kind::Usd { monthly: false }, "50 USD", "What it costs once, in the month in which it is bought.").default("0 USD"),
        word(
            "commitment",
            Kind::Months { max: MAX_COMMITMENT },
            "3 months",
            "The number of months for which the fee is due at least, also if the offer is given up or replaced before.",
        )
        .default("1 month"),
        word(
            "from",
            Kind::Month,
            "month 4",
            "The first month in which it can be bought: a month of the plan, of which the first is `month 1`, or one of the calendar, \
             for which the plan needs `--from`.",
        )
        .default("month 1"),
        word(
            "requires",
            Kind::List { of: &Kind::Name(NameKind::New), min: 0, max: usize::MAX },
            "[developer plan]",
            "Other offers without which it cannot be owned. One that replaces a required offer serves as well. \
             One that replaces what it requires is bought at least a month after that.",
        )
        .default("[]"),
        word(
            "replaces",
            Kind::List { of: &Kind::Name(NameKind::New), min: 0, max: usize::MAX },
            "[developer plan]",
            "Other offers that end when it is bought, and those that they replace: a higher tier replaces a lower one.",
        )
        .default("[]"),
        word(
            "max",
            Kind::Count { min: 1, max: MAX_COPIES },
            "3",
            "How many of it can be owned at a time. More than one only with `account`: each is an account of its own.",
        )
        .default("1"),
    ],
    forms: &[],
    refused: &[],
};

/// The longest commitment, in months: ten years.
const MAX_COMMITMENT: u64 = 120;

/// The most accounts of one offer, which with none of it make at most as many combinations as are compared.
const MAX_COPIES: u64 = 63;
