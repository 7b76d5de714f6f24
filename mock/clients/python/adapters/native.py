"""The SDKs whose APIs have shapes of their own: `anthropic`, `mistralai` and `google-genai`."""

import json
import os

from adapters import MESSAGES, QUESTION, Forecast, Weather, tool, wait_of


class Anthropic:
    refusal_class = "RateLimitError"

    def __init__(self, model, retries=None):
        from anthropic import Anthropic

        self.model = model
        self.client = Anthropic() if retries is None else Anthropic(max_retries=retries)

    def message(self, messages=MESSAGES, **more):
        return self.client.messages.create(model=self.model, max_tokens=1000, messages=messages, **more)

    def ask(self):
        (block,) = self.message().content
        return block.text

    def stream(self):
        with self.client.messages.stream(model=self.model, max_tokens=1000, messages=MESSAGES) as stream:
            return list(stream.text_stream)

    def call_tool(self):
        tools = [{"name": "weather", "input_schema": Weather.model_json_schema()}]
        reply = self.message(tools=tools)
        (call,) = (block for block in reply.content if block.type == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
        turns = [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
        after = self.message([*MESSAGES, *turns], tools=tools)
        assert (reply.stop_reason, call.name, after.stop_reason) == ("tool_use", "weather", "end_turn")
        return call.input, after.content[0].text

    def structured(self):
        reply = self.client.messages.parse(model=self.model, max_tokens=1000, messages=MESSAGES, output_format=Forecast)
        return reply.parsed_output

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.response.headers)


class Mistral:
    """The SDK reads no variable for the address, and retries only if it is configured to."""

    refusal_class = "SDKError"

    def __init__(self, model, retries=None):
        from mistralai.client import Mistral
        from mistralai.client.utils import BackoffStrategy, RetryConfig

        self.model = model
        options = {}
        if retries:
            # The first and the longest interval in milliseconds, the growth factor, and the longest total time in milliseconds.
            options["retry_config"] = RetryConfig("backoff", BackoffStrategy(400, 2000, 2, 10_000), True)
        root = os.environ["MISTRAL_API_BASE"].removesuffix("/v1")
        self.client = Mistral(api_key=os.environ["MISTRAL_API_KEY"], server_url=root, **options)

    def complete(self, messages=MESSAGES, **more):
        return self.client.chat.complete(model=self.model, messages=messages, **more)

    def ask(self):
        return self.complete().choices[0].message.content

    def stream(self):
        with self.client.chat.stream(model=self.model, messages=MESSAGES) as events:
            deltas = [event.data.choices[0].delta.content for event in events if event.data.choices]
        return [delta for delta in deltas if delta]

    def call_tool(self):
        message = self.complete(tools=[tool()]).choices[0].message
        (call,) = message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "name": "weather", "content": "12 degrees"}
        after = self.complete([*MESSAGES, message, result], tools=[tool()])
        assert call.function.name == "weather"
        return json.loads(call.function.arguments), after.choices[0].message.content

    def structured(self):
        reply = self.client.chat.parse(model=self.model, messages=MESSAGES, response_format=Forecast)
        return reply.choices[0].message.parsed

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.headers)


class Gemini:
    """The SDK retries only if it is configured to, and does not read the announced wait."""

    refusal_class = "ClientError"

    def __init__(self, model, retries=None):
        from google import genai
        from google.genai import types

        self.model, self.types = model, types
        options = types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=1 + (retries or 0), initial_delay=0.6, jitter=0))
        self.client = genai.Client(http_options=options)

    def generate(self, contents=QUESTION, **config):
        config = self.types.GenerateContentConfig(**config)
        return self.client.models.generate_content(model=self.model, contents=contents, config=config)

    def ask(self):
        return self.generate().text

    def stream(self):
        parts = self.client.models.generate_content_stream(model=self.model, contents=QUESTION)
        return [part.text for part in parts if part.text]

    def call_tool(self):
        function = self.types.FunctionDeclaration(name="weather", parameters_json_schema=Weather.model_json_schema())
        tools = [self.types.Tool(function_declarations=[function])]
        reply = self.generate(tools=tools)
        (call,) = reply.function_calls
        result = self.types.Part.from_function_response(name="weather", response={"result": "12 degrees"})
        question = self.types.Content(role="user", parts=[self.types.Part(text=QUESTION)])
        turns = [question, reply.candidates[0].content, self.types.Content(role="user", parts=[result])]
        assert call.name == "weather"
        return call.args, self.generate(turns, tools=tools).text

    def structured(self):
        return self.generate(response_mime_type="application/json", response_schema=Forecast).parsed

    def refusal(self, error):
        return type(error).__name__, error.code, wait_in_details(error)


def wait_in_details(error):
    """Returns the wait of an error of google-genai, which states it in the body."""
    details = error.details["error"]["details"]
    (delay,) = (detail["retryDelay"] for detail in details if detail["@type"].endswith("RetryInfo"))
    return float(delay.removesuffix("s"))
