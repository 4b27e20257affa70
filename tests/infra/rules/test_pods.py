"""Labels, annotations and resources of pods."""

import pytest

from tests.infra.rules.stack import errors


@pytest.mark.parametrize(
    ("labels", "fits"),
    [
        ({"example.com/team": "llm"}, True),
        ({"team": ""}, True),
        ({"ray.io/group": "x"}, False),
        ({"app.kubernetes.io/managed-by": "me"}, False),
    ],
)
@pytest.mark.parametrize("place", ["ray__labels", "ray__head__labels", "gpuGroups__0__labels"])
def test_labels(place: str, labels: dict[str, str], fits: bool) -> None:
    assert (errors(**{place: labels}) == {}) is fits


def test_nodes_may_be_selected_by_any_label() -> None:
    assert errors(gpuGroups__0__nodeSelector={"ray.io/any": "c"}) == {}


def test_other_annotations_are_allowed() -> None:
    assert errors(ray__annotations={"ray.io/enable-serve-service": "true"}) == {}


@pytest.mark.parametrize(
    "name",
    ["ray.io/ft-enabled", "ray.io/external-storage-namespace", "ray.io/overwrite-container-cmd"],
)
def test_annotations_that_change_kuberays_pods_are_refused(name: str) -> None:
    reported = errors(ray__annotations={name: "true"})
    assert list(reported) == [f'rayline:ray.annotations["{name}"]']


@pytest.mark.parametrize("place", ["ray__head", "gpuGroups__0"])
@pytest.mark.parametrize(("name", "high"), [("cpu", "100"), ("memory", "100G")])
def test_requests_are_within_limits(place: str, name: str, high: str) -> None:
    reported = errors(**{f"{place}__requests": {"cpu": "1", "memory": "1G", name: high}})
    assert [key.rsplit(".", 2)[1:] for key in reported] == [["requests", name]]
    equal = {"cpu": "2", "memory": "20Gi"}
    assert errors(**{f"{place}__requests": equal, f"{place}__limits": equal}) == {}


def test_shared_memory_is_part_of_the_limit() -> None:
    assert list(errors(gpuGroups__0__sharedMemory="24G")) == ["rayline:gpuGroups[0].sharedMemory"]
    assert errors(gpuGroups__0__sharedMemory="8Gi") == {}
