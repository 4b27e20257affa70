"""A machine that will not do is told so in one sentence."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sandbox import cli, operations, preflight
from sandbox.preflight import Machine
from toolchain.errors import UserError

GOOD = Machine("Linux", "x86_64", 0, 16 * 1024**3, 100 * 1024**3, "/var/cache")


def test_a_good_machine_passes() -> None:
    preflight.judge(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "Darwin"}, "runs on Linux; this is Darwin"),
        ({"machine": "riscv64"}, "this is riscv64"),
        ({"user_id": 1000}, "needs root"),
        ({"memory_available": 1024**3}, "3.0 GiB of available memory; this machine has 1.0 GiB"),
        ({"disk_free": 2 * 1024**3}, "15.0 GiB of free disk for /var/cache; there are 2.0 GiB"),
    ],
)
def test_each_lack_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        preflight.judge(dataclasses.replace(GOOD, **change))


def test_the_command_line_ends_with_2_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = dataclasses.replace(GOOD, user_id=1000)
    monkeypatch.setattr(preflight, "inspect", lambda _: poor)
    for verb in ("up", "status", "down"):
        assert cli.main([verb]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("error: The sandbox needs root")
        assert "Run it with sudo" in shown.err


def test_what_the_machine_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "/sys/fs/cgroup/rayline")

    monkeypatch.setattr(preflight, "inspect", lambda _: GOOD)
    monkeypatch.setattr(operations, "up", refuse)
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err.startswith("error: The machine refused: [Errno 13]")


def test_a_wrong_setting_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLINE_GPUS", "many")
    assert cli.main(["status"]) == 2
    assert "RAYLINE_GPUS='many'" in capsys.readouterr().err


def test_facts_are_read_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    machine = preflight.inspect(tmp_path / "not" / "there")
    assert machine.disk_free > 0
    assert machine.memory_available > 0
