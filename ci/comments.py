"""The one comment of a pull or merge request: found again by its first line and its author."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ci import rest
from ci.errors import CommentError
from ci.markdown import MARKER
from ci.rest import Rest, UnsureError

_CREATIONS = 3


class Comments(Protocol):
    """The comments of one request, as its server has them."""

    def ours(self) -> Iterator[dict[str, Any]]:
        """Those that this token's user wrote."""

    def create(self, body: str) -> None: ...

    def update(self, identity: int, body: str) -> None: ...


def upsert(comments: Comments, body: str) -> str:
    """Write `body` into our comment, or into a new one; "updated" or "created".

    Anybody can write the marker; only our own user's comment is ever touched or believed.
    A creation without an answer may have happened: it is looked for before the next try.
    """
    for attempt in range(_CREATIONS):
        for comment in comments.ours():
            if str(comment.get("body", "")).lstrip().startswith(MARKER):
                comments.update(int(comment["id"]), body)
                return "updated"
        try:
            comments.create(body)
            return "created"
        except UnsureError:
            if attempt == _CREATIONS - 1:
                raise
            rest.pause(2.0**attempt)
    raise AssertionError("the last attempt returns or raises")


class GitHub:
    """Comments of a pull request (https://docs.github.com/en/rest/issues/comments).

    An installation's token, such as GITHUB_TOKEN, may not ask who it is, so the author's name is
    configuration. Nobody can register a name with brackets.
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


class GitLab:
    """Notes of a merge request (https://docs.gitlab.com/api/notes/)."""

    def __init__(self, api: Rest, project: str, number: int) -> None:
        self._rest = api
        self._path = f"/projects/{quote(project, safe='')}/merge_requests/{number}/notes"
        self._user: int | None = None

    def ours(self) -> Iterator[dict[str, Any]]:
        if self._user is None:
            self._user = int(self._rest.get("/user")["id"])
        for note in self._rest.pages(f"{self._path}?sort=asc&order_by=created_at"):
            if (note.get("author") or {}).get("id") == self._user and not note.get("system"):
                yield note

    def create(self, body: str) -> None:
        self._rest.create(self._path, {"body": body})

    def update(self, identity: int, body: str) -> None:
        self._rest.change("PUT", f"{self._path}/{identity}", {"body": body})


def publish(kind: str, body: str, environ: Mapping[str, str]) -> str:
    """Write the comment of this job's request; one line about what was done, or about what is
    missing for it. CommentError where the server refuses."""
    missing = _missing(kind, environ)
    if missing:
        return f"no comment: {missing}"
    if kind == "github":
        headers = {
            "Authorization": f"Bearer {environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        author = environ.get("RAYLINE_COMMENT_AUTHOR") or "github-actions[bot]"
        number = _pull_request(environ)
        with Rest(environ.get("GITHUB_API_URL") or "https://api.github.com", headers) as api:
            done = upsert(GitHub(api, environ["GITHUB_REPOSITORY"], number, author), body)
    else:
        headers = {"PRIVATE-TOKEN": environ["RAYLINE_GITLAB_TOKEN"]}
        number = int(environ["CI_MERGE_REQUEST_IID"])
        with Rest(environ["CI_API_V4_URL"], headers) as api:
            done = upsert(GitLab(api, environ["CI_MERGE_REQUEST_PROJECT_ID"], number), body)
    return f"comment {done}"


def _missing(kind: str, environ: Mapping[str, str]) -> str:
    if kind == "github":
        if not environ.get("GITHUB_TOKEN"):
            return "GITHUB_TOKEN is not set"
        if not environ.get("GITHUB_REPOSITORY") or not _pull_request(environ):
            return "this job does not belong to a pull request"
        return ""
    if not environ.get("RAYLINE_GITLAB_TOKEN"):
        return "RAYLINE_GITLAB_TOKEN is not set (docs/ci.md, Variables)"
    needed = ("CI_API_V4_URL", "CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_IID")
    if not all(environ.get(name) for name in needed):
        return "this job does not belong to a merge request"
    return ""


def _pull_request(environ: Mapping[str, str]) -> int:
    """The number in the event that GitHub wrote for this job; 0: none."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return 0
    try:
        event = json.loads(Path(path).read_text())
        return int((event.get("pull_request") or {}).get("number") or 0)
    except (OSError, ValueError, AttributeError) as error:
        raise CommentError(f"GITHUB_EVENT_PATH={path} is not an event of GitHub: {error}") from None
