"""CUDA: its version in the image's locked packages, and the driver that it needs on Linux."""

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


def locked_cuda(versions: Mapping[str, str]) -> Version | None:
    """CUDA `(major, minor)` of the image's packages: torch's runtime, and the compiler that
    FlashInfer uses. None if `versions`, by package, do not contain it.

    NVIDIA's package cuda-toolkit has the version of the whole; the others have their own.
    """
    version = versions.get("cuda-toolkit")
    return None if version is None else tuple(int(part) for part in version.split(".")[:2])


def image_tag(cuda: Version) -> str:
    """The name of a CUDA version in tags of rayproject/ray: `cu130` for (13, 0)."""
    return f"cu{''.join(map(str, cuda))}"
