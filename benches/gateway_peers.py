"""Compares `quotalab gateway` with other gateways and with a bare pass-through, each before the same mocks, on this machine.

    cargo build --release
    cargo bench --profile release --bench gateway --no-run
    python3 benches/gateway_peers.py --install        # downloads the others into target/peers; those that cannot be had are skipped
    python3 benches/gateway_peers.py                  # about ten minutes
    python3 benches/gateway_peers.py --quick

Needs wrk (Debian's package). The columns:

  requests/s      wrk, 64 connections, an upstream that answers at once
  added p50, p99  wrk, one connection, minus the same without a gateway
  first token     64 streams at one time, added to the median time of the first event with content
  exact           streams whose events have the content of those of the upstream, in the same order and number
  memory          of all its processes, before the first request and after the load
  CPU             of all its processes, per request under that load
  goodput         of 10 requests/s for 40 s at a target that allows 6,000 tokens a minute, with a fallback: answers within 5 s, per second
  attempts        requests that reached the two upstreams, per answer

All programs run on the same cores, so that what the load generator and the upstream use is missing for the gateway; that is the same
for each. A gateway is configured by its own documentation: the order of the targets, retries if it has them. Everything is sent to
127.0.0.1.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
PEERS = TOP / "target" / "peers"
PACKAGES = {
    "portkey": ["npm", "install", "--silent", "--prefix", str(PEERS / "portkey"), "@portkey-ai/gateway@1.15.2"],
    "litellm": [str(PEERS / "litellm" / "bin" / "pip"), "install", "--quiet", "litellm[proxy]==1.108.7"],
    "litellm-rs": ["cargo", "install", "litellm-rs", "--locked", "--version", "0.9.0", "--features", "storage", "--bin", "gateway", "--root", str(PEERS / "cargo")],
    "noveum": ["cargo", "install", "noveum-ai-gateway", "--locked", "--version", "2.0.1", "--root", str(PEERS / "cargo")],
}
REQUEST = {"model": "chat", "messages": [{"role": "user", "content": "Say hello to the people who wait."}], "max_tokens": 64}
CONNECTIONS = 64
STREAMS = 64
KEY = "sk-local"
START_TIMEOUT_S = 90

MOCKS = """
name: peers
duration: 1h
providers:
  first:
    dialect: openai
    base_url: http://127.0.0.1:PORT0/v1
    accounts: {x: {keys: [sk-local]}}
    models: {chat: {limits: {rpm: 10000, tpm: 6000}, latency: {first_token: 100ms, output: 500 tok/s}}}
  second:
    dialect: openai
    base_url: http://127.0.0.1:PORT1/v1
    accounts: {x: {keys: [sk-local]}}
    models: {chat: {limits: {rpm: 10000}, latency: {first_token: 400ms, output: 100 tok/s}}}
  streams:
    dialect: openai
    base_url: http://127.0.0.1:PORT2/v1
    accounts: {x: {keys: [sk-local]}}
    answers: [{echo: true}]
    models: {chat: {limits: {rpm: 1000000}, latency: {first_token: 50ms, output: 50 tok/s}}}
