"""A worker of a RayService is Ready once its cluster serves all models, while its proxy does."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.serving.cluster import Cluster
from bench.serving.service import status

pytestmark = [pytest.mark.live]
SECONDS = 120.0
LASTS_SECONDS = 5.0
MODELS = ("first", "second")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(cpus=1)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def proxies(**ports: int) -> dict[str, Any]:
    """As infra.specs.serve_config has it, on a node that is no worker."""
    anywhere = {"num_cpus": 0, "resources": {}}
    return {
        "name": "rayline-proxies",
        "route_prefix": "/-/rayline-proxies",
        "import_path": "app.proxies:application",
        "args": {name: str(port) for name, port in ports.items()},
        "deployments": [{"name": "OnEachWorker", "ray_actor_options": anywhere}],
    }


def model(name: str, file: Path) -> dict[str, Any]:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": "tests.app_live.starting:application",
        "args": {"file": str(file)},
    }


def wait(url: str, wanted: int) -> None:
    deadline = time.monotonic() + SECONDS
    while (seen := status(url)) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)


def stays(url: str, wanted: int) -> None:
    until = time.monotonic() + LASTS_SECONDS
    while time.monotonic() < until:
        assert status(url) == wanted
        time.sleep(0.2)


def test_a_worker_is_ready_once_all_models_have_run(cluster: Cluster, tmp_path: Path) -> None:
    port = free_port()
    ready = f"http://127.0.0.1:{port}/"
    files = {name: tmp_path / name for name in MODELS}
    holding = proxies(readyPort=port, servePort=cluster.ports.ingress)
    cluster.put([holding, *(model(name, file) for name, file in files.items())])
    wait(ready, 503)
    files["first"].touch()
    cluster.wait_running("first", SECONDS)
    wait(f"{cluster.url}/first", 200)
    stays(ready, 503)
    files["second"].touch()
    wait(ready, 200)

    # A model that is swapped does not take the others' workers away, nor a new replica here.
    again = model("second", tmp_path / "never")
    cluster.put([holding, model("first", files["first"]), again])
    wait(f"{cluster.url}/first", 200)
    stays(ready, 200)
    other = free_port()
    moved = proxies(readyPort=other, servePort=cluster.ports.ingress)
    cluster.put([moved, model("first", files["first"]), again])
    wait(f"http://127.0.0.1:{other}/", 200)

    # A proxy that does not listen is no way to any model.
    closed = proxies(readyPort=port, servePort=free_port())
    cluster.put([closed, model("first", files["first"]), again])
    wait(ready, 503)
    stays(ready, 503)
