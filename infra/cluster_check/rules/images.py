"""Room for the image on the nodes."""

from decimal import Decimal

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import cluster_rule
from infra.cluster_check.rules.nodes import placements
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, key_path, warning

IMAGE_BYTES = Decimal(20 * 10**9)
"""Size of the GPU image on a node: base, CUDA, PyTorch, vLLM."""
DISK = "ephemeral-storage"


@cluster_rule
def nodes_have_disk_for_the_image(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The disk of a node that a GPU group may use can hold the image, about 20 GB. A warning:
    images may be on another disk than the one that nodes report."""
    if settings.image.device != "gpu":
        return []
    problems = []
    for each, found in placements(settings, facts):
        small = [
            node
            for node in found.roomy
            if each.resource
            and not holds(node.images, settings.image.ref)
            and node.allocatable.get(DISK, IMAGE_BYTES) < IMAGE_BYTES
        ]
        if small:
            size = small[0].allocatable[DISK] / 10**9
            problems.append(
                warning(
                    key_path(*each.location),
                    f"may run on {small[0].name}, whose disk has {size:.0f} GB for pods and "
                    f"images; the image takes about {IMAGE_BYTES / 10**9:.0f} GB. Type: kubectl "
                    f"--context {facts.context} describe node {small[0].name}",
                )
            )
    return problems


def pulls(settings: StackSettings, facts: ClusterFacts) -> str:
    """How many nodes have to pull a prebuilt image, as a sentence; empty if that is not known."""
    ref = settings.image.ref
    if ref is None or facts.nodes.reason:
        return ""
    nodes = {
        node.name: node for _, found in placements(settings, facts) for node in found.roomy
    }.values()
    lacking = [node for node in nodes if not holds(node.images, ref)]
    return f"{len(lacking)} of {len(nodes)} nodes that may run it do not list the image {ref}"


def holds(images: frozenset[str], ref: str | None) -> bool:
    """Whether a node lists the image. Kubelet reports its 50 largest images only
    (nodeStatusMaxImages), so an image that is not listed may be there all the same."""
    return ref is not None and ref in images
