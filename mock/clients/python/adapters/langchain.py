"""`langchain-groq` and `langchain-openai`."""

from langchain_core.messages import HumanMessage, ToolMessage

from adapters import QUESTION, Forecast, Weather, wait_of


class Chat:
    """A chat model of LangChain. A subclass says how to create it."""

    refusal_class = "RateLimitError"

    def __init__(self, model, retries=None):
        self.chat = self.create(model=model, **({} if retries is None else {"max_retries": retries}))

    def ask(self):
        return self.chat.invoke(QUESTION).text

    def stream(self):
        return [chunk.text for chunk in self.chat.stream(QUESTION) if chunk.text]

    def call_tool(self):
        chat = self.chat.bind_tools([Weather])
        message = chat.invoke(QUESTION)
        (call,) = message.tool_calls
        after = chat.invoke([HumanMessage(QUESTION), message, ToolMessage("12 degrees", tool_call_id=call["id"])])
        assert call["name"] == "Weather"
        return call["args"], after.text

    def structured(self, method):
        return self.chat.with_structured_output(Forecast, method=method).invoke(QUESTION)

    def refusal(self, error):
        return type(error).__name__, error.status_code, wait_of(error.response.headers)


class Groq(Chat):
    def create(self, **options):
        from langchain_groq import ChatGroq

        return ChatGroq(**options)


class OpenAi(Chat):
    refusal_class = "OpenAIRateLimitError"

    def create(self, **options):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(**options)


class OpenAiResponses(OpenAi):
    def create(self, **options):
        return super().create(use_responses_api=True, **options)
