"""Compares `quotalab plan --growth --months` with the independent simulator and an exhaustive search over all orders of purchases.

Every set of offers that can be owned is simulated here at the load of every month, for days after a time in which its limits lose
the advantage of a full start. A set holds a month if the rule on success holds on every seed; its cost of use is what the jobs that
succeeded cost. All orders are then compared without any pruning: a state is a month, what is owned, and what is still committed.
Only the words that this file's scenario uses are modelled.
"""

import copy
import functools
import itertools
import json
import math
import pathlib
import subprocess
import tempfile

from limits import per_second, seconds
from simulator import TIMER, Simulation

SCENARIO = pathlib.Path(__file__).parent / "year.yaml"
GROWTH, MONTHS, DAYS_PER_MONTH = 1.12, 12, 365.25 / 12
WARM_UP, DAYS, SEEDS = 12, 40, 2
# What the costs may differ by, as shares. A plan prices a month from single days that begin with the mean level of the daily limit; here
# the days follow one another, and on days after busy ones more goes to the dear fallback. Which sets are owned must be equal.
MONTH_TOLERANCE, YEAR_TOLERANCE = 0.08, 0.03


def money(text):
    """Reads `20 USD/month` or `15 USD`."""
    return float(text.split("USD")[0])


class Offers:
    """The offers of a scenario, and the sets that can be owned."""

    def __init__(self, specs):
        self.specs = specs
        index = {spec["name"]: place for place, spec in enumerate(specs)}
        self.requires = [[index[name] for name in spec.get("requires", [])] for spec in specs]
        self.replaces = [[index[name] for name in spec.get("replaces", [])] for spec in specs]
        self.fee = [money(spec.get("fee", "0 USD/month")) for spec in specs]
        self.setup = [money(spec.get("setup", "0 USD")) for spec in specs]
        self.commitment = [int(spec.get("commitment", "1 month").split()[0]) for spec in specs]
        self.first = [int(spec.get("from", "month 1").split()[1]) for spec in specs]
        self.sets = [owned for owned in itertools.product((False, True), repeat=len(specs)) if self.is_valid(owned)]

    def is_valid(self, owned):
        has = [place for place, is_owned in enumerate(owned) if is_owned]
        serves = lambda required: owned[required] or any(required in self.replaces[other] for other in has)
        return all(
            not any(owned[replaced] for replaced in self.replaces[place]) and all(map(serves, self.requires[place]))
            for place in has
        )


def with_offers(scenario, offers, owned, rate):
    """Returns the scenario with a set of offers and this number of jobs in a second."""
    scenario = copy.deepcopy(scenario)
    chosen = [spec for spec, is_owned in zip(offers.specs, owned) if is_owned]
    for spec in chosen:
        for path, value in spec.get("set", {}).items():
            *parents, last = path.split(".")
            functools.reduce(lambda node, key: node[key], parents, scenario)[last] = value
    for spec in chosen:
        if "account" in spec:
            name = spec["account"]
            scenario["providers"][name]["accounts"] = {"default": {}, "more": {}}
            for step in itertools.chain.from_iterable(scenario["routes"].values()):
                step["of"] += [target.replace("/default/", "/more/") for target in step["of"] if target.startswith(f"{name}/")]
    scenario["workload"][0]["arrivals"]["poisson"] = f"{rate * 3600:.9f}/h"
    prices = {name: provider["models"]["m"].pop("price") for name, provider in scenario["providers"].items()}
    scenario["duration"] = f"{WARM_UP + DAYS}d"
    del scenario["expect"], scenario["offers"]
    return scenario, prices


