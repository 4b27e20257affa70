"""Ownership, as the program declares it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

TYPE = "rayline:index:Ownership"
COMPUTED = ("stack_id", "cluster_uid", "unchecked")
"""Inputs that the provider's check fills in."""


@dataclass(frozen=True, kw_only=True)
class OwnershipArgs:
    """What the stack is going to own, and where."""

    context: str
    """Context of the kubeconfig. It may be renamed; it must lead to the same cluster."""
    identity: Mapping[str, Any]
    """The settings that decide which objects these are: infra.specs.ownership.identity."""
    objects: Sequence[Mapping[str, Any]]
    """The objects: infra.specs.ownership.planned."""
    adopt: Sequence[str]
    """Those that existed before, as kind/name."""


class Ownership(pulumi.CustomResource):
    """All other resources depend on it, so that a refused `up` changes nothing, and so that it is
    the last one that a destroy deletes."""

    stack_id: pulumi.Output[str]
    """Value of the annotation rayline.dev/stack on every object of the stack."""
    cluster_uid: pulumi.Output[str]
    """What identifies the cluster: the UID of its namespace kube-system."""

    def __init__(
        self, name: str, args: OwnershipArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, {**vars(args), **dict.fromkeys(COMPUTED)}, opts)
