"""How the sandbox's commands print notes, steps, errors and tables."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.node.health import Row
from toolchain.errors import CommandError


def note(text: str) -> None:
    print(f"  {text}", flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done and how many seconds it took."""
    started = time.monotonic()
    live = sys.stdout.isatty()
    if live:
        print(f"  {what} ...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(f"\r  {what}: failed" if live else f"  {what}: failed", flush=True)
        raise
    seconds = time.monotonic() - started
    print(f"{chr(13) if live else ''}  {what:<42} {seconds:6.1f} s", flush=True)


def failure(error: CommandError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"       {error.hint}", file=sys.stderr)


def table(rows: list[Row]) -> str:
    """One line per component: name, health, PID, memory, restarts, address."""
    heading = ("COMPONENT", "HEALTH", "PID", "MEMORY", "RESTARTS", "ADDRESS")
    aligned = (str.ljust, str.ljust, str.rjust, str.rjust, str.rjust, str.ljust)
    lines = [
        (
            row.name,
            row.health,
            str(row.pid or "-"),
            f"{row.memory / 1024**2:.0f} MiB" if row.pid else "-",
            str(row.restarts),
            row.address or "-",
        )
        for row in rows
    ]
    widths = [max(len(cell) for cell in column) for column in zip(heading, *lines, strict=True)]
    return "\n".join(
        "  ".join(
            align(cell, width) for align, cell, width in zip(aligned, line, widths, strict=True)
        ).rstrip()
        for line in [heading, *lines]
    )
