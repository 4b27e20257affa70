"""Go's own caches: 11 GB after a cold build, and of no use until the next one.

They are kept while a build may still need them (one that was interrupted goes on from them) and
removed when the last tool is there.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(cache: Path) -> Path:
    return cache / "go"


@contextmanager
def in_use(cache: Path) -> Iterator[None]:
    """Keep other runs, perhaps of another checkout, from removing the caches under a build."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "go.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def drop(cache: Path) -> bool:
    """Remove the caches, unless a run is building; True when they were there and are gone."""
    if not folder(cache).exists():
        return False
    with (cache / "go.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder(cache), ignore_errors=True)
    return True
