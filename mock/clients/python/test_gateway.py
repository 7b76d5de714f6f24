"""What published clients do through `quotalab gateway`: the routes of ../gateway.yaml over mocks of six dialects.

Each test asserts what the client returned, and what the journals of the mocks have. The gateway is fresh for each test, because it
remembers refusals. The mock of `mistral` is reached over TLS.
"""

import math
import os
import re
import time
import urllib.parse

import pytest

from adapters import Forecast, Weather
from clients import THROUGH_GATEWAY
from gateway import new_authority, running_gateway, tls_before
from test_matrix import ANSWER, FORECAST

# Each of these names is also the name of a route.
PROVIDERS = ["groq", "openai", "anthropic", "gemini", "mistral", "cerebras"]
BEHIND_TLS = "mistral"
FEATURES_OF_EACH_PROVIDER = ["plain", "streamed", "cut_stream", "tools", "structured"]
# No mock accepts this key, so an answer shows that the gateway sends the key of the provider instead.
KEY_OF_CALLER = "key-of-the-caller"
# The client, provider and feature of requests that the provider refuses. A test below covers them.
REFUSED = {("litellm", "groq", "tools")}
IN_THIS_ENVIRONMENT = [
    name for name, client in THROUGH_GATEWAY.items() if client.environment == os.environ["CLIENTS_ENVIRONMENT"]
]


def pytest_generate_tests(metafunc):
    """Runs each test for every client that offers its feature, at every provider if that can matter, and in every mode."""
    if "client" not in metafunc.fixturenames:
        return
    feature = metafunc.function.__name__.removeprefix("test_")
    providers = PROVIDERS if feature in FEATURES_OF_EACH_PROVIDER else [None]
    cases = []
    for name in IN_THIS_ENVIRONMENT:
        client = THROUGH_GATEWAY[name]
        for provider in providers if feature not in dict(client.not_offered) else []:
            if (name, provider, feature) in REFUSED:
                continue
            for mode in client.modes or [None] if feature == "structured" else [None]:
                identity = ", ".join(part for part in (name, provider, mode) if part)
                cases.append(pytest.param(name, provider, mode, id=identity))
    metafunc.parametrize("client, provider, mode", cases, indirect=["client"])


@pytest.fixture
def client(request):
    return THROUGH_GATEWAY[request.param]


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def base_urls(quotalab_session, authority):
    """The base URL of every provider, as the gateway is to call it."""
    urls = {name: mock.base_url for name, mock in quotalab_session.items()}
    plain = urllib.parse.urlsplit(urls[BEHIND_TLS])
    with tls_before(plain.port, authority[0]) as port:
        yield urls | {BEHIND_TLS: plain._replace(scheme="https", netloc=f"127.0.0.1:{port}").geturl()}


@pytest.fixture
def mocks(quotalab_providers):
    return quotalab_providers


@pytest.fixture
def gateway(mocks, base_urls, authority, monkeypatch):
    """The root URL of a gateway, which the variables of the SDKs name."""
    with running_gateway(base_urls, authority[1]) as url:
        point_clients_to(url, monkeypatch)
        yield url


def point_clients_to(url, monkeypatch):
    for name in [name for name in os.environ if re.search("_(API_KEY|BASE_URL|API_BASE)$", name)]:
        monkeypatch.delenv(name)
    # The SDK of Groq adds `/openai/v1`.
    for name, base_url in {"OPENAI": f"{url}/v1", "GROQ": url}.items():
        monkeypatch.setenv(f"{name}_API_KEY", KEY_OF_CALLER)
        monkeypatch.setenv(f"{name}_BASE_URL", base_url)


def statuses(mock):
    return [request["status"] for request in mock.requests()]


def assert_is_class(error, name):
    """Some packages raise a subclass of their SDK's error."""
    assert name in [each.__name__ for each in type(error).__mro__]


def use_up(mocks, axis):
    """Uses up a limit of the targets of the route `limited`."""
    for mock in (mocks["groq"], mocks["openai"]):
        mock.limits(**{axis: "0 left"})


def test_plain(client, provider, mode, mocks, gateway):
    mock = mocks[provider]
    mock.answer(ANSWER)
    assert client.build(provider, retries=0).ask() == ANSWER
    (request,) = mock.requests()
    assert (request["status"], request["model"], request["stream"]) == (200, mock.models[0], False)


def test_streamed(client, provider, mode, mocks, gateway):
    mock = mocks[provider]
    mock.answer(ANSWER)
    parts = client.build(provider, retries=0).stream()
    assert len(parts) > 5
    assert "".join(parts) == ANSWER
    (request,) = mock.requests()
    assert (request["status"], request["model"], request["stream"]) == (200, mock.models[0], True)


