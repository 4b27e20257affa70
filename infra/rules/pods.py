"""Pod settings that the API server would refuse. The cluster would then have no pods, and only
events would contain the reason."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.rules.resources import set_resource
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, remove_command, set_command
from infra.settings.framework.quantities import amount
from infra.settings.gpu_groups import GpuGroup
from infra.settings.ray import Head

Parts = tuple[str | int, ...]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAXIMUM_PREFIX = 253
_FORM = "It must be name or dns.prefix/name, with at most 63 letters, digits, -, _ and . in name."
_OWN = ("ray.io/", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "rayline.dev/")
"""Prefixes of labels that KubeRay or rayline set and use as selectors."""
_KUBERAY_ANNOTATIONS = {
    "ray.io/ft-enabled": "KubeRay would need a Redis, and none is configured",
    "ray.io/external-storage-namespace": "it is for a Redis, and none is configured",
    "ray.io/overwrite-container-cmd": "Ray would not start",
}
"""Annotations that make KubeRay 1.6.2 build different pods (controllers/ray/utils/constant.go)."""


@rule
def labels_are_valid(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Labels of pods and of the nodes that they select."""
    return [
        problem
        for parts, labels, reserved in _labels(settings)
        for name, value in labels.items()
        for problem in _label(key_path(*parts, name), name, value, reserved)
    ]


@rule
def annotations_are_valid(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Names have the form that Kubernetes requires, and none is a switch of KubeRay's."""
    problems = []
    for name in settings.ray.annotations:
        key = key_path("ray", "annotations", name)
        if not _qualified(name):
            problems.append(error(key, f"is not a valid annotation name. {_FORM} {_remove(key)}"))
        if name in _KUBERAY_ANNOTATIONS:
            problems.append(
                error(key, f"may not be set: {_KUBERAY_ANNOTATIONS[name]}. {_remove(key)}")
            )
    return problems


@rule
def requests_are_within_limits(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The API server refuses a pod that requests more than its limit."""
    problems = _resources(("ray", "head"), settings.ray.head)
    for number, group in enumerate(settings.gpu_groups):
        problems += _resources(("gpuGroups", number), group)
    return problems


@rule
def shared_memory_is_within_the_limit(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """/dev/shm counts towards the memory limit of the container."""
    return [
        error(
            key := key_path("gpuGroups", number, "sharedMemory"),
            f"is {group.shared_memory}, but it counts towards the memory limit of the worker, "
            f"which is {group.limits.memory}. Type: {set_command(key, _half(group.limits.memory))}",
        )
        for number, group in enumerate(settings.gpu_groups)
        if amount(group.shared_memory) >= amount(group.limits.memory)
    ]


def _half(quantity: str) -> str:
    """About half of a quantity of bytes, in whole MiB if there is one."""
    half = int(amount(quantity) // 2)
    return f"{half // 2**20}Mi" if half >= 2**20 else str(half)


def _labels(settings: StackSettings) -> Iterator[tuple[Parts, Mapping[str, str], bool]]:
    """Where labels are configured; the flag is true if reserved names are refused there."""
    yield ("ray", "labels"), settings.ray.labels, True
    yield ("ray", "head", "labels"), settings.ray.head.labels, True
    yield ("ray", "head", "nodeSelector"), settings.ray.head.node_selector, False
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number, "labels"), group.labels, True
        yield ("gpuGroups", number, "nodeSelector"), group.node_selector, False
        if group.node_group is not None:
            yield ("gpuGroups", number), {group.node_group_label: group.node_group}, False


def _label(key: str, name: str, value: str, reserved: bool) -> list[Problem]:
    problems = []
    if not _qualified(name):
        problems.append(error(key, f"is not a valid label name. {_FORM} {_remove(key)}"))
    if value and not _NAME.fullmatch(value):
        problems.append(
            error(
                key,
                f"is {value!r}; a label value has at most 63 letters, digits, -, _ and ., and "
                f"begins and ends with a letter or digit. Type: {set_command(key, '<value>')}",
            )
        )
    if reserved and name.startswith(_OWN):
        problems.append(
            error(key, f"is set by KubeRay or rayline, which use it as a selector. {_remove(key)}")
        )
    return problems


def _qualified(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    if slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= _MAXIMUM_PREFIX):
        return False
    return bool(_NAME.fullmatch(rest))


def _remove(key: str) -> str:
    return f"Type: {remove_command(key)}"


def _resources(parts: Parts, owner: Head | GpuGroup) -> list[Problem]:
    problems = []
    names: tuple[Literal["cpu", "memory"], ...] = ("cpu", "memory")
    for name in names:
        requested, limit = getattr(owner.requests, name), getattr(owner.limits, name)
        if amount(requested) > amount(limit):
            lower = set_resource(owner, parts, "requests", name, limit)
            problems.append(
                error(
                    key_path(*parts, "requests", name),
                    f"is {requested}, above the limit {limit}. Type: {lower}, "
                    f"or raise {key_path(*parts, 'limits', name)}",
                )
            )
    return problems
