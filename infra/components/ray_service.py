"""The second delivery: cluster and applications in one RayService, which KubeRay keeps alive."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.settings import StackSettings
from infra.specs.ray_service import ray_service

# Applications are served, and no second cluster stands beside the first (calculateConditions of
# https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/controllers/ray/rayservice_controller.go).
# Of a changed application in the same cluster KubeRay says nothing here: restApi waits for it.
READY = json.dumps(["condition=Ready", "condition=UpgradeInProgress=False"])


@dataclass(frozen=True, kw_only=True)
class RayServiceArgs:
    settings: StackSettings
    image: pulumi.Input[str]
    hashes: Mapping[str, pulumi.Input[str]]


class RayService(pulumi.ComponentResource):
    """The custom resource; ready when KubeRay says that its applications are."""

    def __init__(
        self, name: str, args: RayServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:RayService", name, None, opts)
        manifest = ray_service(args.settings, args.image, args.hashes)
        timeouts = args.settings.timeouts
        patience = f"{timeouts.pods_ready_seconds + timeouts.model_ready_seconds}s"
        kubernetes.apiextensions.CustomResource(
            name,
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata={
                **manifest["metadata"],
                "annotations": {
                    **manifest["metadata"].get("annotations", {}),
                    "pulumi.com/waitFor": READY,
                },
            },
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience),
            ),
        )
        self.register_outputs({})
