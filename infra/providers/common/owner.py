"""The annotations that state which stack an object belongs to."""

from collections.abc import Mapping
from typing import Any

STACK = "rayline.dev/stack"
"""On every object of a stack; its value is the stack's ID."""
RELEASED = "rayline.dev/released"
"""On an object that a destroyed stack left behind; the next stack may take it."""
MERGE_PATCH = "application/merge-patch+json"


def owner(metadata: Mapping[str, Any]) -> str:
    """The ID of the stack that the object belongs to; empty if it belongs to none."""
    return str((metadata.get("annotations") or {}).get(STACK, ""))


def is_released(metadata: Mapping[str, Any]) -> bool:
    """Whether its stack was destroyed, and no other one has taken it."""
    return RELEASED in (metadata.get("annotations") or {}) and not owner(metadata)
