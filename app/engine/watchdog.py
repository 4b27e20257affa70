"""An engine that lives and does not answer: stuck in a driver, a collective or a stopped process.

vLLM notices an engine's process that ends, not one that hangs. So the engine is asked something
that its main loop answers between two steps, whatever its requests do: a long prefill, a pause and
a full queue all leave it free to answer. Only a single step longer than the patience looks the same
as a hang, so that patience is minutes.
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

    An answer that is an error counts as one: an engine that ended is for others to notice.
    """
    while True:
        question = asyncio.ensure_future(ask())
        try:
            answered, _ = await asyncio.wait({question}, timeout=patience)
        finally:
            question.cancel()
        if not answered:
            return
        question.exception()  # looked at, or asyncio complains of one that nobody saw
        await asyncio.sleep(period)


def kill_children() -> None:
    """Ends what this process started, and what that did: a stuck process hears no other signal."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    logger.error("Ended %d processes of the engine.", len(children))
