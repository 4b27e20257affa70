"""Five failed logins in five minutes lock that user and address, and nobody else.

An attempt counts from its start, so that a hundred guesses sent at once are five. State is per
replica and in memory; failures are told to the other replicas through `app.access.ledger` within
about a second. A lock ends when its oldest failure is five minutes old; live tokens go on working.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from app.errors import RefusedError, too_many

FAILURES = 5
WINDOW_S = 300.0
LIMIT = "login_failures"
_MOST_PAIRS = 20_000
"""About 10 MB; the pair that was quiet longest is forgotten first."""


def pair_key(username: str, address: str) -> str:
    """A key of fixed size that names nobody: it travels to other replicas."""
    return hashlib.sha256(f"{len(username)}:{username}{address}".encode()).hexdigest()[:32]


class Lockout:
    """Failures by user and address. `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._pending: dict[str, int] = {}
        self._news: dict[str, int] = {}

    def begin(self, key: str) -> None:
        """Start an attempt, to be given to `end`; RefusedError 429 when the pair is locked."""
        now = self._clock()
        recent = self._recent(key, now)
        pending = self._pending.get(key, 0)
        if len(recent) + pending >= FAILURES:
            wait = recent[0] + WINDOW_S - now if len(recent) >= FAILURES else 1.0
            raise _locked(wait)
        self._pending[key] = pending + 1

    def end(self, key: str, succeeded: bool | None) -> None:
        """Finish an attempt; None when it was neither, as when the client went away."""
        left = self._pending.pop(key, 1) - 1
        if left > 0:
            self._pending[key] = left
        if succeeded:
            self._failures.pop(key, None)
        elif succeeded is not None:
            self._add(key, 1)
            self._news[key] = self._news.get(key, 0) + 1

    def take_news(self) -> dict[str, int]:
        """Failures since the last call, for the other replicas."""
        news, self._news = self._news, {}
        return news

    def learn(self, news: dict[str, int]) -> None:
        """Failures that other replicas saw."""
        for key, count in news.items():
            self._add(key, count)

    def _add(self, key: str, count: int) -> None:
        now = self._clock()
        recent = self._recent(key, now) + [now] * min(count, FAILURES)
        self._failures[key] = recent[-FAILURES:]
        self._failures.move_to_end(key)
        while len(self._failures) > _MOST_PAIRS:
            self._failures.popitem(last=False)

    def _recent(self, key: str, now: float) -> list[float]:
        return [t for t in self._failures.get(key, ()) if t > now - WINDOW_S]


def _locked(wait_s: float) -> RefusedError:
    message = (
        f"{FAILURES} failed logins in {WINDOW_S / 60:.0f} minutes: this user is locked for this "
        "address. Wait as Retry-After says; tokens that were given out go on working."
    )
    return too_many(LIMIT, wait_s, message)
