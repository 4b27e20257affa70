"""The model hub in the cluster: pods download from it, and `sandbox hub` may run at any time."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.kubectl import Kubectl
from sandbox.hub import deploy
from sandbox.hub.repositories import COMMIT, REPOSITORIES, SECOND_COMMIT
from tests.cluster.running import sandbox_command
from toolchain.paths import CHECKOUT


@pytest.fixture(scope="module")
def address(sandbox_up: None, kubectl: Kubectl) -> str:
    """The hub's address from this machine. The image's first build here also installs packages."""
    done = sandbox_command("hub", timeout=2400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert deploy.URL in done.stdout.splitlines()[-1]
    return deploy.address(kubectl)


def test_a_second_run_changes_nothing_and_is_quick(address: str, kubectl: Kubectl) -> None:
    def generation() -> int:
        text = kubectl.run("-n", deploy.NAMESPACE, "get", "deployment/hub", "-o", "json")
        return int(json.loads(text)["metadata"]["generation"])

    before, started = generation(), time.monotonic()
    done = sandbox_command("hub")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert generation() == before
    assert seconds < 10  # 1.5 on an idle machine


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def test_every_repository_has_the_tiny_model(address: str) -> None:
    for name in REPOSITORIES:
        if REPOSITORIES[name].access == "private":
            continue
        found = {f["path"]: f["size"] for f in get(f"{address}/api/models/{name}/tree/main")}
        assert {"config.json", "tokenizer.json"} <= found.keys()
        assert ("model.safetensors" in found) == (name != "rayline/tiny-broken")


@pytest.mark.parametrize(
    ("name", "commit"),
    [
        ("rayline/tiny", COMMIT),
        ("rayline/tiny", SECOND_COMMIT),
        ("rayline/tiny-b", SECOND_COMMIT),
        ("rayline/tiny-cut", COMMIT),
    ],
)
def test_the_jobs_command_downloads_from_it(
    address: str, tmp_path: Path, name: str, commit: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.download", "--source", name, "--revision", commit],
        cwd=CHECKOUT,
        env=os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("ready: llama")


def test_pods_reach_it_by_its_name(
    address: str, kubectl: Kubectl, images: dict[str, str], namespace: str
) -> None:
    url = f"{deploy.URL}/api/models/rayline/tiny"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asks"},
        "spec": {
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "main", "image": images["base"], "command": ["wget", "-qO-", url]}
            ],
        },
    }
    kubectl.run("-n", namespace, "apply", "-f", "-", given=json.dumps(pod))
    kubectl.run(
        *("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asks"),
        "--timeout=90s",
        timeout=100,
    )
    assert json.loads(kubectl.run("-n", namespace, "logs", "asks"))["sha"] == COMMIT
