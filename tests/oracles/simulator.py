"""An independent simulator of the scenario language: the oracle with which quotalab is compared.

It is written from ARCHITECTURE.md, docs/scenario.md and mock/README.md, and for the rules of the client that they do not state from
event logs (see `Client`), not from the engine. It is a plain discrete-event simulation with one queue of events, floats, and
Python's own random numbers. Two runs of the same scenario therefore agree in distribution, not in bytes; compare.py tests that they
do. It needs only the standard library.

Modelled: arrivals (constant, poisson, steps, burst, users; shape), batches, sessions (see sessions.py), sizes and times (constant,
lognormal, exponential, uniform), limits per account and model (token bucket, fixed window, sliding log, concurrency; see limits.py),
reservation and settlement, latency, slots, network, incidents (a status, `timeout`), and clients with processes, deadline, attempts,
backoff, `retry-after`, cool-downs, ejection, and routes of steps (`in_order`, `round_robin`). A word that is not modelled is an error.
"""

import collections
import heapq
import itertools
import math
import random

from limits import Meter, draw, number, per_second, seconds, words
from sessions import Sessions, measures

DEFAULT_MAX_TOKENS = 1024  # reserved for a call without `max_tokens`
EJECT_AFTER, EJECT_FOR = 5, 30.0  # consecutive failures; seconds

# The order of events at one instant.
TIMER, REPLY, ARRIVAL = range(3)


# The provider


class Attempt:
    """One send of a job to one target."""

    def __init__(self, job, target, network):
        self.job, self.target, self.half_trip = job, target, network / 2
        self.charged, self.state = None, "travelling"  # then queued, served, ended
        self.begin = self.first_token = 0.0


class Server:
    """One model of a provider, over all its accounts."""

    def __init__(self, sim, provider, model):
        self.sim, self.incidents = sim, [words(incident, "at for fault share") for incident in provider.get("incidents", [])]
        for fault in (incident["fault"] for incident in self.incidents):
            assert fault == "timeout" or isinstance(fault, int), f"not modelled: the fault {fault}"
        self.latency = words(model.get("latency", {}), "first_token prefill cached_prefill output total network slots")
        self.free_slots, self.queue = self.latency.get("slots", math.inf), collections.deque()

    def travel(self, attempt, event, *args):
        self.sim.at(self.sim.now + attempt.half_trip, REPLY, event, attempt, *args)

    def receive(self, attempt):
        """Decides on a call: an incident first, then the limits. Nothing is charged for a fault or a refusal."""
        if attempt.state == "ended":
            return
        job, now = attempt.job, self.sim.now
        for incident in self.incidents:
            begins = seconds(incident["at"])
            share = float(incident.get("share", "100%").rstrip("%")) / 100
            if begins <= now < begins + seconds(incident["for"]) and self.sim.rng.random() < share:
                if incident["fault"] != "timeout":
                    self.travel(attempt, attempt.job.client.failed)
                return
        attempt.charged, wait = attempt.target.meter.admit(job.prompt + job.max_tokens, now)
        if attempt.charged is None:
            self.travel(attempt, attempt.job.client.limited, wait)
        else:
            attempt.state = "queued"
            self.queue.append(attempt)
            self.start_queued()

    def start_queued(self):
        while self.queue and self.free_slots:
            attempt = self.queue.popleft()
            if attempt.state == "queued":
                self.free_slots -= 1
                self.start(attempt)

    def start(self, attempt):
        latency, job, rng = self.latency, attempt.job, self.sim.rng
        attempt.state, attempt.begin = "served", self.sim.now
        if "total" in latency:
            attempt.first_token = end = self.sim.now + draw(latency["total"], seconds, rng)
        else:
            speed = lambda word: number(latency[word].split()[0]) if word in latency else math.inf
            prefill = (job.prompt - job.cached) / speed("prefill") + job.cached / speed("cached_prefill")
            attempt.first_token = self.sim.now + draw(latency.get("first_token", "200ms"), seconds, rng) + prefill
            end = attempt.first_token + max(0, job.completion - 1) / self.speed()
        self.sim.at(end, REPLY, self.finish, attempt)

    def speed(self):
        return number(self.latency.get("output", "300 tok/s").split()[0])

    def finish(self, attempt):
        if attempt.state == "served":
            self.release(attempt, attempt.job.completion)
            self.travel(attempt, attempt.job.client.succeeded)

    def cancel(self, attempt):
        """Ends an attempt whose client has left. If it was served, its prompt and the tokens so far are charged, and its slot is free."""
        generated = 0
        if attempt.state == "served" and self.sim.now >= attempt.first_token:
            generated = 1 + math.floor((self.sim.now - attempt.first_token) * self.speed())
        self.release(attempt, generated)

    def release(self, attempt, completion):
        """Ends an attempt at the provider, and settles it if it was admitted and has not ended."""
        state, attempt.state = attempt.state, "ended"
        if state in ("queued", "served"):
            job = attempt.job
            used = job.prompt + completion if state == "served" else 0
            attempt.target.meter.settle(attempt.charged, job.prompt + job.max_tokens - used, self.sim.now)
            self.sim.count["tokens"] += used
        if state == "served":
            self.free_slots += 1
            self.start_queued()


