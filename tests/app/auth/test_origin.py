"""Addresses that belong together."""

import pytest

from app.auth.origin import UNKNOWN, origin


@pytest.mark.parametrize(
    ("address", "place", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        # IPv6 that contains IPv4: mapped, 6to4, NAT64.
        ("::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::ffff:c000:207", "192.0.2.7/32", "192.0.2.0/24"),
        ("2002:c000:207:1::1", "192.0.2.7/32", "192.0.2.0/24"),
        ("2002:c000:207:ffff:1:2:3:4", "192.0.2.7/32", "192.0.2.0/24"),
        ("64:ff9b::c000:207", "192.0.2.7/32", "192.0.2.0/24"),
        ("::1", "::/64", "::/48"),
    ],
)
def test_a_place_is_what_one_sender_can_vary(address: str, place: str, network: str) -> None:
    found = origin(address)
    assert (found.place, found.network) == (place, network)


@pytest.mark.parametrize("text", ["", "unknown", "192.0.2.7:80", "[::1]", "a%b", "1.2.3", "\0"])
def test_whatever_is_no_address_is_one_origin(text: str) -> None:
    assert origin(text) == UNKNOWN
