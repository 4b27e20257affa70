"""The API's Service: its type, and what belongs to it."""

import pytest

from tests.infra.rules.stack import errors, warnings

KEY = "rayline:serve.service"


@pytest.mark.parametrize(
    ("field", "value", "types"),
    [
        ("nodePort", 30080, {"NodePort", "LoadBalancer"}),
        ("loadBalancerClass", "example.com/internal", {"LoadBalancer"}),
        ("loadBalancerSourceRanges", ["10.0.0.0/8"], {"LoadBalancer"}),
    ],
)
@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_a_field_of_another_type(field: str, value: object, types: set[str], kind: str) -> None:
    reported = errors(serve__service={"type": kind, field: value})
    assert list(reported) == ([] if kind in types else [f"{KEY}.{field}"])


def test_plain_http_outside_the_cluster_is_worth_a_warning() -> None:
    assert warnings() == {}
    reported = warnings(serve__service={"type": "LoadBalancer"})
    assert "plain HTTP" in reported[f"{KEY}.type"]
