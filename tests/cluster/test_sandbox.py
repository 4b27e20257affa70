"""The sandbox is a real Kubernetes: workloads for any cluster work on it."""

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.images import build, registry
from sandbox.node import health, layout
from sandbox.settings import Settings
from toolchain.errors import CommandError
from toolchain.paths import CHECKOUT

HELLO = Path(__file__).parent / "images" / "hello"


def pod(name: str, image: str, *command: str, **spec: Any) -> dict[str, Any]:
    """A pod with one container, `main`."""
    container = {"name": "main", "image": image, "command": list(command)}
    container |= spec.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            **spec,
        },
    }


def apply(kubectl: Kubectl, namespace: str, *documents: dict[str, Any]) -> None:
    everything = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    kubectl.run("-n", namespace, "apply", "-f", "-", given=json.dumps(everything))


def wait(kubectl: Kubectl, namespace: str, condition: str, what: str, seconds: int = 90) -> None:
    kubectl.run(
        *("-n", namespace, "wait", f"--for={condition}", f"--timeout={seconds}s", what),
        timeout=seconds + 10,
    )


def test_the_node_is_ready_and_looks_like_a_gpu_node(kubectl: Kubectl) -> None:
    node = json.loads(kubectl.run("get", "node", layout.NODE_NAME, "-o", "json"))
    conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert node["metadata"]["labels"]["node.deckhouse.io/group"] == "w-gpu"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.3"


def test_every_component_is_healthy(sandbox_up: None, restarts: dict[str, int]) -> None:
    rows = health.rows(Settings())
    assert {row.name: row.health for row in rows if not row.ok} == {}
    assert {row.name: row.restarts for row in rows} == restarts


