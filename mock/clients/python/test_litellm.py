"""`litellm` as a library: its provider `groq`, and its router, which is what tries again and obeys a wait.

`completion(num_retries=…)` alone needs `tenacity`, which the package does not depend on, and waits as it likes.
"""

import math
import time

import litellm
import pytest

from wire import FAILURES, KEY, MODEL, QUESTION, WHISPER, announced_wait, wav

ACCOUNT = "litellm"
# What each status becomes: it goes by the words as well, so that too large a call is a rate limit to it.
ERRORS = {
    401: (litellm.BadRequestError, 401),
    404: (litellm.NotFoundError, 404),
    413: (litellm.RateLimitError, 429),
    498: (litellm.APIError, 498),
    503: (litellm.ServiceUnavailableError, 503),
}
litellm.suppress_debug_info = True


@pytest.fixture
def ask(address):
    def ask(provider, model=MODEL, max_tokens=100, key=KEY, **more):
        parameters = at(address(provider), model, key)
        return litellm.completion(messages=QUESTION, max_tokens=max_tokens, **parameters, **more)

    return ask


def at(address, model, key):
    return {"model": f"groq/{model}", "api_base": f"{address}/openai/v1", "api_key": key}


def test_a_completion(ask):
    reply = ask("serves")
    assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 12)


def test_a_stream(ask):
    choices = [chunk.choices[0] for chunk in ask("serves", stream=True)]
    assert sum(bool(choice.delta.content) for choice in choices) == 12
    assert choices[-1].finish_reason == "stop"


def test_audio(address):
    heard = litellm.transcription(file=wav(2), **at(address("hears"), WHISPER, KEY))
    assert len(heard.text.split()) == 5


def test_a_bucket_of_tokens(ask):
    assert ask("limits", "many-words", 5900, ACCOUNT).usage.completion_tokens == 5900
    with pytest.raises(litellm.RateLimitError) as refusal:
        ask("limits", "many-words", 500, ACCOUNT)
    assert "tokens per minute (TPM): Limit 6000, Used 5" in refusal.value.message
    wait = refusal.value.litellm_response_headers["retry-after"]
    assert int(wait) == math.ceil(announced_wait(refusal.value.message))


def test_a_refusal_and_the_routers_retry(ask, address):
    ask("limits", "every-two-seconds", key=ACCOUNT)
    with pytest.raises(litellm.RateLimitError) as refusal:
        ask("limits", "every-two-seconds", key=ACCOUNT)
    wait, since = announced_wait(refusal.value.message), time.monotonic()
    deployment = {"model_name": "any", "litellm_params": at(address("limits"), "every-two-seconds", ACCOUNT)}
    litellm.Router(model_list=[deployment], num_retries=2).completion(model="any", messages=QUESTION)
    assert time.monotonic() - since >= wait - 0.1


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure(ask, name):
    provider, key, model, max_tokens, status, code = FAILURES[name]
    kind, told = ERRORS[status]
    with pytest.raises(kind) as failure:
        ask(provider, model, max_tokens, key or ACCOUNT)
    assert failure.value.status_code == told
    assert (code or "over capacity") in failure.value.message


def test_a_whole_reply_that_breaks_off(ask):
    with pytest.raises(litellm.InternalServerError, match="peer closed connection"):
        ask("breaks_off")


def test_a_stream_that_breaks_off(ask):
    words = []
    with pytest.raises(litellm.exceptions.MidStreamFallbackError, match="peer closed connection"):
        for chunk in ask("breaks_off", stream=True):
            words += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert len(words) == 6, "half of it had come"
