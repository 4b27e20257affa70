"""The one credential of a request.

Clients of OpenAI's API send `Authorization: Bearer TOKEN`; those of Anthropic's API may send
`x-api-key: TOKEN` instead (https://docs.anthropic.com/en/api/overview#authentication). The second
counts on Anthropic's routes alone. Two different credentials are refused, because a proxy in front
could have judged the one while the guard judges the other.
"""

from app.errors import RefusedError
from app.guard.headers import Received


def is_anthropic(path: str) -> bool:
    """Whether clients of Anthropic's API call this path, and read errors in its form."""
    return path == "/v1/messages" or path.startswith("/v1/messages/")


def takes_key(path: str) -> bool:
    """Whether `x-api-key` counts at this path. Anthropic's clients list models too, at a path that
    both APIs have."""
    return is_anthropic(path) or path == "/v1/models"


def authorization(headers: Received, path: str) -> bytes | None:
    """The Authorization header that decides who calls; RefusedError 400 for two credentials."""
    key = headers.api_key
    if key is None or not takes_key(path):
        return headers.authorization
    if headers.authorization is not None and headers.authorization[7:] != key:
        text = "The headers Authorization and x-api-key differ; send only one of them."
        raise RefusedError(400, "two_credentials", text)
    return headers.authorization or b"Bearer " + key
