"""The address of a client that came through Serve's HAProxy, which the replica does not see itself.

HAProxy writes it into a header (`app/haproxy.sh`), and a proof beside it that only who knows the
cluster's Ray token can make: whoever calls a replica's own port, or sends such headers through the
proxy, cannot choose an address. Without a Ray token there is no proof, and all clients of a proxy
have the proxy's address.
"""

import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

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
