"""GitHub Actions: https://docs.github.com/en/actions/reference/workflows-and-actions/variables"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ci.errors import CommentError
from ci.provider import Comments, Context, Provider, Summary
from ci.rest import Rest

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_REFUSED = "The token may not comment: the job needs `permissions: pull-requests: write`."


class GitHub(Provider):
    """Jobs of GitHub Actions, and comments on pull requests."""

    comment_tokens = ("GITHUB_TOKEN",)
    token_shape = r"\b(?:gh[opsur]|github_pat)[-_][\w-]{16,}"
    comment_limit = 60_000
    """GitHub refuses more than 65,536 characters."""

    def is_running(self, environ: Mapping[str, str]) -> bool:
        return environ.get("GITHUB_ACTIONS") == "true"

    def context(self, environ: Mapping[str, str]) -> Context:
        address = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
        return Context(
            commit=environ.get("GITHUB_SHA", ""),
            full_text=f"{'/'.join(address)}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}",
        )

    def missing(self, environ: Mapping[str, str]) -> str:
        if not environ.get("GITHUB_TOKEN"):
            return "GITHUB_TOKEN is not set"
        if not environ.get("GITHUB_REPOSITORY") or not _pull_request(environ):
            return "this job does not belong to a pull request"
        return ""

    @contextmanager
    def comments(self, environ: Mapping[str, str]) -> Iterator[Comments]:
        base = environ.get("GITHUB_API_URL") or "https://api.github.com"
        headers = {"Authorization": f"Bearer {environ['GITHUB_TOKEN']}", **_HEADERS}
        author = environ.get("RAYLINE_COMMENT_AUTHOR") or "github-actions[bot]"
        with Rest(base, headers, _REFUSED) as api:
            number = _pull_request(environ)
            yield PullRequestComments(api, environ["GITHUB_REPOSITORY"], number, author)

    def summary(self, environ: Mapping[str, str]) -> Summary | None:
        """GitHub refuses a step's summary above 1 MiB."""
        path = environ.get("GITHUB_STEP_SUMMARY")
        return Summary(Path(path), limit=900_000) if path else None

    def as_log(self, text: str) -> str:
        """GitHub runs log lines that begin with `::`, unless a random token suspends that."""
        word = secrets.token_hex(16)
        return f"::stop-commands::{word}\n{text}\n::{word}::"


class PullRequestComments:
    """Comments of a pull request (https://docs.github.com/en/rest/issues/comments).

    An installation's token, such as GITHUB_TOKEN, may not query its own user, so the author's
    name is configuration. Nobody can register a name with brackets.
    """

    def __init__(self, api: Rest, repository: str, number: int, author: str) -> None:
        self._rest, self._author = api, author
        self._repository = f"/repos/{quote(repository, safe='/')}"
        self._path = f"{self._repository}/issues/{number}/comments"

    def ours(self) -> Iterator[dict[str, Any]]:
        for comment in self._rest.pages(self._path):
            if (comment.get("user") or {}).get("login") == self._author:
                yield comment

    def create(self, body: str) -> None:
        self._rest.create(self._path, {"body": body})

    def update(self, identity: int, body: str) -> None:
        path = f"{self._repository}/issues/comments/{identity}"
        self._rest.change("PATCH", path, {"body": body})


def _pull_request(environ: Mapping[str, str]) -> int:
    """The number in the event file that GitHub writes for each job; 0 if there is none."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return 0
    try:
        event = json.loads(Path(path).read_text())
        return int((event.get("pull_request") or {}).get("number") or 0)
    except (OSError, ValueError, AttributeError) as error:
        raise CommentError(f"GITHUB_EVENT_PATH={path} is not an event of GitHub: {error}") from None


PROVIDER = GitHub()
