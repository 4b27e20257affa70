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

from infra.providers.common.engine import EngineCall

if TYPE_CHECKING:
    from infra.providers.common.api_server import KubeClient

# The operator watches all four and does not start where one is missing.
# https://github.com/ray-project/kuberay/tree/v1.6.2/helm-chart/kuberay-operator/crds
KINDS = ("rayclusters", "raycronjobs", "rayjobs", "rayservices")
FIELD_MANAGER = "rayline"
FETCH_SECONDS = 30
READY_SECONDS = 60
INPUTS = ("context", "version", "source", "keep")
REPAIR = (
    "Give a folder or URL that holds KubeRay's CRDs. "
    "Type: pulumi config set --path 'rayline:operator.crds' '<folder or URL>'"
)


class CrdsError(Exception):
    """A CRD cannot be had, or is not served. The message says which, and what to type."""


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
        return CreateResult(id_=f"ray.io-{props['context']}", outs=_applied(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(outs=_applied(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        from infra.providers.common.api_server import KubeClient, KubeError

        with EngineCall(KubeError), KubeClient(props["context"]) as client:
            missing = [kind for kind in KINDS if client.call("GET", path(kind)).status == 404]
        if len(missing) == len(KINDS):
            return ReadResult(id_="", outs={})
        return ReadResult(id_=id_, outs={**props, "missing": missing})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        if props["keep"]:
            return
        from infra.providers.common.api_server import KubeClient, KubeError

        with EngineCall(KubeError), KubeClient(props["context"]) as client:
            for kind in KINDS:
                client.delete(path(kind))


def _applied(props: dict[str, Any]) -> dict[str, Any]:
    from infra.providers.common.api_server import KubeError

    with EngineCall(KubeError, CrdsError):
        return apply(props)


def path(kind: str) -> str:
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.ray.io"


def apply(props: dict[str, Any]) -> dict[str, Any]:
    """All files are read before the first is applied, so that a wrong source changes nothing."""
    from infra.providers.common.api_server import KubeClient

    texts = {kind: fetch(props["source"], kind) for kind in KINDS}
    bodies = {kind: parse(props["source"], kind, text) for kind, text in texts.items()}
    with KubeClient(props["context"]) as client:
        for kind, body in bodies.items():
            apply_one(client, kind, body)
        for kind in KINDS:
            wait_until_served(client, kind)
    digests = {kind: hashlib.sha256(text.encode()).hexdigest() for kind, text in texts.items()}
    return {name: props[name] for name in INPUTS} | {"digests": digests, "missing": []}


def apply_one(client: "KubeClient", kind: str, body: dict[str, Any]) -> None:
    """Server-side apply; what Helm or kubectl set before becomes ours (`force`), as a CRD has one
    owner. https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
    answer = client.call(
        "PATCH",
        path(kind),
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        body=body,
        timeout=READY_SECONDS,
    )
    if answer.status >= 300:
        raise client.refusal(answer, f"applying the CRD {kind}.ray.io")


def wait_until_served(client: "KubeClient", kind: str) -> None:
    """CrdsError when the API server does not serve the kind within READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        # Null in a CRD that was made a moment ago.
        conditions = (client.get(path(kind)).get("status") or {}).get("conditions") or []
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        if time.monotonic() > deadline:
            raise CrdsError(
                f"the CRD {kind}.ray.io is not served after {READY_SECONDS} s: {conditions}. "
                f"Look at: kubectl --context {client.context} describe crd {kind}.ray.io"
            )
        time.sleep(0.5)


def fetch(source: str, kind: str) -> str:
    """One CRD's YAML; CrdsError that names what was tried."""
    name = f"ray.io_{kind}.yaml"
    if not source.startswith(("http://", "https://")):
        file = Path(source).expanduser() / name
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise CrdsError(
                f"KubeRay's CRD {file} cannot be read ({error.strerror}). {REPAIR}"
            ) from None
    url = f"{source.rstrip('/')}/{name}"
    try:
        with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:
            return str(answer.read().decode("utf-8"))
    except (urllib.error.URLError, TimeoutError) as error:
        raise CrdsError(
            f"KubeRay's CRD {url} cannot be fetched ({error}). Where that host is not reached, "
            f"download the folder. {REPAIR}"
        ) from None


def parse(source: str, kind: str, text: str) -> dict[str, Any]:
    """The CRD; CrdsError where the text is something else, such as a proxy's page."""
    name = f"{kind}.ray.io"
    try:
        found = yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError:
        found = None
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or metadata.get("name") != name:
        raise CrdsError(f"what {source} holds for {name} is not that CRD. {REPAIR}")
    return dict(found)
