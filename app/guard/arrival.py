"""How a request's body arrives: its declared length, its pace, and the memory that it may take.

A sender may stop at any byte. Every wait for a body therefore has an end that depends only on what
has arrived, and all bodies of a replica share a bounded memory.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

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
    late = False
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    began, cancelled_before = loop.time(), task.cancelling()

    timer: asyncio.TimerHandle

    def judge() -> None:
        nonlocal late, timer
        allowed = began + pace.grace_s + size / pace.rate
        if allowed > loop.time():
            timer = loop.call_at(allowed, judge)
        else:
            late = True
            task.cancel()

    # One timer of our own, because `asyncio.timeout` takes twice as long.
    timer = loop.call_at(began + pace.grace_s, judge)
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = message.get("body", b"")
            size += len(part)
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
        if not late or task.uncancel() > cancelled_before:
            raise
        text = (
            f"The body did not arrive in time; send it within {pace.grace_s:.0f} seconds, or at "
            f"{pace.rate // 1024} KiB per second or faster."
        )
        raise RefusedError(408, "body_timeout", text) from None
    finally:
        timer.cancel()


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
