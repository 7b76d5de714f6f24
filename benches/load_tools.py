"""Compares `quotalab run` with oha as load tools: rate achieved and latency at 1,000, 3,000 and 5,000 requests a second.

    cargo build --release
    cargo install oha --locked --root target/tools
    python3 benches/load_tools.py

Both drive a mock of `load_tools.yaml` in a process of its own on this machine, with evenly spaced requests of the same body. `run`
starts its mock itself (`--mock-process`); oha drives one that `quotalab mock` serves. Latency counts from the instant at which a
request was due, not from when it was sent. `run` reports it so. oha with `--latency-correction` counts from when its timer for the
request fired, which may be late; so it is computed from the times that oha writes to a database (`--db-url`): the n-th request of
oha is due n ÷ rate after its start. The ratio to what oha reports itself is printed as well. The turns of the two alternate, and
a ratio is of two turns that follow one another, because other programs on the machine change both.

Ends with 1 if the median of the ratios of the rates, oha to `run`, or of the 99th percentiles, `run` to oha, is above LIMIT. Skips,
and says so, if oha cannot be found.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
SCENARIO = TOP / "benches" / "load_tools.yaml"
RATES = (1_000, 3_000, 5_000)
# The largest ratio of `run` to oha that is accepted.
LIMIT = 1.5
# Connections of oha: its default of 50 bounds the rate once a reply takes 10 ms.
CONNECTIONS = 200
# The time that a run may take in addition to its seconds of traffic.
GRACE_S = 60


def find_oha(given):
    """Returns the path of oha; None if there is none."""
    if given:
        return given
    local = TOP / "target" / "tools" / "bin" / "oha"
    return str(local) if local.exists() else shutil.which("oha")


class Mock:
    """A `quotalab mock` of the scenario, which ends with this block."""

    def __init__(self, quotalab):
        self.command = [quotalab, "mock", str(SCENARIO), "--listen", "127.0.0.1:0", "--json"]

    def __enter__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["providers"][0]["base_url"] + "/chat/completions"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def body_of_run():
    """Returns a body like those of `run`: as long, and with the same members."""
    content = "0123456789abcdef " + ("word " * 8)[:40]
    request = {"model": "m", "stream": False, "max_tokens": 20, "messages": [{"role": "user", "content": content}]}
    return json.dumps(request, separators=(",", ":"))


def run(quotalab, rate, seconds, folder):
    """Returns the rate of jobs that succeeded, the median and the 99th percentile in milliseconds, and the failures of `run`."""
    command = [quotalab, "run", str(SCENARIO), "--mock-process", "--for", f"{seconds}s", "--json", "--quiet"]
    command += ["--set", f"workload.0.arrivals.constant={rate}/s", "--out", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S)
    if not done.stdout:
        sys.exit(f"quotalab run failed: {done.stderr}")
    result = json.loads(done.stdout)
    jobs, latency = result["jobs"], result["latency_s"]
    took = max(result["duration_s"], result["ended_s"])
    return jobs["succeeded"] / took, latency["p50"] * 1e3, latency["p99"] * 1e3, jobs["offered"] - jobs["succeeded"]


def latencies_from_due(database, rate):
    """Returns the sorted latencies of oha's requests in seconds, each from the instant at which it was due."""
    with contextlib.closing(sqlite3.connect(database)) as rows:
        times = rows.execute("SELECT end FROM oha ORDER BY start_latency_correction").fetchall()
    return sorted(end - number / rate for number, (end,) in enumerate(times))


def quantile(values, share):
    """Returns a quantile of sorted values: the smallest that is not exceeded by this share of them."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def drive_with_oha(oha, url, rate, seconds, folder):
    """Returns the same figures for oha, and the 99th percentile in milliseconds that oha itself reports."""
    database = pathlib.Path(folder) / "oha.sqlite"
    database.unlink(missing_ok=True)
    command = [oha, "--no-tui", "--output-format", "json", "--latency-correction", "-c", str(CONNECTIONS)]
    command += ["-q", str(rate), "-z", f"{seconds}s", "-m", "POST", "-d", body_of_run(), "--db-url", str(database)]
    command += ["-H", "Authorization: Bearer default", "-T", "application/json", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S)
    if done.returncode != 0:
        sys.exit(f"oha failed: {done.stderr}")
    result = json.loads(done.stdout)
    codes, latencies = result["statusCodeDistribution"], latencies_from_due(database, rate)
    # Requests in flight when the time is over are aborted on purpose.
    errors = sum(number for what, number in result["errorDistribution"].items() if "deadline" not in what)
    ok = codes.get("200", 0)
    failed = errors + sum(codes.values()) - ok
    p50, p99 = (quantile(latencies, share) * 1e3 for share in (0.5, 0.99))
    return ok / result["summary"]["total"], p50, p99, failed, result["latencyPercentiles"]["p99"] * 1e3


def check(url):
    """Ends the program unless the mock answers the body of oha."""
    headers = {"Authorization": "Bearer default", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body_of_run().encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        json.load(reply)["choices"]


def compare(arguments, oha):
    """Prints the table and returns whether every ratio is within the limit."""
    print(f"{'rate':>6}  {'tool':<5}{'achieved/s':>12}{'p50, ms':>10}{'p99, ms':>10}{'failed':>8}   p99 of each turn, ms")
    within = True
    with tempfile.TemporaryDirectory() as folder, Mock(arguments.quotalab) as mock:
        check(mock.url)
        for rate in RATES:
            turns = {"run": [], "oha": []}
            for _ in range(arguments.turns):
                turns["run"].append(run(arguments.quotalab, rate, arguments.seconds, folder))
                turns["oha"].append(drive_with_oha(oha, mock.url, rate, arguments.seconds, folder))
            for tool, measured in turns.items():
                achieved, p50, p99 = (statistics.median(turn[part] for turn in measured) for part in range(3))
                failed = sum(turn[3] for turn in measured)
                each = " ".join(f"{turn[2]:.2f}" for turn in measured)
                print(f"{rate:>6}  {tool:<5}{achieved:>12.0f}{p50:>10.3f}{p99:>10.3f}{failed:>8}   {each}")
            pairs = list(zip(turns["run"], turns["oha"]))
            of_rate = statistics.median(oha[0] / run[0] for run, oha in pairs)
            of_p99 = statistics.median(run[2] / oha[2] for run, oha in pairs)
            # Against what oha reports itself, which leaves out how late its timers were.
            of_own = statistics.median(run[2] / oha[4] for run, oha in pairs)
            ratios = f"rate of oha ÷ run {of_rate:.2f}, p99 of run ÷ oha {of_p99:.2f} (at most {LIMIT})"
            print(f"{'':>6}  {ratios}, ÷ oha as it counts {of_own:.2f}; load {os.getloadavg()[0]:.1f}", flush=True)
            within = within and max(of_rate, of_p99) <= LIMIT
    return within


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quotalab", default=str(TOP / "target" / "release" / "quotalab"))
    parser.add_argument("--oha", help="the path of oha [default: target/tools/bin/oha, or that of PATH]")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    oha = find_oha(arguments.oha)
    if oha is None:
        print("skipped: oha is not installed; `cargo install oha --locked --root target/tools` installs it")
        return 0
    return 0 if compare(arguments, oha) else 1


if __name__ == "__main__":
    sys.exit(main())
