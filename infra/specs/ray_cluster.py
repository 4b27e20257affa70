"""The RayCluster."""

from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Spec, names
from infra.specs.pod_templates import PodTemplate, PodTemplates

API_VERSION = "ray.io/v1"


def ray_cluster_spec(settings: StackSettings, templates: PodTemplates) -> Spec:
    """`.spec` of the RayCluster."""
    annotations = dict(settings.ray.annotations)
    return {
        "rayVersion": settings.ray.version,
        "authOptions": {"mode": "token", "secretName": names.ray_token_secret(settings)},
        **({"headServiceAnnotations": annotations} if annotations else {}),
        "headGroupSpec": {
            "serviceType": "ClusterIP",
            "rayStartParams": templates.head.start_params,
            "template": templates.head.annotated(),
        },
        "workerGroupSpecs": [
            _worker_group(group, templates.groups[group.name]) for group in settings.gpu_groups
        ],
    }


def ray_cluster(settings: StackSettings, templates: PodTemplates) -> Spec:
    """The whole RayCluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": "RayCluster",
        "metadata": cluster_metadata(settings),
        "spec": ray_cluster_spec(settings, templates),
    }


def cluster_metadata(settings: StackSettings) -> Spec:
    """Metadata of the RayCluster, and of the RayService that replaces it."""
    annotations = dict(settings.ray.annotations)
    return {
        "name": settings.ray.name,
        "namespace": settings.cluster.namespace,
        "labels": {**settings.ray.labels, **names.managed_labels(settings)},
        **({"annotations": annotations} if annotations else {}),
    }


def replicas(settings: StackSettings) -> dict[str, int]:
    """Number of pods of the head (`names.HEAD`) and of each group."""
    return {
        names.HEAD: 1,
        **{group.name: group.pods for group in settings.gpu_groups},
    }


def kept_models(settings: StackSettings) -> dict[str, list[str]]:
    """By group, the models that answer while the group's workers are replaced one after another:
    those with a second replica, which Serve places in another worker (infra.specs.serve_config)."""
    return {
        group.name: [
            model.name
            for model in settings.models
            if model.gpu_group == group.name and model.replicas > 1 and model.pipeline_parallel == 1
        ]
        for group in settings.gpu_groups
        if group.pods > 1
    }


def rollout_seconds(settings: StackSettings) -> int:
    """How long all pods may take to become Ready: at most one model after another in a group whose
    workers are replaced one after another."""
    kept = kept_models(settings)
    loads = sum(group.pods for group in settings.gpu_groups if kept.get(group.name))
    timeouts = settings.timeouts
    return timeouts.pods_ready_seconds + loads * timeouts.model_ready_seconds


def _worker_group(group: GpuGroup, template: PodTemplate) -> Spec:
    """A disabled group keeps its place in the list, with no pods: KubeRay and its RayService
    distinguish groups by position."""
    return {
        "groupName": group.name,
        "replicas": group.pods,
        "minReplicas": group.pods,
        "maxReplicas": group.pods,
        "rayStartParams": template.start_params,
        "template": template.annotated(),
    }
