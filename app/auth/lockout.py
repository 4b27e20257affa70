"""Five failed logins within five minutes lock that user at that address, and no one else.

An attempt counts from its start, so a hundred guesses sent at once count as five. State is per
replica and in memory; the other replicas learn of failures through `app.access.ledger` within
about a second. A lock ends when its oldest failure is five minutes old. Existing tokens remain
valid.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from app.errors import RefusedError, too_many

FAILURES = 5
WINDOW_S = 300.0
LIMIT = "login_failures"
_MAX_PAIRS = 20_000
"""Needs about 10 MB; the pair whose last failure is oldest is forgotten first."""


def pair_key(username: str, address: str) -> str:
    """A key of fixed size that reveals neither name nor address; other replicas receive it."""
    return hashlib.sha256(f"{len(username)}:{username}{address}".encode()).hexdigest()[:32]


class Lockout:
    """Failures by user and address. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._pending: dict[str, int] = {}
        self._changes: dict[str, int] = {}

    def begin(self, key: str) -> None:
        """Start an attempt, to be finished by `end`; RefusedError 429 when the pair is locked."""
        now = self._clock()
        recent = self._recent(key, now)
        pending = self._pending.get(key, 0)
        if len(recent) + pending >= FAILURES:
            wait = recent[0] + WINDOW_S - now if len(recent) >= FAILURES else 1.0
            raise _locked(wait)
        self._pending[key] = pending + 1

    def end(self, key: str, succeeded: bool | None) -> None:
        """Finish an attempt; None when it had no outcome, as when the client disconnected."""
        left = self._pending.pop(key, 1) - 1
        if left > 0:
            self._pending[key] = left
        if succeeded:
            self._failures.pop(key, None)
        elif succeeded is not None:
            self._add(key, 1)
            self._changes[key] = self._changes.get(key, 0) + 1

    def take_changes(self) -> dict[str, int]:
        """The failures since the last call, for the other replicas."""
        changes, self._changes = self._changes, {}
        return changes

    def apply(self, changes: dict[str, int]) -> None:
        """Count the failures that other replicas reported."""
        for key, count in changes.items():
            self._add(key, count)

    def _add(self, key: str, count: int) -> None:
        now = self._clock()
        recent = self._recent(key, now) + [now] * min(count, FAILURES)
        self._failures[key] = recent[-FAILURES:]
        self._failures.move_to_end(key)
        while len(self._failures) > _MAX_PAIRS:
            self._failures.popitem(last=False)

    def _recent(self, key: str, now: float) -> list[float]:
        return [t for t in self._failures.get(key, ()) if t > now - WINDOW_S]


def _locked(wait_s: float) -> RefusedError:
    message = (
        f"This user is locked at this address after {FAILURES} failed logins within "
        f"{WINDOW_S / 60:.0f} minutes. Retry after the time in the Retry-After header; existing "
        "tokens remain valid."
    )
    return too_many(LIMIT, wait_s, message)
