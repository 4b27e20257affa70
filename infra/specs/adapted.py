"""rayline's own pod templates, and what a stack adds to them: `podTemplate`.

What rayline sets stays, except for its defaults: no key of the stack sets those, and a cluster may
have a reason for other values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Leaf, Spec, pods, strategic_merge
from infra.specs.strategic_merge import Overruled, Path

_SECURITY: frozenset[Path] = frozenset(
    {
        ("spec", "securityContext"),
        ("spec", "automountServiceAccountToken"),
        ("spec", "enableServiceLinks"),
        ("spec", "containers", "securityContext"),
    }
)
_SHARED_PROCESSES = ("spec", "shareProcessNamespace")
WORKER_DEFAULTS = _SECURITY | {_SHARED_PROCESSES}
HEAD_DEFAULTS = WORKER_DEFAULTS | {("spec", "terminationGracePeriodSeconds")}
JOB_DEFAULTS = _SECURITY | {
    ("spec", "containers", "resources"),
    ("spec", "containers", "terminationMessagePolicy"),
    ("spec", "initContainers", "resources"),
}


@dataclass(frozen=True)
class Adapted:
    """A pod template. `partial` is `podTemplate` of the stack."""

    partial: Mapping[str, Any]
    own: Spec
    defaults: frozenset[Path]

    @property
    def template(self) -> Spec:
        """The template that pods are made from."""
        return strategic_merge.under(self.partial, self.own, self.defaults)

    @property
    def overruled(self) -> list[Overruled]:
        """What the stack sets in vain."""
        return strategic_merge.overruled(self.partial, self.own, self.defaults)


def head(settings: StackSettings, image: Leaf) -> Adapted:
    """The head's."""
    partial = settings.ray.head.pod_template.partial
    return Adapted(partial, _own(pods.head_template(settings, image), partial), HEAD_DEFAULTS)


def worker(settings: StackSettings, group: GpuGroup, image: Leaf) -> Adapted:
    """That of a GPU group's workers."""
    partial = group.pod_template.partial
    own = _own(pods.worker_template(settings, group, image), partial)
    return Adapted(partial, own, WORKER_DEFAULTS)


def _own(template: Spec, partial: Mapping[str, Any]) -> Spec:
    """Without a process namespace of the pod where the stack takes the node's: Kubernetes permits
    one of them, and the node's process 1 reaps too."""
    if not partial.get("spec", {}).get("hostPID"):
        return template
    _, shared = _SHARED_PROCESSES
    return {**template, "spec": {k: v for k, v in template["spec"].items() if k != shared}}