routes: ROUTES
client: {deadline: 5s, retry: {attempts: 3, backoff: {base: 100ms, cap: 1s}}}
"""


def free_ports(count):
    """Returns ports in a row that nothing listens on."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            base = first.getsockname()[1]
        try:
            for port in range(base, base + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return list(range(base, base + count))


class Process:
    """A process and all that it starts."""

    def __init__(self, command, log, environment=None, folder=None):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})}, cwd=folder, start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.log.close()

    def pids(self):
        """Returns the processes of its session."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = pathlib.Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                    if int(fields[3]) == self.process.pid:
                        found.append((name, fields))
        return found

    def cpu_s(self):
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self.pids())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        pages = 0
        for name, _ in self.pids():
            with contextlib.suppress(OSError):
                pages += int(pathlib.Path(f"/proc/{name}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Peer:
    """A gateway: how it is started in front of upstreams, and what callers send to it."""

    name = None
    path = "/v1/chat/completions"
    headers = {}
    has_fallback = True

    def missing(self):
        """Returns the reason why it cannot be run; None if it can."""

    def command(self, port, upstreams, folder):
        """Returns the command that serves on `port`, and its environment variables. `upstreams` are base URLs; the first is tried first."""
        raise NotImplementedError

    def request_headers(self, upstreams):
        return {"authorization": f"Bearer {KEY}", "content-type": "application/json", **self.headers}


class Quotalab(Peer):
    name = "quotalab"

    def __init__(self, binary):
        self.binary = binary

    def command(self, port, upstreams, folder):
        lines, targets = ["providers:"], []
        for number, upstream in enumerate(upstreams):
            limits = "{rpm: 10000, tpm: 6000}" if len(upstreams) > 1 and number == 0 else "{rpm: 100000000}"
            lines.append(
                f"  p{number}: {{dialect: openai, base_url: \"{upstream}\", accounts: {{x: {{keys: [{KEY}]}}}}, models: {{chat: {{limits: {limits}}}}}}}"
            )
            targets.append(f"{{of: [p{number}/x/chat]}}")
        lines += [f"routes: {{chat: [{', '.join(targets)}]}}", "client: {deadline: 5s, retry: {attempts: 3}}", ""]
        file = folder / "gateway.yaml"
        file.write_text("\n".join(lines))
        return [self.binary, "gateway", file, "--listen", f"127.0.0.1:{port}", "--log", "problems"], {}


class LiteLlm(Peer):
    name = "LiteLLM proxy (Python)"
    program = PEERS / "litellm" / "bin" / "litellm"

    def missing(self):
        return None if self.program.exists() else "not installed"

    def command(self, port, upstreams, folder):
        models = [
            {"model_name": name, "litellm_params": {"model": "openai/chat", "api_base": upstream, "api_key": KEY}}
            for name, upstream in zip(["chat", "fallback"], upstreams)
        ]
        config = {"model_list": models, "litellm_settings": {"num_retries": 2, "request_timeout": 5, "telemetry": False}}
        if len(upstreams) > 1:
            config["litellm_settings"]["fallbacks"] = [{"chat": ["fallback"]}]
        file = folder / "litellm.json"
        file.write_text(json.dumps(config))
        file = file.rename(folder / "litellm.yaml")
        return [self.program, "--config", file, "--host", "127.0.0.1", "--port", port], {"LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}


class Portkey(Peer):
    name = "Portkey (Node)"
    program = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def missing(self):
        return None if self.program.exists() and shutil.which("node") else "not installed"

    def command(self, port, upstreams, folder):
        return ["node", self.program, f"--port={port}", "--headless"], {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}

    def request_headers(self, upstreams):
        targets = [{"provider": "openai", "api_key": KEY, "custom_host": upstream} for upstream in upstreams]
        retry = {"attempts": 2, "on_status_codes": [429, 500, 502, 503, 504]}
        config = {**targets[0], "retry": retry} if len(targets) == 1 else {"strategy": {"mode": "fallback"}, "targets": targets}
        return {**super().request_headers(upstreams), "x-portkey-config": json.dumps(config, separators=(",", ":"))}


class LiteLlmRs(Peer):
    name = "litellm-rs"
    program = PEERS / "cargo" / "bin" / "gateway"

    def missing(self):
        # 0.9.0 refuses every loopback and private address as a base URL ("SSRF protection"), and has no setting against that.
        return "it accepts no upstream on loopback" if self.program.exists() else "not installed"

    def command(self, port, upstreams, folder):
        providers = [
            {
                "name": f"p{number}", "provider_type": "vllm", "api_key": KEY, "base_url": upstream, "weight": 1.0, "rpm": 1_000_000,
                "tpm": 1_000_000_000, "max_concurrent_requests": 1_000, "timeout": 5, "max_retries": 2, "priority": number, "models": ["chat"], "enabled": True,
            }
            for number, upstream in enumerate(upstreams)
        ]
        config = {
            "schema_version": "1.0",
            "server": {"host": "127.0.0.1", "port": port, "dev_mode": True},
            "providers": providers,
            "router": {"strategy": "priority_based"},
            "storage": {
                "database": {"url": "postgresql://localhost/none", "enabled": False},
                "redis": {"url": "redis://localhost:1", "enabled": False},
            },
            "auth": {"enable_jwt": False, "enable_api_key": False, "allow_anonymous": True, "jwt_secret": ""},
            "cache": {"enabled": False},
            "rate_limit": {"enabled": False},
            "monitoring": {"metrics": {"enabled": False}},
            "pricing": {
                "source": "embedded://model_prices_extended", "unpriced_model_policy": "allow_unpriced",
                "unpriced_fallback_cost_per_1k_tokens": 0.0,
            },
        }
        file = folder / "litellm-rs.yaml"
        file.write_text(json.dumps(config))
        return [self.program, "--config", file], {"RUST_LOG": "error"}


class Noveum(Peer):
    name = "noveum-ai-gateway"
    program = PEERS / "cargo" / "bin" / "noveum-ai-gateway"
    headers = {"x-provider": "openai"}
    has_fallback = False

    def missing(self):
        return None if self.program.exists() else "not installed"

    def command(self, port, upstreams, folder):
        base = upstreams[0].removesuffix("/v1")
        return [self.program], {"OPENAI_BASE_URL": base, "PORT": str(port), "HOST": "127.0.0.1", "RUST_LOG": "error"}


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.read()


def answers(url, headers):
    """Returns whether a request gets an answer."""
    request = urllib.request.Request(url, json.dumps(REQUEST).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def running(peer, upstreams, folder):
    """Starts a gateway in front of these upstreams. Yields its process, the URL of its chats, and the headers of a caller."""
    port = free_ports(1)[0]
    command, environment = peer.command(port, upstreams, folder)
    url, headers = f"http://127.0.0.1:{port}{peer.path}", peer.request_headers(upstreams)
    with Process(command, folder / "gateway.log", environment, folder) as process:
        for _ in range(START_TIMEOUT_S * 5):
            if answers(url, headers):
                yield process, url, headers
                return
            if process.process.poll() is not None:
                break
            time.sleep(0.2)
        tail = (folder / "gateway.log").read_text(errors="replace")[-600:]
        raise RuntimeError(f"it does not answer: {tail}")


def wrk(url, headers, connections, seconds, folder):
    """Returns requests per second, and p50 and p99 of the latency in seconds."""
    script = folder / "post.lua"
    lines = ["wrk.method = 'POST'", f"wrk.body = [=[{json.dumps(REQUEST)}]=]"]
    lines += [f"wrk.headers['{name}'] = [=[{value}]=]" for name, value in headers.items()]
    lines += [
        "done = function(summary, latency)",
        "  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout",
        "  io.write(string.format('RESULT %f %f %f %d', summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, errors))",
        "end",
    ]
    script.write_text("\n".join(lines))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, url]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", done.stdout)
    if not found:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    rate, p50, p99, errors = found.groups()
    if int(errors):
        raise RuntimeError(f"{errors} of the requests under load failed")
    return float(rate), float(p50), float(p99)


async def post(url, headers, body):
    """Sends a request. Yields the status, then the events of a stream with the times of their arrival, or the body."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    reader, writer = await asyncio.open_connection(name, int(port), limit=1 << 22)
    payload = json.dumps(body).encode()
    head = [f"POST /{path} HTTP/1.1", f"host: {host}", f"content-length: {len(payload)}", "connection: close"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    try:
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + payload)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        yield int(answer.split(" ", 2)[1])
        fields = dict(line.lower().split(": ", 1) for line in answer.split("\r\n")[1:] if ": " in line)
        if "content-length" in fields:
            yield time.monotonic(), await reader.readexactly(int(fields["content-length"]))
            return
        rest = b""
        while line := await reader.readuntil(b"\r\n") if "transfer-encoding" in fields else b"1000000":
            size = int(line, 16)
            if not size:
                break
            rest += await reader.readexactly(size) if "transfer-encoding" in fields else await reader.read(1 << 16)
            if "transfer-encoding" in fields:
                await reader.readexactly(2)
            elif reader.at_eof():
                break
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    yield time.monotonic(), line[5:].strip()
    finally:
        writer.close()


