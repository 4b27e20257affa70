"""The second delivery: cluster and applications in one RayService, which KubeRay keeps alive."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.settings import StackSettings
from infra.specs.ray_service import ray_service


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
            # https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/apis/ray/v1/rayservice_types.go
            metadata={
                **manifest["metadata"],
                "annotations": {
                    **manifest["metadata"].get("annotations", {}),
                    "pulumi.com/waitFor": "condition=Ready",
                },
            },
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience),
            ),
        )
        self.register_outputs({})
