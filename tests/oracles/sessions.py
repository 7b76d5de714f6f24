"""Sessions of the independent simulator: turns of dependent calls whose context grows.

Written from docs/scenario.md (`sessions`). A turn is a task: it succeeds if all its calls do, and its user leaves at its deadline.
"""

import math

from limits import draw, number, per_second, seconds, words

SESSION_WORDS = "rate turns think calls fan_out tool_time context cached deadline leave"


class Sessions:
    """A workload of sessions."""

    def __init__(self, sim, workload):
        words(workload, "name route client sessions completion max_tokens")
        self.sim, self.workload, self.spec = sim, workload, words(workload["sessions"], SESSION_WORDS)
        words(self.spec["context"], "first growth")
        self.cached, self.leave = (float(self.spec.get(word, default).rstrip("%")) / 100 for word, default in (("cached", "0%"), ("leave", "100%")))
        self.tasks, self.latencies = [], []  # (steps, succeeded, calls) of the tasks that ended; seconds
        self.schedule_next(0.0)

    def count(self, word, most):
        return round(min(max(draw(self.spec.get(word, 1), number, self.sim.rng), 1), most))

    def time(self, word):
        return draw(self.spec.get(word, "0s"), seconds, self.sim.rng)

    def schedule_next(self, after):
        at = after + self.sim.rng.expovariate(per_second(self.spec["rate"]))
        if at < self.sim.duration:
            self.sim.at(at, self.sim.ARRIVAL, self.begin, at)

    def begin(self, at):
        self.schedule_next(at)
        Session(self).begin_turn()


class Session:
    def __init__(self, load):
        self.load, self.sim = load, load.sim
        self.turns_left = load.count("turns", 1000)
        self.context, self.before = max(1, round(draw(load.spec["context"]["first"], number, self.sim.rng))), 0

    def begin_turn(self):
        self.turns_left -= 1
        self.steps, self.step, self.calls, self.open, self.failed = self.load.count("calls", 1000), 0, 0, 0, False
        self.began, self.over = self.sim.now, False
        self.deadline = self.sim.now + seconds(self.load.spec["deadline"]) if "deadline" in self.load.spec else math.inf
        if self.deadline < math.inf:
            self.sim.at(self.deadline, self.sim.TIMER, self.leave_idle, self.began)
        self.begin_step()

    def leave_idle(self, began):
        """Ends the task at its deadline if a tool runs; calls in flight have the same deadline and end it otherwise."""
        if not self.over and self.began == began and not self.open:
            self.end(False)

    def begin_step(self):
        if self.over or self.sim.now >= self.deadline:
            return
        self.added, self.open = 0, self.load.count("fan_out", 100)
        for call in [self.sim.session_call(self) for _ in range(self.open)]:
            self.calls += 1
            self.added += call.completion + round(draw(self.load.spec["context"].get("growth", 0), number, self.sim.rng))
            self.sim.submit(call)

    def ended(self, succeeded):
        """A call of the current step ended."""
        self.open -= 1
        self.failed |= not succeeded
        if self.open:
            return
        if self.failed:
            return self.end(False)
        self.before, self.context, self.step = self.context, self.context + self.added, self.step + 1
        if self.step == self.steps:
            return self.end(True)
        self.sim.at(self.sim.now + self.load.time("tool_time"), self.sim.ARRIVAL, self.begin_step)

    def end(self, succeeded):
        self.over = True
        self.load.tasks.append((self.steps, succeeded, self.calls))
        if succeeded:
            self.load.latencies.append(self.sim.now - self.began)
        think = self.load.time("think")
        leaves = not succeeded and self.sim.rng.random() < self.load.leave
        if self.turns_left and not leaves and self.sim.now + think < self.sim.duration:
            self.sim.at(self.sim.now + think, self.sim.ARRIVAL, self.begin_turn)


def measures(load):
    """Returns the measures of tasks that compare.py compares."""
    name, tasks, latencies = load.workload["name"], load.tasks, sorted(load.latencies)
    share = lambda some: sum(good for _, good, _ in some) / len(some) if some else math.nan
    quantile = lambda q: latencies[max(0, math.ceil(q * len(latencies)) - 1)] if latencies else math.nan
    return {
        f"tasks {name}": len(tasks),
        f"task success {name}": share(tasks),
        "success, 31-40": share([task for task in tasks if 30 < task[0] <= 40]),
        "calls/task": sum(calls for _, _, calls in tasks) / len(tasks),
        "p50 task latency": quantile(0.50),
        "p95 task latency": quantile(0.95),
    }
