"""What can go wrong while pods are replaced."""


class RolloutError(Exception):
    """Each message says which group, what Kubernetes says about it, and what to type."""


class RolloutFailedError(RolloutError):
    """Pods cannot become Ready: no image, no node, crashing, or a spec that KubeRay refuses."""


class RolloutTimeoutError(RolloutError):
    """Not every pod was Ready in time."""
