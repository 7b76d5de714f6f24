"""The verdict on typical clients: SDKs, a hand-written backoff, parallel requests, and clients that misbehave."""

import json
import random
import threading
import time
import urllib.error
import urllib.request

import anthropic
import groq
import openai
import pytest

from wire import MODEL, QUESTION


def send(mock, prompt):
    """Sends a request without an SDK. Returns its status and the announced wait in seconds."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": 20}
    headers = {"authorization": f"Bearer {mock.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{mock.base_url}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            reply.read()
            return reply.status, None
    except urllib.error.HTTPError as refused:
        refused.read()
        return refused.code, float(refused.headers.get("retry-after") or 1)


def with_backoff(mock, prompt, attempts):
    """Retries with the backoff that articles show: it waits as announced, and up to a second more at random."""
    for _ in range(attempts):
        status, wait = send(mock, prompt)
        if status == 200:
            return
        time.sleep(wait + random.random())


def at_once(jobs):
    """Runs functions at the same time, each in a thread of its own."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("prompt", ["hello", "hello {}"], ids=["equal prompts", "different prompts"])
def test_a_backoff_that_waits_as_announced_behaves(quotalab, prompt):
    quotalab.limits(rpm="17 left")
    at_once([lambda job=job: with_backoff(quotalab, prompt.format(job), 6) for job in range(20)])
    verdict = quotalab.verdict()
    assert (verdict["verdict"], verdict["jobs_ended_in_refusal"], verdict["jobs"]) == ("behaved", 0, 20), verdict


@pytest.mark.parametrize("prompt", ["hello", "hello {}"], ids=["equal prompts", "different prompts"])
def test_jobs_that_give_up_are_counted_first(quotalab, prompt):
    quotalab.limits(rpm="2 left")
    quotalab.fault({"retry_after": "100ms"})
    at_once([lambda job=job: with_backoff(quotalab, prompt.format(job), 3) for job in range(8)])
    verdict = quotalab.verdict()
    statuses = [request["status"] for request in quotalab.requests()]
    assert list(verdict)[0] == "jobs_ended_in_refusal"
    assert verdict["jobs_ended_in_refusal"] == 8 - statuses.count(200), verdict
    assert verdict["jobs"] == 8, verdict


def test_parallel_requests_are_no_retries(quotalab):
    quotalab.limits(rpm="20 left")
    at_once([lambda: send(quotalab, "hello")] * 32)
    verdict = quotalab.verdict()
    assert verdict["verdict"] in ("cannot_tell", "not_yet_known", "behaved"), verdict
    assert (verdict["jobs_ended_in_refusal"], verdict["jobs"]) == (12, 32), verdict


def test_tries_with_a_nonce_within_a_wait_misbehave(quotalab):
    quotalab.fault({"throttle": "30s"})
    for _ in range(5):
        send(quotalab, f"hello {random.random()}")
        time.sleep(0.05)
    verdict = quotalab.verdict()
    assert (verdict["verdict"], verdict["counts"]["too_early"]) == ("misbehaved", 4), verdict


def test_forty_tries_on_an_overload_are_hammering(quotalab):
    quotalab.fault("503")
    for _ in range(40):
        send(quotalab, "hello")
        time.sleep(0.05)
    assert quotalab.verdict()["counts"]["hammered"] == 1


def test_right_after_the_last_try_nothing_is_known(quotalab):
    quotalab.limits(rpm="0 left")
    send(quotalab, "hello")
    verdict = quotalab.verdict()
    assert (verdict["verdict"], verdict["behaved"], verdict["jobs_may_be_retried"]) == ("not_yet_known", None, 1)


SDKS = {
    "openai": lambda: openai.OpenAI(),
    "groq": lambda: groq.Groq(),
}


@pytest.mark.parametrize("name", SDKS)
def test_an_sdk_waits_as_announced(quotalab, name):
    client = SDKS[name]()
    quotalab.limits(rpm="4 left")
    create = client.chat.completions.create
    at_once([lambda: create(model=MODEL, messages=QUESTION, max_tokens=20)] * 5)
    verdict = quotalab.verdict()
    assert (verdict["verdict"], verdict["jobs"], verdict["retries"]) == ("behaved", 5, 1), verdict
    assert sorted(request["retry_count"] for request in quotalab.requests()) == [0, 0, 0, 0, 0, 1]


def test_anthropics_sdk_waits_as_announced(quotalab_providers):
    mock = quotalab_providers["anthropic"]
    mock.limits(rpm="0 left")
    anthropic.Anthropic().messages.create(model="claude", messages=QUESTION, max_tokens=20)
    verdict = mock.verdict()
    assert (verdict["verdict"], verdict["jobs"], verdict["retries"]) == ("behaved", 1, 1), verdict


def test_calling_an_sdk_in_a_loop_without_waits_misbehaves(quotalab):
    client = openai.OpenAI(max_retries=0)
    quotalab.fault({"throttle": "30s"})
    for _ in range(6):
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=20)
    verdict = quotalab.verdict()
    assert (verdict["verdict"], verdict["counts"]["too_early"]) == ("misbehaved", 5), verdict


def test_an_sdk_that_gives_up_after_its_attempts_is_a_refused_job(quotalab):
    quotalab.fault({"throttle": "100ms"})
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI().chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=20)
    verdict = quotalab.verdict()
    assert (verdict["jobs_ended_in_refusal"], verdict["jobs"], verdict["retries"]) == (1, 1, 2), verdict
