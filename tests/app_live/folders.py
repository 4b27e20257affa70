"""Folders in /tmp that Ray's processes write into until the very last."""

import shutil
import time
from pathlib import Path

SECONDS = 10.0


def remove(folder: Path) -> None:
    """Until it is gone: a process that still ends puts its last lines where we have just removed.

    One removal that ignores errors leaves the folder behind then; one that does not, fails.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > deadline:
            return
        time.sleep(0.2)
