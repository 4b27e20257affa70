"""The folder for compiled kernels: who gets it, and what may be written through it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.settings import StackSettings
from infra.specs import Spec, kernel_cache, names, pods
from tests.apiserver.server import ApiServer, Refused
from tests.infra.specs.original import IMAGE, original

CPU = {"repository": "registry.example.com/llm", "device": "cpu"}


def workers(settings: StackSettings) -> list[Spec]:
    made = [pods.worker_template(settings, group, IMAGE) for group in settings.gpu_groups]
    return [template["spec"] for template in made]


def made(kind: str, name: str, namespace: str | None = None) -> Spec:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **where}}


def folders(pod: Spec) -> list[dict[str, Any]]:
    mounts = pod["containers"][0]["volumeMounts"]
    return [mount for mount in mounts if mount["mountPath"] == names.KERNEL_CACHE_MOUNT]


def variables(pod: Spec) -> set[str]:
    return {entry["name"] for entry in pod["containers"][0]["env"]}


def test_each_group_of_each_cluster_has_its_own_folder_of_the_claim() -> None:
    found = [mount for pod in workers(original()) for mount in folders(pod)]
    paths = [mount["subPath"] for mount in found]
    assert paths == [f"kernel-cache/deepseek-raycluster/rtx-{card}" for card in (3090, 3060)]
    other = workers(original(ray={"name": "second"}))
    assert not {mount["subPath"] for pod in other for mount in folders(pod)} & set(paths)


def test_it_is_all_that_a_running_worker_may_write_in_the_claim() -> None:
    for pod in workers(original()):
        writable = [
            mount
            for mount in pod["containers"][0]["volumeMounts"]
            if mount["name"] == "model-cache" and not mount.get("readOnly")
        ]
        assert writable == folders(pod)


def test_the_head_replicas_on_the_cpu_and_who_does_not_want_it_have_none() -> None:
    head = pods.head_template(original(), IMAGE)["spec"]
    without = [
        head,
        *workers(original(image=CPU)),
        *workers(original(storage={"existing": True, "kernelCache": False})),
    ]
    for pod in without:
        assert folders(pod) == []
        made = [container["name"] for container in pod.get("initContainers", ())]
        assert kernel_cache.INIT_CONTAINER not in made
        assert "KERNEL_CACHE" not in variables(pod)


def test_its_init_container_makes_the_folder_and_never_keeps_a_pod_from_starting(
    tmp_path: Path,
) -> None:
    (container,) = workers(original())[0]["initContainers"]
    mount = names.CACHE_MOUNT
    *shell, folder = container["command"]
    made = tmp_path / "claim" / Path(folder).relative_to(mount)
    assert folder == f"{mount}/{folders(workers(original())[0])[0]['subPath']}"
    (tmp_path / "claim").mkdir()
    for _ in range(2):
        subprocess.run([*shell, str(made)], check=True)
        assert made.is_dir()
    (tmp_path / "file").touch()
    subprocess.run([*shell, str(tmp_path / "file" / "below")], check=True, capture_output=True)


def test_its_init_container_states_its_resources_because_quotas_demand_them() -> None:
    (container,) = workers(original())[0]["initContainers"]
    assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.apiserver
def test_a_namespace_with_the_restricted_standard_accepts_workers(api_server: ApiServer) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    namespace = made("Namespace", "restricted-kernels")
    namespace["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    api_server.create(namespace)
    try:
        account = names.service_account(original())
        api_server.create(made("ServiceAccount", account, "restricted-kernels"))
        for spec in workers(original()):
            pod = made("Pod", "worker", "restricted-kernels") | {"spec": spec}
            api_server.create(pod, dry_run=True)
            spec["initContainers"][0]["securityContext"] = {"runAsUser": 0, "runAsNonRoot": False}
            with pytest.raises(Refused, match="violates PodSecurity"):
                api_server.create(pod, dry_run=True)
    finally:
        api_server.call("DELETE", api_server.path_of(namespace))
