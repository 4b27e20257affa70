"""Numbers as they were given: Pulumi's state, and its way to a provider, know floats only."""

from typing import Any


def whole(value: Any) -> Any:
    """The value with 2.0 as 2, however deep: Kubernetes takes no float for an integer."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
