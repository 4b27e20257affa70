"""Addresses from which vLLM would fetch media.

vLLM 0.32 fetches http and https addresses, reads `file` addresses where the operator allows it, and
decodes `data:` addresses (`multimodal/media/connector.py`). It lowers the first five characters to
recognise `data:`, as is done here, and follows no redirect (`app.engine.engine`).
"""

from urllib.parse import urlsplit

from app.errors import out_of_bounds
from app.guard.bounds import Bounds


def check_address(field: str, address: object, bounds: Bounds) -> None:
    """Raise RefusedError 400 unless the address is data, or on a host that is allowed."""
    if type(address) is str and (address[:5].lower() == "data:" or _listed(address, bounds)):
        return
    allowed = ", ".join(sorted(bounds.media_domains)) or "none"
    problem = f"is not an allowed address; allowed domains: {allowed}; or send a data: URL"
    raise out_of_bounds(field, problem)


def _listed(address: str, bounds: Bounds) -> bool:
    """Whether every reader of addresses takes this one for an allowed host's."""
    if not address.isascii() or not address.isprintable() or set(address) & set("\\ @\t"):
        return False
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    listed = parts.scheme in ("http", "https") and host in bounds.media_domains
    return listed and port in (None, 80, 443)
