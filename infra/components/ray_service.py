"""Cluster and applications in one RayService, which KubeRay restores by itself."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec

# The applications are served, and no second cluster is being prepared (calculateConditions of
# https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/controllers/ray/rayservice_controller.go).
# These conditions do not cover a changed application in the same cluster; the REST API does.
READY = json.dumps(["condition=Ready", "condition=UpgradeInProgress=False"])


@dataclass(frozen=True, kw_only=True)
class RayServiceArgs:
    """`ready_seconds`: how long the cluster and its applications may take together.
    `leaving_seconds`: how long its pods may take to end."""

    manifest: Spec
    ready_seconds: int
    leaving_seconds: int


class RayService(pulumi.ComponentResource):
    """The custom resource; it is ready when KubeRay reports that its applications are."""

    def __init__(
        self, name: str, args: RayServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:RayService", name, None, opts)
        metadata = args.manifest["metadata"]
        timeout = f"{args.ready_seconds}s"
        kubernetes.apiextensions.CustomResource(
            name,
            api_version=args.manifest["apiVersion"],
            kind=args.manifest["kind"],
            metadata={
                **metadata,
                "annotations": {**metadata.get("annotations", {}), "pulumi.com/waitFor": READY},
            },
            spec=args.manifest["spec"],
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(
                    create=timeout, update=timeout, delete=f"{args.leaving_seconds}s"
                ),
            ),
        )
        self.register_outputs({})
