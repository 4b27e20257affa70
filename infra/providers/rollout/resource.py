"""Running Ray pods brought to their wanted templates, as a Pulumi resource.

KubeRay leaves running pods alone when a template of the RayCluster changes. This resource replaces
exactly the pods whose template hash differs, then waits until all are Ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import pulumi
from pulumi.dynamic import Resource

from infra.providers.rollout.provider import PodRolloutProvider


class WantedGroup(TypedDict):
    """What one group of the RayCluster should run."""

    hash: pulumi.Input[str]
    """Value of the pods' annotation rayline.dev/template-hash."""
    replicas: pulumi.Input[int]
    """Pods of the group; 0 for a disabled one, 1 for the head."""


@dataclass(frozen=True, kw_only=True)
class PodRolloutArgs:
    """Which pods are wanted, and where."""

    context: pulumi.Input[str]
    """Context of the kubeconfig. Another one means another cluster: replace."""
    namespace: pulumi.Input[str]
    """Namespace of the RayCluster. Another one: replace."""
    cluster: pulumi.Input[str]
    """Name of the RayCluster. Another one: replace."""
    groups: pulumi.Input[Mapping[str, pulumi.Input[WantedGroup]]]
    """By name; the head pod's is `head`."""
    upgrade: pulumi.Input[str]
    """`recreate`: pods with another hash are replaced. `manual`: they stay, with a warning."""
    deadline_seconds: pulumi.Input[int]
    """How long until all pods are Ready, pulls included (timeouts.podsReadySeconds)."""


class PodRollout(Resource, module="rollout", name="PodRollout"):
    """Type token `pulumi-python:dynamic/rollout:PodRollout`; it never changes."""

    hashes: pulumi.Output[dict[str, str]]
    """For each group the hash that its pods ran when they were last seen."""
    lives: pulumi.Output[dict[str, list[str]]]
    """For each group its pods by uid, the head with its restarts; the input `pods` of
    ServeApplications."""
    outdated: pulumi.Output[list[str]]
    """Names of pods that still run another template; with `recreate` none."""

    def __init__(
        self,
        name: str,
        args: PodRolloutArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            PodRolloutProvider(),
            name,
            {**vars(args), "hashes": None, "lives": None, "outdated": None},
            opts,
        )
