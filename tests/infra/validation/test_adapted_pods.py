"""A real API server accepts every adapted pod, Secret and Service."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.specs import services
from infra.specs.strategic_merge import under
from tests.apiserver.server import ApiServer
from tests.infra.specs.test_adapted import KINDS, PARTS, changed
from tests.infra.validation.dry_run import DryRun
from tests.stacks import Location

pytestmark = pytest.mark.apiserver

CLASSES: list[dict[str, Any]] = [
    {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "kata"},
        "handler": "kata",
        "overhead": {"podFixed": {"cpu": "250m"}},
    },
    {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "serving"},
        "value": 1000,
    },
]
SERVICES: dict[str, dict[str, Any]] = {
    "cluster": {"type": "ClusterIP", "annotations": {"a/b": "c"}},
    "node port": {"type": "NodePort", "nodePort": 30080},
    "balanced": {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
        "annotations": {"service.beta.kubernetes.io/internal": "true"},
    },
}


@pytest.fixture(scope="module", autouse=True)
def _classes(api_server: ApiServer) -> Any:
    for each in CLASSES:
        api_server.create(each)
    yield
    for each in CLASSES:
        api_server.delete(each)


@pytest.fixture
def refused(dry_run: DryRun) -> Callable[..., list[str]]:
    """What the API server refuses of an edited stack."""
    return lambda *edits: dry_run.refusals(changed(*edits))


Ask = Callable[..., list[str]]


@pytest.mark.parametrize("owner", KINDS, ids=str)
def test_every_part_of_a_template_at_once(refused: Ask, owner: Location) -> None:
    spec: dict[str, Any] = {"runtimeClassName": "kata"}
    for part in PARTS.values():
        spec = under(part, spec)
    # Kubernetes permits no user namespace on the host's network.
    del spec["hostUsers"]
    assert refused(((*owner, "podTemplate", "spec"), spec)) == []


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_template(refused: Ask, part: str) -> None:
    spec = {**PARTS[part], **({"runtimeClassName": "kata"} if part == "overhead" else {})}
    assert refused(*(((*owner, "podTemplate", "spec"), spec) for owner in KINDS)) == []


def test_typed_keys(refused: Ask) -> None:
    secret = {"WANDB_KEY": {"secret": "keys.team", "key": "wandb"}}
    assert (
        refused(
            (("image", "pullSecrets"), ["a.b"]),
            (("image", "createPullSecret"), True),
            (("ray", "secretEnv"), secret),
            *(
                ((*owner, key), value)
                for owner in (("ray", "head"), ("gpuGroups", 0), ("gpuGroups", 1))
                for key, value in (("runtimeClassName", "kata"), ("priorityClassName", "serving"))
            ),
        )
        == []
    )


@pytest.mark.parametrize("kind", SERVICES)
def test_each_type_of_service(refused: Ask, kind: str) -> None:
    assert refused((("serve", "service"), SERVICES[kind])) == []


def test_a_wrong_part_would_be_noticed(refused: Ask) -> None:
    edit = (("gpuGroups", 0, "podTemplate", "spec"), {"dnsPolicy": "None"})
    (answer,) = refused(edit)
    assert "dnsConfig" in answer


@pytest.mark.parametrize("later", SERVICES)
@pytest.mark.parametrize("earlier", SERVICES)
def test_the_type_of_the_service_changes_in_place(
    api_server: ApiServer, api_namespace: str, earlier: str, later: str
) -> None:
    """By server-side apply, as Pulumi does it."""
    for kind in (earlier, later):
        settings = changed(
            (("cluster", "namespace"), api_namespace), (("serve", "service"), SERVICES[kind])
        )
        service = services.api_service(settings)
        found = api_server.call(
            "PATCH",
            api_server.path_of(service),
            service,
            kind="application/apply-patch+yaml",
            fieldManager="test",
            force="true",
        )
    assert found["spec"]["type"] == SERVICES[later]["type"]
    assert ("nodePort" in found["spec"]["ports"][0]) is (later != "cluster")
    assert ("loadBalancerClass" in found["spec"]) is (later == "balanced")
    api_server.delete(service)
