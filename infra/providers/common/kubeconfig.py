"""The kubeconfig: its files, and the contexts in them."""

import os

from infra.providers.common import kubernetes_package


def files() -> str:
    """Paths, separated as in PATH. Read at each use: the `kubernetes` package reads KUBECONFIG when
    it is imported, and never again."""
    return os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")


def contexts() -> list[str] | None:
    """Names of all contexts; None if there is no kubeconfig."""
    merged = kubernetes_package.load().kube_config.KubeConfigMerger(files()).config
    if merged is None:
        return None
    return [str(context["name"]) for context in merged.value.get("contexts") or []]
