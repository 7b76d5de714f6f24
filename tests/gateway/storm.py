"""Sends requests at a steady rate through gateways whose providers fail in every way that the mock knows.

    cargo build --release
    python3 tests/gateway/storm.py target/release/quotalab                       # a minute
    python3 tests/gateway/storm.py target/release/quotalab --requests 100000 --rate 500

Phases, each with its own share of the requests:
  one       one gateway
  reloads   one gateway that gets SIGHUP ten times, with changed files and with broken ones
  replicas  three gateways; two of them are killed and started again
  shared    the same with quotas and the budgets of two callers shared through Redis, which is killed and started again without its
            data as well; skipped without redis-server

Each request asks the mock to echo a text of its own, so that an answer to another request is seen. A request has to end once, before
its deadline, in one of these ways: with its whole answer; with an error that has a message; with a stream that breaks off after an
event that holds an error; or, if its gateway was killed meanwhile, with a broken connection. After a whole answer nothing more may
come on the connection. The answers of a caller use at most 2 % more than its budget, since estimates of prompts may be
too low (ESTIMATE_EXCESS). At its end each gateway has counted the requests that it got, holds none, and ends with 0 on SIGTERM.

Only the standard library. Sends to 127.0.0.1 only. Ends with 1 if something is not so.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 10
# The time after the deadline within which the end of a request must be read, since the machine may be busy.
GRACE_S = 5
# The maximum number of open requests. A machine that is too slow for the rate falls behind the schedule instead of exceeding it.
MAX_OPEN = 1_000
RELOADS = 10
REPLICAS = 3
# In the phase `shared`, one in SMALL_SHARE requests is from the caller with the small budget. The budget is SMALL_TOKENS tokens for
# each request of the phase, so that it is used up before the end.
SMALL_SHARE = 20
SMALL_TOKENS = 1
# The caller with the large budget may be refused at most this share of all requests. It is refused because a gateway has no share of
# the budget for a moment after it has reconnected to a Redis without data to which another gateway has reconnected before.
MAX_REFUSED = 0.05
# The factor by which the tokens of prompts may exceed the estimates.
ESTIMATE_EXCESS = 1.02
# The minimum share of requests with a whole answer. With the faults below, the retries and fallbacks serve more.
MIN_SERVED = 0.8

# All faults of the mock. Those that take a key or a target out of use occur once; the others affect a share of the calls all the time.
ALWAYS = {
    "a": ["500", "reset", "cut_stream", "garbage", "error_inside", "no_headers"],
    "b": ["502", "503", "reset_after_head", "cut_before_token", "truncated", "429", "no_retry_after"],
    "c": ["overload", "wrong_type", "504", "498", "529", "fractional_wait", "{slow: 3x}", "{late_first_token: 300ms}"],
    "d": ["400", "negative_wait", "absurd_wait", "dated_wait", "{clock_ahead: 90s}", "{clock_behind: 90s}", "{drip: 3x}"],
}
ONCE = {"a": ["401", "timeout"], "b": ["billing", "403"], "c": ["404", "{throttle: 1s}"], "d": ["not_in_tier", "{retry_after: 2s}"]}
LIMITS = {"a": "{rpm: 600}", "b": "{rpm: 3000}", "c": "{rpm: 6000, tpm: 300k}", "d": "{rpm: 60000}"}
DIALECTS = {"a": ("groq", "/openai/v1"), "b": ("openai", "/v1"), "c": ("mistral", "/v1"), "d": ("cerebras", "/v1")}


def key_of(caller):
    """Returns the variable with the key of a caller, and the key."""
    return f"KEY_OF_{caller.upper()}", f"key-of-{caller}"


def scenario(ports, deadline_s=DEADLINE_S, budgets=None):
    """Returns the text of the scenario: the mocks serve it, and the gateways route by it. `budgets` is in tokens, by caller."""
    lines = ["name: storm", "duration: 1h", "providers:"]
    for name, port in zip(DIALECTS, ports):
        dialect, base = DIALECTS[name]
        incidents = [f"{{at: 0s, for: 1h, fault: {fault}, share: 2%}}" for fault in ALWAYS[name]]
        incidents += [f"{{at: {5 + 7 * number}s, for: 300ms, fault: {fault}, share: 50%}}" for number, fault in enumerate(ONCE[name])]
        lines += [
            f"  {name}:",
            f"    dialect: {dialect}",
            f"    base_url: http://127.0.0.1:{port}{base}",
            "    accounts: {x: {keys: [k1, k2]}}",
            "    answers: [{echo: true}]",
            f"    models: {{m: {{limits: {LIMITS[name]}, latency: {{first_token: 5ms, output: 2000 tok/s}}}}}}",
            f"    incidents: [{', '.join(incidents)}]",
        ]
    lines += [
        "routes: {chat: [{pick: round_robin, of: [a/x/m, b/x/m]}, {of: [c/x/m]}, {of: [d/x/m]}]}",
        f"client: {{deadline: {deadline_s}s, attempt_timeout: 2s, retry: {{attempts: 8, backoff: {{base: 5ms, cap: 100ms}}}}, eject: {{after: 5, for: 100ms}}}}",
    ]
    if budgets:
        callers = (f"{name}: {{key: {{env: {key_of(name)[0]}}}, budget: {{tokens: {tokens}}}}}" for name, tokens in budgets.items())
        lines.append(f"callers: {{{', '.join(callers)}}}")
    return "\n".join(lines) + "\n"


def free_ports(count):
    """Returns ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


