#!/usr/bin/env python3
"""Compares real programs with their imitations (`client: {like: NAME}`) on two loads.

    mock/clients/run && mock/clients/imitations.py QUOTALAB      about a minute, after `run` has installed the clients

Every program calls `quotalab mock` with its default settings; its imitation is simulated with several seeds. Served jobs,
attempts and the time until the last job ends must be within what the seeds span. Prints the table of ../README.md, and ends
with status 1 if a program differs from its imitation.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "python"))
from clients import CLIENTS as PYTHON  # noqa: E402

WORK = HERE.parent.parent / "target" / "clients"
SEEDS = range(1, 21)

MODEL = "openai/gpt-oss-20b"

# The name in `like:`, and the program's name in python/clients.py or, without an environment, in node/clients.mjs. The seconds of
# litellm are not compared: it sleeps once more after its last failure, which is not imitated.
PROGRAMS = [
    ("article", "article", PYTHON["article"].environment),
    ("openai-python", "openai", PYTHON["openai"].environment),
    ("groq-python", "groq", PYTHON["groq"].environment),
    ("litellm", "litellm, router", PYTHON["litellm, router"].environment),
    ("openai-node", "openai", None),
    ("groq-sdk", "groq-sdk", None),
    ("ai-sdk", "ai, @ai-sdk/groq", None),
]

# Each load: the arrivals of the scenario, its duration, and the same instants in seconds.
LOADS = {
    "60 at once": ("burst: 60, every: 1h", "30s", [0.0] * 60),
    "2 a second for 30 s": ("constant: 2/s", "30s", [at / 2 for at in range(60)]),
}

# How far each measure may lie outside the range over the seeds, because of delays of the machine: in jobs, attempts, seconds.
TOLERANCE = {"served": 1, "attempts": 8, "seconds": 2.0}
NOT_COMPARED = {("litellm", "seconds")}
# Requests that the limit of imitations.yaml regains per second: what a program that a busy machine delays may have served beyond.
REFILL_PER_SECOND = 30 / 60


def scenario(accounts):
    text = (HERE / "imitations.yaml").read_text()
    text = text.replace("ACCOUNTS", ", ".join(f"{name}: [{name}]" for name in accounts))
    return text.replace("ROUTE", f"groq/{accounts[0]}/{MODEL}")


def account(program, load):
    return f"{program}-{list(LOADS).index(load)}"


def start(program, load, provider):
    """Starts a program that waits for a line on stdin, with the variables of its account."""
    name, client, environment = program
    variables = {key: account(name, load) if key.endswith("_API_KEY") else value for key, value in provider["environment"].items()}
    interpreter = ["node", "load.mjs"] if environment is None else [WORK / environment / "bin/python", "-B", "load.py"]
    return subprocess.Popen(
        [*interpreter, client, MODEL, ",".join(map(str, LOADS[load][2]))],
        cwd=WORK / "node" if environment is None else HERE / "python",
        env=os.environ | variables,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def measured(quotalab, folder):
    """Returns what each program did under each load."""
    cases = [(program, load) for program in PROGRAMS for load in LOADS]
    path = folder / "mock.yaml"
    path.write_text(scenario([account(program[0], load) for program, load in cases]))
    mock = subprocess.Popen([quotalab, "mock", path, "--json", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        (provider,) = json.loads(mock.stdout.readline())["providers"]
        running = {(program[0], load): start(program, load, provider) for program, load in cases}
        for process in running.values():
            assert process.stdout.readline() == "ready\n"
        for process in running.values():
            process.stdin.write("go\n")
            process.stdin.flush()
            # The programs start one after the other, because seven bursts at one instant would measure the machine.
            time.sleep(0.7)
        results = {case: json.loads(process.communicate(timeout=180)[0]) for case, process in running.items()}
        with urllib.request.urlopen(f"{provider['control_plane']}/requests?last=10000") as reply:
            requests = json.load(reply)["requests"]
    finally:
        mock.kill()
    for (name, load), result in results.items():
        # Without those for an unknown model, with which the programs begin.
        result["attempts"] = sum(request["account"] == account(name, load) and request["model"] is not None for request in requests)
    return results


def simulated(quotalab, folder, name, load):
    """Returns what the imitation does under a load, for each seed."""
    arrivals, duration, _ = LOADS[load]
    path = folder / "sim.yaml"
    text = scenario(["default"]).replace("like: article", f"like: {name}").replace("burst: 60, every: 1h", arrivals)
    path.write_text(text.replace("duration: 1m", f"duration: {duration}"))
    for seed in SEEDS:
        events = folder / "events.jsonl"
        command = [quotalab, "sim", path, "--seed", str(seed), "--json", "--quiet", "--events", events]
        result = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
        last = json.loads(events.read_text().splitlines()[-1])
        yield {"served": result["jobs"]["succeeded"], "attempts": result["attempts"]["total"], "seconds": last["at_ns"] / 1e9}


def span(values):
    least, most = min(values), max(values)
    return f"{least:.3g}" if f"{least:.3g}" == f"{most:.3g}" else f"{least:.3g} to {most:.3g}"


def main():
    quotalab = str(Path(sys.argv[1]).resolve())
    differences = []
    print("| client | load | served | attempts | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        real = measured(quotalab, Path(folder))
        for name, load in real:
            seeds = list(simulated(quotalab, Path(folder), name, load))
            cells = []
            delay = max(0.0, real[name, load]["seconds"] - max(seed["seconds"] for seed in seeds))
            for measure, tolerance in TOLERANCE.items():
                value, values = real[name, load][measure], [seed[measure] for seed in seeds]
                cells.append(f"{value:.3g} ({span(values)})")
                regained = delay * REFILL_PER_SECOND if measure == "served" else 0.0
                is_near = min(values) - tolerance <= value <= max(values) + tolerance + regained
                if not is_near and (name, measure) not in NOT_COMPARED:
                    differences.append(f"{name}, {load}: {measure} {value:.3g}, not {span(values)}")
            print(f"| {name} | {load} | {' | '.join(cells)} |")
    print("\n".join(differences), file=sys.stderr)
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
