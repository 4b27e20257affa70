"""The real Prometheus with the recorded run."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.fixtures import NEEDED
from tests.infra.monitoring import binaries
from tests.infra.monitoring.server import Prometheus, started


@pytest.fixture(scope="session")
def prometheus_binaries() -> dict[str, Path]:
    found = binaries.present()
    if found is None and os.environ.get(NEEDED) == "needed":
        found = binaries.provide()
    if found is None:
        pytest.skip("no Prometheus: type `.venv/bin/python -m tests.infra.monitoring.binaries`")
    return found


@pytest.fixture(scope="session")
def prometheus(
    prometheus_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with started(prometheus_binaries, tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture
def promtool(prometheus_binaries: dict[str, Path], tmp_path: Path) -> "Promtool":
    return Promtool(prometheus_binaries["promtool"], tmp_path)


class Promtool:
    """`promtool` in a folder of its own."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary, self.folder = binary, folder

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """The exit code and the output."""
        done = subprocess.run(
            [str(self._binary), *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr
