"""The interface of all clients: what test_matrix.py needs of each of them."""

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

QUESTION = "What is the weather in Lisbon?"
MESSAGES = [{"role": "user", "content": QUESTION}]


class Weather(BaseModel):
    """Returns the weather of the next days."""

    model_config = ConfigDict(extra="forbid")
    city: str = Field(min_length=2, max_length=40)
    days: int = Field(ge=1, le=7)
    unit: Literal["celsius", "fahrenheit"]


class Place(BaseModel):
    """A part of Forecast."""

    model_config = ConfigDict(extra="forbid")
    name: str
    country: Literal["PT", "ES"]


class Forecast(BaseModel):
    """The schema of structured output: nested, with a list, an enumeration and a boolean."""

    model_config = ConfigDict(extra="forbid")
    place: Place
    degrees: list[int]
    sunny: bool


class Adapter(Protocol):
    """A client with a model and a number of retries: None for its default, 0 for none."""

    def ask(self) -> str:
        """Returns the answer to the question."""

    def stream(self) -> list[str]:
        """Returns the parts of a streamed answer."""

    def call_tool(self) -> tuple[dict, str]:
        """Returns the arguments with which the model calls the tool `weather`, and the answer after the tool's result."""

    def structured(self) -> Forecast:
        """Returns an answer of the schema of Forecast. Clients with several modes take the name of one."""

    # The name of the class of the error that the client raises for a 429.
    refusal_class: str

    def refusal(self, error) -> tuple[str, int, float | None]:
        """Returns the name of the error's class, the status and the wait in seconds that the client shows."""


def wait_of(headers):
    """Returns the wait of a refusal in seconds: `retry-after-ms`, otherwise `retry-after`. None if there is none."""
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    return float(headers["retry-after"]) if "retry-after" in headers else None


def tool():
    """Returns the tool in the shape of chat completions."""
    return {"type": "function", "function": {"name": "weather", "parameters": Weather.model_json_schema()}}


def format_of():
    """Returns `response_format` for a Forecast."""
    schema = {"name": "forecast", "schema": Forecast.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}
