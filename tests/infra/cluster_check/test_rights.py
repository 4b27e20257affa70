"""The rights that are asked for cover everything that the program declares."""

from typing import Any

import pytest

from infra.cluster_check.facts import Right
from infra.cluster_check.rights import OBJECT, needed
from infra.settings import parse
from tests.infra.program.harness import run
from tests.stacks import committed

PLURALS = {"Ingress": "ingresses"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"serve__delivery": "rayService"},
        {"operator__watch": "cluster"},
        {"serve__ingress": {"host": "a.example.com"}},
        {"monitoring__scrape": "podMonitor"},
        {"monitoring": {"scrape": "serviceMonitor", "alerts": True, "dashboards": True}},
        {"storage__existing": True, "cluster__createNamespace": False, "operator__install": False},
    ],
    ids=[
        "prod",
        "rayService",
        "a cluster-wide operator",
        "ingress",
        "PodMonitor",
        "ServiceMonitor",
        "nothing cluster-wide",
    ],
)
def test_every_declared_object_is_covered(changes: dict[str, Any]) -> None:
    rights = set(needed(parse(committed("prod", **changes))))
    found = 0
    for resource in run("prod", **changes).resources.values():
        kind = resource.inputs.get("kind") or resource.type.rpartition(":")[2]
        if not resource.type.startswith("kubernetes:"):
            continue
        version = resource.inputs.get("apiVersion") or resource.type.split(":")[1].removeprefix(
            "core/"
        )
        group = version.rpartition("/")[0]
        plural = PLURALS.get(kind, f"{kind.lower()}s")
        namespace = resource.inputs["metadata"].get("namespace", "")
        for verb in OBJECT:
            assert Right(verb, plural, group, namespace) in rights, resource.type
        found += 1
    assert found >= 5


def test_a_user_without_rights_of_the_cluster_needs_none_outside_the_namespace() -> None:
    changes: dict[str, Any] = {"cluster__createNamespace": False, "operator__install": False}
    settings = parse(committed("prod", **changes))
    assert {right.namespace for right in needed(settings)} == {settings.cluster.namespace}
