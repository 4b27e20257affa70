"""Overload: every answer is 200 or an immediate 429, in bounded memory."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from bench.serving.service import ENGINE, Service
from tests.app_live.calls import completion

pytestmark = [pytest.mark.live]

CLIENTS = 48
HELD = int(ENGINE["GUARD_MAX_RUNNING"])
REFUSED_SECONDS = 0.05
REFUSALS = 20
# Only the fastest counts, because a busy machine may delay any of them. A refusal that waited for a
# place or for a step of the engine would be late every time.
TRIALS = 5
# The allocators of vLLM and Python keep about 8 MiB of each of the first six floods, and of later
# ones nearly nothing (measured over 16). If the bodies that are let in stayed in memory, each flood
# would add 8 MiB.
SETTLING, FLOODS = 8, 8
SETTLING_BYTES = 80 * 1024**2
GROWTH_BYTES = 16 * 1024**2
BODY_BYTES = 1_000_000


async def flood(
    base: str, headers: list[dict[str, str]], **changes: object
) -> list[tuple[httpx.Response, float]]:
    """Send one long request per caller concurrently; the answers, and the duration of each in
    seconds.
    """
    limits = httpx.Limits(max_connections=len(headers))
    async with httpx.AsyncClient(timeout=90, limits=limits) as client:

        async def one(mine: dict[str, str]) -> tuple[httpx.Response, float]:
            begun = time.monotonic()
            answer = await client.post(
                f"{base}/v1/completions", json=completion(**changes), headers=mine
            )
            return answer, time.monotonic() - begun

        return await asyncio.gather(*(one(mine) for mine in headers))


def test_overload_is_answered_with_200_and_429_only(service: Service, base: str) -> None:
    time.sleep(1)  # an abandoned request of the previous test frees its place within this time
    everyone = [service.headers() for _ in range(CLIENTS)]
    answers = asyncio.run(flood(base, everyone, max_tokens=1500))
    counts = Counter(answer.status_code for answer, _ in answers)
    assert set(counts) == {200, 429}
    assert counts[200] >= HELD
    served = min(seconds for answer, seconds in answers if answer.status_code == 200)
    for answer, seconds in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["message"]
            assert seconds < served  # no refusal waited for a generation
    after = httpx.get(f"{base}/health", timeout=2)
    assert after.status_code == 200


@contextmanager
def full(service: Service, base: str) -> Iterator[None]:
    """Occupy every place of the replica with a stream that is not read to its end."""
    with ExitStack() as streams:
        client = streams.enter_context(httpx.Client(base_url=base, timeout=60))
        for _ in range(HELD):
            body = completion(stream=True)
            answer = streams.enter_context(
                client.stream("POST", "/v1/completions", json=body, headers=service.headers())
            )
            assert answer.status_code == 200
        yield


def test_a_refusal_takes_less_than_50_ms(service: Service, base: str) -> None:
    medians = []
    with httpx.Client(base_url=base, headers=service.headers("admin"), timeout=60) as client:
        for _ in range(TRIALS):
            time.sleep(1)
            with full(service, base):
                seconds = []
                for _ in range(REFUSALS):
                    begun = time.perf_counter()
                    answer = client.post("/v1/completions", json=completion())
                    if answer.status_code == 429:
                        seconds.append(time.perf_counter() - begun)
                        assert answer.headers["x-ratelimit-limit-name"] == "replica_concurrency"
                    else:
                        assert answer.status_code == 200  # the streams ended meanwhile
                        break
            if len(seconds) >= REFUSALS / 2:
                medians.append(statistics.median(seconds))
                if medians[-1] < REFUSED_SECONDS:
                    break
    print(f"refused at {base} in {[f'{median * 1000:.1f} ms' for median in medians]} (medians)")
    assert min(medians) < REFUSED_SECONDS


def test_memory_is_bounded(service: Service) -> None:
    """Repeatedly send large bodies, far more at once than there are places."""
    everyone = [service.headers("admin") for _ in range(CLIENTS)]

    def once() -> None:
        # White space costs no tokens, and a body of this size is read completely before it is
        # checked.
        body = {"max_tokens": 5, "user": " " * BODY_BYTES}
        answers = asyncio.run(flood(service.url, everyone, **body))
        assert {answer.status_code for answer, _ in answers} <= {200, 429}

    for _ in range(2):
        once()
    taken = [memory(service)]
    for _ in range(SETTLING + FLOODS):
        once()
        taken.append(memory(service))
    print(f"after each flood of {CLIENTS} MB: {[round(m / 1024**2, 1) for m in taken]} MiB")
    assert taken[SETTLING] - taken[0] < SETTLING_BYTES
    assert taken[-1] - taken[SETTLING] < GROWTH_BYTES


def memory(service: Service) -> int:
    """The private memory of the replica's process, in bytes."""
    (replica,) = service.running_replicas()
    status = (Path("/proc") / str(replica["pid"]) / "status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024
