"""Ownership: which cluster the stack is in, and which of its objects are the stack's own.

docs/adr/0017-ownership.md
"""

from infra.providers.ownership.guard import DestroyGuard, DestroyGuardArgs
from infra.providers.ownership.resource import Ownership, OwnershipArgs

__all__ = ["DestroyGuard", "DestroyGuardArgs", "Ownership", "OwnershipArgs"]
