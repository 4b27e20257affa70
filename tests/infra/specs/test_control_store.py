"""Where Ray's control store is, and that no two clusters have the same one."""

import re
from typing import Any

import pytest

from infra.settings import StackSettings
from infra.specs import Spec, control_store, manifests, names, ownership, pods
from infra.specs.pod_templates import pod_templates
from tests.infra.specs.original import IMAGE, original
from tests.stacks import settings

SHARED: dict[str, Any] = {"storage": {"existing": True, "storageClass": None}}
OFF: dict[str, Any] = {"ray": {"faultTolerance": {"enabled": False}}}


def head(stack: StackSettings) -> Spec:
    return dict(pods.head_template(stack, IMAGE)["spec"])


def variables(stack: StackSettings) -> dict[str, Any]:
    return {entry["name"]: entry for entry in head(stack)["containers"][0]["env"]}


def claim_of(stack: StackSettings) -> str:
    (volume,) = [each for each in head(stack)["volumes"] if each["name"] == "ray-store"]
    return str(volume["persistentVolumeClaim"]["claimName"])


def mount_of(stack: StackSettings) -> Spec:
    mounts = head(stack)["containers"][0]["volumeMounts"]
    (mount,) = [each for each in mounts if each["name"] == "ray-store"]
    return dict(mount)


def claims(stack: StackSettings) -> list[str]:
    found = [each for each in manifests.manifests(stack) if each["kind"] == "PersistentVolumeClaim"]
    return [each["metadata"]["name"] for each in found]


def test_each_ray_cluster_has_a_folder_and_so_has_each_version_of_ray() -> None:
    """The cluster's name is the one that KubeRay gave it: a RayService makes several."""
    found = variables(original())
    label = found["RAYLINE_CLUSTER"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert label == f"metadata.labels['{names.CLUSTER_LABEL}']"
    path = found["RAY_gcs_storage_path"]["value"]
    assert path == "/data/ray-store/$(RAYLINE_CLUSTER)-2.60.0-$(RAYLINE_RAY_TOKEN_VERSION)"
    # Kubernetes replaces only what precedes a variable.
    order = list(found)
    for name in ("RAYLINE_CLUSTER", "RAYLINE_RAY_TOKEN_VERSION"):
        assert order.index(name) < order.index("RAY_gcs_storage_path")
    newer = variables(original(ray={"version": "2.61.0"}))
    assert newer["RAY_gcs_storage_path"]["value"] != path
    assert path.startswith(mount_of(original())["mountPath"])


def test_each_token_of_ray_has_a_folder() -> None:
    """Pods of the former token would refuse the head, which would wait for them."""
    field = variables(original())["RAYLINE_RAY_TOKEN_VERSION"]["valueFrom"]["fieldRef"]["fieldPath"]
    name = re.fullmatch(r"metadata\.annotations\['(.+)'\]", field)
    assert name
    templates = [pod_templates(original(), "image", token_version=version) for version in (0, 1)]
    for version, each in enumerate(templates):
        assert each.head.annotated()["metadata"]["annotations"][name[1]] == str(version)
        assert all(name[1] not in str(group.annotated()) for group in each.groups.values())
    without = settings(ray__faultTolerance__enabled=False)
    assert name[1] not in str(pod_templates(without, "image").head.annotated())


def test_it_has_a_claim_of_its_own_in_the_class_of_the_weights() -> None:
    stack = settings(storage__storageClass="cephfs")
    claim = control_store.claim(stack)
    assert claim["spec"]["storageClassName"] == "cephfs"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim_of(stack) == claim["metadata"]["name"]
    assert claims(stack) == [stack.storage.claim, claim["metadata"]["name"]]
    assert "subPath" not in mount_of(stack)
    assert "initContainers" not in head(stack)


def test_a_class_of_its_own_may_be_for_one_node() -> None:
    stack = settings(ray__faultTolerance__storageClass="rbd")
    spec = control_store.claim(stack)["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("rbd", ["ReadWriteOnce"])


@pytest.mark.parametrize(
    ("stack", "claim"),
    [
        (settings(storage__existing=True), "model-cache-pvc"),
        (settings(ray__faultTolerance__existingClaim="mine"), "mine"),
    ],
    ids=["the weights'", "another"],
)
def test_in_a_claim_of_others_it_has_a_folder_and_the_head_sees_nothing_else(
    stack: StackSettings, claim: str
) -> None:
    assert claim_of(stack) == claim
    assert mount_of(stack)["subPath"] == "ray-store"
    assert names.control_store(stack) not in claims(stack)
    (maker,) = head(stack)["initContainers"]
    (whole,) = maker["volumeMounts"]
    assert whole["name"] == "ray-store"
    assert maker["command"][-1] == f"{whole['mountPath']}/ray-store"


def test_who_does_not_want_it_has_no_trace_of_it() -> None:
    stack = original(ray={"faultTolerance": {"enabled": False}})
    assert "ray-store" not in str(head(stack))
    assert not [name for name in variables(stack) if name.startswith(("RAYLINE", "RAY_gcs"))]
    for group in stack.gpu_groups:
        worker = pods.worker_template(stack, group, IMAGE)
        assert "RAY_gcs" not in str(worker)
    assert names.control_store(stack) not in str(manifests.manifests(stack))


def test_workers_wait_ten_minutes_for_the_next_head() -> None:
    stack = original()
    for group in stack.gpu_groups:
        container = pods.worker_template(stack, group, IMAGE)["spec"]["containers"][0]
        waits = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert waits["RAY_gcs_rpc_server_reconnect_timeout_s"] == "600"
        assert "RAY_gcs_storage" not in waits


def test_the_claim_is_planned_for_ownership_and_not_that_of_others() -> None:
    def planned(stack: StackSettings) -> list[str]:
        found = ownership.planned(stack, [], download_secret=False)
        return [each["name"] for each in found if each["kind"] == "PersistentVolumeClaim"]

    assert names.control_store(settings()) in planned(settings())
    assert planned(settings(storage__existing=True)) == []
