"""Detects an engine that is alive but hangs: in a driver, a collective or a stopped process.

vLLM notices an engine's process that ends, but not one that hangs. The watchdog therefore asks the
engine a question that its main loop answers between two steps, whatever its requests do: a long
prefill, a pause and a full queue all leave it free to answer. Only a single step longer than the
patience looks like a hang, so the patience is minutes.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

logger = logging.getLogger("rayline.engine")

PERIOD_SECONDS = 10.0


async def until_stuck(
    ask: Callable[[], Coroutine[Any, Any, object]], patience: float, period: float = PERIOD_SECONDS
) -> None:
    """Returns when a question was not answered within `patience` seconds.

    An error counts as an answer; a dead engine is detected elsewhere (`Engine.died`).
    """
    while True:
        question = asyncio.ensure_future(ask())
        try:
            answered, _ = await asyncio.wait({question}, timeout=patience)
        finally:
            question.cancel()
        if not answered:
            return
        question.exception()  # otherwise asyncio reports that it was never retrieved
        await asyncio.sleep(period)


def kill_children() -> None:
    """Kills all descendants of this process; a stuck process responds to no other signal."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    logger.error("Killed %d processes of the engine.", len(children))
