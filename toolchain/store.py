"""The cache on disk: `<cache>/tools/<tool>/<key>/{bin,share}`.

A folder gets its key by one rename, so it is complete or absent. A killed run leaves a `.tmp-*`
folder, which the next start removes.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STAGING = ".tmp-"


@dataclass(frozen=True)
class Store:
    """One tool's part of the cache."""

    cache: Path
    tool: str

    @property
    def root(self) -> Path:
        """Folder of all versions of the tool."""
        return self.cache / "tools" / self.tool

    @property
    def log(self) -> Path:
        """Log of the tool's last build."""
        return self.cache / "logs" / "tools" / f"{self.tool}.log"

    def get(self, key: str, binaries: Iterable[str]) -> Path | None:
        """The folder of `key`, if every binary is in it and can be executed."""
        folder = self.root / key
        whole = all(os.access(folder / "bin" / name, os.X_OK) for name in binaries)
        return folder if whole else None

    @contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Lock the tool, so that two runs do not provide it twice.

        The kernel releases the lock when the process ends in any way. `on_wait` is called once
        if another run has the lock.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._remove_leftovers()
            yield

    def sweep(self) -> None:
        """Remove a killed run's leftovers, unless another run is active."""
        if not any(self.root.glob(f"{_STAGING}*")):
            return
        with (self.root / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        for leftover in self.root.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder on the cache's filesystem. Needs the lock."""
        folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staged: Path, key: str) -> Path:
        """Rename `staged` to its key. Needs the lock; replaces a folder that lacks a binary."""
        target = self.root / key
        if target.exists():
            target.rename(staged.with_name(f"{staged.name}.old"))
        staged.rename(target)
        return target
