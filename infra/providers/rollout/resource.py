"""PodRollout, as the program declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import pulumi

from infra.providers.common.ray_cluster import RayClusterRef

TYPE = "rayline:index:PodRollout"
OUTPUTS = ("hashes", "incarnations", "outdated")


class WantedGroup(TypedDict, total=False):
    """What the pods of one group of the RayCluster should run."""

    hash: pulumi.Input[str]
    """Value of the pods' annotation rayline.dev/template-hash."""
    replicas: pulumi.Input[int]
    """Pods of the group; 0 for a disabled one, 1 for the head."""
    keeps: pulumi.Input[list[str]]
    """Models that have to go on answering, so the workers are replaced one after another."""


@dataclass(frozen=True, kw_only=True)
class PodRolloutArgs(RayClusterRef):
    """Which pods are wanted, and where. A change of the RayCluster replaces the resource."""

    groups: pulumi.Input[Mapping[str, pulumi.Input[WantedGroup]]]
    """By name; the head pod's is `head`."""
    upgrade: pulumi.Input[str]
    """`recreate`: pods with a different hash are replaced. `manual`: they stay, with a warning."""
    deadline_seconds: pulumi.Input[int]
    """How long until all pods are Ready, image pulls included (timeouts.podsReadySeconds), and
    where workers are replaced one after another, their models too."""
    head_service: pulumi.Input[str]
    token_secret: pulumi.Input[str]
    """Where Ray tells which replicas run, and the Secret with its token."""


class PodRollout(pulumi.CustomResource):
    """The pods of one RayCluster."""

    hashes: pulumi.Output[dict[str, str]]
    """The template hash that the pods of each group ran when they were last observed."""
    incarnations: pulumi.Output[dict[str, list[str]]]
    """The pods of each group by UID, the head with its restart count; the input `pods` of
    ServeApplications."""
    outdated: pulumi.Output[list[str]]
    """Names of pods that still run an older template; empty with `recreate`."""

    def __init__(
        self, name: str, args: PodRolloutArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, {**vars(args), **dict.fromkeys(OUTPUTS)}, opts)
