"""Objects that everything else needs: namespace, claim of the model cache, service account."""

from infra.settings import StackSettings
from infra.specs import Spec, adapted, download_job, names, pod_parts, pod_security


def namespace(settings: StackSettings) -> Spec:
    """The project's Namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": settings.cluster.namespace,
            "labels": {
                **names.managed_labels(settings),
                **pod_security.labels(enforced_level(settings)),
            },
        },
    }


def enforced_level(settings: StackSettings) -> str | None:
    """The Pod Security level that the stack gives to its namespace; None if it gives none.

    A namespace that others made may contain pods of others, which `auto` leaves alone.
    """
    cluster = settings.cluster
    if not cluster.create_namespace or cluster.pod_security == "none":
        return None
    if cluster.pod_security != "auto":
        return cluster.pod_security
    if f"namespace/{cluster.namespace}" in cluster.adopt:
        return None
    return pod_security.strictest(each.template for each in pods(settings).values())


def pods(settings: StackSettings) -> dict[tuple[str | int, ...], adapted.Adapted]:
    """The pods of the stack by the key that adapts them. KubeRay adds `wait-gcs-ready` to those of
    workers, with the security context of their first container. The image does not matter here."""
    found: dict[tuple[str | int, ...], adapted.Adapted] = {}
    found["ray", "head"] = adapted.head(settings, "")
    for number, group in enumerate(settings.gpu_groups):
        found["gpuGroups", number] = adapted.worker(settings, group, "")
    # The downloads of all models have the same securityContext, containers and volumes.
    groups = {group.name for group in settings.gpu_groups}
    for model in settings.models:
        if model.gpu_group in groups:
            found["hub",] = download_job.pod(settings, model, "")
    return found


def cache_claim(settings: StackSettings) -> Spec:
    """The PersistentVolumeClaim that all Ray pods and download Jobs share."""
    storage = settings.storage
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": names.metadata(settings, storage.claim),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": storage.storage_class,
            "resources": {"requests": {"storage": storage.size}},
        },
    }


def service_account(settings: StackSettings) -> Spec:
    """The account of Ray pods and download Jobs. It has no rights, since none calls Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(settings, names.service_account(settings)),
        "automountServiceAccountToken": False,
        **pod_parts.pull_secrets(settings),
    }
