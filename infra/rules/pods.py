"""What the API server would refuse in a pod: KubeRay then has a cluster without pods, and only
events say why."""

import re
from collections.abc import Iterator, Mapping

from infra.rules.quantities import amount
from infra.settings import StackSettings
from infra.settings.base import Resources
from infra.settings.problems import Problem, error, key_path, remove_command, set_command

Parts = tuple[str | int, ...]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_PREFIX = 253
_OWN = ("ray.io/", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "rayline.dev/")
"""Prefixes of labels that KubeRay or rayline set and select by."""
_KUBERAY_ANNOTATIONS = {
    "ray.io/ft-enabled": "KubeRay would want a Redis, and none is configured",
    "ray.io/external-storage-namespace": "it belongs to a Redis, and none is configured",
    "ray.io/overwrite-container-cmd": "Ray would not be started",
}
"""Annotations by which KubeRay 1.6.2 builds pods otherwise (controllers/ray/utils/constant.go)."""


def check(settings: StackSettings) -> list[Problem]:
    found: list[Problem] = []
    for parts, labels, ours in _labels(settings):
        for name, value in labels.items():
            found += _label(key_path(*parts, name), name, value, ours)
    for name in settings.ray.annotations:
        if not _qualified(name):
            key = key_path("ray", "annotations", name)
            found.append(error(key, f"is no annotation's name. {_form()} {_remove(key)}"))
        if name in _KUBERAY_ANNOTATIONS:
            key = key_path("ray", "annotations", name)
            found.append(
                error(key, f"may not be set: {_KUBERAY_ANNOTATIONS[name]}. {_remove(key)}")
            )
    head = settings.ray.head
    found += _resources(("ray", "head"), head.requests, head.limits)
    for number, group in enumerate(settings.gpu_groups):
        found += _resources(("gpuGroups", number), group.requests, group.limits)
        if amount(group.shared_memory) >= amount(group.limits.memory):
            key = key_path("gpuGroups", number, "sharedMemory")
            found.append(
                error(
                    key,
                    f"is {group.shared_memory}, but it counts as memory of the worker, whose limit "
                    f"is {group.limits.memory}. Type: {set_command(key, '2Gi')}",
                )
            )
    return found


def _labels(settings: StackSettings) -> Iterator[tuple[Parts, Mapping[str, str], bool]]:
    """Places of labels; the flag says whether names that are ours are refused there."""
    yield ("ray", "labels"), settings.ray.labels, True
    yield ("ray", "head", "labels"), settings.ray.head.labels, True
    yield ("ray", "head", "nodeSelector"), settings.ray.head.node_selector, False
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number, "labels"), group.labels, True
        yield ("gpuGroups", number, "nodeSelector"), group.node_selector, False
        if group.node_group is not None:
            yield ("gpuGroups", number), {group.node_group_label: group.node_group}, False


def _label(key: str, name: str, value: str, ours: bool) -> list[Problem]:
    found = []
    if not _qualified(name):
        found.append(error(key, f"is no label's name. {_form()} {_remove(key)}"))
    if value and not _NAME.fullmatch(value):
        found.append(
            error(
                key,
                f"is {value!r}; a label's value has at most 63 letters, digits, -, _ and ., and "
                f"begins and ends with a letter or digit. Type: {set_command(key, '<value>')}",
            )
        )
    if ours and name.startswith(_OWN):
        found.append(
            error(key, f"is set by KubeRay or rayline, which select by it. {_remove(key)}")
        )
    return found


def _qualified(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    if slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= _LONGEST_PREFIX):
        return False
    return bool(_NAME.fullmatch(rest))


def _form() -> str:
    return "Allowed is name or dns.prefix/name, name of at most 63 letters, digits, -, _ and .."


def _remove(key: str) -> str:
    return f"Type: {remove_command(key)}"


def _resources(parts: Parts, requests: Resources, limits: Resources) -> list[Problem]:
    found = []
    for name in ("cpu", "memory"):
        wanted, most = getattr(requests, name), getattr(limits, name)
        if amount(wanted) > amount(most):
            key = key_path(*parts, "requests", name)
            found.append(
                error(
                    key,
                    f"is {wanted}, more than the limit {most}. Type: {set_command(key, most)}, or "
                    f"raise {key_path(*parts, 'limits', name)}",
                )
            )
    return found
