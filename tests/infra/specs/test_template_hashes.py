"""The hash of a template changes exactly when its pods must be replaced."""

import copy
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import StackSettings, parse
from infra.specs import names
from infra.specs.pod_templates import PodTemplate, PodTemplates, pod_templates
from infra.specs.ray_cluster import ray_cluster_spec
from tests.infra.specs.original import IMAGE, ORIGINAL, original
from tests.stacks import Location, complete, different, leaves, put, short

OTHER_IMAGE = IMAGE.replace("0" * 64, "1" * 64)
HEAD, FIRST, SECOND = names.HEAD, "rtx-3090", "rtx-3060"
EVERY = {HEAD, FIRST, SECOND}
NEW_GROUP = {"name": "a100", "gpu": {"model": "A100", "memoryGib": 80}}

# An edit, and the pods that it replaces.
RESTARTING: list[tuple[Location, Any, set[str]]] = [
    # The container that restores lost applications; another delivery makes a new cluster anyway.
    (("serve", "delivery"), "rayService", EVERY),
    (("ray", "env", "A"), "b", EVERY),
    (("ray", "labels", "a"), "b", EVERY),
    (("ray", "annotations", "a"), "b", EVERY),
    (("ray", "serviceAccount"), "other", EVERY),
    (("ray", "metricsPort"), 9090, EVERY),
    (("serve", "port"), 8001, EVERY),
    (("image", "pullSecret"), "other", EVERY),
    (("image", "pullSecrets"), ["other"], EVERY),
    (("image", "createPullSecret"), True, EVERY),
    (("image", "pullPolicy"), "Always", EVERY),
    (("ray", "secretEnv", "A"), {"secret": "a", "key": "b"}, EVERY),
    (("image", "device"), "cpu", {FIRST, SECOND}),  # only in rayStartParams
    (("ray", "name"), "other", EVERY),  # a label
    (("storage", "claim"), "other", EVERY),
    (("storage", "kernelCache"), False, {FIRST, SECOND}),
    (("auth", "secretName"), "other", {FIRST, SECOND}),
    (("ray", "faultTolerance", "enabled"), False, EVERY),
    (("ray", "faultTolerance", "existingClaim"), "other", {HEAD}),
    # Ray's store, which is in an existing claim unless it has a class of its own.
    (("storage", "existing"), False, {HEAD}),
    (("ray", "faultTolerance", "storageClass"), "other", {HEAD}),
    (("ray", "version"), "2.61.0", {HEAD}),  # the folder of Ray's store
    (("ray", "head", "limits"), {"cpu": "6", "memory": "9G"}, {HEAD}),
    (("ray", "head", "requests"), {"cpu": "1", "memory": "1G"}, {HEAD}),
    (("ray", "head", "env", "A"), "b", {HEAD}),
    (("ray", "head", "nodeSelector", "a"), "b", {HEAD}),
    (("ray", "head", "tolerations"), [{"key": "a"}], {HEAD}),
    (("ray", "head", "labels", "a"), "b", {HEAD}),
    (("ray", "head", "secretEnv", "A"), {"secret": "a", "key": "b"}, {HEAD}),
    (("ray", "head", "runtimeClassName"), "other", {HEAD}),
    (("ray", "head", "priorityClassName"), "other", {HEAD}),
    (("ray", "head", "podTemplate", "spec", "hostNetwork"), True, {HEAD}),
    (("ray", "head", "podTemplate", "metadata", "labels", "a"), "b", {HEAD}),
    (("ray", "head", "podTemplate", "metadata", "annotations", "a"), "b", {HEAD}),
    (("ray", "grafanaHost"), "https://other", {HEAD}),
    (("ray", "prometheusHost"), "https://other", {HEAD}),
    (("ray", "grafanaIframeHost"), "https://other", {HEAD}),
    (("monitoring", "scrape"), "annotations", EVERY),
    (("gpuGroups", 0, "limits"), {"cpu": "17", "memory": "24G"}, {FIRST}),
    (("gpuGroups", 0, "requests"), {"cpu": "7", "memory": "12G"}, {FIRST}),
    (("gpuGroups", 0, "gpu", "count"), 2, {FIRST}),
    (("gpuGroups", 0, "gpu", "resource"), "amd.com/gpu", {FIRST}),
    (("gpuGroups", 0, "nodeGroup"), "other", {FIRST}),
    (("gpuGroups", 0, "nodeSelector", "a"), "b", {FIRST}),
    (("gpuGroups", 0, "nodeGroupLabel"), "other/label", {FIRST}),
    (("gpuGroups", 0, "tolerations"), [], {FIRST}),
    (("gpuGroups", 0, "sharedMemory"), "9Gi", {FIRST}),
    (("gpuGroups", 0, "spread"), False, {FIRST}),
    (("gpuGroups", 0, "labels", "a"), "b", {FIRST}),
    (("gpuGroups", 0, "env", "A"), "b", {FIRST}),
    (("gpuGroups", 0, "secretEnv", "A"), {"secret": "a", "key": "b"}, {FIRST}),
    (("gpuGroups", 0, "runtimeClassName"), "other", {FIRST}),
    (("gpuGroups", 0, "priorityClassName"), "other", {FIRST}),
    (("gpuGroups", 0, "podTemplate", "spec", "hostNetwork"), True, {FIRST}),
    (("gpuGroups", 0, "podTemplate", "metadata", "labels", "a"), "b", {FIRST}),
    (("gpuGroups", 0, "podTemplate", "metadata", "annotations", "a"), "b", {FIRST}),
    (("models", 0, "drainSeconds"), 3600, {FIRST}),
]
# Edits that replace no pod.
HARMLESS: list[tuple[Location, Any]] = [
    (("gpuGroups", 0, "workers"), 5),
    (("gpuGroups", 0, "enabled"), False),
    (("gpuGroups", 1, "enabled"), True),
    (("gpuGroups", 0, "gpu", "model"), "other"),
    (("gpuGroups", 0, "gpu", "memoryGib"), 48),
    (("gpuGroups", 2), NEW_GROUP),
    (("image", "repository"), "other.example.com/llm"),
    (("image", "ref"), None),
    (("image", "base"), "other:1"),
    (("image", "builder"), "docker"),
    (("image", "buildxInstance"), "other"),
    (("image", "pipConfig"), "other"),
    (("storage", "storageClass"), "other"),
    (("monitoring", "interval"), "15s"),
    (("monitoring", "alerts"), True),
    (("monitoring", "dashboards"), True),
    (("monitoring", "dashboardLabels"), {"a": "b"}),
    (("monitoring", "labels", "a"), "b"),
    (("monitoring", "scrape"), "podMonitor"),
    (("ray", "faultTolerance", "size"), "2Gi"),
    (("storage", "size"), "1Gi"),
    (("storage", "protect"), False),
    (("storage", "fixPermissions"), True),
    (("models", 0, "name"), "other"),
    (("models", 0, "aliases"), ["other"]),
    (("models", 0, "source"), "owner/other"),
    (("models", 0, "tensorParallel"), 2),
    (("models", 0, "pipelineParallel"), 1),
    (("models", 0, "dtype"), "auto"),
    (("models", 0, "maxModelLen"), 1024),
    (("models", 0, "gpuMemoryUtilization"), 0.5),
    (("models", 0, "maxNumSeqs"), 1),
    (("models", 0, "cpuOffloadGb"), 1),
    (("models", 0, "chunkedPrefill"), False),
    (("models", 0, "enforceEager"), False),
    (("models", 0, "env", "A"), "b"),
    (("models", 0, "route"), "/other"),
    (("models", 0, "cpus"), 2),
    (("models", 0, "weightsGib"), 1),
    (("models", 0, "kvKibPerToken"), 1),
    (("models", 0, "gpuGroup"), SECOND),
    (("models", 0, "revision"), "1" * 40),
    (("models", 0, "drainSeconds"), 200),
    (("models", 0, "replicas"), 2),
    (("models", 0, "stallSeconds"), 60),
    (("models", 0, "api"), {"n": 2}),
    (("models", 0, "allowPickle"), ["*.bin"]),
    (("models", 0, "extraSources"), [{"source": "a/b", "revision": "1" * 40, "use": "model"}]),
    (("models", 0, "engineArgs", "quantization"), "awq_marlin"),
    (("models", 1), {"name": "b", "source": "a/b", "revision": "2" * 40, "gpuGroup": SECOND}),
    (("auth", "users", 2), {"name": "carol"}),
    (("auth", "users", 0, "name"), "carol"),
    (("auth", "users", 0, "role"), "user"),
    (("auth", "tokenMinutes"), 5),
    (("auth", "skipExpiryCheck"), True),
    (("auth", "roles", "a"), {"priority": 1}),
    (("auth", "revokedServiceTokens"), ["a"]),
    (("ray", "upgrade"), "manual"),
    (("ray", "head", "evictable"), True),
    (("serve", "replaceForeign"), True),
    (("serve", "service", "type"), "LoadBalancer"),
    (("serve", "service", "annotations", "a"), "b"),
    (("serve", "service", "nodePort"), 30080),
    (("serve", "service", "loadBalancerClass"), "other"),
    (("serve", "service", "loadBalancerSourceRanges"), ["10.0.0.0/8"]),
    (("serve", "ingress", "host"), "other.example.com"),
    (("serve", "ingress", "className"), "other"),
    (("serve", "ingress", "tlsSecret"), "other"),
    (("serve", "ingress", "annotations", "a"), "b"),
    (("timeouts", "modelReadySeconds"), 60),
    (("operator", "install"), False),
    (("operator", "values", "a"), "b"),
    (("hub", "endpoint"), "https://mirror.example.com"),
    (("hub", "podTemplate", "spec", "hostNetwork"), True),
]


