"""The pods that a stack makes, as the scheduler and the admission plug-ins judge them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.cluster_check.parse import reserved
from infra.settings import StackSettings
from infra.specs import names
from infra.specs.download_job import download_job
from infra.specs.pod_templates import pod_templates

BUILT = "image"
"""Stands for the image that `up` builds."""
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Workload:
    """Equal pods. `location` is where their placement is configured; `labels` are those by which
    running ones are recognized."""

    title: str
    location: tuple[str | int, ...]
    spec: Mapping[str, Any]
    pods: int
    labels: Mapping[str, str]
    resource: str | None = None
    """Kubernetes' name of the cards, for a GPU group."""
    temporary: bool = False
    """Whether the pods end by themselves."""

    @property
    def is_group(self) -> bool:
        """Whether the pods are the workers of a GPU group."""
        return self.location[0] == "gpuGroups"

    @property
    def requests(self) -> dict[str, Decimal]:
        """What the scheduler reserves for one pod."""
        return reserved(self.spec, "requests")

    @property
    def limits(self) -> dict[str, Decimal]:
        """What one pod may use."""
        return reserved(self.spec, "limits")

    @property
    def spread(self) -> bool:
        """Whether no two of the pods share a node."""
        affinity = (self.spec.get("affinity") or {}).get("podAntiAffinity") or {}
        terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        return any(term.get("topologyKey") == HOSTNAME for term in terms)


def workloads(settings: StackSettings) -> list[Workload]:
    """The head, every enabled GPU group, and the downloads, which run one at a time per model."""
    image = settings.image.ref or BUILT
    templates = pod_templates(settings, image)
    found = [
        Workload(
            "the head",
            ("ray", "head"),
            templates.head.template["spec"],
            1,
            {names.NODE_TYPE_LABEL: "head"},
        )
    ]
    for place, group in enumerate(settings.gpu_groups):
        if group.enabled:
            found.append(
                Workload(
                    f"group {group.name}",
                    ("gpuGroups", place),
                    templates.groups[group.name].template["spec"],
                    group.workers,
                    {names.GROUP_LABEL: group.name},
                    group.gpu.resource if group.gpu.count else None,
                )
            )
    for place, model in enumerate(settings.models):
        job = download_job(settings, model, image)
        found.append(
            Workload(
                f"the download of {model.name}",
                ("models", place),
                job["spec"]["template"]["spec"],
                1,
                dict(job["metadata"]["labels"]),
                temporary=True,
            )
        )
    return found
