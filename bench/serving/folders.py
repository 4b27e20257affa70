"""Removes folders in /tmp into which Ray's processes write until they end."""

import shutil
import time
from pathlib import Path

SECONDS = 10.0


def remove(folder: Path) -> None:
    """Remove the folder, repeatedly until it is gone.

    A process that is still ending may write into the folder while it is being removed. A single
    removal would then fail, or leave the folder behind if it ignored errors.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > deadline:
            return
        time.sleep(0.2)
