"""The interface between rayline's pipeline commands and a CI system.

Each system is one module of `ci.providers`. No code outside that package names a system.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class Context:
    """Where a job runs; an unknown value is an empty string."""

    commit: str = ""
    """The branch's commit, as its author knows it."""
    full_text: str = ""
    """Address of the job, whose log contains the full diffs."""


@dataclass(frozen=True)
class Summary:
    """A Markdown file that the system shows on the job's page."""

    path: Path
    limit: int
    """Maximum size in bytes."""


class Comments(Protocol):
    """The comments of one pull or merge request on its server."""

    def ours(self) -> Iterator[dict[str, Any]]:
        """The comments that this token's user wrote, each with `id` and `body`."""

    def create(self, body: str) -> None:
        """Write a new comment. UnsureError if the server may or may not have created it."""

    def update(self, identity: int, body: str) -> None:
        """Replace the text of the comment with that `id`."""


class Provider(ABC):
    """One CI system: its variables, its comments, its limits."""

    comment_tokens: ClassVar[tuple[str, ...]]
    """Variables that contain a token for comments. Pulumi never gets them."""
    token_shape: ClassVar[str]
    """Regular expression of the system's own tokens; anything that matches is redacted."""
    comment_limit: ClassVar[int]
    """Bytes of UTF-8 in one comment."""

    @abstractmethod
    def is_running(self, environ: Mapping[str, str]) -> bool:
        """Whether this process belongs to one of the system's jobs."""

    @abstractmethod
    def context(self, environ: Mapping[str, str]) -> Context:
        """The job's commit and address."""

    @abstractmethod
    def missing(self, environ: Mapping[str, str]) -> str:
        """Why this job cannot comment, as part of a sentence; empty if it can.

        CommentError if the system's own data cannot be read.
        """

    @abstractmethod
    def comments(self, environ: Mapping[str, str]) -> AbstractContextManager[Comments]:
        """The comments of this job's request. Requires that nothing is `missing`."""

    def summary(self, environ: Mapping[str, str]) -> Summary | None:
        """The job's page, if the system has one that a job can write to."""
        return None

    def as_log(self, text: str) -> str:
        """`text` for the job's log, in a form in which the system runs no line as a command."""
        return text