async def stream(url, headers, number):
    """Returns the time to the first event with content, and the contents of the events; None if it fails."""
    text = f"Stream {number}: " + " ".join(f"word{index}" for index in range(20))
    body = {**REQUEST, "messages": [{"role": "user", "content": text}], "stream": True, "max_tokens": 400}
    begun, first, contents = time.monotonic(), None, []
    try:
        async for found in post(url, headers, body):
            if isinstance(found, int):
                if found != 200:
                    return None
                continue
            at, event = found
            if event == b"[DONE]":
                return first, contents
            for choice in json.loads(event).get("choices", []):
                if content := choice["delta"].get("content"):
                    first = first or at - begun
                    contents.append(content)
    except (OSError, EOFError, ValueError, KeyError, asyncio.IncompleteReadError):
        pass
    return None


async def streams(url, headers):
    """Returns the results of 64 streams at one time."""
    return await asyncio.gather(*(stream(url, headers, number) for number in range(STREAMS)))


async def goodput(url, headers, seconds):
    """Sends ten requests per second for `seconds`. Returns the number of requests that are answered within five seconds."""

    async def one():
        body = {**REQUEST, "messages": [{"role": "user", "content": "word " * 60}], "max_tokens": 100}
        try:
            async with asyncio.timeout(5):
                async for found in post(url, headers, body):
                    if isinstance(found, int) and found != 200:
                        return False
                return True
        except (OSError, EOFError, ValueError, TimeoutError):
            return False

    begun, tasks = time.monotonic(), []
    for number in range(10 * seconds):
        await asyncio.sleep(max(0, begun + number / 10 - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    return sum(await asyncio.gather(*tasks))


def attempts(ports):
    """Returns the requests that reached these mocks."""
    return sum(json.loads(get(f"http://127.0.0.1:{port}/_quotalab/requests?last=1"))["total"] for port in ports)


class Bench:
    """The upstreams, and the figures of each gateway."""

    def __init__(self, options, folder, bare, ports):
        self.seconds = 2 if options.quick else 10
        self.goodput_s = 10 if options.quick else 40
        self.folder, self.bare, self.ports = folder, bare, ports
        self.direct = self.speed_of(f"http://{bare['upstream']}/v1/chat/completions", {"content-type": "application/json"})
        self.direct_streams = asyncio.run(streams(self.base(2) + "/chat/completions", {"authorization": f"Bearer {KEY}"}))

    def base(self, number):
        return f"http://127.0.0.1:{self.ports[number]}/v1"

    def speed_of(self, url, headers):
        rate, _, _ = wrk(url, headers, CONNECTIONS, self.seconds, self.folder)
        _, p50, p99 = wrk(url, headers, 1, self.seconds, self.folder)
        return rate, p50, p99

    def pass_through(self):
        rate, p50, p99 = self.speed_of(f"http://{self.bare['pass_through']}/v1/chat/completions", {"content-type": "application/json"})
        return {"rate": rate, "p50": p50 - self.direct[1], "p99": p99 - self.direct[2]}

    def figures(self, peer):
        row = {}
        with running(peer, [f"http://{self.bare['upstream']}/v1"], self.folder) as (process, url, headers):
            row["idle"] = process.memory_mib()
            before = process.cpu_s()
            rate, _, _ = wrk(url, headers, CONNECTIONS, self.seconds, self.folder)
            row |= {"rate": rate, "cpu": (process.cpu_s() - before) / (rate * self.seconds), "loaded": process.memory_mib()}
            _, p50, p99 = wrk(url, headers, 1, self.seconds, self.folder)
            row |= {"p50": p50 - self.direct[1], "p99": p99 - self.direct[2]}
        with running(peer, [self.base(2)], self.folder) as (_, url, headers):
            found = asyncio.run(streams(url, headers))
            direct = statistics.median(first for first, _ in self.direct_streams)
            firsts = [one[0] for one in found if one and one[0]]
            row["first"] = statistics.median(firsts) - direct if firsts else None
            row["exact"] = sum(one is not None and one[1] == other[1] for one, other in zip(found, self.direct_streams))
        upstreams = [self.base(0), self.base(1)] if peer.has_fallback else [self.base(0)]
        with running(peer, upstreams, self.folder) as (_, url, headers):
            for port in self.ports[:2]:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/_quotalab/reset", b"", {"content-type": "application/json"}, method="POST")
                urllib.request.urlopen(request, timeout=5).close()
            answered = asyncio.run(goodput(url, headers, self.goodput_s))
            row["goodput"] = answered / self.goodput_s
            row["attempts"] = attempts(self.ports[:2]) / answered if answered else None
        return row


def cell(row, name, form, scale=1):
    value = row.get(name)
    return "" if value is None else form.format(value * scale)


def line(name, row):
    exact = f"{row['exact']} of {STREAMS}" if "exact" in row else ""
    memory = f"{row['idle']:.0f}, {row['loaded']:.0f} MiB" if "idle" in row else ""
    cells = [
        name, cell(row, "rate", "{:,.0f}"), cell(row, "p50", "{:,.0f} µs", 1e6), cell(row, "p99", "{:,.0f} µs", 1e6),
        cell(row, "first", "{:.1f} ms", 1e3), exact, memory, cell(row, "cpu", "{:,.0f} µs", 1e6),
        cell(row, "goodput", "{:.2f}"), cell(row, "attempts", "{:.2f}"),
    ]
    return "| " + " | ".join(cells) + " |"


def install():
    """Downloads the other gateways; one that cannot be installed is skipped."""
    PEERS.mkdir(parents=True, exist_ok=True)
    (PEERS / "portkey").mkdir(exist_ok=True)
    if not (PEERS / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / "litellm")], check=True)
    for name, command in PACKAGES.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True)
            problem = done.stderr.strip().splitlines()[-1:] if done.returncode else None
        except OSError as error:
            problem = [str(error)]
        print(f"{name}: {'installed' if problem is None else 'SKIPPED: ' + ' '.join(problem)}", flush=True)


