"""Names, labels, paths and ports that more than one object refers to."""

import hashlib
import re

from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.settings.models import Model
from infra.specs import Spec, extra_sources

AUTH_MOUNT = "/etc/rayline/auth-config"
"""Folder of the auth Secret in workers; the same as `app.auth.source.DEFAULT_FOLDER`."""
CACHE_MOUNT = "/data/model-cache"
"""Folder of the model cache in every pod; HF_HOME of the image."""
KERNEL_CACHE_MOUNT = "/data/kernel-cache"
"""Folder of compiled kernels in the workers of a GPU group."""
CONTROL_STORE_MOUNT = "/data/ray-store"
"""Folder of Ray's control store in the head."""
HUB_TOKEN_MOUNT = "/etc/rayline/hub-token"
"""Folder of the hub's token, a proxy's address and certificates, in download Jobs only."""
HUB_TOKEN_KEY, PROXY_KEY, AUTHORITIES_KEY = "token", "proxy", "ca.pem"
"""Keys of the Secret that download Jobs mount. All are optional."""
AUTHORITIES_MOUNT = "/etc/rayline/ca"
"""Folder of the ConfigMap with certificates, in download Jobs only."""
WANTED_MOUNT = "/etc/rayline/wanted"
"""Folder of the ConfigMap with the applications, in the head's container `restore`; the same as
`app.restore.FOLDER`."""
RAY_TOKEN_KEY = "auth_token"
"""Key of the Secret under which KubeRay expects Ray's token (utils.RAY_AUTH_TOKEN_SECRET_KEY)."""
RAY_TOKEN_MOUNT = "/etc/rayline/ray-token"
"""Folder of Ray's token in head and workers."""
RAY_TOKEN_FILE = f"{RAY_TOKEN_MOUNT}/{RAY_TOKEN_KEY}"
"""The same as `app.restore.TOKEN_FILE`."""

TEMPLATE_HASH_ANNOTATION = "rayline.dev/template-hash"
RAY_TOKEN_ANNOTATION = "rayline.dev/ray-token-version"
CLUSTER_LABEL = "ray.io/cluster"
"""KubeRay sets it on every pod; its value is the name of the RayCluster."""
NODE_TYPE_LABEL = "ray.io/node-type"
RAY_NODE_LABEL = "ray.io/is-ray-node"
"""KubeRay sets it to "yes" on every pod (utils.RayNodeLabelKey)."""
GROUP_LABEL = "ray.io/group"
COMPONENT_LABEL = "component"
"""The anti-affinity of pods that belong to one group selects by this label."""
HEAD_COMPONENT = "ray-head"
DOWNLOAD_COMPONENT = "model-download"
METRICS_COMPONENT = "ray-metrics"

HEAD = "head"
"""Key of the head among the template hashes; infra.rules reserves the name."""
HEAD_CONTAINER = "ray-head"
WORKER_CONTAINER = "ray-worker"
GCS_PORT, DASHBOARD_PORT, CLIENT_PORT = 6379, 8265, 10001
SERVE_PORT_NAME = "serve"
READY_PORT = 8365
"""Where app/proxies.py says whether a worker of a RayService is Ready."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
MAXIMUM_LABEL = 63


def managed_labels(settings: StackSettings) -> dict[str, str]:
    """Labels of every object that rayline creates, including pods."""
    return {
        "app.kubernetes.io/managed-by": "rayline",
        "app.kubernetes.io/part-of": settings.ray.name,
    }


def metadata(settings: StackSettings, name: str) -> Spec:
    """Metadata of an object in the project's namespace."""
    return {
        "name": name,
        "namespace": settings.cluster.namespace,
        "labels": managed_labels(settings),
    }


def service_account(settings: StackSettings) -> str:
    """The service account of Ray pods and download Jobs."""
    return settings.ray.service_account or f"sa-{settings.ray.name}"


def head_service(settings: StackSettings) -> str:
    """The Service that KubeRay creates for the head, both of a RayCluster and of a RayService
    (utils.GenerateHeadServiceName)."""
    return f"{settings.ray.name}-head-svc"


def api_service(settings: StackSettings) -> str:
    """The Service of the OpenAI API."""
    return f"{settings.ray.name}-api"


def metrics_service(settings: StackSettings) -> str:
    """The Service of the metrics, for a ServiceMonitor."""
    return f"{settings.ray.name}-metrics"


def ingress(settings: StackSettings) -> str:
    """The Ingress of the API."""
    return api_service(settings)


def ray_token_secret(settings: StackSettings) -> str:
    """The Secret with Ray's own token, under `RAY_TOKEN_KEY`."""
    return f"{settings.ray.name}-token"


def wanted_applications(settings: StackSettings) -> str:
    """The ConfigMap with the applications that the head restores after a loss."""
    return f"{settings.ray.name}-applications"


def control_store(settings: StackSettings) -> str:
    """The claim of Ray's control store."""
    return f"{settings.ray.name}-store"


def hub_token_secret(settings: StackSettings) -> str:
    """The Secret with the hub's token, under `HUB_TOKEN_KEY`, and what else downloads need; absent
    if nothing of it is set."""
    return f"{settings.ray.name}-hub-token"


def created_pull_secret(settings: StackSettings) -> str:
    """The pull Secret that `image.createPullSecret` makes."""
    return f"{settings.ray.name}-pull"


def component(group: GpuGroup) -> str:
    """Value of `COMPONENT_LABEL` on the pods of a group: as configured, or `ray-worker-<group>`."""
    return group.labels.get(COMPONENT_LABEL, f"ray-worker-{group.name}"[:MAXIMUM_LABEL].rstrip("-"))


def download_job_name(settings: StackSettings, model: Model) -> str:
    """`<ray.name>-download-<model>-<8 hex of what is downloaded>`, a DNS label.

    It depends on the model's weights alone. Other weights get a new name, and so a new Job,
    because a Job cannot be changed.
    """
    what = (model.name, model.source, model.revision or "", *extra_sources.options(model))
    weights = "\n".join(what)
    digest = hashlib.sha256(weights.encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-") or "model"
    whole = f"{settings.ray.name}-download-{readable}"
    return whole[: MAXIMUM_LABEL - len(digest) - 1].rstrip("-") + f"-{digest}"
