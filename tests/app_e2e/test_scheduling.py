"""The placement of a model over nodes, scheduled by a real Ray whose nodes say they have GPUs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.placement import deployment_placement
from app.settings import from_environment
from tests.app_e2e.cluster import ROOT

pytestmark = [pytest.mark.engine]


class Scheduler:
    """`nodes.py`, one question at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> object:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def place(self, tensor: int, pipeline: int, group: str) -> object:
        """The node of each bundle, or None where Ray finds no place."""
        environ = {
            "MODEL_ID": "m",
            "TENSOR_PARALLELISM": str(tensor),
            "PIPELINE_PARALLELISM": str(pipeline),
            "GPU_GROUP": group,
        }
        asked = deployment_placement(from_environment(environ, "cuda"))
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self.line()


def end(process: subprocess.Popen[str]) -> None:
    """Closes its standard input, at which it stops its nodes and removes their folder."""
    try:
        process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.app_e2e.nodes"],
        cwd=ROOT,
        env={**kept, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        started = Scheduler(process)
        try:
            assert started.line() == "ready"
            yield started
        finally:
            end(process)


def test_two_stages_take_two_nodes_of_the_group(scheduler: Scheduler) -> None:
    assert sorted(scheduler.place(1, 2, "rtx-3090") or []) == ["a", "b"]  # type: ignore[call-overload]


def test_stages_share_a_node_that_has_room(scheduler: Scheduler) -> None:
    assert scheduler.place(1, 2, "rtx-4090") == ["c", "c"]


def test_another_groups_cards_are_not_taken(scheduler: Scheduler) -> None:
    assert scheduler.place(1, 3, "rtx-3090") is None
    assert scheduler.place(1, 2, "rtx-3060") is None


def test_without_a_group_every_card_will_do(scheduler: Scheduler) -> None:
    placed = scheduler.place(1, 5, "")
    assert isinstance(placed, list)
    assert sorted(placed) == ["a", "b", "c", "c", "d"]
