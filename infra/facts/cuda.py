"""Versions of NVIDIA's driver that a CUDA runtime needs on Linux."""

from collections.abc import Mapping
from types import MappingProxyType

Version = tuple[int, ...]

CUDA_MINIMUM_DRIVER: Mapping[int, Version] = MappingProxyType(
    {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}
)
"""The oldest driver by CUDA's major version. A runtime works with every driver of its own major
version or of a newer one:
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html

Older drivers run a newer runtime only with NVIDIA's package cuda-compat, which supports data-centre
GPUs and no GeForce:
https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"""


def minimum_driver(cuda: Version) -> Version | None:
    """The oldest driver for CUDA `(major, minor)`; None if the major version is unknown."""
    return CUDA_MINIMUM_DRIVER.get(cuda[0])
