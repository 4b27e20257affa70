"""Replicas, tensor and pipeline parallelism against the workers and cards of a group.

How the service places them: app/engine/placement.py. Without pipeline parallelism a replica holds
its cards itself, so they are on one worker. With it, on GPUs, each card is a bundle of its own over
the group's workers. On the CPU an engine never leaves its worker.
"""

import math

from infra.rules.quantities import amount
from infra.settings import StackSettings
from infra.settings.models import Model
from infra.settings.problems import (
    Problem,
    did_you_mean,
    error,
    key_path,
    listed,
    set_command,
    warning,
)
from infra.settings.ray import GpuGroup


def check(settings: StackSettings) -> list[Problem]:
    groups = {group.name: group for group in settings.gpu_groups}
    on_cpu = settings.image.requirements == "app-cpu.txt"
    found: list[Problem] = []
    for number, model in enumerate(settings.models):
        group = groups.get(model.gpu_group)
        if group is None:
            found.append(_no_group(number, model, list(groups)))
        elif not group.enabled:
            place = next(i for i, g in enumerate(settings.gpu_groups) if g.name == group.name)
            enabled = key_path("gpuGroups", place, "enabled")
            found.append(
                error(
                    key_path("models", number, "gpuGroup"),
                    f"is {group.name!r}, which is not enabled. "
                    f"Type: {set_command(enabled, True)}, or choose another group",
                )
            )
        else:
            found += _one_model(number, model, group, on_cpu)
    if not found:
        for place, group in enumerate(settings.gpu_groups):
            members = [m for m in settings.models if m.gpu_group == group.name]
            if group.enabled and members:
                found += _cpus(place, group, members)
                found += [] if on_cpu else _cards(place, group, members)
    return found


def _no_group(number: int, model: Model, names: list[str]) -> Problem:
    key = key_path("models", number, "gpuGroup")
    hint = did_you_mean(model.gpu_group, names)
    value = hint.split("'")[1] if hint else (names[0] if names else "<name>")
    return error(
        key,
        f"is {model.gpu_group!r}, which is no group; {hint}groups are {listed(names)}. "
        f"Type: {set_command(key, value)}",
    )


def _one_model(number: int, model: Model, group: GpuGroup, on_cpu: bool) -> list[Problem]:
    if on_cpu:
        return []
    key = key_path("models", number, "tensorParallel")
    if group.gpu.count == 0:
        return [
            error(
                key_path("models", number, "gpuGroup"),
                f"is {group.name!r}, whose workers have no card (gpu.count 0), but the image is "
                "for GPUs. Give gpu.count, or type: "
                f"{set_command(key_path('image', 'requirements'), 'app-cpu.txt')}",
            )
        ]
    if model.tensor_parallel > group.gpu.count:
        return [
            error(
                key,
                f"is {model.tensor_parallel}, but a worker of {group.name} has {_plural(group)}: "
                "tensor parallelism stays inside one worker. "
                f"Type: {set_command(key, group.gpu.count)}, and spread the layers instead: "
                f"pipelineParallel {math.ceil(model.gpus / group.gpu.count)}",
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
                f"is {group.workers}: group {group.name} has {capacity} cards, its models want "
                f"{wanted} (replicas x cards: {uses}). Lower replicas or parallelism, or type: "
                f"{set_command(key, math.ceil(wanted / group.gpu.count))}",
            )
        ]
    if not _packs(group, members):
        return [
            warning(
                key,
                f"is {group.workers}: the {wanted} cards that models want ({uses}) are there, but "
                "not enough of them free on one worker for each; one replica may wait for ever",
            )
        ]
    return []


def _packs(group: GpuGroup, members: list[Model]) -> bool:
    """Whether replicas that need their cards on one worker find them, the largest placed first."""
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
    if largest.cpus > each or wanted > each * group.workers:
        return [
            error(
                key,
                f"is {group.limits.cpu!r}: the {group.workers} workers of {group.name} offer "
                f"{each} Ray CPUs each, its models want {wanted:g} (replicas x cpus), and "
                f"{largest.name} {largest.cpus:g} in one place. Lower models[].cpus, or type: "
                f"{set_command(key, math.ceil(max(largest.cpus, wanted / group.workers)))}",
            )
        ]
    return []


def _plural(group: GpuGroup) -> str:
    return "1 card" if group.gpu.count == 1 else f"{group.gpu.count} cards"
