"""How far callers of `quotalab gateway` exceed a budget, and how much of it they can use.

    cargo build --release
    python3 benches/gateway_budgets.py target/release/quotalab

The set-up is that of the table on https://pypi.org/project/hardcap: 128 streams at one time for each caller, a budget of 20,000 tokens, answers of
lognormal length with a median of 150, `max_tokens` 1,024. Each caller sends until its budget is spent: what is refused with `budget_in_use`
is sent again after a second, `insufficient_quota` ends it. Printed is what the answers used, by their own `usage`, as a share of the budget,
over all callers, and how many answers ended at a lowered bound.

Rows: one gateway; three gateways, to which the requests of each caller go in turn: with one Redis; with one Redis that is killed a
moment after the first answers and stays away (a caller then ends when it gets no answer for ten seconds); and sharing nothing. Everything
is sent to 127.0.0.1. Rows with Redis are left out without redis-server.
"""

import argparse
import asyncio
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_peers import free_ports, post  # noqa: E402

CALLERS = 8
STREAMS = 128
BUDGET = 20_000
PROMPT = "Tell me about the harbour. "
MAX_TOKENS = 1_024
# The time from the first requests until Redis is killed.
KILLED_AFTER_S = 1
# Without Redis, the rest of a budget may consist of shares that pay for no request. A caller ends if it gets no answer for this time.
IDLE_S = 10

ROWS = {
    "one gateway": (1, None),
    "three gateways, one Redis": (3, "stays"),
    "three gateways, one Redis that is killed": (3, "is killed"),
    "three gateways that share nothing": (3, None),
}


def scenario(port):
    callers = "".join(f"  c{n}: {{key: {{env: CALLER_{n}}}, budget: {{tokens: {BUDGET}}}}}\n" for n in range(CALLERS))
    return f"""
name: budgets
duration: 1h
providers:
  p:
    dialect: openai
    base_url: http://127.0.0.1:{port}/v1
    accounts: {{x: {{keys: [k]}}}}
    models: {{m: {{completion: {{p50: 150, p95: 500}}, latency: {{first_token: 100ms, output: 500 tok/s}}}}}}
routes: {{chat: [{{of: [p/x/m]}}]}}
client: {{deadline: 60s}}
callers:
{callers}"""


async def ask(url, key):
    """Sends a stream. Returns its tokens and whether its bound was lowered; the code of the error if it was refused."""
    body = {
        "model": "chat", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": MAX_TOKENS, "stream": True,
        "stream_options": {"include_usage": True},
    }
    tokens, reason, status = 0, None, None
    async for found in post(url, {"authorization": f"Bearer {key}", "content-type": "application/json"}, body):
        if isinstance(found, int):
            status = found
            continue
        _, event = found
        if status != 200:
            return json.loads(event)["error"]["code"]
        if event == b"[DONE]":
            continue
        event = json.loads(event)
        tokens = (event.get("usage") or {}).get("total_tokens", tokens)
        for choice in event.get("choices", []):
            reason = choice.get("finish_reason") or reason
    return tokens, reason == "length"


async def spend(urls, key, seed):
    """Lets a caller send until its budget is spent at every gateway. Returns the tokens that it used, the number of answers that
    ended at a lowered bound, and the number of `budget_in_use` refusals."""
    used, cut, busy, answered = 0, 0, 0, time.monotonic()
    order = random.Random(seed)

    async def one(number):
        nonlocal used, cut, busy, answered
        left = list(urls)
        await asyncio.sleep(order.random() * 0.2)
        while left and time.monotonic() - answered < IDLE_S:
            number += 1
            url = left[number % len(left)]
            end = await ask(url, key)
            if end == "insufficient_quota":
                left.remove(url)
            elif end == "budget_in_use":
                busy += 1
                await asyncio.sleep(1)
            elif isinstance(end, str):
                raise RuntimeError(f"a request ended with {end}")
            else:
                used, cut, answered = used + end[0], cut + end[1], time.monotonic()

    await asyncio.gather(*(one(number) for number in range(STREAMS)))
    return used, cut, busy


async def started(command, **options):
    """Starts a process."""
    return await asyncio.create_subprocess_exec(*map(str, command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


async def row(binary, folder, gateways, redis, seed):
    ports = free_ports(2 + gateways)
    redis_port = ports.pop()
    file = folder / "budgets.yaml"
    file.write_text(scenario(ports[0]))
    keys = {f"CALLER_{number}": f"caller-{number}" for number in range(CALLERS)}
    commands = [[binary, "mock", file, "--listen", f"127.0.0.1:{ports[0]}", "--seed", str(seed)]]
    for number, port in enumerate(ports[1:]):
        place = ["--redis", f"redis://127.0.0.1:{redis_port}"] if redis else ["--store", folder / f"{number}.budgets"]
        commands.append([binary, "gateway", file, "--listen", f"127.0.0.1:{port}", *place, "--log", "nothing"])
    processes, server = [], None
    try:
        if redis:
            server = await started(["redis-server", "--port", redis_port, "--bind", "127.0.0.1", "--save", "", "--dir", folder])
            await asyncio.sleep(0.5)
        for command in commands:
            processes.append(await started(command, env=keys))
        await asyncio.sleep(2)
        urls = [f"http://127.0.0.1:{port}/v1/chat/completions" for port in ports[1:]]
        spent = asyncio.gather(*(spend(urls, key, f"{seed}{key}") for key in keys.values()))
        if redis == "is killed":
            await asyncio.sleep(KILLED_AFTER_S)
            server.kill()
        return await spent
    finally:
        for process in processes:
            if process.returncode is not None:
                print((await process.stderr.read()).decode(), file=sys.stderr)
            else:
                process.terminate()
                await process.wait()
        if server and server.returncode is None:
            server.kill()
            await server.wait()


async def measure(options):
    print(f"| {CALLERS} callers × {options.runs} runs | used ÷ budget: median (least to most) | answers with a lowered bound, per caller | `budget_in_use`, per caller |")
    print("|---|--:|--:|--:|")
    for name, (gateways, redis) in ROWS.items():
        if redis and not shutil.which("redis-server"):
            print(f"| {name} | skipped: redis-server is not installed | | |")
            continue
        results = []
        for run in range(options.runs):
            with tempfile.TemporaryDirectory() as folder:
                results += await row(options.binary, pathlib.Path(folder), gateways, redis, run)
        shares = [used / BUDGET for used, _, _ in results]
        cut, busy = (statistics.mean(result[index] for result in results) for index in (1, 2))
        print(f"| {name} | {statistics.median(shares):.2%} ({min(shares):.2%} to {max(shares):.2%}) | {cut:.1f} | {busy:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the quotalab to measure")
    parser.add_argument("--runs", type=int, default=3)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
