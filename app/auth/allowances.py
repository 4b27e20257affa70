"""Counts of failures that fade away evenly, one per key, in bounded memory.

A key may have `burst` failures at once and one more every `every_s` seconds (the generic cell rate
algorithm, https://www.itu.int/rec/T-REC-I.371): one number per key is its whole state. A key whose
failures have faded is forgotten. Where there are too many keys, those with the least failures are
forgotten first, so that failures at many invented keys never hide those at one.
"""

import heapq
from dataclasses import dataclass, field

MAX_KEYS = 50_000
"""Needs about 15 MB."""
_RETRY_S = 1.0
_ROUNDING_S = 1e-6


@dataclass(slots=True)
class Allowances:
    """Failures by key. `now` is a monotonic time, in seconds, in all methods."""

    burst: int
    every_s: float
    limit: str
    """The name of this limit in refusals."""
    max_keys: int = MAX_KEYS
    _faded_at: dict[str, float] = field(default_factory=dict)
    _order: list[tuple[float, str]] = field(default_factory=list)
    _pending: dict[str, int] = field(default_factory=dict)

    @classmethod
    def hourly(cls, count: int, limit: str) -> "Allowances":
        """At most `count` failures in any hour: half of them at once, the others evenly spread."""
        burst = (count + 1) // 2
        return cls(burst, 3600.0 / max(1, count - burst), limit)

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until another attempt may fail; 0 if it may now."""
        ahead = self._ahead(key, now) - (self.burst - 1) * self.every_s
        if ahead > _ROUNDING_S:
            return ahead
        pending = self._pending.get(key, 0) * self.every_s
        return _RETRY_S if ahead + pending > _ROUNDING_S else 0.0

    def begin(self, key: str) -> None:
        """Count an attempt that has no outcome yet, to be ended by `end`."""
        self._pending[key] = self._pending.get(key, 0) + 1

    def end(self, key: str) -> None:
        """End an attempt; its failure is counted by `fail`."""
        left = self._pending.pop(key, 1) - 1
        if left > 0:
            self._pending[key] = left

    def fail(self, key: str, now: float, count: int = 1) -> None:
        """Count failures; more than `burst` of them make the wait no longer."""
        ahead = min(self._ahead(key, now) + count * self.every_s, self.burst * self.every_s)
        self._faded_at[key] = now + ahead
        heapq.heappush(self._order, (now + ahead, key))
        self._forget(now)

    def forgive(self, key: str) -> None:
        """Forget the failures of a key."""
        self._faded_at.pop(key, None)

    def __len__(self) -> int:
        return len(self._faded_at)

    def _ahead(self, key: str, now: float) -> float:
        return max(0.0, self._faded_at.get(key, now) - now)

    def _forget(self, now: float) -> None:
        order, faded_at = self._order, self._faded_at
        while order and (order[0][0] <= now or len(faded_at) > self.max_keys):
            at, key = heapq.heappop(order)
            if faded_at.get(key) == at:  # otherwise a later entry of this key is further behind
                del faded_at[key]
        if len(order) > 2 * len(faded_at) + 1000:
            self._order = [(at, key) for key, at in faded_at.items()]
            heapq.heapify(self._order)
