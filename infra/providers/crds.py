"""KubeRayCrds: KubeRay's custom resource definitions, applied by version.

Separate from Helm, which installs CRDs once and never upgrades them. The state contains only their
version and digests: as ordinary resources they would be 4 MB of YAML in the state and in every
preview. docs/adr/0009-crds-outside-the-state.md
"""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

from infra.providers.common.api_server import KubeClient
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.owner import MERGE_PATCH, RELEASED, STACK, is_released, owner
from infra.providers.common.properties import Props, differing, only
from infra.providers.common.provider import Created, Diff, Live, Provider
from infra.providers.common.waiting import Waiting

TYPE = "rayline:index:KubeRayCrds"
ID = "ray.io"
OUTPUTS = ("digests", "missing")
# The operator watches all four and does not start if one is missing.
# https://github.com/ray-project/kuberay/tree/v1.6.2/helm-chart/kuberay-operator/crds
KINDS = ("rayclusters", "raycronjobs", "rayjobs", "rayservices")
FIELD_MANAGER = "rayline"
FETCH_SECONDS = 30
READY_SECONDS = 60
POLL_SECONDS = 0.5
INPUTS = ("context", "version", "source", "keep", "stack")
REPAIR = (
    "Give a folder or URL that contains KubeRay's CRDs. "
    "Type: pulumi config set --path 'rayline:operator.crds' '<folder or URL>'"
)


class CrdsError(ProviderError):
    """A CRD cannot be read, or is not served. The message names it, and what to type."""


@dataclass(frozen=True, kw_only=True)
class KubeRayCrdsArgs:
    """Version and origin of the CRDs, and where to apply them."""

    context: str
    """Context of the kubeconfig. A change is an update, which stores the new name."""
    version: str
    """KubeRay's version. A change applies the files again."""
    source: str
    """Folder or URL of the files. A change alone does nothing: the version decides."""
    keep: bool
    """Leave the CRDs in the cluster on destroy; deleting one deletes all its objects."""
    stack: pulumi.Input[str]
    """The owner of CRDs that did not exist before."""


class KubeRayCrds(pulumi.CustomResource):
    """KubeRay's CRDs of one version in one cluster."""

    def __init__(
        self, name: str, args: KubeRayCrdsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, {**vars(args), **dict.fromkeys(OUTPUTS)}, opts)


class KubeRayCrdsProvider(Provider):
    """Outputs: `digests` (SHA-256 of each file), `missing` (kinds absent when last read)."""

    type = TYPE
    outputs = OUTPUTS

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        changed = differing(olds, news, ("context", "version", "keep", "stack"))
        return Diff(bool(changed or olds.get("missing")))

    def create(self, call: Call, props: Props) -> Created:
        return Created(ID, _apply(call, props))

    def update(self, call: Call, _id: str, olds: Props, news: Props) -> Props:
        """Fetches and applies the files only for another version, or where CRDs are missing."""
        if olds.get("missing") or differing(olds, news, ("version",)):
            return _apply(call, news)
        return {**only(news, INPUTS), **only(olds, OUTPUTS)}

    def read(self, call: Call, _id: str, props: Props) -> Live | None:
        """None if all CRDs are absent; `missing` names those that are."""
        with KubeClient(props["context"], call.run) as client:
            missing = [kind for kind in KINDS if client.call("GET", path(kind)).status == 404]
        return None if len(missing) == len(KINDS) else Live({**props, "missing": missing})

    def delete(self, call: Call, _id: str, props: Props) -> None:
        """Deletes the CRDs unless `keep` is set, and with them every object of their kinds. CRDs
        that existed before the stack stay in any case."""
        stack, others = props.get("stack"), []
        with KubeClient(props["context"], call.run) as client:
            for kind in KINDS:
                live = _live(client, kind)
                if live is None:
                    continue
                if owner(live["metadata"]) != stack:
                    others.append(f"{kind}.ray.io")
                elif props["keep"]:
                    _give_back(client, kind)
                else:
                    client.delete(path(kind))
        if others and not props["keep"]:
            call.warn(
                f"the CRDs {', '.join(others)} stay, because this stack did not create them. If "
                "nobody in the cluster uses KubeRay, type: "
                f"kubectl --context {props['context']} delete crd {' '.join(others)}"
            )


def path(kind: str) -> str:
    """API path of a CRD."""
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.ray.io"


