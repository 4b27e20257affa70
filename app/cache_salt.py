"""Keeps the prefix caches of users apart, so that no one learns from times what others asked.

vLLM computes the beginning of a prompt once and reuses it for every later prompt that begins alike,
which answers sooner. A caller could therefore find out, block by block, what another caller had
sent. vLLM hashes a request's `cache_salt` into its first block, so only prompts with the same salt
share anything (https://docs.vllm.ai/en/v0.32.0/design/prefix_caching/). Not every route of vLLM has
that field. The salt is therefore written where every route ends: into the request that goes to the
engine's process.

The guard puts the caller's salt into `current` before it calls vLLM's application.
"""

import functools
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

current: ContextVar[str] = ContextVar("rayline_cache_salt", default="")
Add = Callable[[Any], Awaitable[None]]


@functools.lru_cache(maxsize=4096)
def salt(secret: bytes, name: str) -> str:
    """The salt of a user, a service or a role: the same on every replica and after a restart.

    `secret` is the key that signs tokens, without which the salt cannot be computed.
    """
    return hmac.digest(secret, b"rayline cache salt\0" + name.encode(), "sha256").hex()[:32]


def combined(callers: str, chosen: str | None) -> str:
    """A caller's salt together with one that the request itself contains.

    The second can only divide the caller's own cache further. The length stays fixed: vLLM allows
    128 characters, and the request may use all of them.
    """
    if not chosen:
        return callers
    return hashlib.sha256(f"{callers} {chosen}".encode()).hexdigest()[:32]


def salted(add: Add) -> Add:
    """The engine client's `add_request_async`, through which every request reaches the engine."""

    @functools.wraps(add)
    async def adding(request: Any) -> None:
        callers = current.get()
        if callers:  # not the warm-up
            request.cache_salt = combined(callers, request.cache_salt)
        await add(request)

    return adding
