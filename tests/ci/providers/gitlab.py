"""GitLab's notes on a merge request, and the variables of one of its jobs."""

from pathlib import Path

from tests.ci.fake_api import Double


class GitLab(Double):
    token = "glpat-" + "t0ken" * 5
    author: object = 71
    stranger: object = 666
    prefix = "/api/v4"
    listing = f"{prefix}/projects/33/merge_requests/7/notes"
    comment = f"{listing}/"
    change = "PUT"
    token_variable = "RAYLINE_GITLAB_TOKEN"
    api_variable = "CI_API_V4_URL"
    refused = "RAYLINE_GITLAB_TOKEN needs the scope"

    def signed(self, author: object) -> dict[str, object]:
        return {"author": {"id": author}}

    def other(self, path: str) -> object | None:
        return {"id": self.author} if path == f"{self.prefix}/user" else None

    def variables(self, address: str, folder: Path) -> dict[str, str]:
        return {
            "CI_API_V4_URL": address,
            "CI_COMMIT_SHA": "0123456789abcdef",
            "CI_JOB_URL": "https://git.example.com/-/jobs/55",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_PROJECT_ID": "33",
            "GITLAB_CI": "true",
            "RAYLINE_GITLAB_TOKEN": self.token,
        }

    def leave_request(self, variables: dict[str, str]) -> None:
        del variables["CI_MERGE_REQUEST_IID"]


DOUBLE = GitLab()
