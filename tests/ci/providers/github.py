"""GitHub's comments on a pull request, and the variables of one of its jobs."""

import json
from pathlib import Path

from tests.ci.fake_api import Double

REPOSITORY = "team/stack"


class GitHub(Double):
    token = "ghs_" + "t0ken" * 5
    author: object = "github-actions[bot]"
    stranger: object = "mallory"
    listing = f"/repos/{REPOSITORY}/issues/7/comments"
    comment = f"/repos/{REPOSITORY}/issues/comments/"
    change = "PATCH"
    token_variable = "GITHUB_TOKEN"
    api_variable = "GITHUB_API_URL"
    refused = "pull-requests: write"
    has_summary = True
    obeyed = "::error::forged"

    def signed(self, author: object) -> dict[str, object]:
        return {"user": {"login": author}}

    def variables(self, address: str, folder: Path) -> dict[str, str]:
        event = folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": address,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "55",
            "GITHUB_SERVER_URL": "https://git.example.com",
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_TOKEN": self.token,
            "RAYLINE_COMMIT": "0123456789abcdef",
        }

    def leave_request(self, variables: dict[str, str]) -> None:
        Path(variables["GITHUB_EVENT_PATH"]).write_text('{"after": "0123"}')


DOUBLE = GitHub()
