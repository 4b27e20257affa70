"""The address of a client that came through Serve's HAProxy, which the replica does not see itself.

HAProxy writes it into a header (`app/haproxy.sh`), and a proof beside it that only who knows the
cluster's Ray token can make: whoever calls a replica's own port, or sends such headers through the
proxy, cannot choose an address. Without a Ray token there is no proof, and all clients of a proxy
have the proxy's address.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CLIENT, PROOF = b"x-rayline-client", b"x-rayline-proof"


def proof(environ: Mapping[str, str]) -> bytes:
    """What HAProxy sends with each request on this cluster; empty where there is no Ray token."""
    token = environ.get("RAY_AUTH_TOKEN", "")
    if not token and environ.get("RAY_AUTH_TOKEN_PATH"):
        with suppress(OSError):
            # As the shell's $(cat ...): without the lines' ends.
            token = Path(environ["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8").rstrip("\n")
    if not token:
        return b""
    return hashlib.sha256(f"rayline-proxy:{token}".encode()).hexdigest().encode()


def peer(address: str, told: bytes | None, given: bytes | None, expected: bytes) -> str:
    """`told` where `given` proves that our proxy wrote it, else `address`, the connection's own."""
    if told and given and expected and hmac.compare_digest(given, expected):
        return told.decode("latin-1")
    return address


def of(peer: str, forwarded: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The address that logins are counted under.

    X-Forwarded-For is read from its end, past trusted proxies only: what a client wrote into it
    stands further left and is never reached.
    """
    address = peer
    entries = forwarded.decode("latin-1").split(",") if forwarded and trusted else []
    while entries and _within(address, trusted):
        candidate = entries.pop().strip()
        if _parsed(candidate) is None:
            break
        address = candidate
    return address


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
