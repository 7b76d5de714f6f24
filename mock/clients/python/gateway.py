"""Starts `quotalab gateway` with ../gateway.yaml, and a TLS server in front of a mock."""

import asyncio
import contextlib
import os
import re
import ssl
import subprocess
import threading

import trustme

# The key of the provider whose keys the scenario takes from the environment.
KEY_VARIABLE = "MISTRAL_KEY_OF_THE_GATEWAY"


@contextlib.contextmanager
def running_gateway(base_urls, certificates=None):
    """Runs a gateway whose providers have these base URLs by name; yields its root URL. It trusts the authority in the file
    `certificates`, which is not one of the system's."""
    settings = [option for name, url in base_urls.items() for option in ("--set", f"providers.{name}.base_url={url}")]
    command = [os.environ["QUOTALAB"], "gateway", os.environ["CLIENTS_GATEWAY"], "--listen", "127.0.0.1:0", "--log", "nothing"]
    environment = os.environ | {KEY_VARIABLE: KEY_VARIABLE} | ({"SSL_CERT_FILE": certificates} if certificates else {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command + settings, env=environment, text=True, **pipes) as process:
        try:
            line = process.stdout.readline()
            listening = re.match(r"gateway on (http://\S+)/v1,", line)
            assert listening, f"the gateway does not listen: {line}{process.stderr.read()}"
            yield listening.group(1)
        finally:
            process.terminate()
            process.communicate(timeout=30)


@contextlib.contextmanager
def tls_before(port, authority):
    """Forwards connections with TLS to a port of this machine; yields the port that it listens on. `authority` signs its
    certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    loop = asyncio.new_event_loop()

    async def forward(reader, writer):
        with contextlib.suppress(OSError):
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))

    # A client that does not trust the certificate aborts the handshake, which one of the tests expects.
    loop.set_exception_handler(lambda _, context: None)
    server = loop.run_until_complete(asyncio.start_server(forward, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)


async def copy(reader, writer):
    with contextlib.suppress(OSError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
    writer.close()


def new_authority(folder):
    """Returns a certificate authority, and the path of the file with its certificate."""
    authority, path = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return authority, str(path)
