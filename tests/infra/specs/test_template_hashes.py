"""A template's hash says exactly whether pods must be replaced."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import StackSettings
from infra.specs import names
from infra.specs.ray_cluster import ray_cluster_spec, template_hashes
from tests.infra.specs.original import IMAGE, ORIGINAL, original

OTHER_IMAGE = IMAGE.replace("0" * 64, "1" * 64)
HEAD, FIRST, SECOND = names.HEAD, "rtx-3090", "rtx-3060"
EVERY = {HEAD, FIRST, SECOND}
NEW_GROUP = {"name": "a100", "gpu": {"model": "A100", "memoryGib": 80}}

Path = tuple[str | int, ...]

# An edit, and the pods that must go for it.
RESTARTING: list[tuple[Path, Any, set[str]]] = [
    (("ray", "env", "A"), "b", EVERY),
    (("ray", "labels", "a"), "b", EVERY),
    (("ray", "annotations", "a"), "b", EVERY),
    (("ray", "serviceAccount"), "other", EVERY),
    (("ray", "metricsPort"), 9090, EVERY),
    (("serve", "port"), 8001, EVERY),
    (("image", "pullSecret"), "other", EVERY),
    (("image", "pullPolicy"), "Always", EVERY),
    (("image", "device"), "cpu", {FIRST, SECOND}),  # only in rayStartParams
    (("storage", "claim"), "other", EVERY),
    (("auth", "secretName"), "other", {FIRST, SECOND}),
    (("ray", "head", "limits"), {"cpu": "6", "memory": "9G"}, {HEAD}),
    (("ray", "head", "requests"), {"cpu": "1", "memory": "1G"}, {HEAD}),
    (("ray", "head", "env", "A"), "b", {HEAD}),
    (("ray", "head", "nodeSelector", "a"), "b", {HEAD}),
    (("ray", "head", "tolerations"), [{"key": "a"}], {HEAD}),
    (("ray", "grafanaHost"), "https://other", {HEAD}),
    (("gpuGroups", 0, "limits"), {"cpu": "17", "memory": "24G"}, {FIRST}),
    (("gpuGroups", 0, "requests"), {"cpu": "7", "memory": "12G"}, {FIRST}),
    (("gpuGroups", 0, "gpu", "count"), 2, {FIRST}),
    (("gpuGroups", 0, "gpu", "resource"), "amd.com/gpu", {FIRST}),
    (("gpuGroups", 0, "nodeGroup"), "other", {FIRST}),
    (("gpuGroups", 0, "nodeGroupLabel"), "other/label", {FIRST}),
    (("gpuGroups", 0, "tolerations"), [], {FIRST}),
    (("gpuGroups", 0, "sharedMemory"), "9Gi", {FIRST}),
    (("gpuGroups", 0, "spread"), False, {FIRST}),
    (("gpuGroups", 0, "labels", "a"), "b", {FIRST}),
    (("gpuGroups", 0, "env", "A"), "b", {FIRST}),
    (("models", 0, "drainSeconds"), 3600, {FIRST}),
]
# Edits after which every pod stays.
HARMLESS: list[tuple[Path, Any]] = [
    (("gpuGroups", 0, "workers"), 5),
    (("gpuGroups", 0, "enabled"), False),
    (("gpuGroups", 1, "enabled"), True),
    (("gpuGroups", 0, "gpu", "memoryGib"), 48),
    (("gpuGroups", 2), NEW_GROUP),
    (("models", 0, "source"), "owner/other"),
    (("models", 0, "revision"), "1" * 40),
    (("models", 0, "drainSeconds"), 200),
    (("models", 0, "replicas"), 2),
    (("models", 0, "engineArgs", "quantization"), "awq_marlin"),
    (("models", 1), {"name": "b", "source": "a/b", "revision": "2" * 40, "gpuGroup": SECOND}),
    (("auth", "users", 2), {"name": "carol"}),
    (("auth", "tokenMinutes"), 5),
    (("ray", "upgrade"), "manual"),
    (("serve", "delivery"), "rayService"),
    (("timeouts", "modelReadySeconds"), 60),
    (("operator", "install"), False),
    (("hub", "endpoint"), "https://mirror.example.com"),
]


def edited(*edits: tuple[Path, Any]) -> StackSettings:
    """The how-to's settings with values set at paths; missing maps are made, lists grow."""
    tree: Any = copy.deepcopy(ORIGINAL)
    for path, value in edits:
        at = tree
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        if isinstance(at, list) and path[-1] == len(at):
            at.append(copy.deepcopy(value))
        else:
            at[path[-1]] = copy.deepcopy(value)
    return original(**tree)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before if before[key] != after[key]}


@pytest.mark.parametrize(("path", "value", "pods"), RESTARTING, ids=lambda x: str(x)[:40])
def test_an_edit_that_needs_other_pods_changes_their_hash_alone(
    path: Path, value: Any, pods: set[str]
) -> None:
    before, after = (
        template_hashes(original(), IMAGE),
        template_hashes(edited((path, value)), IMAGE),
    )
    assert changed(before, after) == pods


@pytest.mark.parametrize(("path", "value"), HARMLESS, ids=lambda x: str(x)[:40])
def test_an_edit_that_needs_no_other_pods_changes_no_hash(path: Path, value: Any) -> None:
    before, after = (
        template_hashes(original(), IMAGE),
        template_hashes(edited((path, value)), IMAGE),
    )
    assert changed(before, after) == set()


def test_another_image_changes_every_hash() -> None:
    before, after = template_hashes(original(), IMAGE), template_hashes(original(), OTHER_IMAGE)
    assert changed(before, after) == EVERY


def test_the_order_of_groups_changes_no_hash() -> None:
    turned = original(gpuGroups=list(reversed(ORIGINAL["gpuGroups"])))
    assert template_hashes(turned, IMAGE) == template_hashes(original(), IMAGE)


def test_hashes_are_16_hex_digits_for_the_head_and_each_group() -> None:
    hashes = template_hashes(original(), IMAGE)
    assert set(hashes) == EVERY
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in hashes.values())


EDITS = st.lists(
    st.sampled_from([(path, value) for path, value, _ in RESTARTING] + HARMLESS), max_size=4
)


@given(EDITS, EDITS)
def test_hashes_differ_exactly_where_the_pods_of_kuberay_would(
    left: list[tuple[Path, Any]], right: list[tuple[Path, Any]]
) -> None:
    one, other = edited(*left), edited(*right)
    hashes = template_hashes(one, IMAGE), template_hashes(other, IMAGE)
    pods = what_pods_are_made_of(one), what_pods_are_made_of(other)
    assert {key: hashes[0][key] == hashes[1][key] for key in EVERY} == {
        key: pods[0][key] == pods[1][key] for key in EVERY
    }


def what_pods_are_made_of(settings: StackSettings) -> dict[str, str]:
    """Of the RayCluster itself, each group without how many there are of it."""
    spec = ray_cluster_spec(settings, IMAGE, dict.fromkeys([*EVERY, "a100"], "same"))
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    groups[HEAD] = spec["headGroupSpec"]
    return {
        name: json.dumps(
            {key: value for key, value in group.items() if not key.lower().endswith("replicas")},
            sort_keys=True,
        )
        for name, group in groups.items()
    }
