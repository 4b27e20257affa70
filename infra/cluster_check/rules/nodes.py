"""Whether the nodes can run the pods: labels, taints, cards, CPU and memory, number of nodes.

A workload whose pods all run already is not judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from infra.cluster_check.facts import ClusterFacts, Node, Pod
from infra.cluster_check.registry import Report, certain, cluster_rule
from infra.cluster_check.rules import advice
from infra.cluster_check.scheduling import (
    Placement,
    capacity,
    lacking,
    placement,
    untolerated,
)
from infra.cluster_check.workloads import Workload, workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, key_path, listed, set_command, warning

GPU_WORDS = ("gpu", "mig-")
"""Parts of the names under which device plug-ins offer cards."""


def placements(
    settings: StackSettings, facts: ClusterFacts
) -> Iterator[tuple[Workload, Placement]]:
    """Every workload that is not running yet, with the nodes of the cluster."""
    nodes, classes = facts.nodes.value, facts.runtime_classes.get(())
    for each in workloads(settings):
        if len(running(each, facts)) < each.pods:
            yield each, placement(each, nodes, classes)


def running(workload: Workload, facts: ClusterFacts) -> list[Pod]:
    """The workload's own pods that have a node."""
    wanted = workload.labels.items()
    own = facts.own_pods.get(())
    return [pod for pod in own if pod.node and wanted <= pod.meta.labels.items()]


def _severity(facts: ClusterFacts) -> Report:
    """A missing node is an error only where nothing adds nodes."""
    return warning if facts.autoscaler.get(True) else certain(facts)


