"""Ends a replica with its raylet, and the engine's processes with the process that started them.

Ray ends a worker that loses its raylet only once its tasks have ended, and a replica's never do.
vLLM's workers watch their parent only after the model is loaded, and leave only between two steps.
Either would keep the memory of a card that the next replica needs.
"""

import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

logger = logging.getLogger("rayline.replica")

PERIOD_SECONDS = 0.5
PR_SET_PDEATHSIG = 1  # linux/prctl.h
_start = BaseProcess.start


def end_with_raylet() -> None:
    """Kill this process within a second of its parent's end, from a thread that only sleeps.

    The kernel's own signal (`tie_processes`) would not do here: it follows the thread that started
    a process, and Ray does not promise that the raylet's threads last.
    """
    thread = threading.Thread(target=_end_after, args=(os.getppid(),), name="lifetime", daemon=True)
    thread.start()


def tie_processes() -> None:
    """Let the kernel kill each process that vLLM starts from now on when its parent ends.

    It does so whatever the process is doing, in a driver, a collective or a lock. The signal
    follows the parent's thread, not the parent (PR_SET_PDEATHSIG(2const)): vLLM starts the engine
    in the thread of the replica's event loop, and workers in the engine's main thread. Processes of
    other libraries may come from a thread of a pool, and are left alone. May be repeated.
    """
    BaseProcess.start = _start_tied  # type: ignore[method-assign, assignment]


class Tied:
    """A process's own target, after the tie to its parent. Tied processes tie theirs."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self._target = target
        self._parent = os.getpid()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:  # it ended while this process was starting
            os._exit(1)
        tie_processes()
        return self._target(*args, **kwargs)


def _start_tied(process: Any) -> None:
    target = process._target
    if getattr(target, "__module__", "").split(".")[0] == "vllm":
        process._target = Tied(target)
    _start(process)


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD_SECONDS)
    logger.error("The raylet (pid %d) has ended; so do this replica and its engine.", parent)
    os.kill(os.getpid(), signal.SIGKILL)
