"""Reads what really runs: Serve through the head, the stack's pods, and their nodes. Only GET."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.providers.applications.client import ServeClient, ServeError
from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.looking import within
from infra.settings import StackSettings
from infra.specs import names

SECONDS = 20.0
REQUEST_SECONDS = 10.0


@dataclass(frozen=True)
class Looked:
    """Answers of Kubernetes and Ray. `serve` is None if Ray did not answer, for the reason in
    `silence`; `nodes` has None for a node that may not be read."""

    pods: Sequence[Mapping[str, Any]]
    serve: Mapping[str, Any] | None = None
    silence: str = ""
    nodes: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)


def look(settings: StackSettings) -> Looked:
    """UnreachableError if the API server does not answer, or not to this user."""
    context = settings.cluster.context
    return within(SECONDS, lambda: _look(settings, context), context)


def _look(settings: StackSettings, context: str) -> Looked:
    namespace = settings.cluster.namespace
    with KubeClient(context) as kube:
        pods = (
            kube.get(
                f"/api/v1/namespaces/{namespace}/pods",
                query={
                    "labelSelector": f"app.kubernetes.io/part-of={settings.ray.name},"
                    f"{names.NODE_TYPE_LABEL}"
                },
            ).get("items")
            or []
        )
        placed = {str(pod["spec"]["nodeName"]) for pod in pods if pod["spec"].get("nodeName")}
        client = ServeClient(
            kube,
            namespace,
            settings.ray.name,
            names.head_service(settings),
            names.ray_token_secret(settings),
        )
        client.timeout = REQUEST_SECONDS
        serve, silence = None, ""
        try:
            serve = client.get()
        except (ServeError, KubeError) as error:
            silence = str(error)
        return Looked(pods, serve, silence, {name: _node(kube, name) for name in sorted(placed)})


def _node(kube: KubeClient, name: str) -> Mapping[str, Any] | None:
    try:
        return kube.get(f"/api/v1/nodes/{name}")
    except KubeError as error:
        if error.status in (403, 404):
            return None
        raise
