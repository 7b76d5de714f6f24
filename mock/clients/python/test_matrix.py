"""What every client of clients.py does with the mock: plain, streamed, tools, structured output, 429 and retry.

Each test asserts what the client returned, and what the mock's journal has about its requests.
"""

import os
import re

import pytest

from adapters import Forecast, Place, Weather
from clients import CLIENTS

# Written by hand, so that it is in no reply by chance: several words, and letters beyond ASCII.
ANSWER = "Lisbon expects 21 °C tomorrow — sunny, with a light breeze from the Atlantic."
FORECAST = Forecast(place=Place(name="Lisboa", country="PT"), degrees=[21, 24], sunny=True)
IN_THIS_ENVIRONMENT = [
    name for name, client in CLIENTS.items() if client.package and client.environment == os.environ["CLIENTS_ENVIRONMENT"]
]


def pytest_generate_tests(metafunc):
    """Runs each test for every client that offers its feature, and test_structured for every mode of each."""
    feature = metafunc.function.__name__.removeprefix("test_")
    cases = []
    for name in IN_THIS_ENVIRONMENT:
        client = CLIENTS[name]
        if feature not in dict(client.not_offered):
            for mode in client.modes or [None] if feature == "structured" else [None]:
                case = [name, mode] if feature == "structured" else [name]
                cases.append(pytest.param(*case, id=f"{name}, {mode}" if mode else name))
    metafunc.parametrize("client, mode" if feature == "structured" else "client", cases, indirect=["client"])


@pytest.fixture
def client(request):
    return CLIENTS[request.param]


@pytest.fixture
def mock(client, quotalab_providers, monkeypatch):
    """The provider of the client, with its variables in the environment."""
    mock = quotalab_providers[client.provider]
    for name in [name for name in os.environ if re.search("_(API_KEY|BASE_URL|API_BASE)$", name)]:
        monkeypatch.delenv(name)
    for name, value in mock.variables.items():
        monkeypatch.setenv(name, value)
    return mock


UNLIMITED = {}


@pytest.fixture
def unlimited(client, mock):
    """The client with a model without limits. It is built once, since building some clients takes longer than a test."""
    if client not in UNLIMITED:
        UNLIMITED[client] = client.build(mock.models[0], retries=0)
    return UNLIMITED[client]


@pytest.fixture
def limited(client, mock):
    """Returns a function that builds the client with a model whose limit is used up. A first call makes the client load what
    it loads lazily, so that the next call comes before the limit has refilled."""

    def build(retries):
        adapter = client.build(mock.models[1], retries)
        adapter.ask()
        mock.reset()
        mock.limits(rpm="0 left")
        return adapter

    return build


def calls(mock):
    """Returns the requests for an answer: no list of models, no warm-up."""
    return [request for request in mock.requests() if request["method"] == "POST"]


def set_answer(client, mock):
    """Sets the answer of the model. Objects are left to the mock, which fits them to the schema of the request."""
    if not client.objects:
        mock.answer(ANSWER)


def assert_answer(client, answer):
    assert isinstance(answer, Forecast) if client.objects else answer == ANSWER


def test_plain(client, unlimited, mock):
    set_answer(client, mock)
    assert_answer(client, unlimited.ask())
    (request,) = calls(mock)
    assert (request["status"], request["model"]) == (200, mock.models[0])


def test_streamed(client, unlimited, mock):
    set_answer(client, mock)
    parts = unlimited.stream()
    assert len(parts) > 5
    if client.objects:
        final = Forecast.model_validate(parts[-1].model_dump(), strict=True)
        assert all(part.place is None or final.place.name.startswith(part.place.name or "") for part in parts)
    else:
        assert "".join(parts) == ANSWER
    (request,) = calls(mock)
    assert (request["status"], request["stream"]) == (200, True)


def test_tools(unlimited, mock):
    arguments, after = unlimited.call_tool()
    Weather.model_validate(arguments, strict=True)
    assert len(after.split()) == 12, "the completion of ../matrix.yaml"
    assert [request["status"] for request in calls(mock)] == [200, 200]


def test_structured(client, unlimited, mock, mode):
    if mode in client.prompted:
        # Only the prompt has the schema, so the test sets the answer that a model would give.
        json = FORECAST.model_dump_json()
        mock.answer(f"Here it is:\n```json\n{json}\n```" if mode == "MD_JSON" else json)
    answers = unlimited.structured(mode) if mode else unlimited.structured()
    for answer in answers if isinstance(answers, list) else [answers]:
        # Some clients return a subclass.
        (model,) = (model for model in (Forecast, Weather) if isinstance(answer, model))
        model.model_validate(answer.model_dump(), strict=True)
    if mode in client.prompted:
        assert answers.model_dump() == FORECAST.model_dump()
    assert [request["status"] for request in calls(mock)] == [200]


def test_refused(mock, limited):
    adapter = limited(retries=0)
    with pytest.raises(Exception) as refusal:
        adapter.ask()
    (request,) = calls(mock)
    assert (request["status"], request["outcome"]) == (429, "refused")
    error_class, status, wait = adapter.refusal(refusal.value)
    assert (error_class, status) == (adapter.refusal_class, 429)
    assert wait == request["wait_s"], "the client sees the announced wait"


def test_retried(client, mock, limited):
    adapter = limited(client.retries)
    set_answer(client, mock)
    assert_answer(client, adapter.ask())
    *refused, served = calls(mock)
    assert served["status"] == 200
    assert 1 <= len(refused) <= 3
    assert {request["status"] for request in refused} == {429}
    if client.waits_as_announced:
        (refusal,) = refused
        assert served["arrived_s"] - refusal["ended_s"] >= refusal["wait_s"] - 0.001
        verdict = mock.verdict()
        assert (verdict["verdict"], verdict["jobs_ended_in_refusal"], verdict["retries"]) == ("behaved", 0, 1), verdict
