"""How long the parts of a replica's start took."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

IMPORT, ENGINE, APPLICATION, FIRST_TOKEN = "import", "engine", "application", "first_token"
TOTAL = "total"


class Phases:
    """The seconds of each phase that has ended. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done inside; a phase that fails has no duration."""
        began = self._clock()
        yield
        self._seconds[name] = self._clock() - began

    def done(self) -> None:
        """The replica is ready: its start took all the time since this object was made."""
        self._seconds[TOTAL] = self._clock() - self._began

    @property
    def seconds(self) -> Mapping[str, float]:
        """By phase, in the order in which they ended."""
        return dict(self._seconds)
