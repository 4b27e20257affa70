"""The claim of Ray's control store."""

from dataclasses import dataclass

import pulumi

from infra.components.platform import declare_claim
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
            declare_claim(name, args.manifest, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
