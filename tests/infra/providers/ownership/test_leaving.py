"""What Ownership does with the stack's namespaces and claims at the end, in a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.providers.common.call import Call
from infra.providers.common.owner import RELEASED, STACK
from infra.providers.ownership.provider import OwnershipProvider
from infra.settings import parse
from infra.specs.ownership import identity, planned
from tests.apiserver.server import CONTEXT, ApiServer
from tests.infra.providers.ownership.live import NAMESPACE, manifest
from tests.stacks import values

pytestmark = pytest.mark.apiserver

PROVIDER = OwnershipProvider()
ID = "0123456789abcdef"
OURS = {"annotations": {STACK: ID}}
OPERATOR = "kuberay-lab"
CLAIM = {
    "accessModes": ["ReadWriteMany"],
    "resources": {"requests": {"storage": "1Gi"}},
}


@pytest.fixture(autouse=True)
def _clean(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    yield
    for name in (NAMESPACE, OPERATOR):
        api_server.delete(manifest("Namespace", name))


def props(api_server: ApiServer, **changes: Any) -> dict[str, Any]:
    whole = {"cluster__context": CONTEXT, "cluster__namespace": NAMESPACE, **changes}
    settings = parse(values(**{"operator__namespace": OPERATOR, **whole}))
    return {
        "context": CONTEXT,
        "identity": identity(settings),
        "objects": planned(settings, (), download_secret=False),
        "adopt": list(settings.cluster.adopt),
        "stack_id": ID,
        "cluster_uid": api_server.uid,
        "unchecked": [],
    }


def destroyed(api_server: ApiServer, **changes: Any) -> list[str]:
    """The warnings. Time is real, because Kubernetes deletes the namespace."""
    warnings: list[str] = []
    PROVIDER.delete(Call(lambda _: None, warnings.append), "id", props(api_server, **changes))
    return warnings


def namespace(name: str, **more: Any) -> dict[str, Any]:
    return manifest("Namespace", name, metadata=more)


def test_empty_namespaces_of_ones_own_are_deleted(api_server: ApiServer) -> None:
    for name in (NAMESPACE, OPERATOR):
        api_server.create(namespace(name, **OURS))
    assert destroyed(api_server, storage__protect=False) == []
    for name in (NAMESPACE, OPERATOR):
        assert api_server.find("v1", "Namespace", name) is None


def test_one_namespace_for_both_is_kept_with_a_protected_claim(api_server: ApiServer) -> None:
    api_server.create(namespace(NAMESPACE, **OURS))
    api_server.create(
        manifest("PersistentVolumeClaim", "model-cache-pvc", metadata=OURS, spec=CLAIM)
    )
    destroyed(api_server, operator__namespace=NAMESPACE, storage__protect=True)
    for kind, name in (("Namespace", NAMESPACE), ("PersistentVolumeClaim", "model-cache-pvc")):
        left = api_server.get("v1", kind, name, NAMESPACE)["metadata"]
        assert "deletionTimestamp" not in left
        assert left["annotations"] == {RELEASED: "true"}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "PersistentVolumeClaim", "RayCluster"])
def test_a_namespace_with_anything_of_others_stays(api_server: ApiServer, kind: str) -> None:
    theirs: dict[str, dict[str, Any]] = {
        "PersistentVolumeClaim": {"spec": CLAIM},
        "RayCluster": {
            "version": "ray.io/v1",
            "spec": {
                "headGroupSpec": {
                    "rayStartParams": {},
                    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
                }
            },
        },
    }
    api_server.create(namespace(NAMESPACE, **OURS))
    made = api_server.create(manifest(kind, "theirs", **theirs.get(kind, {})))
    (warning,) = destroyed(api_server, storage__protect=False)
    assert f"the namespace {NAMESPACE} stays" in warning
    assert f"{kind.lower()}s/theirs" in warning
    left = api_server.get(made["apiVersion"], kind, "theirs", NAMESPACE)
    assert left["metadata"] == made["metadata"]


@pytest.mark.parametrize("annotations", [{}, {STACK: "another"}, {RELEASED: "true"}])
def test_a_namespace_that_is_not_ours_is_not_even_annotated(
    api_server: ApiServer, annotations: dict[str, str]
) -> None:
    made = api_server.create(namespace(NAMESPACE, annotations=annotations))
    destroyed(api_server, storage__protect=False)
    assert api_server.get("v1", "Namespace", NAMESPACE)["metadata"] == made["metadata"]


def test_adopted_objects_are_as_they_were_before(api_server: ApiServer) -> None:
    api_server.create(namespace(NAMESPACE, **OURS))
    destroyed(api_server, storage__protect=False, cluster__adopt=[f"namespace/{NAMESPACE}"])
    left = api_server.get("v1", "Namespace", NAMESPACE)["metadata"]
    assert "deletionTimestamp" not in left
    assert "annotations" not in left


def test_a_namespace_that_the_stack_gives_up_is_released(api_server: ApiServer) -> None:
    api_server.create(namespace(NAMESPACE, **OURS))
    before = props(api_server, operator__install=False)
    after = props(api_server, operator__install=False, cluster__createNamespace=False)
    PROVIDER.update(Call(print, print), "id", before, after)
    left = api_server.get("v1", "Namespace", NAMESPACE)["metadata"]
    assert left["annotations"] == {RELEASED: "true"}
    # Taking the edit back makes it the stack's own again.
    PROVIDER.update(Call(print, print), "id", after, before)
    left = api_server.get("v1", "Namespace", NAMESPACE)["metadata"]
    assert left["annotations"] == {STACK: ID}
