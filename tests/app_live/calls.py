"""Requests that several tests send."""

from typing import Any

from bench.serving.service import MODEL

LONG = 16_000
"""Tokens that take the tiny model several seconds."""


def completion(**changes: Any) -> dict[str, Any]:
    """A completion that uses its whole `max_tokens`: several seconds, unless changed."""
    return {"model": MODEL, "prompt": "Why", "max_tokens": LONG, "ignore_eos": True, **changes}
