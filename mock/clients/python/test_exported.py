"""Tests of the configuration that `quotalab gateway --print-config litellm` prints for ../gateway.yaml: a router of LiteLLM that is
built from it serves the routes from the mocks, and falls back. LiteLLM's proxy reads the same file; it is not started here."""

import os
import subprocess

import litellm
import pytest
import yaml

from wire import QUESTION

ANSWER = "the answer of the second"
litellm.suppress_debug_info = True


@pytest.fixture
def printed(quotalab_session):
    """The configuration with the addresses of the mocks."""
    settings = [
        option
        for name, mock in quotalab_session.items()
        for option in ("--set", f"providers.{name}.base_url={mock.base_url}")
    ]
    command = [os.environ["QUOTALAB"], "gateway", os.environ["CLIENTS_GATEWAY"], "--print-config", "litellm"]
    return subprocess.run(command + settings, check=True, text=True, capture_output=True).stdout


@pytest.fixture
def router(printed, monkeypatch):
    for name in ["GROQ", "OPENAI", "ANTHROPIC", "GEMINI", "CEREBRAS"]:
        monkeypatch.setenv(f"{name}_DEFAULT_KEY", "default")
    monkeypatch.setenv("MISTRAL_KEY_OF_THE_GATEWAY", "MISTRAL_KEY_OF_THE_GATEWAY")
    config = yaml.safe_load(printed)
    assert set(config) == {"model_list", "router_settings"}
    return litellm.Router(model_list=config["model_list"], **config["router_settings"])


def test_no_key_is_printed(printed):
    assert "os.environ/GROQ_DEFAULT_KEY" in printed
    assert "os.environ/MISTRAL_KEY_OF_THE_GATEWAY" in printed
    assert "api_key: default" not in printed


def test_the_first_target_serves(router, quotalab_providers):
    answer = router.completion(model="chat", messages=QUESTION, max_tokens=20)
    assert answer.choices[0].message.content
    (request,) = quotalab_providers["groq"].requests()
    assert (request["status"], request["model"]) == (200, "openai/gpt-oss-120b")
    assert quotalab_providers["cerebras"].requests() == []


def test_a_refusal_falls_back(router, quotalab_providers):
    groq, cerebras = quotalab_providers["groq"], quotalab_providers["cerebras"]
    groq.limits(rpm="0 left")
    cerebras.answer(ANSWER)
    answer = router.completion(model="chat", messages=QUESTION, max_tokens=20)
    assert answer.choices[0].message.content == ANSWER
    assert [request["status"] for request in groq.requests()] == [429]
    assert [request["status"] for request in cerebras.requests()] == [200]
