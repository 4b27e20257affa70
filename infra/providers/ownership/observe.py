"""What is in the cluster already: its identity, the planned objects, and operators of KubeRay."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from infra.providers.common.api_server import KubeClient
from infra.providers.common.looking import within
from infra.providers.ownership.objects import Object, key, path

T = TypeVar("T")

SECONDS = 8.0
"""A preview waits so long for the cluster, credentials included, before it does without."""
REQUEST_SECONDS = 4.0
WORKERS = 4
"""Requests at a time; each has a connection of its own."""

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
DEPLOYMENTS = "/apis/apps/v1/deployments"
# KubeRay's chart sets the first label, its Kustomize manifests set both.
# https://github.com/ray-project/kuberay/tree/v1.6.2/helm-chart/kuberay-operator/templates
# https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/config/manager/manager.yaml
OPERATORS = (
    "app.kubernetes.io/name in (kuberay-operator,kuberay)",
    "app.kubernetes.io/component=kuberay-operator",
)
# Without the values of Secrets, which nothing here needs.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
_METADATA = "application/json;g=meta.k8s.io;v=v1;as={kind},application/json"
METADATA = {"Accept": _METADATA.format(kind="PartialObjectMetadata")}
METADATA_LIST = {"Accept": _METADATA.format(kind="PartialObjectMetadataList")}


@dataclass(frozen=True)
class Seen:
    """`uid` is empty if the user may not read it. `metadata` is by path, of objects that exist;
    `operators` is that of all Deployments of KubeRay; `hidden` are objects that the user may not
    read."""

    uid: str
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    operators: Sequence[Mapping[str, Any]] = ()
    hidden: Sequence[str] = ()


def observe(context: str, objects: Sequence[Object], *, operators: bool) -> Seen:
    """One look, by parallel requests, which ends after `SECONDS` in any case. UnreachableError."""
    return within(SECONDS, lambda: _observe(context, objects, operators), context)


def identity(client: KubeClient) -> str:
    """The UID of the namespace kube-system: it lives as long as the cluster, whatever its address.
    Empty if the user may not read it."""
    found = _metadata(client, KUBE_SYSTEM)
    return "" if found is None else str(found.get("uid", ""))


def _observe(context: str, objects: Sequence[Object], operators: bool) -> Seen:
    hidden: list[str] = []
    with KubeClient(context) as client:

        def look(each: Object) -> Mapping[str, Any] | None:
            found = metadata_of(client, each)
            if found is None:
                hidden.append(key(each))
            return found or None

        tasks: list[Callable[[], Any]] = [lambda: identity(client)]
        tasks += [lambda each=each: look(each) for each in objects]  # type: ignore[misc]
        if operators:
            tasks += [lambda s=s: _operators(client, s) for s in OPERATORS]  # type: ignore[misc]
        uid, *found = at_once(tasks)
    known = dict(zip(map(path, objects), found, strict=False))
    lists = found[len(objects) :]
    if any(each is None for each in lists):
        hidden.append("deployments of other namespaces")
    every = {item["uid"]: item for each in lists for item in each or ()}
    return Seen(
        uid,
        {name: metadata for name, metadata in known.items() if metadata},
        list(every.values()),
        sorted(hidden),
    )


def metadata_of(client: KubeClient, each: Object) -> Mapping[str, Any] | None:
    """Metadata of an object; {} if it is absent, None if the user may not read it."""
    return _metadata(client, path(each))


def _metadata(client: KubeClient, where: str) -> Mapping[str, Any] | None:
    answer = client.call("GET", where, headers=METADATA, timeout=REQUEST_SECONDS)
    if answer.status == 404:
        return {}
    if answer.status == 403:
        return None
    return dict(client.parsed(answer, f"GET {where}")["metadata"])


def _operators(client: KubeClient, selector: str) -> list[Mapping[str, Any]] | None:
    answer = client.call(
        "GET",
        DEPLOYMENTS,
        query={"labelSelector": selector},
        headers=METADATA_LIST,
        timeout=REQUEST_SECONDS,
    )
    if answer.status == 403:
        return None
    items = client.parsed(answer, f"GET {DEPLOYMENTS}").get("items") or []
    return [item["metadata"] for item in items]


def at_once(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """The results, in order; the first error of any task."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    for number in range(len(tasks)):
        waiting.put(number)

    def work() -> None:
        while not errors:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results[number] = tasks[number]()
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(tasks))]
