"""The stored CRDs find the mistakes that the API server would refuse or silently drop."""

import copy
from typing import Any

import pytest

from infra.settings.framework.kuberay import pod_template_schema, spec_schema
from infra.settings.framework.kuberay.check import mistakes
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster
from tests.infra.specs.original import IMAGE, original

CONTAINER = {"name": "c", "image": "i"}


def found(spec: dict[str, Any]) -> list[str]:
    whole = {"spec": {"containers": [CONTAINER]} | spec}
    return [
        f"{'.'.join(map(str, each.location))} {each.message}"
        for each in mistakes(pod_template_schema(), whole)
    ]


def test_what_rayline_creates_has_no_mistake() -> None:
    cluster = ray_cluster(original(), pod_templates(original(), IMAGE))
    assert list(mistakes(spec_schema("RayCluster"), cluster["spec"])) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"runtimeClassNam": "x"}, "spec.runtimeClassNam is not a field; did you mean"),
        ({"priorityClassName": 3}, "spec.priorityClassName is 3; it must be a text"),
        ({"hostNetwork": "yes"}, 'spec.hostNetwork is "yes"; it must be true or false'),
        ({"priority": 2**31}, "spec.priority is 2147483648; it must be a whole number from"),
        ({"tolerations": [{"tolerationSeconds": 2**63}]}, "tolerationSeconds is"),
        ({"tolerations": {}}, "spec.tolerations is {}; it must be a list"),
        ({"containers": [{"image": "i"}]}, "spec.containers.0.name is missing"),
        (
            {"containers": [{**CONTAINER, "resources": {"limits": {"memory": "24 GB"}}}]},
            "spec.containers.0.resources.limits.memory is",
        ),
        (
            {"containers": [{**CONTAINER, "resources": {"limits": {"memory": 1.5}}}]},
            "it must be a whole number or a text",
        ),
        ({"containers": [CONTAINER, CONTAINER]}, "spec.containers.1 repeats the name of"),
        ({"nodeSelector": {"a": 1}}, "spec.nodeSelector.a is 1; it must be a text"),
    ],
)
def test_a_mistake_is_named_with_its_place(spec: dict[str, Any], expected: str) -> None:
    (problem,) = found(copy.deepcopy(spec))
    assert expected in problem


def test_fields_without_a_value_and_open_objects_are_accepted() -> None:
    assert found({"nodeSelector": {"any.example.com/key": "x"}, "runtimeClassName": None}) == []
    assert found({"containers": [{**CONTAINER, "resources": {"limits": {"cpu": 1}}}]}) == []
