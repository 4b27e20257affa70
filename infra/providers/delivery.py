"""RayDelivery: which kind of object has brought the Ray cluster about, kept in the state, so that a
preview can refuse to switch a cluster that exists.

A RayCluster and a RayService of one name cannot exist side by side: KubeRay gives both the same
head Service (utils.GenerateHeadServiceName) and refuses the second, and both want the same cards.
Pulumi creates before it deletes. docs/adr/0018-one-delivery-at-a-time.md
"""

from dataclasses import dataclass

import pulumi

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.properties import UNKNOWN, Props, differing, only
from infra.providers.common.provider import Checked, Created, Diff, Failure, Provider
from infra.providers.common.ray_cluster import IDENTITY, PLACE, RayClusterRef
from infra.providers.common.waiting import Waiting

TYPE = "rayline:index:RayDelivery"
ID = NAME = "delivery"
INPUTS = (*PLACE, "delivery")
OTHERS = {"restApi": "rayservice", "rayService": "raycluster"}
"""For each delivery the kind of the other."""
LEAVING_SECONDS = 600.0
REMOVE = f"pulumi destroy --target '**::{NAME}' --target-dependents"
"""Deletes what depends on the resource: the cluster with its pods and applications, and no more."""


class DeliveryError(ProviderError):
    """The namespace has an object of the other kind. The message names it, and what to type."""


@dataclass(frozen=True, kw_only=True)
class RayDeliveryArgs(RayClusterRef):
    """The cluster that is about to be made."""

    delivery: str
    """restApi or rayService."""


class RayDelivery(pulumi.CustomResource):
    """Creates nothing. The cluster depends on it, and nothing else does: to delete it is to delete
    the cluster, after which another delivery is accepted."""

    def __init__(self, args: RayDeliveryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, NAME, dict(vars(args)), opts)


class RayDeliveryProvider(Provider):
    """Refuses another delivery than that in the state."""

    type = TYPE

    def check(self, olds: Props, news: Props) -> Checked:
        """Compares the delivery with the one in the state, in previews too."""
        before, now = olds.get("delivery"), news["delivery"]
        if before is None or now in (UNKNOWN, before) or differing(olds, news, IDENTITY):
            return Checked(news)
        reason = (
            f"rayline:serve.delivery is {now}, but this stack's Ray cluster was made with "
            f"{before}. Both need the same cards and the same head Service, so the cluster has to "
            f"go first. The API then answers nothing until the new cluster serves. Type: {REMOVE}, "
            "then `pulumi up`. Weights, users, keys and the API's Service stay. To keep the "
            f"cluster, type: pulumi config set --path 'rayline:serve.delivery' {before}"
        )
        return Checked(news, [Failure("delivery", reason)])

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        return Diff(bool(differing(olds, news, INPUTS)), differing(olds, news, IDENTITY))

    def create(self, call: Call, props: Props) -> Created:
        """DeliveryError if the other kind's object exists, which an `up` that was killed may have
        left; one that is being deleted is waited for."""
        with KubeClient(props["context"], call.run) as kube:
            _refuse_other(call, kube, props)
        return Created(ID, only(props, INPUTS))

    def update(self, _call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return only(news, INPUTS)


def _refuse_other(call: Call, kube: KubeClient, props: Props) -> None:
    kind, name = OTHERS[props["delivery"]], props["cluster"]
    path = f"/apis/ray.io/v1/namespaces/{props['namespace']}/{kind}s/{name}"
    command = f"kubectl --context {kube.context} -n {props['namespace']}"

    def turn() -> str | None:
        try:
            found = kube.get(path)
        except KubeError as error:
            # Without KubeRay's kinds the answer is 404 too. Whoever may not read this kind uses
            # the other one.
            if error.status in (403, 404):
                return None
            if not error.transient:
                raise
            return str(error)
        if found["metadata"].get("deletionTimestamp") is None:
            raise DeliveryError(
                f"the namespace {props['namespace']} has a {kind} {name}, which the delivery "
                f"{props['delivery']} does not use: KubeRay would refuse the new cluster, because "
                "both have the same head Service. An `up` that was killed may have left it. If "
                f"nobody needs it, type: {command} delete {kind} {name}"
            )
        return f"waiting for the {kind} {name} to be gone"

    if not Waiting(call.status, call.clock, LEAVING_SECONDS).until(turn):
        raise DeliveryError(
            f"the {kind} {name} is still being deleted after {LEAVING_SECONDS:.0f} s. Look at: "
            f"{command} get {kind},pods -o wide"
        )