def test_cut_stream(client, provider, mode, mocks, gateway):
    mocks[provider].fault("cut_stream")
    with pytest.raises(Exception, match="the stream broke off"):
        client.build(provider, retries=0).stream()


def test_tools(client, provider, mode, mocks, gateway):
    arguments, after = client.build(provider, retries=0).call_tool()
    Weather.model_validate(arguments, strict=True)
    assert len(after.split()) == 12, "the completion of ../gateway.yaml"
    assert statuses(mocks[provider]) == [200, 200]


@pytest.mark.skipif("litellm" not in IN_THIS_ENVIRONMENT, reason="litellm is in another environment")
def test_groq_refuses_a_member_that_litellm_adds_to_the_message_with_a_tool_call(mocks, gateway):
    with pytest.raises(Exception, match="property 'provider_specific_fields' is unsupported") as failure:
        THROUGH_GATEWAY["litellm"].build("groq", retries=0).call_tool()
    assert_is_class(failure.value, "BadRequestError")
    assert statuses(mocks["groq"]) == [200, 400]


def test_structured(client, provider, mode, mocks, gateway):
    mock = mocks[provider]
    if mode in client.prompted:
        # Only the prompt has the schema, so the test sets the answer that a model would give.
        mock.answer(FORECAST.model_dump_json())
    adapter = client.build(provider, retries=0)
    forecast = adapter.structured(mode) if mode else adapter.structured()
    Forecast.model_validate(forecast.model_dump(), strict=True)
    assert statuses(mock) == [200]


def test_unknown_model(client, provider, mode, mocks, gateway):
    with pytest.raises(Exception, match="the model `gpt-2` is neither a route nor a target of this gateway") as failure:
        client.build("gpt-2", retries=0).ask()
    assert_is_class(failure.value, "NotFoundError")
    assert failure.value.status_code == 404
    assert [statuses(mock) for mock in mocks.values()] == [[]] * len(mocks)


def test_fallback(client, provider, mode, mocks, gateway):
    mocks["groq"].answer(ANSWER)
    mocks["cerebras"].answer(ANSWER)
    adapter = client.build("chat", retries=0)
    assert [adapter.ask() for _ in range(11)] == [ANSWER] * 11
    at_first, at_second = statuses(mocks["groq"]), statuses(mocks["cerebras"])
    assert at_first[:5] == [200] * 5
    assert set(at_second) == {200}
    assert at_first.count(200) + len(at_second) == 11


def test_refused(client, provider, mode, mocks, gateway):
    adapter = client.build("limited", retries=0)
    use_up(mocks, "rpd")
    since = time.monotonic()
    with pytest.raises(Exception, match="route `limited`: no target can serve it before its deadline") as failure:
        adapter.ask()
    took = time.monotonic() - since
    error_class, status, wait = adapter.refusal(failure.value)
    assert (error_class, status) == (adapter.refusal_class, 429)
    (first,), (second,) = mocks["groq"].requests(), mocks["openai"].requests()
    assert (first["status"], second["status"]) == (429, 429)
    announced = min(first["wait_s"], second["wait_s"])
    # In milliseconds, rounded up.
    assert announced - took <= wait <= announced + 0.001


def test_retried(client, provider, mode, mocks, gateway):
    mocks["groq"].answer(ANSWER)
    mocks["openai"].answer(ANSWER)
    adapter = client.build("limited", client.retries)
    use_up(mocks, "rpm")
    assert adapter.ask() == ANSWER
    requests = mocks["groq"].requests() + mocks["openai"].requests()
    (served,) = [request for request in requests if request["status"] == 200]
    refused = [request for request in requests if request["status"] == 429]
    assert len(refused) == 2, "the gateway's refusal announces when the first target is free"
    assert served["arrived_s"] - refused[0]["ended_s"] >= refused[0]["wait_s"] - 0.001


def test_the_wait_is_in_both_headers(mocks, gateway):
    openai = pytest.importorskip("openai")
    use_up(mocks, "rpd")
    with pytest.raises(openai.RateLimitError) as failure:
        openai.OpenAI(max_retries=0).chat.completions.create(model="limited", messages=[{"role": "user", "content": "hello"}])
    headers = failure.value.response.headers
    assert int(headers["retry-after"]) == math.ceil(int(headers["retry-after-ms"]) / 1000)


def test_a_certificate_of_an_unknown_authority_is_refused(mocks, base_urls, monkeypatch):
    openai = pytest.importorskip("openai")
    with running_gateway(base_urls) as url:
        point_clients_to(url, monkeypatch)
        with pytest.raises(openai.APIStatusError) as failure:
            openai.OpenAI(max_retries=0).chat.completions.create(
                model=BEHIND_TLS, messages=[{"role": "user", "content": "hello"}]
            )
    assert failure.value.status_code in (502, 503)
    assert statuses(mocks[BEHIND_TLS]) == []
