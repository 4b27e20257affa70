"""The claim of Ray's control store."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class ControlStoreArgs:
    """`manifest` is None if the store is in another claim, or if there is none."""

    manifest: Spec | None


class ControlStore(pulumi.ComponentResource):
    """The claim, which is deleted with the cluster: another cluster must not continue with the
    store of this one."""

    def __init__(
        self, name: str, args: ControlStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:ControlStore", name, None, opts)
        if args.manifest is not None:
            kubernetes.core.v1.PersistentVolumeClaim(
                name,
                metadata={
                    **args.manifest["metadata"],
                    # Some storage classes bind a claim only when its first pod is scheduled.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec=args.manifest["spec"],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
