"""What the tests of all clients say to the mock, and read from its refusals."""

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
    """A file that declares so many seconds of sound: 16,000 bytes for each, of which none are there."""
    sound = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 16000 * seconds)
    return ("question.wav", struct.pack("<4sI4s", b"RIFF", 36, b"WAVE") + sound, "audio/wav")


# What each way to fail looks like on the wire: provider of the scenario, key, model, max_tokens, status, code.
FAILURES = {
    "too large": ("limits", None, "many-words", 7000, 413, "rate_limit_exceeded"),
    "wrong key": ("serves", "nobody", MODEL, 10, 401, "invalid_api_key"),
    "unknown model": ("serves", KEY, "gpt-2", 10, 404, "model_not_found"),
    "flex is full": ("flex_is_full", KEY, MODEL, 10, 498, "capacity_exceeded"),
    "overload": ("is_overloaded", KEY, MODEL, 10, 503, None),
}


def announced_wait(message):
    """The wait that a refusal names, in seconds: `Please try again in 1m2.5s.`"""
    minutes, seconds, unit = re.search(r"try again in (?:(\d+)m)?([\d.]+)(ms|s)\.", message).groups()
    return 60 * int(minutes or 0) + float(seconds) / (1000 if unit == "ms" else 1)