# The client


class Target:
    """An account and a model, as one process of a client knows it. Its meter is the provider's, and the same for all."""

    def __init__(self, server, meter):
        self.server, self.meter = server, meter
        self.cool_until, self.failures = 0.0, 0


class Job:
    """One job with its sizes, which are drawn when it arrives."""

    def __init__(self, sim, workload, then=None, session=None):
        """`then` is called with whether the job succeeded when it has ended. `session` is that whose call it is."""
        rng, name = sim.rng, workload["name"]
        processes = sim.clients[workload.get("client", "default")]
        self.client = processes[sim.submitted[name] % len(processes)]
        sim.submitted[name] += 1
        self.workload, self.then, self.arrived = workload, then, sim.now
        self.prompt = session.context if session else round(draw(workload["prompt"], number, rng))
        self.cached = round(session.load.cached * session.before) if session else 0
        self.deadline, self.succeeded = session.deadline if session else math.inf, False
        self.max_tokens = workload.get("max_tokens", DEFAULT_MAX_TOKENS)
        self.completion = round(draw(workload["completion"], number, rng))
        if "max_tokens" in workload:
            self.completion = min(self.completion, self.max_tokens)
        self.attempts, self.waits, self.tried, self.attempt = 0, 0, set(), None
        self.over = False


