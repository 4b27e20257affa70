"""The RayCluster and the hashes of its pod templates.

KubeRay never changes a running pod and compares no template with it (upgradeStrategy absent). So
each template carries the hash of its own content as an annotation: a pod with another annotation is
outdated, whatever else has changed in the RayCluster.
"""

import hashlib
import json
from collections.abc import Mapping

from infra.settings import StackSettings
from infra.settings.ray import GpuGroup
from infra.specs import Leaf, Spec, names, pods

API_VERSION = "ray.io/v1"
_HASH_DIGITS = 16


def template_hashes(settings: StackSettings, image: str) -> dict[str, str]:
    """16 hex of what KubeRay makes pods from, for `names.HEAD` and for each group's name.

    Covers the pod template without the hash itself and `rayStartParams`: with these every edit that
    needs other pods changes the hash. Replicas, `enabled` and other groups are not in it.
    """
    head = _digest(pods.head_template(settings, image), pods.head_start_params(settings))
    return {
        names.HEAD: head,
        **{
            group.name: _digest(
                pods.worker_template(settings, group, image),
                pods.worker_start_params(settings, group),
            )
            for group in settings.gpu_groups
        },
    }


def ray_cluster_spec(settings: StackSettings, image: Leaf, hashes: Mapping[str, Leaf]) -> Spec:
    """`.spec` of the RayCluster. `hashes` is that of `template_hashes`, as texts or outputs."""
    annotations = dict(settings.ray.annotations)
    return {
        "rayVersion": settings.ray.version,
        "authOptions": {"mode": "token", "secretName": names.ray_token_secret(settings)},
        **({"headServiceAnnotations": annotations} if annotations else {}),
        "headGroupSpec": {
            "serviceType": "ClusterIP",
            "rayStartParams": pods.head_start_params(settings),
            "template": _annotated(pods.head_template(settings, image), hashes[names.HEAD]),
        },
        "workerGroupSpecs": [
            _worker_group(settings, group, image, hashes[group.name])
            for group in settings.gpu_groups
        ],
    }


def ray_cluster(settings: StackSettings, image: Leaf, hashes: Mapping[str, Leaf]) -> Spec:
    """The whole RayCluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": "RayCluster",
        "metadata": cluster_metadata(settings),
        "spec": ray_cluster_spec(settings, image, hashes),
    }


def cluster_metadata(settings: StackSettings) -> Spec:
    """Metadata of the RayCluster, and of the RayService that stands in its place."""
    annotations = dict(settings.ray.annotations)
    return {
        "name": settings.ray.name,
        "namespace": settings.cluster.namespace,
        "labels": {**settings.ray.labels, **names.managed_labels(settings)},
        **({"annotations": annotations} if annotations else {}),
    }


def _worker_group(settings: StackSettings, group: GpuGroup, image: Leaf, digest: Leaf) -> Spec:
    """A disabled group keeps its place in the list with no pods: KubeRay and its RayService tell
    groups by position."""
    replicas = group.workers if group.enabled else 0
    return {
        "groupName": group.name,
        "replicas": replicas,
        "minReplicas": replicas,
        "maxReplicas": replicas,
        "rayStartParams": pods.worker_start_params(settings, group),
        "template": _annotated(pods.worker_template(settings, group, image), digest),
    }


def _annotated(template: Spec, digest: Leaf) -> Spec:
    metadata = template["metadata"]
    annotations = {**metadata.get("annotations", {}), names.TEMPLATE_HASH_ANNOTATION: digest}
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def _digest(template: Spec, start_params: dict[str, str]) -> str:
    content = json.dumps([template, start_params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:_HASH_DIGITS]
