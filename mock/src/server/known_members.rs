//! The members of requests for completions that each API documents, besides those that the mock reads: the parameters of its
//! SDK. A provider that refuses unknown members refuses all others.

/// The members of chat completions that the mock reads.
pub(super) const READ_MEMBERS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "n",
    "service_tier",
    "tools",
    "tool_choice",
    "response_format",
    "temperature",
    "top_p",
    "stop",
    "logprobs",
    "top_logprobs",
    "frequency_penalty",
    "presence_penalty",
];

/// Those of OpenAI's SDK 3.54.0 (2026-11), including the deprecated functions, and those of Azure's data sources.
pub(super) const OPENAI_MEMBERS: &[&str] = &[
    "audio",
    "data_sources",
    "enhancements",
    "function_call",
    "functions",
    "logit_bias",
    "metadata",
    "modalities",
    "moderation",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "store",
    "user",
    "user_security_context",
    "verbosity",
    "web_search_options",
];

/// Those of Groq's SDK 1.7.0 (2026-08).
pub(super) const GROQ_MEMBERS: &[&str] = &[
    "citation_options",
    "compound_custom",
    "disable_tool_validation",
    "documents",
    "exclude_domains",
    "function_call",
    "functions",
    "include_domains",
    "include_reasoning",
    "logit_bias",
    "metadata",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning_format",
    "search_settings",
    "seed",
    "store",
    "user",
];

/// Those of Mistral's SDK 3.7.0 (2026-11).
pub(super) const MISTRAL_MEMBERS: &[&str] = &[
    "guardrails",
    "metadata",
    "min_tokens",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_logprobs",
    "prompt_mode",
    "random_seed",
    "reasoning_effort",
    "repetition_penalty",
    "safe_prompt",
    "top_k",
    "top_prompt_logprobs",
];

/// Those of Anthropic's SDK 2.14.0 (2026-11).
pub(super) const ANTHROPIC_MEMBERS: &[&str] = &[
    "anthropic_version",
    "betas",
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "fallback",
    "inference_geo",
    "mcp_servers",
    "metadata",
    "output_config",
    "output_format",
    "prefill",
    "service_tier",
    "speed",
    "top_k",
    "user_profile_id",
    "workspace_id",
];

/// Those of Google's SDK 3.6.1 (2026-11), in both spellings of protocol buffers.
pub(super) const GEMINI_MEMBERS: &[&str] = &[
    "cachedContent",
    "cached_content",
    "labels",
    "model",
    "safetySettings",
    "safety_settings",
    "serviceTier",
    "service_tier",
    "store",
];
