"""`rayline:image`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import ImageByDigest, ImageReference, Line, ObjectName, Path

DOCKER_HUB = "docker.io"


def registry_host(image: str) -> str | None:
    """Host and port of the registry that an image's name begins with; None if it names none.

    The first part is a host if it contains a dot or a colon, or is localhost (
    https://github.com/distribution/reference/blob/v0.6.0/normalize.go, splitDockerDomain).
    """
    first, slash, _ = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host else None


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
    base: ImageReference = "rayproject/ray:2.60.0-py311-cu130"
    """Base image of the build, with Python 3.11 and the CUDA version of
    requirements/app-gpu.txt, 13.0. CUDA 13 needs NVIDIA's driver 580 or newer on the nodes."""
    builder: Literal["buildx", "docker"] = "buildx"
    """buildx: BuildKit, through pulumi-docker-build. docker: a plain Docker engine, through
    pulumi-docker, which Pulumi downloads; it has no build secrets and is tested with mocks only."""
    buildx_instance: Line | None = None
    """Name of the buildx instance; absent: the default one."""
    pip_config: Path | None = None
    """Path of a pip.conf on the building machine, for a mirror of PyPI. Mounted as a build
    secret."""
    pull_secret: ObjectName | None = None
    """Existing Secret of type kubernetes.io/dockerconfigjson, for example regcred, in the project's
    namespace. If `up` creates that namespace, the Secret cannot exist before: use createPullSecret,
    or create namespace and Secret yourself (docs/how-to/adapt-pods.md)."""
    pull_secrets: tuple[ObjectName, ...] = Field((), max_length=100)
    """Further Secrets of that type, for example for the images of sidecar containers."""
    create_pull_secret: bool = False
    """Create a Secret of that type for the registry of the image, from the encrypted keys
    pullUsername and pullPassword or, without them, registryUsername and registryPassword."""
    pull_policy: Literal["IfNotPresent", "Always"] = "IfNotPresent"
    """Images are used by digest, which never changes, so IfNotPresent misses nothing."""

    @property
    def registry(self) -> str:
        """Host and port of the image's registry; docker.io for names without one."""
        return registry_host(str(self.ref or self.repository)) or DOCKER_HUB

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