def bench_program():
    """Returns the program of the bench `gateway`, built with the release profile."""
    found = sorted((TOP / "target" / "release" / "deps").glob("gateway-*"), key=lambda path: path.stat().st_mtime)
    found = [path for path in found if not path.suffix and os.access(path, os.X_OK)]
    if not found:
        sys.exit("the bench is not built: cargo bench --profile release --bench gateway --no-run")
    return found[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="download the other gateways and end")
    parser.add_argument("--quick", action="store_true", help="a few seconds for each figure")
    parser.add_argument("--only", help="measure only the gateways whose name has this in it")
    parser.add_argument("--binary", default=TOP / "target" / "release" / "quotalab")
    options = parser.parse_args()
    if options.install:
        return install()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk")
    binary = pathlib.Path(options.binary).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ports = free_ports(3)
        mocks = MOCKS.replace("ROUTES", "{chat: [{of: [first/x/chat]}, {of: [second/x/chat]}]}")
        for number, port in enumerate(ports):
            mocks = mocks.replace(f"PORT{number}", str(port))
        (folder / "mocks.yaml").write_text(mocks)
        bare = subprocess.Popen([str(bench_program()), "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            addresses = json.loads(bare.stdout.readline())
            mock = [binary, "mock", folder / "mocks.yaml", "--listen", f"127.0.0.1:{ports[0]}"]
            with Process(mock, folder / "mock.log"):
                while not answers(f"http://127.0.0.1:{ports[1]}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}):
                    time.sleep(0.1)
                measure(Bench(options, folder, addresses, ports), options, binary)
        finally:
            bare.kill()


def measure(bench, options, binary):
    """Prints a line for each gateway."""
    print("| gateway | requests/s | added p50 | added p99 | first token | exact | memory: idle, loaded | CPU | goodput/s | attempts |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    print(line("no gateway", {"rate": bench.direct[0]}))
    print(line("bare pass-through", bench.pass_through()), flush=True)
    for peer in [Quotalab(binary), LiteLlmRs(), Noveum(), Portkey(), LiteLlm()]:
        if options.only and options.only.lower() not in peer.name.lower():
            continue
        problem = peer.missing()
        row = {}
        if problem is None:
            try:
                row = bench.figures(peer)
            except (RuntimeError, OSError) as error:
                problem = f"failed: {str(error)[:300]}".replace("\n", " ")
        print(line(peer.name if problem is None else f"{peer.name} ({problem})", row), flush=True)


if __name__ == "__main__":
    main()
