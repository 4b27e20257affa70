"""Go's own caches: 11 GB after a cold build, and useless until the next one.

They stay while a build may still need them (an interrupted build continues from them) and are
removed when the last tool is available.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(cache: Path) -> Path:
    """Folder of Go's caches."""
    return cache / "go"


@contextmanager
def in_use(cache: Path) -> Iterator[None]:
    """Keep other runs, perhaps of another checkout, from removing the caches under a build."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "go.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def drop(cache: Path) -> bool:
    """Remove the caches unless a run is building; returns whether they existed and are removed."""
    if not folder(cache).exists():
        return False
    with (cache / "go.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder(cache), ignore_errors=True)
    return True
