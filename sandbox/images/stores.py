"""The stores that outlive a cluster, and the limits of their size."""

import shutil
from collections.abc import Callable
from pathlib import Path

BOUNDS = {"registry": 20, "containerd": 30, "buildkit": 30}
"""GiB by folder, one for each of `layout.STORES`. BuildKit collects its own garbage at 25 GB; its
bound here is the last resort.

The checkout can rebuild all three, so a store over its bound is emptied when the sandbox starts.
Pruning it would require knowing which images are still needed.
"""


def size(folder: Path) -> int:
    """Bytes allocated on disk below `folder`, without holes; a hard link counts once."""
    counted: set[tuple[int, int]] = set()
    total = 0
    for path in folder.rglob("*"):
        try:
            stat = path.lstat()
        except OSError:
            continue
        if stat.st_nlink > 1:
            if (stat.st_dev, stat.st_ino) in counted:
                continue
            counted.add((stat.st_dev, stat.st_ino))
        total += stat.st_blocks * 512
    return total


def enforce(cache: Path, note: Callable[[str], None], bounds: dict[str, int] | None = None) -> None:
    """Empty every store that is over its bound; the sandbox must be stopped."""
    for name, limit in (bounds or BOUNDS).items():
        held = size(cache / name)
        if held > limit * 1024**3:
            size_gib = held / 1024**3
            note(f"emptying the {name} store: {size_gib:.1f} GiB exceeds its bound of {limit} GiB")
            shutil.rmtree(cache / name)


def purge(cache: Path) -> None:
    """Remove all stores; the binaries stay in the cache."""
    for name in BOUNDS:
        shutil.rmtree(cache / name, ignore_errors=True)
