"""The stores that outlive a cluster, and their bounds."""

import shutil
from collections.abc import Callable
from pathlib import Path

BOUNDS = {"registry": 20, "containerd": 30, "buildkit": 30}
"""GiB. BuildKit collects its own garbage at 25 GB; its bound here is the last resort.

All three can be made again from the checkout, so a store over its bound is emptied when the sandbox
starts, rather than pruned by rules that would have to know which image is still wanted.
"""


def size(folder: Path) -> int:
    """Bytes on disk below `folder`, as allocated (sparse files and hard links as they are)."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in folder.rglob("*"):
        try:
            stat = path.lstat()
        except OSError:
            continue
        if stat.st_nlink > 1:
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
        total += stat.st_blocks * 512
    return total


def enforce(cache: Path, note: Callable[[str], None], bounds: dict[str, int] | None = None) -> None:
    """Empty every store over its bound. Only while the sandbox is down."""
    for name, limit in (bounds or BOUNDS).items():
        held = size(cache / name)
        if held > limit * 1024**3:
            note(f"the {name} store holds {held / 1024**3:.1f} of {limit} GiB: emptied")
            shutil.rmtree(cache / name)


def purge(cache: Path) -> None:
    """Remove all stores; the binaries stay."""
    for name in BOUNDS:
        shutil.rmtree(cache / name, ignore_errors=True)
