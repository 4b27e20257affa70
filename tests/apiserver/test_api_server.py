"""The API server of the tests behaves like a cluster, and ends with the tests."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.apiserver.fixtures import NewApiServer
from tests.apiserver.server import CONTEXT, OTHER_NAME, STRANGER, ApiServer, Refused

pytestmark = pytest.mark.apiserver

ROOT = Path(__file__).parents[2]


def named(
    kind: str, name: str, namespace: str | None = None, version: str = "v1"
) -> dict[str, object]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}}


def test_two_contexts_name_one_cluster_and_another_server_is_another_cluster(
    api_server: ApiServer, other_api_server: ApiServer
) -> None:
    contexts = yaml.safe_load(api_server.kubeconfig.read_text())["contexts"]
    clusters = {entry["name"]: entry["context"]["cluster"] for entry in contexts}
    assert clusters[CONTEXT] == clusters[OTHER_NAME]
    assert STRANGER in clusters
    assert api_server.uid != other_api_server.uid


def test_objects_are_validated_as_kubernetes_does(
    api_server: ApiServer, api_namespace: str
) -> None:
    pod = named("Pod", "p", api_namespace) | {
        "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "tolerations": [{"key": "gpu=true:NoSchedule", "operator": "Exists"}],
        }
    }
    with pytest.raises(Refused) as refused:
        api_server.create(pod, dry_run=True)
    assert refused.value.fields == ["spec.tolerations[0].key"]


def test_kuberays_kinds_are_served(api_server: ApiServer, api_namespace: str) -> None:
    cluster = named("RayCluster", "c", api_namespace, "ray.io/v1")
    with pytest.raises(Refused, match="headGroupSpec"):
        api_server.create(cluster | {"spec": {}}, dry_run=True)
    assert api_server.every("ray.io/v1", "RayService", api_namespace) == []


def test_a_status_is_set_by_hand(api_server: ApiServer, api_namespace: str) -> None:
    pod = named("Pod", "p", api_namespace) | {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    api_server.create(pod)
    api_server.set_status(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    assert api_server.get("v1", "Pod", "p", api_namespace)["status"]["phase"] == "Running"


def test_owned_objects_go_with_their_owner(api_server: ApiServer, api_namespace: str) -> None:
    owner = api_server.create(named("ConfigMap", "owner", api_namespace))
    owned = named("ConfigMap", "owned", api_namespace)
    owned["metadata"]["ownerReferences"] = [  # type: ignore[index]
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    ]
    api_server.create(owned)
    api_server.delete(named("ConfigMap", "owner", api_namespace))
    api_server.until(
        lambda: api_server.find("v1", "ConfigMap", "owned", api_namespace) is None, "collection"
    )


def test_the_stranger_has_no_rights(api_server: ApiServer) -> None:
    kubeconfig = yaml.safe_load(api_server.kubeconfig.read_text())
    (token,) = (u["user"]["token"] for u in kubeconfig["users"] if u["name"] == STRANGER)
    answer = api_server.client.get("/api/v1/pods", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_no_process_outlives_tests_that_are_killed(
    new_api_server: NewApiServer, tmp_path: Path
) -> None:
    program = tmp_path / "test_killed.py"
    program.write_text(
        textwrap.dedent(
            """
            import time
            def test_killed(api_server):
                print("ready", flush=True)
                time.sleep(60)
            """
        )
    )
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "tests.apiserver.fixtures", str(program)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdout is not None
    assert any("ready" in line for line in tests.stdout)
    children = psutil.Process(tests.pid).children()
    names = sorted(child.name() for child in children)
    assert names == ["etcd", "kube-apiserver", "kube-controller-manager"]
    os.kill(tests.pid, signal.SIGKILL)
    tests.wait()
    tests.stdout.close()
    deadline = time.monotonic() + 10
    while any(child.is_running() and child.status() != "zombie" for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
