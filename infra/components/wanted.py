"""What the head is to restore after Ray has lost the applications."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class WantedApplicationsArgs:
    """`manifest` of the ConfigMap."""

    manifest: Spec


class WantedApplications(pulumi.ComponentResource):
    """The ConfigMap that the head's container `restore` reads. It is changed before the
    applications are, and only their provider says in it that they run."""

    def __init__(
        self, name: str, args: WantedApplicationsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:WantedApplications", name, None, opts)
        kubernetes.core.v1.ConfigMap(
            name,
            metadata=args.manifest["metadata"],
            data=args.manifest["data"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
