"""Objects of others, a renamed context, and an edited name: each ends with the API answering."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.kubectl import Kubectl
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.deployed import NAMESPACE, OPERATOR_NAMESPACE, Config, Deployed

CONTEXT, RENAMED = "rayline-sandbox", "renamed-sandbox"
FOREIGN = "foreign"
CANARY = {"canary": "theirs"}


def theirs() -> list[dict[str, Any]]:
    def of(kind: str, name: str, **more: Any) -> dict[str, Any]:
        place = {} if kind == "Namespace" else {"namespace": FOREIGN}
        metadata = {"name": name, "labels": CANARY, **place}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}

    claim = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "cephfs",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return [
        of("Namespace", FOREIGN),
        of("PersistentVolumeClaim", "model-cache-pvc", spec=claim),
        of("Secret", "auth-config", stringData=CANARY),
        of("ConfigMap", "something", data=CANARY),
    ]


def found(kubectl: Kubectl) -> dict[str, tuple[str, dict[str, str]]]:
    """UID and labels of their objects."""
    kinds = "persistentvolumeclaims,secrets,configmaps"
    items = json.loads(kubectl.run("-n", FOREIGN, "get", kinds, "-l", "canary", "-o", "json"))
    namespace = json.loads(kubectl.run("get", "namespace", FOREIGN, "-o", "json"))
    return {
        f"{item['kind']} {item['metadata']['name']}": (
            item["metadata"]["uid"],
            {"canary": item["metadata"]["labels"]["canary"]},
        )
        for item in [namespace, *items["items"]]
    }


@pytest.fixture
def foreign(kubectl: Kubectl) -> Iterator[None]:
    kubectl.apply(theirs())
    yield
    kubectl.run("delete", "namespace", FOREIGN, timeout=120)


def test_a_second_stack_takes_nothing_and_its_destroy_leaves_everything(
    serving: Deployed, kubectl: Kubectl, user: Client, foreign: None, tmp_path: Path
) -> None:
    """The operator in its way is the first stack's, and so is that one's namespace."""
    second = Deployed.prepared(tmp_path, kubectl)

    def change(config: Config) -> None:
        config["rayline:cluster"]["namespace"] = FOREIGN
        config["rayline:ray"]["name"] = "second"

    second.configure(change)
    before, operator = found(kubectl), serving_operator(kubectl)
    assert len(before) == 4
    for arguments in (("preview",), ("up", "--yes", "--skip-preview")):
        refused = second.run(*arguments, code=1).output
        for name in (
            f"namespace/{FOREIGN}",
            "persistentvolumeclaim/model-cache-pvc",
            "secret/auth-config",
            "deployment/kuberay-operator",
            f"namespace/{OPERATOR_NAMESPACE}",
        ):
            assert name in refused
        assert "pulumi config set --path 'rayline:operator.install' false" in refused
        assert "Traceback" not in refused
    second.run("destroy", "--yes", "--skip-preview")
    assert found(kubectl) == before
    assert serving_operator(kubectl) == operator
    assert user.chat()


def serving_operator(kubectl: Kubectl) -> str:
    read = ("get", "deployment", "kuberay-operator", "-o", "jsonpath={.metadata.uid}")
    return kubectl.run("-n", OPERATOR_NAMESPACE, *read)


@pytest.fixture
def renamed(serving: Deployed, kubectl: Kubectl) -> Iterator[None]:
    """The cluster's context under another name, in the kubeconfig and in the stack."""
    kubectl.run("config", "rename-context", CONTEXT, RENAMED)
    yield
    kubectl.run("config", "rename-context", RENAMED, CONTEXT)
    serving.configure()
    serving.up()


@pytest.mark.long
def test_a_renamed_context_replaces_nothing(
    serving: Deployed, kubectl: Kubectl, user: Client, renamed: None
) -> None:
    pods = serving.pods()
    cluster = serving.get("raycluster", "rayline")["metadata"]["uid"]
    refused = serving.run("preview", code=1).output
    assert f"its contexts are {RENAMED}" in refused

    def change(config: Config) -> None:
        config["rayline:cluster"]["context"] = RENAMED

    serving.configure(change)
    assert set(serving.up().changes.values()) == {"update"}
    assert serving.pods() == pods
    assert serving.get("raycluster", "rayline")["metadata"]["uid"] == cluster
    assert user.chat()
    assert serving.up("--expect-no-changes").changes == {}


@pytest.mark.long
@pytest.mark.parametrize("key", [("rayline:ray", "name"), ("rayline:cluster", "namespace")])
def test_an_edited_name_is_refused_and_taken_back(
    serving: Deployed, user: Client, key: tuple[str, str]
) -> None:
    pods = serving.pods()

    def change(config: Config) -> None:
        config.setdefault(key[0], {})[key[1]] = "other"

    serving.configure(change)
    refused = serving.up(code=1).output
    assert "this stack was deployed with" in refused
    assert "Traceback" not in refused
    assert user.chat()
    serving.configure()
    assert serving.up("--expect-no-changes").changes == {}
    assert serving.pods() == pods
    assert user.chat()


def test_every_object_in_the_namespace_says_whose_it_is(
    serving: Deployed, kubectl: Kubectl
) -> None:
    """Those that have no owner within Kubernetes."""
    kinds = "secrets,services,serviceaccounts,persistentvolumeclaims,jobs,rayclusters"
    items = json.loads(kubectl.run("-n", NAMESPACE, "get", kinds, "-o", "json"))["items"]
    roots = [
        item["metadata"]
        for item in items
        if not item["metadata"].get("ownerReferences") and item["metadata"]["name"] != "default"
    ]
    owners = {metadata.get("annotations", {}).get("rayline.dev/stack") for metadata in roots}
    assert len(roots) >= 6
    assert len(owners) == 1
    assert None not in owners
