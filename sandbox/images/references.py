"""The names under which the sandbox's registry holds the images of every cluster."""

from dataclasses import dataclass

from sandbox.images import base, system
from sandbox.settings import Settings
from toolchain import TOOLS


@dataclass(frozen=True)
class References:
    """`pause`, `coredns` and `operator` hold one binary each; `base` stands in for rayproject/ray.

    Every tag identifies its content, so an image that the registry has is not built again.
    """

    pause: str
    coredns: str
    operator: str
    base: str


def references(settings: Settings) -> References:
    """The references in the registry of these settings; computed without a build."""

    def reference(image: system.BinaryImage) -> str:
        return image.reference(settings.registry, TOOLS[image.tool].key())

    return References(
        pause=reference(system.PAUSE),
        coredns=reference(system.COREDNS),
        operator=reference(system.OPERATOR),
        base=base.reference(settings.registry),
    )
