"""The Serve applications of one RayCluster as a Pulumi resource.

Ray's `PUT /api/serve/applications/` deletes every application that its body does not name, so
exactly one resource owns the body, and it holds all models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.providers.applications.provider import ServeApplicationsProvider


@dataclass(frozen=True, kw_only=True)
class ServeApplicationsArgs:
    """What to serve, and where. No secret is among it: Ray's token is read at call time."""

    context: pulumi.Input[str]
    """Context of the kubeconfig. Another one means another cluster: replace."""
    namespace: pulumi.Input[str]
    """Namespace of the RayCluster. Another one: replace."""
    cluster: pulumi.Input[str]
    """Name of the RayCluster. Another one: replace."""
    head_service: pulumi.Input[str]
    """Service of the head pod; its port 8265 is reached through the API server's proxy."""
    token_secret: pulumi.Input[str]
    """Secret that holds Ray's token under `auth_token`. Its name, never the token."""
    config: pulumi.Input[Mapping[str, Any]]
    """Body of the PUT, as infra.specs.serve_config makes it."""
    templates: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Hashes of the pods' templates that PodRollout brings about; none where it leaves pods alone.
    With them a preview says that the applications start anew, before a pod was touched."""
    pods: pulumi.Input[Mapping[str, pulumi.Input[list[str]]]]
    """Which pods of head and groups there are, from PodRollout's output `lives`. Other pods, for
    whatever reason: Serve may have lost its applications, so the resource looks again. Unknown in a
    preview where PodRollout changes, and then no change of its own."""
    deadline_seconds: pulumi.Input[int]
    """How long a change may take until each application is RUNNING (timeouts.modelReadySeconds)."""
    replace_foreign: pulumi.Input[bool] = False
    """Delete applications that this resource did not make. False: refuse, naming them."""


class ServeApplications(Resource, module="serve", name="ServeApplications"):
    """Type token `pulumi-python:dynamic/serve:ServeApplications`; it never changes."""

    applications: pulumi.Output[dict[str, dict[str, str]]]
    """For each application its `status` (RUNNING) and `route_prefix`."""

    def __init__(
        self,
        name: str,
        args: ServeApplicationsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            ServeApplicationsProvider(), name, {**vars(args), "applications": None}, opts
        )
