"""A client that asks every 0.1 s, whatever became of the requests before, and reads streams."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from bench.faults import streams
from bench.faults.seen import Event, Seen

PERIOD_SECONDS = 0.1
TIMEOUT_SECONDS = 5.0
"""Of one request; a client that waits longer does not see an outage as requests that fail."""
SILENCE_SECONDS = 30.0
"""Longest wait of a stream for its next bytes."""
PAUSE_SECONDS = 0.5
"""Before a refused stream is asked for again."""
TOKENS = 400


@dataclass(frozen=True)
class Target:
    """An address of the API, a model and a token of one of its users."""

    base: str
    model: str
    token: str


class Client:
    """Collects what it sees at one address. Requests are GET /ready, which a replica answers."""

    def __init__(self, target: Target, open_streams: int) -> None:
        self._target, self._streams = target, open_streams
        self._events: list[Event] = []
        self._over = threading.Event()
        self._http = streams.new_connections(TIMEOUT_SECONDS)

    @property
    def seen(self) -> Seen:
        return Seen(tuple(self._events))

    @contextmanager
    def working(self) -> Iterator["Client"]:
        """Ask and read while the block runs; afterwards, open streams are read to their end."""
        waiting = int(TIMEOUT_SECONDS / PERIOD_SECONDS) + 10
        with (
            self._http,
            ThreadPoolExecutor(waiting) as asking,
            ThreadPoolExecutor(max(1, self._streams)) as reading,
        ):
            ticking = threading.Thread(target=self._tick, args=(asking,))
            ticking.start()
            readers = [reading.submit(self._read) for _ in range(self._streams)]
            try:
                yield self
            finally:
                self._over.set()
                ticking.join()
                for reader in readers:
                    reader.result()

    def _tick(self, pool: ThreadPoolExecutor) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            pool.submit(self._ask)
            due = max(due + PERIOD_SECONDS, time.monotonic() - PERIOD_SECONDS)
            self._over.wait(max(0.0, due - time.monotonic()))

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            answer = self._http.get(f"{self._target.base}/ready")
            failure = "" if answer.status_code == 200 else f"status {answer.status_code}"
        except httpx.HTTPError as error:
            failure = type(error).__name__
        self._events.append(Event("request", began, time.monotonic(), failure))

    def _read(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            failure, opened = self._stream()
            self._events.append(Event("stream", began, time.monotonic(), failure, opened))
            if failure:
                self._over.wait(PAUSE_SECONDS)

    def _stream(self) -> tuple[str, bool]:
        body: dict[str, object] = {
            "model": self._target.model,
            "messages": [{"role": "user", "content": "Tell me everything."}],
            "max_tokens": TOKENS,
            "ignore_eos": True,
            "stream": True,
        }
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
        return streams.read(self._http, self._target.base, body, self._target.token, timeout)
