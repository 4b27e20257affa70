"""All objects of a stack as manifests: what a cluster is asked for, to validate or to look at."""

from infra.settings import StackSettings
from infra.specs import (
    Spec,
    control_store,
    names,
    operator_chart,
    platform,
    restore,
    services,
)
from infra.specs.auth_config import auth_config
from infra.specs.disruption_budgets import disruption_budgets
from infra.specs.download_job import download_job
from infra.specs.network_policies import network_policies
from infra.specs.pod_templates import pod_templates
from infra.specs.pull_secret import KEY, docker_config, pull_secret
from infra.specs.ray_cluster import ray_cluster
from infra.specs.ray_service import ray_service

UNKNOWN_IMAGE = f"registry.invalid/image@sha256:{'0' * 64}"
"""Stands for an image that is not built yet."""
HIDDEN = "[secret]"
"""Stands for every value of a Secret."""


def manifests(settings: StackSettings, image: str = "") -> list[Spec]:
    """Every object that `up` creates through Kubernetes' API, in the order of creation.

    Secrets contain HIDDEN instead of values. What KubeRay, Helm and Kubernetes create from these
    is not included; `pods` has the pods.
    """
    ref = image or settings.image.ref or UNKNOWN_IMAGE
    templates = pod_templates(settings, ref)
    by_kuberay = settings.serve.delivery == "rayService"
    found = [
        *_namespaces(settings),
        *([] if settings.storage.existing else [platform.cache_claim(settings)]),
        *([control_store.claim(settings)] if control_store.own_claim(settings) else []),
        *secrets(settings),
        platform.service_account(settings),
        *network_policies(settings),
        *disruption_budgets(settings),
        *(download_job(settings, model, ref) for model in settings.models),
        *([restore.config_map(settings)] if restore.is_needed(settings) else []),
        services.api_service(settings),
        *([services.ingress(settings)] if settings.serve.ingress else []),
    ]
    make = ray_service if by_kuberay else ray_cluster
    return [*found, make(settings, templates)]


def pods(settings: StackSettings, image: str = "") -> list[Spec]:
    """The pods of the head, of each GPU group and of each download, as Pods.

    The API server validates a pod in full only when it is created, and not inside a RayCluster.
    """
    ref = image or settings.image.ref or UNKNOWN_IMAGE
    ray = pod_templates(settings, ref)
    templates = [
        (f"{settings.ray.name}-head", ray.head.annotated()),
        *(
            (f"{settings.ray.name}-{name}"[: names.MAXIMUM_LABEL].rstrip("-"), group.annotated())
            for name, group in ray.groups.items()
        ),
    ]
    for model in settings.models:
        job = download_job(settings, model, ref)
        templates.append((job["metadata"]["name"], job["spec"]["template"]))
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "name": name,
                "namespace": settings.cluster.namespace,
            },
            "spec": template["spec"],
        }
        for name, template in templates
    ]


def secrets(settings: StackSettings) -> list[Spec]:
    """The Secrets of the service, of Ray, of the hub, and of the registry."""
    auth = settings.auth
    hashes = {user.name: HIDDEN for user in auth.users}
    data = {
        auth.secret_name: auth_config(auth, hashes, HIDDEN, HIDDEN),
        names.ray_token_secret(settings): {names.RAY_TOKEN_KEY: HIDDEN},
        names.hub_token_secret(settings): {names.HUB_TOKEN_KEY: HIDDEN},
    }
    made = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": names.metadata(settings, name),
            "stringData": entries,
        }
        for name, entries in data.items()
    ]
    return [*made, *_pull_secret(settings)]


def _pull_secret(settings: StackSettings) -> list[Spec]:
    if not settings.image.create_pull_secret:
        return []
    content = docker_config(settings.image.registry, HIDDEN, HIDDEN)
    return [{**pull_secret(settings), "stringData": {KEY: content}}]


def _namespaces(settings: StackSettings) -> list[Spec]:
    return [
        *([operator_chart.namespace(settings, [])] if settings.operator.install else []),
        *([platform.namespace(settings)] if settings.cluster.create_namespace else []),
    ]
