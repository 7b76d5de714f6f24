"""`litellm`: as a library, and its router, which retries."""

import json
import os

import litellm

from adapters import MESSAGES, Forecast, format_of, tool, wait_of

litellm.suppress_debug_info = True


class Library:
    """`completion` with the provider `groq`, which reads the key from the environment and gets the address as a parameter."""

    refusal_class = "RateLimitError"
    provider = "groq"

    def __init__(self, model, retries=None):
        self.parameters = {"model": f"{self.provider}/{model}", "api_base": os.environ["OPENAI_BASE_URL"]}

    def complete(self, messages=MESSAGES, **more):
        return litellm.completion(messages=messages, **self.parameters, **more)

    def ask(self):
        return self.complete().choices[0].message.content

    def stream(self):
        parts = [chunk.choices[0].delta.content for chunk in self.complete(stream=True)]
        return [part for part in parts if part]

    def call_tool(self):
        message = self.complete(tools=[tool()]).choices[0].message
        (call,) = message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
        after = self.complete([*MESSAGES, message, result], tools=[tool()])
        assert call.function.name == "weather"
        return json.loads(call.function.arguments), after.choices[0].message.content

    def structured(self):
        return Forecast.model_validate_json(self.complete(response_format=format_of()).choices[0].message.content)

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.litellm_response_headers)


class OpenAi(Library):
    """`completion` with the provider `openai`, which uses the package `openai` and its retries."""

    provider = "openai"

    def __init__(self, model, retries=None):
        super().__init__(model)
        if retries is not None:
            self.parameters["max_retries"] = retries


class Router(Library):
    def __init__(self, model, retries=None):
        super().__init__(model)
        options = {} if retries is None else {"num_retries": retries}
        self.router = litellm.Router(model_list=[{"model_name": "any", "litellm_params": self.parameters}], **options)

    def complete(self, messages=MESSAGES, **more):
        return self.router.completion(model="any", messages=messages, **more)
