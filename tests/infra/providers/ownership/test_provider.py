"""Ownership's check, create, read and delete, against a fake of the API server."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.call import ProviderError
from infra.providers.ownership import observe
from infra.providers.ownership.guard import DestroyGuardProvider
from infra.providers.ownership.provider import OwnershipProvider
from infra.settings import parse
from infra.specs.ownership import identity, planned
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused
from tests.stacks import values

PROVIDER = OwnershipProvider()
SECRETS = "/api/v1/namespaces/kuberay-projects/secrets/"
RAY = "/apis/ray.io/v1/ray"
UID = "uid of kube-system"


@dataclass
class FakeCluster(FakeApi):
    """`existing` are metadata by path; paths in `forbidden` are refused; `silent` ones hang."""

    existing: dict[str, dict[str, Any]] = field(default_factory=dict)
    forbidden: str = "nothing"
    uid: str = UID
    silent: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.silent.set()

    def answer(self, request: Request) -> tuple[int, Any]:
        self.silent.wait(30)
        if self.forbidden in request.path:
            return refused(403, "Forbidden", "you may not")
        if request.path == observe.KUBE_SYSTEM:
            return 200, {"metadata": {"name": "kube-system", "uid": self.uid}}
        if request.path == observe.DEPLOYMENTS or request.path.startswith(RAY):
            return 200, {"items": []}
        if request.path in self.existing:
            return 200, {"metadata": self.existing[request.path]}
        return refused(404, "NotFound", "not found")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    with FakeCluster() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake
        fake.silent.set()


def props(**changes: Any) -> dict[str, Any]:
    settings = parse(values(cluster__context=CONTEXT, **changes))
    return {
        "context": CONTEXT,
        "identity": identity(settings),
        "objects": planned(settings, (), download_secret=False),
        "adopt": list(settings.cluster.adopt),
        "stack_id": None,
        "cluster_uid": None,
        "unchecked": None,
    }


def test_the_first_check_fills_in_who_and_where(cluster: FakeCluster) -> None:
    first = PROVIDER.check({}, props())
    assert (first.failures, first.warnings) == ([], [])
    assert first.inputs["cluster_uid"] == UID
    assert len(first.inputs["stack_id"]) == 16
    again = PROVIDER.check(first.inputs, props())
    assert again.inputs == first.inputs
    assert not PROVIDER.diff("id", first.inputs, again.inputs).changes
    assert all(request.method == "GET" for request in cluster.requests)
    assert not any("Secret" in str(request.body) for request in cluster.requests)


def test_values_of_secrets_are_not_asked_for(cluster: FakeCluster) -> None:
    PROVIDER.check({}, props())
    asked = [request for request in cluster.requests if request.path.startswith(SECRETS)]
    assert asked
    assert all("PartialObjectMetadata" in request.headers["accept"] for request in asked)


def test_an_existing_object_is_refused_by_the_check_and_by_create(cluster: FakeCluster) -> None:
    checked = PROVIDER.check({}, props()).inputs
    cluster.existing[f"{SECRETS}auth-config"] = {"name": "auth-config"}
    (failure,) = PROVIDER.check({}, props()).failures
    assert "secret/auth-config" in failure.reason
    with pytest.raises(ProviderError, match="secret/auth-config"):
        PROVIDER.create(call(), checked)
    assert cluster.asked("PATCH") == []


def test_what_may_not_be_read_is_a_warning_in_the_check_and_an_error_afterwards(
    cluster: FakeCluster,
) -> None:
    cluster.forbidden = "/secrets/"
    checked = PROVIDER.check({}, props())
    assert not checked.failures
    assert "secret/auth-config" in checked.warnings[0]
    assert PROVIDER.diff("id", checked.inputs, checked.inputs).changes
    with pytest.raises(ProviderError, match="secret/auth-config"):
        PROVIDER.create(call(), checked.inputs)


def test_without_the_right_to_read_the_clusters_identity_it_is_not_compared(
    cluster: FakeCluster,
) -> None:
    before = PROVIDER.check({}, props()).inputs
    cluster.forbidden = observe.KUBE_SYSTEM
    checked = PROVIDER.check(before, props())
    assert not checked.failures
    assert checked.inputs["cluster_uid"] == UID


def test_another_cluster_is_refused_by_everything(cluster: FakeCluster) -> None:
    before = PROVIDER.check({}, props()).inputs
    guard = {**before, "operator": True}
    DestroyGuardProvider().delete(call(), "id", guard)
    cluster.uid = "another"
    (failure,) = PROVIDER.check(before, props()).failures
    assert UID in failure.reason
    for refuse in (
        lambda: PROVIDER.create(call(), before),
        lambda: PROVIDER.update(call(), "id", before, before),
        lambda: PROVIDER.read(call(), "id", before),
        lambda: PROVIDER.delete(call(), "id", before),
        lambda: DestroyGuardProvider().delete(call(), "id", guard),
    ):
        with pytest.raises(ProviderError, match="leads to another cluster"):
            refuse()
    assert {request.method for request in cluster.requests} == {"GET"}


def test_without_an_answer_the_check_returns_in_seconds_with_a_warning(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PROVIDER.check({}, props()).inputs
    cluster.silent.clear()
    monkeypatch.setattr(observe, "SECONDS", 1.0)
    began = time.monotonic()
    checked = PROVIDER.check(before, props())
    assert time.monotonic() - began < 3
    assert not checked.failures
    assert "no answer" in checked.warnings[0]
    assert checked.inputs["cluster_uid"] == UID
    assert PROVIDER.diff("id", before, checked.inputs).changes
    with pytest.raises(ProviderError, match="no answer"):
        PROVIDER.update(call(), "id", before, checked.inputs)


def test_the_limit_is_a_few_seconds() -> None:
    assert observe.SECONDS <= 10


def test_without_a_kubeconfig_there_is_only_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pipeline that only shows what an edit of the configuration changes."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    checked = PROVIDER.check({}, props())
    assert not checked.failures
    assert len(checked.warnings) == 1


def test_an_unknown_context_is_refused_with_the_known_ones(cluster: FakeCluster) -> None:
    (failure,) = PROVIDER.check({}, {**props(), "context": "fkae"}).failures
    assert f"its contexts are {CONTEXT}" in failure.reason
    assert "pulumi config set --path 'rayline:cluster.context' fake" in failure.reason
    assert cluster.requests == []


def test_a_swap_of_models_is_no_change_of_ownership(cluster: FakeCluster) -> None:
    before = PROVIDER.check({}, props()).inputs
    after = PROVIDER.check(before, props(models__0__revision="1" * 40)).inputs
    assert before["objects"] != after["objects"]
    assert not PROVIDER.diff("id", before, after).changes


def test_the_guard_warns_of_ray_objects_that_lose_their_operator(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PROVIDER.check({}, props()).inputs
    theirs = {"metadata": {"name": "theirs", "namespace": "elsewhere"}}
    ours = {
        "metadata": {
            "name": "ours",
            "namespace": "n",
            "annotations": {"rayline.dev/stack": before["stack_id"]},
        }
    }
    plain = cluster.answer

    def answer(request: Request) -> tuple[int, Any]:
        if request.path == "/apis/ray.io/v1/rayclusters":
            return 200, {"items": [theirs, ours]}
        return plain(request)

    monkeypatch.setattr(cluster, "answer", answer)
    one = call()
    DestroyGuardProvider().delete(one, "id", {**before, "operator": True})
    assert "rayclusters/theirs in elsewhere" in one.warnings[0]
    assert "ours" not in one.warnings[0]
    other = call()
    DestroyGuardProvider().delete(other, "id", {**before, "operator": False})
    assert other.warnings == []


def test_without_an_answer_the_guard_deletes_nothing_and_says_what_to_type(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PROVIDER.check({}, props()).inputs
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ProviderError, match=r"Nothing was deleted.*pulumi state delete --all"):
        DestroyGuardProvider().delete(call(), "id", {**before, "operator": True})
