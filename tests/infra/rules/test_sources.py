"""Sources, quantization and engine arguments of models."""

from typing import Any

import pytest

from app.download import formats
from app.engine import settings as service
from infra import rules
from infra.facts.model_facts import ModelFacts
from infra.rules import Facts, sources
from tests.infra.rules.stack import errors, warnings
from tests.stacks import REVISION, settings

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
    reported = errors(models__0__source=source, models__0__revision=revision)
    assert list(reported) == ([key] if key else [])


def test_a_folder_has_no_revision() -> None:
    reported = warnings(models__0__source="/data/model-cache/one")
    assert list(reported) == ["rayline:models[0].revision"]


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
    reported = [p for p in rules.check(settings(**changes), facts) if "AWQ" in p.message]
    assert [(p.severity, p.key) for p in reported] == (
        [(severity, "rayline:models[0].dtype")] if severity else []
    )
    if severity:
        assert "'rayline:models[0].dtype' float16" in reported[0].message


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


@pytest.mark.parametrize(("load_format", "pattern"), [("pt", "*.pt"), ("NPCACHE", "*.bin")])
def test_a_format_of_pickles_needs_its_files_named(load_format: str, pattern: str) -> None:
    arguments = {"load-format": load_format}
    reported = errors(models__0__engineArgs=arguments)
    (message,) = reported.values()
    assert list(reported) == ["rayline:models[0].engineArgs.load-format"]
    assert f"'rayline:models[0].allowPickle[0]' '{pattern}'" in message
    assert errors(models__0__engineArgs=arguments, models__0__allowPickle=[pattern]) == {}


def test_every_format_of_the_service_that_reads_pickles_only_is_in_the_rule() -> None:
    only = {name for name, order in formats.ORDER.items() if order} - {
        name
        for name, order in formats.ORDER.items()
        if any(".bin" not in f.pattern and ".pt" not in f.pattern for f in order)
    }
    assert only == sources.PICKLE_FORMATS.keys()


def test_code_of_a_folder_is_not_pinned() -> None:
    arguments = {"--trust-remote-code": True}
    folder = {"models__0__source": "/data/model-cache/one", "models__0__revision": None}
    reported = warnings(models__0__engineArgs=arguments, **folder)
    assert "which no commit pins" in reported["rayline:models[0].engineArgs.--trust-remote-code"]
    assert not any("commit pins" in m for m in warnings(models__0__engineArgs=arguments).values())
    off = {"trust_remote_code": False}
    assert not any(
        "commit pins" in m for m in warnings(models__0__engineArgs=off, **folder).values()
    )


@pytest.mark.parametrize(
    "overrides",
    [
        {"auto_map": {"AutoModel": "owner/extra--modeling.Model"}},
        {"vision_config": {"auto_map": {"AutoTokenizer": [None, "owner/extra--t.T"]}}},
        '{"auto_map": {"AutoModel": "owner/extra--modeling.Model"}}',
    ],
    ids=str,
)
def test_code_that_an_override_names_is_pinned(overrides: Any) -> None:
    arguments = {"trust_remote_code": True, "hf_overrides": overrides}
    reported = errors(models__0__engineArgs=arguments)
    (message,) = reported.values()
    assert "names code of the repository owner/extra" in message
    assert "'rayline:models[0].extraSources[0].source' owner/extra" in message
    extra = [{"source": "owner/extra", "revision": REVISION}]
    assert errors(models__0__engineArgs=arguments, models__0__extraSources=extra) == {}


@pytest.mark.parametrize(
    "overrides",
    [
        {"auto_map": {"AutoModel": "modeling.Own"}},
        {"note": "owner/extra--modeling.Model"},
        {"max_position_embeddings": 4096},
    ],
    ids=str,
)
def test_overrides_without_code_of_others_are_accepted(overrides: Any) -> None:
    assert errors(models__0__engineArgs={"hf_overrides": overrides}) == {}
