"""Whether memory and descriptors stay flat. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP_SECONDS = 120.0
"""Caches of a fresh process fill meanwhile."""
MEMORY_TOLERANCE = 0.05
DESCRIPTORS_TOLERANCE = 0.10
SMALL_MEMORY, SMALL_DESCRIPTORS = 20 * 2**20, 10
"""A growth below these is noise, whatever its share."""


@dataclass(frozen=True)
class Sample:
    """A part at one time: unshared bytes and open descriptors of all of its processes."""

    at: float
    part: str
    memory: int
    descriptors: int


@dataclass(frozen=True)
class Growth:
    """From the first third of a run to its last, by the medians: a part that is killed has some low
    values while it starts."""

    first: float
    last: float
    tolerance: float
    small: float

    @property
    def share(self) -> float:
        return self.last / self.first - 1 if self.first else 0.0

    @property
    def is_flat(self) -> bool:
        return self.last - self.first <= max(self.small, self.first * self.tolerance)


def growth(samples: Sequence[Sample]) -> tuple[Growth, Growth] | None:
    """Memory and descriptors of one part; None for too few samples to compare."""
    warm = [one for one in samples if one.at >= samples[0].at + WARM_UP_SECONDS]
    third = len(warm) // 3
    if third < 3:
        return None
    first, last = warm[:third], warm[-third:]
    return (
        Growth(
            statistics.median(one.memory for one in first),
            statistics.median(one.memory for one in last),
            MEMORY_TOLERANCE,
            SMALL_MEMORY,
        ),
        Growth(
            statistics.median(one.descriptors for one in first),
            statistics.median(one.descriptors for one in last),
            DESCRIPTORS_TOLERANCE,
            SMALL_DESCRIPTORS,
        ),
    )


def by_part(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for one in samples:
        found.setdefault(one.part, []).append(one)
    return found
