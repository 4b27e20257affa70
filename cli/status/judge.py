"""Compares what runs with what the stack's file wants. Pure functions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.status.look import Looked
from cli.status.report import Card, Model, Node, Pod, Replica, Report
from infra.providers.applications.seen import PROXIES, RUNNING, Seen, cause
from infra.providers.rollout.pods import HEAD, is_ready
from infra.providers.rollout.pods import parse as parse_pod
from infra.settings import StackSettings
from infra.specs.ray_cluster import replicas as wanted_pods
from infra.specs.serve_config import serve_config

MISSING, UNKNOWN = "MISSING", "UNKNOWN"
Json = Mapping[str, Any]


def report(settings: StackSettings, stack: str, looked: Looked) -> Report:
    """The report; `stack` is the name that a user types after -s."""
    seen = Seen(looked.serve or {"applications": {}}, serve_config(settings))
    by_address = {
        str(pod["status"]["podIP"]): pod
        for pod in looked.pods
        if (pod.get("status") or {}).get("podIP")
    }
    models = [
        _model(settings, name, seen, by_address, silent=looked.serve is None)
        for name in dict.fromkeys([*seen.wanted, *seen.live])
        if name != PROXIES
    ]
    pods = [_pod(item) for item in looked.pods]
    resources = {group.gpu.resource for group in settings.gpu_groups}
    nodes = [_node(name, item, resources) for name, item in looked.nodes.items()]
    problems = [*_problems(settings, stack, looked, models, pods, nodes)]
    return Report(
        stack=stack,
        context=settings.cluster.context,
        namespace=settings.cluster.namespace,
        as_wanted=not problems,
        problems=problems,
        models=models,
        pods=sorted(pods, key=lambda pod: (pod.group != HEAD, pod.group, pod.name)),
        nodes=nodes,
        cards=[card for item in looked.pods for card in _cards(item, resources, models)],
    )


def _model(
    settings: StackSettings,
    name: str,
    seen: Seen,
    by_address: Mapping[str, Json],
    *,
    silent: bool,
) -> Model:
    live, wanted = seen.live.get(name), seen.wanted.get(name)
    application = live or wanted or {}
    found = [
        _replica(each, by_address)
        for deployment in ((live or {}).get("deployments") or {}).values()
        for each in deployment.get("replicas") or []
    ]
    status = UNKNOWN if silent else MISSING if live is None else str(live.get("status"))
    numbers = {model.name: model.replicas for model in settings.models}
    return Model(
        name=name,
        route=str(application.get("route_prefix") or "/"),
        status=status,
        wanted=wanted is not None,
        current=wanted is not None and seen.live_config.get(name) == wanted,
        wanted_replicas=numbers.get(name, 0),
        running_replicas=sum(each.state == RUNNING for each in found),
        message="" if status == RUNNING else cause(str((live or {}).get("message") or "")),
        replicas=found,
    )


def _replica(item: Json, by_address: Mapping[str, Json]) -> Replica:
    pod = by_address.get(str(item.get("node_ip")))
    return Replica(
        id=str(item.get("replica_id", "?")),
        state=str(item.get("state", "?")),
        pod=pod["metadata"]["name"] if pod else None,
        node=(pod.get("spec") or {}).get("nodeName") if pod else None,
    )


def _pod(item: Json) -> Pod:
    pod = parse_pod(item)
    statuses = (item.get("status") or {}).get("containerStatuses") or []
    return Pod(
        name=pod.name,
        group=pod.group,
        node=pod.node or None,
        ready=is_ready(item) and not pod.deleting,
        state="leaving" if pod.deleting else pod.state,
        restarts=sum(int(each.get("restartCount", 0)) for each in statuses),
    )


def _node(name: str, item: Json | None, resources: set[str]) -> Node:
    if item is None:
        return Node(name=name, ready=None, schedulable=None, cards=None)
    status = item.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    allocatable = status.get("allocatable") or {}
    return Node(
        name=name,
        ready=conditions.get("Ready") == "True",
        schedulable=not (item.get("spec") or {}).get("unschedulable", False),
        cards={each: int(allocatable[each]) for each in sorted(resources & set(allocatable))},
    )


def _cards(item: Json, resources: set[str], models: Sequence[Model]) -> Iterator[Card]:
    name = item["metadata"]["name"]
    inside = [m.name for m in models if any(each.pod == name for each in m.replicas)]
    for container in item["spec"].get("containers") or []:
        limits = (container.get("resources") or {}).get("limits") or {}
        for resource in sorted(resources & set(limits)):
            for _ in range(int(limits[resource])):
                yield Card(
                    node=item["spec"].get("nodeName"), pod=name, resource=resource, models=inside
                )


def _problems(
    settings: StackSettings,
    stack: str,
    looked: Looked,
    models: Sequence[Model],
    pods: Sequence[Pod],
    nodes: Sequence[Node],
) -> Iterator[str]:
    up = f"Type: pulumi up -s {stack}"
    kubectl = f"kubectl --context {settings.cluster.context} -n {settings.cluster.namespace}"
    if looked.serve is None:
        yield f"Ray did not answer, so nobody knows which models run: {looked.silence}"
    for model in models if looked.serve is not None else ():
        if not model.wanted:
            yield f"{model.name} runs, but the stack's file does not have it. {up}"
        elif model.status == MISSING:
            yield f"{model.name} is not there. {up}"
        elif not model.current:
            yield f"{model.name} runs with another configuration than the stack's file. {up}"
        elif model.status != RUNNING:
            why = f": {model.message}" if model.message else ""
            logs = f"{kubectl} logs -l ray.io/node-type=worker --tail=50"
            yield f"{model.name} is {model.status}{why}. Type: {logs}"
        elif model.running_replicas < model.wanted_replicas:
            count = f"{model.running_replicas} of {model.wanted_replicas} replicas"
            yield f"{model.name} has {count}. Type: {kubectl} get pods"
    for group, wanted in wanted_pods(settings).items():
        here = [pod for pod in pods if pod.group == group]
        ready = sum(pod.ready for pod in here)
        if ready != wanted:
            states = "; ".join(f"{pod.name} {pod.state}" for pod in here if not pod.ready)
            advice = f"{kubectl} describe pods" if here else f"pulumi up -s {stack}"
            yield (
                f"{group} has {ready} Ready pods of {wanted}"
                + (f": {states}" if states else "")
                + f". Type: {advice}"
            )
    for node in nodes:
        if node.ready is False:
            yield (
                f"node {node.name} is not Ready. "
                f"Type: kubectl --context {settings.cluster.context} describe node {node.name}"
            )
