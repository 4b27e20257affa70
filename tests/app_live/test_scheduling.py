"""The placement of a model on nodes, by a real Ray whose nodes claim to have GPUs."""

import os
from collections.abc import Iterator

import pytest

from app.engine.placement import deployment_placement
from app.engine.settings import from_environment
from tests.app_live.program import Program, program

pytestmark = [pytest.mark.live]


class Scheduler:
    """`nodes.py`, which answers one question at a time."""

    def __init__(self, nodes: Program) -> None:
        self._nodes = nodes

    def place(self, tensor: int, pipeline: int, group: str) -> object:
        """The node of each bundle, or None if Ray finds no place."""
        environ = {
            "MODEL_ID": "m",
            "TENSOR_PARALLELISM": str(tensor),
            "PIPELINE_PARALLELISM": str(pipeline),
            "GPU_GROUP": group,
        }
        return self._nodes.ask(deployment_placement(from_environment(environ, "cuda")))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environ = {**kept, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with program("tests.app_live.nodes", environ) as nodes:
        yield Scheduler(nodes)


def test_two_stages_use_two_nodes_of_the_group(scheduler: Scheduler) -> None:
    assert sorted(scheduler.place(1, 2, "rtx-3090") or []) == ["a", "b"]  # type: ignore[call-overload]


def test_stages_share_a_node_with_enough_gpus(scheduler: Scheduler) -> None:
    assert scheduler.place(1, 2, "rtx-4090") == ["c", "c"]


def test_gpus_of_other_groups_are_not_used(scheduler: Scheduler) -> None:
    assert scheduler.place(1, 3, "rtx-3090") is None
    assert scheduler.place(1, 2, "rtx-3060") is None


def test_without_a_group_every_gpu_is_used(scheduler: Scheduler) -> None:
    placed = scheduler.place(1, 5, "")
    assert isinstance(placed, list)
    assert sorted(placed) == ["a", "b", "c", "c", "d"]
