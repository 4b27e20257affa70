"""Repositories besides a model's own: downloaded at a commit, or refused by name."""

from typing import Any

import pytest

from infra.settings.references import ARGUMENTS
from infra.specs.extra_sources import engine_args, options
from tests.infra.rules.stack import errors
from tests.stacks import REVISION, settings

EXTRA = {"source": "owner/extra", "revision": "1" * 40}
FOLDER = f"/data/model-cache/hub/models--owner--extra/snapshots/{'1' * 40}"

# Engine arguments that name a repository, the key of the message, and what is downloaded of it.
NAMED: list[tuple[dict[str, Any], str, str]] = [
    ({"tokenizer": "owner/extra"}, "tokenizer", "files"),
    ({"--tokenizer": "owner/extra"}, "--tokenizer", "files"),
    ({"hf-config-path": "owner/extra"}, "hf-config-path", "files"),
    ({"generation_config": "owner/extra"}, "generation_config", "files"),
    (
        {"speculative_config": {"model": "owner/extra", "num_speculative_tokens": 3}},
        "speculative_config.model",
        "model",
    ),
    ({"speculative_config": '{"model": "owner/extra"}'}, "speculative_config.model", "model"),
    ({"spec_model": "owner/extra"}, "spec_model", "model"),
    ({"lora_modules": ["a=owner/extra"]}, "lora_modules[0]", "adapter"),
    ({"lora_modules": [{"name": "a", "path": "owner/extra"}]}, "lora_modules[0].path", "adapter"),
    (
        {"lora_modules": ['{"name": "a", "path": "owner/extra"}']},
        "lora_modules[0].path",
        "adapter",
    ),
    ({"default_mm_loras": {"audio": "owner/extra"}}, "default_mm_loras.audio", "adapter"),
    ({"hf_overrides": {"audio_model_id": "owner/extra"}}, "hf_overrides.audio_model_id", "model"),
    ({"hf_overrides": {"text_model_id": "owner/extra"}}, "hf_overrides.text_model_id", "model"),
]


@pytest.mark.parametrize(("arguments", "key", "use"), NAMED, ids=str)
def test_a_repository_that_an_argument_names_is_refused_by_name(
    arguments: dict[str, Any], key: str, use: str
) -> None:
    reported = errors(models__0__engineArgs=arguments)
    assert list(reported) == [f"rayline:models[0].engineArgs.{key}"]
    (message,) = reported.values()
    assert "names the repository owner/extra, and replicas are offline" in message
    assert "'rayline:models[0].extraSources[0].source' owner/extra" in message


@pytest.mark.parametrize(("arguments", "key", "use"), NAMED, ids=str)
def test_an_extra_source_is_downloaded_as_its_argument_needs_and_used_at_its_commit(
    arguments: dict[str, Any], key: str, use: str
) -> None:
    changes = {"models__0__engineArgs": arguments, "models__0__extraSources": [EXTRA]}
    assert errors(**changes) == {}
    (model,) = settings(**changes).models
    assert options(model) == [f"--also={use}:owner/extra@{'1' * 40}"]
    text = str(engine_args(model, "/data/model-cache"))
    assert FOLDER in text
    assert "owner/extra" not in text


def test_every_argument_of_the_table_is_tried() -> None:
    tried = {next(iter(arguments)).strip("-").replace("-", "_") for arguments, _, _ in NAMED}
    assert tried == {path[0] for path in ARGUMENTS}


@pytest.mark.parametrize(
    "arguments",
    [
        {"tokenizer": "/data/model-cache/mine"},
        {"tokenizer": "owner/one"},  # the model's own
        {"generation_config": "vllm"},
        {"generation_config": "auto"},
        {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3}},
        {"speculative_config": {"model": "ngram", "num_speculative_tokens": 3}},
        {"lora_modules": ["a=/data/model-cache/adapters/a"]},
        {"hf_overrides": {"max_position_embeddings": 4096}},
        {"tokenizer": None},
    ],
)
def test_what_names_no_other_repository_is_accepted(arguments: dict[str, Any]) -> None:
    assert errors(models__0__engineArgs=arguments) == {}


def test_a_name_that_is_neither_a_repository_nor_a_folder_is_refused() -> None:
    (message,) = errors(models__0__engineArgs={"tokenizer": "gpt2"}).values()
    assert "a repository as owner/name" in message
    assert "pulumi config rm --path 'rayline:models[0].engineArgs.tokenizer'" in message


def test_the_models_own_name_stands_for_its_own_commit() -> None:
    (model,) = settings(models__0__engineArgs={"tokenizer": "owner/one"}).models
    assert engine_args(model, "/c") == {
        "tokenizer": f"/c/hub/models--owner--one/snapshots/{REVISION}"
    }


def test_arguments_without_repositories_keep_their_form() -> None:
    arguments = {"speculative_config": '{"method": "ngram"}', "seed": 1}
    (model,) = settings(models__0__engineArgs=arguments).models
    assert engine_args(model, "/c") == arguments
    assert options(model) == []


def test_the_job_knows_the_load_format_and_whether_code_runs() -> None:
    arguments = {"load-format": "pt", "--trust-remote-code": True}
    (model,) = settings(models__0__engineArgs=arguments, models__0__allowPickle=["*.pt"]).models
    assert options(model) == ["--load-format=pt", "--allow-pickle=*.pt", "--trust-remote-code"]


def test_a_use_may_be_stated() -> None:
    (model,) = settings(models__0__extraSources=[{**EXTRA, "use": "model"}]).models
    assert options(model) == [f"--also=model:owner/extra@{'1' * 40}"]


def test_one_repository_has_one_commit_in_a_stack() -> None:
    two = [EXTRA, {**EXTRA, "revision": "2" * 40}]
    reported = errors(models__0__extraSources=two)
    assert list(reported) == ["rayline:models[0].extraSources[1].revision"]


@pytest.mark.parametrize("arguments", [{"tokenizer_revision": "main"}, {"code-revision": "main"}])
def test_other_commits_have_no_effect(arguments: dict[str, Any]) -> None:
    (message,) = errors(models__0__engineArgs=arguments).values()
    assert "has no effect" in message
    assert errors(models__0__engineArgs={"code_revision": REVISION}) == {}
