"""The requests to Ray: the replica's resources, and the bundles of a model on several nodes."""

import pytest

from app.engine.placement import deployment_placement
from app.engine.settings import Device, from_environment


def placement(device: Device, tensor: int, pipeline: int, group: str = "") -> dict[str, object]:
    environ = {
        "MODEL_ID": "m",
        "TENSOR_PARALLELISM": str(tensor),
        "PIPELINE_PARALLELISM": str(pipeline),
        "GPU_GROUP": group,
    }
    return deployment_placement(from_environment(environ, device))


@pytest.mark.parametrize("tensor", [1, 4])
def test_on_one_node_the_replica_holds_every_gpu(tensor: int) -> None:
    assert placement("cuda", tensor, 1, "rtx-3090") == {
        "ray_actor_options": {
            "num_cpus": 1.0,
            "num_gpus": tensor,
            "resources": {"rtx-3090": 0.001},
        }
    }


@pytest.mark.parametrize(("tensor", "pipeline"), [(1, 2), (2, 2), (4, 3)])
def test_on_several_nodes_there_is_one_bundle_per_gpu(tensor: int, pipeline: int) -> None:
    options = placement("cuda", tensor, pipeline, "rtx-3090")
    gpu = {"GPU": 1.0, "rtx-3090": 0.001}
    assert options == {
        "ray_actor_options": {"num_cpus": 1.0, "num_gpus": 0},
        "placement_group_bundles": [{"CPU": 1.0, **gpu}, *[gpu] * (tensor * pipeline - 1)],
        "placement_group_strategy": "PACK",
    }


def test_without_a_group_any_node_is_used() -> None:
    options = placement("cuda", 1, 2)
    assert options["placement_group_bundles"] == [{"CPU": 1.0, "GPU": 1.0}, {"GPU": 1.0}]


def test_a_cpu_engine_requests_no_gpu() -> None:
    expected = {"ray_actor_options": {"num_cpus": 1.0, "num_gpus": 0, "resources": {}}}
    assert placement("cpu", 2, 1) == placement("cpu", 1, 2) == expected
