"""The HTTP client of downloads: proxies, certificates, and the addresses that may be requested."""

import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import certifi
import httpx2

from app.download.errors import Interrupted, MistakeError

TIMEOUT = 60.0
"""Seconds without data after which a connection counts as lost."""
MAX_REDIRECTS = 10


def create(proxy: str | None = None, authorities: Iterable[str] = ()) -> httpx2.Client:
    """A client that uses `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment.

    `proxy` takes the place of the first two; it may contain a password and is never printed.
    `authorities` are certificates (PEM) that are trusted in addition to the public ones. Raises
    `MistakeError` if one of them cannot be used.
    """
    if proxy:
        os.environ |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
        for name in ("http_proxy", "https_proxy"):
            os.environ.pop(name, None)
    try:
        return httpx2.Client(
            verify=_trust(authorities),
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=TIMEOUT,
            event_hooks={"request": [_require_web]},
        )
    except (ValueError, httpx2.InvalidURL):
        # The exception may quote the address, and with it the password.
        raise MistakeError(
            "the proxy's address cannot be used; allowed: http://host:port, also with "
            "user:password@ in the encrypted rayline:proxyUrl. Correct `network.httpProxy`, "
            "`network.httpsProxy` or rayline:proxyUrl."
        ) from None


def _trust(authorities: Iterable[str]) -> ssl.SSLContext:
    # What SSL_CERT_FILE names replaces the public certificates, as it does for other programs.
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    for each in authorities:
        try:
            context.load_verify_locations(cadata=each)
        except (ssl.SSLError, ValueError):
            raise MistakeError(
                "the additional certificate authorities are not certificates in PEM form "
                "(-----BEGIN CERTIFICATE-----). Correct `network.caFile` or the ConfigMap of "
                "`network.caConfigMap`."
            ) from None
    return context


def _require_web(request: httpx2.Request) -> None:
    """Called for each redirect too."""
    if request.url.scheme not in {"http", "https"}:
        raise MistakeError(
            f"the hub redirects to an address of scheme {request.url.scheme!r}; allowed: http and "
            "https. Check the mirror (`hub.endpoint`)."
        )


@contextmanager
def translated(endpoint: str) -> Iterator[None]:
    """Raise the client's errors as `Interrupted`, without addresses, which may be signed."""
    try:
        yield
    except httpx2.TooManyRedirects:
        raise MistakeError(
            f"{endpoint} redirects more than {MAX_REDIRECTS} times. Check that `hub.endpoint` is a "
            "hub."
        ) from None
    except httpx2.UnsupportedProtocol as error:
        raise MistakeError(
            f"{endpoint} redirects to an address that is not http or https "
            f"({type(error).__name__}). Check the mirror (`hub.endpoint`)."
        ) from None
    except httpx2.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise MistakeError(
                f"{endpoint} shows a certificate that is not trusted ({error}). If a proxy or the "
                "mirror has its own authority, set its certificate: "
                "pulumi config set --path rayline:network.caFile ca.pem"
            ) from None
        if isinstance(error, httpx2.ProxyError) and "407" in str(error):
            raise MistakeError(
                f"the proxy requires a password ({error}). Type: "
                "pulumi config set --secret rayline:proxyUrl"
            ) from None
        detail = "" if "://" in str(error) else str(error)
        raise Interrupted(
            f"{endpoint}: {type(error).__name__}{': ' if detail else ''}{detail}"
        ) from None
