"""NetworkPolicies for the pods of the stack."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class NetworkPoliciesArgs:
    """`manifests` are the policies; none if the stack makes none."""

    manifests: Sequence[Spec]


class NetworkPolicies(pulumi.ComponentResource):
    """The policies. They come before the pods, so that no pod is ever open, and go after them."""

    def __init__(
        self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:NetworkPolicies", name, None, opts)
        for manifest in args.manifests:
            kubernetes.networking.v1.NetworkPolicy(
                manifest["metadata"]["name"],
                metadata=manifest["metadata"],
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
