"""Where Ray puts a replica and its engine: pure functions from settings to what Serve is told."""

from app.engine.settings import EngineSettings

# A node that may hold the model offers its group as a Ray resource of any size; every process
# takes this little of it, so that the GPUs alone decide how many fit. Ray's smallest step: 0.0001.
GROUP_SHARE = 0.001


def deployment_placement(settings: EngineSettings) -> dict[str, object]:
    """Serve's options `ray_actor_options` and, for an engine over nodes, its placement group.

    On one node the replica itself holds all of the engine's GPUs, so tensor parallelism cannot be
    torn apart. Over nodes each GPU is a bundle (vLLM refuses larger ones), and the replica lies in
    the first with no GPU of its own: vLLM's worker takes that one. The group's name is a custom
    resource and not Ray's `accelerator_type`, whose list has no GeForce cards.
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
        # Fills a node before it takes the next, so that the slices of a layer stay together.
        "placement_group_strategy": "PACK",
    }