class Gateway:
    """A gateway process on a port that it keeps when it is started again."""

    def __init__(self, binary, file, port, redis, callers):
        self.environment = {**os.environ, **dict(map(key_of, callers))}
        self.command = [binary, "gateway", str(file), "--listen", f"127.0.0.1:{port}", "--log", "nothing"]
        if redis:
            self.command += ["--redis", redis]
        self.port = port
        self.idle = []
        self.ended = 0
        # Requests that a budget has refused. The gateway does not count a request that is refused before its job begins.
        self.over_budget = 0
        self.kills = 0
        self.is_up = False
        self.process = None

    async def start(self):
        """Starts the process, and starts it again if it has ended, as a supervisor does: with `--redis`, it ends if Redis is not there."""
        problem = ""
        for attempt in range(600):
            if self.process is None or self.process.returncode is not None or attempt == 0:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
            with contextlib.suppress(OSError, Broken):
                status, _, _ = await ask(self, "GET", "/readyz", None)
                if status == 200:
                    self.is_up = True
                    return
            await asyncio.sleep(0.1)
            if self.process.returncode is not None:
                problem = (await self.process.stderr.read()).decode()
        raise RuntimeError(f"the gateway does not start: {problem}")

    async def kill(self):
        self.kills += 1
        self.is_up = False
        self.process.kill()
        await self.process.wait()
        self.idle.clear()

    async def stop(self):
        """Ends it with SIGTERM. Returns a list of problems."""
        for connection in self.idle:
            connection[1].close()
        self.idle.clear()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), 60)
        return [f"it ends with {code}"] if code else []

    async def count(self):
        """Returns how many requests it has counted, and how many it holds."""
        _, body, _ = await ask(self, "GET", "/metrics", None)
        counted, held = 0, None
        for line in body.decode().splitlines():
            if line.startswith("gen_ai_server_request_duration_seconds_count"):
                counted += int(float(line.rsplit(" ", 1)[1]))
            elif line.startswith("quotalab_gateway_requests_in_flight "):
                held = int(float(line.rsplit(" ", 1)[1]))
        return counted, held


class Broken(Exception):
    """A connection that ended before its response."""


