"""Tests of the APIs besides chat completions with the packages `openai`, `groq`, `anthropic` and `google-genai`,
and what the packages `together` and `cerebras_cloud_sdk` do when they are created."""

import json

import anthropic
import groq
import httpx
import openai
import pytest
import together
from cerebras.cloud.sdk import Cerebras
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from wire import KEY, MODEL, wav

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "name": "weather", "parameters": SCHEMA}
QUESTION = [{"role": "user", "content": "hi"}]


class Answer(BaseModel):
    city: str
    degrees: int


@pytest.fixture(params=["groq", "openai"])
def responses(request, address_of):
    """The package `openai` with a model, once at Groq's endpoint and once at OpenAI's."""
    provider, path, model = {
        "groq": ("available", "/openai/v1", MODEL),
        "openai": ("openai_own", "/v1", "gpt-5-mini"),
    }[request.param]
    return openai.OpenAI(api_key=KEY, base_url=address_of(provider) + path, max_retries=0), model


def test_a_response(responses):
    client, model = responses
    response = client.responses.create(model=model, input="hi", instructions="be brief")
    assert (response.status, len(response.output_text.split()), response.usage.output_tokens) == ("completed", 12, 12)
    assert response.instructions == "be brief"


def test_a_streamed_response(responses):
    client, model = responses
    with client.responses.stream(model=model, input="hi") as stream:
        numbers = [event.sequence_number for event in stream if hasattr(event, "sequence_number")]
        final = stream.get_final_response()
    assert numbers == sorted(set(numbers))
    assert len(final.output_text.split()) == 12


def test_a_response_with_a_tool_and_its_result(responses):
    client, model = responses
    call = client.responses.create(model=model, input="hi", tools=[FUNCTION]).output[0]
    assert (call.type, call.name, call.arguments) == ("function_call", "weather", '{"city":"example"}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "5"}
    answer = client.responses.create(model=model, input=[*QUESTION, call.to_dict(), result], tools=[FUNCTION])
    assert answer.output[0].type == "message"


def test_a_response_of_a_schema_whole_and_streamed(responses):
    client, model = responses
    assert isinstance(client.responses.parse(model=model, input="hi", text_format=Answer).output_parsed, Answer)
    with client.responses.stream(model=model, input="hi", text_format=Answer) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Answer)


def test_embeddings_and_completions(address_of):
    client = openai.OpenAI(api_key=KEY, base_url=address_of("openai_own") + "/v1", max_retries=0)
    data = client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"]).data
    assert len(data[0].embedding) == 1536 and data[0].embedding == data[2].embedding != data[1].embedding
    assert len(client.completions.create(model="gpt-5-mini", prompt="hi").choices[0].text.split()) == 12
    chunks = client.completions.create(model="gpt-5-mini", prompt="hi", stream=True)
    assert len("".join(chunk.choices[0].text for chunk in chunks).split()) == 12
    transcript = client.audio.transcriptions.create(model="whisper-1", file=wav(2))
    assert len(transcript.text.split()) == 5


def test_the_usages_of_all_chunks_add_up(responses):
    client, model = responses
    chunks = client.chat.completions.create(
        model=model, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    assert sum(chunk.usage.completion_tokens for chunk in chunks if chunk.usage) == 12


def test_a_base_url_with_the_version_twice_is_explained(address_of):
    client = groq.Groq(api_key=KEY, base_url=address_of("available") + "/openai/v1", max_retries=0)
    with pytest.raises(groq.NotFoundError, match="adds /openai/v1 itself"):
        client.chat.completions.create(model=MODEL, messages=QUESTION)


@pytest.fixture
def claude(address_of):
    return anthropic.Anthropic(api_key=KEY, base_url=address_of("anthropic_own"), max_retries=0)


TOOL = {"name": "weather", "input_schema": SCHEMA}


def test_anthropic_calls_a_tool_and_ends_after_its_result(claude):
    ask = lambda messages, **more: claude.messages.create(
        model="claude", max_tokens=100, messages=messages, tools=[TOOL], **more
    )
    call = ask(QUESTION, tool_choice={"type": "any"})
    assert (call.stop_reason, call.content[0].name, call.content[0].input) == ("tool_use", "weather", {"city": "example"})
    result = {"type": "tool_result", "tool_use_id": call.content[0].id, "content": "5"}
    answer = ask([*QUESTION, {"role": "assistant", "content": call.content}, {"role": "user", "content": [result]}])
    assert (answer.content[0].type, answer.stop_reason) == ("text", "end_turn")


def test_anthropic_streams_a_tool_call(claude):
    with claude.messages.stream(model="claude", max_tokens=100, messages=QUESTION, tools=[TOOL]) as stream:
        assert stream.get_final_message().content[0].input == {"city": "example"}


def test_anthropic_counts_tokens_and_lists_models(claude):
    count = claude.messages.count_tokens(model="claude", messages=[{"role": "user", "content": "x" * 400}])
    assert count.input_tokens == 100
    with_tool = claude.messages.count_tokens(model="claude", messages=QUESTION, tools=[TOOL])
    assert with_tool.input_tokens > 10
    model = claude.models.list().data[0]
    assert (model.id, model.type, claude.models.retrieve("claude").id) == ("claude", "model", "claude")


@pytest.fixture
def gemini(address_of):
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=address_of("gemini_own")))


