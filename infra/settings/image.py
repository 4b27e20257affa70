"""`rayline:image`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from infra.settings.framework.base import DnsLabel, Settings


class Image(Settings):
    """The image of head and workers: Ray, vLLM and the service. It is either built (`repository`)
    or prebuilt (`ref`)."""

    repository: str | None = None
    """Where the built image is pushed, without a tag: registry.example.com/llm/ray-vllm."""
    ref: str | None = Field(None, pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")
    """A prebuilt image by digest: registry.example.com/llm/ray-vllm@sha256:... Nothing is built."""
    device: Literal["gpu", "cpu"] = "gpu"
    """Device that models run on. It selects the build of vLLM in the image
    (requirements/app-gpu.txt or app-cpu.txt); with cpu, replicas use no cards and the checks of
    cards are skipped."""
    base: str = "rayproject/ray:2.60.0-py311-cu130"
    """Base image of the build, with Python 3.11 and the CUDA version of
    requirements/app-gpu.txt, 13.0. CUDA 13 needs NVIDIA's driver 580 or newer on the nodes."""
    builder: Literal["buildx", "docker"] = "buildx"
    """buildx: BuildKit, through pulumi-docker-build. docker: a plain Docker engine, through
    pulumi-docker, which Pulumi downloads; it has no build secrets and is tested with mocks only."""
    buildx_instance: str | None = None
    """Name of the buildx instance; absent: the default one."""
    pip_config: str | None = None
    """Path of a pip.conf on the building machine, for a mirror of PyPI. Mounted as a build
    secret."""
    pull_secret: DnsLabel | None = None
    """Existing Secret of type kubernetes.io/dockerconfigjson, for example regcred."""
    pull_policy: Literal["IfNotPresent", "Always"] = "IfNotPresent"
    """Images are used by digest, which never changes, so IfNotPresent misses nothing."""

    @property
    def requirements(self) -> str:
        """The locked set of Python packages in the image: a file of requirements/."""
        return f"app-{self.device}.txt"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.repository is None) == (self.ref is None):
            given = "both" if self.repository else "neither"
            raise ValueError(
                f"set either repository (built and pushed there) or ref (prebuilt, by digest); "
                f"{given} is set"
            )
        return self
