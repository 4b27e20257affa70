"""Reading from a real API server, and the rules on what was read."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3

from infra.cluster_check import program, reader, rights
from infra.cluster_check.asking import ACCESS_REVIEW
from infra.cluster_check.program import Check
from infra.settings import StackSettings, parse
from tests.apiserver.server import CONTEXT, STRANGER, ApiServer
from tests.stacks import committed

SECONDS = 20


def stack(server: ApiServer, context: str = CONTEXT, **changes: Any) -> StackSettings:
    return parse(committed("prod", cluster__context=context, **changes))


@pytest.fixture
def api(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    return api_server


@pytest.fixture
def make(api: ApiServer) -> Iterator[Callable[..., dict[str, Any]]]:
    """Creates objects that are gone after the test."""
    with ExitStack() as stack:

        def make(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
            namespace = fields.pop("namespace", None)
            metadata = {"name": name, **fields.pop("metadata", {})}
            status = fields.pop("status", None)
            if namespace:
                metadata["namespace"] = namespace
            manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
            api.create(manifest)
            stack.callback(api.delete, manifest)
            if status:
                api.set_status(manifest, **status)
            return manifest

        yield make


def node(make: Callable[..., Any], name: str, **changes: Any) -> None:
    make(
        "v1",
        "Node",
        name,
        metadata={"labels": changes.pop("labels", {})},
        spec={"taints": changes.pop("taints", [])},
        status={
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {
                "cpu": "15900m",
                "memory": "65000000Ki",
                "ephemeral-storage": "98831908Ki",
                "pods": "110",
                **changes,
            },
        },
    )


@pytest.fixture
def suitable(make: Callable[..., Any]) -> None:
    """What prod needs, except its Secrets."""
    make(
        "networking.k8s.io/v1",
        "IngressClass",
        "nginx",
        spec={"controller": "k8s.io/ingress-nginx"},
    )
    make("storage.k8s.io/v1", "StorageClass", "cephfs", provisioner="rook-ceph.cephfs.csi.ceph.com")
    for name in ("gpu-1", "gpu-2"):
        node(
            make,
            name,
            labels={"node.deckhouse.io/group": "w-gpu"},
            **{"nvidia.com/gpu": "1"},
        )


def keys(found: Check) -> list[tuple[str, str]]:
    return [(problem.severity, problem.key) for problem in found.problems]


def test_a_suitable_cluster_lacks_only_the_secrets(api: ApiServer, suitable: None) -> None:
    found = program.check(stack(api), SECONDS)
    assert (found.version[:3], found.uid, found.skipped) == ("v1.", api.uid, ())
    assert keys(found) == [
        ("warning", "rayline:image.pullSecret"),
        ("warning", "rayline:serve.ingress.tlsSecret"),
    ]


def test_an_empty_cluster_has_what_it_lacks(api: ApiServer) -> None:
    found = program.check(stack(api), SECONDS)
    assert ("error", "rayline:cluster.context") in keys(found)
    assert ("error", "rayline:storage.storageClass") in keys(found)


def test_only_reading_requests_are_sent(
    api: ApiServer, suitable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an administrator, by a user without rights, and with every optional part."""
    sent: set[tuple[str, str]] = set()
    original = urllib3.HTTPConnectionPool.urlopen

    def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        sent.add((method, url.partition("?")[0]))
        return original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen)
    before = json.dumps(_every(api), sort_keys=True)
    for context in (CONTEXT, STRANGER):
        program.check(stack(api, context), SECONDS)
        host = {"host": "a.example.com", "tlsSecret": "tls"}
        program.check(stack(api, context, serve__ingress=host), SECONDS)
        program.check(stack(api, context, storage__storageClass="none"), SECONDS)
    assert {url for method, url in sent if method != "GET"} == {ACCESS_REVIEW}
    assert {method for method, _ in sent} == {"GET", "POST"}
    assert len(sent) > 20
    assert json.dumps(_every(api), sort_keys=True) == before


def _every(api: ApiServer) -> list[Any]:
    kinds = [("v1", kind) for kind in ("Namespace", "Node", "PersistentVolume")]
    kinds += [("storage.k8s.io/v1", "StorageClass")]
    return [api.every(*kind) for kind in kinds] + [
        api.every("v1", kind, "default") for kind in ("Secret", "ConfigMap", "Service")
    ]


def test_a_user_without_rights_is_told_which_and_nothing_else(api: ApiServer) -> None:
    found = program.check(stack(api, STRANGER), SECONDS)
    text = "\n".join(problem.message for problem in found.problems)
    for part in (
        "get, create, patch, delete namespaces",
        "customresourcedefinitions.apiextensions.k8s.io",
        "rayclusters.ray.io in kuberay-projects",
        "services/proxy in kuberay-projects",
        "pods in kuberay-projects",
    ):
        assert part in text
    assert {key.rpartition(".")[0] for _, key in keys(found)} <= {
        "rayline:cluster",
        "rayline:operator",
    }
    assert "the context's user may not read /api/v1/nodes" in found.skipped


