"""Replicas, tensor and pipeline parallelism against the workers and cards of a GPU group.

How the service places them: app/engine/placement.py. Without pipeline parallelism, a replica owns
its cards itself, so they are all in one worker. With it, on GPUs, each card is a separate bundle
that may be in any worker of the group. On the CPU, an engine never leaves its worker.
"""

import math

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.rules.resources import set_resource
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    closest,
    error,
    key_path,
    listed,
    set_command,
    warning,
)
from infra.settings.framework.quantities import amount
from infra.settings.gpu_groups import GpuGroup
from infra.settings.models import Model


@rule
def each_model_has_a_group(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The group exists, is enabled, and has workers that can hold a layer of the model."""
    groups = {group.name: group for group in settings.gpu_groups}
    problems: list[Problem] = []
    for number, model in enumerate(settings.models):
        group = groups.get(model.gpu_group)
        if group is None:
            problems.append(_no_group(number, settings))
        elif not group.enabled:
            place = settings.gpu_groups.index(group)
            enabled = key_path("gpuGroups", place, "enabled")
            problems.append(
                error(
                    key_path("models", number, "gpuGroup"),
                    f"is {group.name!r}, which is not enabled. "
                    f"Type: {set_command(enabled, True)}, or choose another group",
                )
            )
        elif settings.image.device == "gpu":
            problems += _one_worker(number, model, group)
    return problems


@rule
def each_group_has_room_for_its_models(settings: StackSettings, facts: Facts) -> list[Problem]:
    """Cards and Ray CPUs of all workers. Checked once every model has a group."""
    if each_model_has_a_group(settings, facts):
        return []
    problems: list[Problem] = []
    for place, group in enumerate(settings.gpu_groups):
        members = [model for model in settings.models if model.gpu_group == group.name]
        if group.enabled and members:
            problems += _cpus(place, group, members)
            if settings.image.device == "gpu":
                problems += _cards(place, group, members)
    return problems


def _no_group(number: int, settings: StackSettings) -> Problem:
    key = key_path("models", number, "gpuGroup")
    model = settings.models[number]
    names = [group.name for group in settings.gpu_groups]
    usable = [group.name for group in settings.gpu_groups if _usable(settings, model, group)]
    meant = closest(model.gpu_group, usable)
    hint = f"; did you mean {meant!r}? " if meant else ". "
    return error(
        key,
        f"is {model.gpu_group!r}, which is not a GPU group{hint}Known groups: {listed(names)}. "
        f"Type: {set_command(key, meant or next(iter(usable), '<name>'))}",
    )


def _usable(settings: StackSettings, model: Model, group: GpuGroup) -> bool:
    """Whether the group's workers run and can hold a layer of the model."""
    is_cpu = settings.image.device == "cpu"
    return group.enabled and (is_cpu or model.tensor_parallel <= group.gpu.count)


def _one_worker(number: int, model: Model, group: GpuGroup) -> list[Problem]:
    if group.gpu.count == 0:
        return [
            error(
                key_path("models", number, "gpuGroup"),
                f"is {group.name!r}, whose workers have no cards (gpu.count 0), but the image is "
                "for GPUs. Set gpu.count, or type: "
                f"{set_command(key_path('image', 'device'), 'cpu')}",
            )
        ]
    if model.tensor_parallel > group.gpu.count:
        key, stages = (
            key_path("models", number, name) for name in ("tensorParallel", "pipelineParallel")
        )
        cards = "1 card" if group.gpu.count == 1 else f"{group.gpu.count} cards"
        return [
            error(
                key,
                f"is {model.tensor_parallel}, but a worker of {group.name} has {cards}, and tensor "
                "parallelism stays inside one worker; split the layers into stages instead. "
                f"Type: {set_command(key, group.gpu.count)}, then: "
                f"{set_command(stages, math.ceil(model.gpus / group.gpu.count))}",
            )
        ]
    return []


def _cards(place: int, group: GpuGroup, members: list[Model]) -> list[Problem]:
    capacity = group.workers * group.gpu.count
    wanted = sum(model.replicas * model.gpus for model in members)
    uses = ", ".join(f"{m.name} {m.replicas} x {m.gpus}" for m in members)
    key = key_path("gpuGroups", place, "workers")
    if wanted > capacity:
        return [
            error(
                key,
                f"is {group.workers}: group {group.name} has {capacity} cards, but its models need "
                f"{wanted} (replicas x cards: {uses}). Lower replicas or parallelism, or type: "
                f"{set_command(key, math.ceil(wanted / group.gpu.count))}",
            )
        ]
    if not _packs(group, members):
        return [
            warning(
                key,
                f"is {group.workers}: the group has the {wanted} cards that its models need "
                f"({uses}), but they are spread so that not every replica finds its cards in one "
                "worker; one replica may wait forever",
            )
        ]
    return []


def _packs(group: GpuGroup, members: list[Model]) -> bool:
    """Whether replicas that need all their cards in one worker fit, placing the largest first."""
    free = [group.gpu.count] * group.workers
    whole = sorted(
        (m.gpus for m in members if m.pipeline_parallel == 1 for _ in range(m.replicas)),
        reverse=True,
    )
    for size in whole:
        fitting = [i for i, cards in enumerate(free) if cards >= size]
        if not fitting:
            return False
        free[min(fitting, key=lambda i: free[i])] -= size
    return True


def _cpus(place: int, group: GpuGroup, members: list[Model]) -> list[Problem]:
    """KubeRay gives Ray the CPU limit, rounded up (pod.go generateRayStartCommand, v1.6.2)."""
    each = math.ceil(amount(group.limits.cpu))
    wanted = sum(model.replicas * model.cpus for model in members)
    key = key_path("gpuGroups", place, "limits", "cpu")
    largest = max(members, key=lambda model: model.cpus)
    enough = math.ceil(max(largest.cpus, wanted / group.workers))
    if largest.cpus > each or wanted > each * group.workers:
        return [
            error(
                key,
                f"is {group.limits.cpu!r}: each of the {group.workers} workers of {group.name} "
                f"offers {each} Ray CPUs, but its models need {wanted:g} (replicas x cpus), and "
                f"one replica of {largest.name} needs {largest.cpus:g} in one worker. "
                "Lower models[].cpus, or type: "
                f"{set_resource(group, ('gpuGroups', place), 'limits', 'cpu', enough)}",
            )
        ]
    return []
