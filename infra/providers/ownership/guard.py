"""DestroyGuard: the first resource that a destroy deletes, so that it can refuse the rest.

A destroy runs no `check`. With a context that leads to another cluster by now, it would delete the
objects of the same names there.
"""

from dataclasses import dataclass

import pulumi

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.owner import owner
from infra.providers.common.properties import Props, differing
from infra.providers.common.provider import Created, Diff, Provider
from infra.providers.ownership.observe import (
    METADATA_LIST,
    identity,
)

TYPE = "rayline:index:DestroyGuard"
ID = "destroy-guard"
INPUTS = ("context", "cluster_uid", "stack_id", "operator")
RAY_KINDS = ("rayclusters", "rayservices", "rayjobs", "raycronjobs")


@dataclass(frozen=True, kw_only=True)
class DestroyGuardArgs:
    """The stack's cluster."""

    context: str
    """Context of the kubeconfig."""
    cluster_uid: pulumi.Input[str]
    """Output of Ownership; empty if it is not known."""
    stack_id: pulumi.Input[str]
    """Output of Ownership."""
    operator: bool
    """Whether the stack has installed the operator."""


class DestroyGuard(pulumi.CustomResource):
    """Creates nothing. It depends on all other resources."""

    def __init__(
        self, name: str, args: DestroyGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, dict(vars(args)), opts)


class DestroyGuardProvider(Provider):
    """Only `delete` does something."""

    type = TYPE

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        return Diff(bool(differing(olds, news, INPUTS)))

    def create(self, _call: Call, props: Props) -> Created:
        return Created(ID, props)

    def update(self, _call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return news

    def delete(self, call: Call, _id: str, props: Props) -> None:
        """Refuses the destroy in another cluster, and where the cluster does not answer."""
        try:
            with KubeClient(props["context"], call.run) as client:
                uid = identity(client)
                others = _others(client, props["stack_id"]) if props["operator"] else []
        except KubeError as error:
            raise ProviderError(
                f"{error}. Nothing was deleted. If only the name of the context has changed, type: "
                "pulumi config set --path 'rayline:cluster.context' <context>, then: pulumi up, "
                "then: pulumi destroy. If the cluster no longer exists, forget its objects: "
                "pulumi state delete --all"
            ) from error
        if uid and props["cluster_uid"] and uid != props["cluster_uid"]:
            raise ProviderError(
                f"the context {props['context']!r} leads to another cluster than that of this "
                f"stack: its namespace kube-system has the UID {uid}, not "
                f"{props['cluster_uid']}. Nothing was deleted. Correct the kubeconfig "
                "(`kubectl config get-contexts`)"
            )
        if others:
            call.warn(
                "the operator of KubeRay goes with this stack. These continue to run, but nothing "
                f"replaces their pods until the cluster has an operator: {', '.join(others)}"
            )


def _others(client: KubeClient, stack: str) -> list[str]:
    """Ray's objects in the whole cluster that are not this stack's; none if the user may not
    list them."""
    found = []
    for kind in RAY_KINDS:
        answer = client.call("GET", f"/apis/ray.io/v1/{kind}", headers=METADATA_LIST)
        if answer.status in (403, 404):
            continue
        for item in client.parsed(answer, f"GET {kind}").get("items") or []:
            metadata = item["metadata"]
            if owner(metadata) != stack and not metadata.get("ownerReferences"):
                found.append(f"{kind}/{metadata['name']} in {metadata['namespace']}")
    return sorted(found)
