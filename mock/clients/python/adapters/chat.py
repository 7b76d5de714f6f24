"""The SDKs `openai`, `groq`, `cerebras` and `together`: one tool generated them, so their interfaces have the same names."""

import json
import os

from adapters import MESSAGES, QUESTION, Forecast, Weather, format_of, tool, wait_of


class Chat:
    """Chat completions. A subclass says how to create its client."""

    refusal_class = "RateLimitError"

    def __init__(self, model, retries=None):
        self.model = model
        self.client = self.create() if retries is None else self.create(max_retries=retries)

    def complete(self, messages=MESSAGES, **more):
        return self.client.chat.completions.create(model=self.model, messages=messages, **more)

    def ask(self):
        return self.complete().choices[0].message.content

    def stream(self):
        deltas = [chunk.choices[0].delta for chunk in self.complete(stream=True) if chunk.choices]
        return [delta.content for delta in deltas if delta.content]

    def call_tool(self):
        message = self.complete(tools=[tool()]).choices[0].message
        (call,) = message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
        after = self.complete([*MESSAGES, message.model_dump(exclude_none=True), result], tools=[tool()])
        assert call.function.name == "weather"
        return json.loads(call.function.arguments), after.choices[0].message.content

    def structured(self):
        return Forecast.model_validate_json(self.complete(response_format=format_of()).choices[0].message.content)

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.response.headers)


class OpenAi(Chat):
    def create(self, **options):
        from openai import OpenAI

        return OpenAI(**options)

    def structured(self):
        message = self.client.chat.completions.parse(model=self.model, messages=MESSAGES, response_format=Forecast)
        return message.choices[0].message.parsed


class Responses(OpenAi):
    """The API of responses."""

    def respond(self, input=QUESTION, **more):
        return self.client.responses.create(model=self.model, input=input, **more)

    def ask(self):
        return self.respond().output_text

    def stream(self):
        return [event.delta for event in self.respond(stream=True) if event.type == "response.output_text.delta"]

    def call_tool(self):
        function = {"type": "function", "name": "weather", "parameters": Weather.model_json_schema(), "strict": True}
        (call,) = self.respond(tools=[function]).output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
        after = self.respond([*MESSAGES, call.to_dict(), result], tools=[function])
        assert (call.type, call.name) == ("function_call", "weather")
        return json.loads(call.arguments), after.output_text

    def structured(self):
        return self.client.responses.parse(model=self.model, input=QUESTION, text_format=Forecast).output_parsed


class Groq(Chat):
    def create(self, **options):
        from groq import Groq

        return Groq(**options)


class Cerebras(Chat):
    def create(self, **options):
        from cerebras.cloud.sdk import Cerebras

        return Cerebras(**options)


class Together(Chat):
    def create(self, **options):
        from together import Together

        return Together(base_url=os.environ["TOGETHER_BASE_URL"].removesuffix("/v1"), **options)
