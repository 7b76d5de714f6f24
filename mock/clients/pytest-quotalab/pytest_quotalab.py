"""A pytest plugin: the fixture `quotalab` is a mock of a rate-limited LLM API, fresh for each test.

    def test_my_client_waits(quotalab):
        quotalab.limits(rpm="0 left")          # a level of a limit
        my_program()                           # its SDK finds the mock by the environment
        assert quotalab.verdict()["behaved"]

The mock is started once per session: `quotalab mock` with the arguments of the ini option `quotalab_args`, from the binary of
`--quotalab`, of the variable QUOTALAB or on the path. Before each test it is reset, and the environment variables of the SDKs
(OPENAI_BASE_URL, GROQ_API_KEY, …) are set. Errors of the control plane are raised with the remedy that it names.
"""

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest


class ControlError(Exception):
    """The mock refused a request to its control plane."""


class Mock:
    """One provider of a running mock. `url`, `base_url`, `key` and `models` state how to reach it. `env` has the environment
    variables of the SDKs for all providers of the mock, `variables` only those for this provider."""

    def __init__(self, provider, environment):
        self.name, self.url, self.base_url = provider["name"], provider["url"], provider["base_url"]
        self.keys = [key for account in provider["accounts"] for key in account["keys"]]
        self.key, self.models = self.keys[0], provider["models"]
        self.env, self.variables = environment, provider["environment"]

    def control(self, method, path, body=None):
        """Sends a request to the control plane, and returns the JSON of its reply."""
        data = None if method == "GET" else json.dumps({} if body is None else body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_quotalab/{path}", data, headers, method=method)
        # A proxy that the environment names must not be used for loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as refused:
            error = json.load(refused)["error"]
            raise ControlError(f"{error['message']}; {error['help']}") from None

    def reset(self):
        """Restores the start: limits, clock, random streams, faults, answers, journal."""
        return self.control("POST", "reset")

    def state(self):
        """Returns the level of every limit."""
        return self.control("GET", "state")

    def limits(self, account=None, model=None, **levels):
        """Sets levels: `limits(rpd="2 left", tpm="50% left")`."""
        scope = {"account": account, "model": model}
        return self.control("POST", "limits", levels | {name: value for name, value in scope.items() if value})

    def advance(self, duration):
        """Advances the clock: `advance("24h")`."""
        return self.control("POST", "clock", {"advance": duration})

    def fault(self, fault=None, **options):
        """Injects a fault: `fault("503", next=3)`, `fault(sequence=[503, 429, "ok"])`."""
        return self.control("POST", "faults", options if fault is None else {"fault": fault} | options)

    def answer(self, text=None, **options):
        """Sets an answer: `answer("Hello")`, `answer(prompt="weather", tool={"name": "f"})`, `answer(sequence=[…])`."""
        return self.control("POST", "answers", options if text is None else {"text": text} | options)

    def settings(self, **settings):
        """Changes settings: `settings(speed=0, keep_bodies=True)`."""
        return self.control("POST", "settings", settings)

    def requests(self, **query):
        """Returns the requests that the mock received: `requests(last=10, account="a", key=1)`."""
        return self.control("GET", "requests?" + urllib.parse.urlencode(query))["requests"]

    def verdict(self, **query):
        """Returns whether the clients retried correctly, and first how many jobs ended in a refusal."""
        return self.control("GET", "verdict?" + urllib.parse.urlencode(query))


def pytest_addoption(parser):
    parser.addoption("--quotalab", metavar="PATH", help="the quotalab binary (default: $QUOTALAB, or quotalab)")
    parser.addini("quotalab_args", "arguments of `quotalab mock` (default: --speed 0)", default="--speed 0")


@pytest.fixture(scope="session")
def quotalab_session(pytestconfig):
    """The mocks of the session by the names of their providers."""
    binary = pytestconfig.getoption("--quotalab") or os.environ.get("QUOTALAB") or "quotalab"
    arguments = shlex.split(pytestconfig.getini("quotalab_args"))
    command = [binary, "mock", *arguments, "--json", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"`{shlex.join(command)}` ended with {process.wait()}", pytrace=False)
        announced = json.loads(line)
        environment = announced["environment"]
        yield {provider["name"]: Mock(provider, environment) for provider in announced["providers"]}
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def quotalab(quotalab_session, monkeypatch):
    """The first provider of the mock, reset, with the environment of the SDKs."""
    mock = next(iter(quotalab_session.values()))
    mock.reset()
    for name, value in mock.env.items():
        monkeypatch.setenv(name, value)
    return mock


@pytest.fixture
def quotalab_providers(quotalab, quotalab_session):
    """All providers of the mock by name, reset as `quotalab` is."""
    return quotalab_session
