"""The output for users: aligned columns, one line per step, an error with what to type."""

import pytest

from sandbox import console
from sandbox.node.health import Row
from toolchain.errors import CommandError

ROWS = [
    Row("etcd", "ok", 12, 40 * 1024**2, 0, ""),
    Row("kube-controller-manager", "not running (exit code 1)", 0, 0, 3, "10.213.0.2:10257"),
]


def test_words_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    assert console.table(ROWS).splitlines() == [
        "COMPONENT                HEALTH                     PID  MEMORY  RESTARTS  ADDRESS",
        "etcd                     ok                          12  40 MiB         0  -",
        "kube-controller-manager  not running (exit code 1)    -       -         3  "
        "10.213.0.2:10257",
    ]


def test_a_step_is_one_line_with_its_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with console.step("node Ready"):
        pass
    assert capsys.readouterr().out.split() == ["node", "Ready", "0.0", "s"]


def test_a_step_that_fails_is_marked_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="reason"), console.step("node Ready"):
        raise ValueError("reason")
    assert capsys.readouterr().out == "  node Ready: failed\n"


def test_the_hint_of_an_error_is_printed_below_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.failure(CommandError("It failed.", "Log: x.log"))
    console.failure(CommandError("It failed."))
    assert capsys.readouterr().err == "error: It failed.\n       Log: x.log\nerror: It failed.\n"
