"""The user's choices, and the addresses that follow from them."""

import pytest

from sandbox.settings import Settings, from_environment
from toolchain.errors import UserError


def test_defaults_when_nothing_is_set() -> None:
    assert from_environment({}) == Settings()
    assert from_environment({"RAYLINE_GPU_TAINT": "", "RAYLINE_NETWORK": ""}) == Settings()


def test_every_network_lies_in_the_one_that_was_chosen_and_none_overlap() -> None:
    chosen = from_environment({"RAYLINE_NETWORK": "172.20.0.0/16"})
    parts = [chosen.pod_network, chosen.service_network]
    assert all(part.subnet_of(chosen.network) for part in parts)
    assert not parts[0].overlaps(parts[1])
    for address in (chosen.host_address, chosen.node_address):
        assert address in chosen.network
        assert not any(address in part for part in parts)
    assert chosen.dns_address in chosen.service_network
    assert chosen.api_url == "https://172.20.0.2:6443"


@pytest.mark.parametrize(
    ("variable", "given", "said"),
    [
        ("RAYLINE_NETWORK", "10.0.0.0/8", "size /16"),
        ("RAYLINE_NETWORK", "10.213.1.0/16", "private IPv4 network"),
        ("RAYLINE_NETWORK", "8.8.0.0/16", "private IPv4 network"),
        ("RAYLINE_NETWORK", "home", "'home'"),
        ("RAYLINE_REGISTRY_PORT", "0", "from 1 to 65535"),
        ("RAYLINE_REGISTRY_PORT", "http", "'http'"),
        ("RAYLINE_GPUS", "-1", "from 0 to 64"),
        ("RAYLINE_GPU_TAINT", "yes", "neither 0 nor 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_given(variable: str, given: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        from_environment({variable: given})
    assert variable in refused.value.message
    assert said in refused.value.message
    assert refused.value.exit_code == 2
