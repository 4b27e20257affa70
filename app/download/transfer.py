"""Transfers one file from the hub to disk, and resumes partial files.

huggingface_hub (2.4, file_download.py, `_download_to_tmp_and_move`) writes to a file with a random
name and removes it on failure, so a killed Job would restart a 20 GB file from zero, and each
kill -9 would leave a partial file on the volume. Here the partial file is named after its content
and is resumed, even by another Job on another node. This code is justified as long as
https://github.com/huggingface/huggingface_hub/issues/4196 is open; then the library can do it.
Ranges of `SLICE` bytes keep each signed address fresh, and work beyond the 50 GB that a content
network sends in one response.
"""

import hashlib
import os
from pathlib import Path
from typing import IO, Any, Protocol

from app.download.errors import Interrupted, WrongContentError
from app.download.hub import Repository
from app.download.patience import Patience
from app.download.progress import Progress, amount
from app.download.remote import RemoteFile

CHUNK = 1024 * 1024
SLICE = 4 * 1024**3
"""Bytes per request."""


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def new_digest(file: RemoteFile) -> Digest:
    """SHA-256 if the blob is named by it, otherwise git's SHA-1 of header and content."""
    if len(file.blob) == 64:
        return hashlib.sha256()
    return hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)


def matches(path: Path, file: RemoteFile, progress: Progress) -> bool:
    """Whether `path` has the size and hash of `file`; reads all of it."""
    if path.stat().st_size != file.size:
        progress.add(file.size)
        return False
    digest = new_digest(file)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            progress.add(len(chunk))
    return digest.hexdigest() == file.blob


class _Partial:
    """A partial file, the number of its bytes, and their digest.

    Every write has an explicit offset, so even if the file system's lock fails, two Jobs write the
    same bytes to the same places.
    """

    def __init__(self, stream: IO[bytes], file: RemoteFile, progress: Progress) -> None:
        self._stream, self._file, self._progress = stream, file, progress
        self.have = 0
        self._digest = new_digest(file)
        while chunk := stream.read(min(CHUNK, file.size - self.have)):
            self._digest.update(chunk)
            self.have += len(chunk)
            progress.add(len(chunk))

    def append(self, data: bytes) -> None:
        """Write data; bytes beyond the file's size are dropped, as the digest is wrong anyway."""
        data = data[: self._file.size - self.have]
        written = 0
        while written < len(data):  # unbuffered: a write may be partial
            written += os.pwrite(self._stream.fileno(), data[written:], self.have + written)
        self._digest.update(data)
        self.have += len(data)
        self._progress.add(len(data))

    def restart(self) -> None:
        self._progress.add(-self.have)
        self.have = 0
        self._digest = new_digest(self._file)

    def is_correct(self) -> bool:
        return self._digest.hexdigest() == self._file.blob


def fetch(
    repository: Repository, file: RemoteFile, partial: Path, progress: Progress, patience: Patience
) -> None:
    """Continue `partial` until it is the complete `file`, flushed to disk.

    Raises `WrongContentError` (and removes `partial`) when its hash differs, `MistakeError` when
    the hub refuses, `DownloadError` when `patience` ends.
    """
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
    with os.fdopen(descriptor, "r+b", buffering=0) as stream:
        state = _Partial(stream, file, progress)
        if state.have:
            progress.report(f"{file.path}: resuming after {amount(state.have)}")
        while state.have < file.size:
            _receive_slice(repository, file, state, patience)
        stream.truncate(file.size)
        os.fsync(stream.fileno())
    if not state.is_correct():
        progress.add(-file.size)
        partial.unlink(missing_ok=True)
        raise WrongContentError(
            f"{file.path} of {repository.source} has a different hash from the one that the "
            f"repository lists ({file.blob}). Something between here and {repository.endpoint} "
            "alters or caches it: check that mirror or proxy (`hub.endpoint`)."
        )


def _receive_slice(
    repository: Repository, file: RemoteFile, state: _Partial, patience: Patience
) -> None:
    """Receive the next part, or wait and return."""
    before = state.have
    end = min(before + SLICE, file.size)
    try:
        with repository.range(file, before, end - 1) as answer:
            _receive(answer, state, file.size)
        interruption = Interrupted("the connection ended early")
    except Interrupted as error:
        interruption = error
    if state.have > before:
        patience.received()
    if state.have < end:
        patience.wait(f"{file.path} at {amount(state.have)} of {amount(file.size)}", interruption)


def _receive(answer: Any, state: _Partial, size: int) -> None:
    if answer.status_code != 206 and state.have:
        state.restart()  # a server without ranges
    for chunk in answer.iter_bytes():  # as they arrive, without waiting to fill a larger piece
        state.append(chunk)
        if state.have >= size:
            return  # even if the server goes on without end
