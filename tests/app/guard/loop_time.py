"""The longest time for which a coroutine keeps the event loop, in CPU time of the loop's thread.

CPU time, because on a busy machine any thread may have to wait for a core.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine
from typing import Any


async def longest_step(coroutine: Coroutine[Any, Any, Any]) -> float:
    """Seconds; the coroutine's result and its exception are dropped."""
    task = asyncio.ensure_future(coroutine)
    longest, before = 0.0, time.thread_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    task.exception()
    return longest


def best_longest_step(make: Callable[[], Coroutine[Any, Any, Any]], attempts: int = 3) -> float:
    """The best of several attempts: caches of a shared machine may be cold in one of them.

    What exists before is frozen, as `app.engine.engine` does it in a replica: otherwise the garbage
    collector may look at all objects of all earlier tests meanwhile.
    """
    gc.collect()
    gc.freeze()
    try:
        return min(asyncio.run(longest_step(make())) for _ in range(attempts))
    finally:
        gc.unfreeze()
