"""A job of a pipeline: its variables, a `pulumi` that does as told, and the API it comments on."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ci import environment, rest
from tests.ci import fake_api
from tests.ci.fake_api import FakeApi

PASSPHRASE = "correct-horse-battery"
# By way of a shell: in a first line of its own, Python's path could hold no space.
START = f"""#!/bin/sh
exec '{sys.executable}' -IS "${{0%/*}}/fake_pulumi.py" "$@"
"""
PROGRAM = """
import json, os, sys, time
from pathlib import Path
home = Path(__file__).parent
name = sys.argv[sys.argv.index("--stack") + 1]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
told = json.loads((home / "told").read_text()).get(f"{sys.argv[1]} {name}", {})
kubeconfig = os.environ.get("KUBECONFIG")
if kubeconfig:
    (home / "kubeconfig-seen").write_text(Path(kubeconfig).read_text())
print(told.get("out", ""), flush=True)
print(told.get("err", ""), file=sys.stderr, flush=True)
time.sleep(told.get("sleep", 0))
sys.exit(told.get("code", 0))
"""

DIFF = """Previewing update (dev):
  pulumi:pulumi:Stack: (same)
    \x1b[32m+ kubernetes:core/v1:Secret: (create)\x1b[0m
        data: [secret]
    ~ kubernetes:ray.io/v1:RayCluster: (update)
      ~ image: "a" => "b"
Resources:
    + 2 to create
    ~ 1 to update
    3 changes. 5 unchanged"""


@dataclass
class Job:
    """`told` maps "preview dev" to what that run of the fake `pulumi` prints and returns."""

    folder: Path
    variables: dict[str, str]
    api: FakeApi

    def tell(self, **runs: dict[str, Any]) -> None:
        told = {name.replace("_", " ", 1): run for name, run in runs.items()}
        (self.folder / "told").write_text(json.dumps(told))

    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=["github", "gitlab"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(kind: str) -> Iterator[FakeApi]:
    with fake_api.serve(kind) as served:
        yield served


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited, in seconds."""
    taken: list[float] = []
    monkeypatch.setattr(rest, "pause", taken.append)
    return taken


@pytest.fixture
def job(tmp_path: Path, api: FakeApi, kind: str, monkeypatch: pytest.MonkeyPatch) -> Job:
    program = tmp_path / "pulumi"
    program.write_text(START)
    (tmp_path / "fake_pulumi.py").write_text(PROGRAM)
    program.chmod(0o755)
    # The checkout's own tools come before PATH.
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(environment, "TOOLS", tmp_path / "checkout" / "tools")
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": "s3://state?region=eu-1",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_ACCESS_TOKEN": "",  # as GitHub gives an absent secret
    }
    if kind == "github":
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        variables |= {
            "GITHUB_API_URL": api.address,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": fake_api.REPOSITORY,
            "GITHUB_RUN_ID": "55",
            "GITHUB_SERVER_URL": "https://git.example.com",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_TOKEN": fake_api.TOKENS[kind],
            "RAYLINE_COMMIT": "0123456789abcdef",
        }
    else:
        variables |= {
            "CI_API_V4_URL": api.address,
            "CI_COMMIT_SHA": "0123456789abcdef",
            "CI_JOB_URL": "https://git.example.com/-/jobs/55",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_PROJECT_ID": "33",
            "RAYLINE_GITLAB_TOKEN": fake_api.TOKENS[kind],
        }
    made = Job(tmp_path, variables, api)
    made.tell(preview_dev={"out": DIFF}, preview_prod={"out": DIFF.replace("dev", "prod")})
    return made
