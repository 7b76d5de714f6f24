"""Compares quotalab with the independent simulator of this folder: `python3 compare.py BINARY [OPTION...]`.

Every scenario of scenarios/ runs on the same number of seeds in both. For each measure the means must lie within three standard
errors of their difference, by the spread over the seeds, plus a tolerance (RELATIVE, ABSOLUTE). The seeds are fixed, so the
outcome is the same on every machine. Prints a table; exits with 1 if a measure disagrees.

`--only year` compares the purchases of a year with an exhaustive search (year.py), which takes some minutes.

Options: `--only TEXT` (scenarios whose name contains it), `--seeds N`, and `--set PATH=VALUE`, which is passed to quotalab alone
and shows what the comparison can detect: `--only token-bucket --set providers.p.models.m.limits.tpm=8400` fails.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import year
from simulator import Simulation

SCENARIOS = pathlib.Path(__file__).parent / "scenarios"
SEEDS = 14
# The numbers of seeds of scenarios whose runs have very many jobs or few.
SEEDS_OF = {"05-year-of-growth": 6, "09-burst-in-the-hour": 40, "10-outage-and-hangs": 60, "14-batch-beside-a-chat": 10, "16-agents": 10}

# Scenarios that quotalab does not simulate by the rules. They are shown and must disagree: remove one from this set when it agrees.
PENDING: set[str] = set()

# The tolerance in addition to three standard errors: a share of the mean for quantities (quotalab states percentiles with three
# digits), and otherwise an absolute difference: in the number of jobs, in a share of the jobs, or in events per job.
RELATIVE = {"tokens/job": 0.005, "p50 latency": 0.005, "p95 latency": 0.005, "first refusal": 0.005}
RELATIVE |= {"p50 task latency": 0.005, "p95 task latency": 0.005, "calls/task": 0.005}
ABSOLUTE = 0.002


def simulate(path, seed):
    """Runs the independent simulator."""
    return Simulation(json.loads(path.read_text()), seed).run()


def run_quotalab(path, seed, binary, options):
    """Runs quotalab and returns the same measures. Exit code 1 is an expectation that does not hold, which does not matter
    here.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [binary, "sim", str(path), "--json", "--quiet", "--out", out, "--seed", str(seed), *options]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path.name}: {done.stderr}")
    result = json.loads(done.stdout)
    jobs, attempts, offered = result["jobs"], result["attempts"], result["jobs"]["offered"]
    return {
        "jobs": offered,
        **{f"success {w['name']}": w["succeeded"] / w["offered"] for w in result["workloads"]},
        "attempts/job": attempts["total"] / offered,
        "limited/job": attempts["limited"] / offered,
        "failed/job": attempts["failed"] / offered,
        "fell back/job": jobs["fell_back"] / offered,
        "tokens/job": (result["tokens"]["prompt"] + result["tokens"]["completion"]) / offered,
        "p50 latency": result["latency_s"]["p50"] if result["latency_s"]["count"] else math.nan,
        "p95 latency": result["latency_s"]["p95"] if result["latency_s"]["count"] else math.nan,
        "first refusal": (result.get("first_refusal") or {"at_s": math.inf})["at_s"],
        **{name: value for w in result["workloads"] if "tasks" in w for name, value in of_tasks(w).items()},
    }


def of_tasks(workload):
    """Returns the measures of a workload of sessions."""
    name, tasks = workload["name"], workload["tasks"]
    ended = tasks["offered"] - tasks["in_flight"]
    band = next((band for band in tasks["by_steps"] if band["from"] == 31), None)
    latency = tasks["latency_s"]
    return {
        f"tasks {name}": ended,
        f"task success {name}": tasks["succeeded"] / ended,
        "success, 31-40": band["succeeded"] / band["ended"] if band else math.nan,
        "calls/task": tasks["calls_per_task"],
        "p50 task latency": latency["p50"] if latency["count"] else math.nan,
        "p95 task latency": latency["p95"] if latency["count"] else math.nan,
    }


def compare(measure, ours, theirs):
    """Returns both means, the largest difference that is accepted, and whether they agree; `None` if nothing can be compared.

    If only one of the two has runs without a value, they disagree, and the smallest values are returned instead of the means.
    """
    if not all(map(math.isfinite, ours + theirs)):  # a run without a refusal, or without a success
        both = not any(all(map(math.isfinite, values)) for values in (ours, theirs))
        return None if both else (min(ours), min(theirs), 0.0, False)
    mean_ours, mean_theirs = statistics.fmean(ours), statistics.fmean(theirs)
    if mean_ours == mean_theirs == 0:
        return None
    error = math.sqrt(statistics.variance(ours) / len(ours) + statistics.variance(theirs) / len(theirs))
    allowed = 3 * error + (RELATIVE[measure] * mean_theirs if measure in RELATIVE else ABSOLUTE)
    return mean_ours, mean_theirs, allowed, abs(mean_ours - mean_theirs) <= allowed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    options = [word for change in given.set for word in ("--set", change)]
    paths = [path for path in sorted(SCENARIOS.glob("*.yaml")) if given.only in path.stem]
    with_year = given.only == year.SCENARIO.stem
    assert paths or with_year, f"no scenario is named {given.only}"
    wrong = []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = {}
        for path in paths:
            first = 100 * int(path.stem[:2])  # other seeds for every scenario, so that the comparisons are independent
            seeds = range(first, first + (given.seeds or SEEDS_OF.get(path.stem, SEEDS)))
            runs[path] = (
                [pool.submit(run_quotalab, path, seed, given.binary, options) for seed in seeds],
                [pool.submit(simulate, path, seed) for seed in seeds],
            )
        print(f"{'scenario':24}{'measure':16}{'quotalab':>13}{'oracle':>13}{'difference':>13}{'allowed':>13}")
        for path, (ours, theirs) in runs.items():
            ours, theirs, disagreements = [run.result() for run in ours], [run.result() for run in theirs], 0
            for measure in theirs[0]:
                found = compare(measure, [run[measure] for run in ours], [run[measure] for run in theirs])
                if found:
                    a, b, allowed, agrees = found
                    disagreements += not agrees
                    numbers = "".join(f"{value:>13.5g}" for value in (a, b, a - b, allowed))
                    print(f"{path.stem:24}{measure:16}{numbers}{'' if agrees else '  DISAGREES'}", flush=True)
            if (disagreements > 0) != (path.stem in PENDING):
                wrong.append(path.stem)
        if with_year and not year.compare(given.binary, pool):
            wrong.append(year.SCENARIO.stem)
    print(f"{len(paths)} scenarios; not as expected: {', '.join(wrong) or 'none'}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
