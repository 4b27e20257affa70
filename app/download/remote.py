"""A file of a repository, as the listing describes it."""

import re
from dataclasses import dataclass

BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""Git's SHA-1 or a SHA-256. A blob's name becomes a file name, so nothing else is accepted."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit. `size` is in bytes. `blob` is its name in the cache: the SHA-256 of a
    large file or git's SHA-1 of a small one, in hex."""

    path: str
    size: int
    blob: str
