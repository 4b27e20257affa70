"""The objects of infra.specs conform to KubeRay's CRDs and to Kubernetes' types."""

import copy
from typing import Any

import pytest
from kubernetes.client import models  # type: ignore[import-untyped]

from infra.settings import StackSettings
from infra.specs import services
from infra.specs.download_job import download_job
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster
from infra.specs.ray_service import ray_service
from tests.infra.specs.original import IMAGE, original, production
from tests.infra.specs.schemas import problems

EVERYTHING = original(
    storage={"fixPermissions": True},
    serve={
        "delivery": "rayService",
        "ingress": {"host": "a.example.com", "className": "nginx", "annotations": {"a/b": "c"}},
    },
)


@pytest.fixture(params=["production", "everything"])
def settings(request: pytest.FixtureRequest) -> StackSettings:
    return production() if request.param == "production" else EVERYTHING


def test_kuberay_accepts_the_ray_cluster(settings: StackSettings) -> None:
    cluster = ray_cluster(settings, pod_templates(settings, IMAGE))
    assert problems("RayCluster", cluster["spec"]) == []


def test_kuberay_accepts_the_ray_service(settings: StackSettings) -> None:
    service = ray_service(settings, pod_templates(settings, IMAGE))
    assert problems("RayService", service["spec"]) == []


def test_a_field_that_kuberay_does_not_know_is_noticed() -> None:
    cluster = ray_cluster(original(), pod_templates(original(), IMAGE))
    wrong = copy.deepcopy(cluster["spec"])
    wrong["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["volumeMount"] = []
    wrong["workerGroupSpecs"][0]["minReplicas"] = "2"
    found = problems("RayCluster", wrong)
    assert len(found) == 2
    assert any("volumeMount" in problem for problem in found)


def test_kubernetes_knows_every_field_of_the_others(settings: StackSettings) -> None:
    objects = [("V1Service", services.api_service(settings))]
    objects += [("V1Job", download_job(settings, model, IMAGE)) for model in settings.models]
    if settings.serve.ingress is not None:
        objects.append(("V1Ingress", services.ingress(settings)))
    assert [unknown for kind, content in objects for unknown in unknown_fields(kind, content)] == []


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    job = download_job(original(), original().models[0], IMAGE)
    job["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    assert unknown_fields("V1Job", job) == ["V1Container.volumeMount"]


def unknown_fields(kind: str, content: Any) -> list[str]:
    """Fields, at any depth, that the client's type of that name lacks."""
    if kind.startswith("list["):
        return [name for item in content for name in unknown_fields(kind[5:-1], item)]
    model = getattr(models, kind, None)
    if model is None:
        return []
    by_field = {field: attribute for attribute, field in model.attribute_map.items()}
    found = [f"{kind}.{field}" for field in content if field not in by_field]
    for field, value in content.items():
        if field in by_field:
            found += unknown_fields(model.openapi_types[by_field[field]], value)
    return found
