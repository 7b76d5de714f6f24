"""Tests of the `openai` and `groq` packages, which have the same generated interface."""

import json
import math
import time

import groq
import httpx
import openai
import pytest

from wire import FAILURES, KEY, MODEL, QUESTION, WEATHER, WHISPER, announced_wait, wav

# Each package, its class, the path after the address, its account, and the error of a stream that is cut.
SDKS = {
    "openai": (openai, openai.OpenAI, "/openai/v1", "openai-python", openai.APIConnectionError),
    "groq": (groq, groq.Groq, "", "groq-python", httpx.RemoteProtocolError),
}
ERRORS = {401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError", 503: "InternalServerError"}


@pytest.fixture(params=SDKS)
def sdk(request, address):
    return Sdk(address, *SDKS[request.param])


class Sdk:
    def __init__(self, address, package, client, base, account, cut_stream_error):
        self.address, self.package, self.client, self.base = address, package, client, base
        self.account, self.cut_stream_error = account, cut_stream_error

    def at(self, provider, key=KEY, **options):
        return self.client(api_key=key, base_url=self.address(provider) + self.base, **{"max_retries": 0} | options)

    def limited(self, **options):
        return self.at("limited", self.account, **options)

    def error(self, status):
        return getattr(self.package, ERRORS.get(status, "APIStatusError"))


def ask(client, model=MODEL, max_tokens=100, **more):
    return client.chat.completions.create(model=model, messages=QUESTION, max_tokens=max_tokens, **more)


def test_a_completion(sdk):
    reply = ask(sdk.at("available"))
    assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 12)
    assert len(reply.choices[0].message.content.split()) == 12
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 12


def test_max_tokens_ends_a_completion(sdk):
    reply = ask(sdk.at("available"), max_tokens=5)
    assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("length", 5)


def test_a_stream(sdk):
    choices = [chunk.choices[0] for chunk in ask(sdk.at("available"), stream=True) if chunk.choices]
    words = [choice.delta.content for choice in choices if choice.delta.content]
    assert (len(words), choices[0].delta.role, choices[-1].finish_reason) == (12, "assistant", "stop")


def test_openai_gets_the_usage_of_a_stream_on_request(address):
    client = Sdk(address, *SDKS["openai"]).at("available")
    *_, last = ask(client, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage.completion_tokens) == ([], 12)


def test_groq_gets_the_usage_of_a_stream(address):
    *_, last = ask(Sdk(address, *SDKS["groq"]).at("available"), stream=True)
    assert last.x_groq.usage.completion_tokens == 12


def test_the_models(sdk):
    models = sdk.at("available").models
    assert [model.id for model in models.list().data] == [MODEL]
    assert models.retrieve(MODEL).id == MODEL
    with pytest.raises(sdk.package.NotFoundError):
        models.retrieve("gpt-2")


def test_a_tool(sdk):
    reply = ask(sdk.at("available"), tools=[WEATHER])
    call = reply.choices[0].message.tool_calls[0]
    assert (reply.choices[0].finish_reason, call.function.name) == ("tool_calls", "weather")
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    messages = [*QUESTION, {"role": "assistant", "tool_calls": [call.model_dump()]}, result]
    after = sdk.at("available").chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert after.choices[0].finish_reason == "stop"


def test_a_streamed_tool(sdk):
    deltas = [chunk.choices[0].delta for chunk in ask(sdk.at("available"), tools=[WEATHER], stream=True)]
    (call,) = (call for delta in deltas for call in delta.tool_calls or [])
    assert (call.index, call.function.name) == (0, "weather")


def test_json(sdk):
    reply = ask(sdk.at("available"), response_format={"type": "json_object"})
    assert isinstance(json.loads(reply.choices[0].message.content), dict)


def test_audio(sdk):
    audio = sdk.at("audio").audio
    transcript = audio.transcriptions.with_raw_response.create(model=WHISPER, file=wav(2))
    assert len(transcript.parse().text.split()) == 5
    assert transcript.headers["x-ratelimit-limit-audio-seconds"] == "7200"
    assert audio.transcriptions.create(model=WHISPER, file=wav(3), response_format="verbose_json").duration == 3
    assert audio.translations.create(model=WHISPER, file=wav(2)).text
    with pytest.raises(sdk.package.APIStatusError, match=r"\(ASPH\): Limit 7200, Requested 7201") as refusal:
        audio.transcriptions.create(model=WHISPER, file=wav(7201))
    assert refusal.value.status_code == 413


def test_a_request_limit(sdk):
    served, waits = 0, []
    for _ in range(5):
        try:
            ask(sdk.limited(), "three-at-once")
            served += 1
        except sdk.package.RateLimitError as refusal:
            waits.append(int(refusal.response.headers["retry-after"]))
    assert (served, len(waits)) == (3, 2)
    assert all(0 < wait <= 20 for wait in waits)
    with pytest.raises(sdk.package.APIStatusError) as refusal:
        ask(sdk.limited(), "three-at-once", service_tier="flex")
    assert refusal.value.status_code == 498


def test_a_token_limit(sdk):
    client = sdk.limited()
    first = client.chat.completions.with_raw_response.create(model="many-words", messages=QUESTION, max_tokens=5900)
    assert first.parse().usage.completion_tokens == 5900
    assert first.headers["x-ratelimit-limit-tokens"] == "6000"
    assert first.headers["x-ratelimit-remaining-requests"] == "999"
    with pytest.raises(sdk.package.RateLimitError) as refusal:
        ask(client, "many-words", 500)
    headers, error = refusal.value.response.headers, refusal.value.body.get("error", refusal.value.body)
    assert "tokens per minute (TPM): Limit 6000, Used 5" in error["message"]
    assert error["type"] == "tokens"
    assert int(headers["retry-after"]) == math.ceil(announced_wait(error["message"]))
    assert int(headers["x-ratelimit-remaining-tokens"]) < 502


def test_a_refusal_and_the_retry_of_the_client(sdk):
    ask(sdk.limited(), "every-two-seconds")
    with pytest.raises(sdk.package.RateLimitError) as refusal:
        ask(sdk.limited(), "every-two-seconds")
    assert refusal.value.status_code == 429
    assert refusal.value.response.headers["retry-after"] in ("1", "2")
    wait, since = announced_wait(str(refusal.value)), time.monotonic()
    retrying = sdk.limited(max_retries=2).chat.completions.with_raw_response
    retried = retrying.create(model="every-two-seconds", messages=QUESTION, max_tokens=100)
    assert retried.retries_taken == 1, "the first retry comes after the announced wait"
    assert time.monotonic() - since >= wait - 0.1


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure(sdk, name):
    provider, key, model, max_tokens, status, code = FAILURES[name]
    with pytest.raises(sdk.error(status)) as failure:
        ask(sdk.at(provider, key or sdk.account), model, max_tokens)
    error = failure.value.body.get("error", failure.value.body)
    assert (failure.value.status_code, error.get("code")) == (status, code)


def test_a_whole_reply_that_is_cut(sdk):
    with pytest.raises(sdk.package.APIConnectionError):
        ask(sdk.at("cut"))


def test_a_stream_that_is_cut(sdk):
    words = []
    with pytest.raises(sdk.cut_stream_error):
        for chunk in ask(sdk.at("cut"), stream=True):
            words += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert len(words) == 6, "half of the tokens arrived"
