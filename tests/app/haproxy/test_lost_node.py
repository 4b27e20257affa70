"""A replica's node goes away without a word: packets to it are dropped, and nobody refuses.

The replica is in a network namespace of its own, whose link is taken down.
"""

import asyncio
import ipaddress
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.app.conftest import run
from tests.app.haproxy.proxy import proxied

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

# A network of its own, so that two runs on one machine do not meet (RFC 2544: for tests).
NETWORK = ipaddress.ip_address("198.18.0.0") + os.getpid() % 32768 * 4
HERE, THERE, PORT = str(NETWORK + 1), str(NETWORK + 2), 8000
NAME = f"rl{os.getpid()}"
# Answers one kind of request at once, and keeps another without a word.
REPLICA = f"""
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        if self.path == "/silent":
            time.sleep(60)
        self.do_GET()
    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("{THERE}", {PORT}), Handler)
print("up", flush=True)
server.serve_forever()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)


@contextmanager
def node() -> Iterator[None]:
    """A replica on a node of its own."""
    ip("netns", "add", NAME)
    try:
        ip("link", "add", f"{NAME}a", "type", "veth", "peer", "name", f"{NAME}b")
        ip("link", "set", f"{NAME}b", "netns", NAME)
        ip("addr", "add", f"{HERE}/30", "dev", f"{NAME}a")
        ip("link", "set", f"{NAME}a", "up")
        ip("-n", NAME, "addr", "add", f"{THERE}/30", "dev", f"{NAME}b")
        ip("-n", NAME, "link", "set", f"{NAME}b", "up")
        with subprocess.Popen(
            ["ip", "netns", "exec", NAME, sys.executable, "-c", REPLICA],
            stdout=subprocess.PIPE, text=True,
        ) as replica:  # fmt: skip
            assert replica.stdout is not None
            assert replica.stdout.readline() == "up\n"
            try:
                yield
            finally:
                replica.kill()
    finally:
        ip("netns", "del", NAME)


def test_requests_to_a_lost_node_end() -> None:
    async def calls() -> None:
        async with (
            proxied(PORT, host=THERE) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            assert (await client.post("/")).status_code == 200
            silent = asyncio.create_task(client.post("/silent"))
            await asyncio.sleep(0.5)
            ip("-n", NAME, "link", "set", f"{NAME}b", "down")
            lost = time.monotonic()
            answer = await client.post("/")
            print(f"a new request: {answer.status_code} after {time.monotonic() - lost:.2f} s")
            assert answer.status_code == 503
            assert time.monotonic() - lost < 2
            answer = await silent
            print(f"one that waited: {answer.status_code} after {time.monotonic() - lost:.1f} s")
            assert answer.status_code == 502
            assert time.monotonic() - lost < 15

    with node():
        run(calls())
