"""Objects that everything else needs: namespace, claim of the model cache, service account."""

from infra.settings import StackSettings
from infra.specs import Spec, names, pod_parts


def namespace(settings: StackSettings) -> Spec:
    """The project's Namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": settings.cluster.namespace,
            "labels": names.managed_labels(settings),
        },
    }


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
