"""`instructor`: structured output in each mode of its providers, streamed as partial objects."""

from collections.abc import Iterable

import instructor

from adapters import MESSAGES, Forecast, Weather, chat, native


class Instructor:
    """A subclass names the adapter of the SDK that is patched, and the function that patches it."""

    mode, mode_of_streams = "TOOLS", "JSON_SCHEMA"
    options = {}

    def __init__(self, model, retries=None):
        sdk = self.sdk(model, retries)
        self.model, self.client, self.sdk_refusal = model, sdk.client, sdk.refusal
        self.refusal_class = sdk.refusal_class

    def patched(self, mode):
        return getattr(instructor, self.patch)(self.client, mode=instructor.Mode[mode]).chat.completions

    def ask(self):
        return self.structured(self.mode)

    def structured(self, mode):
        model = Iterable[Weather] if mode.endswith("PARALLEL_TOOLS") else Forecast
        create = self.patched(mode).create
        reply = create(model=self.model, messages=MESSAGES, response_model=model, **self.options)
        return reply if model is Forecast else list(reply)

    def stream(self):
        create = self.patched(self.mode_of_streams).create_partial
        return list(create(model=self.model, messages=MESSAGES, response_model=Forecast, **self.options))

    def refusal(self, error):
        """The error of the SDK is the cause of instructor's own."""
        while error is not None and type(error).__name__ != self.refusal_class:
            error = error.__cause__
        return self.sdk_refusal(error)


class OpenAi(Instructor):
    sdk, patch = chat.OpenAi, "from_openai"


class Groq(Instructor):
    sdk, patch = chat.Groq, "from_groq"


class Anthropic(Instructor):
    sdk, patch, options = native.Anthropic, "from_anthropic", {"max_tokens": 1000}
    mode_of_streams = "TOOLS"


class Gemini(Instructor):
    sdk, patch, mode_of_streams = native.Gemini, "from_genai", "JSON"


class Mistral(Instructor):
    sdk, patch = native.Mistral, "from_mistral"


class Together(Instructor):
    """instructor patches the package `openai` for Together."""

    sdk, patch = chat.OpenAi, "from_together"
