//! The hedges of a client. The default for `spare` has its reason at its row.

use super::{Choice, Kind, LENGTH, Map, choice, word};

pub(super) const HEDGE_OFF: &[Choice] = &[choice("off", "a job has one attempt in flight at a time")];

pub(in crate::scenario::language) static HEDGE: Map = Map {
    name: "hedge",
    doc: "A second attempt beside one that has not answered: the first of the two that answers wins, the other is cancelled. A job has at most one. It goes to a target \
          of its route that it has not tried, is one of the `attempts` of `retry`, and takes nothing from the retry `budget`. It is sent only if the limits of that \
          target are known and `spare` of each is left after it, the target is neither in cool-down nor ejected, and no job waits for it or for `concurrency`; \
          otherwise the job goes on without. A call to a language model can be made twice, but both are charged: the provider of the cancelled attempt counts \
          what it has done until then. What is left of a limit is what the process of the client estimates: of other processes, and of models that share the \
          limit, it knows only what replies state. `quotalab gateway` does not hedge.",
    example: "{after: 800ms, spare: 50%}",
    words: &[
        word(
            "after",
            LENGTH,
            "800ms",
            "How long an attempt may be without an answer: without its first token if it is streamed, otherwise without its reply.",
        )
        .required(),
        // Half: what jobs use of a limit may then double before they need what a hedge took. An assumption.
        word(
            "spare",
            Kind::Permille,
            "80%",
            "The share of each known limit of the target, of `concurrency` and of the client's `budget` that is left after the hedge. The jobs that follow are \
             delayed only if they use up this share faster than it refills.",
        )
        .default("50%"),
    ],
    forms: &[],
    refused: &[],
};
