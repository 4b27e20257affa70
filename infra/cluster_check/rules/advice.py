"""Texts of the rules about nodes: names, amounts, and commands that change a placement."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from infra.cluster_check.facts import Node, Taint
from infra.cluster_check.workloads import Workload
from infra.rules.resources import set_resource
from infra.settings import StackSettings
from infra.settings.framework.problems import closest, key_path, listed, remove_command, set_command
from infra.settings.gpu_groups import GpuGroup
from infra.settings.ray import Head

MOST_NAMES = 5
SHOW_LABELS = "kubectl get nodes --show-labels"


def names(nodes: Sequence[Node]) -> str:
    """The first few names."""
    more = f" and {len(nodes) - MOST_NAMES} more" if len(nodes) > MOST_NAMES else ""
    return listed(node.name for node in nodes[:MOST_NAMES]) + more


def count(items: Sequence[object], word: str) -> str:
    """1 node, 2 nodes."""
    return count_of(len(items), word)


def count_of(number: int, word: str) -> str:
    """1 node, 2 nodes."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def amounts(by_node: Mapping[str, Decimal]) -> str:
    """a 1, b 2."""
    return listed(f"{name} {value:f}" for name, value in list(by_node.items())[:MOST_NAMES])


def written(resource: str, value: Decimal) -> str:
    """An amount for people: GiB of memory, cores, or a count."""
    if resource in ("memory", "ephemeral-storage"):
        return f"{value / 1024**3:.1f} GiB"
    return f"{value.quantize(Decimal('0.1'), ROUND_DOWN).normalize():f}"


def request(settings: StackSettings, workload: Workload, resource: str, room: Decimal) -> str:
    """The command that lowers a request to what a node has."""
    if resource == "cpu":
        value = str(int(room)) if room >= 1 else f"{int(room * 1000)}m"
        return set_resource(_owner(settings, workload), workload.location, "requests", "cpu", value)
    if resource == "memory":
        value = f"{int(room // 1024**2)}Mi"
        owner = _owner(settings, workload)
        return set_resource(owner, workload.location, "requests", "memory", value)
    return remove_command(key_path(*workload.location, "podTemplate"))


def _owner(settings: StackSettings, workload: Workload) -> Head | GpuGroup:
    if workload.location[0] == "gpuGroups":
        return settings.gpu_groups[int(workload.location[1])]
    return settings.ray.head


def tolerate(settings: StackSettings, workload: Workload, taints: Iterable[Taint]) -> str:
    """The commands that append tolerations."""
    place = len(_owner(settings, workload).tolerations)
    commands = []
    for number, taint in enumerate(taints, place):
        here = (*workload.location, "tolerations", number)
        commands.append(set_command(key_path(*here, "key"), taint.key))
        if taint.effect != "NoSchedule":
            commands.append(set_command(key_path(*here, "effect"), taint.effect))
    return ", then: ".join(commands)


def no_such_label(
    settings: StackSettings, workload: Workload, nodes: Sequence[Node]
) -> tuple[str, str]:
    """Key and text for a workload whose labels no node has."""
    wanted = dict(workload.spec.get("nodeSelector") or {})
    for label, value in wanted.items():
        others = sorted({node.labels[label] for node in nodes if label in node.labels})
        if value in others:
            continue
        key, remedy = _label(settings, workload, label, value, others)
        has = f"; its values there are {listed(others)}" if others else ""
        return key, (
            f"asks for nodes with the label {label}={value}, which no node of the cluster "
            f"has{has}. Type: {remedy}"
        )
    text = ", ".join(f"{label}={value}" for label, value in wanted.items())
    matching = {
        label: names([node for node in nodes if node.labels.get(label) == value])
        for label, value in wanted.items()
    }
    each = "; ".join(f"{label}={wanted[label]}: {found}" for label, found in matching.items())
    key = key_path(*workload.location, "nodeSelector")
    remedy = remove_command(key) if _owner(settings, workload).node_selector else SHOW_LABELS
    what = f"{text}, and no node has all of these ({each})" if text else "its required affinity"
    return key, f"asks for nodes with {what}. Type: {remedy}"


def _label(
    settings: StackSettings, workload: Workload, label: str, value: str, others: list[str]
) -> tuple[str, str]:
    """The key that sets a label, and the command that corrects it."""
    owner = _owner(settings, workload)
    group = owner if isinstance(owner, GpuGroup) else None
    if group and group.node_group is not None and label == group.node_group_label:
        key = key_path(*workload.location, "nodeGroup")
    elif label in owner.node_selector:
        key = key_path(*workload.location, "nodeSelector", label)
    else:  # of a runtime class or a pod template
        return key_path(*workload.location), SHOW_LABELS
    meant = closest(value, others) or next(iter(others), None)
    return key, set_command(key, meant) if meant else remove_command(key)
