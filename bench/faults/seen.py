"""What a client saw: requests and streams, each with its times and its failure in words.

Pure: the clock is the caller's. Times are seconds of one clock.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One request or stream. `failure` is empty if it succeeded; `opened` is whether a stream had
    begun, so that a failure cut it."""

    kind: str
    began: float
    ended: float
    failure: str = ""
    opened: bool = True


@dataclass(frozen=True)
class Seen:
    """Everything that a client of one address saw."""

    events: Sequence[Event]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    @property
    def failures(self) -> list[Event]:
        return [event for event in self.events if event.failure]

    @property
    def requests(self) -> list[Event]:
        """Requests, and streams that never began."""
        return [event for event in self.events if event.kind != "stream" or not event.opened]

    @property
    def failed(self) -> int:
        return sum(bool(event.failure) for event in self.requests)

    @property
    def streams(self) -> list[Event]:
        """Streams that began."""
        return [event for event in self.events if event.kind == "stream" and event.opened]

    @property
    def cut(self) -> int:
        return sum(bool(event.failure) for event in self.streams)

    def seconds(self, since: float) -> float:
        """From `since` to the end of the last failure; 0 without one."""
        return max((event.ended - since for event in self.failures), default=0.0)

    def classes(self) -> str:
        """How often each failure occurred, the most frequent first."""
        counted = Counter(event.failure for event in self.failures)
        return ", ".join(f"{count} x {failure}" for failure, count in counted.most_common())


def quiet(events: Sequence[Event], now: float, seconds: float) -> bool:
    """Whether requests have been answered, and none has failed, for `seconds`."""
    last = [event for event in events if event.ended > now - seconds]
    return any(event.kind != "stream" for event in last) and not any(e.failure for e in last)
