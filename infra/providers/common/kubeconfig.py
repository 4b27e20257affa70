"""The kubeconfig: its files, and the contexts in them."""

import os


def files() -> str:
    """Paths, separated as in PATH. Read at each use: the `kubernetes` package reads KUBECONFIG when
    it is imported, and never again."""
    return os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")


def contexts() -> list[str] | None:
    """Names of all contexts; None if there is no kubeconfig."""
    from kubernetes.config.kube_config import KubeConfigMerger  # type: ignore[import-untyped]

    merged = KubeConfigMerger(files()).config
    if merged is None:
        return None
    return [str(context["name"]) for context in merged.value.get("contexts") or []]
