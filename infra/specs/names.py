"""Names, labels, paths and ports that more than one object refers to: one place."""

import hashlib
import re

from infra.settings import StackSettings
from infra.settings.models import Model
from infra.settings.ray import GpuGroup

AUTH_MOUNT = "/etc/rayline/auth-config"
"""Folder of the auth Secret in workers: `app.auth.source.DEFAULT_FOLDER`."""
CACHE_MOUNT = "/data/model-cache"
"""Folder of the model cache in every pod; HF_HOME of the image."""
HUB_TOKEN_MOUNT = "/etc/rayline/hub-token"
"""Folder of the hub's token, in download Jobs only."""
HUB_TOKEN_KEY = "token"
RAY_TOKEN_KEY = "auth_token"
"""Key that KubeRay reads Ray's token from (utils.RAY_AUTH_TOKEN_SECRET_KEY)."""

TEMPLATE_HASH_ANNOTATION = "rayline.dev/template-hash"
CLUSTER_LABEL = "ray.io/cluster"
"""Set by KubeRay on every pod; its value is the RayCluster's name."""
NODE_TYPE_LABEL = "ray.io/node-type"
GROUP_LABEL = "ray.io/group"
SERVICE_LABEL = "ray.io/originated-from-cr-name"
"""Set by KubeRay on every pod of a RayService too; its value is the RayService's name."""
COMPONENT_LABEL = "component"
"""The how-to's label, by which pods of one group keep off each other's nodes."""
HEAD_COMPONENT = "ray-head"

HEAD = "head"
"""Key of the head in template hashes; no group may be named so (infra.rules)."""
HEAD_CONTAINER = "ray-head"
WORKER_CONTAINER = "ray-worker"
GCS_PORT, DASHBOARD_PORT, CLIENT_PORT = 6379, 8265, 10001
SERVE_PORT_NAME = "serve"

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LONGEST_LABEL = 63


def managed_labels(settings: StackSettings) -> dict[str, str]:
    """Labels of every object that rayline makes, pods included."""
    return {
        "app.kubernetes.io/managed-by": "rayline",
        "app.kubernetes.io/part-of": settings.ray.name,
    }


def service_account(settings: StackSettings) -> str:
    return settings.ray.service_account or f"sa-{settings.ray.name}"


def head_service(settings: StackSettings) -> str:
    """The Service that KubeRay makes for the head, of a RayCluster as of a RayService
    (utils.GenerateHeadServiceName)."""
    return f"{settings.ray.name}-head-svc"


def api_service(settings: StackSettings) -> str:
    """The Service of the OpenAI API on every pod that has a proxy of Serve."""
    return f"{settings.ray.name}-api"


def ingress(settings: StackSettings) -> str:
    return api_service(settings)


def ray_token_secret(settings: StackSettings) -> str:
    """The Secret of Ray's own token, key `RAY_TOKEN_KEY`."""
    return f"{settings.ray.name}-token"


def hub_token_secret(settings: StackSettings) -> str:
    """The Secret of the hub's token, key `HUB_TOKEN_KEY`. Optional: absent for public models."""
    return f"{settings.ray.name}-hub-token"


def component(group: GpuGroup) -> str:
    """Value of `COMPONENT_LABEL` of a group's pods: as configured, or `ray-worker-<group>`."""
    return group.labels.get(COMPONENT_LABEL, f"ray-worker-{group.name}"[:LONGEST_LABEL].rstrip("-"))


def download_job_name(settings: StackSettings, model: Model) -> str:
    """`<ray.name>-download-<model>-<8 hex of name, source and revision>`, a DNS label.

    Stable for a model's weights whatever else changes, and another one when they do: a Job is never
    changed, it is another Job.
    """
    weights = f"{model.name}\n{model.source}\n{model.revision or ''}"
    digest = hashlib.sha256(weights.encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-") or "model"
    whole = f"{settings.ray.name}-download-{readable}"
    return whole[: LONGEST_LABEL - len(digest) - 1].rstrip("-") + f"-{digest}"
