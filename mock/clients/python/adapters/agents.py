"""`pydantic-ai` and `openai-agents`, which call the tools themselves."""

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from adapters import QUESTION, Forecast, native, wait_of

# Connections belong to the loop in which they were opened, so all calls have one.
LOOP = asyncio.new_event_loop()

City = Annotated[str, Field(min_length=2, max_length=40)]
Days = Annotated[int, Field(ge=1, le=7)]


class Recorder:
    """The function behind the tool `weather`. Its parameters are those of adapters.Weather."""

    def __init__(self):
        self.arguments = []

    def function(self):
        def weather(city: City, days: Days, unit: Literal["celsius", "fahrenheit"]) -> str:
            """Returns the weather of the next days."""
            self.arguments.append({"city": city, "days": days, "unit": unit})
            return "12 degrees"

        return weather


class PydanticAi:
    """`kind` is the class of the model."""

    refusal_class = "ModelRateLimitError"

    def __init__(self, model, retries, kind):
        self.model = getattr(self, kind.replace("-", "_"))(model, retries)
        # Google's and Mistral's SDKs get the number of retries when they are created.
        is_set_per_request = retries is not None and kind not in ("google", "mistral")
        self.settings = {"max_retries": retries} if is_set_per_request else {}

    def openai_chat(self, model, retries):
        from pydantic_ai.models.openai import OpenAIChatModel

        return OpenAIChatModel(model)

    def openai_responses(self, model, retries):
        from pydantic_ai.models.openai import OpenAIResponsesModel

        return OpenAIResponsesModel(model)

    def groq(self, model, retries):
        from pydantic_ai.models.groq import GroqModel

        return GroqModel(model)

    def anthropic(self, model, retries):
        from pydantic_ai.models.anthropic import AnthropicModel

        return AnthropicModel(model)

    def google(self, model, retries):
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleModel(model, provider=GoogleProvider(client=native.Gemini(model, retries).client))

    def mistral(self, model, retries):
        from pydantic_ai.models.mistral import MistralModel
        from pydantic_ai.providers.mistral import MistralProvider

        return MistralModel(model, provider=MistralProvider(mistral_client=native.Mistral(model, retries).client))

    def run(self, **options):
        from pydantic_ai import Agent

        return LOOP.run_until_complete(Agent(self.model, model_settings=self.settings, **options).run(QUESTION)).output

    def ask(self):
        return self.run()

    def stream(self):
        from pydantic_ai import Agent

        async def parts():
            async with Agent(self.model, model_settings=self.settings).run_stream(QUESTION) as run:
                return [part async for part in run.stream_text(delta=True, debounce_by=None)]

        return LOOP.run_until_complete(parts())

    def call_tool(self):
        recorder = Recorder()
        after = self.run(tools=[recorder.function()])
        (arguments,) = recorder.arguments
        return arguments, after

    def structured(self, output):
        import pydantic_ai

        return self.run(output_type=getattr(pydantic_ai, output)(Forecast))

    def refusal(self, error):
        """pydantic-ai's error has the status; the error of the SDK, its cause, has the wait."""
        cause = error.__cause__
        if self.model.system.startswith("google"):
            wait = native.wait_in_details(cause)
        else:
            wait = wait_of(getattr(cause, "headers", None) or cause.response.headers)
        return type(error).__name__, error.status_code, wait


class OpenAiAgents:
    """`api` is that of the model: responses or chat completions."""

    refusal_class = "RateLimitError"

    def __init__(self, model, retries, api):
        import agents
        from openai import AsyncOpenAI

        agents.set_tracing_disabled(True)
        create = {"responses": agents.OpenAIResponsesModel, "chat": agents.OpenAIChatCompletionsModel}[api]
        client = AsyncOpenAI() if retries is None else AsyncOpenAI(max_retries=retries)
        self.agents, self.model = agents, create(model, client)

    def agent(self, **options):
        return self.agents.Agent(name="meteorologist", instructions="Answer briefly.", model=self.model, **options)

    def run(self, **options):
        return LOOP.run_until_complete(self.agents.Runner.run(self.agent(**options), QUESTION)).final_output

    def ask(self):
        return self.run()

    def stream(self):
        async def parts():
            run = self.agents.Runner.run_streamed(self.agent(), QUESTION)
            data = [event.data async for event in run.stream_events() if event.type == "raw_response_event"]
            return [each.delta for each in data if each.type == "response.output_text.delta"]

        return LOOP.run_until_complete(parts())

    def call_tool(self):
        recorder = Recorder()
        after = self.run(tools=[self.agents.function_tool(recorder.function())])
        (arguments,) = recorder.arguments
        return arguments, after

    def structured(self):
        return self.run(output_type=Forecast)

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.response.headers)
