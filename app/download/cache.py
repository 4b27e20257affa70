"""The model cache: huggingface_hub's layout, and a record of the files that were verified.

<cache>/models--owner--name/blobs/<hash>            content, named by its hash
                            blobs/<hash>.incomplete the part that was received so far
                            snapshots/<commit>/     links to the blobs, which vLLM opens
                            refs/main               commit that a name without one stands for
                            .rayline/verified.json  blobs whose hash was verified
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
from app.download.progress import Progress, amount
from app.download.remote import BLOB, RemoteFile

ABANDONED = 24 * 3600.0
"""Seconds after which a partial file that this commit does not need is removed."""


class ModelCache:
    """The folder of one repository in the cache, at one commit.

    `part` tells downloads of different files of one commit apart, such as a tokenizer's; it is
    empty for a whole model.
    """

    def __init__(self, cache: Path, source: str, revision: str, part: str = "") -> None:
        self.cache = cache
        self.folder = cache / f"models--{source.replace('/', '--')}"
        self.blobs = self.folder / "blobs"
        self.snapshot = self.folder / "snapshots" / revision
        self._records = self.folder / ".rayline"
        self._revision = revision
        self._commit = self._records / f"{revision}{part}.json"
        self._verified = self._records / "verified.json"

    @contextmanager
    def lock(
        self, progress: Progress, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[None]:
        """Lock the repository, so that two Jobs for it run one after the other.

        flock(2): CephFS and NFS honour it between nodes, and release it if the holder dies.
        """
        for folder in (self.blobs, self.snapshot, self._records):
            folder.mkdir(parents=True, exist_ok=True)
        with (self._records / "lock").open("a") as stream:
            waited = 0
            while not try_lock(stream.fileno()):
                if waited % 10 == 0:
                    progress.report("another download of this model is running; waiting for it")
                sleep(1.0)
                waited += 1
            yield

    def blob(self, file: RemoteFile) -> Path:
        """The file's complete content."""
        if not BLOB.fullmatch(file.blob):
            raise MistakeError(f"{file.blob[:80]!r} is neither a SHA-1 nor a SHA-256")
        return self.blobs / file.blob

    def partial(self, file: RemoteFile) -> Path:
        """The part of the file that was received so far."""
        return self.blob(file).with_suffix(".incomplete")

    def is_verified(self, blob: str) -> bool:
        """Whether its hash was verified and it has not changed since (by size and time)."""
        known = _read(self._verified).get(blob)
        try:
            return known is not None and known == _stamp(self.blobs / blob)
        except FileNotFoundError:
            return False

    def keep(self, file: RemoteFile) -> None:
        """Turn a complete and verified partial file into the blob."""
        os.replace(self.partial(file), self.blob(file))
        self.record(file)

    def record(self, file: RemoteFile) -> None:
        """Record that the blob's hash was verified."""
        _write(self._verified, _read(self._verified) | {file.blob: _stamp(self.blob(file))})

    def link(self, file: RemoteFile) -> None:
        """Make the snapshot's file point to its blob."""
        link = self.snapshot / file.path
        if self.snapshot not in Path(os.path.normpath(link)).parents:
            raise MistakeError(f"the repository lists {file.path!r}, which is not a path inside it")
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.blob(file), link.parent)
        if link.is_symlink() and os.readlink(link) == target:
            return
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, link)

    def finish(self, files: list[RemoteFile]) -> None:
        """Record the files of the commit, which makes it complete."""
        _write(self._commit, {file.path: file.blob for file in files})

    def paths(self) -> list[str]:
        """The files of the complete commit, as it was recorded."""
        return list(_read(self._commit))

    def become_main(self) -> None:
        """Let a name without a commit stand for this one: so does code that another repository's
        `auto_map` names, which vLLM and Transformers look up in the cache without a commit."""
        reference = self.folder / "refs" / "main"
        reference.parent.mkdir(parents=True, exist_ok=True)
        _write_text(reference, self._revision)

    def is_complete(self) -> bool:
        """Whether this commit is in the cache and unchanged since it was verified.

        Reads no content, so it is fast; `--verify` reads everything.
        """
        listed = _read(self._commit)
        return bool(listed) and all(
            self.is_verified(str(blob)) and (self.snapshot / path).exists()
            for path, blob in listed.items()
        )

    def missing(self, files: list[RemoteFile]) -> int:
        """Bytes that still have to be downloaded."""
        total = 0
        for blob, file in {file.blob: file for file in files}.items():
            if not (self.blobs / blob).exists():
                try:
                    total += max(file.size - self.partial(file).stat().st_size, 0)
                except FileNotFoundError:
                    total += file.size
        return total

    def require_room(self, needed: int) -> None:
        """Raise `MistakeError` unless the volume has `needed` bytes free."""
        free = shutil.disk_usage(self.cache).free
        if needed > free:
            raise MistakeError(no_room(self.cache, f"{amount(needed)} more", free))

    def remove_abandoned(self, files: list[RemoteFile], now: float) -> None:
        """Remove partial files of other commits that no run has continued."""
        wanted = {self.partial(file) for file in files}
        for path in self.blobs.glob("*.incomplete"):
            if path not in wanted and now - path.stat().st_mtime > ABANDONED:
                path.unlink(missing_ok=True)


def no_room(cache: Path, needed: str, free: int) -> str:
    """The message for a full volume."""
    return (
        f"The model needs {needed}, and {cache} has {amount(free)} free. Enlarge the claim (pulumi "
        "config set --path rayline:storage.size 400Gi), or delete models that are no longer "
        f"served: du -sh {cache}/models--*"
    )


def try_lock(descriptor: int) -> bool:
    """Whether the file is now locked for this process; also true where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Some NFS and Lustre have no locks; transfer._Partial shows why none is needed.
        if error.errno not in {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}:
            raise
    return True


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _read(path: Path) -> dict[str, object]:
    """A record, or an empty one; losing a record only means verifying again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, record: dict[str, object]) -> None:
    _write_text(path, json.dumps(record, indent=1, sort_keys=True))


def _write_text(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
