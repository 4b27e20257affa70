"""Grafana's dashboards, as ConfigMaps that its sidecar picks up.

The JSON beside this module is written by `python -m infra.specs.dashboards`, so that the program
needs no library of Grafana's.
"""

from pathlib import Path

from infra.settings import StackSettings
from infra.specs import Spec, names

FOLDER = Path(__file__).parent
PAGES = ("operator", "model")


def config_maps(settings: StackSettings) -> list[Spec]:
    """One ConfigMap per dashboard; none unless they are wanted."""
    wanted = settings.monitoring
    if not wanted.dashboards:
        return []
    return [_config_map(settings, page) for page in PAGES]


def _config_map(settings: StackSettings, page: str) -> Spec:
    metadata = names.metadata(settings, f"{settings.ray.name}-dashboard-{page}")
    labels = {**settings.monitoring.dashboard_labels, **metadata["labels"]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "labels": labels},
        "data": {f"rayline-{page}.json": (FOLDER / f"{page}.json").read_text(encoding="utf-8")},
    }
