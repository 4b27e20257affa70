"""What a stack owns in the cluster, and the settings that decide which objects these are."""

from collections.abc import Iterable
from typing import Any

from infra.settings import StackSettings
from infra.specs import Spec, control_store, monitoring, names, platform, restore, services
from infra.specs.disruption_budgets import disruption_budgets
from infra.specs.network_policies import network_policies


def planned(
    settings: StackSettings, operator: Iterable[Spec], *, download_secret: bool
) -> list[Spec]:
    """The objects that the stack creates, in the order in which it does so, except for KubeRay's
    CRDs, which rayline shares with whoever applied them before. `operator` are the objects of its
    chart. `download_secret`: that of the download Jobs has content.

    `setting` and `instead`: the key, and the value of it with which the stack does not create that
    object, or creates it under another name.
    """
    ray = ("ray.name", f"{settings.ray.name}-2")
    found: list[Spec] = []
    if settings.cluster.create_namespace:
        found.append(_of(platform.namespace(settings), "cluster.createNamespace", False))
    if settings.operator.install:
        home = {"apiVersion": "v1", "kind": "Namespace"}
        manifest = {**home, "metadata": {"name": settings.operator.namespace}}
        found += [_of(each, "operator.install", False) for each in (manifest, *operator)]
    if not settings.storage.existing:
        found.append(_of(platform.cache_claim(settings), "storage.existing", True))
    if control_store.own_claim(settings):
        found.append(_of(control_store.claim(settings), *ray))
    auth = f"{settings.ray.name}-auth"
    found.append(
        _named(settings, "v1", "Secret", settings.auth.secret_name, "auth.secretName", auth)
    )
    found.append(_named(settings, "v1", "Secret", names.ray_token_secret(settings), *ray))
    if settings.image.create_pull_secret:
        pull = names.created_pull_secret(settings)
        found.append(_named(settings, "v1", "Secret", pull, "image.createPullSecret", False))
    if download_secret:
        found.append(_named(settings, "v1", "Secret", names.hub_token_secret(settings), *ray))
    account = names.service_account(settings)
    found.append(
        _named(settings, "v1", "ServiceAccount", account, "ray.serviceAccount", f"{account}-2")
    )
    closing = (*network_policies(settings), *disruption_budgets(settings))
    found += [_of(each, *ray) for each in (*closing, *monitoring.objects(settings))]
    for model in settings.models:
        job = names.download_job_name(settings, model)
        found.append(_named(settings, "batch/v1", "Job", job, *ray))
    if restore.is_needed(settings):
        found.append(_of(restore.config_map(settings), *ray))
    found.append(_of(services.api_service(settings), *ray))
    if settings.serve.ingress:
        found.append(_of(services.ingress(settings), *ray))
    kind = {"restApi": "RayCluster", "rayService": "RayService"}[settings.serve.delivery]
    found.append(_named(settings, "ray.io/v1", kind, settings.ray.name, *ray))
    return found


def _named(
    settings: StackSettings, version: str, kind: str, name: str, setting: str, instead: object
) -> Spec:
    metadata = names.metadata(settings, name)
    return _of({"apiVersion": version, "kind": kind, "metadata": metadata}, setting, instead)


def _of(manifest: Spec, setting: str, instead: object) -> Spec:
    place = {
        key: manifest["metadata"][key]
        for key in ("namespace", "name")
        if key in manifest["metadata"]
    }
    kind = {key: manifest[key] for key in ("apiVersion", "kind")}
    return {**kind, **place, "setting": setting, "instead": instead}


def identity(settings: StackSettings) -> dict[str, Any]:
    """The values of the settings that name objects or cannot be changed in an existing one, by key;
    absent where the cluster decides. infra/providers/ownership/edits.py judges their changes."""
    cluster, operator, storage = settings.cluster, settings.operator, settings.storage
    values: dict[str, Any] = {
        "cluster.namespace": cluster.namespace,
        "ray.name": settings.ray.name,
        "ray.serviceAccount": names.service_account(settings),
        "operator.install": operator.install,
        "operator.namespace": operator.namespace,
        "storage.claim": storage.claim,
        "storage.existing": storage.existing,
        "storage.size": storage.size,
        "storage.protect": storage.protect,
        "serve.delivery": settings.serve.delivery,
    }
    if storage.storage_class is not None:
        values["storage.storageClass"] = storage.storage_class
    if control_store.own_claim(settings):
        wanted = settings.ray.fault_tolerance
        values["ray.faultTolerance.size"] = wanted.size
        if wanted.storage_class is not None:
            values["ray.faultTolerance.storageClass"] = wanted.storage_class
    return values