def edited(*edits: tuple[Location, Any]) -> StackSettings:
    """The original settings with values set by path."""
    tree: Any = copy.deepcopy(ORIGINAL)
    for path, value in edits:
        put(tree, path, value)
    return original(**tree)


def hashes_of(settings: StackSettings, image: str = IMAGE) -> dict[str, str]:
    return pod_templates(settings, image).hashes


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before if before[key] != after[key]}


@pytest.mark.parametrize(("path", "value", "pods"), RESTARTING, ids=short)
def test_an_edit_that_needs_new_pods_changes_only_their_hashes(
    path: Location, value: Any, pods: set[str]
) -> None:
    before, after = (
        hashes_of(original()),
        hashes_of(edited((path, value))),
    )
    assert changed(before, after) == pods


@pytest.mark.parametrize(("path", "value"), HARMLESS, ids=short)
def test_an_edit_that_needs_no_new_pods_changes_no_hash(path: Location, value: Any) -> None:
    before, after = (
        hashes_of(original()),
        hashes_of(edited((path, value))),
    )
    assert changed(before, after) == set()


def test_a_different_image_changes_every_hash() -> None:
    before, after = hashes_of(original()), hashes_of(original(), OTHER_IMAGE)
    assert changed(before, after) == EVERY


def test_a_changed_token_changes_every_hash_and_an_unchanged_one_none() -> None:
    """Also for stacks whose state was made before versions were counted."""
    first, second, third = (
        pod_templates(original(), IMAGE, token_version=version).hashes for version in (0, 1, 2)
    )
    assert first == hashes_of(original())
    assert changed(first, second) == changed(second, third) == EVERY


