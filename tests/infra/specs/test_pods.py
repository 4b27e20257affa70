"""Details of the pod templates whose effect shows only in a shell, a kernel or a kubelet."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import restore
from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Spec, names, pod_parts, pods, worker_lifecycle
from tests.infra.specs.original import IMAGE, ORIGINAL, original

FIRST, SECOND = ORIGINAL["gpuGroups"]


def group(**changes: object) -> tuple[StackSettings, GpuGroup]:
    """The original settings with the first group changed, and that group."""
    settings = original(gpuGroups=[{**FIRST, **changes}, SECOND])
    return settings, settings.gpu_groups[0]


def worker(**changes: object) -> Spec:
    settings, changed = group(**changes)
    return pods.worker_template(settings, changed, IMAGE)


def both() -> list[Spec]:
    settings = original()
    workers = [pods.worker_template(settings, one, IMAGE) for one in settings.gpu_groups]
    return [pods.head_template(settings, IMAGE), *workers]


def env_of(template: Spec) -> dict[str, str]:
    return {
        entry["name"]: entry.get("value", "") for entry in template["spec"]["containers"][0]["env"]
    }


def test_the_restricted_pod_security_standard_is_met() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/
    for pod in (template["spec"] for template in both()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}
        assert kinds <= {"persistentVolumeClaim", "emptyDir", "secret", "configMap"}
        assert pod["automountServiceAccountToken"] is False


def test_no_secret_is_in_any_environment_and_users_are_in_workers_alone() -> None:
    head, *workers = both()
    _ray, restoring = head["spec"]["containers"]
    assert "secretKeyRef" not in json.dumps(head)
    assert "env" not in restoring
    secrets = [v["secret"]["secretName"] for v in head["spec"]["volumes"] if "secret" in v]
    assert secrets == ["deepseek-raycluster-token"]
    mounted = {each["name"]: each for each in restoring["volumeMounts"]}
    assert set(mounted) == {"wanted-applications", "ray-token"}
    # With subPath the files would never change in a running pod.
    assert all(each["readOnly"] and "subPath" not in each for each in mounted.values())
    assert mounted["wanted-applications"]["mountPath"] == str(restore.FOLDER)
    assert mounted["ray-token"]["mountPath"] == str(restore.TOKEN_FILE.parent)
    assert str(restore.TOKEN_FILE) == names.RAY_TOKEN_FILE
    for template in workers:
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        (auth,) = [mount for mount in mounts if mount["mountPath"] == names.AUTH_MOUNT]
        # With subPath the files would never change in a running pod.
        assert auth == {"name": "auth", "mountPath": names.AUTH_MOUNT, "readOnly": True}
        assert all(
            "valueFrom" not in e or e["name"] == "MY_POD_IP"
            for e in template["spec"]["containers"][0]["env"]
        )


def test_secret_files_are_readable_to_the_group_that_owns_them() -> None:
    volume = next(v for v in worker()["spec"]["volumes"] if v["name"] == "auth")
    assert volume["secret"] == {"secretName": "auth-config", "defaultMode": 0o440}
    assert worker()["spec"]["securityContext"]["fsGroup"] == pod_parts.GROUP_ID


def test_the_cache_is_written_by_downloads_alone() -> None:
    for template in both():
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        (cache,) = [mount for mount in mounts if mount["mountPath"] == names.CACHE_MOUNT]
        assert cache["readOnly"] is True
        # Transformers would make its folder of modules inside of HF_HOME.
        assert not env_of(template)["HF_MODULES_CACHE"].startswith(names.CACHE_MOUNT)


def test_resources_reach_ray_as_json_through_kuberays_shell() -> None:
    settings, changed = group(name="a-b")
    params = pods.worker_start_params(settings, changed)
    # As KubeRay writes it into the command line of bash (pod.go, convertParamMap) ...
    command = " ".join(f"--{key}={value}" for key, value in params.items())
    shown = subprocess.run(
        ["/bin/bash", "-c", f"printf '%s\\n' {command}"],
        env={"MY_POD_IP": "10.1.2.3"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    read = dict(argument.removeprefix("--").split("=", 1) for argument in shown)
    assert json.loads(read["resources"]) == {"a-b": 1000, "rayline_worker": 1000}
    assert read["node-ip-address"] == "10.1.2.3"
    # ... and as it reads it itself (getResourcesMap).
    assert json.loads(params["resources"].strip("'\"` ")) == json.loads(read["resources"])


def test_ray_counts_the_cards_of_the_group_under_any_resource_name() -> None:
    settings, changed = group(gpu={**FIRST["gpu"], "count": 2, "resource": "amd.com/card"})
    assert pods.worker_start_params(settings, changed)["num-gpus"] == "2"
    limits = pods.worker_template(settings, changed, IMAGE)["spec"]["containers"][0]["resources"]
    assert limits["limits"]["amd.com/card"] == limits["requests"]["amd.com/card"] == "2"


def test_with_vllm_for_the_cpu_ray_counts_no_cards() -> None:
    settings = original(image={"repository": "r/x", "device": "cpu"})
    params = pods.worker_start_params(settings, settings.gpu_groups[0])
    assert params["num-gpus"] == "0"


def test_a_group_without_cards_requests_none() -> None:
    limits = worker(gpu={**FIRST["gpu"], "count": 0})["spec"]["containers"][0]["resources"]
    assert limits["limits"] == {"cpu": "16", "memory": "24G"}


@pytest.mark.parametrize(
    ("shared", "store"), [("8Gi", 4 * 2**30), ("1G", 500_000_000), ("1Mi", 75 * 2**20)]
)
def test_rays_objects_take_half_of_the_shared_memory(shared: str, store: int) -> None:
    settings, changed = group(sharedMemory=shared)
    assert pods.worker_start_params(settings, changed)["object-store-memory"] == str(store)


def test_dev_shm_is_as_large_as_configured() -> None:
    spec = worker(sharedMemory="3Gi")["spec"]
    volume = next(v for v in spec["volumes"] if v["name"] == "shared-mem")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "3Gi"}
    assert {"name": "shared-mem", "mountPath": "/dev/shm"} in spec["containers"][0]["volumeMounts"]


@pytest.mark.parametrize(("drain", "grace"), [(1, 300), (120, 300), (240, 300), (241, 600)])
def test_a_worker_has_time_to_drain(drain: int, grace: int) -> None:
    settings = original(models=[{**ORIGINAL["models"][0], "drainSeconds": drain}])
    first, second = settings.gpu_groups
    assert pods.grace_seconds(settings, first) == grace
    assert grace >= drain + pods.STOP_MARGIN_SECONDS
    assert pods.grace_seconds(settings, second) == 300


def hook(
    processes: Path, ray: str, address: str = "127.0.0.1:1", more: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs the hook with a fake `ray`, after `more`, and with files instead of those of /proc:
    `processes`, and `tcp` beside it."""
    script = worker_lifecycle.drain_script()
    files = {
        "/proc/[0-9]*/cmdline": str(processes),
        "/proc/net/tcp ": f"{processes.with_name('tcp')} ",
        "/proc/net/tcp6 ": "/nowhere ",
        "sleep 1\n": "sleep 0.1\n",
    }
    for real, fake in files.items():
        assert real in script
        script = script.replace(real, fake)
    fakes = f'{more}\ntimeout() {{ shift; "$@"; }}\nray() {{\n{ray}\n}}'
    return subprocess.run(
        ["/bin/bash", "-c", f"{fakes}\n{script}"],
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SCRIPT = worker_lifecycle.drain_script()
REPLICA = "ray::ServeReplica:Dolphin3.0:VLLMDeployment.perform_graceful_shutdown"
PROXY = "ray::HAProxyManager.is_drained"


@pytest.fixture
def head() -> Iterator[str]:
    """The address of a head that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("name", [REPLICA, PROXY])
def test_a_worker_leaves_when_its_last_replica_and_its_proxy_have(
    name: str, tmp_path: Path, head: str
) -> None:
    process = tmp_path / "cmdline"
    process.write_text(name)
    asked = tmp_path / "asked"
    end = f'echo "$@" > {asked}; (sleep 0.5; rm {process}) &'
    assert hook(process, end, head).returncode == 0
    assert not process.exists()
    assert "--deadline-remaining-seconds 0" in asked.read_text()


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 1 1
"""
MINE, OTHER = "0A40D50A:7531", "0B40D50A:C350"


@pytest.mark.parametrize("name", [REPLICA, PROXY])
@pytest.mark.parametrize("announce", ["return 0", "return 3"], ids=["lost", "absent"])
def test_a_worker_without_a_head_leaves_when_no_request_is_open(
    announce: str, name: str, tmp_path: Path
) -> None:
    """Nobody would end its replica or its proxy."""
    process = tmp_path / "cmdline"
    process.write_text(name)
    # A client's connection that is idle, a probe that has ended, and a port of Ray.
    idle = (("1F40", "01"), ("7531", "06"), ("2AF8", "01"), ("7919", "01"), ("752F", "01"))
    (tmp_path / "tcp").write_text(
        "".join(TCP.format(local=f"0A40D50A:{p}", remote=OTHER, state=s) for p, s in idle)
    )
    assert hook(process, announce).returncode == 0
    assert process.exists()


@pytest.mark.parametrize(("local", "remote"), [(MINE, OTHER), (OTHER, MINE)], ids=["in", "out"])
def test_a_worker_without_a_head_waits_for_open_requests(
    local: str, remote: str, tmp_path: Path
) -> None:
    process, tcp = tmp_path / "cmdline", tmp_path / "tcp"
    process.write_text(PROXY)
    tcp.write_text(TCP.format(local=local, remote=remote, state="01"))
    began = time.monotonic()
    assert hook(process, f"(sleep 3; rm {tcp}) &").returncode == 0
    assert time.monotonic() - began > 3


def test_a_worker_does_not_wait_for_a_head_that_replaced_its_own(tmp_path: Path, head: str) -> None:
    """Its controller does not know this worker's proxy, and never ends it."""
    process = tmp_path / "cmdline"
    process.write_text(PROXY)
    changes = 'getent() { echo "10.0.0.$RANDOM"; }'
    assert hook(process, "return 0", head, changes).returncode == 0
    assert process.exists()


def test_the_hook_does_not_wait_for_itself() -> None:
    patterns = [f"ray::{each}" for each in re.findall(r"has '([^']+)'", SCRIPT)]
    for name, pattern in zip((REPLICA, PROXY), patterns, strict=True):
        assert re.search(pattern, name)
        assert not re.search(pattern, SCRIPT)


def test_a_toleration_without_a_value_accepts_any() -> None:
    spec = worker(tolerations=[{"key": "a"}, {"key": "b", "value": "c", "effect": "NoExecute"}])
    assert spec["spec"]["tolerations"] == [
        {"key": "a", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "b", "operator": "Equal", "value": "c", "effect": "NoExecute"},
    ]


def test_placement_that_is_not_configured_is_absent() -> None:
    spec = worker(nodeGroup=None, tolerations=[], spread=False)["spec"]
    assert {"nodeSelector", "affinity", "tolerations"}.isdisjoint(spec)


def test_a_group_without_a_component_gets_its_own() -> None:
    template = worker(labels={})
    assert template["metadata"]["labels"]["component"] == "ray-worker-rtx-3090"
    assert "'values': ['ray-worker-rtx-3090']" in str(template["spec"]["affinity"])


def test_environment_is_layered() -> None:
    settings = original(
        ray={**ORIGINAL["ray"], "env": {"A": "ray", "B": "ray"}, "head": {"env": {"A": "head"}}},
        gpuGroups=[{**FIRST, "env": {"B": "group"}}],
    )
    head = env_of(pods.head_template(settings, IMAGE))
    mine = env_of(pods.worker_template(settings, settings.gpu_groups[0], IMAGE))
    assert (head["A"], head["B"]) == ("head", "ray")
    assert (mine["A"], mine["B"]) == ("ray", "group")
    assert mine["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in head


def test_a_program_in_go_writes_the_pods_as_they_were_read() -> None:
    """KubeRay adds a finalizer to a RayService and writes all of it, without what is empty. The
    next `up` would find a change."""
    wanted = original(
        ray={**ORIGINAL["ray"], "env": {"B": ""}}, gpuGroups=[{**FIRST, "env": {"C": ""}}, SECOND]
    )
    groups = [pods.worker_template(wanted, group, IMAGE) for group in wanted.gpu_groups]
    for template in (pods.head_template(wanted, IMAGE), *groups):
        assert list(empty(template)) == []


def empty(value: Any, place: str = "") -> Iterator[str]:
    """Places of empty texts, empty lists and nulls."""
    if value in ("", []) or value is None:
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empty(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from empty(inner, f"{place}[{number}]")
