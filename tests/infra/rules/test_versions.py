"""Versions of Ray, vLLM, KubeRay and the base image."""

import pytest

from infra import rules
from infra.rules import Facts
from tests.infra.rules.stack import errors, warnings
from tests.stacks import settings
from toolchain import catalogue

LOCKED = Facts(locked={"ray": "2.60.0", "vllm": "0.32.0", "cuda-toolkit": "13.0.3.0"})


def test_the_default_versions_are_tested_together_and_locked() -> None:
    assert settings().operator.version == catalogue.KUBERAY, "what the sandbox runs"
    assert rules.gather(settings()).locked["ray"] == settings().ray.version
    assert rules.check(settings(), rules.gather(settings(), environ={})) == []


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"ray__version": "2.51.0"}, "rayline:ray.version", "2.52.0 or newer"),
        ({"operator__version": "1.5.1"}, "rayline:operator.version", "1.6.0 or newer"),
        (
            {"image__base": "rayproject/ray:2.59.0-py311-cu128"},
            "rayline:image.base",
            "rayproject/ray:2.60.0-py311-cu130",
        ),
        (
            {"image__base": "mirror.example.com/ray:2.60.0-py310-cu128"},
            "rayline:image.base",
            "mirror.example.com/ray:2.60.0-py311-cu130",
        ),
        ({"ray__version": "2.61.0"}, "rayline:ray.version", "'rayline:ray.version' 2.60.0"),
    ],
)
def test_versions_that_do_not_work_together(change: dict[str, str], key: str, text: str) -> None:
    reported = errors(LOCKED, **change)
    assert text in reported[key]


def test_versions_that_are_not_tested_together_are_a_warning() -> None:
    reported = warnings(LOCKED, operator__version="1.7.0")
    assert "Tested: Ray 2.60.0, vLLM 0.32.0, KubeRay 1.6.2" in reported["rayline:operator.version"]
    assert errors(LOCKED, operator__version="1.7.0") == {}
    newer = Facts(locked={"ray": "2.60.0", "vllm": "0.33.0"})
    assert "vLLM 0.33.0" in next(iter(warnings(newer).values()))


def test_the_name_of_a_custom_base_image_is_not_read() -> None:
    assert errors(LOCKED, image__base="localhost:5000/base:bookworm-1a2b") == {}
    assert warnings(LOCKED, image__base="localhost:5000/base:bookworm-1a2b") == {}


def test_an_image_for_gpus_on_a_base_without_cuda() -> None:
    assert "cu130" in warnings(LOCKED, image__base="r/ray:2.60.0-py311-cpu")["rayline:image.base"]
    cpu = {"image__base": "r/ray:2.60.0-py311-cpu", "image__device": "cpu"}
    assert warnings(LOCKED, **cpu) == {}


@pytest.mark.parametrize("device", ["cu128", "cu129", "cu1310", "gpu"])
def test_a_base_with_another_cuda_than_the_locked_packages(device: str) -> None:
    """Ray's tag `-gpu` is an alias, so its CUDA changes from one release to the next."""
    reported = warnings(LOCKED, image__base=f"r/ray:2.60.0-py311-{device}")["rayline:image.base"]
    assert "CUDA 13.0" in reported
    assert "r/ray:2.60.0-py311-cu130" in reported
    assert warnings(LOCKED, image__base="r/ray:2.60.0-py311-cu130") == {}


def test_the_advice_for_an_image_without_gpus_keeps_the_base_without_cuda() -> None:
    cpu = {"image__device": "cpu", "image__base": "r/ray:2.59.0-py311"}
    assert errors(LOCKED, **cpu)["rayline:image.base"].endswith(" r/ray:2.60.0-py311")


def test_a_prebuilt_image_is_not_compared_with_our_requirements() -> None:
    ref = "r/llm@sha256:" + "0" * 64
    stack = settings(image__repository=None, image__ref=ref, ray__version="2.61.0")
    assert rules.gather(stack).locked == {}
    assert [p.severity for p in rules.check(stack, rules.gather(stack))] == ["warning"]
