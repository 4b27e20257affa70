"""Pod settings that the API server would refuse. The cluster would then have no pods, and only
events would contain the reason."""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.rules.resources import set_resource
from infra.settings import StackSettings
from infra.settings.framework.pods import PodTemplate
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
_HASH = "rayline sets it, and recognizes outdated pods by it"


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
    ray: tuple[Parts, Mapping[str, str]] = (("ray", "annotations"), settings.ray.annotations)
    of_templates = (
        ((*owner, "podTemplate", "metadata", "annotations"), template.metadata.annotations)
        for owner, template in pod_templates(settings)
    )
    return [
        error(
            key := key_path(*parts, name),
            f"may not be set: {_KUBERAY_ANNOTATIONS.get(name, _HASH)}. {_remove(key)}",
        )
        for parts, annotations in (ray, *of_templates)
        for name in annotations
        if name in _KUBERAY_ANNOTATIONS or name.startswith("rayline.dev/")
    ]


def pod_templates(settings: StackSettings) -> Iterator[tuple[Parts, PodTemplate]]:
    """Every `podTemplate`, with the key that it belongs to."""
    yield ("ray", "head"), settings.ray.head.pod_template
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number), group.pod_template
    yield ("hub",), settings.hub.pod_template


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
            key_path("gpuGroups", number, "sharedMemory"),
            f"is {group.shared_memory}, but it counts towards the memory limit of the worker, "
            f"which is {group.limits.memory}. Type: {_room(number, group)}",
        )
        for number, group in enumerate(settings.gpu_groups)
        if amount(group.shared_memory) >= amount(group.limits.memory)
    ]


def _room(number: int, group: GpuGroup) -> str:
    """Half of the limit for /dev/shm, in whole MiB; a higher limit if that is too little."""
    half = int(amount(group.limits.memory) // 2) // 2**20
    if half:
        return set_command(key_path("gpuGroups", number, "sharedMemory"), f"{half}Mi")
    twice = f"{math.ceil(amount(group.shared_memory) * 2 / 2**20)}Mi"
    return set_resource(group, ("gpuGroups", number), "limits", "memory", twice)


def _labels(settings: StackSettings) -> Iterator[tuple[Parts, Mapping[str, str]]]:
    """Where labels of pods are configured."""
    yield ("ray", "labels"), settings.ray.labels
    yield ("ray", "head", "labels"), settings.ray.head.labels
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number, "labels"), group.labels
    for owner, template in pod_templates(settings):
        yield (*owner, "podTemplate", "metadata", "labels"), template.metadata.labels


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
