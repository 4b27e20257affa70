"""An application with one replica on each worker, so that Serve runs a proxy on each.

Serve runs proxies on the head and on nodes with a replica alone (ray/serve/_private/controller.py,
_update_proxy_nodes). A worker that holds a stage of a model, or whose only model is being replaced,
would have none, and the API's Service leads to all workers (docs/adr/0034-the-head-may-die.md).
"""

from collections.abc import Mapping
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

DEPLOYMENT = "OnEachWorker"
WORKER_RESOURCE = "rayline_worker"
"""What each worker offers to Ray and the head does not; the same as in infra.specs.pods."""


class OnEachWorker:
    """Holds its place, and knows no route."""

    async def __call__(self, request: Request) -> JSONResponse:
        """404 in OpenAI's form."""
        error = {
            "message": "There is no such route.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
        return JSONResponse({"error": error}, status_code=404)


def application(args: Mapping[str, str]) -> Any:
    """Builds the application; Serve calls it with the configuration's `args`, which are unused."""
    return serve.deployment(
        name=DEPLOYMENT,
        max_replicas_per_node=1,
        ray_actor_options={"num_cpus": 0, "resources": {WORKER_RESOURCE: 0.001}},
        health_check_period_s=10,
    )(OnEachWorker).bind()
