"""What the host sees of the sandbox's processes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.node import host, layout


def test_a_group_that_ends_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel removes a pod's control group at any time, also between its listing and a look."""
    groups = tmp_path / layout.CGROUP
    for name, pid in (("kept", "41"), ("kept/nested", "42"), ("gone", "43")):
        (groups / name).mkdir(parents=True)
        (groups / name / "cgroup.procs").write_text(f"{pid}\n0\n")
    listed = os.scandir

    def scandir(path: Any) -> Iterator[Any]:
        if str(path).endswith("gone"):
            raise FileNotFoundError(path)
        return listed(path)

    monkeypatch.setattr(host, "hierarchies", lambda: [tmp_path])
    monkeypatch.setattr(os, "scandir", scandir)
    assert {41, 42} <= set(host.processes())
