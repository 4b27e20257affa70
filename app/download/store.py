"""The model cache: huggingface_hub's layout, and what is known to be right in it.

<cache>/models--owner--name/blobs/<hash>            content, named by its hash
                            blobs/<hash>.incomplete what has arrived of it
                            snapshots/<commit>/     links to the blobs: what vLLM opens
                            .rayline/verified.json  blobs whose hash was found right
                            .rayline/<commit>.json  the files of a finished download
"""

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.download.errors import MistakeError
from app.download.hub import RemoteFile
from app.download.progress import Progress, amount

ABANDONED = 24 * 3600.0
"""Seconds after which a partial file that this commit does not need is removed."""


class Store:
    """One repository's folder of the cache, at one commit."""

    def __init__(self, cache: Path, source: str, revision: str) -> None:
        self.cache = cache
        self.folder = cache / f"models--{source.replace('/', '--')}"
        self.blobs = self.folder / "blobs"
        self.snapshot = self.folder / "snapshots" / revision
        self._records = self.folder / ".rayline"
        self._commit = self._records / f"{revision}.json"
        self._verified = self._records / "verified.json"

    @contextmanager
    def lock(
        self, progress: Progress, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[None]:
        """Hold the repository: two Jobs that want blobs of the same one go one after the other.

        flock(2): CephFS and NFS honour it between nodes, and drop it with a holder that dies.
        """
        for folder in (self.blobs, self.snapshot, self._records):
            folder.mkdir(parents=True, exist_ok=True)
        with (self._records / "lock").open("a") as stream:
            waited = 0
            while not _locked(stream.fileno()):
                if waited % 10 == 0:
                    progress.say("another download of this model is running; waiting for it")
                sleep(1.0)
                waited += 1
            yield

    def blob(self, file: RemoteFile) -> Path:
        return self.blobs / file.blob

    def partial(self, file: RemoteFile) -> Path:
        return self.blobs / f"{file.blob}.incomplete"

    def is_verified(self, blob: str) -> bool:
        """Was its hash found right, and has nobody changed it since (size and time)?"""
        known = _read(self._verified).get(blob)
        try:
            return known is not None and known == _stamp(self.blobs / blob)
        except FileNotFoundError:
            return False

    def keep(self, file: RemoteFile) -> None:
        """The partial file is whole and right: make it the blob."""
        os.replace(self.partial(file), self.blob(file))
        self.record(file)

    def record(self, file: RemoteFile) -> None:
        """The blob's hash is right."""
        _write(self._verified, _read(self._verified) | {file.blob: _stamp(self.blob(file))})

    def link(self, file: RemoteFile) -> None:
        """Make the snapshot's file point to its blob."""
        link = self.snapshot / file.path
        if self.snapshot not in Path(os.path.normpath(link)).parents:
            raise MistakeError(f"the repository lists {file.path!r}, which is no path below it")
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.blob(file), link.parent)
        if link.is_symlink() and os.readlink(link) == target:
            return
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, link)

    def finish(self, files: list[RemoteFile]) -> None:
        _write(self._commit, {file.path: file.blob for file in files})

    def is_complete(self) -> bool:
        """Is this commit here, as it was verified? Reads no content: a run over a whole model takes
        no time. `--verify` reads everything."""
        listed = _read(self._commit)
        return bool(listed) and all(
            self.is_verified(str(blob)) and (self.snapshot / path).exists()
            for path, blob in listed.items()
        )

    def missing(self, files: list[RemoteFile]) -> int:
        """Bytes that still have to arrive."""
        total = 0
        for blob, file in {file.blob: file for file in files}.items():
            if not (self.blobs / blob).exists():
                try:
                    total += max(file.size - self.partial(file).stat().st_size, 0)
                except FileNotFoundError:
                    total += file.size
        return total

    def require_room(self, needed: int) -> None:
        """Raises `MistakeError` unless the volume has `needed` bytes free."""
        free = shutil.disk_usage(self.cache).free
        if needed > free:
            raise MistakeError(no_room(self.cache, f"{amount(needed)} more", free))

    def remove_abandoned(self, files: list[RemoteFile], now: float) -> None:
        """Partial files of other commits that nobody continued."""
        wanted = {self.partial(file) for file in files}
        for path in self.blobs.glob("*.incomplete"):
            if path not in wanted and now - path.stat().st_mtime > ABANDONED:
                path.unlink(missing_ok=True)


def no_room(cache: Path, needed: str, free: int) -> str:
    """What to say, and to type, when the volume is full."""
    return (
        f"The model needs {needed}, and {cache} has {amount(free)} free. Enlarge the claim (pulumi "
        "config set --path rayline:storage.size 400Gi), or delete models that nobody serves any "
        f"more: du -sh {cache}/models--*"
    )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # No locks here (some NFS, Lustre): see transfer._Partial why that harms nothing.
        if error.errno not in {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}:
            raise
    return True


def _stamp(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _read(path: Path) -> dict[str, object]:
    """A record, or nothing: what is lost is only the knowledge that all is well."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, record: dict[str, object]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(record, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(fresh, path)