class Client:
    """How one process sends jobs. No page states these rules in full; they were read from event logs of small runs, so that agreement
    on them shows that the rules are complete, not that they are right.

    * A job takes the first target of its route, step by step, that is not in cool-down and that has not just refused or
      failed it. `round_robin` starts behind the target that was chosen last, for a first attempt and for a retry alike.
    * A refusal with a wait puts its target in cool-down for all jobs, from the instant of the reply. If all targets of a route
      are in cool-down, a job waits for the first of them, and then the random part of a backoff.
    * Otherwise a job that every target has refused or failed waits a backoff. Then all targets may be tried again.
    * The n-th backoff of a job, of either kind, is `base` doubled n - 1 times, at most `cap`.
    * A job whose wait would end at or after its deadline is given up at once.
    """

    def __init__(self, sim, spec, routes):
        words(spec, "deadline retry eject processes")
        retry = words(spec.get("retry", {}), "attempts backoff obey_retry_after")
        backoff = words(retry.get("backoff", {}), "base cap jitter")
        self.sim, self.routes, self.deadline = sim, routes, seconds(spec.get("deadline", "1m"))
        self.attempts, self.obeys = retry.get("attempts", 3), retry.get("obey_retry_after", True)
        self.base, self.cap = seconds(backoff.get("base", "500ms")), seconds(backoff.get("cap", "8s"))
        self.jitter, self.ejects = backoff.get("jitter", "full"), spec.get("eject") != "off"

    def submit(self, job):
        self.sim.count["offered"] += 1
        self.sim.by_workload[job.workload["name"]][0] += 1
        job.deadline = min(job.deadline, job.arrived + self.deadline)
        self.sim.at(job.deadline, TIMER, self.give_up, job)
        self.dispatch(job)

    def dispatch(self, job):
        """Sends the job to the first target that is free, or lets it wait, or gives it up if the wait ends too late."""
        now, route = self.sim.now, self.routes[job.workload["route"]]
        for position, step in enumerate(route):
            for offset in range(len(step["targets"])):
                index = (step["next"] + offset) % len(step["targets"])
                target = step["targets"][index]
                if target.cool_until <= now and target not in job.tried:
                    if step["pick"] == "round_robin":
                        step["next"] = index + 1
                    return self.send(job, target, position)
        earliest = min(target.cool_until for step in route for target in step["targets"])
        until = max(earliest, now) + self.backoff(job, beyond_stated_wait=earliest > now)
        if until >= job.deadline:
            return self.end(job)
        self.sim.at(until, TIMER, self.wake, job)

    def backoff(self, job, beyond_stated_wait):
        """Returns the next backoff. After a wait that a reply stated, only its random part remains."""
        wait = min(self.cap, self.base * 2**job.waits)
        job.waits += 1
        fixed, spread = {"none": (wait, 0.0), "full": (0.0, wait), "equal": (wait / 2, wait / 2)}[self.jitter]
        return (0.0 if beyond_stated_wait else fixed) + spread * self.sim.rng.random()

    def wake(self, job):
        if not job.over:
            job.tried.clear()
            self.dispatch(job)

    def send(self, job, target, position):
        job.attempts += 1
        job.tried.add(target)
        self.sim.count["attempts"] += 1
        network = draw(target.server.latency["network"], seconds, self.sim.rng)
        job.attempt, job.position = Attempt(job, target, network), position
        target.server.travel(job.attempt, target.server.receive)

    def succeeded(self, attempt):  # one of the three replies: succeeded, limited, failed
        job = attempt.job
        if not job.over:
            attempt.target.failures = 0
            self.sim.count["succeeded"] += 1
            self.sim.count["fell_back"] += job.position > 0
            self.sim.by_workload[job.workload["name"]][1] += 1
            self.sim.latencies.append(self.sim.now - job.arrived)
            job.succeeded = True
            self.end(job)

    def limited(self, attempt, wait):
        self.sim.count["limited"] += 1
        self.sim.first_refusal = min(self.sim.first_refusal, self.sim.now - attempt.half_trip)
        if self.obeys and wait is not None:
            attempt.target.cool_until = max(attempt.target.cool_until, self.sim.now + wait)
        self.retry(attempt)

    def failed(self, attempt):
        if not attempt.job.over:
            self.count_failure(attempt)
            self.retry(attempt)

    def count_failure(self, attempt):
        """Counts a failure. Consecutive ones eject the target, unless all other targets of the route are in cool-down."""
        self.sim.count["failed"] += 1
        target, now = attempt.target, self.sim.now
        target.failures += 1
        route = self.routes[attempt.job.workload["route"]]
        others = any(t is not target and t.cool_until <= now for step in route for t in step["targets"])
        if self.ejects and others and target.failures >= EJECT_AFTER:
            target.cool_until = max(target.cool_until, now + EJECT_FOR)

    def retry(self, attempt):
        job = attempt.job
        if not job.over:
            job.attempt = None
            self.dispatch(job) if job.attempts < self.attempts else self.end(job)

    def give_up(self, job):
        if not job.over:
            if job.attempt:
                self.count_failure(job.attempt)
                job.attempt.target.server.cancel(job.attempt)
            self.end(job)

    def end(self, job):
        job.over, job.attempt = True, None
        if job.then:
            job.then(job.succeeded)


# A run


