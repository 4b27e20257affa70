"""The address of a client behind Serve's HAProxy, which the replica does not see itself.

HAProxy writes the address into a header (`app/haproxy.sh`), next to a proof that requires the
cluster's Ray token. A client that calls a replica's own port, or sends such headers through the
proxy, therefore cannot choose an address. Without a Ray token there is no proof, and all clients of
a proxy have the proxy's address.
"""

import functools
import hashlib
import hmac
import ipaddress
from contextlib import suppress
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CLIENT, PROOF = b"x-rayline-client", b"x-rayline-proof"
UNKNOWN = "unknown"


def proxy_proof(token: str, path: Path | None) -> bytes:
    """The proof that HAProxy sends with each request on this cluster.

    `token` is Ray's, or is read from the file `path`. Empty where there is no token.
    """
    if not token and path is not None:
        with suppress(OSError):
            # As the shell's $(cat ...): without the newlines at the end.
            token = path.read_text(encoding="utf-8").rstrip("\n")
    if not token:
        return b""
    return hashlib.sha256(f"rayline-proxy:{token}".encode()).hexdigest().encode()


def behind_serve(
    connection: str, reported: bytes | None, proof: bytes | None, expected: bytes
) -> str:
    """`reported` where `proof` shows that our proxy wrote it, otherwise `connection`.

    `connection` is the address at the other end of the replica's own connection. The answer is an
    address in its usual form, or "unknown"; it may be logged.
    """
    if reported and proof and expected and hmac.compare_digest(proof, expected):
        address = _usual(reported.decode("latin-1"))
        if address is not None:
            return address
    return _usual(connection) or UNKNOWN


def behind_trusted(peer: str, forwarded: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The client's address, past the trusted proxies between it and `peer`.

    X-Forwarded-For is read from its end, past trusted proxies only. Entries that a client wrote
    into it stand further left and are never reached.
    """
    address = peer
    entries = forwarded.decode("latin-1").split(",") if forwarded and trusted else []
    while entries and _within(address, trusted):
        candidate = _usual(entries.pop().strip(" \t"))
        if candidate is None:
            break
        address = candidate
    return address


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    if address == UNKNOWN:
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks)


@functools.lru_cache(maxsize=1024)
def _usual(text: str) -> str | None:
    """The address in its usual form, so that one client has one spelling; None for other text.

    A zone is refused: `ipaddress` accepts any characters in it, line feeds too.
    """
    if "%" in text:
        return None
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
