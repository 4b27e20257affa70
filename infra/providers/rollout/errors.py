"""Errors of a rollout."""

from infra.providers.common.call import ProviderError


class RolloutError(ProviderError):
    """The message names the group, quotes Kubernetes, and states what to type."""


class RolloutFailedError(RolloutError):
    """Pods cannot become Ready: no image, no node, crashing, or a spec that KubeRay refuses."""


class RolloutTimeoutError(RolloutError):
    """Not every pod was Ready before the deadline."""
