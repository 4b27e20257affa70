"""`ray.util.metrics`, as far as the exporter uses it: what it was given, by name and labels."""

from collections.abc import Mapping
from typing import Any

Key = tuple[str, frozenset[tuple[str, str]]]


class FakeRay:
    """One registry. `broken` makes every call fail."""

    def __init__(self) -> None:
        self.sums: dict[Key, float] = {}
        self.set: dict[Key, float] = {}
        self.broken = False

    def Counter(self, name: str, text: str, keys: tuple[str, ...]) -> "_Metric":  # noqa: N802
        return _Metric(self, name, keys)

    def Gauge(self, name: str, text: str, keys: tuple[str, ...]) -> "_Metric":  # noqa: N802
        return _Metric(self, name, keys)

    def of(self, values: Mapping[Key, float], name: str) -> list[tuple[dict[str, str], float]]:
        return [(dict(labels), value) for (own, labels), value in values.items() if own == name]


class _Metric:
    def __init__(self, ray: FakeRay, name: str, keys: tuple[str, ...]) -> None:
        self._ray, self._name, self._keys = ray, name, keys
        self._tags: dict[str, str] = {}

    def set_default_tags(self, tags: dict[str, str]) -> "_Metric":
        self._tags = tags
        return self

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0  # as Ray
        key = self._key(tags)
        self._ray.sums[key] = self._ray.sums.get(key, 0) + value

    def set(self, value: float, tags: dict[str, str]) -> None:
        self._ray.set[self._key(tags)] = value

    def _key(self, tags: dict[str, str]) -> Any:
        if self._ray.broken:
            raise RuntimeError("Ray is gone")
        labels = {**self._tags, **tags}
        assert set(labels) == set(self._keys)  # Ray refuses a label that is missing
        return self._name, frozenset(labels.items())