def test_gemini_whole_and_streamed(gemini):
    reply = gemini.models.generate_content(model="gemini-flash", contents="hi")
    assert (len(reply.text.split()), reply.usage_metadata.candidates_token_count) == (12, 12)
    parts = gemini.models.generate_content_stream(model="gemini-flash", contents="hi")
    assert len("".join(part.text or "" for part in parts).split()) == 12
    assert gemini.models.count_tokens(model="gemini-flash", contents="x" * 400).total_tokens == 100


def test_gemini_calls_a_function_and_follows_a_schema(gemini):
    schema = types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")})
    declaration = types.FunctionDeclaration(name="weather", parameters=schema)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    call = gemini.models.generate_content(model="gemini-flash", contents="hi", config=config).function_calls[0]
    assert (call.name, call.args) == ("weather", {"city": "example"})
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Answer)
    assert isinstance(gemini.models.generate_content(model="gemini-flash", contents="hi", config=config).parsed, Answer)


def test_gemini_refuses_a_wrong_key_and_lists_models(gemini, address_of):
    wrong = genai.Client(api_key="wrong", http_options=types.HttpOptions(base_url=address_of("gemini_own")))
    with pytest.raises(errors.ClientError, match="API key not valid"):
        wrong.models.generate_content(model="gemini-flash", contents="hi")
    assert [model.name for model in gemini.models.list()] == ["models/gemini-flash"]


def test_together_finds_the_mock_by_its_environment(quotalab_session, monkeypatch):
    mock = quotalab_session["together_own"]
    for name, value in mock.variables.items():
        monkeypatch.setenv(name, value)
    assert together.Together().chat.completions.create(model=mock.models[0], messages=QUESTION).choices[0].message.content


def test_cerebras_warms_its_connection(quotalab_session):
    """Every client that is created sends a request that is no job."""
    mock = quotalab_session["cerebras_own"]
    for _ in range(3):
        Cerebras(api_key=KEY, base_url=mock.url)
    warmed = httpx.get(f"{mock.url}/v1/tcp_warming", headers={"authorization": f"Bearer {KEY}"})
    verdict = mock.verdict()
    assert (warmed.status_code, verdict["verdict"], verdict["jobs"]) == (200, "behaved", 0)


def argument_parts_of_chat(mock):
    client = openai.OpenAI(api_key=KEY, base_url=mock.base_url)
    function = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    chunks = client.chat.completions.create(model=mock.models[0], messages=QUESTION, tools=[function], stream=True)
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    return [call.function.arguments for call in calls]


def argument_parts_of_responses(mock):
    client = openai.OpenAI(api_key=KEY, base_url=mock.base_url)
    events = client.responses.create(model=mock.models[0], input="hi", tools=[FUNCTION], stream=True)
    return [event.delta for event in events if event.type == "response.function_call_arguments.delta"]


def argument_parts_of_messages(mock):
    client = anthropic.Anthropic(api_key=KEY, base_url=mock.url)
    with client.messages.stream(model=mock.models[0], max_tokens=100, messages=QUESTION, tools=[TOOL]) as stream:
        return [event.partial_json for event in stream if event.type == "input_json"]


@pytest.mark.parametrize(
    "provider, parts_of",
    [
        ("openai_own", argument_parts_of_chat),
        ("openai_own", argument_parts_of_responses),
        ("anthropic_own", argument_parts_of_messages),
    ],
    ids=["chat", "responses", "messages"],
)
def test_the_arguments_of_a_streamed_call_come_in_parts(quotalab_session, provider, parts_of):
    parts = [part for part in parts_of(quotalab_session[provider]) if part]
    assert json.loads("".join(parts)) == {"city": "example"}
    assert len(parts) > 1
