"""`rayline:image`."""

from typing import Literal, Self

from pydantic import model_validator

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import ImageByDigest, ImageReference, Line, ObjectName, Path


class Image(Settings):
    """The image of head and workers: Ray, vLLM and the service. It is either built (`repository`)
    or prebuilt (`ref`)."""

    repository: Line | None = None
    """Where the built image is pushed, without a tag: registry.example.com/llm/ray-vllm."""
    ref: ImageByDigest | None = None
    """A prebuilt image by digest: registry.example.com/llm/ray-vllm@sha256:... Nothing is built."""
    device: Literal["gpu", "cpu"] = "gpu"
    """Device that models run on. It selects the build of vLLM in the image
    (requirements/app-gpu.txt or app-cpu.txt); with cpu, replicas use no cards and the checks of
    cards are skipped."""
    base: ImageReference = "rayproject/ray:2.60.0-py311-cu128"
    """Base image of the build; it determines the versions of Python and CUDA."""
    builder: Literal["buildx", "docker"] = "buildx"
    """buildx: BuildKit, through pulumi-docker-build. docker: a plain Docker engine, through
    pulumi-docker, which Pulumi downloads; it has no build secrets and is tested with mocks only."""
    buildx_instance: Line | None = None
    """Name of the buildx instance; absent: the default one."""
    pip_config: Path | None = None
    """Path of a pip.conf on the building machine, for a mirror of PyPI. Mounted as a build
    secret."""
    pull_secret: ObjectName | None = None
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
