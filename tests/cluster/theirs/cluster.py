"""Makes the sandbox look like another company's cluster, and takes that back."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from infra.providers.crds import KINDS
from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import files, layout
from tests.cluster.main_job.deployed import OPERATOR_NAMESPACE

CONTEXT = "their-cluster"
NAMESPACE = "llm"
RUNTIME_CLASS = "nvidia"
TAINT = "nvidia.com/gpu"
BUILDER = "builder"
OTHERS = "another-team"
"""A namespace of somebody else, with a ConfigMap that nobody may touch."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
CRDS = tuple(f"{kind}.ray.io" for kind in KINDS)


def kubeconfig(home: Path) -> Path:
    """A kubeconfig with another context, another user's name and its keys inside; the
    current context is another one, of a cluster that does not answer."""
    content = yaml.safe_load(paths.KUBECONFIG.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    cluster["certificate-authority-data"] = _inside(cluster.pop("certificate-authority"))
    for name in ("client-certificate", "client-key"):
        user[f"{name}-data"] = _inside(user.pop(name))
    elsewhere = {"server": "https://127.0.0.1:9"}
    whole = {
        **content,
        "clusters": [{"name": "k1", "cluster": cluster}, {"name": "k2", "cluster": elsewhere}],
        "users": [{"name": "alice@example.com", "user": user}],
        "contexts": [_context("elsewhere", "k2"), _context(CONTEXT, "k1")],
        "current-context": "elsewhere",
    }
    file = home / ".kube/config"
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(whole))
    return file


def _context(name: str, cluster: str) -> dict[str, Any]:
    return {"name": name, "context": {"cluster": cluster, "user": "alice@example.com"}}


def _inside(file: str) -> str:
    return base64.b64encode(Path(file).read_bytes()).decode()


def buildx_instance(home: Path) -> None:
    """Write what `docker buildx create --name builder --driver remote ADDRESS` writes."""
    content = files.buildx_instance()
    content["Name"] = BUILDER
    content["Nodes"][0]["Name"] = f"{BUILDER}0"
    file = home / ".docker/buildx/instances" / BUILDER
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))


@contextmanager
def made_theirs(kubectl: Kubectl) -> Iterator[None]:
    """No KubeRay, no default storage class, a tainted node, a runtime class, and another team."""
    ours = ("get", "namespace", OPERATOR_NAMESPACE, NAMESPACE, "--ignore-not-found", "-o", "name")
    assert kubectl.run(*ours) == "", "another deployment of rayline is on the sandbox"
    if crds := kubectl.run("get", "crd", *CRDS, "--ignore-not-found", "-o", "name").split():
        assert kubectl.run("get", "rayclusters", "-A", "-o", "name") == ""
        kubectl.run("delete", *crds, timeout=120)
    classes = kubectl.run("get", "storageclass", "-o", "json")
    defaults = [
        f"storageclass/{each['metadata']['name']}"
        for each in json.loads(classes)["items"]
        if each["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true"
    ]
    with ExitStack() as undo:
        undo.callback(kubectl.run, "taint", "node", layout.NODE_NAME, f"{TAINT}-")
        kubectl.run("taint", "node", layout.NODE_NAME, f"{TAINT}=present:NoSchedule", "--overwrite")
        for each in defaults:
            undo.callback(kubectl.run, "annotate", each, f"{DEFAULT_CLASS}=true", "--overwrite")
            kubectl.run("annotate", each, f"{DEFAULT_CLASS}-")
        made = [f"runtimeclass/{RUNTIME_CLASS}", f"namespace/{OTHERS}"]
        undo.callback(kubectl.run, "delete", *made, timeout=120)
        kubectl.apply(documents())
        yield


def foreign(kubectl: Kubectl) -> dict[str, str]:
    """UIDs of what was there before rayline, and the node's taints; none of it may change."""
    asked = {
        "runtime class": ("runtimeclass", RUNTIME_CLASS, "-o", "jsonpath={.metadata.uid}"),
        "storage class": ("storageclass", "cephfs", "-o", "jsonpath={.metadata.uid}"),
        "taints": ("node", layout.NODE_NAME, "-o", "jsonpath={.spec.taints}"),
        "canary": ("-n", OTHERS, "configmap", OTHERS, "-o", "jsonpath={.metadata.uid}{.data}"),
        "namespaces": ("namespaces", "-o", "jsonpath={.items[*].metadata.uid}"),
    }
    return {name: kubectl.run("get", *words) for name, words in asked.items()}


def documents() -> list[dict[str, Any]]:
    """The objects that exist there before rayline."""
    core, name = {"apiVersion": "v1"}, {"name": OTHERS}
    return [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": RUNTIME_CLASS},
            "handler": "runc",
        },
        {**core, "kind": "Namespace", "metadata": name},
        {
            **core,
            "kind": "ConfigMap",
            "metadata": {**name, "namespace": OTHERS},
            "data": {"canary": "untouched"},
        },
    ]
