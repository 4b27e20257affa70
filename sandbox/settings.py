"""What a user may choose about the sandbox, read from the environment once."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from toolchain.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Choices with their defaults; `from_environment` documents the variables.

    Every address lies in `network`, a /16 of its own: host and node share the first /30, pods get
    the 65th /24 and services the upper half's first /20, so one variable moves all of them.
    """

    network: IPv4Network = field(default_factory=lambda: IPv4Network("10.213.0.0/16"))
    registry_port: int = 5000
    gpus: int = 4
    gpu_taint: bool = False

    @property
    def host_address(self) -> IPv4Address:
        """The host's end of the link to the node."""
        return self.network[1]

    @property
    def node_address(self) -> IPv4Address:
        """The node's end of the link: API server, kubelet, NodePorts."""
        return self.network[2]

    @property
    def pod_network(self) -> IPv4Network:
        return IPv4Network((self.network[64 * 256], 24))

    @property
    def service_network(self) -> IPv4Network:
        return IPv4Network((self.network[128 * 256], 20))

    @property
    def api_service_address(self) -> IPv4Address:
        """The first address of the service network: Kubernetes gives it to `kubernetes.default`."""
        return self.service_network[1]

    @property
    def dns_address(self) -> IPv4Address:
        return self.service_network[10]

    @property
    def api_url(self) -> str:
        return f"https://{self.node_address}:6443"

    @property
    def registry(self) -> str:
        """The registry's name: the same on the host and on the node, so references are too."""
        return f"localhost:{self.registry_port}"


def _whole_number(name: str, given: str, low: int, high: int) -> int:
    try:
        number = int(given)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise UserError(f"{name}={given!r} is not a whole number from {low} to {high}.")
    return number


def _network(given: str) -> IPv4Network:
    try:
        network = ipaddress.IPv4Network(given)
    except ValueError:
        network = None
    if network is None or network.prefixlen != 16 or not network.is_private:
        raise UserError(
            f"RAYLINE_NETWORK={given!r} is not a private IPv4 network of size /16.",
            "Write one like 10.213.0.0/16.",
        )
    return network


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read `RAYLINE_NETWORK`, `RAYLINE_REGISTRY_PORT`, `RAYLINE_GPUS`, `RAYLINE_GPU_TAINT`.

    Raises `UserError` with what was given and what is allowed.
    """
    default = Settings()
    taint = environment.get("RAYLINE_GPU_TAINT") or "0"
    if taint not in {"0", "1"}:
        raise UserError(f"RAYLINE_GPU_TAINT={taint!r} is neither 0 nor 1.")
    port = environment.get("RAYLINE_REGISTRY_PORT")
    gpus = environment.get("RAYLINE_GPUS")
    network = environment.get("RAYLINE_NETWORK")
    return Settings(
        network=_network(network) if network else default.network,
        registry_port=_whole_number("RAYLINE_REGISTRY_PORT", port, 1, 65535)
        if port
        else default.registry_port,
        gpus=_whole_number("RAYLINE_GPUS", gpus, 0, 64) if gpus else default.gpus,
        gpu_taint=taint == "1",
    )
