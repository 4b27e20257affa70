"""Who may connect to the pods of a stack with NetworkPolicies, port by port."""

from typing import Any

import pytest

from infra.settings import StackSettings
from infra.specs.network_policies import network_policies
from tests.infra.specs.connections import (
    ANYWHERE,
    API,
    CONTROLLER,
    HOME,
    MASTER,
    OPERATORS,
    OUTSIDE,
    PORTS,
    PROMETHEUS,
    STRANGERS,
    ends,
)
from tests.infra.specs.policies import POLICIES, End, admitted, with_policies
from tests.stacks import settings


def reach(wanted: StackSettings, start: End, end: End) -> set[int]:
    policies = network_policies(wanted)
    return {port for port in PORTS if admitted(policies, HOME, start, end, port)}


def allowed(wanted: StackSettings) -> dict[tuple[str, str], set[int]]:
    ours = ends(wanted)
    everyone = STRANGERS | ours
    found = {(a, b): reach(wanted, everyone[a], ours[b]) for a in everyone for b in ours}
    return {pair: ports for pair, ports in found.items() if ports}


def test_only_what_is_listed_connects_to_the_pods() -> None:
    assert allowed(with_policies()) == ANYWHERE


def test_the_operator_posts_the_applications_of_a_ray_service() -> None:
    assert allowed(with_policies(serve__delivery="rayService")) == ANYWHERE | OPERATORS


def test_the_ports_are_those_of_the_stack() -> None:
    wanted = with_policies(serve__port=9001, ray__metricsPort=9002)
    policies, head = network_policies(wanted), ends(wanted)["head"]
    assert admitted(policies, HOME, CONTROLLER, head, 9001)
    assert admitted(policies, HOME, PROMETHEUS, head, 9002)
    assert not admitted(policies, HOME, CONTROLLER, head, API)


@pytest.mark.parametrize("kind", ["apiFrom", "metricsFrom", "controlPlane"])
def test_an_empty_list_admits_nobody(kind: str) -> None:
    wanted = settings(network__policies={**POLICIES, kind: {}})
    closed = {"apiFrom": CONTROLLER, "metricsFrom": PROMETHEUS, "controlPlane": MASTER}
    assert reach(wanted, closed[kind], ends(wanted)["head"]) == set()


def outbound(wanted: StackSettings, kind: str) -> set[int]:
    policies, start = network_policies(wanted), ends(wanted)[kind]
    ports = (53, 80, 443, 1234, 3000, 3128, 5432, 8443, 9090)
    return {port for port in ports if admitted(policies, HOME, start, OUTSIDE, port)}


@pytest.mark.parametrize(
    ("kind", "changes", "ports"),
    [
        ("worker", {}, {53}),
        ("head", {"ray__prometheusHost": None}, {53}),
        ("head", {"ray__prometheusHost": "http://p:9090", "ray__grafanaHost": "https://g"}, {
            53, 443, 9090}),
        ("worker", {"ray__prometheusHost": "http://p:9090"}, {53}),
        ("worker", {"api__mediaDomains": ["media.example.com"]}, {53, 80, 443}),
        ("worker", {"models__0__api": {"mediaDomains": ["media.example.com"]}}, {53, 80, 443}),
        ("worker", {"network__policies": {**POLICIES, "rayEgressPorts": [5432]}}, {53, 5432}),
        ("download", {}, {53, 443}),
        ("download", {"hub__endpoint": "http://mirror.example.com:8443/hf"}, {53, 8443}),
        ("download", {"hub__endpoint": "http://mirror"}, {53, 80}),
        ("download", {"network__httpsProxy": "http://[::1]:3128"}, {53, 443, 3128}),
        ("download", {"network__policies": {**POLICIES, "downloadEgressPorts": [1234]}}, {
            53, 443, 1234}),
    ],
    ids=str,
)  # fmt: skip
def test_pods_connect_to_what_they_need(
    kind: str, changes: dict[str, Any], ports: set[int]
) -> None:
    assert outbound(settings(**{"network__policies": POLICIES, **changes}), kind) == ports


def test_names_are_resolved_over_both_protocols() -> None:
    wanted = with_policies()
    for start in ends(wanted).values():
        for protocol in ("UDP", "TCP"):
            assert admitted(network_policies(wanted), HOME, start, OUTSIDE, 53, protocol)


def test_nothing_without_the_key() -> None:
    assert network_policies(settings()) == []
