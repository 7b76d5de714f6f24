"""The parts of requests that the tests of all clients send, and a parser of refusals."""

import re
import struct

KEY = "default"
MODEL = "openai/gpt-oss-20b"
QUESTION = [{"role": "user", "content": "hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
WHISPER = "whisper-large-v3"


def wav(seconds):
    """Returns a WAV file whose header declares this number of seconds of sound (16,000 bytes per second), without the sound."""
    chunks = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 16000 * seconds)
    return ("question.wav", struct.pack("<4sI4s", b"RIFF", 36, b"WAVE") + chunks, "audio/wav")


# Each failure: provider of the scenario, key (None: that of the client's own account), model, max_tokens, status, code.
FAILURES = {
    "oversize": ("limited", None, "many-words", 7000, 413, "rate_limit_exceeded"),
    "invalid key": ("available", "unknown", MODEL, 10, 401, "invalid_api_key"),
    "unknown model": ("available", KEY, "gpt-2", 10, 404, "model_not_found"),
    "flex is full": ("flex_full", KEY, MODEL, 10, 498, "capacity_exceeded"),
    "overload": ("overloaded", KEY, MODEL, 10, 503, None),
}


def announced_wait(message):
    """Returns the wait in the message of a refusal, in seconds: `Please try again in 1m2.5s.`"""
    minutes, seconds, unit = re.search(r"try again in (?:(\d+)m)?([\d.]+)(ms|s)\.", message).groups()
    return 60 * int(minutes or 0) + float(seconds) / (1000 if unit == "ms" else 1)
