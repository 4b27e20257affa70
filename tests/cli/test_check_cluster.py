"""`rayline check` with a cluster: when it looks, what it prints, and its exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import check
from tests.apiserver.server import CONTEXT, STRANGER, ApiServer
from tests.cli.test_check import write
from tests.infra.cluster_check.kubeconfigs import answering, kubeconfig, status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://127.0.0.1:1")))
    return tmp_path


@pytest.fixture
def refusing(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster whose login has ended."""
    with answering(401, status(401, "Unauthorized")) as server:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(project, server)))
        yield


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = check.main([*arguments])
    return code, capsys.readouterr().out


def test_without_a_named_stack_no_cluster_is_asked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev", cluster__context="production")
    assert run(capsys) == (0, "Pulumi.dev.yaml: no problems\n")
    assert run(capsys, "-s", "dev", "--offline") == (0, "Pulumi.dev.yaml: no problems\n")


@pytest.mark.parametrize(
    ("arguments", "code", "severity"),
    [
        (["-s", "dev"], 0, "warning"),
        (["--cluster"], 1, "error"),
        (["-s", "dev", "--cluster"], 1, "error"),
    ],
)
def test_a_cluster_that_refuses_the_user_is_a_warning_unless_required(
    project: Path,
    refusing: None,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    severity: str,
) -> None:
    write(project, "dev", cluster__context="production")
    found, out = run(capsys, *arguments)
    assert found == code
    assert f"  {severity}: rayline:cluster.context was not checked on its cluster: " in out
    assert "log in again" in out
    assert "hidden-token" not in out


def test_errors_of_the_configuration_come_before_the_cluster(
    project: Path, refusing: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev", cluster__context="production", models__0__gpuGroup="none")
    code, out = run(capsys, "-s", "dev", "--cluster", "--json")
    assert code == 1
    (stack,) = json.loads(out)["stacks"]
    assert stack["cluster"] is None
    assert {problem["source"] for problem in stack["problems"]} == {"configuration"}


def test_json_has_both_sources(
    project: Path,
    api_server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    write(project, "dev", cluster__context=CONTEXT, operator__version="1.7.0")
    code, out = run(capsys, "-s", "dev", "--json")
    (stack,) = json.loads(out)["stacks"]
    assert code == 1
    assert [p["source"] for p in stack["problems"]][:2] == ["configuration", "cluster"]
    assert stack["cluster"] == {
        "context": CONTEXT,
        "reached": True,
        "version": stack["cluster"]["version"],
        "uid": api_server.uid,
        "notes": [],
        "notChecked": [],
    }
    assert stack["cluster"]["version"].startswith("v1.")


def test_what_is_not_known_is_listed(
    project: Path,
    api_server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    write(project, "dev", cluster__context=STRANGER)
    code, out = run(capsys, "-s", "dev")
    assert code == 1
    assert f"  cluster {STRANGER}, Kubernetes v1." in out
    assert "    not checked: the context's user may not read /api/v1/nodes" in out
