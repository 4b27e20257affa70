"""Whether processes have ended, for tests that kill what started them."""

import time

import psutil


def ended(pid: int, seconds: float) -> bool:
    """Whether the process ends within this time. A zombie has ended: it holds nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
