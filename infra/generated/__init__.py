"""Secrets that nobody gave: made once, kept encrypted in the state."""

from infra.generated.resource import GeneratedSecret

__all__ = ["GeneratedSecret"]
