"""Ray Serve's configuration: one application per model.

The body of PUT /api/serve/applications/, and `serveConfigV2` of a RayService
(https://docs.ray.io/en/releases-2.60.0/serve/api/index.html#rest-api). It contains no secret:
users and keys reach the replicas as files of the auth Secret. A further application has a replica
on each worker, so that each has a proxy for the API's Service (app/proxies.py).
"""

import json

from infra.settings import StackSettings
from infra.settings.api import Api
from infra.settings.models import Model
from infra.specs import Spec, extra_sources, names

DEFAULT = Api()
IMPORT_PATH = "app.main:application"
DEPLOYMENT = "VLLMDeployment"
"""The only Serve deployment of a model's application; the same as `app.main.DEPLOYMENT`."""
PROXIES = "rayline-proxies"
"""The application that keeps a proxy on each worker."""
PROXIES_IMPORT_PATH, PROXIES_DEPLOYMENT = "app.proxies:application", "OnEachWorker"
PROXIES_ROUTE = "/-/rayline-proxies"
"""It answers 404 there. Models may not have a route below /-/."""


def serve_config(settings: StackSettings) -> Spec:
    """The whole configuration: Serve removes every application that it does not name."""
    workers = {group.name: group.pods for group in settings.gpu_groups}
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": settings.serve.port},
        "applications": [
            *(
                application(model, settings.api, workers.get(model.gpu_group, 1))
                for model in settings.models
            ),
            *_proxies(settings, sum(group.pods for group in settings.gpu_groups)),
        ],
    }


def _proxies(settings: StackSettings, workers: int) -> list[Spec]:
    if not workers:
        return []
    # A RayService may start a second cluster (infra.specs.worker_lifecycle).
    ports = {"readyPort": str(names.READY_PORT), "servePort": str(settings.serve.port)}
    asked = settings.serve.delivery == "rayService"
    return [
        {
            "name": PROXIES,
            "route_prefix": PROXIES_ROUTE,
            "import_path": PROXIES_IMPORT_PATH,
            **({"args": ports} if asked else {}),
            "deployments": [{"name": PROXIES_DEPLOYMENT, "num_replicas": workers}],
        }
    ]


def application(model: Model, api: Api = DEFAULT, workers: int = 1) -> Spec:
    """One application, of a group of so many workers. The code in the image decides from this
    environment where its processes run; there is no working_dir, because that code is in the image.

    Replicas are spread over the workers, so that the loss of one does not take them all, and a
    model answers while its workers are replaced. Serve refuses that for placement groups, which a
    pipeline over several workers needs (ray/serve/schema.py).
    """
    spread = model.replicas > 1 and workers > 1 and model.pipeline_parallel == 1
    most = {"max_replicas_per_node": -(-model.replicas // workers)} if spread else {}
    return {
        "name": model.name,
        "route_prefix": model.route_prefix,
        "import_path": IMPORT_PATH,
        "runtime_env": {"env_vars": environment(model, api)},
        "deployments": [{"name": DEPLOYMENT, "num_replicas": model.replicas, **most}],
    }


def environment(model: Model, api: Api = DEFAULT) -> dict[str, str]:
    """What `app.engine.settings.from_environment` reads (docs/service.md).

    `model.env` comes first, so that it cannot override what this configuration sets. `api` are
    the settings of all models. Settings of the guard and of the watchdog are written only where
    they differ from the service's defaults.
    """
    stall = Model.model_fields["stall_seconds"].default
    engine_args = extra_sources.engine_args(model, names.CACHE_MOUNT)
    optional: dict[str, object] = {
        "MODEL_REVISION": model.revision,
        "MODEL_ALIASES": " ".join(model.aliases) or None,
        "MAX_MODEL_LEN": model.max_model_len,
        "MAX_NUM_SEQS": model.max_num_seqs,
        "CPU_OFFLOAD_GB": model.cpu_offload_gb,
        "ENABLE_CHUNKED_PREFILL": model.chunked_prefill,
        "ENABLE_ENFORCE_EAGER": model.enforce_eager,
        "ENGINE_STALL_SECONDS": model.stall_seconds if model.stall_seconds != stall else None,
        "ENGINE_ARGS": json.dumps(engine_args, sort_keys=True) if engine_args else None,
    }
    return {
        **model.env,
        "MODEL_ID": model.source,
        "MODEL_NAME": model.name,
        "TENSOR_PARALLELISM": str(model.tensor_parallel),
        "PIPELINE_PARALLELISM": str(model.pipeline_parallel),
        "DTYPE": model.dtype,
        "GPU_MEMORY_UTIL": str(model.gpu_memory_utilization),
        "GPU_GROUP": model.gpu_group,
        "REPLICA_CPUS": str(model.cpus),
        "DRAIN_SECONDS": str(model.drain_seconds),
        # Weights are in the cache before anything is served; replicas never download.
        "HF_HUB_OFFLINE": "1",
        **{name: str(value) for name, value in optional.items() if value is not None},
        **api_environment(api.changed_by(model.api)),
    }


def api_environment(api: Api) -> dict[str, str]:
    """What `app.guard.settings.from_environment` reads: one variable per field that differs from
    its default."""
    return {
        f"GUARD_{name.upper()}": _text(value)
        for name, value in api
        if value != getattr(DEFAULT, name)
    }


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
