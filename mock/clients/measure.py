#!/usr/bin/env python3
"""What each client really does when it is refused: how often it comes, and how long it waits in between.

    mock/clients/run && mock/clients/measure.py          about three minutes, after `run` has installed the clients

A server on loopback refuses everything and notes when calls arrive. Every client asks one question with its own
defaults, several times over, under each kind of refusal; what is printed is the table of ../README.md.
"""

import json
import os
import re
import subprocess
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent.parent / "target" / "clients"
PATIENCE = 220  # seconds: two waits of 70 s and an interpreter that takes its time to start

# Each client, and how it is started and asked for its version.
PYTHON = {"openai": "sdks", "groq": "sdks", "litellm": "litellm", "litellm_router": "litellm"}
NODE = ["openai", "groq-sdk", "ai"]

# Each kind of refusal: status, retry-after, and how often each client is asked.
CASES = {
    "429, 2": (429, "2", 5),
    "429, 0.5": (429, "0.5", 3),
    "429, absent": (429, None, 10),
    "429, 70": (429, "70", 1),
    "413, 19": (413, "19", 1),
    "498": (498, None, 1),
    "503": (503, None, 3),
}


# What each status says: some clients go by the words as well.
WORDS = {
    413: ("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", "rate_limit_exceeded"),
    429: ("Rate limit reached for model `m` on requests per minute (RPM): Limit 30, Used 30, Requested 1", "rate_limit_exceeded"),
    498: ("Flex tier capacity exceeded.", "capacity_exceeded"),
    503: ("m is currently over capacity. Please try again and back off exponentially.", None),
}


class Recorder(BaseHTTPRequestHandler):
    """Refuses whatever arrives at /CASE/RUN/… as the case says, and notes when."""

    protocol_version = "HTTP/1.1"
    arrivals = defaultdict(list)

    def do_POST(self):
        now = time.monotonic()
        self.rfile.read(int(self.headers["content-length"]))
        _, case, run, *_ = self.path.split("/")
        self.arrivals[run].append(now)
        status, retry_after, _ = list(CASES.values())[int(case)]
        message, code = WORDS[status]
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
        """A client that was given up on breaks its connection; that is no news."""


def ask(command, cwd, address, case, run):
    """Runs one client once; returns the gaps between its arrivals, and whether it was given up on."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    try:
        subprocess.run([*command, f"{address}/{case}/{run}"], cwd=cwd, timeout=PATIENCE, env=environment, **quiet)
        lasts = False
    except subprocess.TimeoutExpired:
        lasts = True
    times = Recorder.arrivals[run]
    return [later - earlier for earlier, later in zip(times, times[1:])], lasts


def clients():
    """Name and version, command and folder of each client."""
    for name, environment in PYTHON.items():
        python = WORK / environment / "bin" / "python"
        package = name.removesuffix("_router")
        found = subprocess.run([python, "-m", "pip", "show", package], capture_output=True, text=True, check=True)
        version = re.search(r"Version: (\S+)", found.stdout).group(1)
        label = f"{package} {version}" + (", router" if name != package else "")
        yield f"{label} (Python)", [str(python), "-B", "ask.py", name], HERE / "python"
    for name in NODE:
        package = json.loads((WORK / "node" / "node_modules" / name / "package.json").read_text())
        yield f"{name} {package['version']} (Node)", ["node", "ask.mjs", name], WORK / "node"


def told(runs):
    """`3 tries: 2.00, 2.01–2.02`: each gap from its shortest to its longest."""
    tries = {len(gaps) + 1 for gaps, _ in runs}
    text = "/".join(map(str, sorted(tries)))
    gaps = [sorted(column) for column in zip(*(gaps for gaps, _ in runs))]
    if gaps:
        spans = (f"{gap[0]:.2f}" + (f"–{gap[-1]:.2f}" if len(gap) > 1 else "") for gap in gaps)
        text += ": " + ", ".join(spans)
    return text + (" …" if any(lasts for _, lasts in runs) else "")


def main():
    server = Server(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    # Few at a time, or interpreters that start beside each other are what is measured; the long waits cost nothing.
    crowd, sleepers = ThreadPoolExecutor(3), ThreadPoolExecutor(32)
    rows = {}
    for name, command, cwd in clients():
        for case, (_, retry_after, times) in enumerate(CASES.values()):
            pool = sleepers if retry_after == "70" else crowd
            runs = (f"{name}, {case}, {run}".replace(" ", "-").replace("/", "-") for run in range(times))
            rows[name, case] = [pool.submit(ask, command, cwd, address, case, run) for run in runs]
    names = list(dict.fromkeys(name for name, _ in rows))
    print("| client | " + " | ".join(CASES) + " |")
    print("|---" * (len(CASES) + 1) + "|")
    for name in names:
        cells = [told([each.result() for each in rows[name, case]]) for case in range(len(CASES))]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
