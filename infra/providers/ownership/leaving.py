"""The end of a stack, once Pulumi has deleted everything else: its namespaces go if nothing of
others is in them, and what stays is given back."""

from typing import Any

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.owner import owner
from infra.providers.common.properties import Props
from infra.providers.common.waiting import Waiting
from infra.providers.ownership.claims import give_back
from infra.providers.ownership.contents import Contents, contents
from infra.providers.ownership.objects import Object, key, path
from infra.providers.ownership.observe import metadata_of

SETTLE_SECONDS = 60.0
"""Pods and the like may need so long to follow their owner."""
DELETE_SECONDS = 600.0
SHOWN = 20
"""Objects that a warning names."""


def leave(call: Call, props: Props) -> None:
    with KubeClient(props["context"], call.run) as client:
        objects = {path(each): each for each in props["objects"]}.values()
        for each in objects:
            if each["kind"] == "Namespace":
                _namespace(call, client, props, each)
        for each in objects:
            give_back(client, each, props["stack_id"], adopted=key(each) in props["adopt"])


def _namespace(call: Call, client: KubeClient, props: Props, each: Object) -> None:
    """Deletes it, if the stack has made it and it is empty."""
    metadata = metadata_of(client, each)
    if not metadata or owner(metadata) != props["stack_id"] or key(each) in props["adopt"]:
        return
    identity = props["identity"]
    if each["name"] == identity["cluster.namespace"] and identity["storage.protect"]:
        return
    name = each["name"]
    command = f"kubectl --context {client.context} delete namespace {name}"
    try:
        left = _left(call, client, name)
    except KubeError as error:
        call.warn(f"the namespace {name} stays, because its contents are not known: {error}")
        return
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        call.warn(
            f"the namespace {name} stays, because this stack did not make all that is in it: "
            f"{', '.join(left[:SHOWN])}{more}. If nobody needs this, type: {command}"
        )
        return
    uid = str(metadata["uid"])
    client.delete(path(each), {"preconditions": {"uid": uid}})
    waiting = Waiting(call.status, call.clock, DELETE_SECONDS)
    if not waiting.until(lambda: _deleting(client, each, uid)):
        raise ProviderError(
            f"the namespace {name} is not gone after {DELETE_SECONDS:.0f} s. "
            f"Look at: kubectl --context {client.context} get namespace {name} -o yaml"
        )


def _left(call: Call, client: KubeClient, namespace: str) -> list[str]:
    """What stays in the namespace, once all that is being deleted is gone."""
    seen: list[Contents] = []

    def turn() -> str | None:
        seen.append(contents(client, namespace))
        if seen[-1].staying or not seen[-1].leaving:
            return None
        return f"waiting for {', '.join(seen[-1].leaving[:SHOWN])}"

    Waiting(call.status, call.clock, SETTLE_SECONDS).until(turn)
    return seen[-1].staying or seen[-1].leaving


def _deleting(client: KubeClient, each: Object, uid: str) -> str | None:
    metadata: Any = metadata_of(client, each)
    if not metadata or metadata["uid"] != uid:
        return None
    return f"deleting the namespace {each['name']}"