def test_the_order_of_groups_changes_no_hash() -> None:
    turned = original(gpuGroups=list(reversed(ORIGINAL["gpuGroups"])))
    assert hashes_of(turned) == hashes_of(original())


def test_hashes_are_16_hex_digits_for_the_head_and_each_group() -> None:
    hashes = hashes_of(original())
    assert set(hashes) == EVERY
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in hashes.values())


def covers(edit: Location, key: Location) -> bool:
    """Whether an edit is one of the key: of the key itself, of all of it, or of a part of it."""
    shared = min(len(edit), len(key))
    return edit[:shared] == key[:shared]


LISTED = [path for path, _, _ in RESTARTING] + [path for path, _ in HARMLESS]
IN_PODS = {path[0] for path, _, _ in RESTARTING}
# Renaming a group makes a new group, so no hash can be compared.
RENAMING = ("gpuGroups", 0, "name")


@pytest.mark.parametrize("key", [key for key in leaves() if key[0] in IN_PODS], ids=str)
def test_every_key_of_a_section_that_pods_use_is_in_one_of_the_lists(key: Location) -> None:
    assert key == RENAMING or any(covers(edit, key) for edit in LISTED), (
        "add an edit of the key to RESTARTING or to HARMLESS"
    )


@pytest.mark.parametrize("key", [key for key in leaves() if key[0] not in IN_PODS], ids=str)
def test_a_key_of_another_section_changes_no_hash(key: Location) -> None:
    whole = complete(ORIGINAL)
    assert hashes_of(parse(different(whole, key))) == hashes_of(parse(whole))


EDITS = st.lists(
    st.sampled_from([(path, value) for path, value, _ in RESTARTING] + HARMLESS), max_size=4
)


@given(EDITS, EDITS)
def test_hashes_differ_exactly_where_the_pods_of_kuberay_would(
    left: list[tuple[Location, Any]], right: list[tuple[Location, Any]]
) -> None:
    one, other = edited(*left), edited(*right)
    hashes = hashes_of(one), hashes_of(other)
    pods = what_pods_are_made_of(one), what_pods_are_made_of(other)
    assert {key: hashes[0][key] == hashes[1][key] for key in EVERY} == {
        key: pods[0][key] == pods[1][key] for key in EVERY
    }


def what_pods_are_made_of(settings: StackSettings) -> dict[str, str]:
    """Each group of the RayCluster, without its number of pods."""
    built = pod_templates(settings, IMAGE)
    spec = ray_cluster_spec(
        settings,
        PodTemplates(_unhashed(built.head), {k: _unhashed(v) for k, v in built.groups.items()}),
    )
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    groups[HEAD] = spec["headGroupSpec"]
    return {
        name: json.dumps(
            {key: value for key, value in group.items() if not key.lower().endswith("replicas")},
            sort_keys=True,
        )
        for name, group in groups.items()
    }


def _unhashed(built: PodTemplate) -> PodTemplate:
    return dataclasses.replace(built, hash="same")
