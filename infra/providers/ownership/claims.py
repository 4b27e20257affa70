"""Writes an object's owner: the annotation rayline.dev/stack."""

from collections.abc import Mapping

from infra.providers.common.api_server import KubeClient
from infra.providers.common.call import Call
from infra.providers.common.owner import MERGE_PATCH, RELEASED, STACK, is_released, owner
from infra.providers.common.properties import Props
from infra.providers.ownership.objects import Object, key, path
from infra.providers.ownership.observe import Seen, metadata_of

MANAGER = "rayline"
KEPT = ("Namespace", "PersistentVolumeClaim")


def take(call: Call, props: Props, seen: Seen) -> None:
    """Make adopted and released objects the stack's own."""
    stack = props["stack_id"]
    found = [
        each
        for each in props["objects"]
        if (metadata := seen.metadata.get(path(each))) is not None
        and owner(metadata) != stack
        and (key(each) in props["adopt"] or is_released(metadata))
    ]
    if not found:
        return
    with KubeClient(props["context"], call.run) as client:
        for each in found:
            call.status(f"taking over {key(each)}")
            _annotate(client, each, {STACK: stack, RELEASED: None})


def release(call: Call, olds: Props, news: Props) -> None:
    """Give back what the stack kept until now and no longer has, such as an existing namespace."""
    now = kept(news)
    gone = {name: each for name, each in kept(olds).items() if name not in now}
    if gone:
        with KubeClient(news["context"], call.run) as client:
            for each in gone.values():
                give_back(client, each, news["stack_id"], adopted=key(each) in olds["adopt"])


def kept(props: Props) -> dict[str, Object]:
    """Objects that may stay in the cluster when the stack no longer has them, by key."""
    return {key(each): each for each in props.get("objects", ()) if each["kind"] in KEPT}


def give_back(client: KubeClient, each: Object, stack: str, *, adopted: bool) -> None:
    """The next stack may take the object; an adopted one is as it was before."""
    metadata = metadata_of(client, each)
    if metadata and owner(metadata) == stack:
        _annotate(client, each, {STACK: None, RELEASED: None if adopted else "true"})


def _annotate(
    client: KubeClient,
    each: Object,
    annotations: Mapping[str, str | None],
) -> None:
    answer = client.call(
        "PATCH",
        path(each),
        query={"fieldManager": MANAGER},
        headers={"Content-Type": MERGE_PATCH},
        body={"metadata": {"annotations": annotations}},
    )
    if answer.status >= 300 and answer.status != 404:
        raise client.refusal(answer, f"annotating {key(each)}")
