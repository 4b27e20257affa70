"""What NVIDIA's GPU feature discovery says about the cards, where it runs.

Labels: https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md
"""

import re
from decimal import Decimal

from infra.cluster_check.facts import ClusterFacts, Node
from infra.cluster_check.registry import certain, cluster_rule
from infra.cluster_check.rules.nodes import placements
from infra.facts.cuda import Version, minimum_driver
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, key_path, set_command, warning

PRODUCT, MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.memory"
DRIVERS = ("nvidia.com/cuda.driver-version.full", "nvidia.com/driver.version")
DRIVER_PARTS = (
    *(f"nvidia.com/cuda.driver-version.{part}" for part in ("major", "minor", "revision")),
    *(f"nvidia.com/cuda.driver.{part}" for part in ("major", "minor", "rev")),
)
"""The newer and the older names of the same three numbers."""
VARIANTS = frozenset({"ti", "super", "laptop", "mobile", "max", "d"})
"""Words after a model's number that make it another card."""
TOLERANCE = Decimal("0.03")
"""A card has a little less memory than its name says, and groups state it in round numbers."""
_CUDA = re.compile(r":[^:/]*-cu(\d\d)(\d)(?:[-@.].*)?$")


@cluster_rule
def the_cards_are_the_configured_model(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """`gpu.model` is the product of the cards. A warning: the name has no effect by itself."""
    problems = []
    for group, place, nodes in _groups(settings, facts):
        wanted = settings.gpu_groups[place].gpu.model
        other = [node for node in nodes if not same_model(wanted, node.labels.get(PRODUCT))]
        if other:
            product = other[0].labels[PRODUCT]
            key = key_path("gpuGroups", place, "gpu", "model")
            problems.append(
                warning(
                    key,
                    f"is {wanted!r}, but {other[0].name}, which {group} may use, has {product}. "
                    f"Type: {set_command(key, readable(product))}, and check gpu.memoryGib",
                )
            )
    return problems


@cluster_rule
def the_cards_have_the_configured_memory(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """`gpu.memoryGib` is not more than the cards have, so that the check of models against memory
    judges the real cards. A warning."""
    problems = []
    for group, place, nodes in _groups(settings, facts):
        given = Decimal(str(settings.gpu_groups[place].gpu.memory_gib))
        sizes = {node.name: size for node in nodes if (size := _memory_gib(node)) is not None}
        small = min(sizes, key=lambda name: sizes[name], default=None)
        if small is not None and sizes[small] < given * (1 - TOLERANCE):
            key = key_path("gpuGroups", place, "gpu", "memoryGib")
            size = sizes[small].quantize(Decimal("0.1")).normalize()
            problems.append(
                warning(
                    key,
                    f"is {given.normalize():f}, but a card of {small}, which {group} may use, "
                    f"has {size:f} GiB. Type: {set_command(key, f'{size:f}')}",
                )
            )
    return problems


@cluster_rule
def the_driver_is_new_enough(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The driver of the nodes is new enough for the CUDA version in the name of `image.base`. An
    error if too few nodes have such a driver for the group's workers. A prebuilt image and a base
    without CUDA in its name are not judged."""
    cuda = cuda_of(settings.image.base) if settings.image.ref is None else None
    needed = minimum_driver(cuda) if cuda else None
    if cuda is None or needed is None or settings.image.device != "gpu":
        return []
    problems = []
    for group, place, nodes in _groups(settings, facts):
        drivers = {node.name: version for node in nodes if (version := driver(node)) is not None}
        old = [name for name, version in drivers.items() if version < needed]
        if old:
            enough = len(nodes) - len(old) >= settings.gpu_groups[place].workers
            report = warning if enough else certain(facts)
            found = ", ".join(f"{name} {_dotted(drivers[name])}" for name in old)
            problems.append(
                report(
                    key_path("image", "base"),
                    f"has CUDA {_dotted(cuda)}, which needs driver {_dotted(needed)} or newer; "
                    f"{group} may run on nodes with an older one: {found}. Upgrade the driver, or "
                    "choose a base image with an older CUDA. Type: kubectl --context "
                    f"{facts.context} describe node {old[0]}",
                )
            )
    return problems


def _groups(
    settings: StackSettings, facts: ClusterFacts
) -> list[tuple[str, int, tuple[Node, ...]]]:
    """GPU groups that are not running yet: title, place in the list, nodes with labelled cards."""
    return [
        (each.title, int(each.location[1]), nodes)
        for each, found in placements(settings, facts)
        if each.resource and (nodes := tuple(n for n in found.roomy if PRODUCT in n.labels))
    ]


def same_model(configured: str, product: str | None) -> bool:
    """Whether `RTX 3090` can name NVIDIA-GeForce-RTX-3090, but not NVIDIA-GeForce-RTX-3090-Ti."""
    words, found = _words(configured), _words(product or "")
    return words <= found and not (found - words) & VARIANTS


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))


def readable(product: str) -> str:
    """NVIDIA-GeForce-RTX-3090-SHARED -> RTX 3090."""
    name = re.sub(r"-(SHARED|MIG-.*)$", "", product)
    return re.sub(r"^(NVIDIA|Tesla|GeForce|Quadro)-(GeForce-)?", "", name).replace("-", " ")


def _memory_gib(node: Node) -> Decimal | None:
    """The label is in MiB."""
    text = node.labels.get(MEMORY, "")
    return Decimal(text) / 1024 if text.isdecimal() else None


def driver(node: Node) -> Version | None:
    """The driver's version; None if no label has it."""
    for label in DRIVERS:
        text = node.labels.get(label, "")
        if re.fullmatch(r"\d+(\.\d+)*", text):
            return tuple(int(part) for part in text.split("."))
    for names in (DRIVER_PARTS[:3], DRIVER_PARTS[3:]):
        parts = [node.labels[name] for name in names if node.labels.get(name, "").isdecimal()]
        if names[0] in node.labels and parts:
            return tuple(int(part) for part in parts)
    return None


def cuda_of(base: str) -> Version | None:
    """rayproject/ray:2.60.0-py311-cu128 -> (12, 8)."""
    found = _CUDA.search(base)
    return (int(found[1]), int(found[2])) if found else None


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
