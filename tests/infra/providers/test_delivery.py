"""Another delivery is refused while the cluster exists. Under the real engine: engine/."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.properties import UNKNOWN
from infra.providers.delivery import DeliveryError, RayDeliveryProvider
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused

PROVIDER = RayDeliveryProvider()
BOTH = [("restApi", "rayService"), ("rayService", "restApi")]


def props(delivery: Any, **changes: Any) -> dict[str, Any]:
    place = {"context": CONTEXT, "namespace": "llm", "cluster": "ray"}
    return {**place, "delivery": delivery, **changes}


@dataclass
class FakeKinds(FakeApi):
    """RayClusters and RayServices by plural; the value is what a GET finds."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests_until_gone: int = 10**6
    status: int = 404

    def answer(self, request: Request) -> tuple[int, Any]:
        kind = request.path.split("/")[-2]
        assert request.method == "GET"
        assert request.path == f"/apis/ray.io/v1/namespaces/llm/{kind}/ray"
        self.requests_until_gone -= 1
        if kind not in self.found or self.requests_until_gone < 0:
            return refused(self.status, "Reason", "message")
        return 200, {"metadata": {"name": "ray", **self.found[kind]}}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKinds]:
    with FakeKinds() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


@pytest.mark.parametrize(("before", "now"), BOTH)
def test_a_switch_is_refused_with_what_to_type(before: str, now: str) -> None:
    (failure,) = PROVIDER.check(props(before), props(now)).failures
    assert f"is {now}, but this stack's Ray cluster was made with {before}" in failure.reason
    assert "pulumi destroy --target '**::delivery' --target-dependents" in failure.reason
    assert f"pulumi config set --path 'rayline:serve.delivery' {before}" in failure.reason


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_the_same_delivery_and_a_first_one_are_accepted(delivery: str) -> None:
    assert not PROVIDER.check({}, props(delivery)).failures
    assert not PROVIDER.check(props(delivery), props(delivery)).failures
    assert not PROVIDER.check(props(delivery), props(UNKNOWN)).failures
    assert not PROVIDER.diff("id", props(delivery), props(delivery)).changes


def test_a_renamed_context_is_stored() -> None:
    old, new = props("restApi"), props("restApi", context="renamed")
    diff = PROVIDER.diff("id", old, new)
    assert (diff.changes, diff.replaces) == (True, [])
    assert PROVIDER.update(call(), "id", old, new) == new


@pytest.mark.parametrize(
    ("delivery", "kind"), [("restApi", "rayservice"), ("rayService", "raycluster")]
)
def test_what_a_killed_switch_left_is_named_before_anything_is_touched(
    api: FakeKinds, delivery: str, kind: str
) -> None:
    """The state does not know it, so that no `up` would ever delete it."""
    api.found = {f"{kind}s": {}}
    with pytest.raises(DeliveryError) as error:
        PROVIDER.create(call(), props(delivery))
    assert f"kubectl --context fake -n llm delete {kind} ray" in str(error.value)


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_a_cluster_of_the_same_kind_and_an_empty_namespace_are_accepted(
    api: FakeKinds, delivery: str
) -> None:
    made = PROVIDER.create(call(), props(delivery))
    assert made.outs == props(delivery)
    api.found = {"rayclusters" if delivery == "restApi" else "rayservices": {}}
    PROVIDER.create(call(), props(delivery))


def test_an_object_that_is_being_deleted_is_waited_for(api: FakeKinds) -> None:
    api.found = {"rayservices": {"deletionTimestamp": "2026-11-27T00:00:00Z"}}
    api.requests_until_gone = 20
    made = call()
    PROVIDER.create(made, props("restApi"))
    assert any("waiting for the rayservice ray to be gone" in line for line in made.lines)
    api.requests_until_gone = 10**6
    with pytest.raises(DeliveryError, match="still being deleted after 600 s"):
        PROVIDER.create(call(), props("restApi"))


def test_whoever_may_not_read_the_other_kind_does_not_use_it(api: FakeKinds) -> None:
    api.status = 403
    PROVIDER.create(call(), props("restApi"))
