"""Quantities of the scenario language, and the limits of the independent simulator: one class for each refill policy (`law`)."""

import collections
import math
import re

REQUEST_AXES = {"rpm": 60, "rpd": 86400}
TOKEN_AXES = {"tpm": 60, "tpd": 86400}
NORMAL_QUANTILE = {"p90": 1.2815515655, "p95": 1.6448536270, "p99": 2.3263478740}


def seconds(value):
    """Reads `250ms` or `1h30m`."""
    parts = re.findall(r"([\d.]+)(ms|s|m|h|d)", value)
    assert "".join(n + unit for n, unit in parts) == value, f"not a duration: {value}"
    return sum(float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for n, unit in parts)


def number(value):
    """Reads `8000` or `8k`."""
    scale = {"k": 1e3, "M": 1e6}.get(str(value)[-1])
    return float(str(value)[:-1]) * scale if scale else float(value)


def per_second(value):
    """Reads `45/min`."""
    count, unit = value.split("/")
    return number(count) / {"s": 1, "min": 60, "h": 3600, "day": 86400}[unit]


def words(spec, allowed):
    """Returns `spec`, a map. Fails if this simulator does not model one of its words."""
    assert set(spec) <= set(allowed.split()), f"not modelled: {set(spec) - set(allowed.split())}"
    return spec


def draw(spec, read, rng):
    """Draws from a distribution of the scenario language."""
    if not isinstance(spec, dict):
        return read(spec)
    if "values" in spec:
        return read(rng.choices(spec["values"], spec.get("weights"))[0])
    values = {word: read(value) for word, value in spec.items()}
    if "mean" in values:
        return rng.expovariate(1 / values["mean"])
    if "min" in values:
        return rng.uniform(values["min"], values["max"])
    median = values.pop("p50")
    ((word, high),) = values.items()
    return median * math.exp(rng.gauss(0, 1) * math.log(high / median) / NORMAL_QUANTILE[word])


class Bucket:
    """Refills continuously at `limit` per window up to `burst`; begins full. A refund does not fill it further."""

    def __init__(self, limit, window, burst):
        self.rate, self.burst, self.level, self.at = limit / window, burst, burst, 0.0

    def wait(self, units, now):
        """Returns zero if `units` are admitted now, otherwise the stated wait: from the level in whole units."""
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        missing = units - math.floor(self.level + 1e-6)
        return missing / self.rate if units > self.level + 1e-6 else 0.0

    def charge(self, units, now):
        self.level -= units
        return None

    def refund(self, entry, units, now):
        self.wait(0, now)
        self.level = min(self.burst, self.level + units)


class FixedWindow:
    """Counts per window, aligned to the start of the run. A refund after the window of its charge has no effect."""

    def __init__(self, limit, window, burst):
        self.limit, self.window, self.index, self.count = limit, window, 0, 0

    def wait(self, units, now):
        index = math.floor(now / self.window + 1e-12)
        if index > self.index:
            self.index, self.count = index, 0
        return 0.0 if self.count + units <= self.limit else (index + 1) * self.window - now

    def charge(self, units, now):
        self.count += units
        return self.index

    def refund(self, entry, units, now):
        self.wait(0, now)
        if entry == self.index:
            self.count -= units


class SlidingLog:
    """Counts what was admitted within the last window. A refund lowers the entry of its charge."""

    def __init__(self, limit, window, burst):
        self.limit, self.window, self.count, self.log = limit, window, 0, collections.deque()

    def wait(self, units, now):
        while self.log and self.log[0][0] + self.window <= now + 1e-9:
            self.count -= self.log.popleft()[1]
        excess = self.count + units - self.limit
        for at, admitted in self.log if excess > 0 else ():
            excess -= admitted
            if excess <= 0:
                return at + self.window - now
        return 0.0

    def charge(self, units, now):
        self.count += units
        self.log.append([now, units])
        return self.log[-1]

    def refund(self, entry, units, now):
        self.wait(0, now)
        if self.log and entry[0] >= self.log[0][0]:
            entry[1] -= units
            self.count -= units


LAWS = {"bucket": Bucket, "fixed": FixedWindow, "sliding_log": SlidingLog}


class Meter:
    """All limits of one account for one model."""

    def __init__(self, limits):
        limits = dict(words(limits, "law rpm rpd tpm tpd concurrency"))
        law = limits.pop("law", "bucket")
        self.concurrency, self.in_flight, self.windows = limits.pop("concurrency", math.inf), 0, []
        for axis, limit in limits.items():
            limit = words(limit if isinstance(limit, dict) else {"limit": limit}, "limit law burst")
            units = number(limit["limit"])
            window = {**REQUEST_AXES, **TOKEN_AXES}[axis]
            law_of_axis = LAWS[limit.get("law", law)]
            self.windows.append((axis in TOKEN_AXES, law_of_axis(units, window, number(limit.get("burst", units)))))

    def admit(self, tokens, now):
        """Charges a call on every limit, or on none. Returns what was charged (`None` if refused) and the longest wait.

        A refusal by the limit on concurrency states no wait.
        """
        if self.in_flight >= self.concurrency:
            return None, None
        wait = max((window.wait(tokens if is_tokens else 1, now) for is_tokens, window in self.windows), default=0.0)
        if wait > 0:
            return None, wait
        self.in_flight += 1
        return [window.charge(tokens if is_tokens else 1, now) for is_tokens, window in self.windows], 0.0

    def settle(self, charged, unused_tokens, now):
        """Ends a call that was admitted, and refunds the reserved tokens that it did not use."""
        self.in_flight -= 1
        for entry, (is_tokens, window) in zip(charged, self.windows):
            if is_tokens:
                window.refund(entry, unused_tokens, now)
