"""Ports of a Ray pod."""

import pytest

from infra.rules import ports
from infra.specs import names
from tests.infra.rules.stack import errors


def test_the_ready_port_is_taken() -> None:
    assert names.READY_PORT in ports.TAKEN


@pytest.mark.parametrize(
    ("serve", "metrics", "key"),
    [
        (8000, 8080, None),
        (8080, 8000, None),
        (8080, 8080, "rayline:ray.metricsPort"),
        (8265, 8080, "rayline:serve.port"),
        (8365, 8080, "rayline:serve.port"),
        (8000, 10001, "rayline:ray.metricsPort"),
    ],
)
def test_ports_have_one_listener(serve: int, metrics: int, key: str | None) -> None:
    reported = errors(serve__port=serve, ray__metricsPort=metrics)
    assert list(reported) == ([key] if key else [])


@pytest.mark.parametrize(
    ("serve", "metrics", "advice"),
    [
        (8080, 8080, "'rayline:ray.metricsPort' 8081"),
        (9000, 9000, "'rayline:ray.metricsPort' 8080"),
        (8265, 8080, "'rayline:serve.port' 8000"),
        (8265, 8000, "'rayline:serve.port' 8001"),
    ],
)
def test_a_free_port_is_advised(serve: int, metrics: int, advice: str) -> None:
    (message,) = errors(serve__port=serve, ray__metricsPort=metrics).values()
    assert message.endswith(f"Type: pulumi config set --path {advice}")