def run(scenario, offers, owned, month, seed):
    """Returns the success of the days after the warm-up, and what they cost a day."""
    rate = per_second(scenario["workload"][0]["arrivals"]["poisson"]) * GROWTH ** (month - 1)
    scenario, prices = with_offers(scenario, offers, owned, rate)
    sim = Simulation(scenario, seed)
    (client,) = sim.clients["default"]
    succeeded, cost, before = client.succeeded, [0.0], {}
    names = {}
    for route in client.routes.values():
        for step, targets in zip(scenario["routes"]["r"], route):
            names.update({id(target.server): name.split("/")[0] for name, target in zip(step["of"], targets["targets"])})

    def price(attempt):
        if not attempt.job.over:
            price = prices[names[id(attempt.target.server)]]
            cost[0] += (attempt.job.prompt * price["input"] + attempt.job.completion * price["output"]) / 1e6
        succeeded(attempt)

    client.succeeded = price
    sim.at(seconds(f"{WARM_UP}d"), TIMER, lambda: before.update(sim.count, cost=cost[0]))
    sim.run()
    offered = sim.count["offered"] - before.get("offered", 0)
    return (sim.count["succeeded"] - before.get("succeeded", 0)) / offered, (cost[0] - before["cost"]) / DAYS


def measure(offers, scenario, pool):
    """Returns the cost of use of every set in every month that it holds, by set and month."""
    usage = {}
    cells = [(owned, month) for owned in offers.sets for month in range(1, MONTHS + 1)]
    runs = {cell: [pool.submit(run, scenario, offers, *cell, 9000 + seed) for seed in range(SEEDS)] for cell in cells}
    for cell, results in runs.items():
        successes, costs = zip(*(result.result() for result in results))
        if min(successes) >= 0.99:
            usage[cell] = sum(costs) / len(costs) * DAYS_PER_MONTH
    return usage


def cheapest(offers, usage):
    """Returns the sum and the sets of the cheapest of all orders of purchases."""

    @functools.cache
    def after(month, owned, committed):
        """The cheapest months from `month` on, with what is owned before it and for how many further months it is committed."""
        if month > MONTHS:
            return 0.0, ()
        best = (math.inf, ())
        for chosen in offers.sets:
            if (chosen, month) not in usage:
                continue
            bought = [now and not then for now, then in zip(chosen, owned)]
            if any(is_new and month < first for is_new, first in zip(bought, offers.first)):
                continue
            left = tuple(c if is_new else max(b, 0) for is_new, c, b in zip(bought, offers.commitment, committed))
            # What is committed is due whether it is owned or not; bought again, it is committed anew.
            due = sum(fee for fee, now, months in zip(offers.fee, chosen, left) if now or months > 0)
            due += sum(setup for setup, is_new in zip(offers.setup, bought) if is_new) + usage[chosen, month]
            rest, sets = after(month + 1, chosen, tuple(max(months - 1, 0) for months in left))
            best = min(best, (due + rest, (chosen, *sets)), key=lambda order: order[0])
        return best

    nothing = tuple(False for _ in offers.specs)
    return after(1, nothing, tuple(0 for _ in offers.specs))


def compare(binary, pool):
    """Prints the months of both, and returns whether they agree."""
    scenario = json.loads(SCENARIO.read_text())
    offers = Offers(scenario["offers"])
    with tempfile.TemporaryDirectory() as out:
        growth = ["--growth", "12%/month", "--months", str(MONTHS)]
        command = [binary, "plan", str(SCENARIO), *growth, "--replicas", "2", "--json", "--quiet", "--out", out]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{SCENARIO.name}: {done.stderr}")
    year = json.loads(done.stdout)["year"]
    usage = measure(offers, scenario, pool)
    total, sets = cheapest(offers, usage)
    agrees = len(year["months"]) == MONTHS and abs(year["total_usd"] - total) <= YEAR_TOLERANCE * total
    print(f"{'month':8}{'quotalab: owned':40}{'oracle: owned':40}{'use':>9}{'oracle':>9}")
    for month, owned in zip(year["months"], sets):
        names = [spec["name"] for spec, is_owned in zip(offers.specs, owned) if is_owned]
        expected = usage[owned, month["month"]]
        is_equal = month["owned"] == names and abs(month["usage_usd"] - expected) <= MONTH_TOLERANCE * expected
        agrees &= is_equal
        ours, theirs = (", ".join(each) or "–" for each in (month["owned"], names))
        costs = f"{month['usage_usd']:>9.2f}{expected:>9.2f}{'' if is_equal else '  DISAGREES'}"
        print(f"{month['month']:<8}{ours:40}{theirs:40}{costs}", flush=True)
    print(f"{'year':88}{year['total_usd']:>9.2f}{total:>9.2f}{'' if agrees else '  DISAGREES'}")
    return agrees
