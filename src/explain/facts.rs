//! Facts about a provider that its refusals do not state: the owner of a quota, what a request counts as at
//! admission, and what the headers omit.
//!
//! The sources are those of the dialects in `engine::parse`. If neither documentation nor measurement shows
//! what a request counts as, that is `Unknown`, and advice assumes the most that the request may use.

use crate::engine::parse::Dialect;

/// What is known about a provider apart from the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The owner of a quota, unless the reply names another. All its keys share the quota.
    pub(super) owner: &'static str,
    /// What a request counts as at admission.
    pub(super) admission: Admission,
    /// What the limit headers state.
    pub(super) headers: HeaderMeaning,
    /// A sentence that states when a daily limit resets; `None` if the wait in the reply states it.
    pub(super) day_reset_sentence: Option<&'static str>,
}

/// What a request counts as at admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Prompt and `max_tokens`.
    PromptAndMaxTokens,
    /// Prompt and `max_tokens`; without that, the longest completion of the model.
    PromptAndModelMaximum,
    /// The prompt.
    Prompt,
    /// Nothing: the actual usage is charged after the reply.
    AfterReply,
    /// Neither documented nor measured.
    Unknown,
}

/// What the limit headers state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderMeaning {
    /// The time until a limit is full again.
    TimeToFull,
    /// The time until the window ends.
    WindowEnd,
    /// The remaining units without a reset.
    RemainingOnly,
    /// There are no limit headers.
    NoHeaders,
}

impl Facts {
    /// Returns what is known about the provider with this dialect; for an unknown one, the safest assumptions.
    pub(super) const fn of(dialect: Option<Dialect>) -> Self {
        use Admission::{AfterReply, Prompt, PromptAndMaxTokens, PromptAndModelMaximum, Unknown};
        use HeaderMeaning::{NoHeaders, RemainingOnly, TimeToFull, WindowEnd};
        let Some(dialect) = dialect else { return Self::new("account", Unknown, TimeToFull) };
        match dialect {
            Dialect::Groq => Self::new("organisation", PromptAndMaxTokens, TimeToFull),
            Dialect::OpenAi => Self::new("organisation", Prompt, TimeToFull),
            Dialect::Azure => Self::new("deployment", PromptAndMaxTokens, TimeToFull),
            Dialect::Anthropic => Self::new("organisation", Prompt, TimeToFull),
            Dialect::Cerebras => Self::new("organisation", PromptAndModelMaximum, WindowEnd),
            Dialect::Mistral => Self::new("workspace", AfterReply, RemainingOnly),
            Dialect::DeepInfra => Self::new("account", Unknown, NoHeaders),
            Dialect::Together => Self::new("organisation", Unknown, RemainingOnly),
            Dialect::Fireworks => Self::new("account", Unknown, NoHeaders),
            Dialect::Gemini => {
                let day_reset_sentence =
                    Some("The daily limit resets at midnight Pacific time, regardless of the stated wait.");
                Self { day_reset_sentence, ..Self::new("project", Prompt, NoHeaders) }
            }
            Dialect::GeminiCloudCode => Self::new("user", Unknown, NoHeaders),
            Dialect::Vertex => Self::new("project", Unknown, NoHeaders),
            Dialect::OpenRouter => Self::new("account", Unknown, NoHeaders),
            Dialect::XAi => Self::new("team", Unknown, RemainingOnly),
            Dialect::Bedrock => Self::new("account", PromptAndModelMaximum, NoHeaders),
            Dialect::Moonshot => Self::new("organisation", Unknown, NoHeaders),
            Dialect::GitHubModels => Self::new("user", Unknown, RemainingOnly),
            Dialect::Codex => Self::new("account", Unknown, TimeToFull),
            Dialect::Watsonx => Self::new("instance", Unknown, NoHeaders),
            Dialect::WorkersAi => {
                let day_reset_sentence =
                    Some("The daily allocation resets at 00:00 UTC, for all models at once.");
                Self { day_reset_sentence, ..Self::new("account", Unknown, NoHeaders) }
            }
            Dialect::Zai
            | Dialect::DashScope
            | Dialect::SiliconFlow
            | Dialect::DeepSeek
            | Dialect::MiniMax
            | Dialect::MetaLlama => Self::new("account", Unknown, NoHeaders),
        }
    }

    const fn new(owner: &'static str, admission: Admission, headers: HeaderMeaning) -> Self {
        Self { owner, admission, headers, day_reset_sentence: None }
    }
}
