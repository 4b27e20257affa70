"""`python -m tests.app_live.record_metrics`: records what Ray's metrics port says in three minutes.

A minute of three streams, a minute with more requests than the replica takes and with wrong
passwords, and half a minute of nothing. The result is tests/infra/monitoring/recorded.txt.
"""

import threading
import time
from collections.abc import Callable

import httpx

from bench.serving.cluster import Cluster
from bench.serving.service import MODEL, PASSWORD, Service, tiny_model
from tests.app_live.scrape import Page, scraped
from tests.infra.monitoring import recording

EVERY_S = 10.0
STEADY_S, CROWDED_S, IDLE_S = 60.0, 70.0, 40.0
STREAMS, CROWD, GUESSERS = 3, 14, 2


def main() -> None:
    cluster = Cluster()
    service = Service(cluster, tiny_model())
    try:
        service.write_users()
        cluster.start()
        service.deploy()
        seconds, pages = record(service)
    finally:
        cluster.stop()
    recording.write(seconds, pages)
    print(f"{recording.FILE}: {len(pages)} scrapes, {len(pages[-1])} series")


def record(service: Service) -> tuple[list[float], list[dict[str, float]]]:
    """The seconds and the pages of all scrapes."""
    scraped(service, "ray_rayline_max_running_requests", 60)
    began, seconds, pages = time.monotonic(), [], []
    for duration, streams, guesses in (
        (STEADY_S, STREAMS, False),
        (CROWDED_S, CROWD, True),
        (IDLE_S, 0, False),
    ):
        stop = threading.Event()
        workers = [working(stop, asking(service)) for _ in range(streams)]
        if guesses:
            workers += [working(stop, guessing(service)) for _ in range(GUESSERS)]
        end = time.monotonic() + duration
        while time.monotonic() < end:
            seconds.append(time.monotonic() - began)
            pages.append(kept(scraped(service, "ray_rayline_max_running_requests", 60)))
            time.sleep(max(0.0, began + EVERY_S * len(seconds) - time.monotonic()))
        stop.set()
        for worker in workers:
            worker.join()
    return seconds, pages


def kept(page: Page) -> dict[str, float]:
    """The values of the series that a query names."""
    return {
        recording.series(name, labels): value
        for name in recording.wanted()
        for labels, value in page[name]
    }


def asking(service: Service) -> Callable[[], None]:
    headers = service.headers("user")
    messages = [{"role": "user", "content": "tell me of the sea " * 60}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 64}

    def ask() -> None:
        url = f"{service.url}/v1/chat/completions"
        if httpx.post(url, json=body, headers=headers, timeout=120).status_code == 429:
            time.sleep(0.5)

    return ask


def guessing(service: Service) -> Callable[[], None]:
    def guess() -> None:
        for name, password in (("bob", "wrong"), ("bob", "also wrong"), ("alice", PASSWORD)):
            form = {"username": name, "password": password}
            httpx.post(f"{service.url}/token", data=form, timeout=60)
        time.sleep(0.5)

    return guess


def working(stop: threading.Event, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


if __name__ == "__main__":
    main()
