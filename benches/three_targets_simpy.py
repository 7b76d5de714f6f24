"""The model of three_targets.yaml in ordinary SimPy code, as a reference for virtual time.

It has the same arrival rate, sizes, three targets with a bucket per limit, fallback, backoff with full jitter, and deadline. It
records only a list of latencies. Prints the number of jobs that ended and the CPU seconds.

    python3 three_targets_simpy.py SECONDS_OF_TRAFFIC
"""

import math
import random
import sys
import time

import simpy

RATE, DEADLINE, ATTEMPTS, BASE, CAP, MAX_TOKENS = 240.0, 30.0, 4, 0.5, 8.0, 512
MINUTE, DAY = 60.0, 86_400.0


def log_normal(p50, quantile, z):
    return math.log(p50), math.log(quantile / p50) / z


Z95, Z99 = 1.6448536269514722, 2.3263478740408408
PROMPT, COMPLETION = log_normal(400, 1500, Z95), log_normal(100, 350, Z95)


class Bucket:
    def __init__(self, limit, window):
        self.limit, self.rate, self.level, self.at = limit, limit / window, float(limit), 0.0

    def refill(self, now):
        self.level = min(self.limit, self.level + (now - self.at) * self.rate)
        self.at = now
        return self.level

    def wait(self, amount):
        return max(0.0, amount - self.level) / self.rate


class Target:
    def __init__(self, requests, tokens, first_token, speed):
        self.requests = [Bucket(*limit) for limit in requests]
        self.tokens = [Bucket(*limit) for limit in tokens]
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
        for bucket in self.tokens:
            bucket.refill(now)
            bucket.level = min(bucket.limit, bucket.level + unused)

    def room(self, now, tokens):
        shares = [(bucket.refill(now) - 1) / bucket.limit for bucket in self.requests]
        return min(shares + [(bucket.refill(now) - tokens) / bucket.limit for bucket in self.tokens])


def job(env, first, last, rng, latencies):
    scheduled, tried, waits = env.now, set(), 0
    prompt = max(1, round(rng.lognormvariate(*PROMPT)))
    completion = min(MAX_TOKENS, max(1, round(rng.lognormvariate(*COMPLETION))))
    requested, attempts = prompt + MAX_TOKENS, 0
    while attempts < ATTEMPTS:
        now = env.now
        ready = [t for t in first if t.cools_down_until <= now and t not in tried]
        if ready:
            target = max(ready, key=lambda t: t.room(now, requested))
        elif last.cools_down_until <= now and last not in tried:
            target = last
        else:
            backoff = rng.uniform(0.0, min(CAP, BASE * 2**waits))
            cooling = [t.cools_down_until for t in (*first, last) if t.cools_down_until > now]
            until = min([now + backoff] * bool(tried) + [end + backoff for end in cooling])
            if until >= scheduled + DEADLINE:
                break
            waits += 1
            tried.clear()
            yield env.timeout(until - now)
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
    minute = [[(6_000, MINUTE), (8_000_000, DAY)], [(6_000_000, MINUTE), (8_000_000_000, DAY)]]
    first = [Target(*minute, log_normal(0.2, 0.9, Z99), 500.0) for _ in range(2)]
    last = Target([(3_000, MINUTE)], [(3_000_000, MINUTE)], log_normal(0.18, 0.9, Z99), 1_800.0)
    while True:
        yield env.timeout(rng.expovariate(RATE))
        if env.now >= duration:
            return
        env.process(job(env, first, last, rng, latencies))


def main():
    duration, rng, latencies = float(sys.argv[1]), random.Random(1), []
    env = simpy.Environment()
    env.process(arrivals(env, duration, rng, latencies))
    start = time.process_time()
    env.run()
    print(len(latencies), time.process_time() - start)


main()
