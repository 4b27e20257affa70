"""GitLab CI/CD: https://docs.gitlab.com/ci/variables/predefined_variables/"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from ci.provider import Comments, Context, Provider
from ci.rest import Rest

_REQUEST = ("CI_API_V4_URL", "CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_IID")
_REFUSED = (
    "The token may not comment: RAYLINE_GITLAB_TOKEN needs the scope `api` and a role that may "
    "comment."
)


class GitLab(Provider):
    """Jobs of GitLab CI/CD, and notes on merge requests."""

    comment_tokens = ("RAYLINE_GITLAB_TOKEN",)
    token_shape = r"\bgl(?:pat|ptt|dt)[-_][\w-]{16,}"
    comment_limit = 60_000
    """GitLab accepts 1,000,000 characters; a comment that long helps nobody."""

    def is_running(self, environ: Mapping[str, str]) -> bool:
        return environ.get("GITLAB_CI") == "true"

    def context(self, environ: Mapping[str, str]) -> Context:
        return Context(environ.get("CI_COMMIT_SHA", ""), environ.get("CI_JOB_URL", ""))

    def missing(self, environ: Mapping[str, str]) -> str:
        if not environ.get("RAYLINE_GITLAB_TOKEN"):
            return "RAYLINE_GITLAB_TOKEN is not set (docs/ci.md, What to set)"
        if not all(environ.get(name) for name in _REQUEST):
            return "this job does not belong to a merge request"
        return ""

    @contextmanager
    def comments(self, environ: Mapping[str, str]) -> Iterator[Comments]:
        base, project, number = (environ[name] for name in _REQUEST)
        with Rest(base, {"PRIVATE-TOKEN": environ["RAYLINE_GITLAB_TOKEN"]}, _REFUSED) as api:
            yield MergeRequestNotes(api, project, int(number))


class MergeRequestNotes:
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


PROVIDER = GitLab()
