"""Counts shared by all replicas: one small named Ray actor, off the path of every request.

About once a second each replica reports to the actor what its users spent, which logins failed, and
from where users logged in, and receives what the other replicas reported. A new replica also
receives the places of all earlier logins, and a new actor those of all replicas. The actor is
detached, so it outlives the replica that created it, and it exits when no replica has called it for
two minutes. Without it, replicas count alone (each allows the whole limit) and log that once; the
next call creates a new actor. Only changes in transit are lost.
"""

import asyncio
import importlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from app.access.limits import Changes, Limits
from app.access.places import Places

ACTOR, NAMESPACE = "rayline-ledger-2", "rayline"
"""The number grows with every change of `Changes`, which an actor of older code could not read."""
INTERVAL_S, TIMEOUT_S, CONNECT_S = 1.0, 2.0, 60.0
IDLE_EXIT_S = 120.0
QUIET_S = 10.0
"""A replica that has not reported for this long counts as running nothing."""
_log = logging.getLogger("rayline.limits")
Synchronize = Callable[[str, Changes], Awaitable[Changes]]
Connect = Callable[[], Awaitable[Synchronize]]


class Logins(Protocol):
    """The logins of a replica (`app.auth.lockout`), under anonymous keys."""

    def take_changes(self, into: Changes, everything: bool) -> None:
        """Put what happened since the last call into a report; all places, if `everything`."""
        ...

    def apply(self, changes: Changes) -> None:
        """Count the logins of other replicas."""
        ...


class Ledger:
    """The actor's state, independent of Ray: the changes that each replica has yet to receive."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._outbox: dict[str, Changes] = {}
        self._running: dict[str, tuple[float, dict[str, int]]] = {}
        self._places = Places()

    def synchronize(self, replica: str, changes: Changes) -> Changes:
        """Take the changes of one replica; return those of the others since its last call."""
        now = self._clock()
        for other in [r for r, (last, _) in self._running.items() if now - last > QUIET_S]:
            del self._running[other]
            self._outbox.pop(other, None)
        self._running[replica] = (now, changes.running)
        new = replica not in self._outbox
        answer = self._outbox.pop(replica, Changes())
        if new:
            answer.places = self._places.as_lists()
        self._places.add_all(changes.places)
        self._outbox[replica] = Changes()
        for other, box in self._outbox.items():
            if other != replica:
                box.add(changes)
        for other, (_, running) in self._running.items():
            if other != replica:
                for key, count in running.items():
                    answer.running[key] = answer.running.get(key, 0) + count
        return answer


class Actor(Ledger):
    """The ledger in its own process, which exits some time after the service has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._last_call = time.monotonic()
        threading.Thread(target=self._exit_when_idle, daemon=True).start()

    def synchronize(self, replica: str, changes: Changes) -> Changes:
        """Synchronize as `Ledger` does, and postpone the exit."""
        self._last_call = time.monotonic()
        return super().synchronize(replica, changes)

    def _exit_when_idle(self) -> None:
        while time.monotonic() - self._last_call < IDLE_EXIT_S:
            time.sleep(IDLE_EXIT_S / 4)
        os._exit(0)


async def connect_ray() -> Synchronize:
    """The actor of this Ray cluster, created if there is none. Ray's own errors pass through."""
    return await asyncio.to_thread(_connect_ray)


def _connect_ray() -> Synchronize:
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

    async def synchronize(replica: str, changes: Changes) -> Changes:
        answer: Changes = await actor.synchronize.remote(replica, changes)
        return answer

    return synchronize


class Synchronizer:
    """The loop that keeps the counts of one replica and those of the ledger in step."""

    def __init__(self, replica: str, limits: Limits, logins: Logins, connect: Connect) -> None:
        self._replica = replica
        self._limits = limits
        self._logins = logins
        self._connect = connect
        self._synchronize: Synchronize | None = None
        self._alone: bool | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop on the running event loop, unless it has started."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End the loop."""
        if self._task is not None:
            self._task.cancel()

    async def once(self) -> None:
        """Synchronize once; count alone when that fails."""
        changes = self._limits.take_changes()
        self._logins.take_changes(changes, everything=self._synchronize is None)
        try:
            if self._synchronize is None:
                async with asyncio.timeout(CONNECT_S):
                    synchronize = await self._connect()
                    received = await synchronize(self._replica, changes)
                self._synchronize = synchronize
            else:
                async with asyncio.timeout(TIMEOUT_S):
                    received = await self._synchronize(self._replica, changes)
        except Exception as error:  # whatever Ray raises, requests must continue
            self._synchronize = None
            self._limits.apply(Changes())
            self._log_transition(alone=True, reason=type(error).__name__)
            return
        self._limits.apply(received)
        self._logins.apply(received)
        self._log_transition(alone=False)

    async def _run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(INTERVAL_S)

    def _log_transition(self, alone: bool, reason: str = "") -> None:
        if alone == self._alone:
            return
        self._alone = alone
        if alone:
            _log.warning("This replica counts alone: the ledger is unavailable (%s).", reason)
        else:
            _log.info("This replica shares its counts with the other replicas.")
