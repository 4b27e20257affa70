"""Shows the user the progress of work that takes time."""

import shutil
import sys
import threading
import time
from typing import Protocol, TextIO

_WIDTH = 36
"""Columns for a tool and its version, so that the outcomes line up."""


class Reporter(Protocol):
    """Receives one `begin` and one `end` per task that takes time, but nothing for cached tools.
    `seconds` is the task's wall time."""

    def begin(self, name: str, what: str) -> None:
        """Work on `name` begins; `what` describes it."""

    def end(self, name: str, outcome: str, seconds: float) -> None:
        """Work on `name` has ended with `outcome`."""

    def note(self, text: str) -> None:
        """Shows one line."""


class Silent:
    """Shows nothing."""

    def begin(self, name: str, what: str) -> None: ...

    def end(self, name: str, outcome: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `283 s`."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


class ConsoleReporter:
    """Lines on a stream; on a terminal the line of running work is live and counts seconds."""

    def __init__(self, stream: TextIO | None = None, *, interval: float = 1.0) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._interval = interval
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def begin(self, name: str, what: str) -> None:
        with self._lock:
            self._running[name] = (what, time.monotonic())
            if not self._live:
                self._print(f"  {name:<{_WIDTH}} {what} ...")
                return
            self._draw()
        if self._ticker is None:
            self._stop = threading.Event()
            self._ticker = threading.Thread(target=self._tick, args=(self._stop,), daemon=True)
            self._ticker.start()

    def end(self, name: str, outcome: str, seconds: float) -> None:
        with self._lock:
            self._running.pop(name, None)
            self._erase()
            self._print(f"  {name:<{_WIDTH}} {outcome} in {duration(seconds)}")
            self._draw()
            ticker = self._ticker if not self._running else None
        if ticker is not None:
            self._stop.set()
            ticker.join()
            self._ticker = None

    def note(self, text: str) -> None:
        with self._lock:
            self._erase()
            self._print(f"  {text}")
            self._draw()

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            with self._lock:
                self._draw()

    def _print(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _erase(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")

    def _draw(self) -> None:
        """All running work on one line, cut to the terminal: a wrapped line cannot be erased."""
        if not self._live or not self._running:
            return
        now = time.monotonic()
        parts = [
            f"{name:<{_WIDTH}} {what} ... {duration(now - began)}"
            for name, (what, began) in self._running.items()
        ]
        columns = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[K" + f"  {'; '.join(parts)}"[: columns - 1])
        self._stream.flush()
