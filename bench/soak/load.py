"""Mixed load of several users: lists of models, chats, streams and logins, each at its own pace."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import httpx

from bench.faults import streams
from bench.faults.seen import Event

STREAMED_TOKENS, CHAT_TOKENS = 300, 16
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Access:
    """A user of one model."""

    base: str
    model: str
    user: str
    password: str


class Load:
    """Every login replaces the token, so that requests are made with keys of every age."""

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._access, self._clock = access, clock
        self._over = threading.Event()
        self.events: list[Event] = []
        self._http = streams.new_connections(TIMEOUT_SECONDS)
        self._token = self._new_token()

    @contextmanager
    def working(self, open_streams: int = 3) -> Iterator[None]:
        """(kind, seconds between two beginnings) of each worker; streams follow each other."""
        paces: list[tuple[str, Callable[[], tuple[str, bool]], float]] = [
            *[("models", self._models, 0.2)] * 3,
            *[("chat", self._chat, 2.0)] * 2,
            ("login", self._login, 10.0),
            *[("stream", self._stream, 0.0)] * open_streams,
        ]
        with closing(self._http), ThreadPoolExecutor(len(paces)) as pool:
            workers = [pool.submit(self._work, *pace) for pace in paces]
            try:
                yield
            finally:
                self._over.set()
                for worker in workers:
                    worker.result()

    def _work(self, kind: str, ask: Callable[[], tuple[str, bool]], period: float) -> None:
        while not self._over.is_set():
            began, opened = self._clock(), True
            try:
                failure, opened = ask()
            except httpx.HTTPError as error:
                failure = type(error).__name__
            ended = self._clock()
            self.events.append(Event(kind, began, ended, failure, opened))
            self._over.wait(max(period - (ended - began), 0.5 if failure else 0.0))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _new_token(self) -> str:
        form = {"username": self._access.user, "password": self._access.password}
        answer = self._http.post(f"{self._access.base}/token", data=form)
        return str(answer.raise_for_status().json()["access_token"])

    def _login(self) -> tuple[str, bool]:
        try:
            self._token = self._new_token()
        except httpx.HTTPStatusError as error:
            return f"status {error.response.status_code}", True
        return "", True

    def _models(self) -> tuple[str, bool]:
        answer = self._http.get(f"{self._access.base}/v1/models", headers=self._headers())
        return ("" if answer.status_code == 200 else f"status {answer.status_code}"), True

    def _body(self, tokens: int, *, stream: bool) -> dict[str, object]:
        return {
            "model": self._access.model,
            "messages": [{"role": "user", "content": "What is the cache for?"}],
            "max_tokens": tokens,
            "ignore_eos": True,
            "stream": stream,
        }

    def _chat(self) -> tuple[str, bool]:
        answer = self._http.post(
            f"{self._access.base}/v1/chat/completions",
            json=self._body(CHAT_TOKENS, stream=False),
            headers=self._headers(),
        )
        return ("" if answer.status_code == 200 else f"status {answer.status_code}"), True

    def _stream(self) -> tuple[str, bool]:
        body = self._body(STREAMED_TOKENS, stream=True)
        timeout = httpx.Timeout(TIMEOUT_SECONDS)
        return streams.read(self._http, self._access.base, body, self._token, timeout)
