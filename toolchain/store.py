"""The cache on disk: `<cache>/tools/<tool>/<key>/{bin,share}`.

A folder appears under its key by one rename, complete or not at all. What a killed run leaves is
a `.tmp-*` folder, removed at the next start.
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
        return self.cache / "tools" / self.tool

    @property
    def log(self) -> Path:
        return self.cache / "logs" / "tools" / f"{self.tool}.log"

    def get(self, key: str, binaries: Iterable[str]) -> Path | None:
        """The folder of `key`, if every binary is in it and can be executed."""
        folder = self.root / key
        whole = all(os.access(folder / "bin" / name, os.X_OK) for name in binaries)
        return folder if whole else None

    @contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the tool, so that two runs do not make the same thing.

        The kernel frees the lock when the process ends, however it ends. `on_wait` is called once
        if another run holds it.
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
        """Remove a killed run's leftovers, unless a run is at work."""
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
        """An empty folder on the cache's filesystem; gone afterwards. Needs the lock."""
        folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staged: Path, key: str) -> Path:
        """Give `staged` its name. Needs the lock; a folder that lacks a binary is replaced."""
        target = self.root / key
        if target.exists():
            target.rename(staged.with_name(f"{staged.name}.old"))
        staged.rename(target)
        return target
