"""Pulumi, its language host and both plug-ins from `make tools`, against the sandbox."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import chart
from sandbox.cluster.kubectl import Kubectl
from sandbox.images import registry
from sandbox.settings import Settings

PROGRAMS = Path(__file__).parent / "programs"


class Stack:
    """A stack `test` of one of the programs, with its own state folder."""

    def __init__(self, program: str, folder: Path, environment: dict[str, str]) -> None:
        self._program = PROGRAMS / program
        state = folder / "state of the stack"  # with spaces, as a home folder may have
        state.mkdir()
        self._environment = environment | {
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._config_file = folder / "Pulumi.test.yaml"

    def __call__(self, *arguments: str, code: int = 0) -> str:
        command = ["pulumi", *arguments, "--non-interactive"]
        if arguments[0] != "stack":
            command += ["--stack", "test", "--config-file", str(self._config_file)]
        done = subprocess.run(
            command,
            cwd=self._program,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def configure(self, **values: str) -> None:
        for name, value in values.items():
            self("config", "set", name, value)

    def changes(self, verb: str, *arguments: str) -> dict[str, int]:
        """Run `verb` and count its steps by operation."""
        summary = json.loads(self(verb, "--json", *arguments))["changeSummary"]
        return {operation: count for operation, count in summary.items() if count}

    def outputs(self) -> dict[str, str]:
        command = ("stack", "output", "--json", "--stack", "test")
        return dict(json.loads(self(*command)))


@pytest.fixture
def stack(
    request: pytest.FixtureRequest, tmp_path: Path, sandbox_environment: dict[str, str]
) -> Iterator[Stack]:
    """A stack of the program that the test's parameter names; destroyed even when it fails."""
    made = Stack(request.param, tmp_path, sandbox_environment)
    made("stack", "init", "test")
    yield made
    made("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize("stack", ["tools"], indirect=True)
def test_up_preview_refresh_destroy(
    stack: Stack,
    kubectl: Kubectl,
    namespace: str,
    images: dict[str, str],
    tmp_path: Path,
) -> None:
    tag = f"{Settings().registry}/rayline-test/tools:{namespace}"
    note = tmp_path / "note.txt"
    stack.configure(
        namespace=namespace,
        text="first",
        base=images["base"],
        context=str(PROGRAMS.parent / "images" / "hello"),
        tag=tag,
        note=str(note),
    )
    assert stack.changes("preview") == {"create": 5}
    assert not note.exists()
    assert registry.digest(tag) is None

    stack("up", "--yes", "--skip-preview")
    outputs = stack.outputs()
    assert outputs["image"].split("@")[-1] == registry.digest(tag)
    assert note.read_text() == "first"
    read = ("-n", namespace, "get", "configmap", outputs["configMap"], "-o", "jsonpath={.data}")
    assert json.loads(kubectl.run(*read)) == {"text": "first"}

    assert stack.changes("preview") == {"same": 5}
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    stack.configure(text="second")
    assert stack.changes("preview")["update"] >= 1
    stack("up", "--yes", "--skip-preview")
    assert note.read_text() == "second"
    note.unlink()  # refresh notices a change from outside, and up repairs it
    stack("refresh", "--yes", "--skip-preview")
    assert stack.changes("preview")["create"] == 1
    stack("up", "--yes", "--skip-preview")
    assert note.read_text() == "second"

    stack("destroy", "--yes", "--skip-preview")
    assert not note.exists()
    names = kubectl.run("-n", namespace, "get", "configmaps", "-o", "name")
    assert names == "configmap/kube-root-ca.crt\n"


@pytest.mark.parametrize("stack", ["operator"], indirect=True)
def test_the_operator_installs_by_helm_release(
    stack: Stack, kubectl: Kubectl, namespace: str
) -> None:
    stack.configure(namespace=namespace, chart=str(chart.FOLDER))
    stack("up", "--yes", "--skip-preview")
    assert stack.outputs()["status"] == "deployed"
    deployment = json.loads(
        kubectl.run("-n", namespace, "get", "deployment", "kuberay-operator", "-o", "json")
    )
    assert deployment["status"]["availableReplicas"] == 1
    crds = kubectl.run("get", "crds", "-o", "name").splitlines()
    assert sum(name.endswith(".ray.io") for name in crds) == 4
    logs = kubectl.run("-n", namespace, "logs", "deployment/kuberay-operator")
    assert "Starting workers" in logs
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")
