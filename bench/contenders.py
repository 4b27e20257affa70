"""The contenders: engines with the same arguments, each behind a different server.

The service runs as in its live tests (`bench.serving`), on a real Ray Serve with HAProxy on
loopback. Ray Serve LLM is a second application of the same Ray behind the same HAProxy.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.engine.settings import from_environment
from bench.processes import free_port, server
from bench.serving.cluster import ROOT, Cluster
from bench.serving.service import MODEL, START_SECONDS, Service
from bench.table import BARE

SERVICE, REPLICA = "rayline", "rayline, past HAProxy"
LITELLM, RAY_LLM = "LiteLLM proxy", "Ray Serve LLM"
RAY_LLM_PREFIX = "/ray-llm"
LITELLM_KEY = "sk-of-this-run-only"
# Every limit is counted, but none is reached.
UNREACHED = 2**30
ROLE = {
    "groups": ["inference", "models"],
    "models": [MODEL],
    "requests_per_minute": UNREACHED,
    "tokens_per_minute": UNREACHED,
    "concurrent": 1024,
    "max_tokens": 1024,
}
ENGINE = {
    "DTYPE": "bfloat16",
    "MAX_MODEL_LEN": "1024",
    "MAX_NUM_SEQS": "32",
    "GUARD_MAX_RUNNING": "64",
    "ENABLE_ENFORCE_EAGER": "True",  # compiling would take two minutes of every start
    "ENGINE_ARGS": "{}",
}


@dataclass(frozen=True)
class Target:
    """The address of one contender, and the headers that it requires."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def flags(arguments: Mapping[str, object]) -> list[str]:
    """The engine's arguments as options of vLLM's command line."""
    options = []
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options.append(f"--{option}={value if isinstance(value, str) else json.dumps(value)}")
    return options


def ray_llm_application(arguments: Mapping[str, object]) -> dict[str, Any]:
    """Ray's own application for a model, with its defaults except for the engine and the CPU."""
    engine = dict(arguments)
    source = {"model_id": engine.pop("served_model_name"), "model_source": engine.pop("model")}
    return {
        "name": "RayServeLLM",
        "route_prefix": RAY_LLM_PREFIX,
        "import_path": "ray.serve.llm:build_openai_app",
        "args": {
            "llm_configs": [
                {
                    "model_loading_config": source,
                    "engine_kwargs": engine,
                    "accelerator_config": {"kind": "cpu"},
                    "placement_group_config": {"bundles": [{"CPU": 1}]},
                    "deployment_config": {"num_replicas": 1, "autoscaling_config": None},
                }
            ]
        },
    }


def litellm_configuration(upstream: str) -> str:
    """One model and a key, as LiteLLM documents it for vLLM. JSON is valid YAML."""
    parameters = {"model": f"hosted_vllm/{MODEL}", "api_base": f"{upstream}/v1", "api_key": "none"}
    return json.dumps(
        {
            "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
            "general_settings": {"master_key": LITELLM_KEY},
        }
    )


@contextmanager
def ray_serve(model: Path, peers: Path, folder: Path) -> Iterator[list[Target]]:
    """The service and Ray Serve LLM."""
    path = os.pathsep.join((str(ROOT), str(peers / "for-ray-llm")))
    cluster = Cluster(environment={"PYTHONPATH": path}, cpus=6)
    service = Service(cluster, model)
    try:
        service.write_users()
        (service.auth_folder / "ROLES").write_text(json.dumps({"bench": ROLE}))
        cluster.start()
        environment = service.environment(**ENGINE)
        # One after the other, because vLLM on a CPU measures free memory while it starts.
        ours = service.application(environment)
        cluster.put([ours])
        service.wait_running()
        theirs = ray_llm_application(from_environment(environment, "cpu").arguments)
        cluster.put([ours, theirs])
        cluster.wait_running(theirs["name"], START_SECONDS)
        service.wait_running()
        headers = service.headers("bench")
        yield [
            Target(SERVICE, service.url, headers),
            Target(REPLICA, service.replica_url(), headers),
            Target(RAY_LLM, service.url + RAY_LLM_PREFIX),
        ]
    finally:
        (folder / "ray.log").write_text(service.logs({}))
        cluster.stop()


@contextmanager
def bare(model: Path, folder: Path) -> Iterator[Target]:
    """vLLM's own server, with the same arguments as the service's engine."""
    cluster = Cluster()  # never started; it only provides the environment of engines
    environment = {**cluster.process_environment()}
    arguments = from_environment(Service(cluster, model).environment(**ENGINE), "cpu").arguments
    cluster.folder.rmdir()
    port = free_port()
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *flags(arguments),
    ]
    url = f"http://127.0.0.1:{port}"
    with server(command, environment, f"{url}/health", folder / "bare.log", START_SECONDS):
        yield Target(BARE, url)


@contextmanager
def litellm(upstream: Target, peers: Path, folder: Path) -> Iterator[Target]:
    """LiteLLM's proxy in front of the bare server: one worker, no database, its own key."""
    port = free_port()
    configuration = folder / "litellm.yaml"
    configuration.write_text(litellm_configuration(upstream.url))
    command = [
        *(str(peers / "bin" / "litellm"), "--config", str(configuration)),
        *("--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"),
    ]
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    environment = {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    url = f"http://127.0.0.1:{port}"
    ready = f"{url}/health/liveliness"
    with server(command, environment, ready, folder / "litellm.log", 120):
        yield Target(LITELLM, url, {"Authorization": f"Bearer {LITELLM_KEY}"})
