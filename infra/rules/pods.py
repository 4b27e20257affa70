"""Pod settings that the API server would refuse. The cluster would then have no pods, and only
events would contain the reason."""

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

_OWN = ("ray.io/", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "rayline.dev/")
"""Prefixes of labels that KubeRay or rayline set and use as selectors."""
_KUBERAY_ANNOTATIONS = {
    "ray.io/ft-enabled": "KubeRay would need a Redis, and none is configured",
    "ray.io/external-storage-namespace": "it is for a Redis, and none is configured",
    "ray.io/overwrite-container-cmd": "Ray would not start",
}
"""Annotations that make KubeRay 1.6.2 build different pods (controllers/ray/utils/constant.go)."""


@rule
def no_label_is_a_selector(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """KubeRay and rayline select pods by some labels, which they set themselves."""
    return [
        error(
            key := key_path(*parts, name),
            f"is set by KubeRay or rayline, which use it as a selector. {_remove(key)}",
        )
        for parts, labels in _labels(settings)
        for name in labels
        if name.startswith(_OWN)
    ]


@rule
def no_annotation_is_a_switch(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Some annotations make KubeRay build different pods."""
    return [
        error(
            key := key_path("ray", "annotations", name),
            f"may not be set: {_KUBERAY_ANNOTATIONS[name]}. {_remove(key)}",
        )
        for name in settings.ray.annotations
        if name in _KUBERAY_ANNOTATIONS
    ]


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


def _labels(settings: StackSettings) -> Iterator[tuple[Parts, Mapping[str, str]]]:
    """Where labels of pods are configured."""
    yield ("ray", "labels"), settings.ray.labels
    yield ("ray", "head", "labels"), settings.ray.head.labels
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number, "labels"), group.labels


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
