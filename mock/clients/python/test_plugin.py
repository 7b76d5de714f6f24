"""Tests of the plugin `pytest-quotalab`, as a project that uses it writes its own."""

import openai
import pytest

from pytest_quotalab import ControlError
from wire import MODEL, QUESTION


def ask(client, **more):
    return client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=100, **more)


def test_an_sdk_finds_the_mock_by_its_environment(quotalab):
    reply = ask(openai.OpenAI())
    assert reply.model == MODEL
    (request,) = quotalab.requests()
    assert (request["path"], request["account"], request["key"]) == ("/openai/v1/chat/completions", "default", 1)
    assert request["user_agent"].startswith("OpenAI/Python") and request["charged_tokens"] > 0


def test_each_test_begins_at_the_start(quotalab):
    assert quotalab.requests() == []
    assert quotalab.control("GET", "clock")["now_s"] < 5


def test_a_daily_limit_in_two_requests(quotalab):
    client = openai.OpenAI(max_retries=0)
    quotalab.limits(model=MODEL, rpd="1 left")
    ask(client)
    with pytest.raises(openai.RateLimitError, match=r"requests per day \(RPD\)"):
        ask(client)
    quotalab.advance("24h")
    ask(client)


def test_answers_and_faults(quotalab):
    client = openai.OpenAI(max_retries=0)
    quotalab.answer("Hello")
    quotalab.answer(prompt="weather", tool={"name": "weather", "arguments": {"city": "Berlin"}})
    assert ask(client).choices[0].message.content == "Hello"
    weather = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "the weather?"}])
    assert weather.choices[0].message.tool_calls[0].function.arguments == '{"city":"Berlin"}'
    quotalab.fault(sequence=[503, "ok"])
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert ask(client).choices[0].message.content == "Hello"
    header = {"x-quotalab-answer": '{"text": "once"}'}
    assert ask(client, extra_headers=header).choices[0].message.content == "once"


def test_bodies_are_kept_on_request(quotalab):
    quotalab.settings(keep_bodies=True)
    ask(openai.OpenAI())
    assert '"hello"' in quotalab.requests(last=1)[0]["body"]


def test_errors_name_the_remedy(quotalab):
    with pytest.raises(ControlError, match="unknown limit rpz; use one of rps, rpm"):
        quotalab.limits(rpz=1)


def test_several_providers_share_a_clock(quotalab_providers):
    groq, anthropic = quotalab_providers["groq"], quotalab_providers["anthropic"]
    groq.advance("1h")
    assert anthropic.control("GET", "clock")["now_s"] > 3600
    assert anthropic.env["ANTHROPIC_BASE_URL"] == anthropic.url