async def read_response(reader):
    """Returns status, body and whether the body was whole."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Broken from error
    status = int(head.split(" ", 2)[1])
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = bytearray()
    try:
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readexactly(2)
        else:
            body += await reader.readexactly(int(headers["content-length"]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return status, bytes(body), False
    return status, bytes(body), True


async def ask(gateway, method, path, body, key=""):
    """Sends a request over an idle connection or a new one. Returns status, body and whether the body was whole."""
    while gateway.idle:
        reader, writer = gateway.idle.pop()
        if not reader.at_eof() and not writer.is_closing():
            break
        writer.close()
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1 << 20)
    payload = json.dumps(body).encode() if body else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n"
    head += f"authorization: Bearer {key}\r\n\r\n" if key else "\r\n"
    try:
        writer.write(head.encode() + payload)
        status, answer, whole = await read_response(reader)
    except BaseException:
        writer.close()
        raise
    if whole and not reader.at_eof():
        if reader._buffer:
            raise AssertionError(f"more came after a whole response: {bytes(reader._buffer[:200])}")
        gateway.idle.append((reader, writer))
    else:
        writer.close()
    return status, answer, whole


def used_in(body):
    """Returns the tokens that a whole answer states."""
    texts = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")] or [body]
    return max((json.loads(text).get("usage") or {}).get("total_tokens", 0) for text in texts)


def end_of(status, body, whole, text, is_stream, has_budget):
    """Returns how a request ended. Raises ValueError if that is not allowed. The rest of a budget may cut an answer short."""
    if status != 200:
        error = json.loads(body)
        # A provider's own refusal of a request passes as it is, and some have no envelope.
        message = error.get("error", error)["message"]
        if not message or not whole:
            raise ValueError(f"status {status} without an explanation")
        return f"status {status}"
    if not is_stream:
        if not whole:
            raise ValueError("a whole answer was announced and not sent")
        found = json.loads(body)["choices"][0]["message"]["content"]
        if found != text and not (has_budget and text.startswith(found)):
            raise ValueError(f"it got the answer {found!r}")
        return "answered"
    events = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    parsed = [json.loads(event) for event in events if event != "[DONE]"]
    content = "".join(choice["delta"].get("content") or "" for event in parsed for choice in event.get("choices", []))
    if not whole:
        if "error" not in parsed[-1]:
            raise ValueError("a stream broke off without an event that says so")
        if not text.startswith(content):
            raise ValueError(f"a stream that broke off had {content!r}")
        return "broken stream"
    is_text = content == text or (has_budget and text.startswith(content))
    if not is_text or events[-1] != "[DONE]":
        raise ValueError(f"it got the stream {content!r}, at its end {events[-1]!r}")
    return "answered"


class Storm:
    """The requests of a phase, and how they ended."""

    def __init__(self, gateways, budgets):
        self.gateways = gateways
        self.budgets = budgets
        self.used = collections.Counter()
        self.refused = collections.Counter()
        self.ends = collections.Counter()
        self.wrong = []
        self.took = []
        self.slots = asyncio.Semaphore(MAX_OPEN)

    async def request(self, number):
        text = f"This is request {number}, and nothing else: {number * 7919}."
        is_stream = number % 2 == 0
        body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 100}
        if is_stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        caller = None
        if self.budgets:
            caller = "small" if number % SMALL_SHARE == 0 else "large"
        key = key_of(caller)[1] if caller else ""
        begun, status, answer = time.monotonic(), None, b""
        up = [gateway for gateway in self.gateways if gateway.is_up]
        gateway = up[number % len(up)]
        kills = gateway.kills
        try:
            status, answer, whole = await asyncio.wait_for(
                ask(gateway, "POST", "/v1/chat/completions", body, key), DEADLINE_S + GRACE_S
            )
            if not whole and gateway.kills != kills:
                raise Broken
            gateway.ended += 1
            self.took.append(time.monotonic() - begun)
            self.ends[end_of(status, answer, whole, text, is_stream, caller == "small")] += 1
            if status == 200 and whole:
                self.used[caller] += used_in(answer)
            elif b'"insufficient_quota"' in answer or b'"budget_in_use"' in answer:
                self.refused[caller] += 1
                gateway.over_budget += 1
        except (Broken, ConnectionError) as error:
            if gateway.kills == kills:
                self.wrong.append(f"request {number}: the connection broke off: {error!r}")
            else:
                self.ends["lost with a killed gateway"] += 1
        except TimeoutError:
            self.wrong.append(f"request {number}: no end within {DEADLINE_S + GRACE_S} s")
        except (AssertionError, ValueError, LookupError, TypeError) as error:
            self.wrong.append(f"request {number}: {error!r}: {status} {answer[-300:]}")

    async def run(self, count, rate):
        """Sends `count` requests at `rate` per second. Returns the rate that was achieved."""
        begun, tasks = time.monotonic(), []
        for number in range(count):
            await asyncio.sleep(max(0, begun + number / rate - time.monotonic()))
            await self.slots.acquire()
            task = asyncio.create_task(self.request(number))
            task.add_done_callback(lambda _: self.slots.release())
            tasks.append(task)
        await asyncio.gather(*tasks)
        return count / (time.monotonic() - begun)


async def verified(gateways, problems):
    """Compares the requests that each gateway counted with those that it got, and ends it. Adds what is wrong to `problems`."""
    for number, gateway in enumerate(gateways):
        counted, held = await gateway.count()
        for _ in range(100):
            if not held:
                break
            await asyncio.sleep(0.1)
            counted, held = await gateway.count()
        if held:
            problems.append(f"gateway {number} holds {held} requests")
        if not gateway.kills and not gateway.ended - gateway.over_budget <= counted <= gateway.ended:
            problems.append(f"gateway {number} counted {counted} requests and got {gateway.ended}")
        problems += [f"gateway {number}: {problem}" for problem in await gateway.stop()]


def budget_problems(storm):
    """Returns the budgets that were exceeded, and whether the small one refused nothing or the large one too much."""
    problems = [
        f"{caller} has used {storm.used[caller]} of {budget} tokens"
        for caller, budget in storm.budgets.items()
        if storm.used[caller] > budget * ESTIMATE_EXCESS
    ]
    if storm.budgets and not storm.refused["small"]:
        problems.append("the small budget refused nothing")
    if storm.refused["large"] > MAX_REFUSED * sum(storm.ends.values()):
        problems.append(f"the large budget refused {storm.refused['large']} requests")
    return problems


async def phase(name, binary, ports, folder, options, disturb=None, replicas=1, redis=None, budgets=None):
    """Runs one phase. Returns what is wrong."""
    file = folder / f"{name}.yaml"
    budgets = budgets or {}
    file.write_text(scenario(ports, budgets=budgets))
    gateways = [Gateway(binary, file, port, redis, budgets) for port in free_ports(replicas)]
    for gateway in gateways:
        await gateway.start()
    storm = Storm(gateways, budgets)
    disturbance = asyncio.create_task(disturb(gateways, file, ports, options.requests / options.rate)) if disturb else None
    rate = await storm.run(options.requests, options.rate)
    if disturbance:
        await disturbance
    problems = storm.wrong[:20] + budget_problems(storm)
    await verified(gateways, problems)
    total = sum(storm.ends.values()) + len(storm.wrong)
    if total != options.requests:
        problems.append(f"{options.requests} requests have {total} ends")
    served = storm.ends["answered"] / options.requests
    if served < MIN_SERVED:
        problems.append(f"{served:.1%} have a whole answer")
    took = sorted(storm.took)
    ends = ", ".join(f"{count} {end}" for end, count in storm.ends.most_common())
    print(
        f"{name}: {options.requests} requests at {rate:.0f}/s: {ends}; p50 {took[len(took) // 2] * 1e3:.0f} ms, "
        f"longest {took[-1]:.2f} s; {len(storm.wrong)} ended in a way that is not allowed"
        + "".join(f"; {caller} used {storm.used[caller]} of {budget} tokens" for caller, budget in budgets.items()),
        flush=True,
    )
    return [f"{name}: {problem}" for problem in problems]


async def reload(gateways, file, ports, length_s):
    """Sends SIGHUP ten times: after changes of the deadline in the file, and every third time with a file that is not a scenario."""
    for number in range(RELOADS):
        await asyncio.sleep(length_s / (RELOADS + 1))
        file.write_text("routes: [" if number % 3 == 2 else scenario(ports, DEADLINE_S - number % 2))
        for gateway in gateways:
            gateway.process.send_signal(signal.SIGHUP)


class Redis:
    """A Redis without a disk, on a port that it keeps."""

    def __init__(self, folder):
        self.port = free_ports(1)[0]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self.process = None

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(*self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise RuntimeError("redis-server does not start")

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def kill_redis_too(redis):
    """Returns a function that kills two gateways and, in between, Redis, and starts each again; Redis without its data."""

    async def disturb(gateways, file, ports, length_s):
        killed = asyncio.create_task(kill_two(gateways, file, ports, length_s))
        await asyncio.sleep(length_s / 3)
        await redis.kill()
        await asyncio.sleep(length_s / 6)
        await redis.start()
        await killed

    return disturb


async def kill_two(gateways, _file, _ports, length_s):
    """Kills two of the gateways, one after the other, and starts each again."""
    for gateway in gateways[:2]:
        await asyncio.sleep(length_s / 4)
        await gateway.kill()
        await asyncio.sleep(min(2, length_s / 8))
        await gateway.start()


async def storms(options):
    binary = str(pathlib.Path(options.binary).resolve())
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        mocks = folder / "mocks.yaml"
        # The mocks choose their ports themselves and ignore those in `base_url`.
        mocks.write_text(scenario(range(1, len(DIALECTS) + 1)))
        mock = await asyncio.create_subprocess_exec(
            binary, "mock", str(mocks), "--listen", "127.0.0.1:0", "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            providers = json.loads(await mock.stdout.readline())["providers"]
            ports = [int(provider["address"].rpartition(":")[2]) for provider in providers]
            problems += await phase("one", binary, ports, folder, options)
            problems += await phase("reloads", binary, ports, folder, options, disturb=reload)
            problems += await phase("replicas", binary, ports, folder, options, disturb=kill_two, replicas=REPLICAS)
            if shutil.which("redis-server"):
                redis = Redis(folder)
                await redis.start()
                try:
                    disturb = kill_redis_too(redis)
                    budgets = {"large": 1_000 * options.requests, "small": SMALL_TOKENS * options.requests}
                    problems += await phase("shared", binary, ports, folder, options, disturb, REPLICAS, redis.url, budgets)
                finally:
                    await redis.kill()
            elif os.environ.get("QUOTALAB_TEST_REDIS"):
                problems.append("redis-server is not installed")
            else:
                print("shared: SKIPPED, redis-server is not installed")
            if mock.returncode is not None:
                problems.append(f"the mocks ended with {mock.returncode}")
        finally:
            if mock.returncode is None:
                mock.terminate()
            await mock.wait()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the quotalab to test")
    parser.add_argument("--requests", type=int, default=5_000, help="the requests of each phase")
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    problems = asyncio.run(storms(parser.parse_args()))
    for problem in problems:
        print(f"WRONG: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
