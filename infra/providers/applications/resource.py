"""ServeApplications, as the program declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.providers.common.ray_cluster import RayClusterRef

TYPE = "rayline:index:ServeApplications"
OUTPUTS = ("applications",)


@dataclass(frozen=True, kw_only=True)
class ServeApplicationsArgs(RayClusterRef):
    """What to serve, and where. A change of the RayCluster replaces the resource.

    No secret: the provider reads Ray's token when it calls."""

    head_service: pulumi.Input[str]
    """Service of the head pod; its port 8265 is reached through the API server's proxy."""
    token_secret: pulumi.Input[str]
    """Name of the Secret that contains Ray's token under `auth_token`."""
    config: pulumi.Input[Mapping[str, Any]]
    """Body of the PUT, from infra.specs.serve_config."""
    wanted: pulumi.Input[str]
    """ConfigMap from which the head restores the applications when Ray has lost them. Its body is
    `config`; the provider adds that they run. Empty: there is none."""
    templates: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Hashes of the pod templates that PodRollout will bring about; empty if it leaves pods alone.
    They let a preview show that the applications restart, before any pod does."""
    pods: pulumi.Input[Mapping[str, pulumi.Input[list[str]]]]
    """The current pods of the head and the groups: PodRollout's output `incarnations`. When they
    change, Serve may have lost its applications, so the resource checks. Unknown in a preview
    in which PodRollout changes, which alone is not a change of this resource."""
    deadline_seconds: pulumi.Input[int]
    """How long until every application is RUNNING (timeouts.modelReadySeconds)."""
    sends: pulumi.Input[bool] = True
    """False: KubeRay sends the configuration of a RayService. The provider then waits until it
    runs, looks, and changes nothing."""
    replace_foreign: pulumi.Input[bool] = False
    """Delete applications that this resource did not create. False: refuse, and name them."""


class ServeApplications(pulumi.CustomResource):
    """All Serve applications of one RayCluster."""

    applications: pulumi.Output[dict[str, dict[str, str]]]
    """For each application its `status` (RUNNING) and `route_prefix`."""

    def __init__(
        self, name: str, args: ServeApplicationsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, {**vars(args), **dict.fromkeys(OUTPUTS)}, opts)
