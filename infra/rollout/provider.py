from pulumi.dynamic import ResourceProvider


class PodRolloutProvider(ResourceProvider):
    """Being written."""
