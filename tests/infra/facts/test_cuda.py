"""One CUDA version in the GPU image: the base image, torch's runtime, FlashInfer's compiler."""

import re

import pytest
import yaml

from infra.facts.cuda import CUDA_MINIMUM_DRIVER, image_tag, locked_cuda, minimum_driver
from infra.facts.machine import REQUIREMENTS, gather
from infra.settings.image import Image
from tests.stacks import settings
from toolchain.paths import CHECKOUT

LOCKED = gather(settings(), environ={}).locked
CUDA = (13, 0)

# NVIDIA's packages whose versions do not count CUDA's: libraries of the toolkit, which the exact
# versions of cuda-toolkit bind to it, and what is released beside it.
OWN_VERSION = {
    *("nvidia-cublas", "nvidia-cufft", "nvidia-cufile", "nvidia-curand", "nvidia-cusolver"),
    "nvidia-cusparse",
    *("nvidia-cudnn-cu13", "nvidia-cudnn-frontend", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13"),
    *("nvidia-nvshmem-cu13", "nvidia-ml-py", "cuda-core", "cuda-pathfinder", "cuda-tile"),
    # Contains CUDA 12's and 13's variant of one compiler and loads that of the installed driver.
    *(f"nvidia-cutlass-dsl{part}" for part in ("", "-libs-base", "-libs-core", "-libs-cu12")),
    "nvidia-cutlass-dsl-libs-cu13",
}
COUNTED = sorted(
    name for name in LOCKED if re.match(r"(nvidia|cuda)-", name) and name not in OWN_VERSION
)


def test_the_parts_of_the_toolkit_are_among_the_packages_that_are_compared() -> None:
    compiler = {"nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm", "nvidia-cuda-cccl"}
    runtime = {"nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-nvjitlink", "cuda-bindings"}
    assert {*compiler, *runtime, "cuda-toolkit", "cuda-python"} <= set(COUNTED)
    assert set(LOCKED) >= OWN_VERSION, "no longer locked; remove it here"


@pytest.mark.parametrize("name", COUNTED)
def test_a_locked_package_has_the_cuda_version(name: str) -> None:
    assert tuple(int(part) for part in LOCKED[name].split(".")[:2]) == CUDA


def test_packages_of_another_major_version_are_not_locked() -> None:
    variants = {match[1] for name in LOCKED if (match := re.search(r"-cu(\d+)$", name))}
    assert variants == {"12", str(CUDA[0])}
    assert [name for name in LOCKED if name.endswith("-cu12")] == ["nvidia-cutlass-dsl-libs-cu12"]


def test_every_base_image_that_we_name_has_the_locked_cuda() -> None:
    assert locked_cuda(LOCKED) == CUDA
    named = [Image(repository="r.example.com/a").base]
    named += re.findall(r"rayproject/ray:\S+", (CHECKOUT / "app" / "Dockerfile").read_text())
    for path in (*CHECKOUT.glob("Pulumi.*.yaml"), *(CHECKOUT / "examples").glob("*.yaml")):
        image = yaml.safe_load(path.read_text()).get("config", {}).get("rayline:image", {})
        named += [image["base"]] if image.get("device") != "cpu" and "base" in image else []
    assert len(named) >= 5
    for base in named:
        assert base.endswith(f"-{image_tag(CUDA)}")


def test_the_driver_that_a_cuda_version_needs() -> None:
    assert minimum_driver(CUDA) == (580,)
    assert minimum_driver((12, 8)) == (525, 60, 13)
    assert minimum_driver((99, 0)) is None
    drivers = [CUDA_MINIMUM_DRIVER[major] for major in sorted(CUDA_MINIMUM_DRIVER)]
    assert drivers == sorted(drivers)


def test_packages_without_the_toolkit_have_no_cuda_version() -> None:
    assert locked_cuda({"torch": "2.13.0"}) is None
    assert (REQUIREMENTS / "app-gpu.txt").is_file()
