"""A job of a pipeline: its variables, a scripted `pulumi`, and the API that it comments on."""

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
from tests.ci.providers import DOUBLES

PASSPHRASE = "correct-horse-battery"
# Through a shell, because a `#!` line cannot contain a path with a space.
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
script = json.loads((home / "script").read_text()).get(f"{sys.argv[1]} {name}", {})
if "--event-log" in sys.argv and "changes" in script:
    assert os.environ["PULUMI_DEBUG_COMMANDS"] == "true"  # the flag is unknown without it
    events = [{"sequence": 0, "preludeEvent": {"config": {}}}]
    events.append({"sequence": 1, "summaryEvent": {"resourceChanges": script["changes"]}})
    log = Path(sys.argv[sys.argv.index("--event-log") + 1])
    log.write_text("".join(json.dumps(event) + "\\n" for event in events))
kubeconfig = os.environ.get("KUBECONFIG")
if kubeconfig:
    (home / "kubeconfig-seen").write_text(Path(kubeconfig).read_text())
print(script.get("out", ""), flush=True)
print(script.get("err", ""), file=sys.stderr, flush=True)
time.sleep(script.get("sleep", 0))
sys.exit(script.get("code", 0))
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
CHANGES = {"create": 2, "update": 1, "same": 5}


@dataclass
class Job:
    """The file `script` maps "preview dev" to the output and exit code of the fake `pulumi`."""

    folder: Path
    variables: dict[str, str]
    api: FakeApi

    def script(self, **runs: dict[str, Any]) -> None:
        named = {name.replace("_", " ", 1): run for name, run in runs.items()}
        (self.folder / "script").write_text(json.dumps(named))

    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=sorted(DOUBLES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(kind: str) -> Iterator[FakeApi]:
    with fake_api.serve(DOUBLES[kind]) as served:
        yield served


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collects pauses, in seconds, instead of making them."""
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
    monkeypatch.setattr(environment, "TOOLS_BIN", tmp_path / "checkout" / "tools")
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": "s3://state?region=eu-1",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_ACCESS_TOKEN": "",  # the form of an absent secret
        "HOME": str(tmp_path),
    } | api.double.variables(api.address, tmp_path)
    made = Job(tmp_path, variables, api)
    made.script(
        preview_dev={"out": DIFF, "changes": CHANGES},
        preview_prod={"out": DIFF.replace("dev", "prod"), "changes": CHANGES},
    )
    return made
