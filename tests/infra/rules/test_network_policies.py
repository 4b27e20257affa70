"""Policies that would close what the stack itself needs."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors, warnings

KEY = "rayline:network.policies"
API: dict[str, Any] = {"pods": [{"namespace": "ingress-nginx"}]}
GOOD: dict[str, Any] = {"apiFrom": API, "controlPlane": {"networks": ["192.0.2.1/32"]}}


def test_policies_that_name_everybody() -> None:
    assert errors(network__policies=GOOD) == {}


def test_nobody_may_connect() -> None:
    reported = errors(network__policies={})
    assert set(reported) == {f"{KEY}.apiFrom", f"{KEY}.controlPlane"}
    assert f"'{KEY}.apiFrom.pods[0].namespace'" in reported[f"{KEY}.apiFrom"]
    assert "kubectl get endpointslices" in reported[f"{KEY}.controlPlane"]


def test_the_operator_needs_no_control_plane() -> None:
    assert errors(network__policies={"apiFrom": API}, serve__delivery="rayService") == {}


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_clients_from_outside_have_an_address(kind: str) -> None:
    edits = {"network__policies": GOOD, "serve__service": {"type": kind}}
    assert f"{KEY}.apiFrom" in warnings(**edits)
    named = {**GOOD, "apiFrom": {**API, "networks": ["10.0.0.0/8"]}}
    assert f"{KEY}.apiFrom" not in warnings(**{**edits, "network__policies": named})


@pytest.mark.parametrize("owner", ["ray__head", "gpuGroups__0"])
def test_pods_on_the_hosts_network_are_out_of_reach(owner: str) -> None:
    edits = {f"{owner}__podTemplate__spec": {"hostNetwork": True}}
    (message,) = errors(network__policies=GOOD, **edits).values()
    assert "do not apply to pods on the host's network" in message
    assert errors(**edits) == {}


def test_a_download_on_the_hosts_network_connects_to_no_pod() -> None:
    edits = {"hub__podTemplate__spec": {"hostNetwork": True}}
    assert errors(network__policies=GOOD, **edits) == {}


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0", "ten/8"])
def test_a_network_is_written_without_bits_of_the_host(network: str) -> None:
    wanted = {**GOOD, "apiFrom": {"networks": [network]}}
    with pytest.raises(Exception, match=r"apiFrom\.networks\[0\]"):
        errors(network__policies=wanted)
