"""Exit codes and messages of `python -m sandbox`."""

import dataclasses
import shlex
import sys

import pytest

from sandbox import cli, operations, paths, preflight
from sandbox.preflight import Machine

GOOD = Machine("Linux", "x86_64", 0, 16 * 1024**3, 100 * 1024**3, "/var/cache")


def test_a_refusal_ends_with_2_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = dataclasses.replace(GOOD, user_id=1000)
    monkeypatch.setattr(preflight, "inspect", lambda _: poor)
    for verb in ("up", "status", "down"):
        assert cli.main([verb]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("error: The sandbox needs root")
        assert "Run it with sudo" in shown.err


def test_an_error_of_the_operating_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "/sys/fs/cgroup/rayline")

    monkeypatch.setattr(preflight, "inspect", lambda _: GOOD)
    monkeypatch.setattr(operations, "up", refuse)
    assert cli.main(["up"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: The operating system refused an operation: [Errno 13]")
    assert len(message.splitlines()) == 1


def test_a_wrong_setting_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLINE_GPUS", "many")
    assert cli.main(["status"]) == 2
    assert "RAYLINE_GPUS='many'" in capsys.readouterr().err


def test_env_prints_what_a_shell_can_evaluate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "KUBECONFIG", paths.STATE / "a folder's kubeconfig")
    assert cli.main(["env"]) == 0
    words = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert {word for word, _ in words} == {"export"}
    exported = dict(assignment.split("=", 1) for _, assignment in words)
    assert exported["KUBECONFIG"] == str(paths.STATE / "a folder's kubeconfig")
    assert exported["PATH"].startswith(f"{paths.BIN}:")
    assert exported["BUILDX_BUILDER"] == "rayline"


def test_every_verb_has_a_help_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sandbox"])
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    for verb in ("tools", "up", "deploy", "hub", "pulumi", "status", "env", "down"):
        assert any(line.split()[0] == verb and len(line.split()) > 2 for line in lines if line)