class Simulation:
    """One run of a scenario with one seed."""

    TIMER, ARRIVAL = TIMER, ARRIVAL

    def __init__(self, scenario, seed):
        words(scenario, "name about duration providers routes client clients workload")
        self.rng, self.duration = random.Random(seed), seconds(scenario["duration"])
        self.now, self.events, self.sequence = 0.0, [], itertools.count()
        self.count, self.latencies, self.first_refusal = collections.Counter(), [], math.inf
        self.by_workload = {workload["name"]: [0, 0] for workload in scenario["workload"]}
        self.servers, self.meters, self.submitted = {}, {}, collections.Counter()
        clients = {"default": scenario.get("client", {})} | scenario.get("clients", {})
        self.clients = {
            name: [Client(self, spec, self.resolve(scenario)) for _ in range(spec.get("processes", 1))] for name, spec in clients.items()
        }
        self.sessions = [Sessions(self, workload) for workload in scenario["workload"] if "sessions" in workload]
        for workload in scenario["workload"]:
            if "sessions" not in workload:
                self.start_workload(workload)

    def resolve(self, scenario):
        """Returns the routes of one process, with one target for each account and model."""
        targets = {}
        for provider_name, provider in scenario["providers"].items():
            words(provider, "accounts models incidents")
            for (account, (name, model)) in itertools.product(provider.get("accounts", ["default"]), provider["models"].items()):
                words(model, "limits latency")
                key = (provider_name, account, name)
                server = self.servers.setdefault((provider_name, name), Server(self, provider, model))
                targets["/".join(key)] = Target(server, self.meters.setdefault(key, Meter(model.get("limits", {}))))
        resolve_step = lambda step: {
            "pick": words(step, "pick of").get("pick", "in_order"), "next": 0, "targets": [targets[t] for t in step["of"]],
        }
        return {name: [resolve_step(step) for step in steps] for name, steps in scenario["routes"].items()}

    def start_workload(self, workload):
        words(workload, "name route client batch arrivals prompt completion max_tokens")
        if "batch" in workload:
            return self.start_batch(workload, words(workload["batch"], "jobs from workers"))
        arrivals = words(workload["arrivals"], "constant poisson steps burst every users think shape")
        for _ in range(arrivals.get("users", 0)):
            self.schedule_user(workload, 0.0)
        if "users" not in arrivals:
            self.schedule_next(workload, self.arrival_times(arrivals))

    def session_call(self, session):
        return Job(self, session.load.workload, session.ended, session)

    def schedule_user(self, workload, now):
        """Schedules the next job of a user, who thinks first."""
        at = now + draw(workload["arrivals"]["think"], seconds, self.rng)
        if at < self.duration:
            then = lambda succeeded: self.schedule_user(workload, self.now)
            self.at(at, ARRIVAL, lambda: self.submit(Job(self, workload, then)))

    def start_batch(self, workload, batch):
        """Lets every worker of a batch take one job after the other, a millisecond after its last."""
        left = itertools.count(batch["jobs"], -1)

        def take(at):
            if at < self.duration:
                self.at(at, ARRIVAL, send)

        def send():
            if next(left) > 0:
                self.submit(Job(self, workload, lambda succeeded: take(self.now + 0.001)))

        for _ in range(batch["workers"]):
            take(seconds(batch.get("from", "0s")))

    def submit(self, job):
        job.client.submit(job)

    def schedule_next(self, workload, times):
        """Schedules the next arrival of an open workload, of which only one is scheduled at a time."""
        at = next(times, math.inf)
        if at < self.duration:
            self.at(at, ARRIVAL, self.arrive, workload, times)

    def arrive(self, workload, times):
        self.schedule_next(workload, times)
        self.submit(Job(self, workload))

    def arrival_times(self, arrivals):
        """Yields the arrival times of an open workload, in order."""
        if "burst" in arrivals:
            for index in itertools.count():
                yield from itertools.repeat(index * seconds(arrivals["every"]), arrivals["burst"])
        elif "constant" in arrivals:
            for index in itertools.count():
                yield index / per_second(arrivals["constant"])
        shape = arrivals.get("shape", [1] * 24)
        steps = arrivals.get("steps") or [{"at": "0s", "rate": arrivals["poisson"]}]
        steps = [(seconds(step["at"]), per_second(step["rate"])) for step in steps]
        highest, at, step = max(rate for _, rate in steps) * max(shape), 0.0, -1
        while at < self.duration:  # a Poisson process at the highest rate, thinned to the rate of the instant
            at += self.rng.expovariate(highest)
            while step + 1 < len(steps) and steps[step + 1][0] <= at:
                step += 1
            rate = steps[step][1] * shape[int(at // 3600) % 24] if step >= 0 else 0.0
            if self.rng.random() * highest < rate:
                yield at

    def at(self, time, rank, event, *args):
        heapq.heappush(self.events, (time, rank, next(self.sequence), event, args))

    def run(self):
        """Runs to the last event. Returns the measures that compare.py compares."""
        while self.events:
            self.now, _, _, event, args = heapq.heappop(self.events)
            event(*args)
        count, jobs, ordered = self.count, self.count["offered"], sorted(self.latencies)
        quantile = lambda q: ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else math.nan
        return {
            "jobs": jobs,
            **{f"success {name}": good / all_ for name, (all_, good) in self.by_workload.items()},
            "attempts/job": count["attempts"] / jobs,
            "limited/job": count["limited"] / jobs,
            "failed/job": count["failed"] / jobs,
            "fell back/job": count["fell_back"] / jobs,
            "tokens/job": count["tokens"] / jobs,
            "p50 latency": quantile(0.50),
            "p95 latency": quantile(0.95),
            "first refusal": self.first_refusal,
            **{name: value for load in self.sessions for name, value in measures(load).items()},
        }