@pytest.fixture(scope="module")
def hello_image(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image built by BuildKit from the base image and pushed to the registry."""
    context = tmp_path_factory.mktemp("hello")
    text = (HELLO / "Dockerfile").read_text().replace("ARG BASE\n", "")
    (context / "Dockerfile").write_text(text.replace("${BASE}", images["base"]))
    (context / "index.html").write_bytes((HELLO / "index.html").read_bytes())
    reference = f"{Settings().registry}/rayline-test/hello:{time.time_ns()}"
    buildctl = paths.BIN / "buildctl"
    assert build.ensure(reference, context, buildctl, context / "build.log")
    assert registry.digest(reference)
    assert not build.ensure(reference, context, buildctl, context / "build.log")
    return reference


def test_a_deployment_answers_by_name_from_another_pod(
    kubectl: Kubectl, namespace: str, hello_image: str, images: dict[str, str]
) -> None:
    labels = {"app": "hello"}
    container = {
        "name": "main",
        "image": hello_image,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    apply(
        kubectl,
        namespace,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "hello"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hello"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    )
    wait(kubectl, namespace, "condition=Available", "deployment/hello")
    url = f"http://hello.{namespace}.svc.cluster.local/"
    apply(kubectl, namespace, pod("ask", images["base"], "wget", "-q", "-O-", "-T5", url))
    wait(kubectl, namespace, "jsonpath={.status.phase}=Succeeded", "pod/ask")
    assert kubectl.run("-n", namespace, "logs", "ask") == "hello from a pod\n"
    # And from the host, by the Service's address.
    service = json.loads(kubectl.run("-n", namespace, "get", "service", "hello", "-o", "json"))
    with urllib.request.urlopen(f"http://{service['spec']['clusterIP']}/", timeout=5) as answer:
        assert answer.read() == b"hello from a pod\n"


def test_a_pod_reaches_itself_through_its_service(
    kubectl: Kubectl, namespace: str, hello_image: str
) -> None:
    server = pod("self", hello_image)
    del server["spec"]["containers"][0]["command"]
    apply(
        kubectl,
        namespace,
        server,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "myself"},
            "spec": {"selector": {"app": "self"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    )
    wait(kubectl, namespace, "condition=Ready", "pod/self")
    command = ("exec", "self", "--", "wget", "-q", "-O-", "-T5", "-t20", "--retry-connrefused")
    assert kubectl.run("-n", namespace, *command, "http://myself/") == "hello from a pod\n"


def test_a_cephfs_claim_binds_and_is_shared(
    kubectl: Kubectl, namespace: str, images: dict[str, str]
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "model-cache-pvc"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "cephfs",
            "resources": {"requests": {"storage": "200Gi"}},
        },
    }
    volumes: dict[str, Any] = {
        "volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": "model-cache-pvc"}}],
        "container": {"volumeMounts": [{"name": "m", "mountPath": "/data/model-cache"}]},
    }
    base = images["base"]
    apply(
        kubectl,
        namespace,
        claim,
        pod("write", base, "sh", "-c", "id -u > /data/model-cache/who", **volumes),
    )
    wait(kubectl, namespace, "jsonpath={.status.phase}=Bound", "pvc/model-cache-pvc")
    wait(kubectl, namespace, "jsonpath={.status.phase}=Succeeded", "pod/write")
    apply(kubectl, namespace, pod("read", base, "cat", "/data/model-cache/who", **volumes))
    wait(kubectl, namespace, "jsonpath={.status.phase}=Succeeded", "pod/read")
    assert kubectl.run("-n", namespace, "logs", "read") == "1000\n"


def test_a_claim_without_a_class_gets_the_default(kubectl: Kubectl, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "any"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    apply(kubectl, namespace, claim)
    wait(kubectl, namespace, "jsonpath={.status.phase}=Bound", "pvc/any")
    volume = kubectl.run("-n", namespace, "get", "pvc", "any", "-o", "jsonpath={.spec.volumeName}")
    folder = paths.STATE / "volumes" / volume
    assert folder.is_dir()
    kubectl.run("-n", namespace, "delete", "pvc", "any")
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not folder.exists()


def test_logs_and_exec(kubectl: Kubectl, namespace: str, images: dict[str, str]) -> None:
    apply(kubectl, namespace, pod("talk", images["base"], "sh", "-c", "echo said; sleep 300"))
    wait(kubectl, namespace, "condition=Ready", "pod/talk")
    assert kubectl.run("-n", namespace, "logs", "talk") == "said\n"
    assert kubectl.run("-n", namespace, "exec", "talk", "--", "id", "-un") == "ray\n"
    with pytest.raises(CommandError, match="exit code 3"):
        kubectl.run("-n", namespace, "exec", "talk", "--", "sh", "-c", "exit 3")


def test_gpus_are_counted(kubectl: Kubectl, namespace: str, images: dict[str, str]) -> None:
    def asking(name: str, gpus: int) -> dict[str, Any]:
        wants = {"resources": {"limits": {"nvidia.com/gpu": gpus}}}
        selector = {"node.deckhouse.io/group": "w-gpu"}
        return pod(name, images["base"], "sleep", "300", container=wants, nodeSelector=selector)

    apply(kubectl, namespace, asking("three", 3))
    wait(kubectl, namespace, "condition=Ready", "pod/three")
    apply(kubectl, namespace, asking("two", 2))
    wait(kubectl, namespace, "condition=PodScheduled=False", "pod/two")
    why = kubectl.run("-n", namespace, "get", "pod", "two", "-o", "json")
    assert "Insufficient nvidia.com/gpu" in why
    kubectl.run("-n", namespace, "delete", "pod", "three")
    wait(kubectl, namespace, "condition=Ready", "pod/two")


def test_status_prints_every_component_and_the_kubeconfig(sandbox_up: None) -> None:
    done = subprocess.run(
        ["make", "-s", "sandbox-status"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["COMPONENT", "HEALTH", "PID", "MEMORY", "RESTARTS", "ADDRESS"]
    assert lines[-1] == f"export KUBECONFIG='{paths.KUBECONFIG}'"
