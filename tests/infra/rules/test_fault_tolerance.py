"""Ray's control store: versions of Ray, and claims."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors

KEY = "rayline:ray.faultTolerance"
CLASS = {"storageClass": "rbd"}


def test_an_older_ray_keeps_its_store_in_memory_if_it_may() -> None:
    message = errors(ray__version="2.56.1")[f"{KEY}.enabled"]
    assert "Ray 2.57.0 is the first version" in message
    assert f"pulumi config set --path '{KEY}.enabled' false" in message
    off = {"enabled": False}
    assert f"{KEY}.enabled" not in errors(ray__version="2.56.1", ray__faultTolerance=off)
    assert f"{KEY}.enabled" not in errors(ray__version="2.57.0")


def test_a_class_is_for_a_new_claim() -> None:
    reported = errors(ray__faultTolerance={**CLASS, "existingClaim": "mine"})
    assert "existingClaim is 'mine'" in reported[f"{KEY}.storageClass"]
    assert errors(ray__faultTolerance={"existingClaim": "mine"}) == {}


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [(CLASS, True), ({}, False), ({"existingClaim": "mine"}, False)],
    ids=["own-class", "default", "existing"],
)
def test_two_clusters_of_a_ray_service_may_be_on_two_nodes(
    wanted: dict[str, Any], refused: bool
) -> None:
    reported = errors(ray__faultTolerance=wanted, serve__delivery="rayService")
    assert (f"{KEY}.storageClass" in reported) is refused
    assert errors(ray__faultTolerance=wanted) == {}