def _apply(call: Call, props: Props) -> Props:
    """Reads all files before it applies the first, so that a wrong source changes nothing."""
    source = props["source"]
    texts = call.run(lambda: {kind: fetch(source, kind) for kind in KINDS})
    bodies = {kind: parse(source, kind, text) for kind, text in texts.items()}
    with KubeClient(props["context"], call.run) as client:
        marked = {kind: _marked(body, props, _live(client, kind)) for kind, body in bodies.items()}
        for kind, body in marked.items():
            apply_one(client, kind, body)
        for kind in KINDS:
            waiting = Waiting(call.status, call.clock, READY_SECONDS, POLL_SECONDS)
            wait_until_served(client, kind, waiting)
    digests = {kind: hashlib.sha256(text.encode()).hexdigest() for kind, text in texts.items()}
    return {key: props[key] for key in INPUTS} | {"digests": digests, "missing": []}


def _live(client: KubeClient, kind: str) -> dict[str, Any] | None:
    answer = client.call("GET", path(kind))
    return None if answer.status == 404 else client.parsed(answer, f"GET {path(kind)}")


def _marked(body: dict[str, Any], props: Props, live: Mapping[str, Any] | None) -> dict[str, Any]:
    """The CRD to apply, with its owner unless it belongs to nobody; CrdsError if it must not be
    applied, before anything has been."""
    name, stack = body["metadata"]["name"], props["stack"]
    theirs = "" if live is None else owner(live["metadata"])
    instead = "pulumi config set --path 'rayline:operator.install' false"
    if theirs and theirs != stack:
        raise CrdsError(
            f"the CRD {name} belongs to another rayline stack of this cluster, which has installed "
            f"the operator. One operator is enough. Type: {instead}"
        )
    if live is not None and not theirs:
        more = sorted(_fields(live) - _fields(body), key=lambda field: (field.count("."), field))
        if more:
            raise CrdsError(
                f"the CRD {name} in the cluster is newer than that of KubeRay {props['version']}: "
                f"it has {more[0]}. rayline does not replace it by an older one. Set "
                f"rayline:operator.version to a version that has this, or type: {instead}"
            )
        if not is_released(live["metadata"]):
            return body
    annotations = {**body["metadata"].get("annotations", {}), STACK: stack}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def _fields(crd: Mapping[str, Any]) -> set[str]:
    """All fields that a CRD describes, below the version that has them."""
    found: set[str] = set()

    def walk(schema: Mapping[str, Any], here: str) -> None:
        found.add(here)
        for name, inner in (schema.get("properties") or {}).items():
            walk(inner, f"{here}.{name}")
        if isinstance(schema.get("items"), Mapping):
            walk(schema["items"], here)

    for version in (crd.get("spec") or {}).get("versions") or []:
        walk((version.get("schema") or {}).get("openAPIV3Schema") or {}, version["name"])
    return found


def _give_back(client: KubeClient, kind: str) -> None:
    answer = client.call(
        "PATCH",
        path(kind),
        headers={"Content-Type": MERGE_PATCH},
        body={"metadata": {"annotations": {STACK: None, RELEASED: "true"}}},
    )
    if answer.status >= 300 and answer.status != 404:
        raise client.refusal(answer, f"annotating the CRD {kind}.ray.io")


def apply_one(client: KubeClient, kind: str, body: Mapping[str, Any]) -> None:
    """Server-side apply, which takes over fields that Helm or kubectl set before (`force`), because
    a CRD has one owner. https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
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


def wait_until_served(client: KubeClient, kind: str, waiting: Waiting) -> None:
    """CrdsError when the API server does not serve the kind before the deadline."""
    conditions: list[dict[str, Any]] = []

    def turn() -> str | None:
        # Null in a CRD that was created a moment ago.
        conditions[:] = (client.get(path(kind)).get("status") or {}).get("conditions") or []
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return None
        return f"waiting for the CRD {kind}.ray.io"

    if not waiting.until(turn):
        raise CrdsError(
            f"the CRD {kind}.ray.io is not served after {READY_SECONDS} s: {conditions}. "
            f"Look at: kubectl --context {client.context} describe crd {kind}.ray.io"
        )


def fetch(source: str, kind: str) -> str:
    """One CRD's YAML; CrdsError that names the file or URL."""
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
            f"KubeRay's CRD {url} cannot be fetched ({error}). Where this machine cannot reach "
            f"that host, download the folder. {REPAIR}"
        ) from None


def parse(source: str, kind: str, text: str) -> dict[str, Any]:
    """The CRD; CrdsError if the text is something else, such as a proxy's error page."""
    name = f"{kind}.ray.io"
    try:
        found = yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError:
        found = None
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or metadata.get("name") != name:
        raise CrdsError(f"the file for {name} in {source} is not that CRD. {REPAIR}")
    return dict(found)
