#!/usr/bin/env python3
"""Measures how each client retries after a refusal: the number of attempts and the time between them.

    mock/clients/run && mock/clients/measure.py          about three minutes, after `run` has installed the clients

A server on loopback refuses every request and records when it arrives. Every client sends one request with its default
settings, several times for each kind of refusal. The script prints the table of ../README.md.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "python"))
from clients import CLIENTS  # noqa: E402

WORK = HERE.parent.parent / "target" / "clients"
TIMEOUT = 220  # Seconds per run: longer than two waits of 70 s and the start of the interpreter.

MODEL = "openai/gpt-oss-20b"
# The clients by their names in python/clients.py and node/clients.mjs, with the npm package whose version is shown.
PYTHON = ["openai", "groq", "litellm", "litellm, router"]
NODE = {"openai": "openai", "groq-sdk": "groq-sdk", "ai, @ai-sdk/groq": "ai"}

# Each kind of refusal by its column title: the status, the value of `retry-after`, and the number of runs per client.
CASES = {
    "429, 2": (429, "2", 5),
    "429, 0.5": (429, "0.5", 3),
    "429, absent": (429, None, 10),
    "429, 70": (429, "70", 1),
    "413, 19": (413, "19", 1),
    "498": (498, None, 1),
    "503": (503, None, 3),
}


# The message and code of each status, which some clients read too.
ERRORS = {
    413: ("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", "rate_limit_exceeded"),
    429: ("Rate limit reached for model `m` on requests per minute (RPM): Limit 30, Used 30, Requested 1", "rate_limit_exceeded"),
    498: ("Flex tier capacity exceeded.", "capacity_exceeded"),
    503: ("m is currently over capacity. Please try again and back off exponentially.", None),
}


class Recorder(BaseHTTPRequestHandler):
    """Refuses every request to /CASE/RUN/… with the refusal of CASE, an index into CASES, and records when it arrived."""

    protocol_version = "HTTP/1.1"
    arrivals = defaultdict(list)

    def do_POST(self):
        now = time.monotonic()
        self.rfile.read(int(self.headers["content-length"]))
        _, case, run, *_ = self.path.split("/")
        self.arrivals[run].append(now)
        status, retry_after, _ = list(CASES.values())[int(case)]
        message, code = ERRORS[status]
        body = json.dumps({"error": {"message": message, "type": "tokens", "code": code}})
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if retry_after is not None:
            self.send_header("retry-after", retry_after)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """Ignores the errors of connections that a stopped client leaves."""


def measure(command, cwd, address, case, run):
    """Runs one client once. Returns the times between its requests in seconds, and whether it was stopped at the timeout."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    root = f"{address}/{case}/{run}"
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "GROQ_API_KEY": "k", "OPENAI_API_KEY": "k"}
    environment |= {"GROQ_BASE_URL": root, "OPENAI_BASE_URL": f"{root}/openai/v1"}
    try:
        subprocess.run([*command, MODEL], cwd=cwd, timeout=TIMEOUT, env=environment, **quiet)
        timed_out = False
    except subprocess.TimeoutExpired:
        timed_out = True
    arrivals = Recorder.arrivals[run]
    return [later - earlier for earlier, later in zip(arrivals, arrivals[1:])], timed_out


def clients():
    """Yields, for each client, its name with the version, the command that sends its request, and the working directory."""
    for name in PYTHON:
        client = CLIENTS[name]
        python = WORK / client.environment / "bin" / "python"
        shown = subprocess.run([python, "-m", "pip", "show", client.package], capture_output=True, text=True, check=True)
        version = re.search(r"Version: (\S+)", shown.stdout).group(1)
        label = f"{client.package} {version}" + name.removeprefix(client.package)
        yield f"{label} (Python)", [str(python), "-B", "ask.py", name], HERE / "python"
    for name, package in NODE.items():
        version = json.loads((WORK / "node" / "node_modules" / package / "package.json").read_text())["version"]
        yield f"{package} {version} (Node)", ["node", "ask.mjs", name], WORK / "node"


def summary(runs):
    """Returns a text such as `3: 2.00, 2.01–2.02`: the number of attempts, and the range of each time between them. An
    ellipsis follows if a run was stopped at the timeout."""
    attempts = {len(gaps) + 1 for gaps, _ in runs}
    text = "/".join(map(str, sorted(attempts)))
    gaps = [sorted(column) for column in zip(*(gaps for gaps, _ in runs))]
    if gaps:
        ranges = (f"{gap[0]:.2f}" + (f"–{gap[-1]:.2f}" if len(gap) > 1 else "") for gap in gaps)
        text += ": " + ", ".join(ranges)
    return text + (" …" if any(timed_out for _, timed_out in runs) else "")


def main():
    server = Server(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    # Few run at a time, because interpreters that start together would distort the times. The long waits use no CPU.
    short, long = ThreadPoolExecutor(3), ThreadPoolExecutor(32)
    rows = {}
    for name, command, cwd in clients():
        for case, (_, retry_after, number_of_runs) in enumerate(CASES.values()):
            pool = long if retry_after == "70" else short
            runs = (f"{name}, {case}, {run}".replace(" ", "-").replace("/", "-") for run in range(number_of_runs))
            rows[name, case] = [pool.submit(measure, command, cwd, address, case, run) for run in runs]
    names = list(dict.fromkeys(name for name, _ in rows))
    print("| client | " + " | ".join(CASES) + " |")
    print("|---" * (len(CASES) + 1) + "|")
    for name in names:
        cells = [summary([run.result() for run in rows[name, case]]) for case in range(len(CASES))]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
