"""An application with one replica on each worker, so that Serve runs a proxy on each.

Serve runs proxies on the head and on nodes with a replica alone (ray/serve/_private/controller.py,
_update_proxy_nodes). A worker that holds a stage of a model, or whose only model is being replaced,
would have none, and the API's Service leads to all workers (docs/adr/0034-the-head-may-die.md).

A RayService starts a second Ray cluster beside the one that serves. The Service would lead to its
workers while they load their models, so there Kubernetes asks this replica whether a worker is
Ready: once every model of the cluster has run, and while the worker's proxy listens
(docs/adr/0049-ready-when-it-serves.md).
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.experimental import internal_kv
from starlette.requests import Request
from starlette.responses import JSONResponse

DEPLOYMENT = "OnEachWorker"
WORKER_RESOURCE = "rayline_worker"
"""What each worker offers to Ray and the head does not; the same as in infra.specs.pods."""
LOOK_SECONDS = 1.0
SERVED = b"rayline-served"
"""A key of Ray's store, one of which belongs to each cluster."""
READY, NOT_READY = (
    f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    for status in ("200 OK", "503 Service Unavailable")
)


class OnEachWorker:
    """Holds its place, and knows no route. With a `ready_port` other than 0 it answers there, with
    200 or 503, whether the worker may get requests at the port `serve_port`."""

    async def __init__(self, ready_port: int = 0, serve_port: int = 0) -> None:  # type: ignore[misc]
        self._name = serve.get_replica_context().app_name
        self._serve_port = serve_port
        self._served = False
        if ready_port:
            # A successor may start here before this replica has ended.
            self._server = await asyncio.start_server(self._ready, port=ready_port, reuse_port=True)
            self._looking = asyncio.create_task(self._look())

    async def __call__(self, request: Request) -> JSONResponse:
        """404 in OpenAI's form."""
        error = {
            "message": "There is no such route.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
        return JSONResponse({"error": error}, status_code=404)

    async def _look(self) -> None:
        while not self._served:
            # Without a head nobody knows; the next turn asks again.
            with contextlib.suppress(Exception):
                self._served = await asyncio.to_thread(has_served, self._name)
            await asyncio.sleep(LOOK_SECONDS)

    async def _ready(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            ready = self._served and await listens(self._serve_port)
            writer.write(READY if ready else NOT_READY)
            await writer.drain()
        writer.close()


async def listens(port: int) -> bool:
    """Whether a process of this pod accepts connections there."""
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def has_served(mine: str) -> bool:
    """Whether every application of this cluster but `mine` has been RUNNING at once. One that fails
    later does not take the others' workers away."""
    if internal_kv._internal_kv_get(SERVED) is not None:
        return True
    states = [app.status for name, app in serve.status().applications.items() if name != mine]
    if not all(state == "RUNNING" for state in states):
        return False
    internal_kv._internal_kv_put(SERVED, b"1")
    return True


def application(args: Mapping[str, str]) -> Any:
    """Builds the application; Serve calls it with the configuration's `args`: `readyPort` and
    `servePort`, or none."""
    return serve.deployment(
        name=DEPLOYMENT,
        max_replicas_per_node=1,
        ray_actor_options={"num_cpus": 0, "resources": {WORKER_RESOURCE: 0.001}},
        health_check_period_s=10,
    )(OnEachWorker).bind(int(args.get("readyPort", 0)), int(args.get("servePort", 0)))
