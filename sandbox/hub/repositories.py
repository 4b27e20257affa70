"""What the hub holds, and how well it behaves with each repository."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECOND_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
TOKEN = "hf_sandbox"
"""What `private` and `gated` repositories ask for. Not a secret: there is nothing behind it."""
LARGE = ".safetensors"
"""Suffix of files that are kept as the hub keeps large ones: named by SHA-256, served elsewhere."""


@dataclass(frozen=True)
class Behaviour:
    """How a repository is served. The faults concern large files only, and need no counting by the
    caller: a test may run any number of times."""

    commits: tuple[str, ...] = (COMMIT,)
    access: str = "public"
    """public; private: it does not exist for who has no token; gated: its files do not."""
    cut: int = 0
    """Bytes after which each answer breaks off: only who continues gets the whole."""
    corrupt: int = 0
    """How many of the first downloads have a wrong byte; -1: all."""
    busy: int = 0
    """How many of the first requests are answered 503; -1: all."""
    rate: int = 0
    """Bytes a second; 0: as fast as it goes."""
    ranges: bool = True
    """False: a range is ignored and the whole file sent."""
    without: str = ""
    """Suffix of files that are missing."""


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
    """A file on disk, by what the hub says about it."""

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
        """git's name of the blob: of a pointer where the file is large."""
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
        """As in a listing of the tree."""
        found: dict[str, object] = {
            "type": "file",
            "path": self.path,
            "size": self.size,
            "oid": self.git,
        }
        if self.is_large:
            pointer = len(self.pointer)
            large = {"oid": self.sha256, "sha256": self.sha256}  # of a tree; of a repository
            found["lfs"] = large | {"size": self.size, "pointerSize": pointer}
        return found
