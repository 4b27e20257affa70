"""The hub's repositories, and the faults with which it serves each of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECOND_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
TOKEN = "hf_sandbox"
"""The token for `private` and `gated` repositories. It need not be secret."""
LARGE = ".safetensors"
"""Suffix of files that are served as the Hub serves large ones: named by SHA-256, by redirect."""


@dataclass(frozen=True)
class Behaviour:
    """How a repository is served. The faults apply to large files only. Those that are permanent
    (-1) do not depend on earlier requests, so that a test may run any number of times."""

    commits: tuple[str, ...] = (COMMIT,)
    access: str = "public"
    """public, private (without the token the repository does not exist) or gated (without the token
    its files cannot be read)."""
    cut: int = 0
    """Bytes after which each response breaks off, so that a download must be resumed; 0: never."""
    corrupt: int = 0
    """How many of the first downloads contain a wrong byte; -1: all."""
    busy: int = 0
    """How many of the first requests are answered with 503; -1: all."""
    limited: int = 0
    """How many of the first requests for anything, the listing too, are answered with 429; -1:
    all."""
    retry_after: str = ""
    """The `Retry-After` of those answers; empty: none."""
    rate: int = 0
    """Bytes per second; 0: unlimited."""
    ranges: bool = True
    """False: ranges are ignored and the whole file is sent."""
    without: str = ""
    """Suffix of files that are missing; empty: none."""


REPOSITORIES = {
    "rayline/tiny": Behaviour(commits=(COMMIT, SECOND_COMMIT)),
    "rayline/tiny-b": Behaviour(commits=(SECOND_COMMIT,)),
    "rayline/tiny-cut": Behaviour(cut=1024 * 1024),
    "rayline/tiny-corrupt": Behaviour(corrupt=-1),
    "rayline/tiny-busy": Behaviour(busy=-1),
    "rayline/tiny-slow": Behaviour(rate=128 * 1024),
    "rayline/tiny-broken": Behaviour(without=LARGE),
    "rayline/tiny-private": Behaviour(access="private"),
    "rayline/tiny-gated": Behaviour(access="gated"),
}


@dataclass(frozen=True)
class File:
    """A file on disk, as the hub describes it."""

    path: str
    location: Path

    @property
    def size(self) -> int:
        return self.location.stat().st_size

    @property
    def is_large(self) -> bool:
        return self.path.endswith(LARGE)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.location.read_bytes()).hexdigest()

    @cached_property
    def git(self) -> str:
        """Git's ID of the blob; for a large file, that of its LFS pointer."""
        content = self.pointer if self.is_large else self.location.read_bytes()
        return hashlib.sha1(
            b"blob %d\0" % len(content) + content, usedforsecurity=False
        ).hexdigest()

    @property
    def pointer(self) -> bytes:
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}")
        return "".join(f"{line}\n" for line in (*lines, f"size {self.size}")).encode()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git

    def entry(self) -> dict[str, object]:
        """The file's entry in a listing of the repository."""
        entry: dict[str, object] = {
            "type": "file",
            "path": self.path,
            "size": self.size,
            "oid": self.git,
        }
        if self.is_large:
            pointer = len(self.pointer)
            large = {"oid": self.sha256, "sha256": self.sha256}  # as in /tree; as in /revision
            entry["lfs"] = large | {"size": self.size, "pointerSize": pointer}
        return entry
