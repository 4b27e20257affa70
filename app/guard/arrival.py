"""How a request's body arrives: its declared length, its pace, and the memory that it may take.

A sender may stop at any byte. Every wait for a body therefore has an end that depends only on what
has arrived, and all bodies of a replica share a bounded memory.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from app.asgi import Receive
from app.errors import RefusedError, too_many

OPEN_LOGINS, OPEN_BODIES = "open_logins", "open_body_bytes"
SMALL_BYTES = 65_536
"""Bodies up to this size are always let in. Their number is bounded by the requests that a replica
runs, so that large uploads of some users never keep a conversation of another one out."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may arrive: `grace_s` seconds, and one more per `rate` bytes received."""

    grace_s: float
    rate: int


REQUEST_PACE = Pace(30.0, 65_536)
"""25 MiB may take 430 s, which suits an uplink of half a megabit per second. A sender that stops
after n bytes is cut off n / 65,536 + 30 s after its start at the latest."""
LOGIN_PACE = Pace(5.0, 65_536)
WATCH_S = 0.25
"""How often the bodies that are arriving are looked at, and so how late one is cut off."""
MAX_OPEN_LOGINS, MAX_OPEN_LOGINS_PER_ADDRESS = 32, 8


def declared_length(value: bytes | None, maximum: int) -> int | None:
    """Content-Length, judged before a byte is read; None where the request has none.

    RefusedError 413 if it is too large, 400 if it is not a number.
    """
    if value is None:
        return None
    if not value.isdigit() or len(value) > 19:
        raise RefusedError(400, "invalid_header", "Content-Length must be a number of bytes.")
    if int(value) > maximum:
        raise too_large(maximum)
    return int(value)


def too_large(maximum: int) -> RefusedError:
    """413 that states what is allowed."""
    return RefusedError(413, "body_too_large", f"The body is too large; allowed: {maximum} bytes.")


class _Arriving:
    """One body that is being read by `task`; `began` is of the monotonic clock, in seconds."""

    __slots__ = ("began", "late", "pace", "size", "task")

    def __init__(self, task: asyncio.Task[Any], began: float, pace: Pace) -> None:
        self.task = task
        self.began = began
        self.pace = pace
        self.size = 0
        self.late = False


class _Watch:
    """Cancels the tasks of one loop whose bodies are late.

    All bodies share one timer, because a timer per body took a tenth of the guard's time.
    """

    __slots__ = ("_running", "arriving")

    def __init__(self) -> None:
        self._running = False
        self.arriving: set[_Arriving] = set()

    def add(self, body: _Arriving) -> None:
        """Watch a body until it is taken out of `arriving`."""
        self.arriving.add(body)
        if not self._running:
            self._running = True
            self._look_later()

    def _look(self) -> None:
        now = time.monotonic()
        for body in self.arriving:
            if not body.late and body.began + body.pace.grace_s + body.size / body.pace.rate <= now:
                body.late = True
                body.task.cancel()
        self._running = bool(self.arriving)
        if self._running:
            self._look_later()

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(WATCH_S, self._look)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _watch() -> _Watch:
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = _Watch()
    return watch


async def read(
    receive: Receive, maximum: int, pace: Pace, grow: Callable[[int], None] | None = None
) -> bytes:
    """The whole body, of up to `maximum` bytes; `grow` hears of its size while it arrives.

    Raises RefusedError 413 when it is larger, 408 when it is slower than `pace`, ClientGoneError,
    or what `grow` raises.
    """
    # Small parts are collected: as objects of their own they would take fifty times their size.
    parts: list[bytes] = []
    tail = bytearray()
    size = 0
    task, watch = asyncio.current_task(), _watch()
    assert task is not None
    cancelled_before = task.cancelling()
    body = _Arriving(task, time.monotonic(), pace)
    watch.add(body)
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = message.get("body", b"")
            size = body.size = size + len(part)
            if size > maximum:
                raise too_large(maximum)
            if grow is not None:
                grow(size)
            if not message.get("more_body", False):
                return b"".join((*parts, tail, part)) if size > len(part) else part
            tail += part
            if len(tail) >= SMALL_BYTES:
                parts.append(bytes(tail))
                tail.clear()
    except asyncio.CancelledError:
        if not body.late or task.uncancel() > cancelled_before:
            raise
        text = (
            f"The body did not arrive in time; send it within {pace.grace_s:.0f} seconds, or at "
            f"{pace.rate // 1024} KiB per second or faster."
        )
        raise RefusedError(408, "body_timeout", text) from None
    finally:
        watch.arriving.discard(body)


class Room:
    """The memory for the bodies of one replica's requests, from their arrival to their end.

    `total` is in bytes. No caller gets more than half of it, unless nobody else has any.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken = 0
        self._by_caller: dict[str, int] = {}

    def hold(self, caller: str, declared: int | None) -> "Held":
        """Room for one body, until its `release`; RefusedError 429 where there is none."""
        held = Held(self, caller)
        if declared is not None:
            held.grow(declared)
        return held

    def take(self, caller: str, size: int) -> None:
        """Take `size` bytes; RefusedError 429 where they do not fit."""
        mine = self._by_caller.get(caller, 0)
        full = self._taken + size > self._total
        if full or (mine + size > self._total // 2 and self._taken > mine):
            text = "This replica holds too many large bodies; retry shortly."
            raise too_many(OPEN_BODIES, 1.0, text)
        self._taken += size
        self._by_caller[caller] = mine + size

    def give_back(self, caller: str, size: int) -> None:
        """Undo `take`."""
        self._taken -= size
        self._by_caller[caller] -= size
        if not self._by_caller[caller]:
            del self._by_caller[caller]


class Held:
    """The room of one body."""

    __slots__ = ("_caller", "_room", "_size")

    def __init__(self, room: Room, caller: str) -> None:
        self._room = room
        self._caller = caller
        self._size = 0

    def grow(self, size: int) -> None:
        """The body has, or will have, this size; RefusedError 429 if that does not fit."""
        if size > SMALL_BYTES and size > self._size:
            self._room.take(self._caller, size - self._size)
            self._size = size

    def release(self) -> None:
        """The request has ended."""
        if self._size:
            self._room.give_back(self._caller, self._size)
            self._size = 0


class LoginBodies:
    """The forms of POST /token that are arriving: few, from few of one address, and short-lived.

    They take no place of a request to the engine, nor the other way round.
    """

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    async def read(self, receive: Receive, declared: int | None, address: str) -> bytes:
        """The form's bytes; RefusedError 411 without a length, 429 if too many are arriving, and
        those of `read`."""
        if declared is None:
            text = "POST /token needs a Content-Length; chunked bodies are not accepted."
            raise RefusedError(411, "length_required", text)
        mine = self._open.get(address, 0)
        if mine >= MAX_OPEN_LOGINS_PER_ADDRESS or sum(self._open.values()) >= MAX_OPEN_LOGINS:
            raise too_many(OPEN_LOGINS, 1.0, "Too many logins are arriving; retry shortly.")
        self._open[address] = mine + 1
        try:
            return await read(receive, declared, LOGIN_PACE)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
