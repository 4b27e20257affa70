"""Where a login comes from: a place, and the network around it.

A place is what one customer usually has: an IPv4 address, or a /64 of IPv6, inside which a machine
chooses its address freely (RFC 7217, RFC 8981). A network has places near each other: a /24, or a
/48, which one owner may have whole (RFC 6177). An IPv6 address that contains an IPv4 address counts
as the latter, because its sender chooses the rest: mapped addresses (RFC 4291), 6to4 (RFC 3056) and
the well-known prefix of NAT64 (RFC 6052).
"""

import ipaddress
from dataclasses import dataclass

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PREFIXES = {4: (32, 24), 6: (64, 48)}


@dataclass(frozen=True, slots=True)
class Origin:
    """The place and the network of an address, each as a canonical text."""

    place: str
    network: str
    one_owner: bool
    """Whether the whole network may have one owner."""


UNKNOWN = Origin("unknown", "unknown", False)
"""Of everything that is not an address: whoever could vary it would have many origins."""


def origin(address: str) -> Origin:
    """The origin of an address as the guard has it, with or without a zone."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _embedded(parsed) or parsed
    place, network = (
        str(ipaddress.ip_network((parsed, prefix), strict=False))
        for prefix in _PREFIXES[parsed.version]
    )
    return Origin(place, network, parsed.version == 6)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