def test_the_rights_that_are_granted_are_enough(
    api: ApiServer, make: Callable[..., Any], api_namespace: str
) -> None:
    """Exactly the rights of the list, as roles: none is missing then."""
    settings = stack(
        api,
        STRANGER,
        cluster__namespace=api_namespace,
        cluster__createNamespace=False,
        operator__install=False,
    )
    needed = rights.needed(settings)
    rules = [{"apiGroups": [r.group], "resources": [r.resource], "verbs": [r.verb]} for r in needed]
    assert {right.namespace for right in needed} == {api_namespace}
    assert set(reader.read(settings, SECONDS).missing_rights.value) == set(needed)
    rbac = "rbac.authorization.k8s.io/v1"
    make(rbac, "Role", "rayline", namespace=api_namespace, rules=rules)
    make(
        rbac,
        "RoleBinding",
        "rayline",
        namespace=api_namespace,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "rayline"},
        subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "stranger"}],
    )
    api.until(
        lambda: reader.read(settings, SECONDS).missing_rights.value == (), "the role to count"
    )


def test_what_limits_the_namespace_is_read(
    api: ApiServer, make: Callable[..., Any], api_namespace: str, suitable: None
) -> None:
    here = {"namespace": api_namespace}
    make("v1", "ResourceQuota", "team", **here, spec={"hard": {"requests.memory": "20G"}})
    limits = [{"type": "Container", "max": {"memory": "16G"}}]
    make("v1", "LimitRange", "small", **here, spec={"limits": limits})
    policy = {"podSelector": {}, "policyTypes": ["Ingress"]}
    make("networking.k8s.io/v1", "NetworkPolicy", "closed", **here, spec=policy)
    settings = stack(api, cluster__namespace=api_namespace, cluster__createNamespace=False)
    found = program.check(settings, SECONDS)
    texts = "\n".join(problem.message for problem in found.problems)
    for part in ("ResourceQuota team", "LimitRange small", "network policy closed"):
        assert part in texts


def test_a_claim_and_secrets_are_read(
    api: ApiServer, make: Callable[..., Any], api_namespace: str, suitable: None
) -> None:
    here = {"namespace": api_namespace}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    make("v1", "PersistentVolumeClaim", "weights", **here, spec=spec)
    login = {"auths": {"https://ghcr.io": {"auth": "aGlkZGVuOmhpZGRlbg=="}}}
    make(
        "v1",
        "Secret",
        "regcred",
        **here,
        type="kubernetes.io/dockerconfigjson",
        stringData={".dockerconfigjson": json.dumps(login)},
    )
    settings = stack(
        api,
        cluster__namespace=api_namespace,
        cluster__createNamespace=False,
        storage__existing=True,
        storage__claim="weights",
    )
    facts = reader.read(settings, SECONDS)
    assert facts.secrets["regcred"].value.registries == ("https://ghcr.io",)  # type: ignore[union-attr]
    assert "aGlk" not in repr(facts)
    found = program.check(settings, SECONDS)
    assert ("error", "rayline:storage.claim") in keys(found)
    assert "has logins for https://ghcr.io" in "\n".join(p.message for p in found.problems)


def test_pods_of_others_take_cards_and_our_own_do_not(
    api: ApiServer, make: Callable[..., Any], api_namespace: str, suitable: None
) -> None:
    settings = stack(api, cluster__namespace=api_namespace, cluster__createNamespace=False)
    card = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
    spec = {
        "nodeName": "gpu-1",
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "a", "image": "a", "resources": card}],
    }
    ours = {
        "app.kubernetes.io/part-of": settings.ray.name,
        "app.kubernetes.io/managed-by": "rayline",
        "ray.io/group": "rtx-3090",
    }
    make("v1", "Pod", "own", namespace=api_namespace, metadata={"labels": ours}, spec=spec)
    facts = reader.read(settings, SECONDS)
    assert [pod.meta.name for pod in facts.own_pods.value] == ["own"]
    assert facts.neighbours.value == ()
    make("v1", "Pod", "other", namespace="default", spec={**spec, "nodeName": "gpu-2"})
    (warning,) = (
        p for p in program.check(settings, SECONDS).problems if p.key.endswith(".workers")
    )
    assert "default/other" in warning.message
    assert warning.severity == "warning"


def test_an_operator_is_recognized_by_its_labels(api: ApiServer, make: Callable[..., Any]) -> None:
    labels = {"app.kubernetes.io/name": "kuberay-operator"}
    container = {
        "name": "operator",
        "image": "quay.io/kuberay/operator:v1.5.0",
        "args": ["--watch-namespace", "ml,lab"],
    }
    make(
        "apps/v1",
        "Deployment",
        "kuberay-operator",
        namespace="default",
        metadata={"labels": labels},
        spec={
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    )
    (operator,) = reader.read(stack(api), SECONDS).operators.value
    assert (operator.version, operator.watches) == ("1.5.0", ("ml", "lab"))
    found = program.check(stack(api, operator__install=False), SECONDS)
    assert ("error", "rayline:operator.install") in keys(found)
    assert ("error", "rayline:cluster.namespace") in keys(found)


def test_the_crds_are_found_by_what_is_served(api: ApiServer) -> None:
    kinds = reader.read(stack(api), SECONDS).ray_kinds.value
    assert {"RayCluster", "RayService"} <= kinds


def test_long_lists_are_read_page_by_page(
    api: ApiServer, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.cluster_check.asking.PAGE", 2)
    for number in range(5):
        node(make, f"node-{number}")
    assert len(reader.read(stack(api), SECONDS).nodes.value) == 5
    monkeypatch.setattr("infra.cluster_check.asking.PAGES", 2)
    facts = reader.read(stack(api), SECONDS)
    assert facts.nodes.reason == "/api/v1/nodes has more than 4 objects"
