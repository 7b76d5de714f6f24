"""Tests of `litellm` as a library: its provider `groq`, and its router, which waits as a refusal announces and retries.

The retries of `completion(num_retries=…)` are not tested: they need `tenacity`, which is no dependency of the package, and do
not wait as announced.
"""

import math
import time

import litellm
import pytest

from wire import FAILURES, KEY, MODEL, QUESTION, WHISPER, announced_wait, wav

# The only key of an account of its own at `limited`.
ACCOUNT_KEY = "litellm"
# For each status of the mock: the error that litellm raises and the status that it reports. litellm also reads the message,
# so it reports an oversize call (413) as a rate limit (429).
ERRORS = {
    401: (litellm.BadRequestError, 401),
    404: (litellm.NotFoundError, 404),
    413: (litellm.RateLimitError, 429),
    498: (litellm.APIError, 498),
    503: (litellm.ServiceUnavailableError, 503),
}
litellm.suppress_debug_info = True


@pytest.fixture
def ask(address_of):
    def ask(provider, model=MODEL, max_tokens=100, key=KEY, **more):
        parameters = deployment(address_of(provider), model, key)
        return litellm.completion(messages=QUESTION, max_tokens=max_tokens, **parameters, **more)

    return ask


def deployment(address, model, key):
    return {"model": f"groq/{model}", "api_base": f"{address}/openai/v1", "api_key": key}


def test_a_completion(ask):
    reply = ask("available")
    assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 12)


def test_a_stream(ask):
    choices = [chunk.choices[0] for chunk in ask("available", stream=True)]
    assert sum(bool(choice.delta.content) for choice in choices) == 12
    assert choices[-1].finish_reason == "stop"


def test_audio(address_of):
    transcript = litellm.transcription(file=wav(2), **deployment(address_of("audio"), WHISPER, KEY))
    assert len(transcript.text.split()) == 5


def test_a_token_limit(ask):
    assert ask("limited", "many-words", 5900, ACCOUNT_KEY).usage.completion_tokens == 5900
    with pytest.raises(litellm.RateLimitError) as refusal:
        ask("limited", "many-words", 500, ACCOUNT_KEY)
    assert "tokens per minute (TPM): Limit 6000, Used 5" in refusal.value.message
    wait = refusal.value.litellm_response_headers["retry-after"]
    assert int(wait) == math.ceil(announced_wait(refusal.value.message))


def test_the_router_retries_a_refusal_after_the_announced_wait(ask, address_of):
    ask("limited", "every-two-seconds", key=ACCOUNT_KEY)
    with pytest.raises(litellm.RateLimitError) as refusal:
        ask("limited", "every-two-seconds", key=ACCOUNT_KEY)
    wait, since = announced_wait(refusal.value.message), time.monotonic()
    parameters = deployment(address_of("limited"), "every-two-seconds", ACCOUNT_KEY)
    models = [{"model_name": "any", "litellm_params": parameters}]
    litellm.Router(model_list=models, num_retries=2).completion(model="any", messages=QUESTION)
    assert time.monotonic() - since >= wait - 0.1


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure(ask, name):
    provider, key, model, max_tokens, status, code = FAILURES[name]
    error_class, reported_status = ERRORS[status]
    with pytest.raises(error_class) as failure:
        ask(provider, model, max_tokens, key or ACCOUNT_KEY)
    assert failure.value.status_code == reported_status
    assert (code or "over capacity") in failure.value.message


def test_a_cut_reply(ask):
    with pytest.raises(litellm.InternalServerError, match="peer closed connection"):
        ask("cut")


def test_a_cut_stream(ask):
    words = []
    with pytest.raises(litellm.exceptions.MidStreamFallbackError, match="peer closed connection"):
        for chunk in ask("cut", stream=True):
            words += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert len(words) == 6, "half of the tokens arrived"
