"""Proxies of download Jobs and of the image's build."""

from infra.settings.network import Network

INSIDE = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local")
"""Hosts that no proxy reaches: the machine itself, and Services
(https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/)."""


def environment(network: Network, *, secret_proxy: bool = False) -> dict[str, str]:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY; empty without a proxy.

    With `secret_proxy`, the address of the proxy is not here, because it contains a password.
    """
    proxies = {
        name: address
        for name, address in (
            ("HTTP_PROXY", network.http_proxy),
            ("HTTPS_PROXY", network.https_proxy),
        )
        if address and not secret_proxy
    }
    if not proxies and not secret_proxy and not network.no_proxy:
        return {}
    return {**proxies, "NO_PROXY": ",".join([*INSIDE, *network.no_proxy])}
