"""The scenario three_targets.yaml in ordinary SimPy code: the reference that the benchmark of virtual time is compared with.

The arrival rate, the sizes, the three targets with one bucket per limit, the fallback, the backoff with full jitter and the
deadline are those of the scenario. Only a list of latencies is recorded. Prints the number of jobs that ended and the CPU
seconds.

    python3 three_targets_simpy.py SECONDS_OF_TRAFFIC
"""

import math
import random
import sys
import time

import simpy

# The rate in jobs per second; the deadline of a job and the backoff in seconds.
RATE, DEADLINE, MAX_ATTEMPTS, BACKOFF_BASE, BACKOFF_CAP, MAX_TOKENS = 240.0, 30.0, 4, 0.5, 8.0, 512
MINUTE, DAY = 60.0, 86_400.0


def log_normal(p50, quantile, z):
    """Returns the parameters mu and sigma from the median and the quantile whose standard normal quantile is z."""
    return math.log(p50), math.log(quantile / p50) / z


Z95, Z99 = 1.6448536269514722, 2.3263478740408408
PROMPT, COMPLETION = log_normal(400, 1500, Z95), log_normal(100, 350, Z95)


class Bucket:
    def __init__(self, limit, window):
        self.limit, self.rate, self.level, self.refilled_at = limit, limit / window, float(limit), 0.0

    def refill(self, now):
        self.level = min(self.limit, self.level + (now - self.refilled_at) * self.rate)
        self.refilled_at = now
        return self.level

    def wait(self, amount):
        return max(0.0, amount - self.level) / self.rate


class Target:
    def __init__(self, request_limits, token_limits, first_token, speed):
        self.requests = [Bucket(*limit) for limit in request_limits]
        self.tokens = [Bucket(*limit) for limit in token_limits]
        self.first_token, self.speed, self.cools_down_until = first_token, speed, 0.0

    def admit(self, now, tokens):
        """Returns 0 if the call is admitted, otherwise the time until every bucket has room."""
        costs = [(bucket, 1) for bucket in self.requests] + [(bucket, tokens) for bucket in self.tokens]
        for bucket, _ in costs:
            bucket.refill(now)
        wait = max(bucket.wait(amount) for bucket, amount in costs)
        if wait == 0.0:
            for bucket, amount in costs:
                bucket.level -= amount
        return wait

    def settle(self, now, unused):
        """Refunds the tokens that were reserved and not used to the buckets."""
        for bucket in self.tokens:
            bucket.refill(now)
            bucket.level = min(bucket.limit, bucket.level + unused)

    def room(self, now, tokens):
        """Returns the smallest share of a limit that is left after a call."""
        shares = [(bucket.refill(now) - 1) / bucket.limit for bucket in self.requests]
        return min(shares + [(bucket.refill(now) - tokens) / bucket.limit for bucket in self.tokens])


def job(env, first_step, fallback, rng, latencies):
    scheduled, tried, backoffs = env.now, set(), 0
    prompt = max(1, round(rng.lognormvariate(*PROMPT)))
    completion = min(MAX_TOKENS, max(1, round(rng.lognormvariate(*COMPLETION))))
    requested, attempts = prompt + MAX_TOKENS, 0
    while attempts < MAX_ATTEMPTS:
        now = env.now
        ready = [t for t in first_step if t.cools_down_until <= now and t not in tried]
        if ready:
            target = max(ready, key=lambda t: t.room(now, requested))
        elif fallback.cools_down_until <= now and fallback not in tried:
            target = fallback
        else:
            backoff = rng.uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2**backoffs))
            # The next retry comes one backoff after now if a target was tried, else after the first end of a cool-down.
            starts = [t.cools_down_until for t in (*first_step, fallback) if t.cools_down_until > now]
            if tried:
                starts.append(now)
            retry_at = min(starts) + backoff
            if retry_at >= scheduled + DEADLINE:
                break
            backoffs += 1
            tried.clear()
            yield env.timeout(retry_at - now)
            continue
        attempts += 1
        tried.add(target)
        wait = target.admit(now, requested)
        if wait > 0.0:
            target.cools_down_until = max(target.cools_down_until, now + wait)
            continue
        first_token = rng.lognormvariate(*target.first_token)
        yield env.timeout(first_token + (completion - 1) / target.speed)
        target.settle(env.now, MAX_TOKENS - completion)
        break
    latencies.append(env.now - scheduled)


def arrivals(env, duration, rng, latencies):
    limits = [[(6_000, MINUTE), (8_000_000, DAY)], [(6_000_000, MINUTE), (8_000_000_000, DAY)]]
    first_step = [Target(*limits, log_normal(0.2, 0.9, Z99), 500.0) for _ in range(2)]
    fallback = Target([(3_000, MINUTE)], [(3_000_000, MINUTE)], log_normal(0.18, 0.9, Z99), 1_800.0)
    while True:
        yield env.timeout(rng.expovariate(RATE))
        if env.now >= duration:
            return
        env.process(job(env, first_step, fallback, rng, latencies))


def main():
    duration, rng, latencies = float(sys.argv[1]), random.Random(1), []
    env = simpy.Environment()
    env.process(arrivals(env, duration, rng, latencies))
    start = time.process_time()
    env.run()
    print(len(latencies), time.process_time() - start)


main()
