"""Progress lines for `kubectl logs`: few enough to read, frequent enough to show progress."""

import time
from collections.abc import Callable

INTERVAL = 10.0
"""Seconds between two lines about the same transfer."""


def amount(size: float) -> str:
    """Bytes in the largest suitable binary unit, such as 3.1 GiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


class Progress:
    """Counts bytes and prints at most one line per `INTERVAL`. `clock` is in seconds."""

    def __init__(
        self,
        report: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.report = report
        self._clock = clock
        self._total = 0
        self._done = 0
        self._begin()

    def _begin(self) -> None:
        self._since = self._clock()
        self._recent = 0

    def start(self, total: int) -> None:
        """Start counting towards `total` bytes."""
        self._total, self._done = total, 0
        self._begin()

    def add(self, count: int) -> None:
        """Count bytes received or checked; a negative count discards bytes to be received again."""
        self._done += count
        self._recent += count
        seconds = self._clock() - self._since
        if seconds >= INTERVAL:
            self._line(max(self._recent, 0) / seconds)
            self._begin()

    def _line(self, rate: float) -> None:
        percent = 100 * self._done // self._total if self._total else 100
        left = self._total - self._done
        text = f"{percent} %: {amount(self._done)} of {amount(self._total)}, {amount(rate)}/s"
        if rate and left > 0:
            text += f", about {max(round(left / rate / 60), 1)} min left"
        self.report(text)