@cluster_rule
def there_are_nodes(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The cluster has nodes. A warning where an autoscaler may add them, or runs unseen."""
    if facts.nodes.value:
        return []
    return [
        _severity(facts)(
            key_path("cluster", "context"),
            f"is {settings.cluster.context!r}, a cluster without nodes. "
            f"Type: kubectl --context {facts.context} get nodes",
        )
    ]


@cluster_rule
def nodes_have_the_labels(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """For the head, for each enabled GPU group and for downloads there are nodes with the labels of
    `nodeGroup` and `nodeSelector`, of which at least one is Ready and not cordoned. A warning where
    an autoscaler may add nodes; so are the following three."""
    problems = []
    for each, found in placements(settings, facts):
        if found.usable or each.temporary or not facts.nodes.value:
            continue
        if found.selected:
            state = ", ".join(
                f"{node.name} is {'cordoned' if node.cordoned else 'not Ready'}"
                for node in found.selected[: advice.MOST_NAMES]
            )
            names = " ".join(node.name for node in found.selected)
            problems.append(
                _severity(facts)(
                    key_path(*each.location),
                    f"has no node that takes pods of {each.title}: {state}. "
                    f"Type: kubectl --context {facts.context} uncordon {names}",
                )
            )
        else:
            key, text = advice.no_such_label(settings, each, facts.nodes.value)
            problems.append(_severity(facts)(key, text))
    return problems


@cluster_rule
def taints_are_tolerated(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The pods tolerate the taints of at least one node that they select."""
    problems: list[Problem] = []
    for each, found in placements(settings, facts):
        # Downloads come last and follow their group, so one report is enough.
        if not found.usable or found.tolerated or (each.temporary and problems):
            continue
        node = _best(each, found.usable)
        taints = untolerated(each.spec, node)
        key = key_path(*each.location)
        remedy = f"kubectl --context {facts.context} describe node {node.name}"
        if not each.temporary:
            key = key_path(*each.location, "tolerations")
            remedy = advice.tolerate(settings, each, taints)
        problems.append(
            _severity(facts)(
                key,
                f"lets {each.title} on no node: {advice.count(found.usable, 'node')} would suit, "
                f"but {node.name} has the taint {listed(taints)}. Type: {remedy}",
            )
        )
    return problems


@cluster_rule
def nodes_offer_the_cards(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """A node of each GPU group offers `gpu.resource`, and enough of it for one worker."""
    problems = []
    for each, found in placements(settings, facts):
        wanted = each.requests.get(each.resource or "", Decimal(0))
        if not found.tolerated or not wanted or each.resource is None:
            continue
        offered = {
            node.name: node.allocatable.get(each.resource, Decimal(0)) for node in found.tolerated
        }
        most = max(offered.values())
        if most >= wanted:
            continue
        if most:
            key = key_path(*each.location, "gpu", "count")
            problems.append(
                _severity(facts)(
                    key,
                    f"is {wanted:f}, but the nodes of {each.title} offer at most {most:f} "
                    f"{each.resource} each: {advice.amounts(offered)}. "
                    f"Type: {set_command(key, int(most))}",
                )
            )
            continue
        key = key_path(*each.location, "gpu", "resource")
        others = sorted(
            name
            for node in found.tolerated
            for name, value in node.allocatable.items()
            if "/" in name and value >= wanted and any(word in name for word in GPU_WORDS)
        )
        remedy = (
            f"Type: {set_command(key, others[0])}"
            if others
            else "Install the driver and the device plug-in of the cards on it. Type: kubectl "
            f"--context {facts.context} describe node {found.tolerated[0].name}"
        )
        names = advice.names(found.tolerated)
        problems.append(
            _severity(facts)(
                key,
                f"is {each.resource!r}, which no node of {each.title} offers ({names}). {remedy}",
            )
        )
    return problems


@cluster_rule
def nodes_are_large_enough(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """A node that offers the cards also has the CPUs and the memory that one pod requests."""
    problems = []
    for each, found in placements(settings, facts):
        wanted = each.requests
        others = {name: value for name, value in wanted.items() if name != each.resource}
        cards = each.resource
        suited = [
            node
            for node in found.tolerated
            if cards is None or node.allocatable.get(cards, Decimal(0)) >= wanted.get(cards, 0)
        ]
        if not suited or found.roomy or each.temporary:
            continue
        # The node that lacks the fewest resources, then the one with the most memory.
        best = min(
            suited,
            key=lambda node: (
                len(lacking(others, node.allocatable)),
                -node.allocatable.get("memory", Decimal(0)),
            ),
        )
        for name in lacking(others, best.allocatable):
            room = best.allocatable.get(name, Decimal(0))
            key = key_path(*each.location, "requests", name)
            problems.append(
                _severity(facts)(
                    key,
                    f"is {advice.written(name, wanted[name])}, more than any node of {each.title} "
                    f"has; {best.name} has {advice.written(name, room)}. "
                    f"Type: {advice.request(settings, each, name, room)}",
                )
            )
    return problems


@cluster_rule
def there_are_enough_nodes(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """As many pods of each GPU group fit as it has `workers`: one per node, unless `spread` is
    false."""
    problems = []
    for each, found in placements(settings, facts):
        places = sum(capacity(each, node.allocatable) for node in found.roomy)
        if not found.roomy or places >= each.pods or each.temporary:
            continue
        key = key_path(*each.location, "workers")
        why = "one per node (`spread`)" if each.spread else "by cards, CPU and memory"
        problems.append(
            _severity(facts)(
                key,
                f"is {each.pods}, but {places} of them fit, {why}: {advice.names(found.roomy)}. "
                f"Type: {set_command(key, places)}",
            )
        )
    return problems


@cluster_rule
def enough_is_free(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """Enough cards, CPU and memory are not reserved by other pods, for all groups and the head
    together. A warning, because other pods may end."""
    neighbours = facts.neighbours.value
    free = {node.name: dict(node.allocatable) for node in facts.nodes.value}
    for pod in [*neighbours, *facts.own_pods.get(())]:
        _take(free.get(pod.node, {}), pod.requests)
    problems = []
    # Groups first: the head needs no card and fits in more places.
    for each, found in sorted(placements(settings, facts), key=lambda pair: not pair[0].is_group):
        if each.temporary or sum(capacity(each, n.allocatable) for n in found.roomy) < each.pods:
            continue
        missing = each.pods - len(running(each, facts))
        for node in sorted(found.roomy, key=lambda node: -free[node.name].get("cpu", 0)):
            for _ in range(min(missing, capacity(each, free[node.name]))):
                _take(free[node.name], each.requests)
                missing -= 1
        if missing:
            problems.append(_waiting(each, found, missing, facts))
    return problems


def _waiting(workload: Workload, found: Placement, missing: int, facts: ClusterFacts) -> Problem:
    places = {node.name for node in found.roomy}
    holders = sorted(
        f"{pod.meta.namespace}/{pod.meta.name}"
        for pod in facts.neighbours.value
        if pod.node in places and pod.requests
    )
    by = f" Others' pods there: {listed(holders[: advice.MOST_NAMES])}." if holders else ""
    pods = advice.count_of(missing, "pod")
    return warning(
        key_path(*workload.location, "workers" if workload.is_group else "requests"),
        f"leaves {pods} of {workload.title} waiting: the cards, CPUs or memory of "
        f"{advice.names(found.roomy)} are taken, or needed by the stack's other pods.{by} "
        f"Type: kubectl --context {facts.context} describe node {found.roomy[0].name}",
    )


def _take(room: dict[str, Decimal], requests: Mapping[str, Decimal]) -> None:
    for name, value in requests.items():
        room[name] = room.get(name, Decimal(0)) - value


def _best(workload: Workload, nodes: Sequence[Node]) -> Node:
    """The node to advise on: one with the cards, with the fewest taints in the way."""
    cards = workload.resource or ""
    return min(
        nodes,
        key=lambda node: (-node.allocatable.get(cards, 0), len(untolerated(workload.spec, node))),
    )
