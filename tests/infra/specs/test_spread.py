"""Replicas of a model are in different workers, and which models therefore answer throughout."""

import pytest

from infra.settings import StackSettings
from infra.specs.ray_cluster import kept_models, rollout_seconds
from infra.specs.serve_config import serve_config
from tests.infra.specs.original import ORIGINAL, original


def stack(replicas: int, workers: int, **model: int) -> StackSettings:
    first, second = ORIGINAL["gpuGroups"]
    cards = {**first["gpu"], "count": 2}
    return original(
        models=[{**ORIGINAL["models"][0], "pipelineParallel": 1, "replicas": replicas, **model}],
        gpuGroups=[{**first, "workers": workers, "gpu": cards}, second],
    )


@pytest.mark.parametrize(
    ("replicas", "workers", "most"),
    [(1, 1, None), (1, 2, None), (2, 1, None), (2, 2, 1), (3, 2, 2), (2, 3, 1), (4, 2, 2)],
)
def test_replicas_are_spread_over_the_workers(
    replicas: int, workers: int, most: int | None
) -> None:
    found = stack(replicas, workers)
    ((deployment,),) = (app["deployments"] for app in serve_config(found)["applications"][:1])
    assert deployment.get("max_replicas_per_node") == most
    assert kept_models(found).get("rtx-3090", []) == (["Dolphin3.0"] if most else [])


def test_a_pipeline_has_a_placement_group_which_serve_does_not_spread() -> None:
    found = stack(2, 4, pipelineParallel=2)
    (deployment,) = serve_config(found)["applications"][0]["deployments"]
    assert "max_replicas_per_node" not in deployment
    assert not any(kept_models(found).values())


def test_a_rollout_has_time_for_one_model_after_another() -> None:
    timeouts = original().timeouts
    pods = timeouts.pods_ready_seconds
    assert rollout_seconds(stack(1, 3)) == pods
    assert rollout_seconds(stack(2, 3)) == pods + 3 * timeouts.model_ready_seconds
