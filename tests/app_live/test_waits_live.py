"""The limits of arrival and departure on the real Serve, HAProxy and engine.

`tests/app/guard/test_waits.py` tests each limit, shortened, on the real HAProxy and a stub. Here
the limits are those of the service, and Serve is real.
"""

import asyncio
import json
import os
import subprocess
import sys
import time

import httpx
import pytest

from bench.serving.cluster import ROOT
from bench.serving.service import PASSWORD, Service
from tests.app.guard.raw import head, talk
from tests.app.haproxy.proxy import SERVES
from tests.app.serving import KEEP_ALIVE_S
from tests.app_live.calls import completion
from tests.app_live.test_overload import HELD, memory

pytestmark = [pytest.mark.live]

COMPLETIONS = "/v1/completions"


def port(base: str) -> int:
    return httpx.URL(base).port or 80


def test_the_fast_tests_have_the_configuration_that_serve_makes() -> None:
    """Serve's own code makes it, so an update of Ray shows here what changed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    made = subprocess.run(
        [sys.executable, "-m", "tests.app_live.serve_haproxy"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
        env={**kept, "RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    )  # fmt: skip
    assert made.stdout == SERVES


def test_the_fast_tests_keep_an_idle_connection_as_long_as_serve_does() -> None:
    options = "from ray.serve.config import HTTPOptions; print(HTTPOptions().keep_alive_timeout_s)"
    asked = subprocess.run(
        [sys.executable, "-c", options], capture_output=True, text=True, timeout=120, check=True
    )
    assert int(asked.stdout) == KEEP_ALIVE_S


def test_a_login_that_stops_is_answered(base: str) -> None:
    heard = asyncio.run(talk(port(base), head("POST", "/token", "Content-Length: 10"), wait_s=40))
    assert heard.status == 408
    assert json.loads(heard.responses[0][1])["error"]["code"] == "body_timeout"
    assert heard.seconds < 20
    print(f"POST /token without its body at {base}: 408 after {heard.seconds:.1f} s")


def test_no_trailer_reaches_the_guard(service: Service, base: str) -> None:
    body = json.dumps(completion(max_tokens=1)).encode()
    start = head("POST", COMPLETIONS, "Transfer-Encoding: chunked", "Connection: close")
    trailer = f"Authorization: Bearer {service.token('user')}"
    whole = b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(body), body, trailer.encode())
    for pieces in ((start + whole,), (start, 0.2, whole)):
        assert asyncio.run(talk(port(base), *pieces)).status == 401


def test_probes_answer_while_slow_bodies_take_every_place(service: Service, base: str) -> None:
    """More than the guard, Serve and its queue have places for."""
    authorization = f"Authorization: Bearer {service.token('admin')}"
    stopped = head("POST", COMPLETIONS, "Content-Length: 90000", authorization) + b" " * 30_000

    async def calls() -> list[int | None]:
        flood = [asyncio.create_task(talk(port(base), stopped, wait_s=60)) for _ in range(400)]
        await asyncio.sleep(3)
        async with httpx.AsyncClient(base_url=base, timeout=10) as client:
            for path in ("/health", "/ready", "/-/healthz"):
                began = time.monotonic()
                assert (await client.get(path)).status_code == 200
                print(f"{path} at {base} under the flood: {time.monotonic() - began:.3f} s")
            form = {"username": "bob", "password": PASSWORD}
            assert (await client.post("/token", data=form)).status_code == 200
        return [heard.status for heard in await asyncio.gather(*flood)]

    statuses = asyncio.run(calls())
    assert set(statuses) == {429, 408}
    assert statuses.count(408) == HELD


def test_waiting_bodies_take_no_memory(service: Service) -> None:
    """Serve reads into memory what waits behind the guard; three bodies of 100 MB took 300 MiB."""
    base = service.replica_url()
    authorization = f"Authorization: Bearer {service.token('admin')}"
    start = head("POST", COMPLETIONS, "Transfer-Encoding: chunked", authorization)
    megabyte = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)

    async def calls() -> int:
        before = memory(service)
        sending = [
            asyncio.create_task(talk(port(base), start, *[megabyte] * 100, wait_s=5))
            for _ in range(12)
        ]
        most = before
        while not all(task.done() for task in sending):
            most = max(most, memory(service))
            await asyncio.sleep(0.05)
        assert {(await task).status for task in sending} <= {413, 429, None}
        return most - before

    growth = asyncio.run(calls())
    print(f"12 bodies of 100 MB: {growth / 2**20:+.1f} MiB")
    assert growth < 64 * 2**20
