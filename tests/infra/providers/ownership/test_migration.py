"""docs/how-to/migrate.md with the objects of the original deployment, as its tools made them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver.server import CONTEXT, ApiServer
from tests.commands import advised
from tests.infra.providers.ownership.live import DIGEST, STACK, LiveStack, controllers, made
from tests.stacks import committed

pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

NAMESPACE = "kuberay-projects"
RAY = "deepseek-raycluster"


def pod(component: str) -> dict[str, Any]:
    container = {
        "name": component,
        "image": "registry.example.com/vllm:1.1.2",
        "envFrom": [{"secretRef": {"name": "auth-config"}}],
    }
    return {
        "metadata": {"labels": {"component": component}},
        "spec": {"serviceAccountName": "sa-deepseek-cluster", "containers": [container]},
    }


def original() -> list[dict[str, Any]]:
    """The original deployment's objects: docs/origin.md."""

    def of(kind: str, name: str, version: str = "v1", **more: Any) -> dict[str, Any]:
        place = {} if kind == "Namespace" else {"namespace": NAMESPACE}
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **more}

    claim = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "cephfs",
        "resources": {"requests": {"storage": "200Gi"}},
    }
    group = {
        "groupName": "rtx-3090",
        "replicas": 2,
        "minReplicas": 2,
        "maxReplicas": 2,
        "rayStartParams": {"node-ip-address": "$MY_POD_IP"},
        "template": pod("ray-worker"),
    }
    head = {"rayStartParams": {"num-cpus": "0"}, "template": pod("ray-head")}
    spec = {"rayVersion": "2.42.0", "headGroupSpec": head, "workerGroupSpecs": [group]}
    return [
        of("Namespace", NAMESPACE),
        of("PersistentVolumeClaim", "model-cache-pvc", spec=claim),
        of("Secret", "auth-config", stringData={"JWT_KEY": "old", "USER_LIST": "ALICE, BOB"}),
        of("ServiceAccount", "sa-deepseek-cluster"),
        of("RayCluster", RAY, "ray.io/v1", spec=spec),
    ]


@pytest.fixture(params=["apply", "apply --server-side --field-manager=argocd-controller"])
def hand_made(
    request: pytest.FixtureRequest, api_server: ApiServer, api_server_binaries: dict[str, Path]
) -> Iterator[dict[str, str]]:
    """UIDs by kind, of objects that kubectl or Argo CD made."""
    command = [str(api_server_binaries["kubectl"]), "--context", CONTEXT, *request.param.split()]
    subprocess.run(
        [*command, "--kubeconfig", str(api_server.kubeconfig), "-f", "-"],
        input=yaml.safe_dump_all(original()),
        text=True,
        check=True,
    )
    yield uids(api_server)
    api_server.delete(original()[0])


def uids(api_server: ApiServer) -> dict[str, str]:
    return {
        each["kind"]: api_server.get(
            each["apiVersion"], each["kind"], each["metadata"]["name"], NAMESPACE
        )["metadata"]["uid"]
        for each in original()
    }


def test_the_original_deployment_is_taken_over_and_given_back(
    hand_made: dict[str, str], api_server: ApiServer, tmp_path: Path
) -> None:
    stack: LiveStack = made(api_server, tmp_path)
    values = committed("prod", image={"ref": DIGEST}, cluster__context=CONTEXT)
    values["operator"] = {"install": False}
    stack.use(values)
    refused = stack.run("preview", fails=True)
    lines = [line for line in refused.splitlines() if "list them instead" in line]
    assert len(advised(lines[0])) == len(original())
    for command in advised(lines[0]):
        stack.typed(command)
    with controllers(api_server, NAMESPACE):
        stack.up()
        assert uids(api_server) == hand_made
        cluster = api_server.get("ray.io/v1", "RayCluster", RAY, NAMESPACE)
        assert cluster["spec"]["rayVersion"] == "2.60.0"
        owner = stack.resource("Ownership")["outputs"]["stack_id"]
        assert cluster["metadata"]["annotations"][STACK] == owner
        assert set(stack.operations()) == {"same"}
        stack.destroy()
        assert uids(api_server) == hand_made, "listed objects are not deleted"
        for each in original():
            left = api_server.get(
                each["apiVersion"], each["kind"], each["metadata"]["name"], NAMESPACE
            )
            assert STACK not in left["metadata"].get("annotations", {})
        stack.up()
        stack.typed("pulumi config rm --path 'rayline:cluster.adopt'")
        stack.up()
        assert uids(api_server) == hand_made
        stack.destroy()
    claim = api_server.get("v1", "PersistentVolumeClaim", "model-cache-pvc", NAMESPACE)
    assert claim["metadata"]["uid"] == hand_made["PersistentVolumeClaim"], "it is protected"
    assert api_server.find("ray.io/v1", "RayCluster", RAY, NAMESPACE) is None
    assert api_server.find("v1", "Secret", "auth-config", NAMESPACE) is None
