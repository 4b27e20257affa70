"""A machine that cannot run the sandbox is refused in one sentence that names the reason."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sandbox import preflight
from sandbox.preflight import Machine
from toolchain.errors import UserError

GOOD = Machine("Linux", "x86_64", 0, 16 * 1024**3, 100 * 1024**3, "/var/cache")


def test_a_good_machine_passes() -> None:
    preflight.check(GOOD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "Darwin"}, "runs on Linux only; this machine runs Darwin"),
        ({"machine": "riscv64"}, "x86_64 and aarch64 only; this machine is riscv64"),
        ({"user_id": 1000}, "needs root, .*; you are user 1000"),
        ({"memory_available": 1024**3}, "3.0 GiB of available memory; this machine has 1.0 GiB"),
        (
            {"disk_free": 2 * 1024**3},
            "15.0 GiB of free disk space for /var/cache; its disk has 2.0 GiB",
        ),
    ],
)
def test_each_unmet_requirement_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        preflight.check(dataclasses.replace(GOOD, **change))
    assert refused.value.hint


def test_facts_are_read_for_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    machine = preflight.inspect(tmp_path / "not" / "there")
    assert machine.disk_free > 0
    assert machine.memory_available > 0
