"""The table of the clients in Python.

A client takes its address and its key from the environment variables that `quotalab mock --json` prints for its provider.
load.py, ask.py and test_matrix.py build every client here, and the table in ../../README.md has a row for each.
"""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """One client. `build` makes its adapter, whose methods are those of `adapters.Adapter`."""

    # The name of its distribution, whose version the table shows. If it is empty, the client is not a package and not tested here.
    package: str
    # The virtual environment that ../run installs it in: requirements-ENVIRONMENT.txt.
    environment: str
    # The provider of ../matrix.yaml that it calls.
    provider: str
    # `module:Class` in the package `adapters`.
    adapter: str
    # Arguments of the adapter after the model and the number of retries.
    options: tuple = ()
    # The retries that the test of retries sets; None if the client retries by default.
    retries: int | None = None
    # Whether the client waits as long as the refusal announces before a retry. Otherwise it uses a wait of its own.
    waits_as_announced: bool = True
    # The ways to ask for structured output, if there are several.
    modes: tuple = ()
    # The modes in which only the prompt has the schema.
    prompted: tuple = ()
    # Whether its answers are objects of a schema instead of text.
    objects: bool = False
    # What the client does not offer, and why: shown in the table.
    not_offered: tuple = ()

    def build(self, model, retries=None):
        """Returns the client. `retries` None leaves its default."""
        module, name = self.adapter.split(":")
        return getattr(importlib.import_module(f"adapters.{module}"), name)(model, retries, *self.options)


NO_WAIT = {"waits_as_announced": False}


def langchain(package, provider, adapter):
    modes = ("json_schema", "function_calling", "json_mode")
    return Client(package, "frameworks", provider, f"langchain:{adapter}", modes=modes, prompted=("json_mode",))


def instructor(provider, adapter, modes, prompted="", **more):
    """Every mode of the provider, also those under names of earlier versions."""
    modes = {"modes": tuple(f"{modes} {prompted}".split()), "prompted": tuple(prompted.split())}
    tools = (("tools", "its tools are modes of structured output"),)
    return Client("instructor", "frameworks", provider, f"structured:{adapter}", objects=True, not_offered=tools, **modes, **more)


def pydantic_ai(provider, kind, modes="ToolOutput NativeOutput", **more):
    modes = {"modes": tuple(f"{modes} PromptedOutput".split()), "prompted": ("PromptedOutput",)}
    return Client("pydantic-ai-slim", "agents", provider, "agents:PydanticAi", (kind,), **modes, **more)


CLIENTS = {
    "article": Client("", "sdks", "groq", "article:Article"),
    "openai": Client("openai", "sdks", "openai", "chat:OpenAi"),
    "openai, responses": Client("openai", "sdks", "openai", "chat:Responses"),
    "openai at Groq": Client("openai", "sdks", "groq", "chat:OpenAi"),
    "groq": Client("groq", "sdks", "groq", "chat:Groq"),
    "anthropic": Client("anthropic", "sdks", "anthropic", "native:Anthropic"),
    "mistralai": Client("mistralai", "sdks", "mistral", "native:Mistral", retries=2, **NO_WAIT),
    "google-genai": Client("google-genai", "sdks", "gemini", "native:Gemini", retries=2, **NO_WAIT),
    "cerebras": Client(
        "cerebras-cloud-sdk",
        "sdks",
        "cerebras",
        "chat:Cerebras",
    ),
    # Together states the wait in `x-ratelimit-reset` only.
    "together": Client("together", "sdks", "together", "chat:Together", **NO_WAIT),
    "litellm": Client("litellm", "litellm", "groq", "lite:Library", not_offered=(("retried", "needs another package"),)),
    "litellm, router": Client("litellm", "litellm", "groq", "lite:Router"),
    "langchain-groq": langchain("langchain-groq", "groq", "Groq"),
    "langchain-openai": langchain("langchain-openai", "openai", "OpenAi"),
    "langchain-openai, responses": langchain("langchain-openai", "openai", "OpenAiResponses"),
    "instructor, openai": instructor(
        "openai",
        "OpenAi",
        "TOOLS TOOLS_STRICT FUNCTIONS PARALLEL_TOOLS JSON_SCHEMA JSON_O1 RESPONSES_TOOLS RESPONSES_TOOLS_WITH_INBUILT_TOOLS",
        "JSON MD_JSON",
    ),
    "instructor, groq": instructor("groq", "Groq", "TOOLS JSON_SCHEMA", "MD_JSON"),
    "instructor, anthropic": instructor(
        "anthropic",
        "Anthropic",
        "TOOLS ANTHROPIC_TOOLS ANTHROPIC_REASONING_TOOLS PARALLEL_TOOLS ANTHROPIC_PARALLEL_TOOLS",
        # The version of Anthropic's SDK that instructor needs accepts no schema in `create`.
        "JSON ANTHROPIC_JSON JSON_SCHEMA",
    ),
    "instructor, genai": instructor(
        "gemini", "Gemini", "TOOLS GENAI_TOOLS JSON GENAI_JSON GENAI_STRUCTURED_OUTPUTS", retries=2, **NO_WAIT
    ),
    "instructor, mistral": instructor(
        "mistral", "Mistral", "TOOLS MISTRAL_TOOLS JSON_SCHEMA MISTRAL_STRUCTURED_OUTPUTS", "MD_JSON", retries=2, **NO_WAIT
    ),
    "instructor, together": instructor(
        "together", "Together", "TOOLS TOOLS_STRICT FUNCTIONS PARALLEL_TOOLS JSON_SCHEMA JSON_O1", "JSON MD_JSON", **NO_WAIT
    ),
    "pydantic-ai, openai": pydantic_ai("openai", "openai-chat"),
    "pydantic-ai, openai, responses": pydantic_ai("openai", "openai-responses"),
    "pydantic-ai, groq": pydantic_ai("groq", "groq"),
    "pydantic-ai, anthropic": pydantic_ai("anthropic", "anthropic"),
    "pydantic-ai, google": pydantic_ai("gemini", "google", retries=2, **NO_WAIT),
    "pydantic-ai, mistral": pydantic_ai("mistral", "mistral", "ToolOutput", retries=2, **NO_WAIT),
    "openai-agents, responses": Client("openai-agents", "agents", "openai", "agents:OpenAiAgents", ("responses",)),
    "openai-agents, chat": Client("openai-agents", "agents", "openai", "agents:OpenAiAgents", ("chat",)),
}

# The clients that test_gateway.py runs against the routes of ../gateway.yaml.
THROUGH_GATEWAY = {
    "openai": CLIENTS["openai"],
    "groq": CLIENTS["groq"],
    "litellm": Client("litellm", "litellm", "gateway", "lite:OpenAi"),
    "langchain-openai": CLIENTS["langchain-openai"],
}
