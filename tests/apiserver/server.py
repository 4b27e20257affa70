"""An API server that a test can ask, and the kubeconfig that programs reach it with."""

import base64
import contextlib
import functools
import json
import secrets
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from infra.settings.framework.kuberay import crds
from tests.apiserver import processes

CONTEXT = "first"
OTHER_NAME = "second"
"""Another context of the same cluster, as after `kubectl config rename-context`."""
STRANGER = "stranger"
"""A context of the same cluster whose user has no rights; a test gives it some by RBAC objects."""
READY_SECONDS = 60
ATTEMPTS = 3

Object = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the API server's answer
    """An answer of 400 or more."""

    def __init__(self, status: int, message: str, answer: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message, self.answer = status, message, answer

    @property
    def fields(self) -> list[str]:
        """Paths of the fields that the API server refused."""
        causes = (self.answer.get("details") or {}).get("causes") or []
        return [cause["field"] for cause in causes if "field" in cause]


@dataclass
class ApiServer:
    """One cluster. Objects are plain manifests; the server's discovery knows their kinds."""

    folder: Path
    url: str
    client: httpx.Client
    _kinds: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """Contexts CONTEXT, OTHER_NAME and STRANGER; none is current."""
        return self.folder / "kubeconfig"

    @property
    def uid(self) -> str:
        """The cluster's identity: the uid of `kube-system`."""
        return str(self.get("v1", "Namespace", "kube-system")["metadata"]["uid"])

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        **query: str,
    ) -> Any:
        """The answer's JSON. Refused from 400 on."""
        answer = self.client.request(
            method,
            path,
            params=query,
            content=None if body is None else json.dumps(body),
            headers={"Content-Type": kind},
        )
        found = answer.json() if answer.text.startswith(("{", "[")) else {"message": answer.text}
        if answer.status_code >= 400:
            raise Refused(answer.status_code, str(found.get("message")), found)
        return found

    def path(self, version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        """The URL's path of an object, or of the collection if `name` is absent."""
        group = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if (version, kind) not in self._kinds:
            for found in self.call("GET", group)["resources"]:
                if "/" not in found["name"]:
                    self._kinds[version, found["kind"]] = (found["name"], found["namespaced"])
        plural, namespaced = self._kinds[version, kind]
        parts = [group, *(["namespaces", namespace or "default"] if namespaced else []), plural]
        return "/".join([*parts, name] if name else parts)

    def path_of(self, manifest: Mapping[str, Any], *, collection: bool = False) -> str:
        metadata = manifest["metadata"]
        name = None if collection else metadata["name"]
        return self.path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), name)

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Unknown fields are refused, which the API server would else only warn of."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        path = self.path_of(manifest, collection=True)
        return dict(self.call("POST", path, manifest, **query))

    def get(self, version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        return dict(self.call("GET", self.path(version, kind, namespace, name)))

    def find(
        self, version: str, kind: str, name: str, namespace: str | None = None
    ) -> Object | None:
        """None where there is no such object."""
        try:
            return self.get(version, kind, name, namespace)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def every(self, version: str, kind: str, namespace: str | None = None) -> list[Object]:
        """The objects of a kind, in one namespace if it has namespaces."""
        return list(self.call("GET", self.path(version, kind, namespace))["items"])

    def patch(self, manifest: Mapping[str, Any], change: Any, subresource: str = "") -> Object:
        """A JSON merge patch of an object; `subresource` is e.g. "status"."""
        path = "/".join(filter(None, [self.path_of(manifest), subresource]))
        return dict(self.call("PATCH", path, change, kind="application/merge-patch+json"))

    def set_status(self, manifest: Mapping[str, Any], **status: Any) -> Object:
        """What a controller or kubelet would report, such as `phase="Running"`."""
        return self.patch(manifest, {"status": status}, "status")

    def delete(self, manifest: Mapping[str, Any]) -> None:
        """Also waits until the object is gone. Nothing happens if it does not exist."""
        path = self.path_of(manifest)
        metadata = manifest["metadata"]
        key = (
            manifest["apiVersion"],
            manifest["kind"],
            metadata["name"],
            metadata.get("namespace"),
        )
        if self.find(*key):
            self.call("DELETE", path, propagationPolicy="Background")
            self.until(lambda: self.find(*key) is None, f"{path} to be gone")

    def until(
        self, condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS
    ) -> None:
        """AssertionError if `condition()` does not become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            time.sleep(0.1)


@contextlib.contextmanager
def api_server(binaries: Mapping[str, Path], folder: Path) -> Iterator[ApiServer]:
    """Start a cluster of its own in the empty `folder`; it ends with the block, or with us."""
    processes.write_key(folder / "service-account.key")
    tokens = {CONTEXT: secrets.token_hex(), STRANGER: secrets.token_hex()}
    (folder / "tokens.csv").write_text(
        f"{tokens[CONTEXT]},administrator,1,system:masters\n{tokens[STRANGER]},stranger,2\n"
    )
    for attempt in range(ATTEMPTS):
        with contextlib.ExitStack() as stack:
            client, peer, port = processes.free_ports(3)
            store = processes.etcd(binaries["etcd"], folder, client, peer)
            started = [
                stack.enter_context(processes.running(store, folder / "etcd.log")),
                stack.enter_context(
                    processes.running(
                        processes.api_server(binaries["kube-apiserver"], folder, client, port),
                        folder / "kube-apiserver.log",
                    )
                ),
            ]
            url = f"https://127.0.0.1:{port}"
            # Another process may have taken one of the ports in between.
            if not _ready(url, folder, tokens[CONTEXT], started) and attempt + 1 < ATTEMPTS:
                continue
            _write_kubeconfig(folder, url, tokens)
            manager = processes.controller_manager(
                binaries["kube-controller-manager"], folder / "kubeconfig.controllers"
            )
            stack.enter_context(processes.running(manager, folder / "controllers.log"))
            http = stack.enter_context(_client(url, folder, tokens[CONTEXT]))
            server = ApiServer(folder, url, http)
            _install_crds(server)
            yield server
            return


def _client(url: str, folder: Path, token: str) -> httpx.Client:
    tls = ssl.create_default_context(cafile=str(folder / "certificates" / "apiserver.crt"))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, verify=tls, headers=headers, timeout=30, trust_env=False)


def _ready(url: str, folder: Path, token: str, started: "list[subprocess.Popen[bytes]]") -> bool:
    """False if one of the processes ended; AssertionError with the log after READY_SECONDS."""
    log = folder / "kube-apiserver.log"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in started):
            return False
        with (
            contextlib.suppress(OSError, httpx.HTTPError),
            _client(url, folder, token) as client,
        ):
            if client.get("/readyz").status_code == 200:
                return True
        time.sleep(0.1)
    raise AssertionError(f"kube-apiserver is not ready: {log.read_text()[-3000:]}")


def _write_kubeconfig(folder: Path, url: str, tokens: Mapping[str, str]) -> None:
    authority = base64.b64encode((folder / "certificates" / "apiserver.crt").read_bytes()).decode()
    users = {CONTEXT: CONTEXT, OTHER_NAME: CONTEXT, STRANGER: STRANGER}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "",
        "clusters": [
            {"name": CONTEXT, "cluster": {"server": url, "certificate-authority-data": authority}}
        ],
        "users": [{"name": name, "user": {"token": token}} for name, token in tokens.items()],
        "contexts": [
            {"name": name, "context": {"cluster": CONTEXT, "user": user}}
            for name, user in users.items()
        ],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(content))
    (folder / "kubeconfig.controllers").write_text(
        yaml.safe_dump(content | {"current-context": CONTEXT})
    )


def _install_crds(server: ApiServer) -> None:
    manifests = crds()
    for crd in manifests:
        server.call("POST", server.path_of(crd, collection=True), crd)
    for crd in manifests:
        path = f"/apis/ray.io/v1/{crd['spec']['names']['plural']}"
        server.until(functools.partial(_answers, server, path), f"{path} to be served")


def _answers(server: ApiServer, path: str) -> bool:
    """Not 404, as before a kind is known, nor 429, as while its storage is prepared."""
    try:
        server.call("GET", path)
    except Refused:
        return False
    return True
