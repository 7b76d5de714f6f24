//! What a provider documents, or was measured to do, that its refusals do not say: who owns the quota, what
//! counts against it at admission, and what the headers leave out.
//!
//! The sources are those of the pages in `engine::parse`; where neither documentation nor measurement says, the
//! fact is `Unsaid` and nothing is advised from it.

use crate::engine::parse::Dialect;

/// What is known of a provider apart from the reply at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Who owns a quota: all of its keys share it.
    pub(super) owner: &'static str,
    /// What a request counts as when it is let in.
    pub(super) counts: Counts,
    /// What its limit headers tell.
    pub(super) headers: HeaderMeaning,
    /// When a day's limit comes back, where that is not a refilling bucket's own wait.
    pub(super) day_ends: Option<&'static str>,
}

/// What a request counts as when it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Prompt and `max_tokens`, used or not.
    PromptAndMax,
    /// Prompt and `max_tokens`; where that is absent, as much as the model may write.
    PromptAndAll,
    /// The prompt only.
    Prompt,
    /// Nothing: what was used is charged afterwards.
    Afterwards,
    /// It is not known.
    Unsaid,
}

/// What the limit headers of a provider tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderMeaning {
    /// When a limit is wholly free again.
    Full,
    /// When the window of the clock ends.
    WindowEnd,
    /// What is left, but not until when.
    Left,
    /// There are none.
    Nothing,
}

impl Facts {
    pub(super) const fn of(dialect: Option<Dialect>) -> Self {
        use Counts::{Afterwards, Prompt, PromptAndAll, PromptAndMax, Unsaid};
        use HeaderMeaning::{Full, Left, Nothing, WindowEnd};
        let Some(dialect) = dialect else { return Self::new("account", Unsaid, Full) };
        match dialect {
            Dialect::Groq => Self::new("organisation", PromptAndMax, Full),
            Dialect::OpenAi => Self::new("organisation", Prompt, Full),
            Dialect::Azure => Self::new("deployment", PromptAndMax, Full),
            Dialect::Anthropic => Self::new("organisation", Prompt, Full),
            Dialect::Cerebras => Self::new("organisation", PromptAndAll, WindowEnd),
            Dialect::Mistral => Self::new("workspace", Afterwards, Left),
            Dialect::DeepInfra => Self::new("account", Unsaid, Nothing),
            Dialect::Together => Self::new("organisation", Unsaid, Left),
            Dialect::Fireworks => Self::new("account", Unsaid, Nothing),
            Dialect::Gemini => {
                let day_ends = Some("The day ends at midnight Pacific time, whatever wait the reply names.");
                Self { day_ends, ..Self::new("project", Prompt, Nothing) }
            }
            Dialect::GeminiCloudCode => Self::new("user", Unsaid, Nothing),
            Dialect::Vertex => Self::new("project", Unsaid, Nothing),
            Dialect::OpenRouter => Self::new("account", Unsaid, Nothing),
            Dialect::XAi => Self::new("team", Unsaid, Left),
            Dialect::Bedrock => Self::new("account", PromptAndAll, Nothing),
            Dialect::DeepSeek | Dialect::MiniMax | Dialect::MetaLlama => {
                Self::new("account", Unsaid, Nothing)
            }
        }
    }

    const fn new(owner: &'static str, counts: Counts, headers: HeaderMeaning) -> Self {
        Self { owner, counts, headers, day_ends: None }
    }
}
