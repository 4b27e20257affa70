"""Sources, quantization, engine arguments and versions."""

from typing import Any

import pytest

from app.engine import settings as service
from infra import rules
from infra.facts.model_facts import ModelFacts
from infra.rules import Facts, sources
from tests.infra.rules.stack import errors, warnings
from tests.stacks import REVISION, settings
from toolchain import catalogue

AWQ = Facts(models={("owner/one", REVISION): ModelFacts(quantization="awq")})
NOT_AWQ = Facts(models={("owner/awq-notes", REVISION): ModelFacts(quantization="gptq")})


@pytest.mark.parametrize(
    ("source", "revision", "key"),
    [
        ("owner/one", REVISION, None),
        ("owner/one", None, "rayline:models[0].revision"),
        ("one", REVISION, "rayline:models[0].source"),
        ("https://hub/owner/one", REVISION, "rayline:models[0].source"),
        ("/data/model-cache/one", None, None),
        ("/home/me/one", None, "rayline:models[0].source"),
        ("/data/model-cache/../etc", None, "rayline:models[0].source"),
    ],
)
def test_sources(source: str, revision: str | None, key: str | None) -> None:
    found = errors(models__0__source=source, models__0__revision=revision)
    assert list(found) == ([key] if key else [])


def test_a_folder_has_no_revision() -> None:
    found = warnings(models__0__source="/data/model-cache/one")
    assert list(found) == ["rayline:models[0].revision"]


@pytest.mark.parametrize(
    ("facts", "change", "severity"),
    [
        (AWQ, {"dtype": "float16"}, None),
        (AWQ, {"dtype": "auto"}, None),
        (AWQ, {"dtype": "bfloat16"}, "warning"),
        (AWQ, {"dtype": "float32"}, "error"),
        (None, {"dtype": "float32", "source": "o/Model-AWQ"}, "error"),
        (None, {"dtype": "float32", "engineArgs": {"quantization": "awq_marlin"}}, "error"),
        (None, {"dtype": "float32", "source": "o/hawqs"}, None),
        (NOT_AWQ, {"dtype": "float32", "source": "owner/awq-notes"}, None),
    ],
)
def test_awq_needs_half_precision(
    facts: Facts | None, change: dict[str, Any], severity: str | None
) -> None:
    changes = {f"models__0__{key}": value for key, value in change.items()}
    found = [p for p in rules.check(settings(**changes), facts) if "AWQ" in p.message]
    assert [(p.severity, p.key) for p in found] == (
        [(severity, "rayline:models[0].dtype")] if severity else []
    )
    if severity:
        assert "'rayline:models[0].dtype' float16" in found[0].message


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("max-model-len", "maxModelLen"),
        ("--max_num_seqs", "maxNumSeqs"),
        ("port", "refused"),
        ("ssl-keyfile", "refused"),
        ("hf-token", "--secret rayline:hubToken"),
    ],
)
def test_engine_args_repeat_nothing(name: str, word: str) -> None:
    (message,) = errors(models__0__engineArgs={name: 1}).values()
    assert word in message
    assert errors(models__0__engineArgs={"quantization": "fp8"}) == {}
    twice = errors(models__0__engineArgs={"swap-space": 1, "swap_space": 2})
    assert ["twice" in message for message in twice.values()] == [True]


def test_what_the_service_refuses_is_refused_here() -> None:
    assert set(service.NOT_IN_ENGINE_ARGS) == sources.REFUSED_ARGUMENTS
    assert set(sources.TYPED_ARGUMENTS) == {name for name, _ in service.ARGUMENTS.values()}


LOCKED = Facts(locked={"ray": "2.60.0", "vllm": "0.32.0"})


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
            "rayproject/ray:2.60.0-py311-cu128",
        ),
        (
            {"image__base": "mirror.example.com/ray:2.60.0-py310-cu128"},
            "rayline:image.base",
            "mirror.example.com/ray:2.60.0-py311-cu128",
        ),
        ({"ray__version": "2.61.0"}, "rayline:ray.version", "'rayline:ray.version' 2.60.0"),
    ],
)
def test_versions_that_do_not_go_together(change: dict[str, str], key: str, text: str) -> None:
    found = errors(LOCKED, **change)
    assert text in found[key]


def test_versions_that_nobody_ran_together_are_a_warning() -> None:
    found = warnings(LOCKED, operator__version="1.7.0")
    assert "Tested: Ray 2.60.0, vLLM 0.32.0, KubeRay 1.6.2" in found["rayline:operator.version"]
    assert errors(LOCKED, operator__version="1.7.0") == {}
    newer = Facts(locked={"ray": "2.60.0", "vllm": "0.33.0"})
    assert "vLLM 0.33.0" in next(iter(warnings(newer).values()))


def test_a_base_of_ones_own_says_nothing() -> None:
    assert errors(LOCKED, image__base="localhost:5000/base:bookworm-1a2b") == {}
    assert warnings(LOCKED, image__base="localhost:5000/base:bookworm-1a2b") == {}


def test_an_image_for_gpus_on_a_base_without_cuda() -> None:
    assert "cu128" in warnings(LOCKED, image__base="r/ray:2.60.0-py311-cpu")["rayline:image.base"]
    cpu = {"image__base": "r/ray:2.60.0-py311-cpu", "image__device": "cpu"}
    assert warnings(LOCKED, **cpu) == {}


def test_a_prebuilt_image_is_not_compared_with_our_requirements() -> None:
    ref = "r/llm@sha256:" + "0" * 64
    stack = settings(image__repository=None, image__ref=ref, ray__version="2.61.0")
    assert rules.gather(stack).locked == {}
    assert [p.severity for p in rules.check(stack, rules.gather(stack))] == ["warning"]
