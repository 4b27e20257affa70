"""Where Ray places a replica and its engine, as a pure function of the settings."""

from app.engine.settings import EngineSettings

# A node that may run the model offers its GPU group as a Ray resource of any size. Every process
# takes this small share of it, so only the GPUs decide how many fit. Ray's smallest step: 0.0001.
GROUP_SHARE = 0.001


def deployment_placement(settings: EngineSettings) -> dict[str, object]:
    """Serve's options `ray_actor_options` and, for an engine on several nodes, a placement group.

    On one node the replica itself holds all GPUs of the engine, so tensor parallelism is never
    split between nodes. On several nodes each GPU is a bundle (vLLM refuses larger ones), and the
    replica is in the first bundle without a GPU, which vLLM's worker takes. The GPU group is a
    custom resource because Ray's `accelerator_type` does not list GeForce cards.
    """
    group = {settings.gpu_group: GROUP_SHARE} if settings.gpu_group else {}
    if settings.device == "cpu" or settings.pipeline_parallel == 1:
        gpus = settings.tensor_parallel if settings.device == "cuda" else 0
        return {
            "ray_actor_options": {
                "num_cpus": settings.replica_cpus,
                "num_gpus": gpus,
                "resources": dict(group),
            }
        }
    gpus = settings.tensor_parallel * settings.pipeline_parallel
    bundles: list[dict[str, float]] = [{"GPU": 1.0, **group} for _ in range(gpus)]
    bundles[0] = {"CPU": settings.replica_cpus, **bundles[0]}
    return {
        "ray_actor_options": {"num_cpus": settings.replica_cpus, "num_gpus": 0},
        "placement_group_bundles": bundles,
        # Fills one node before the next, so that the slices of a layer stay together.
        "placement_group_strategy": "PACK",
    }
