"""Counts that replicas share: one small named Ray actor, off the path of every request.

Each replica tells the actor about once a second what its users spent and which logins failed, and
hears what the other replicas told. The actor is detached, so that it outlives the replica that made
it, and ends by itself when nobody has spoken to it for two minutes. When it is gone, replicas count
alone (each allows the whole limit), say so once in the log, and the next exchange makes a new one.
Nothing is lost but the news that was on its way.
"""

import asyncio
import importlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app.access.limits import Limits, News
from app.auth.lockout import Lockout

ACTOR, NAMESPACE = "rayline-ledger", "rayline"
INTERVAL_S, TIMEOUT_S, CONNECT_S = 1.0, 2.0, 60.0
IDLE_EXIT_S = 120.0
QUIET_S = 10.0
"""A replica that was not heard from for so long runs nothing, as far as the others know."""
_log = logging.getLogger("rayline.limits")
Exchange = Callable[[str, News], Awaitable[News]]
Connect = Callable[[], Awaitable[Exchange]]


class Ledger:
    """The actor's state: for each replica what it has not heard yet. Plain Python, no Ray."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._outbox: dict[str, News] = {}
        self._running: dict[str, tuple[float, dict[str, int]]] = {}

    def exchange(self, replica: str, news: News) -> News:
        """Take one replica's news and return everybody else's since its last call."""
        now = self._clock()
        for other in [r for r, (heard, _) in self._running.items() if now - heard > QUIET_S]:
            del self._running[other]
            self._outbox.pop(other, None)
        self._running[replica] = (now, news.running)
        answer = self._outbox.pop(replica, News())
        self._outbox[replica] = News()
        for other, box in self._outbox.items():
            if other != replica:
                box.add(news)
        for other, (_, running) in self._running.items():
            if other != replica:
                for key, count in running.items():
                    answer.running[key] = answer.running.get(key, 0) + count
        return answer


class Actor(Ledger):
    """The ledger in a process of its own, which must not stay behind when the service is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = time.monotonic()
        threading.Thread(target=self._leave_when_idle, daemon=True).start()

    def exchange(self, replica: str, news: News) -> News:
        """As the ledger's; notes that somebody is there."""
        self._heard = time.monotonic()
        return super().exchange(replica, news)

    def _leave_when_idle(self) -> None:
        while time.monotonic() - self._heard < IDLE_EXIT_S:
            time.sleep(IDLE_EXIT_S / 4)
        os._exit(0)


async def connect_ray() -> Exchange:
    """The actor of this Ray cluster, made if there is none. Raises whatever Ray raises."""
    return await asyncio.to_thread(_connect_ray)


def _connect_ray() -> Exchange:
    ray: Any = importlib.import_module("ray")  # untyped, and absent where tests run
    if not ray.is_initialized():
        raise ConnectionError("Ray is not running in this process")
    actor: Any = (
        ray.remote(Actor)
        .options(
            name=ACTOR, namespace=NAMESPACE, get_if_exists=True, num_cpus=0, lifetime="detached"
        )
        .remote()
    )

    async def exchange(replica: str, news: News) -> News:
        answer: News = await actor.exchange.remote(replica, news)
        return answer

    return exchange


class Sharing:
    """The loop of one replica that keeps its counts and the ledger's together."""

    def __init__(self, replica: str, limits: Limits, lockout: Lockout, connect: Connect) -> None:
        self._replica = replica
        self._limits = limits
        self._lockout = lockout
        self._connect = connect
        self._exchange: Exchange | None = None
        self._alone: bool | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop; again does nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End the loop."""
        if self._task is not None:
            self._task.cancel()

    async def once(self) -> None:
        """One exchange; counting alone when it fails."""
        news = self._limits.take_news()
        news.failed = self._lockout.take_news()
        try:
            if self._exchange is None:
                async with asyncio.timeout(CONNECT_S):
                    exchange = await self._connect()
                    heard = await exchange(self._replica, news)
                self._exchange = exchange
            else:
                async with asyncio.timeout(TIMEOUT_S):
                    heard = await self._exchange(self._replica, news)
        except Exception as error:  # whatever Ray raises, requests must go on
            self._exchange = None
            self._limits.learn(News())
            self._say(alone=True, why=type(error).__name__)
            return
        self._limits.learn(heard)
        self._lockout.learn(heard.failed)
        self._say(alone=False, why="")

    async def _run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(INTERVAL_S)

    def _say(self, alone: bool, why: str) -> None:
        if alone != self._alone:
            self._alone = alone
            if alone:
                _log.warning("limits are counted by this replica alone: no ledger (%s)", why)
            else:
                _log.info("limits are shared with the other replicas")
