"""Applies KubeRay's CRDs and keeps only their version and digests in the state.

As ordinary resources they would be 4 MB of YAML in the state and in every preview. Pulumi loads
this module by name in a process of its own: no effect on import, nothing in `self`.
"""

import hashlib
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

if TYPE_CHECKING:
    from infra.kube.client import KubeClient

# The operator watches all four and does not start where one is missing.
# https://github.com/ray-project/kuberay/tree/v1.6.2/helm-chart/kuberay-operator/crds
KINDS = ("rayclusters", "raycronjobs", "rayjobs", "rayservices")
FIELD_MANAGER = "rayline"
FETCH_SECONDS = 30
READY_SECONDS = 60
INPUTS = ("context", "version", "source", "keep")


class CrdsProvider(ResourceProvider):
    """Inputs: context, version, source (folder or URL), keep. Outputs also: uids by CRD name."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        # Where the files came from is no difference: their version is.
        changed = [
            name for name in ("context", "version", "keep") if olds.get(name) != news.get(name)
        ]
        replaces = [name for name in changed if name == "context"]
        return DiffResult(changes=bool(changed) or bool(olds.get("missing")), replaces=replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(id_=f"ray.io-{props['context']}", outs=apply(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(outs=apply(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        from infra.kube.client import KubeClient

        with KubeClient(props["context"]) as client:
            missing = [kind for kind in KINDS if client.call("GET", path(kind)).status == 404]
        if len(missing) == len(KINDS):
            return ReadResult(id_="", outs={})
        return ReadResult(id_=id_, outs={**props, "missing": missing})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        if props["keep"]:
            return
        from infra.kube.client import KubeClient

        with KubeClient(props["context"]) as client:
            for kind in KINDS:
                client.delete(path(kind))


def path(kind: str) -> str:
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.ray.io"


def apply(props: dict[str, Any]) -> dict[str, Any]:
    """All files are read before the first is applied, so that a wrong source changes nothing."""
    from infra.kube.client import KubeClient

    texts = {kind: fetch(props["source"], kind) for kind in KINDS}
    with KubeClient(props["context"]) as client:
        for kind, text in texts.items():
            apply_one(client, kind, text)
        for kind in KINDS:
            wait_until_served(client, kind)
    digests = {kind: hashlib.sha256(text.encode()).hexdigest() for kind, text in texts.items()}
    return {name: props[name] for name in INPUTS} | {"digests": digests, "missing": []}


def apply_one(client: "KubeClient", kind: str, text: str) -> None:
    """Server-side apply; what Helm or kubectl set before becomes ours (`force`), as a CRD has one
    owner. https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
    answer = client.call(
        "PATCH",
        path(kind),
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        body=yaml.load(text, yaml.CSafeLoader),
        timeout=READY_SECONDS,
    )
    if answer.status >= 300:
        raise client.refusal(answer, f"applying the CRD {kind}.ray.io")


def wait_until_served(client: "KubeClient", kind: str) -> None:
    """RuntimeError when the API server does not serve the kind within READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        conditions = client.get(path(kind)).get("status", {}).get("conditions", [])
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the CRD {kind}.ray.io is not served after {READY_SECONDS} s: {conditions}. "
                f"Look at: kubectl describe crd {kind}.ray.io"
            )
        time.sleep(0.5)


def fetch(source: str, kind: str) -> str:
    """One CRD's YAML; RuntimeError that names what was tried."""
    name = f"ray.io_{kind}.yaml"
    if not source.startswith(("http://", "https://")):
        file = Path(source).expanduser() / name
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise RuntimeError(
                f"KubeRay's CRD {file} cannot be read ({error.strerror}). Set operator.crds of "
                f"rayline:operator to a folder or URL that holds {name}."
            ) from None
    url = f"{source.rstrip('/')}/{name}"
    try:
        with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:
            return str(answer.read().decode("utf-8"))
    except (urllib.error.URLError, TimeoutError) as error:
        raise RuntimeError(
            f"KubeRay's CRD {url} cannot be fetched ({error}). Where that host is not reached, "
            f"download the folder and set operator.crds of rayline:operator to it."
        ) from None
